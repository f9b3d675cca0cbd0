# SPDX-License-Identifier: Apache-2.0
"""What the tests of parleyd share: scratch folders, running it, and gRPC to it."""
import importlib
import os
import subprocess
import sys
import tempfile
import unittest
import urllib.error
import urllib.request

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
sys.path.insert(0, os.path.join(ROOT, "tests", "support"))

from parleyd import Parleyd, clean_environment, wait_for  # noqa: E402  pylint: disable=wrong-import-position

BIN = os.environ["PARLEY_BIN"]
PARLEYD = os.path.join(BIN, "parleyd")

DONE, FAILED, USAGE, FORCED = range(4)


class Daemon(unittest.TestCase):
    """Each test has a folder of its own, and its servers are gone when it is over."""

    def setUp(self):
        scratch = tempfile.TemporaryDirectory(prefix="parley-daemon-")
        self.addCleanup(scratch.cleanup)
        self.folder = scratch.name
        self.data = os.path.join(self.folder, "data")

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)

    def parleyd(self, *arguments, code=DONE, **environment):
        """Run it to its end. @return what it said on both outputs"""
        done = subprocess.run([PARLEYD, *arguments], capture_output=True, timeout=60, text=True,
                              cwd=self.folder, env={**clean_environment(), **environment},
                              check=False)
        self.assertEqual(done.returncode, code, f"{arguments}: {done.stdout}{done.stderr}")
        return done.stdout + done.stderr

    def serve(self, *options):
        server = Parleyd(BIN, self.folder, options).start()
        self.addCleanup(server.stop)
        return server

    @staticmethod
    def get(server, path):
        """@return status and text of a page of the admin address"""
        try:
            with urllib.request.urlopen(f"http://{server.admin}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()


_generated = tempfile.TemporaryDirectory(prefix="parley-protos-")


def load_protos(*files, include="/usr/share/grpc-proto"):
    """Generate message classes by protoc. @return one module for each file"""
    subprocess.run(["protoc", "-I", include, "--python_out", _generated.name, *files], check=True)
    for folder, _, _ in os.walk(_generated.name):
        open(os.path.join(folder, "__init__.py"), "a", encoding="utf-8").close()
    if _generated.name not in sys.path:
        sys.path.insert(0, _generated.name)
    # "grpc" is also the name of the library: its own folder must find ours, too.
    import grpc  # pylint: disable=import-outside-toplevel
    ours = os.path.join(_generated.name, "grpc")
    if os.path.isdir(ours) and ours not in grpc.__path__:
        grpc.__path__.append(ours)
    importlib.invalidate_caches()
    return [importlib.import_module(name[:-len(".proto")].replace("/", ".") + "_pb2")
            for name in files]


__all__ = ["BIN", "DONE", "Daemon", "FAILED", "FORCED", "PARLEYD", "ROOT", "USAGE", "load_protos",
           "wait_for"]
