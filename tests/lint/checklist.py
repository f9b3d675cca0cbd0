#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every item of the gRPC checklist is in the name of a test (test_r7_..., or a row "R7 ..." of a
table), or listed in api/wire/README.md as left out, with its reason."""
import os
import re
import subprocess
import sys

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
README = "api/wire/README.md"
# requests, responses, status, metadata, compression, deadlines, connections, flow control, health,
# reflection, channelz, gRPC-Web, WebSocket, client
ITEMS = {"R": 17, "T": 10, "S": 9, "M": 6, "C": 8, "D": 5, "K": 13, "F": 7, "H": 3, "V": 1, "Z": 1,
         "W": 1, "WS": 1, "CL": 16}


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8", errors="replace") as file:
        return file.read()


def named_in_tests():
    files = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "tests"], cwd=ROOT,
                           text=True, stdout=subprocess.PIPE, check=True).stdout.split("\n")
    found = set()
    for path in files:
        if path.endswith((".c", ".py")) and os.path.exists(os.path.join(ROOT, path)):
            text = read(path)
            for name in re.findall(r"\btest_(\w+)", text):
                found.update(name.upper().split("_"))
            found.update(re.findall(r'\{"([A-Z]+\d+) ', text))
    return found


def left_out():
    table = read(README).partition("## Left out on purpose")[2]
    first_column = re.findall(r"^\| ([^|]*) \|", table, re.MULTILINE)
    return set(re.findall(r"\b[A-Z]+\d+\b", " ".join(first_column)))


def main():
    accounted = named_in_tests() | left_out()
    wanted = [f"{family}{number}" for family, count in ITEMS.items()
              for number in range(1, count + 1)]
    missing = [item for item in wanted if item not in accounted]
    for item in missing:
        print(f"{README}: {item} has no test and is not listed as left out")
    print(f"checklist: {len(wanted)} items, {len(missing)} unaccounted for")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
