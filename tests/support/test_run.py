# SPDX-License-Identifier: Apache-2.0
"""tests/run counts: what it says at the end is what ctest said, also when ctest says nothing.

It runs in a folder of its own, where cmake does nothing and ctest says what each test wants."""
import os
import shutil
import subprocess
import tempfile
import unittest

HERE = os.path.dirname(os.path.realpath(__file__))
PASSES = 'echo "1/1 Test   #1: test_one .......   Passed    0.01 sec"\n'
FAILS = 'echo "1/1 Test   #1: test_one .......***Failed    0.01 sec"; exit 8\n'
NONE = 'case " $* " in *--no-tests=error*) exit 8 ;; esac\n'


class Run(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory(prefix="parley-run-")
        self.addCleanup(scratch.cleanup)
        self.folder = scratch.name
        os.makedirs(os.path.join(self.folder, "tests"))
        shutil.copy(os.path.join(HERE, "..", "run"), os.path.join(self.folder, "tests", "run"))
        self.write("deploy/install-packages", "")
        self.write("bin/cmake", "")

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="ascii") as file:
            file.write("#!/bin/sh\n" + text)
        os.chmod(path, 0o755)

    def run_with(self, ctest, *options):
        """@return its exit code and what it prints"""
        self.write("bin/ctest", ctest)
        path = os.path.join(self.folder, "bin") + ":" + os.environ["PATH"]
        done = subprocess.run([os.path.join(self.folder, "tests", "run"), *options], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                              env={**os.environ, "PATH": path})
        return done.returncode, done.stdout

    def test_what_passes_and_what_fails_is_counted(self):
        for ctest, code, total in ((PASSES, 0, "1 passed, 0 failed"),
                                   (FAILS, 1, "0 passed, 1 failed")):
            got, said = self.run_with(ctest, "--quick")
            self.assertEqual(got, code, said)
            self.assertEqual(said.splitlines()[-1], total)

    def test_a_suite_that_runs_nothing_has_failed(self):
        only_dev = f'case "$*" in *build/dev*) {PASSES.strip()} ;; *) {NONE.strip()} ;; esac\n'
        code, said = self.run_with(only_dev)
        self.assertEqual(code, 1, said)
        self.assertEqual(said.splitlines()[-1], "2 passed, 3 failed")
        for name in ("tsan", "release", "fuzz"):
            self.assertIn(f"{name}: ctest ended with 8", said)

    def test_a_ctest_that_dies_is_a_failure(self):
        code, said = self.run_with(PASSES + "kill -SEGV $$\n", "--quick")
        self.assertEqual(code, 1, said)
        self.assertEqual(said.splitlines()[-1], "1 passed, 1 failed")

    def test_some_tests_may_be_asked_for_but_not_none(self):
        only_dev = f'case "$*" in *build/dev*) {PASSES.strip()} ;; *) {NONE.strip()} ;; esac\n'
        self.assertEqual(self.run_with(only_dev, "test_one")[0], 0)
        code, said = self.run_with(NONE, "no_such_test")
        self.assertEqual(code, 1, said)

    def test_it_lists_and_helps(self):
        for options, wanted in (((), "-N\n"), (("one",), "-N -R one\n")):
            self.assertIn(wanted, self.run_with('echo "$*"\n', "--list", *options)[1])
        self.assertIn("usage: tests/run", self.run_with("", "--help")[1])
        self.assertEqual(self.run_with("", "--no-such")[0], 2)


if __name__ == "__main__":
    unittest.main()
