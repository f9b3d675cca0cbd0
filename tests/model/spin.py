# SPDX-License-Identifier: Apache-2.0
"""A model that spin tries in every order of its steps, for tests."""
import os
import re
import shutil
import subprocess
import tempfile
import unittest

HERE = os.path.dirname(os.path.realpath(__file__))


class ModelTest(unittest.TestCase):
    MODEL = None  # its file, here

    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)

    def check(self, *defines):
        """@return errors found, and what spin said"""
        flags = [f"-D{define}" for define in defines]
        for argv in (["spin", "-a", *flags, os.path.join(HERE, self.MODEL)],
                     ["gcc", "-O2", "-DSAFETY", "-o", "pan", "pan.c"]):
            subprocess.run(argv, cwd=self.folder, check=True, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT)
        said = subprocess.run(["./pan", "-m200000"], cwd=self.folder, check=True, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout
        self.assertNotIn("max search depth too small", said)
        return int(re.search(r"errors: (\d+)", said).group(1)), said

    def check_holds(self, *defines):
        errors, said = self.check(*defines)
        self.assertEqual(errors, 0, said)
        print(re.search(r"\d+ states, stored", said).group(0))
        return said

    def check_all_is_reached(self, said):
        unreached = re.findall(r"\((\d+) of \d+ states\)", said)
        self.assertEqual(set(unreached), {"0"}, "a part of the model is never reached:\n" + said)

    def check_is_found(self, *defines):
        """The mistake that these put in."""
        with self.subTest(defines):
            errors, said = self.check(*defines)
            self.assertGreater(errors, 0, said)
