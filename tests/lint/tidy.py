#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""clang-tidy over every source of the product, each finding once.

usage: tidy.py --build DIR [FILE ...]     FILE: default: all that git knows outside of tests/
"""
import argparse
import concurrent.futures
import os
import re
import subprocess
import sys

import compiled

ROOT = compiled.ROOT
FOLDERS = ("api", "client-sdk", "server", "storage")
FINDING = re.compile(r"^(/[^:]+):(\d+):\d+: (?:warning|error): (.*)$")


def sources(build):
    """What the build compiles, since only that can be parsed."""
    files = {os.path.realpath(entry["file"]) for entry in compiled.by_hand(build)}
    return sorted(f for f in files if f.startswith(tuple(os.path.join(ROOT, d) + "/" for d in FOLDERS)))


def check(build, path):
    # The build's flags are gcc's: clang need not know all of them.
    out = subprocess.run(["clang-tidy", "-p", build, "--quiet",
                          "--extra-arg=-Wno-unknown-warning-option", path],
                         cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    found = set()
    for line in out.stdout.split("\n"):
        match = FINDING.match(line)
        if match and "/build/" not in match[1]:
            found.add(f"{os.path.relpath(match[1], ROOT)}:{match[2]}: {match[3]}")
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True)
    parser.add_argument("files", nargs="*", metavar="FILE")
    args = parser.parse_args()
    build = os.path.abspath(args.build)
    files = [os.path.abspath(f) for f in args.files] or sources(build)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        found = set().union(*pool.map(lambda path: check(build, path), files))
    print("\n".join(sorted(found)))
    print(f"tidy: {len(files)} files, {len(found)} findings")
    return 1 if found or not files else 0


if __name__ == "__main__":
    sys.exit(main())
