# SPDX-License-Identifier: Apache-2.0
"""Clients that send and follow through any node, and write down what they were told.

Each goes to a random node, and after a failure to another: what was not answered is sent again with
the same id, and a subscription goes on from the last seq that was seen. They only record; judging is
the checker's."""
import itertools
import random
import threading
import time

import grpc
from history import event_of, sum_of
from official import Caller, chat
from sending import BROKEN, EAGER

WINDOW = 32  # messages of a stream that wait for their answers
SEND_S = 4  # until a call is given up and tried through another node
CALM_S = 3600
# A node that is cut off without a word is noticed by pings.
OPTIONS = EAGER + (("grpc.keepalive_time_ms", 10000), ("grpc.keepalive_timeout_ms", 2000))


class Client(threading.Thread):
    """@param seed  of its choices. @param token  of the user with its name"""

    def __init__(self, name, log, addresses, rooms, token, seed):
        super().__init__(name=name)
        self.log = log
        self.random = random.Random(f"{seed} {name}")
        self.addresses = addresses
        self.token = token
        self.callers = {}  # address -> Caller
        self.last = None  # the address that was chosen last
        self.rooms = rooms
        self.finishing = threading.Event()
        self.failure = None  # what no fault explains
        self.failures = 0

    def anyone(self):
        self.last = self.random.choice(self.addresses)
        if self.last not in self.callers:
            self.callers[self.last] = Caller(self.last, self.token, OPTIONS)
        return self.callers[self.last]

    def forget(self):
        """A channel whose server is away refuses calls for a minute after it came back: grpcio 1.51
        goes on trying only for calls that wait."""
        self.callers.pop(self.last).close()

    def work(self):
        raise NotImplementedError

    def is_over(self):
        raise NotImplementedError

    def run(self):
        try:
            while not self.is_over():
                try:
                    self.work()
                except grpc.RpcError as error:
                    if error.code() not in BROKEN:
                        raise
                    self.failures += 1
                    self.forget()
                    time.sleep(self.random.uniform(0, 0.05))
        except Exception as error:  # told by the main thread
            self.failure = f"{self.name}: {error!r}"

    def finish(self):
        """No new work; end when all is answered."""
        self.finishing.set()

    def close(self):
        for caller in self.callers.values():
            caller.close()
        self.log.close()


class Sender(Client):
    """`waiting`: messages without an answer, in order. `pause`: seconds between two, on average."""

    def __init__(self, *args, pause):
        super().__init__(*args)
        self.pause = pause
        self.made = 0
        self.acked = 0
        self.waiting = {}  # id -> (room, body)

    def is_over(self):
        return self.finishing.is_set() and not self.waiting

    def make(self):
        self.made += 1
        message_id = f"{self.name}-{self.made}"
        body = f"{message_id} {'x' * self.random.choice((0, 10, 300, 3000))}".encode()
        self.waiting[message_id] = (self.random.choice(self.rooms), body)
        return message_id

    def note_try(self, message_id, stream):
        room, body = self.waiting[message_id]
        self.log.write("try", room, id=message_id, sum=sum_of(body), stream=stream)
        return room, body

    def note_ack(self, message_id, seq, at):
        if message_id in self.waiting:
            self.acked += 1
            room, _ = self.waiting.pop(message_id)
            self.log.write("ack", room, id=message_id, seq=seq, at=at)


class Single(Sender):
    """One message after the other; now and then it asks again for one that was answered."""

    def work(self):
        message_id = next(iter(self.waiting), None) or self.make()
        room, body = self.note_try(message_id, 0)
        answer = self.anyone().send(room, message_id, body, timeout=SEND_S)
        self.note_ack(message_id, answer.seq, answer.created_at_ms)
        if self.random.random() < 0.05:
            self.waiting[message_id] = (room, body)
        self.finishing.wait(self.random.uniform(0, 2 * self.pause))


class Streaming(Sender):
    """Through SendStream, many on their way at once; each stream lasts some seconds."""

    def __init__(self, *args, pause):
        super().__init__(*args, pause=pause)
        self.streams = itertools.count(1)

    def requests(self, stream, slots, done):
        left = list(self.waiting)
        while not done.is_set() and (left or not self.finishing.is_set()):
            slots.acquire()
            message_id = left.pop(0) if left else self.make()
            if message_id in self.waiting:
                room, body = self.note_try(message_id, stream)
                yield chat.SendStreamRequest(send=chat.SendRequest(
                    conversation_id=room, client_message_id=message_id, body=body))
                done.wait(self.random.uniform(0, 2 * self.pause))

    def take(self, answer):
        if answer.WhichOneof("result") == "sent":
            self.note_ack(answer.client_message_id, answer.sent.seq, answer.sent.created_at_ms)
        elif answer.error.code != grpc.StatusCode.UNAVAILABLE.value[0]:
            raise AssertionError(f"{answer.client_message_id}: {answer.error}")

    def work(self):
        slots, done = threading.Semaphore(WINDOW), threading.Event()
        caller = self.anyone()
        try:
            for answer in caller.chat.SendStream(
                    self.requests(next(self.streams), slots, done), metadata=caller.metadata,
                    timeout=self.random.uniform(1, 2 * SEND_S)):
                slots.release()
                self.take(answer)
        finally:
            done.set()
            slots.release()


class Reader(Client):
    """Follows all rooms, or what it is a member of, and hops to another node now and then, sometimes
    with an older cursor. It ends when it saw the `heads`, told by finish_at()."""

    def __init__(self, *args, hop_s):
        super().__init__(*args)
        self.hop_s = hop_s
        self.seen = {room: 0 for room in self.rooms}
        self.heads = None
        self.call = None
        self.follows = 0

    def is_over(self):
        return self.heads is not None and all(
            self.seen[room] >= head for room, head in self.heads.items())

    def finish_at(self, heads):
        self.heads = heads
        self.finish()
        if self.is_over() and self.call is not None:
            self.call.cancel()

    def cursor(self, room):
        if self.random.random() < 0.1:
            return max(0, self.seen[room] - self.random.randrange(200))
        return self.seen[room]

    def work(self):
        cursors = [(room, self.cursor(room)) for room in self.rooms]
        for room, after in cursors:
            self.log.write("follow", room, after=after)
        self.follows += 1
        self.call = self.anyone().subscribe(
            cursors, everything=self.random.random() < 0.3,
            timeout=CALM_S if self.finishing.is_set() else self.random.expovariate(1 / self.hop_s))
        for answer in self.call:
            self.take(answer)
            if self.is_over():
                self.call.cancel()
                return

    def take(self, answer):
        kind = answer.WhichOneof("kind")
        if kind == "event":
            room, event = answer.event.conversation_id, event_of(answer.event)
            self.log.write("event", room, **event._asdict())
            self.seen[room] = max(self.seen[room], event.seq)
        elif kind == "truncated":
            self.log.write("gone", answer.truncated.conversation_id,
                           first=answer.truncated.first_seq)
        elif kind == "removed":
            raise AssertionError(f"removed from {answer.removed.conversation_id}")
