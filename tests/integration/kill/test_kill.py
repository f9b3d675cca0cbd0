# SPDX-License-Identifier: Apache-2.0
"""kill -9 in the middle of a send load, again and again.

Clients send without pause, some one by one and some through streams, each message with an id of its
own; what was not answered is sent again with the same id after the server came back. A reader follows
everything and resumes from the last seq it saw. In the end the log must hold each message once, with
the seq that its client was told, numbered without a hole, and the reader must have seen just that.

PARLEY_SEED replays the moments of the kills; PARLEY_KILLS sets how many there are (50)."""
import os
import random
import shutil
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", "support"))

import grpc  # noqa: E402
from official import Caller, chat  # noqa: E402
from parleyd import Parleyd, wait_for  # noqa: E402

KILLS = int(os.environ.get("PARLEY_KILLS", "50"))
SEED = int(os.environ.get("PARLEY_SEED", str(random.randrange(1 << 32))))
ROOMS = ("shared", "busy")
WINDOW = 64  # messages of a stream that wait for their answers
# A killed server is back in a moment: do not wait for seconds, as a client on the internet would.
EAGER = (("grpc.initial_reconnect_backoff_ms", 20), ("grpc.min_reconnect_backoff_ms", 20),
         ("grpc.max_reconnect_backoff_ms", 100), ("grpc.use_local_subchannel_pool", 1))
BROKEN = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED, grpc.StatusCode.UNKNOWN,
          grpc.StatusCode.DEADLINE_EXCEEDED)


class Client(threading.Thread):
    """Sends until it is told to stop, and then what is left. `acked`: id -> (seq, time)."""

    def __init__(self, address, token, name, room):
        super().__init__(name=name)
        self.caller = Caller(address, token, EAGER, patient=True)
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
    """Follows all rooms and resumes each from where it was. `seen`: room -> list of events."""

    def __init__(self, address, token):
        super().__init__(name="reader")
        self.caller = Caller(address, token, EAGER, patient=True)
        self.seen = {room: [] for room in ROOMS}
        self.resumes = -1
        self.stopping = False
        self.failure = None

    def follow(self):
        self.resumes += 1
        for answer in self.caller.subscribe([(room, len(self.seen[room])) for room in ROOMS]):
            if answer.WhichOneof("kind") == "event":
                seen = self.seen[answer.event.conversation_id]
                if answer.event.seq != len(seen) + 1:
                    raise AssertionError(f"seq {answer.event.seq} came after {len(seen)}")
                seen.append(answer.event)

    def run(self):
        try:
            while not self.stopping:
                try:
                    self.follow()
                except grpc.RpcError as error:
                    if error.code() not in BROKEN:
                        raise
                    time.sleep(0.005)
        except Exception as error:
            self.failure = f"reader: {error!r}"

    def stop(self):
        self.stopping = True
        self.caller.close()
        self.join()


class KillTest(unittest.TestCase):
    def setUp(self):
        print(f"PARLEY_SEED={SEED}", flush=True)
        self.random = random.Random(SEED)
        self.folder = tempfile.mkdtemp()
        self.server = Parleyd(os.environ["PARLEY_BIN"], self.folder,
                              ["--store-shards", "2"]).start()

    def tearDown(self):
        self.server.stop()
        shutil.rmtree(self.folder)

    def start(self):
        owner = Caller(self.server.address, self.server.token("owner"))
        for room in ROOMS:
            owner.create(room, ["u0", "u1", "s0", "s1", "reader"])
        owner.close()
        clients = [kind(self.server.address, self.server.token(name), name, room)
                   for kind, name, room in ((Unary, "u0", "shared"), (Unary, "u1", "busy"),
                                            (Streaming, "s0", "shared"), (Streaming, "s1", "busy"))]
        reader = Reader(self.server.address, self.server.token("reader"))
        for thread in clients + [reader]:
            thread.start()
        return clients, reader

    def check_log(self, clients, reader):
        for room in ROOMS:
            events, _ = reader.caller.history(room, limit=10000)
            while len(events) % 10000 == 0:
                events += reader.caller.history(room, from_seq=len(events) + 1, limit=10000)[0]
            self.assertEqual([e.seq for e in events], list(range(1, len(events) + 1)))
            wait_for(lambda: len(reader.seen[room]) >= len(events) or reader.failure, "the reader")
            self.assertEqual(reader.seen[room], events)
            stored = {}
            for event in events:
                if event.WhichOneof("kind") == "message":
                    message_id = event.message.client_message_id
                    self.assertNotIn(message_id, stored, "stored twice")
                    stored[message_id] = (event.seq, event.created_at_ms)
            told = {}
            for client in clients:
                if client.room == room:
                    self.assertEqual(len(client.acked), client.made)
                    told.update(client.acked)
            self.assertEqual(stored, told)

    def test_every_ack_survives_and_every_retry_is_free(self):
        clients, reader = self.start()
        for _ in range(KILLS):
            before = [len(client.acked) for client in clients]
            wait_for(lambda: any(client.failure for client in clients) or all(
                len(client.acked) > n for client, n in zip(clients, before)), "an ack for each")
            time.sleep(self.random.uniform(0, 0.2))  # the moment of the kill is the test's input
            self.server.kill()
            self.server.start()
        for client in clients:
            client.stopping.set()
        for client in clients:
            client.join(120)
        for thread in clients + [reader]:
            self.assertIsNone(thread.failure)
        self.check_log(clients, reader)
        reader.stop()
        self.assertIsNone(reader.failure)
        self.assertGreaterEqual(reader.resumes, KILLS)
        print(f"{KILLS} kills, {sum(client.made for client in clients)} messages")


if __name__ == "__main__":
    unittest.main()
