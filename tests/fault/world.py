# SPDX-License-Identifier: Apache-2.0
"""The cluster that a nemesis works on, and what its databases hold."""
import glob
import os
import sqlite3

from cluster import Cluster
from history import Event, sum_of

SELECT_MARIADB = """SELECT c.id, m.seq, m.created_at_ms, m.sender,
 IFNULL(m.client_message_id, ''),
 IF(m.client_message_id IS NULL, '', LEFT(SHA2(m.body, 256), 16)),
 IF(m.client_message_id IS NULL, 0, m.ordinal)
 FROM message m JOIN conversation c ON m.conversation = c.bucket * 1099511627776 + c.serial
 ORDER BY c.id, m.seq"""
SELECT_SQLITE = """SELECT c.id, m.seq, m.created_at_ms, m.sender, m.client_message_id, m.body,
 m.ordinal FROM message m JOIN conversation c ON m.conversation = c.number ORDER BY c.id, m.seq"""


# parleyd with a wall clock of its own: what NODE.clock says is added to the machine's. The last of its
# arguments is NODE.addresses. Its sanitizer minds a library that is loaded before it, and the library
# ends waits on the monotonic clock at once unless it is told to leave them alone.
WITH_CLOCK = """#!/bin/sh
for last; do :; done
export LD_PRELOAD={library} DONT_FAKE_MONOTONIC=1 FAKETIME_CACHE_DURATION=1
export FAKETIME_FORCE_MONOTONIC_FIX=0
export ASAN_OPTIONS="${{ASAN_OPTIONS:+$ASAN_OPTIONS:}}verify_asan_link_order=0"
export FAKETIME_TIMESTAMP_FILE="${{last%.addresses}}.clock"
[ -e "$FAKETIME_TIMESTAMP_FILE" ] || echo +0 > "$FAKETIME_TIMESTAMP_FILE"
exec {parleyd} "$@"
"""
LIBFAKETIME = "/usr/lib/*/faketime/libfaketimeMT.so.1"


class World(Cluster):
    """@param parleyd  the program of its nodes"""

    def __init__(self, folder, options, parleyd):
        os.makedirs(folder)
        program = os.path.join(folder, "parleyd")
        with open(program, "w", encoding="ascii") as file:
            file.write(WITH_CLOCK.format(library=glob.glob(LIBFAKETIME)[0], parleyd=parleyd))
        os.chmod(program, 0o755)
        super().__init__(folder, [*options, "--parleyd", program])

    def start(self):
        super().start()
        self.reserve_ports()

    def set_clock(self, name, seconds):
        """Within a second, and until it is set again."""
        path = os.path.join(self.folder, name + ".clock")
        with open(path + ".new", "w", encoding="ascii") as file:
            file.write(f"{seconds:+d}\n")
        os.replace(path + ".new", path)

    def addresses(self):
        """Where clients may go: each node, and the balancer if there is one."""
        return self.nodes() + self.balancers()

    def reserve_ports(self):
        """Else a client that calls a dead server's port may get that port as its own, and so talk to
        itself and keep the server from coming back."""
        ports = [str(server[key]) for server in self.servers()
                 for key in ("port", "tls", "metrics", "distribution") if key in server]
        ports += [server[key].rpartition(":")[2] for server in self.servers("node")
                  for key in ("listen", "admin")]
        with open("/proc/sys/net/ipv4/ip_local_reserved_ports", "w", encoding="ascii") as file:
            file.write(",".join(ports))

    def read_database(self):
        """@return room -> list of Event, asked of the databases themselves"""
        rooms = {}
        for row in self.rows():
            rooms.setdefault(row[0], []).append(Event(*row[1:]))
        return rooms

    def rows(self):
        for server in self.servers("shard"):
            for row in self.query(server["name"], SELECT_MARIADB):
                room, seq, at, sender, message_id, digest, ordinal = row
                yield room, int(seq), int(at), sender, message_id, digest, int(ordinal)
        if not self.servers("shard"):
            yield from self.rows_of_files()

    def rows_of_files(self):
        data = os.path.join(self.folder, "data")
        for name in sorted(os.listdir(data)):
            if name.endswith(".db"):
                with sqlite3.connect(f"file:{data}/{name}?mode=ro", uri=True) as database:
                    for room, seq, at, sender, message_id, body, ordinal in database.execute(
                            SELECT_SQLITE):
                        yield (room, seq, at, sender, message_id or "",
                               sum_of(body) if message_id else "", ordinal if message_id else 0)
