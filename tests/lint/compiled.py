# SPDX-License-Identifier: Apache-2.0
"""What a build compiles, for the tools that read its compile_commands.json."""
import json
import os

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))


def by_hand(build):
    """The entries of sources that people wrote: not what was generated, or is to be."""
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as file:
        entries = json.load(file)
    generated = os.path.realpath(build) + os.sep
    return [entry for entry in entries
            if not os.path.realpath(entry["file"]).startswith(generated)]
