# SPDX-License-Identifier: Apache-2.0
"""A cluster of deploy/local/cluster as a nemesis and its clients see it: servers that can be killed,
frozen, cut off and started again, on addresses that stay."""
import json
import os
import signal
import sqlite3
import subprocess
import sys

from history import Event, sum_of
from parleyd import clean_environment

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
CLUSTER = os.path.join(ROOT, "deploy", "local", "cluster")
sys.path.insert(0, os.path.join(ROOT, "deploy", "local"))

import process  # noqa: E402

SELECT_MARIADB = """SELECT c.id, m.seq, m.created_at_ms, m.sender,
 IFNULL(m.client_message_id, ''),
 IF(m.client_message_id IS NULL, '', LEFT(SHA2(m.body, 256), 16)),
 IF(m.client_message_id IS NULL, 0, m.ordinal)
 FROM message m JOIN conversation c ON m.conversation = c.bucket * 1099511627776 + c.serial
 ORDER BY c.id, m.seq"""
SELECT_SQLITE = """SELECT c.id, m.seq, m.created_at_ms, m.sender, m.client_message_id, m.body,
 m.ordinal FROM message m JOIN conversation c ON m.conversation = c.number ORDER BY c.id, m.seq"""


class World:
    """@param options  of `cluster up`, e.g. ["--nodes", "3", "--shards", "2"]"""

    def __init__(self, folder, options):
        self.folder = folder
        self.options = options
        self.attached = None

    def start(self):
        self.attached = subprocess.Popen(
            [CLUSTER, "up", "--attached", "--dir", self.folder, *self.options],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=clean_environment())
        for line in self.attached.stdout:
            if line == "ready\n":
                return self.reserve_ports()
            print("  " + line, end="")
        raise AssertionError("the cluster does not start")

    def reserve_ports(self):
        """Else a client that calls a dead server's port may get that port as its own, and so talk to
        itself and keep the server from coming back."""
        ports = [str(server[key]) for server in self.servers()
                 for key in ("port", "tls", "metrics", "distribution") if key in server]
        ports += [server[key].rpartition(":")[2] for server in self.servers("node")
                  for key in ("listen", "admin")]
        with open("/proc/sys/net/ipv4/ip_local_reserved_ports", "w", encoding="ascii") as file:
            file.write(",".join(ports))

    def servers(self, kind=None):
        with open(os.path.join(self.folder, "cluster.json"), encoding="utf-8") as file:
            return [s for s in json.load(file) if kind in (None, s["kind"])]

    def server(self, name):
        return next(server for server in self.servers() if server["name"] == name)

    def addresses(self):
        """Where clients may go: each node, and the balancer if there is one."""
        return [server["listen"] for server in self.servers("node")] + [
            f"127.0.0.1:{server['port']}" for server in self.servers("balancer")]

    def token(self, bin_dir, user):
        return subprocess.run(
            [os.path.join(bin_dir, "parleyd"), "token", "--user", user, "--data",
             os.path.join(self.folder, "data")],
            check=True, stdout=subprocess.PIPE, text=True, env=clean_environment()).stdout.strip()

    def send_signal(self, name, number):
        process.send(self.server(name), number)

    def kill(self, name):
        """As a power cut: no goodbye."""
        server = self.server(name)
        process.send(server, signal.SIGKILL)
        process.wait_until(lambda: not process.is_running(server), f"the end of {name}", 10)

    def stop(self, name):
        """As an operator, who waits until it has gone."""
        server = self.server(name)
        process.send(server, signal.SIGTERM)
        process.wait_until(lambda: not process.is_running(server), f"the end of {name}", 40)

    def start_again(self):
        """Whatever died."""
        done = subprocess.run([CLUSTER, "up", "--dir", self.folder, *self.options], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                              env=clean_environment())
        if done.returncode != 0:
            raise AssertionError(done.stdout)

    def close(self):
        if self.attached is not None:
            self.attached.stdin.close()
            self.attached.stdout.close()
            self.attached.wait(120)
        return subprocess.run([CLUSTER, "status", "--dir", self.folder], check=False,
                              stdout=subprocess.PIPE, text=True).stdout

    def read_database(self):
        """@return room -> list of Event, asked of the databases themselves"""
        rooms = {}
        for row in self.rows():
            rooms.setdefault(row[0], []).append(Event(*row[1:]))
        return rooms

    def rows(self):
        for server in self.servers("shard"):
            out = subprocess.run(
                ["mariadb", "--no-defaults", "--user=root", "--batch", "--skip-column-names",
                 f"--socket={server['datadir']}/socket", "parley", "-e", SELECT_MARIADB],
                check=True, stdout=subprocess.PIPE, text=True).stdout
            for line in out.splitlines():
                room, seq, at, sender, message_id, digest, ordinal = line.split("\t")
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
