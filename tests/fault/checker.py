# SPDX-License-Identifier: Apache-2.0
"""Judges a history: the logs of all clients against what is stored. Knows no servers and no files.

check() returns findings, each with its kind:

    LOST          acked and not stored
    MOVED         acked with another seq or time than is stored, or twice with different ones
    UNANSWERED    a client that was told to finish did not get an answer
    STORED_TWICE  one message, two seqs
    HOLE          a conversation's seqs are not 1..n, or its ordinals do not count its messages
    BACKWARDS     created_at_ms decreases
    NEVER_SENT    stored, or shown to a subscriber, and nobody sent it; or its body is another
    OVERTAKEN     sent after another was acked, or after it in one stream, and stored before it
    REPEATED      a subscriber got an event again, or one from before its cursor
    DISORDERED    a subscriber got an event after a later one
    SKIPPED       a subscriber got an event, and not all before it
    SHOWN_WRONG   a subscriber got an event that is not the stored one with its seq
    UNSEEN        a subscriber never got the end of the log
    DIFFERS       the database does not hold what the server says that it holds
"""
from typing import NamedTuple

from history import Event


class Finding(NamedTuple):
    kind: str
    text: str

    def __str__(self):
        return f"{self.kind}: {self.text}"


class Sends:
    """What all logs say of the sending of one message."""

    def __init__(self, sender, record):
        self.sender, self.room, self.id = sender, record["room"], record["id"]
        self.sum = record["sum"]
        self.begin = record["t"]
        self.stream = record["stream"]
        self.tries = 0
        self.acks = []  # (seq, at)
        self.end = None  # of the first ack


def gather_sends(logs):
    """@return (room, sender, id) -> Sends, in the order of each client's first tries; and the keys that
    were acked before anyone tried"""
    sends, strays = {}, []
    for sender, log in logs.items():
        for record in log:
            if record["op"] not in ("try", "ack"):
                continue
            key = (record["room"], sender, record["id"])
            if record["op"] == "try":
                sends.setdefault(key, Sends(sender, record)).tries += 1
                continue
            if key not in sends:
                strays.append(key)
                continue
            sent = sends[key]
            sent.acks.append((record["seq"], record["at"]))
            sent.end = record["t"] if sent.end is None else sent.end
    return sends, strays


def check_acks(sends, store):
    stored = {(room, event.sender, event.id): (event.seq, event.at)
              for room, events in store.items() for event in events if event.id}
    for key, sent in sends.items():
        name = f"{sent.id} of {sent.sender} in {sent.room}"
        if not sent.acks:
            yield Finding("UNANSWERED", name)
            continue
        if len(set(sent.acks)) > 1:
            yield Finding("MOVED", f"{name} was acked as {sorted(set(sent.acks))}")
        if key not in stored:
            yield Finding("LOST", f"{name}, acked as {sent.acks[0]}")
        elif stored[key] not in sent.acks:
            yield Finding("MOVED", f"{name} was acked as {sent.acks[0]}, stored as {stored[key]}")


def check_log(room, events):
    """The promises about one conversation's log alone."""
    seen = {}
    ordinal, at = 0, 0
    for place, event in enumerate(events, 1):
        if event.seq != place:
            yield Finding("HOLE", f"{room} has seq {event.seq} at place {place}")
            return
        if event.at < at:
            yield Finding("BACKWARDS", f"{room} seq {event.seq}: {event.at} after {at}")
        at = event.at
        if not event.id:
            continue
        ordinal += 1
        if event.ordinal != ordinal:
            yield Finding("HOLE", f"{room} seq {event.seq} has ordinal {event.ordinal}, is {ordinal}")
        first = seen.setdefault((event.sender, event.id), event.seq)
        if first != event.seq:
            yield Finding("STORED_TWICE", f"{event.id} of {event.sender} in {room}: seq {first} and "
                                          f"{event.seq}")


def check_sent(sends, room, event, where):
    """That somebody sent what is shown."""
    if not event.id:
        return
    sent = sends.get((room, event.sender, event.id))
    if sent is None:
        yield Finding("NEVER_SENT", f"{event.id} of {event.sender} in {room}, {where}")
    elif sent.sum != event.sum:
        yield Finding("NEVER_SENT", f"{event.id} of {event.sender} in {room} with another body, "
                                    f"{where}")


def check_order_in_time(sends):
    """Who began after an ack has a larger seq: over all clients, since they share one clock."""
    rooms = {}
    for sent in sends.values():
        if sent.acks:
            rooms.setdefault(sent.room, []).append(sent)
    for room, those in rooms.items():
        ended = sorted(those, key=lambda sent: sent.end)
        latest, place = None, 0
        for sent in sorted(those, key=lambda sent: sent.begin):
            while place < len(ended) and ended[place].end < sent.begin:
                if latest is None or ended[place].acks[0][0] > latest.acks[0][0]:
                    latest = ended[place]
                place += 1
            if latest is not None and latest.acks[0][0] > sent.acks[0][0]:
                yield Finding("OVERTAKEN", f"{sent.id} of {sent.sender} in {room} has seq "
                                           f"{sent.acks[0][0]} and began after the ack of "
                                           f"{latest.id}, seq {latest.acks[0][0]}")


def check_order_in_streams(sends):
    """What was sent once, in one stream: what was sent again may have been refused the first time."""
    last = {}
    for sent in sends.values():
        if sent.stream == 0 or sent.tries > 1 or not sent.acks:
            continue
        key = (sent.sender, sent.stream, sent.room)
        before = last.get(key)
        if before is not None and before.acks[0][0] > sent.acks[0][0]:
            yield Finding("OVERTAKEN", f"{sent.id} of {sent.sender} has seq {sent.acks[0][0]}, "
                                       f"{before.id} before it in the stream {before.acks[0][0]}")
        last[key] = sent


class Follow:
    """One subscription of one client to one conversation, event by event."""

    def __init__(self, name, room, after):
        self.name, self.room, self.after = name, room, after
        self.last = after
        self.seen = set()

    def take(self, event):
        where = f"{self.name} in {self.room}, following from {self.after}"
        if event.seq in self.seen or event.seq <= self.after:
            yield Finding("REPEATED", f"seq {event.seq} to {where}")
        elif event.seq < self.last:
            yield Finding("DISORDERED", f"seq {event.seq} after {self.last} to {where}")
        elif event.seq > self.last + 1:
            yield Finding("SKIPPED", f"seq {event.seq} after {self.last} to {where}")
        self.seen.add(event.seq)
        self.last = max(self.last, event.seq)


def event_of_record(record):
    return Event(*(record[field] for field in Event._fields))


def check_shown(sends, store, room, event, name):
    events = store.get(room, [])
    if event.seq < 1 or event.seq > len(events):
        yield Finding("SHOWN_WRONG", f"seq {event.seq} of {room} to {name}; the log ends at "
                                     f"{len(events)}")
    elif events[event.seq - 1] != event:
        yield Finding("SHOWN_WRONG", f"{event} of {room} to {name}; stored is "
                                     f"{events[event.seq - 1]}")
    yield from check_sent(sends, room, event, f"seen by {name}")


def check_subscriber(name, log, sends, store):
    follows = {}  # room -> the Follow that goes on
    furthest = {}
    for record in log:
        room = record["room"]
        if record["op"] == "follow":
            follows[room] = Follow(name, room, record["after"])
            if record["after"] > furthest.setdefault(room, record["after"]):
                yield Finding("SKIPPED", f"{name} saw {room} up to {furthest[room]} and follows from "
                                         f"{record['after']}")
        elif record["op"] == "gone":
            follows[room].last = max(follows[room].last, record["first"] - 1)
        elif record["op"] == "event":
            event = event_of_record(record)
            yield from follows[room].take(event)
            yield from check_shown(sends, store, room, event, name)
            furthest[room] = max(furthest[room], follows[room].last)
    for room, seq in furthest.items():
        if seq < len(store.get(room, [])):
            yield Finding("UNSEEN", f"{name} saw {room} up to {seq} of {len(store[room])}")


def check_second_opinion(store, second):
    for room in sorted(set(store) | set(second)):
        one, other = store.get(room, []), second.get(room, [])
        if one != other:
            place = next((i for i, pair in enumerate(zip(one, other)) if pair[0] != pair[1]),
                         min(len(one), len(other)))
            yield Finding("DIFFERS", f"{room}: {len(one)} events by the server, {len(other)} in the "
                                     f"database; the first difference is at place {place + 1}: "
                                     f"{one[place:place + 1]} and {other[place:place + 1]}")


def check(logs, store, second=None):
    """@param logs  client -> records (history.py). @param store  room -> list of Event, as read through
    a server. @param second  the same, as the database itself tells it; or None.
    @return list of Finding"""
    sends, strays = gather_sends(logs)
    findings = [Finding("NEVER_SENT", f"{key} was acked") for key in strays]
    findings += check_acks(sends, store)
    for room, events in store.items():
        findings += check_log(room, events)
        for event in events:
            findings += check_sent(sends, room, event, "stored")
    findings += check_order_in_time(sends)
    findings += check_order_in_streams(sends)
    for name, log in logs.items():
        findings += check_subscriber(name, log, sends, store)
    if second is not None:
        findings += check_second_opinion(store, second)
    return findings
