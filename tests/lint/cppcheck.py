#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""cppcheck over every source that people wrote, tests included.

usage: cppcheck.py --build DIR
"""
import argparse
import json
import os
import subprocess
import sys

import compiled

SUPPRESSED = (
    "missingIncludeSystem",
    "readdirCalled",  # safe on a folder of one's own
    "nullPointerRedundantCheck:*/tests/interop/*",  # that die() does not return is not seen
    "nullPointerArithmeticRedundantCheck:*/tests/interop/*",
    "pointerOutOfBoundsCond",  # reports every look at the end of a text of known length
)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True)
    build = os.path.abspath(parser.parse_args().build)
    project = os.path.join(build, "cppcheck.json")
    with open(project, "w", encoding="utf-8") as file:
        json.dump(compiled.by_hand(build), file)
    return subprocess.run(
        ["cppcheck", f"--project={project}", "--enable=warning,performance,portability",
         "--std=c11", "--library=posix", "--inline-suppr", "--quiet", "--error-exitcode=1",
         f"-j{os.cpu_count()}", f"--suppress=*:{build}/*",
         *(f"--suppress={name}" for name in SUPPRESSED)], cwd=compiled.ROOT).returncode


if __name__ == "__main__":
    sys.exit(main())
