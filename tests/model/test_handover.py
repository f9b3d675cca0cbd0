# SPDX-License-Identifier: Apache-2.0
"""The hand-over from CATCH-UP to LIVE, in every order of its steps: no event is lost or repeated. And
with a mistake put in, spin says so: a model that accepts everything proves nothing."""
import os
import re
import shutil
import subprocess
import tempfile
import unittest

MODEL = os.path.join(os.path.dirname(os.path.realpath(__file__)), "handover.pml")


class HandoverTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)

    def check(self, *defines):
        """@return errors found, and what spin said"""
        flags = [f"-D{define}" for define in defines]
        for argv in (["spin", "-a", *flags, MODEL], ["gcc", "-O2", "-DSAFETY", "-o", "pan", "pan.c"]):
            subprocess.run(argv, cwd=self.folder, check=True, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT)
        said = subprocess.run(["./pan", "-m200000"], cwd=self.folder, check=True, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout
        self.assertNotIn("max search depth too small", said)
        return int(re.search(r"errors: (\d+)", said).group(1)), said

    def test_nothing_is_lost_or_repeated(self):
        errors, said = self.check()
        self.assertEqual(errors, 0, said)
        unreached = re.findall(r"\((\d+) of \d+ states\)", said)
        self.assertEqual(set(unreached), {"0"}, "a part of the model is never reached:\n" + said)
        print(re.search(r"\d+ states, stored", said).group(0))

    def test_nothing_is_lost_or_repeated_on_a_node_that_is_alone(self):
        errors, said = self.check("ALONE")
        self.assertEqual(errors, 0, said)

    def test_a_mistake_is_found(self):
        for defines in (["ALONE", "NO_INTEREST_FIRST"], ["NO_GAP"], ["NO_STALE"], ["NO_SKIP"],
                        ["ALONE", "NO_STALE"], ["ALONE", "NO_SKIP"]):
            with self.subTest(defines):
                errors, said = self.check(*defines)
                self.assertGreater(errors, 0, said)


if __name__ == "__main__":
    unittest.main()
