# SPDX-License-Identifier: Apache-2.0
"""The contract by buf's rules and by ours.

usage: PARLEY_BUF_DIR=build/dev/tests/interop/buf tests/interop/buf/test_contract.py [--update]
  --update   make the contract as it is the baseline: after a change that breaks nobody, or one
             that was decided on and stands in the CHANGELOG
"""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

from google.protobuf import descriptor_pb2

import buf

BASELINE = os.path.join(buf.CONTRACT, "baseline.binpb")


def build(path):
    return buf.run("build", buf.CONTRACT, "--exclude-source-info", "-o", path)


def contract():
    """The files of the contract as protoc reads them."""
    names = [os.path.relpath(os.path.join(base, name), buf.CONTRACT)
             for base, _, names in os.walk(buf.CONTRACT) for name in names
             if name.endswith(".proto")]
    with tempfile.NamedTemporaryFile() as file:
        subprocess.run(["protoc", f"-I{buf.CONTRACT}", f"--descriptor_set_out={file.name}", *names],
                       check=True)
        return descriptor_pb2.FileDescriptorSet.FromString(file.read()).file


def messages(files):
    """Every message, nested ones included, as {full name: descriptor}."""
    found = {}
    left = [("." + file.package, message) for file in files for message in file.message_type]
    while left:
        scope, message = left.pop()
        found[f"{scope}.{message.name}"] = message
        left += [(f"{scope}.{message.name}", nested) for nested in message.nested_type]
    return found


class Contract(unittest.TestCase):
    def test_it_is_clean_by_the_standard_rules(self):
        said = buf.run("lint", buf.CONTRACT)
        self.assertEqual((said.returncode, said.stdout), (0, ""), said.stderr)

    def test_it_breaks_nobody_who_knows_the_baseline(self):
        said = buf.run("breaking", buf.CONTRACT, "--against", BASELINE)
        self.assertEqual((said.returncode, said.stdout), (0, ""), said.stderr)

    def test_breaks_are_found(self):
        """The check itself, on breaks that are planted."""
        for old, new, words in (
                ("rpc Send(SendRequest)", "rpc Post(SendRequest)", "Send"),
                ("string client_message_id = 2;", "string client_message_id = 9;", "client_message"),
                ("bytes body = 4;", "string body = 4;", "body"),
                ("returns (stream HistoryResponse)", "returns (HistoryResponse)", "History")):
            with self.subTest(new), tempfile.TemporaryDirectory() as scratch:
                broken = os.path.join(scratch, "proto")
                shutil.copytree(buf.CONTRACT, broken)
                path = os.path.join(broken, "parley/v1/chat_service.proto")
                with open(path, encoding="utf-8") as file:
                    text = file.read()
                self.assertIn(old, text)
                with open(path, "w", encoding="utf-8") as file:
                    file.write(text.replace(old, new, 1))
                said = buf.run("breaking", broken, "--against", BASELINE)
                self.assertNotEqual(said.returncode, 0)
                self.assertIn(words, said.stdout)

    def test_no_field_is_proto3_optional(self):
        found = [f"{name}.{field.name}" for name, message in messages(contract()).items()
                 for field in message.field if field.proto3_optional]
        self.assertEqual(found, [])

    def test_no_message_contains_itself(self):
        known = messages(contract())
        self.assertGreater(len(known), 20)
        holds = {name: {f.type_name for f in message.field if f.type_name in known}
                 for name, message in known.items()}
        # What contains only messages that are done is done; what is left then goes in circles.
        while done := {name for name, inside in holds.items() if not inside & set(holds)}:
            holds = {name: inside for name, inside in holds.items() if name not in done}
        self.assertEqual(holds, {})


if __name__ == "__main__":
    if sys.argv[1:] == ["--update"]:
        sys.exit(build(BASELINE).stderr or 0)
    unittest.main(verbosity=2)
