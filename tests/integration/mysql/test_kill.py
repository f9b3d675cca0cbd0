# SPDX-License-Identifier: Apache-2.0
"""kill -9 of the database in the middle of a send load, again and again: now this shard, now that, while
two nodes write to the same conversations. The commit that was under way is neither lost nor stored
twice, whatever its client was told.

PARLEY_SEED replays the moments of the kills; PARLEY_KILLS sets how many there are (12)."""
import os
import random
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", "support"))

from mariadb import Shards, start_node  # noqa: E402
from official import Caller  # noqa: E402
from parleyd import wait_for  # noqa: E402
from sending import MEMBERS, ROOMS, check_log, start_clients, stop_clients  # noqa: E402

BIN = os.environ["PARLEY_BIN"]
KILLS = int(os.environ.get("PARLEY_KILLS", "12"))
SEED = int(os.environ.get("PARLEY_SEED", str(random.randrange(1 << 32))))


class KillTest(unittest.TestCase):
    def test_every_ack_survives_the_death_of_the_database(self):
        print(f"PARLEY_SEED={SEED}", flush=True)
        chance = random.Random(SEED)
        shards = Shards(2).start()
        self.addCleanup(shards.close)
        nodes = [start_node(BIN, shards, f"node-{i}") for i in range(2)]
        for node in nodes:
            self.addCleanup(node.stop)
        owner = Caller(nodes[0].address, nodes[0].token("owner"))
        for room in ROOMS:
            owner.create(room, MEMBERS + tuple(f"second-{name}" for name in MEMBERS))
        clients = start_clients(nodes[0].address, nodes[0].token)
        clients += start_clients(nodes[1].address, nodes[1].token, prefix="second-")
        for kill in range(KILLS):
            before = [len(client.acked) for client in clients]
            wait_for(lambda: any(client.failure for client in clients) or all(
                len(client.acked) > n for client, n in zip(clients, before)), "an ack for each", 60)
            time.sleep(chance.uniform(0, 0.2))  # the moment of the kill is the test's input
            shards.kill(f"shard-{kill % 2}")
            shards.start_again()
        self.assertEqual(stop_clients(clients), [])
        check_log(self, clients, owner)
        print(f"{KILLS} kills, {sum(client.made for client in clients)} messages")


if __name__ == "__main__":
    unittest.main()
