# SPDX-License-Identifier: Apache-2.0
"""A send load for servers that die under it: clients that send without pause and send again, with the
same id, what was not answered; a reader that follows and resumes; and the check of what was promised:
the log holds each message once, with the seq that its client was told, numbered without a hole, and
the reader saw just that."""
import threading
import time

import grpc
from official import Caller, chat
from parleyd import wait_for

ROOMS = ("shared", "busy")
MEMBERS = ("u0", "u1", "s0", "s1", "reader")
WINDOW = 64  # messages of a stream that wait for their answers
# A killed server is back in a moment: do not wait for seconds, as a client on the internet would.
EAGER = (("grpc.initial_reconnect_backoff_ms", 20), ("grpc.min_reconnect_backoff_ms", 20),
         ("grpc.max_reconnect_backoff_ms", 100), ("grpc.use_local_subchannel_pool", 1))
BROKEN = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED, grpc.StatusCode.UNKNOWN,
          grpc.StatusCode.DEADLINE_EXCEEDED)


class Client(threading.Thread):
    """Sends until it is told to stop, and then what is left. `acked`: id -> (seq, time)."""

    def __init__(self, address, token, name, room, options=EAGER):
        super().__init__(name=name)
        self.caller = Caller(address, token, options, patient=True)
        self.room = room
        self.made = 0
        self.waiting = {}  # id -> body, in the order of sending
        self.acked = {}
        self.repeats = 0  # answers that a retry got
        self.stopping = threading.Event()
        self.failure = None

    def make(self):
        self.made += 1
        message_id = f"{self.name}-{self.made}"
        self.waiting[message_id] = f"{message_id} says {'x' * (self.made % 300)}".encode()
        return message_id

    def take(self, message_id, answer):
        told = (answer.seq, answer.created_at_ms)
        before = self.acked.setdefault(message_id, told)
        if before != told:
            raise AssertionError(f"{message_id}: told {before}, then {told}")
        self.waiting.pop(message_id, None)

    def work(self):
        raise NotImplementedError

    def run(self):
        try:
            while not self.stopping.is_set() or self.waiting:
                try:
                    self.work()
                except grpc.RpcError as error:
                    if error.code() not in BROKEN:
                        raise
                    time.sleep(0.005)
        except Exception as error:  # told by the main thread
            self.failure = f"{self.name}: {error!r}"


class Unary(Client):
    def work(self):
        message_id = next(iter(self.waiting), None) or self.make()
        self.take(message_id, self.caller.send(self.room, message_id, self.waiting[message_id],
                                               timeout=30))


class Streaming(Client):
    def requests(self, slots, done):
        for message_id, body in list(self.waiting.items()):
            slots.acquire()
            yield self.request(message_id, body)
        while not self.stopping.is_set() and not done.is_set():
            slots.acquire()
            message_id = self.make()
            yield self.request(message_id, self.waiting[message_id])

    def request(self, message_id, body):
        return chat.SendStreamRequest(send=chat.SendRequest(
            conversation_id=self.room, client_message_id=message_id, body=body))

    def work(self):
        slots, done = threading.Semaphore(WINDOW), threading.Event()
        try:
            for answer in self.caller.chat.SendStream(self.requests(slots, done),
                                                      metadata=self.caller.metadata,
                                                      wait_for_ready=True):
                slots.release()
                if answer.WhichOneof("result") == "sent":
                    self.take(answer.client_message_id, answer.sent)
                elif answer.error.code != grpc.StatusCode.UNAVAILABLE.value[0]:
                    raise AssertionError(f"{answer.client_message_id}: {answer.error}")
        finally:
            done.set()
            slots.release()


class Reader(threading.Thread):
    """Follows rooms and resumes each from where it was. `seen`: room -> list of events."""

    def __init__(self, address, token, name="reader", rooms=ROOMS):
        super().__init__(name=name)
        self.caller = Caller(address, token, EAGER, patient=True)
        self.seen = {room: [] for room in rooms}
        self.resumes = -1
        self.asked = 0  # to subscribe again
        self.stopping = False
        self.failure = None

    def count(self):
        return sum(len(events) for events in self.seen.values())

    def follow(self):
        self.resumes += 1
        for answer in self.caller.subscribe([(room, len(seen)) for room, seen in self.seen.items()]):
            if answer.WhichOneof("kind") == "reconnect":
                self.asked += 1
                self.broken()
                return
            self.take(answer)

    def take(self, answer):
        if answer.WhichOneof("kind") == "event":
            seen = self.seen[answer.event.conversation_id]
            if answer.event.seq != len(seen) + 1:
                raise AssertionError(f"seq {answer.event.seq} came after {len(seen)}")
            seen.append(answer.event)

    def broken(self):
        """The stream ended, or should, and will be resumed."""

    def run(self):
        try:
            while not self.stopping:
                try:
                    self.follow()
                except grpc.RpcError as error:
                    if error.code() not in BROKEN:
                        raise
                    self.broken()
                    time.sleep(0.005)
        except Exception as error:
            self.failure = f"{self.name}: {error!r}"

    def stop(self):
        self.stopping = True
        self.caller.close()
        self.join()


def start_clients(address, token, prefix=""):
    """@param token  makes the token of a user. @return clients, started"""
    clients = [kind(address, token(prefix + name), prefix + name, room)
               for kind, name, room in ((Unary, "u0", "shared"), (Unary, "u1", "busy"),
                                        (Streaming, "s0", "shared"), (Streaming, "s1", "busy"))]
    for client in clients:
        client.start()
    return clients


def stop_clients(clients, timeout_s=120):
    """Let them send what is left. @return what went wrong, or an empty list"""
    for client in clients:
        client.stopping.set()
    for client in clients:
        client.join(timeout_s)
    return [f"{client.name} does not end" for client in clients if client.is_alive()] + [
        client.failure for client in clients if client.failure]


def read_all(caller, room):
    events, _ = caller.history(room, limit=10000)
    while events and len(events) % 10000 == 0:
        events += caller.history(room, from_seq=len(events) + 1, limit=10000)[0]
    return events


def check_log(test, clients, caller, readers=(), rooms=ROOMS):
    """@param test  the unittest.TestCase that fails. @param caller  reads"""
    for room in rooms:
        events = read_all(caller, room)
        test.assertEqual([e.seq for e in events], list(range(1, len(events) + 1)))
        for reader in readers:
            wait_for(lambda: len(reader.seen[room]) >= len(events) or reader.failure,
                     lambda: f"{reader.name}, who has {len(reader.seen[room])} of {len(events)}"
                             f" events of {room} after {reader.resumes} resumes")
            test.assertEqual(reader.seen[room], events)
        stored = {}
        for event in events:
            if event.WhichOneof("kind") == "message":
                message_id = event.message.client_message_id
                test.assertNotIn(message_id, stored, "stored twice")
                stored[message_id] = (event.seq, event.created_at_ms)
        told = {}
        for client in clients:
            if client.room == room:
                test.assertEqual(len(client.acked), client.made)
                told.update(client.acked)
        test.assertEqual(stored, told)
