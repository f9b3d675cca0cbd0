# SPDX-License-Identifier: Apache-2.0
"""Two parleyd over one MariaDB and one NATS: whoever is sent to by one node and listens on the other
gets it live, and within two seconds when there is no broker."""
import os
import queue
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", "support"))

import grpc  # noqa: E402
from broker import Nats  # noqa: E402
from mariadb import Shards, start_node  # noqa: E402
from official import Caller  # noqa: E402
from parleyd import wait_for  # noqa: E402

BIN = os.environ["PARLEY_BIN"]
PROMISED_S = 2  # without a broker
SLOW_S = 20     # a machine with other work


class Listener(threading.Thread):
    """Puts what a Subscribe gives into a queue, until it is cancelled."""

    def __init__(self, stream):
        super().__init__(daemon=True)
        self.stream = stream
        self.seen = queue.Queue()
        self.start()

    def run(self):
        try:
            for answer in self.stream:
                self.seen.put(answer)
        except grpc.RpcError:
            pass

    def next(self, kind, timeout_s=SLOW_S):
        """The next answer of this kind; others are dropped."""
        deadline = time.monotonic() + timeout_s
        while True:
            answer = self.seen.get(timeout=max(0.001, deadline - time.monotonic()))
            if answer.WhichOneof("kind") == kind:
                return getattr(answer, kind)

    def stop(self):
        self.stream.cancel()
        self.join()


class NodesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.shards = Shards(1).start()
        cls.addClassCleanup(cls.shards.close)
        cls.nats = Nats().start()
        cls.addClassCleanup(cls.nats.stop)
        cls.nodes = []
        for i in range(2):
            node = start_node(BIN, cls.shards, f"node-{i}",
                              ["--bus-kind", "nats", "--bus-servers", cls.nats.url,
                               "--bus-sweep-ms", "1h", "--drain-grace-ms", "0"])
            cls.addClassCleanup(node.stop)
            cls.nodes.append(node)
        cls.wait_connected(1)

    @classmethod
    def wait_connected(cls, value):
        for node in cls.nodes:
            wait_for(lambda: node.metric("parley_bus_connected") == value,
                     f"parley_bus_connected {value}")

    def caller(self, user, node):
        caller = Caller(self.nodes[node].address, self.nodes[node].token(user))
        self.addCleanup(caller.close)
        return caller

    def listen(self, caller, cursors=(), everything=False):
        listener = Listener(caller.subscribe(cursors, everything))
        self.addCleanup(listener.stop)
        return listener

    def pair(self, room):
        """A sender on node 0, and a listener on node 1 that is live."""
        alice, bob = self.caller("alice", 0), self.caller("bob", 1)
        alice.create(room, ["bob"])
        listener = self.listen(bob, [(room, 0)])
        self.assertEqual(listener.next("event").seq, 1)
        listener.next("caught_up")
        return alice, listener

    def settle(self, alice, room, listener):
        """Once something came by the bus, the subscription is in effect. @return its seq"""
        seq = alice.send(room, "settle", b"x").seq
        self.assertEqual(listener.next("event").seq, seq)
        return seq

    def test_a_message_comes_live_from_the_other_node(self):
        alice, listener = self.pair("live")
        self.settle(alice, "live", listener)
        pages = self.nodes[1].metric("parley_fanout_pages_total")
        latencies = []
        for i in range(50):
            began = time.monotonic()
            seq = alice.send("live", f"m{i}", f"text {i}".encode()).seq
            event = listener.next("event")
            latencies.append(time.monotonic() - began)
            self.assertEqual((event.seq, event.message.body), (seq, f"text {i}".encode()))
        self.assertEqual(self.nodes[1].metric("parley_fanout_pages_total"), pages,
                         "the log was read, though there is a bus")
        print(f"send to event over two nodes: p50 {sorted(latencies)[25] * 1000:.1f} ms")

    def test_what_is_joined_on_the_other_node_is_followed(self):
        alice, carol = self.caller("alice", 0), self.caller("carol", 1)
        alice.create("first", ["carol"])
        listener = self.listen(carol, everything=True)
        self.assertEqual(listener.next("caught_up").conversation_id, "first")
        self.settle(alice, "first", listener)
        for i in range(3):
            room = f"joined-{i}"
            alice.create(room, ["carol"])
            event = listener.next("event")
            self.assertEqual((event.conversation_id, event.seq), (room, 1))
            alice.send(room, "m1", b"hello")
            event = listener.next("event")
            self.assertEqual((event.conversation_id, event.seq), (room, 2))

    def outage(self, room, begin, end):
        alice, listener = self.pair(room)
        seq = self.settle(alice, room, listener)
        dave = self.listen(self.caller(room + "-dave", 1), everything=True)
        begin()
        try:
            for i in range(5):
                answer = alice.send(room, f"m{i}", b"x")
                event = listener.next("event", PROMISED_S)
                self.assertEqual((event.seq, answer.seq), (seq + 1 + i, seq + 1 + i))
            self.wait_connected(0)
            alice.create(room + "-new", [room + "-dave"])
            self.assertEqual(dave.next("caught_up").conversation_id, room + "-new")
            self.assertIn("BUS_DISCONNECTED", self.nodes[1].log())
        finally:
            end()
        self.wait_connected(1)
        last = self.settle_again(alice, room, listener)
        pages = self.nodes[1].metric("parley_fanout_pages_total")
        for i in range(10):
            alice.send(room, f"again-{i}", b"x")
            self.assertEqual(listener.next("event").seq, last + 1 + i)
        self.assertEqual(self.nodes[1].metric("parley_fanout_pages_total"), pages, "it still polls")

    def settle_again(self, alice, room, listener):
        seq = alice.send(room, "settle-again", b"x").seq
        self.assertEqual(listener.next("event").seq, seq)
        return seq

    def test_delivery_goes_on_while_the_broker_is_dead(self):
        self.outage("dead", self.nats.kill, self.nats.start)

    def test_delivery_goes_on_while_the_broker_hangs(self):
        self.outage("hanging", self.nats.freeze, self.nats.thaw)


if __name__ == "__main__":
    unittest.main()
