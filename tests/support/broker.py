# SPDX-License-Identifier: Apache-2.0
"""A real nats-server on a free loopback port, for tests in Python."""
import os
import signal
import subprocess

from cluster import process
from parleyd import wait_for


class Nats:
    """Started by start(); keeps its port over kill() and start()."""

    def __init__(self, options=()):
        self.port = process.free_port()
        self.url = f"nats://127.0.0.1:{self.port}"
        self.options = list(options)
        self.process = None

    def start(self):
        self.process = subprocess.Popen(
            ["/usr/sbin/nats-server", "-a", "127.0.0.1", "-p", str(self.port), *self.options],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(self.accepts, "nats-server")
        return self

    def accepts(self):
        if self.process.poll() is not None:
            raise AssertionError("nats-server does not start")
        return process.answers(self.port)

    def kill(self):
        """As a power cut: no goodbye."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def freeze(self):
        os.kill(self.process.pid, signal.SIGSTOP)

    def thaw(self):
        os.kill(self.process.pid, signal.SIGCONT)

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.kill()
