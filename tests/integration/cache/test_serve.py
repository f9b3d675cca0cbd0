# SPDX-License-Identifier: Apache-2.0
"""Two nodes over two MariaDB shards that share a memcached, as their users see them."""
import os
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", "support"))

import grpc  # noqa: E402
from mariadb import Shards, start_node  # noqa: E402
from official import Caller, conversations  # noqa: E402
from parleyd import clean_environment, wait_for  # noqa: E402

BIN = os.environ["PARLEY_BIN"]


class ServeTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.shards = Shards(2, memcached=1).start()
        cls.addClassCleanup(cls.shards.close)
        cls.nodes = []
        for i in range(2):
            node = start_node(BIN, cls.shards, f"node-{i}", ["--cache-timeout-ms", "500ms"])
            cls.addClassCleanup(node.stop)
            cls.nodes.append(node)

    def caller(self, user, node=0):
        caller = Caller(self.nodes[node].address, self.nodes[node].token(user))
        self.addCleanup(caller.close)
        return caller

    def test_a_warm_history_asks_no_database(self):
        alice = self.caller("alice")
        alice.create("warm")
        for i in range(200):
            alice.send("warm", f"m{i}", b"text")
        first, _ = alice.history("warm", limit=1000)
        self.assertEqual([event.seq for event in first], list(range(1, 202)))
        reads = self.nodes[0].metric("parley_store_reads_total")
        again, _ = alice.history("warm", limit=1000)
        self.assertEqual(again, first)
        self.assertEqual(self.nodes[0].metric("parley_store_reads_total"), reads)
        self.assertGreater(self.nodes[0].metric("parley_cache_hits_total"), 0)

    def test_each_node_reads_what_the_other_wrote(self):
        alice, there = self.caller("alice"), self.caller("alice", node=1)
        alice.create("both")
        for i in range(100):
            writer, reader = (alice, there) if i % 2 == 0 else (there, alice)
            seq = writer.send("both", f"m{i}", b"text").seq
            events, _ = reader.history("both", backwards=True, limit=1)
            self.assertEqual(events[0].seq, seq)

    def test_who_was_removed_reads_nothing_on_any_node(self):
        alice, bob = self.caller("alice"), self.caller("bob", node=1)
        for i in range(20):
            room = f"removed-{i}"
            alice.create(room, ["bob"])
            bob.history(room)
            alice.conversations.RemoveMembers(
                conversations.RemoveMembersRequest(conversation_id=room, user_ids=["bob"]),
                metadata=alice.metadata, timeout=20)
            with self.assertRaises(grpc.RpcError) as caught:
                bob.history(room)
            self.assertEqual(caught.exception.code(), grpc.StatusCode.NOT_FOUND)

    def test_it_serves_while_memcached_stands_still_and_goes_on_after(self):
        alice, there = self.caller("alice"), self.caller("alice", node=1)
        alice.create("still")
        alice.history("still")
        self.shards.freeze("memcached-0")
        try:
            for i in range(20):
                seq = alice.send("still", f"m{i}", b"text").seq
                self.assertEqual(alice.history("still", backwards=True, limit=1)[0][0].seq, seq)
                self.assertEqual(there.history("still", backwards=True, limit=1)[0][0].seq, seq)
            self.assertEqual(self.nodes[0].metric("parley_cache_breaker_open"), 1)
        finally:
            self.shards.thaw("memcached-0")
        wait_for(lambda: there.history("still") and alice.history("still")
                 and not self.nodes[0].metric("parley_cache_breaker_open"), "the cache")
        self.assertEqual(len(alice.history("still")[0]), 21)

    def test_settings_that_cannot_be_are_refused(self):
        for setting, value, words in (("--cache-servers", "host:port", "host:port"),
                                      ("--cache-servers", ",", "no memcached server"),
                                      ("--cache-prefix", "a b", "prefix")):
            with tempfile.TemporaryDirectory() as folder:
                done = subprocess.run(
                    [os.path.join(BIN, "parleyd"), "serve", "--data", folder, "--listen", "127.0.0.1:0",
                     "--admin", "127.0.0.1:0", "--cache-kind", "memcached", setting, value],
                    stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60,
                    env=clean_environment(), check=False)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(words, done.stdout)


if __name__ == "__main__":
    unittest.main()
