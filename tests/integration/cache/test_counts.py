# SPDX-License-Identifier: Apache-2.0
"""What a warm request costs, as MariaDB and memcached count it: the same for 2 members and for 1,000."""
import os
import socket
import sys
import typing
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", "support"))

from mariadb import Shards, start_node  # noqa: E402
from official import Caller  # noqa: E402

BIN = os.environ["PARLEY_BIN"]
MEMBERS = (2, 1000)
STATEMENTS = ("begin", "select", "insert", "update", "delete", "replace", "commit", "rollback")
EVENTS = 300


class Cost(typing.NamedTuple):
    statements: int
    operations: int
    keys_read: int
    keys_written: int
    keys_deleted: int


class CountsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.shards = Shards(1, memcached=1).start()
        cls.addClassCleanup(cls.shards.close)
        cls.node = start_node(BIN, cls.shards, "node", ["--cache-timeout-ms", "5s",
                                                        "--retention-every-ms", "0",
                                                        "--bus-poll-ms", "1h"])
        cls.addClassCleanup(cls.node.stop)
        cls.alice = Caller(cls.node.address, cls.node.token("alice"))
        cls.addClassCleanup(cls.alice.close)
        for count in MEMBERS:
            cls.alice.create(cls.room(count), [f"user-{i}" for i in range(count - 1)])
            for i in range(EVENTS):
                cls.alice.send(cls.room(count), f"m{i}", b"text")

    @staticmethod
    def room(members):
        return f"room-of-{members}"

    def statements(self):
        names = ",".join(f"'Com_{name}'" for name in STATEMENTS)
        rows = self.shards.query("shard-0", f"SHOW GLOBAL STATUS WHERE Variable_name IN ({names})")
        return sum(int(row[1]) for row in rows)

    def stats(self):
        port = self.shards.server("memcached-0")["port"]
        with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
            connection.sendall(b"stats\r\n")
            lines = connection.makefile("r", encoding="ascii")
            words = [line.split() for line in iter(lambda: lines.readline().strip(), "END")]
        return {name: int(value) for _, name, value in words if value.isdigit()}

    def now(self):
        stats = self.stats()
        return Cost(self.statements(), self.node.metric("parley_cache_operations_total"),
                    stats["cmd_get"], stats["cmd_set"], stats["delete_hits"] + stats["delete_misses"])

    def expect(self, operation, cost):
        for count in MEMBERS:
            with self.subTest(members=count):
                operation(self.room(count), "first")
                before = self.now()
                operation(self.room(count), "second")
                self.assertEqual(Cost(*(b - a for a, b in zip(before, self.now()))), cost)

    def test_a_warm_send(self):
        self.expect(lambda room, name: self.alice.send(room, name, b"text"), Cost(7, 2, 0, 0, 2))

    def test_a_warm_page_of_the_last_events(self):
        self.expect(lambda room, _: self.alice.history(room, backwards=True, limit=50),
                    Cost(0, 1, 3, 0, 0))

    def test_a_warm_page_of_old_events(self):
        self.expect(lambda room, _: self.alice.history(room, from_seq=65, limit=64),
                    Cost(0, 2, 4, 0, 0))

    def test_a_warm_subscribe(self):
        heads = {room: self.alice.send(room, "the-last", b"text").seq
                 for room in map(self.room, MEMBERS)}

        def subscribe(room, _):
            stream = self.alice.subscribe([(room, heads[room])])
            self.assertEqual(next(stream).WhichOneof("kind"), "caught_up")
            stream.cancel()
        self.expect(subscribe, Cost(0, 1, 3, 0, 0))


if __name__ == "__main__":
    unittest.main()
