# SPDX-License-Identifier: Apache-2.0
"""What the tests of the `parley` command share: one server for a test case, users, running."""
import json
import os
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
sys.path.insert(0, os.path.join(ROOT, "tests", "support"))

from parleyd import Parleyd, clean_environment, wait_for  # noqa: E402  pylint: disable=wrong-import-position

BIN = os.environ["PARLEY_BIN"]
PARLEY = os.path.join(BIN, "parley")

DONE, FAILED, USAGE, REFUSED, UNAVAILABLE, UNAUTHENTICATED = range(6)


class Cli(unittest.TestCase):
    """A server for all tests of the class; each test has conversations of its own."""

    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory(prefix="parley-cli-")
        cls.server = Parleyd(BIN, cls.scratch.name).start()
        cls.tokens = {}

    @classmethod
    def tearDownClass(cls):
        code = cls.server.stop()
        log = cls.server.log()
        cls.scratch.cleanup()
        if code != 0:
            raise AssertionError(f"parleyd left with {code}:\n{log}")

    @classmethod
    def environment(cls, user="alice", **extra):
        environment = clean_environment()
        environment.update(PARLEY_SERVER=cls.server.address, TZ="UTC", LC_ALL="C.UTF-8")
        if user is not None:
            path = os.path.join(cls.scratch.name, user + ".token")
            if user not in cls.tokens:
                cls.tokens[user] = cls.server.token(user)
                with open(path, "w", encoding="utf-8") as file:
                    file.write(cls.tokens[user] + "\n")
            environment["PARLEY_TOKEN_FILE"] = path
        environment.update(extra)
        return environment

    def parley(self, *arguments, user="alice", stdin=b"", code=DONE, **extra):
        """Run the command; its exit code must be `code`. Errors are said if and only if it failed
        (a note may be said besides). @return the standard output, as text"""
        done = subprocess.run([PARLEY, *arguments], input=stdin, capture_output=True, timeout=60,
                              env=self.environment(user, **extra), check=False)
        self.error = done.stderr.decode()
        self.assertEqual(done.returncode, code, f"{arguments}: {self.error}")
        if code != DONE:
            self.assertNotEqual(self.error, "", f"{arguments} failed in silence")
        return done.stdout.decode()

    def json(self, *arguments, **options):
        """The same with --json. @return the objects"""
        return [json.loads(line)
                for line in self.parley(*arguments, "--json", **options).splitlines()]

    def start(self, *arguments, user="alice", **options):
        """A command that runs on; killed at the end of the test if it still runs."""
        process = subprocess.Popen([PARLEY, *arguments], env=self.environment(user), text=True,
                                   stdin=options.pop("stdin", subprocess.DEVNULL),
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)
        self.addCleanup(self.end, process)
        return process

    @staticmethod
    def end(process):
        if process.poll() is None:
            process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                stream.close()


__all__ = ["BIN", "Cli", "DONE", "FAILED", "PARLEY", "REFUSED", "ROOT", "UNAUTHENTICATED",
           "UNAVAILABLE", "USAGE", "wait_for"]
