# SPDX-License-Identifier: Apache-2.0
"""parleyd on a MariaDB shard with a replica, which freezes, dies and comes back: what a user reads is the same."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", "support"))

from mariadb import Shards, start_node  # noqa: E402
from official import Caller  # noqa: E402
from parleyd import wait_for  # noqa: E402

BIN = os.environ["PARLEY_BIN"]
COUNT = 150


class ReplicasTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.shards = Shards(1, has_replicas=True).start()
        cls.addClassCleanup(cls.shards.close)
        cls.node = start_node(BIN, cls.shards, "node")
        cls.addClassCleanup(cls.node.stop)
        cls.alice = Caller(cls.node.address, cls.node.token("alice"))
        cls.addClassCleanup(cls.alice.close)

    def served(self):
        return self.node.metric("parley_mysql_replica_reads_total", 'result="served"')

    def check(self, room):
        """@return whether the replica gave it"""
        before = self.served()
        events, _ = self.alice.history(room, limit=1000)
        self.assertEqual([event.seq for event in events], list(range(1, COUNT + 2)))
        self.assertEqual([event.message.body for event in events[1:]],
                         [f"text {i}".encode() for i in range(COUNT)])
        return self.served() > before

    def test_history_is_the_same_with_and_without_its_replica(self):
        self.alice.create("room")
        for i in range(COUNT):
            self.alice.send("room", f"m{i}", f"text {i}".encode())
            last, _ = self.alice.history("room", backwards=True, limit=1)
            self.assertEqual(last[0].seq, i + 2)  # whatever the replica has
        wait_for(lambda: self.check("room"), "the replica to serve")
        self.shards.freeze("replica-0")
        wait_for(lambda: not self.check("room"), "the replica to stop")
        self.shards.kill("replica-0")
        self.assertFalse(self.check("room"))
        self.assertEqual(self.node.metric("parley_mysql_replicas_down"), 1)
        self.shards.start_again()
        wait_for(lambda: self.check("room"), "the replica to serve again")
        self.assertEqual(self.node.metric("parley_mysql_replicas_down"), 0)


if __name__ == "__main__":
    unittest.main()
