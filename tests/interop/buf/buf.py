# SPDX-License-Identifier: Apache-2.0
"""Running the buf that install.py put into the build folder."""
import os
import subprocess

ROOT = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../.."))
CONTRACT = os.path.join(ROOT, "api", "proto")
PROGRAM = os.path.join(os.environ["PARLEY_BUF_DIR"], "node_modules", ".bin", "buf")


def run(*arguments):
    return subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=60)
