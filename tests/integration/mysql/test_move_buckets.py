# SPDX-License-Identifier: Apache-2.0
"""Buckets move from one MariaDB to another while two nodes write to the conversations in them, and the
mover is killed again and again. Every message that was acked is there once, numbered without a hole,
readers saw just that, and the pause of the writers is told."""
import json
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", "support"))

from mariadb import Shards, bucket_of, start_node  # noqa: E402
from official import Caller, conversations  # noqa: E402
from parleyd import clean_environment, wait_for  # noqa: E402
from sending import MEMBERS, ROOMS, Reader, check_log, read_all, start_clients, stop_clients  # noqa: E402

BIN = os.environ["PARLEY_BIN"]
OPTIONS = ("--mysql-deadline-ms", "2s")
AROUND = 15  # buckets on both sides of the one that matters
KILLS = 3
PAUSE_MAX_S = 20  # sanitizers, and a machine that does other things: the figure is printed


class MoveTest(unittest.TestCase):
    def setUp(self):
        self.shards = Shards(2).start()
        self.addCleanup(self.shards.close)
        self.nodes = [start_node(BIN, self.shards, f"node-{i}", OPTIONS) for i in range(2)]
        for node in self.nodes:
            self.addCleanup(node.stop)

    def caller(self, user, node=0):
        caller = Caller(self.nodes[node].address, self.nodes[node].token(user))
        self.addCleanup(caller.close)
        return caller

    def shard(self, *arguments):
        argv = [os.path.join(BIN, "parleyd"), "shard", *arguments, "--config",
                self.shards.settings, *OPTIONS]
        return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                env=clean_environment())

    def plan(self):
        process = self.shard("plan", "--json")
        text = process.communicate(timeout=60)[0]
        self.assertEqual(process.returncode, 0, text)
        return json.loads(text)

    def move(self, bucket, kills=0):
        """Bring a bucket and those beside it to the other shard."""
        source = bucket // 2048
        first = max(bucket - AROUND, source * 2048)
        last = min(bucket + AROUND, source * 2048 + 2047)
        arguments = ("move", "--from", str(source), "--to", str(1 - source), "--buckets",
                     f"{first}-{last}", "--pause-max-ms", str(PAUSE_MAX_S * 500))
        for kill in range(kills):
            mover = self.shard(*arguments)
            for _ in range(kill + 1):
                print("  " + mover.stdout.readline().rstrip())
            mover.kill()
            mover.communicate()
            self.wait_for_acks()  # a fence that it left must not last
        mover = self.shard(*arguments)
        text = mover.communicate(timeout=240)[0]
        print("  " + text.replace("\n", "\n  ").rstrip())
        self.assertEqual(mover.returncode, 0, text)
        self.assertIn("checksums were equal", text)
        return last - first + 1

    def wait_for_acks(self):
        """One more message for each client that waits for each answer."""
        unary = [client for client in self.clients if client.name.endswith(("u0", "u1"))]
        before = [len(client.acked) for client in unary]
        wait_for(lambda: any(client.failure for client in self.clients) or all(
            len(client.acked) > n for client, n in zip(unary, before)), "an ack for each", 60)

    def longest_pause_ms(self, owner, room, since_ms):
        """Between two messages of a conversation that several clients write to without pause."""
        times = [event.created_at_ms for event in read_all(owner, room)
                 if event.created_at_ms >= since_ms]
        return max((later - earlier for earlier, later in zip(times, times[1:])), default=0)

    def test_buckets_move_under_load_and_nothing_is_lost(self):
        owner = self.caller("owner")
        for room in ROOMS:
            owner.create(room, MEMBERS + tuple(f"second-{name}" for name in MEMBERS))
        reader = Reader(self.nodes[1].address, self.nodes[1].token("reader"))
        reader.start()
        self.addCleanup(reader.stop)
        self.clients = start_clients(self.nodes[0].address, self.nodes[0].token)
        self.clients += start_clients(self.nodes[1].address, self.nodes[1].token, prefix="second-")
        self.wait_for_acks()
        before = {room: read_all(owner, room)[-1].created_at_ms for room in ROOMS}
        moved = {0: 0, 1: 0}
        moved[bucket_of("shared") // 2048] += self.move(bucket_of("shared"), kills=KILLS)
        moved[bucket_of("busy") // 2048] += self.move(bucket_of("busy"))
        moved[bucket_of("u0") // 2048] += self.move(bucket_of("u0"))  # and the list of a user
        self.wait_for_acks()
        self.assertEqual(stop_clients(self.clients), [])
        check_log(self, self.clients, owner, [reader])
        for room in ROOMS:
            pause_ms = self.longest_pause_ms(owner, room, before[room])
            print(f"longest pause of the writers of {room}: {pause_ms} ms")
            self.assertLess(pause_ms, PAUSE_MAX_S * 1000)
        shards = self.plan()["shards"]
        self.assertEqual([shard["buckets"] for shard in shards],
                         [2048 - moved[0] + moved[1], 2048 - moved[1] + moved[0]])
        # Lists go on to be right, for who was moved and for who was not.
        for user in ("u0", "reader"):
            for node in range(2):
                listed = self.caller(user, node)
                answer = listed.conversations.ListConversations(
                    conversations.ListConversationsRequest(), metadata=listed.metadata, timeout=20)
                self.assertEqual([c.conversation_id for c in answer.conversations], sorted(ROOMS))
        print(f"{sum(client.made for client in self.clients)} messages")


if __name__ == "__main__":
    unittest.main()
