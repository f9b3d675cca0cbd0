# SPDX-License-Identifier: Apache-2.0
"""parleyd on two MariaDB shards, as its users see it: through Python's official client."""
import os
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", "support"))

import grpc  # noqa: E402
from mariadb import Shards, bucket_of, start_node  # noqa: E402
from official import Caller  # noqa: E402
from parleyd import clean_environment, wait_for  # noqa: E402

BIN = os.environ["PARLEY_BIN"]
DEADLINE_S = 1.0
SLOW_S = 20  # a machine with other work
OPTIONS = ("--mysql-deadline-ms", "1s", "--mysql-wait-ms", "500ms")


class ServeTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.shards = Shards(2).start()
        cls.addClassCleanup(cls.shards.close)
        cls.nodes = []
        for i in range(2):
            node = start_node(BIN, cls.shards, f"node-{i}", OPTIONS)
            cls.addClassCleanup(node.stop)
            cls.nodes.append(node)

    def caller(self, user, node=0):
        caller = Caller(self.nodes[node].address, self.nodes[node].token(user))
        self.addCleanup(caller.close)
        return caller

    def room_on(self, shard, name):
        """The id of a conversation that lives on the shard."""
        return next(f"{name}-{i}" for i in range(1000) if bucket_of(f"{name}-{i}") // 2048 == shard)

    def test_create_send_retry_follow_and_read_back(self):
        alice, bob = self.caller("alice"), self.caller("bob", node=1)
        for room in ("first", "second", "third", "fourth"):
            alice.create(room, ["bob"])
            sent = [alice.send(room, f"m{i}", f"text {i}".encode()) for i in range(5)]
            self.assertEqual([answer.seq for answer in sent], [2, 3, 4, 5, 6])
            again = alice.send(room, "m3", b"text 3")
            self.assertEqual((again.seq, again.created_at_ms), (5, sent[3].created_at_ms))
            events, _ = bob.history(room)
            self.assertEqual([e.seq for e in events], [1, 2, 3, 4, 5, 6])
            backwards, _ = bob.history(room, backwards=True)
            self.assertEqual(backwards, events[::-1])
            self.assertEqual(bob.send(room, "m3", b"of another sender").seq, 7)
        stream = alice.subscribe([("first", 0)])
        seen = []
        for answer in stream:
            if answer.WhichOneof("kind") == "event":
                seen.append(answer.event.seq)
                if len(seen) == 7:
                    alice.send("first", "live", b"live")
                if len(seen) == 8:
                    break
        stream.cancel()
        self.assertEqual(seen, list(range(1, 9)))

    def test_who_listens_hears_of_what_another_node_commits_without_a_bus(self):
        alice, bob = self.caller("alice"), self.caller("bob", node=1)
        for shard in range(2):
            room = self.room_on(shard, "heard")
            alice.create(room, ["bob"])
            stream = bob.subscribe([(room, 1)], timeout=SLOW_S)
            for answer in stream:
                if answer.WhichOneof("kind") == "caught_up":
                    alice.send(room, "m", b"the last one")
                elif answer.WhichOneof("kind") == "event":
                    break
            self.assertEqual((answer.event.seq, answer.event.message.body), (2, b"the last one"))
            stream.cancel()

    def test_two_nodes_write_one_conversation_without_a_hole(self):
        count = 150
        self.caller("alice").create("both", ["bob"])
        callers = [self.caller("alice", 0), self.caller("bob", 1)]
        seqs = [[], []]

        def send(which):
            for i in range(count):
                seqs[which].append(callers[which].send("both", f"m{i}", b"x").seq)
        threads = [threading.Thread(target=send, args=(which,)) for which in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(sorted(seqs[0] + seqs[1]), list(range(2, 2 + 2 * count)))
        self.assertEqual(seqs[0], sorted(seqs[0]))
        events, _ = callers[1].history("both", limit=10000)
        self.assertEqual([e.seq for e in events], list(range(1, 2 + 2 * count)))

    def send_for(self, caller, room, seconds, latencies, failures):
        """Send for so long; how long each took, and how those that failed did."""
        end = time.monotonic() + seconds
        number = 0
        while time.monotonic() < end:
            began = time.monotonic()
            try:
                caller.send(room, f"{began}-{number}", b"x")
                latencies.append(time.monotonic() - began)
            except grpc.RpcError as error:
                failures.append((time.monotonic() - began, error))
                time.sleep(0.02)
            number += 1

    def test_a_frozen_shard_fails_alone_and_comes_back_by_itself(self):
        alice = self.caller("alice")
        rooms = [self.room_on(shard, "ice") for shard in range(2)]
        for room in rooms:
            alice.create(room)
        results = [([], []), ([], [])]
        threads = [threading.Thread(target=self.send_for,
                                    args=(self.caller("alice"), rooms[i], 3, *results[i]))
                   for i in range(2)]
        self.shards.freeze("shard-0")
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        finally:
            self.shards.thaw("shard-0")
        self.assertEqual(results[0][0], [], "sent to a frozen shard")
        self.assertEqual(results[1][1], [], "the other shard failed too")
        for took, error in results[0][1]:
            self.assertEqual(error.code(), grpc.StatusCode.UNAVAILABLE)
            self.assertLess(took, 2 * DEADLINE_S)
            self.assertIn("grpc-status-details-bin", dict(error.trailing_metadata()),
                          "no retry hint")
        latencies = sorted(results[1][0])
        print(f"p99 beside a frozen shard: {latencies[int(len(latencies) * 0.99)] * 1000:.1f} ms"
              f" of {len(latencies)}; {len(results[0][1])} refused")

        def works():
            try:
                return alice.send(rooms[0], "after", b"x")
            except grpc.RpcError:
                return None
        wait_for(works, "the thawed shard")

    def test_a_killed_shard_comes_back_by_itself(self):
        alice = self.caller("alice")
        rooms = [self.room_on(shard, "fire") for shard in range(2)]
        for room in rooms:
            alice.create(room)
        self.shards.kill("shard-1")
        with self.assertRaises(grpc.RpcError) as raised:
            alice.send(rooms[1], "m1", b"x")
        self.assertEqual(raised.exception.code(), grpc.StatusCode.UNAVAILABLE)
        self.assertEqual(alice.send(rooms[0], "m1", b"x").seq, 2)
        self.shards.start_again()

        def works():
            try:
                return alice.send(rooms[1], "m1", b"x")
            except grpc.RpcError:
                return None
        self.assertEqual(wait_for(works, "the shard that was started again").seq, 2)

    def test_a_node_starts_while_a_shard_is_away(self):
        room = self.room_on(0, "early")
        self.caller("alice").create(room)
        self.shards.kill("shard-1")
        try:
            node = start_node(BIN, self.shards, "late", OPTIONS)
            self.addCleanup(node.stop)
            late = Caller(node.address, node.token("alice"))
            self.addCleanup(late.close)
            self.assertEqual(late.send(room, "m1", b"x").seq, 2)
        finally:
            self.shards.start_again()

        def works():
            try:
                late.create(self.room_on(1, "late"))
                return True
            except grpc.RpcError:
                return False
        wait_for(works, "the shard that was away")

    def test_migrate_says_what_it_would_do(self):
        done = subprocess.run([os.path.join(BIN, "parleyd"), "migrate", "--dry-run", "--config",
                               self.shards.settings], check=True, stdout=subprocess.PIPE, text=True,
                              env=clean_environment())
        self.assertEqual(done.stdout, "shard 0: schema is up to date\nshard 1: schema is up to date\n")


if __name__ == "__main__":
    unittest.main()
