# SPDX-License-Identifier: Apache-2.0
"""The checker finds each kind of fault when it is planted, by its name, and nothing in a good history."""
import copy
import os
import tempfile
import unittest

import history
from checker import check
from history import Event

ROOM = "room"
AT = 1_700_000_000_000


def body(number):
    return history.sum_of(f"m{number}".encode())


def good():
    """Two senders, alice one by one and bob through a stream, and a reader who resumes once.
    @return logs, store"""
    store = {ROOM: [Event(1, AT, "owner", "", "", 0)]}
    logs = {"alice": [], "bob": [], "reader": [], "owner": []}
    for number in range(1, 9):
        sender, stream = (("alice", 0), ("bob", 1))[number % 2]
        event = Event(number + 1, AT + number, sender, f"m{number}", body(number), number)
        store[ROOM].append(event)
        logs[sender].append({"op": "try", "t": number, "room": ROOM, "id": event.id,
                             "sum": event.sum, "stream": stream})
        logs[sender].append({"op": "ack", "t": number + 0.5, "room": ROOM, "id": event.id,
                             "seq": event.seq, "at": event.at})
    for after, until in ((0, 5), (5, 9)):
        logs["reader"].append({"op": "follow", "t": after, "room": ROOM, "after": after})
        for event in store[ROOM][after:until]:
            logs["reader"].append({"op": "event", "t": event.seq, "room": ROOM, **event._asdict()})
    return logs, store


def kinds(logs, store, second=None):
    return {finding.kind for finding in check(logs, store, second)}


def records(log, op):
    return [record for record in log if record["op"] == op]


class CheckerTest(unittest.TestCase):
    def setUp(self):
        self.logs, self.store = good()
        self.reader = self.logs["reader"]

    def found(self, second=None):
        return kinds(self.logs, self.store, second)

    def swap(self, *acks):
        """Two acked messages change places, and everyone is told so: only their order is wrong."""
        stored = self.store[ROOM]
        one, other = (stored[ack["seq"] - 1] for ack in acks)
        for ack, place, event in ((acks[0], other, one), (acks[1], one, other)):
            event = event._replace(seq=place.seq, at=place.at, ordinal=place.ordinal)
            stored[place.seq - 1] = event
            records(self.reader, "event")[place.seq - 1].update(event._asdict())
            ack.update(seq=place.seq, at=place.at)

    def test_nothing_in_a_good_history(self):
        self.assertEqual(check(self.logs, self.store, copy.deepcopy(self.store)), [])

    def test_a_retry_that_is_answered_alike_is_no_fault(self):
        alice = self.logs["alice"]
        alice += [{**records(alice, "try")[0], "t": 20}, {**records(alice, "ack")[0], "t": 21}]
        self.assertEqual(self.found(), set())

    def test_what_was_not_acked_may_be_stored_or_not(self):
        self.logs["alice"].append({**records(self.logs["alice"], "try")[0], "id": "m9", "t": 30})
        self.assertEqual(self.found(), {"UNANSWERED"})

    def test_a_dropped_ack(self):
        """The last message is acked and gone: no hole shows it, and nobody saw it."""
        self.store[ROOM].pop()
        self.reader.pop()
        self.assertEqual(self.found(), {"LOST"})

    def test_a_message_that_was_seen_and_is_gone(self):
        self.store[ROOM].pop()
        self.assertIn("SHOWN_WRONG", self.found())

    def test_an_ack_with_another_seq(self):
        records(self.logs["alice"], "ack")[0]["seq"] += 1
        self.assertIn("MOVED", self.found())

    def test_an_ack_with_another_time(self):
        records(self.logs["alice"], "ack")[0]["at"] += 1
        self.assertEqual(self.found(), {"MOVED"})

    def test_a_retry_that_is_answered_otherwise(self):
        alice = self.logs["alice"]
        alice += [{**records(alice, "try")[0], "t": 20},
                  {**records(alice, "ack")[0], "t": 21, "seq": 9}]
        self.assertEqual(self.found(), {"MOVED"})

    def test_a_message_stored_twice(self):
        self.store[ROOM].append(self.store[ROOM][-1]._replace(seq=10, ordinal=9))
        self.reader.append({"op": "event", "t": 10, "room": ROOM,
                            **self.store[ROOM][-1]._asdict()})
        self.assertIn("STORED_TWICE", self.found())

    def test_a_hole_in_the_log(self):
        del self.store[ROOM][4]
        self.assertIn("HOLE", self.found())

    def test_an_ordinal_that_does_not_count(self):
        self.store[ROOM][4] = self.store[ROOM][4]._replace(ordinal=7)
        self.assertIn("HOLE", self.found())

    def test_a_time_that_runs_backwards(self):
        self.store[ROOM][4] = self.store[ROOM][4]._replace(at=AT)
        self.assertIn("BACKWARDS", self.found())

    def test_a_message_that_nobody_sent(self):
        ghost = Event(10, AT + 10, "alice", "ghost", body(99), 9)
        self.store[ROOM].append(ghost)
        self.reader.append({"op": "event", "t": 10, "room": ROOM, **ghost._asdict()})
        self.assertEqual(self.found(), {"NEVER_SENT"})

    def test_an_ack_for_what_nobody_sent(self):
        self.logs["alice"].insert(0, records(self.logs["alice"], "ack")[2])
        self.assertEqual(self.found(), {"NEVER_SENT"})

    def test_a_body_that_changed(self):
        self.store[ROOM][4] = self.store[ROOM][4]._replace(sum=body(99))
        records(self.reader, "event")[4]["sum"] = body(99)
        self.assertEqual(self.found(), {"NEVER_SENT"})

    def test_one_that_overtakes_in_time(self):
        """m3 was acked before m4 began, and is stored after it."""
        self.swap(records(self.logs["bob"], "ack")[1], records(self.logs["alice"], "ack")[1])
        self.assertEqual(self.found(), {"OVERTAKEN"})

    def test_one_that_overtakes_in_a_stream(self):
        """Sent in a row without waiting, so that only the order in the stream tells."""
        for record in records(self.logs["bob"], "try"):
            record["t"] = 0
        self.swap(*records(self.logs["bob"], "ack")[:2])
        self.assertEqual(self.found(), {"OVERTAKEN"})

    def test_an_event_given_again(self):
        self.reader.insert(4, self.reader[3])
        self.assertEqual(self.found(), {"REPEATED"})

    def test_an_event_from_before_the_cursor(self):
        resumed = next(i for i, r in enumerate(self.reader) if r["op"] == "follow" and r["after"])
        self.reader.insert(resumed + 1, self.reader[resumed - 1])
        self.assertEqual(self.found(), {"REPEATED"})

    def test_two_events_in_the_wrong_order(self):
        self.reader[2], self.reader[3] = self.reader[3], self.reader[2]
        self.assertEqual(self.found(), {"SKIPPED", "DISORDERED"})

    def test_an_event_that_a_subscriber_missed(self):
        del self.reader[3]
        self.assertEqual(self.found(), {"SKIPPED"})

    def test_a_hole_between_two_subscriptions(self):
        """The cursor moved on without the event: the second subscription begins too late."""
        resumed = next(i for i, r in enumerate(self.reader) if r["op"] == "follow" and r["after"])
        self.reader[resumed]["after"] = 6
        del self.reader[resumed + 1]
        self.assertEqual(self.found(), {"SKIPPED"})

    def test_a_subscriber_that_never_got_the_end(self):
        self.reader.pop()
        self.assertEqual(self.found(), {"UNSEEN"})

    def test_an_event_shown_otherwise_than_stored(self):
        self.reader[3]["at"] += 1
        self.assertEqual(self.found(), {"SHOWN_WRONG"})

    def test_a_gap_that_was_said_is_no_fault(self):
        place = next(i for i, record in enumerate(self.reader) if record.get("seq") == 3)
        self.reader[place] = {"op": "gone", "t": 3, "room": ROOM, "first": 4}
        self.assertEqual(self.found(), set())

    def test_a_database_that_holds_something_else(self):
        second = copy.deepcopy(self.store)
        second[ROOM].pop()
        self.assertEqual(self.found(second), {"DIFFERS"})
        self.assertEqual(self.found({}), {"DIFFERS"})

    def test_a_log_comes_back_as_it_was_written(self):
        with tempfile.TemporaryDirectory() as folder:
            log = history.Log(folder, "alice")
            log.write("follow", ROOM, after=3)
            log.close()
            (record,) = history.read_logs(folder)["alice"]
            self.assertEqual((record["op"], record["room"], record["after"]), ("follow", ROOM, 3))


if __name__ == "__main__":
    unittest.main()
