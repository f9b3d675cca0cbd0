# SPDX-License-Identifier: Apache-2.0
"""A cluster of deploy/local/cluster, for tests in Python: servers that can be killed, stopped and
started again, on addresses that stay."""
import json
import os
import signal
import subprocess
import sys

from parleyd import clean_environment

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
CLUSTER = os.path.join(ROOT, "deploy", "local", "cluster")
sys.path.append(os.path.join(ROOT, "deploy", "local"))

import process  # noqa: E402


class Cluster:
    """@param options  of `cluster up`, e.g. ["--nodes", "3", "--shards", "2"]
    @param settings  of the nodes, as their environment names them"""

    def __init__(self, folder, options, settings=None):
        self.folder = folder
        self.options = options
        self.environment = {**clean_environment(), **(settings or {})}
        self.attached = None

    def start(self):
        self.attached = subprocess.Popen(
            [CLUSTER, "up", "--attached", "--dir", self.folder, *self.options],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=self.environment)
        for line in self.attached.stdout:
            if line == "ready\n":
                return self
            print("  " + line, end="")
        raise AssertionError("the cluster does not start")

    def servers(self, kind=None):
        with open(os.path.join(self.folder, "cluster.json"), encoding="utf-8") as file:
            return [s for s in json.load(file) if kind in (None, s["kind"])]

    def server(self, name):
        return next(server for server in self.servers() if server["name"] == name)

    def query(self, shard, sql):
        """The rows of a statement, each a list of texts."""
        done = subprocess.run(
            ["mariadb", "--no-defaults", "--user=root", "--batch", "--skip-column-names",
             f"--socket={self.server(shard)['datadir']}/socket", "parley", "-e", sql],
            check=True, stdout=subprocess.PIPE, text=True)
        return [line.split("\t") for line in done.stdout.splitlines()]

    def balancers(self):
        return [f"127.0.0.1:{server['port']}" for server in self.servers("balancer")]

    def nodes(self):
        return [server["listen"] for server in self.servers("node")]

    def token(self, bin_dir, user):
        return subprocess.run(
            [os.path.join(bin_dir, "parleyd"), "token", "--user", user, "--data",
             os.path.join(self.folder, "data")],
            check=True, stdout=subprocess.PIPE, text=True, env=clean_environment()).stdout.strip()

    def send_signal(self, name, number):
        process.send(self.server(name), number)

    def wait_gone(self, name, timeout_s):
        server = self.server(name)
        process.wait_until(lambda: not process.is_running(server), f"the end of {name}", timeout_s)

    def kill(self, name):
        """As a power cut: no goodbye."""
        self.send_signal(name, signal.SIGKILL)
        self.wait_gone(name, 10)

    def freeze(self, name):
        self.send_signal(name, signal.SIGSTOP)

    def thaw(self, name):
        self.send_signal(name, signal.SIGCONT)

    def stop(self, name):
        """As an operator, who waits until it has gone."""
        self.send_signal(name, signal.SIGTERM)
        self.wait_gone(name, 40)

    def start_again(self):
        """Whatever died."""
        done = subprocess.run([CLUSTER, "up", "--dir", self.folder, *self.options], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                              env=self.environment)
        if done.returncode != 0:
            raise AssertionError(done.stdout)

    def close(self):
        """@return what `status` says afterwards"""
        if self.attached is not None:
            self.attached.stdin.close()
            self.attached.stdout.close()
            self.attached.wait(120)
        return subprocess.run([CLUSTER, "status", "--dir", self.folder], check=False,
                              stdout=subprocess.PIPE, text=True).stdout
