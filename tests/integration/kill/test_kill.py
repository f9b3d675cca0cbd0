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
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", "support"))

from official import Caller  # noqa: E402
from parleyd import Parleyd, wait_for  # noqa: E402
from sending import MEMBERS, ROOMS, Reader, check_log, start_clients, stop_clients  # noqa: E402

KILLS = int(os.environ.get("PARLEY_KILLS", "50"))
SEED = int(os.environ.get("PARLEY_SEED", str(random.randrange(1 << 32))))


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
            owner.create(room, MEMBERS)
        owner.close()
        reader = Reader(self.server.address, self.server.token("reader"))
        reader.start()
        return start_clients(self.server.address, self.server.token), reader

    def test_every_ack_survives_and_every_retry_is_free(self):
        clients, reader = self.start()
        for _ in range(KILLS):
            before = [len(client.acked) for client in clients]
            wait_for(lambda: any(client.failure for client in clients) or all(
                len(client.acked) > n for client, n in zip(clients, before)), "an ack for each")
            seen = reader.count()
            wait_for(lambda: reader.failure or reader.count() > seen, "the reader to follow again")
            time.sleep(self.random.uniform(0, 0.2))  # the moment of the kill is the test's input
            self.server.kill()
            self.server.start()
        self.assertEqual(stop_clients(clients), [])
        self.assertIsNone(reader.failure)
        check_log(self, clients, reader.caller, [reader])
        reader.stop()
        self.assertIsNone(reader.failure)
        self.assertGreaterEqual(reader.resumes, KILLS)
        print(f"{KILLS} kills, {sum(client.made for client in clients)} messages")


if __name__ == "__main__":
    unittest.main()
