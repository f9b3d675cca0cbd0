# SPDX-License-Identifier: Apache-2.0
"""A real parleyd on free ports in a scratch folder, for tests in Python."""
import os
import signal
import subprocess
import time
import urllib.request


def wait_for(condition, what, timeout_s=60):
    """The first true value of condition(); AssertionError naming `what` when the time is over, which
    only a failing test waits for.
    @param what  a text, or a function that makes one then"""
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            what = what() if callable(what) else what
            raise AssertionError(f"waited {timeout_s} s in vain for {what}")
        time.sleep(0.01)


def clean_environment():
    """Ours without what configures parley: a test depends on what it says and nothing else."""
    return {k: v for k, v in os.environ.items() if not k.startswith("PARLEY_")}


class Parleyd:
    """Started by start(); keeps its addresses and data over kill() and start()."""

    def __init__(self, bin_dir, folder, options=()):
        self.program = os.path.join(bin_dir, "parleyd")
        self.folder = folder
        self.data = os.path.join(folder, "data")
        self.log_path = os.path.join(folder, "parleyd.log")
        self.options = list(options)
        self.address = self.admin = None
        self.process = None

    def start(self):
        addresses = os.path.join(self.folder, "addresses")
        if os.path.exists(addresses):
            os.unlink(addresses)
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [self.program, "serve", "--data", self.data,
                 "--listen", self.address or "127.0.0.1:0",
                 "--admin", self.admin or "127.0.0.1:0",
                 "--addresses-file", addresses] + self.options,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=clean_environment())
        wait_for(lambda: os.path.exists(addresses) or self.process.poll() is not None, "parleyd")
        if self.process.poll() is not None:
            raise AssertionError("parleyd does not start:\n" + self.log())
        with open(addresses, encoding="utf-8") as file:
            found = dict(line.strip().split("=", 1) for line in file)
        self.address, self.admin = found["listen"], found["admin"]
        return self

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def token(self, user, *options):
        return subprocess.run([self.program, "token", "--user", user, "--data", self.data, *options],
                              check=True, stdout=subprocess.PIPE, text=True,
                              env=clean_environment()).stdout.strip()

    def metric(self, name, label=""):
        """The sum of a metric over its labels, or over those that have this one: 'name="value"'."""
        with urllib.request.urlopen(f"http://{self.admin}/metrics") as page:
            lines = page.read().decode().splitlines()
        values = [float(line.split()[-1]) for line in lines
                  if line.split("{")[0].split(" ")[0] == name and label in line]
        if not values:
            raise AssertionError(f"no metric {name}")
        return sum(values)

    def kill(self):
        """As a power cut: no goodbye."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self, timeout_s=30):
        """As an operator: SIGTERM. @return the exit code"""
        if self.process is None or self.process.poll() is not None:
            return None if self.process is None else self.process.returncode
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
