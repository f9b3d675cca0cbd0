# SPDX-License-Identifier: Apache-2.0
"""deploy/local/cluster: starts what it says, keeps the data, and leaves no process behind.

usage: test_cluster.py PATH-OF-CLUSTER
"""
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

CLUSTER = sys.argv.pop(1)


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class Cluster(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="parley-cluster-")
        os.chmod(self.folder, 0o755)  # the servers run as another account
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.addCleanup(self.run_cluster, "down")

    def run_cluster(self, command, *options):
        return subprocess.run([CLUSTER, command, "--dir", self.folder, *options], check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def servers(self):
        with open(os.path.join(self.folder, "cluster.json"), encoding="utf-8") as file:
            return json.load(file)

    def pids(self):
        return [server["pid"] for server in self.servers()]

    def up(self, *options):
        done = self.run_cluster("up", *options)
        self.assertEqual(done.returncode, 0, done.stderr)

    def wait_gone(self, pids):
        deadline = time.monotonic() + 20
        while any(map(is_alive, pids)):
            self.assertLess(time.monotonic(), deadline, f"{pids} still run")
            time.sleep(0.02)

    def test_goes_up_and_down_and_up_again_on_the_same_ports(self):
        self.up("--shards", "2", "--memcached", "1")
        before = self.servers()
        self.assertEqual([s["name"] for s in before], ["shard-0", "shard-1", "memcached-0"])
        for server in before:
            socket.create_connection(("127.0.0.1", server["port"]), 5).close()
        self.assertEqual(self.run_cluster("status").returncode, 0)
        self.assertEqual(self.run_cluster("down").returncode, 0)
        self.wait_gone([server["pid"] for server in before])
        self.assertEqual(self.run_cluster("status").returncode, 1)
        self.up()
        self.assertEqual([s["port"] for s in self.servers()], [s["port"] for s in before])

    def test_no_client_is_given_the_port_of_a_server_that_is_down(self):
        self.up("--shards", "1", "--memcached", "2")
        for server in self.servers():
            self.assertLess(server["port"], 32768)  # where Linux's own choice begins

    def test_a_replica_is_added_to_each_shard_and_the_settings_name_it(self):
        self.up("--shards", "2")
        self.up("--replicas")
        servers = self.servers()
        self.assertEqual([s["name"] for s in servers],
                         ["shard-0", "shard-1", "replica-0", "replica-1"])
        self.up("--shards", "3")
        with open(os.path.join(self.folder, "parleyd.conf"), encoding="utf-8") as file:
            self.assertIn(f"replicas = 127.0.0.1:{servers[2]['port']}/parley,"
                          f"127.0.0.1:{servers[3]['port']}/parley,-\n", file.read())

    def test_starts_only_what_died_and_stops_what_is_frozen(self):
        self.up("--shards", "2")
        first, second = self.pids()
        os.kill(first, signal.SIGKILL)
        self.wait_gone([first])
        self.up()
        self.assertNotEqual(self.pids()[0], first)
        self.assertEqual(self.pids()[1], second)
        os.kill(second, signal.SIGSTOP)
        pids = self.pids()
        self.assertEqual(self.run_cluster("down").returncode, 0)
        self.wait_gone(pids)

    def test_attached_it_dies_with_its_user(self):
        user = subprocess.Popen([CLUSTER, "up", "--dir", self.folder, "--shards", "1", "--attached"],
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for line in user.stdout:
            if line == "ready\n":
                break
        pids = self.pids()
        self.assertTrue(all(map(is_alive, pids)))
        user.stdin.close()
        user.stdout.close()
        self.assertEqual(user.wait(30), 0)
        self.wait_gone(pids)

    def test_a_process_of_somebody_else_is_not_stopped(self):
        """The pid in the file may have been given to another process meanwhile."""
        other = subprocess.Popen(["sleep", "60"])
        self.addCleanup(other.wait)
        self.addCleanup(other.kill)
        with open(os.path.join(self.folder, "cluster.json"), "w", encoding="utf-8") as file:
            json.dump([{"name": "memcached-0", "kind": "memcached", "port": 1,
                        "pid": other.pid, "started": 1}], file)
        self.assertEqual(self.run_cluster("down").returncode, 0)
        self.assertIsNone(other.poll())


if __name__ == "__main__":
    unittest.main()
