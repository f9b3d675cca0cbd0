# SPDX-License-Identifier: Apache-2.0
"""Real MariaDB shards, and parleyd on them, for tests in Python."""
import json
import os
import signal
import subprocess
import tempfile

from parleyd import Parleyd, wait_for

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
CLUSTER = os.path.join(ROOT, "deploy", "local", "cluster")


class Shards:
    """Started by start(); they end with this process, however it ends."""

    def __init__(self, count, options=()):
        """@param options  of MariaDB itself"""
        self.count = count
        # Tests kill processes, not machines: what a server wrote is safe in the system's memory.
        self.options = [f"--mariadb={option}" for option in
                        ("--innodb-flush-method=nosync", "--sync-frm=0", *options)]
        self.folder = tempfile.mkdtemp(prefix="parley-shards-")
        os.chmod(self.folder, 0o755)  # the servers run as another account
        self.settings = os.path.join(self.folder, "parleyd.conf")
        self.process = None

    def start(self):
        self.process = subprocess.Popen(
            [CLUSTER, "up", "--attached", "--dir", self.folder, "--shards", str(self.count),
             *self.options],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for line in self.process.stdout:
            if line == "ready\n":
                return self
        raise AssertionError("MariaDB does not start")

    def start_again(self):
        """Those that died, on their old ports and data."""
        subprocess.run([CLUSTER, "up", "--dir", self.folder, *self.options], check=True,
                       stdout=subprocess.DEVNULL)

    def pid(self, shard):
        with open(os.path.join(self.folder, "cluster.json"), encoding="utf-8") as file:
            return json.load(file)[shard]["pid"]

    def kill(self, shard):
        """As a power cut: no goodbye."""
        pid = self.pid(shard)
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not os.path.exists(f"/proc/{pid}") or is_zombie(pid), "the end of a shard")

    def freeze(self, shard):
        os.kill(self.pid(shard), signal.SIGSTOP)

    def thaw(self, shard):
        os.kill(self.pid(shard), signal.SIGCONT)

    def stop(self):
        if self.process is not None:
            self.process.stdin.close()
            self.process.stdout.close()
            self.process.wait(60)
        subprocess.run([CLUSTER, "down", "--dir", self.folder, "--remove"], check=True)


def is_zombie(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
        return file.read().rpartition(")")[2].split()[0] == "Z"


def start_node(bin_dir, shards, name, options=()):
    """A parleyd on these shards. All of them share the key that signs tokens."""
    folder = os.path.join(shards.folder, name)
    os.makedirs(folder)
    node = Parleyd(bin_dir, folder, ["--config", shards.settings, *options])
    node.data = os.path.join(shards.folder, "data")
    return node.start()
