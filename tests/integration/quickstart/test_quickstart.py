# SPDX-License-Identifier: Apache-2.0
"""deploy/quickstart on a clean clone, as somebody who just found parley runs it."""
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
sys.path.insert(0, os.path.join(ROOT, "tests", "support"))

from parleyd import wait_for  # noqa: E402  pylint: disable=wrong-import-position


class Quickstart(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory(prefix="parley quickstart ")
        cls.clone = os.path.join(cls.scratch.name, "parley")
        subprocess.run(["git", "clone", "-q", ROOT, cls.clone], check=True)
        cls.first = cls.quickstart("--once")

    @classmethod
    def tearDownClass(cls):
        cls.scratch.cleanup()

    @classmethod
    def quickstart(cls, *options):
        return subprocess.run([os.path.join(cls.clone, "deploy", "quickstart"), *options],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                              stderr=subprocess.STDOUT, timeout=1200, check=False)

    def test_a_clean_clone_builds_and_shows_two_people_talking_over_a_crash(self):
        self.assertEqual(self.first.returncode, 0, self.first.stdout)
        for part in (r"step \d+ of \d+", r"bob sees: .* alice  Hi Bob, are you there\?",
                     r"bob sees: .* bob    I am, and I see what you write\.", r"kill -9 \d+",
                     r"connection broke", r"connected again; nothing was missed",
                     r"(?s)parley history.* 2  alice  .* 3  bob  .* 4  alice  .*All of it worked"):
            self.assertRegex(self.first.stdout, part)

    def test_a_second_run_builds_nothing_and_goes_on_with_the_same_store(self):
        second = self.quickstart("--once")
        self.assertEqual(second.returncode, 0, second.stdout)
        self.assertNotRegex(second.stdout, r"step \d+ of")
        self.assertRegex(second.stdout, r" 5  alice  Hi Bob")

    def test_a_port_that_is_taken_is_said(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            done = self.quickstart("--once", "--listen", address)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(f"{address} is taken by another program", done.stdout)

    def test_a_wrong_option_is_said_and_help_is_there(self):
        self.assertEqual(self.quickstart("--onec").returncode, 2)
        self.assertEqual(self.quickstart("--data").returncode, 2)
        self.assertIn("usage: deploy/quickstart", self.quickstart("--help").stdout)

    def test_it_serves_until_ctrl_c_what_it_says_to_type_works_and_it_leaves_nothing_running(self):
        data = os.path.join(self.scratch.name, "data")
        process = subprocess.Popen([os.path.join(self.clone, "deploy", "quickstart"), "--data", data],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                                   start_new_session=True, preexec_fn=lambda: signal.signal(
                                       signal.SIGINT, signal.default_int_handler))
        lines = []
        while not (lines and "Metrics:" in lines[-1]):
            lines.append(process.stdout.readline())
            self.assertNotEqual(lines[-1], "", "".join(lines))
        source = next(line.strip() for line in lines if line.startswith("    . "))
        said = subprocess.run(["bash", "-c", source + "\nparley chat lobby"], input="typed\n",
                              text=True, stdout=subprocess.PIPE, check=True).stdout
        self.assertRegex(said, r"alice  typed\n$")
        address = re.search(r"Serving on 127\.0\.0\.1:(\d+) until", "".join(lines)).group(1)
        process.send_signal(signal.SIGINT)
        self.assertIn("stopping the server", process.stdout.read())
        process.stdout.close()
        self.assertEqual(process.wait(60), 0)

        def is_gone():
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", int(address))) != 0
        wait_for(is_gone, "the server to be gone", 1)


if __name__ == "__main__":
    unittest.main()
