# SPDX-License-Identifier: Apache-2.0
"""Conversations of any size put straight into a store's tables, in seconds and not in hours: only what
sends, subscriptions and reads of history look at. No server may have looked for them before; that of
an embedded store must not be running."""
import glob
import os
import sqlite3

from mariadb import bucket_of
from parleyd import wait_for

OWNER = "bench"
BEGAN_MS = 1700000000000
MEMBER_ROLE, OWNER_ROLE = 1, 2
ROWS = 500000  # to a transaction
DIRTY_PAGES = 100


class SqliteFill:
    """The embedded store of a server that has made its folder."""

    def __init__(self, data):
        [path] = glob.glob(os.path.join(data, "shard-*.db"))
        self.db = sqlite3.connect(path, isolation_level=None)
        # What is lost with the machine's power is filled again; the server goes back to its log.
        self.db.execute("PRAGMA journal_mode=OFF")
        self.db.execute("PRAGMA synchronous=OFF")
        self.db.execute("PRAGMA cache_size=-262144")

    def conversations(self, ids):
        """New, empty, ours. @return the number that stands for the first"""
        rows = [(bucket_of(text) << 40 | 1 << 20 | i, text) for i, text in enumerate(ids)]
        self.db.execute("BEGIN")
        self.db.executemany(
            "INSERT INTO conversation (number, id, title, created_by, created_at_ms, head_seq, first_seq,"
            f" ordinal, last_at_ms, member_count) VALUES (?, ?, '', '{OWNER}', {BEGAN_MS}, 0, 1, 0, {BEGAN_MS}, 1)",
            rows)
        self.db.executemany("INSERT INTO member VALUES (?, ?, ?)",
                            ((number, OWNER, OWNER_ROLE) for number, _ in rows))
        self.db.execute("COMMIT")
        return rows[0][0]

    def count_from_one(self, count):
        return f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})"

    def messages(self, number, count, size):
        self.db.execute(
            f"INSERT INTO message {self.count_from_one(count)} SELECT {number}, i, {BEGAN_MS} + i, i, 1, 0,"
            f" 'filler', printf('%016x', i), 'text/plain', CAST(printf('%0{size}d', i) AS BLOB) FROM n")
        self.db.execute("UPDATE conversation SET head_seq=?, ordinal=?, last_at_ms=? WHERE number=?",
                        (count, count, BEGAN_MS + count, number))

    def members(self, number, count):
        """So many beside ourselves."""
        self.db.execute(f"INSERT INTO member {self.count_from_one(count)} SELECT {number}, printf('u%09d', i),"
                        f" {MEMBER_ROLE} FROM n")
        self.db.execute("UPDATE conversation SET member_count=? WHERE number=?", (count + 1, number))

    def close(self):
        self.db.close()


class MysqlFill:
    """The first of some Shards, which a server has migrated."""

    def __init__(self, shards):
        self.shards = shards
        self.serial = 1 << 20
        self.run("SET GLOBAL innodb_flush_log_at_trx_commit=2")

    def run(self, sql):
        return self.shards.query("shard-0", sql)

    def conversations(self, ids):
        """New, empty, ours. @return the number that stands for the first"""
        first = (bucket_of(ids[0]) << 40) + self.serial
        path = os.path.join(self.shards.folder, "conversations.tsv")
        with open(path, "w", encoding="ascii") as file:
            file.writelines(f"{bucket_of(text)}\t{text}\t{self.serial + i}\n" for i, text in enumerate(ids))
        self.run(f"LOAD DATA INFILE '{path}' INTO TABLE conversation (bucket, id, serial) SET title='',"
                 f" created_by='{OWNER}', created_at_ms={BEGAN_MS}, head_seq=0, first_seq=1, ordinal=0,"
                 f" last_at_ms={BEGAN_MS}, member_count=1, members_seq=0")
        self.run(f"INSERT INTO member SELECT (bucket << 40) + serial, '{OWNER}', {OWNER_ROLE}"
                 f" FROM conversation WHERE serial >= {self.serial}")
        os.unlink(path)
        self.serial += len(ids)
        return first

    def messages(self, number, count, size):
        for first in range(1, count + 1, ROWS):
            last = min(first + ROWS - 1, count)
            self.run(f"INSERT INTO message SELECT {number}, seq, {BEGAN_MS} + seq, seq, 1, 0, 'filler',"
                     f" lpad(hex(seq), 16, '0'), 'text/plain', lpad(seq, {size}, '0')"
                     f" FROM seq_{first}_to_{last}")
        self.run(f"UPDATE conversation SET head_seq={count}, ordinal={count}, last_at_ms={BEGAN_MS + count}"
                 f" WHERE bucket={number >> 40} AND serial={number & (1 << 40) - 1}")

    def members(self, number, count):
        """So many beside ourselves."""
        self.run(f"INSERT INTO member SELECT {number}, concat('u', lpad(seq, 9, '0')), {MEMBER_ROLE}"
                 f" FROM seq_1_to_{count}")
        self.run(f"UPDATE conversation SET member_count={count + 1}"
                 f" WHERE bucket={number >> 40} AND serial={number & (1 << 40) - 1}")

    def dirty_pages(self):
        [[_, pages]] = self.run("SHOW GLOBAL STATUS LIKE 'Innodb_buffer_pool_pages_dirty'")
        return int(pages)

    def close(self):
        """What was filled is in its place: the server has nothing to catch up on."""
        self.run("SET GLOBAL innodb_io_capacity_max=50000, innodb_io_capacity=50000, innodb_max_dirty_pages_pct=0")
        wait_for(lambda: self.dirty_pages() < DIRTY_PAGES, "the pages to be written", 120)
        self.run("SET GLOBAL innodb_io_capacity=DEFAULT, innodb_io_capacity_max=DEFAULT,"
                 " innodb_max_dirty_pages_pct=DEFAULT, innodb_flush_log_at_trx_commit=1")
