#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the generator does with a request that no protoc would send: an error, never a crash."""
import random
import subprocess
import tempfile
import unittest

from google.protobuf import descriptor_pb2
from google.protobuf.compiler import plugin_pb2

import plugin


def request_of(*protos):
    """The CodeGeneratorRequest that protoc would send."""
    with tempfile.NamedTemporaryFile() as file:
        said = plugin.run(["protoc", f"-I{plugin.PROTOS}", "--include_imports",
                           "--include_source_info", f"--descriptor_set_out={file.name}", *protos])
        assert said.returncode == 0, said.stderr
        files = descriptor_pb2.FileDescriptorSet.FromString(file.read())
    return plugin_pb2.CodeGeneratorRequest(file_to_generate=protos, proto_file=files.file)


def run(data):
    return subprocess.run([plugin.PLUGIN], input=data, capture_output=True, timeout=60)


def generate(data):
    """Give bytes to the plugin. Returns (exit code, response or None, what it said)."""
    process = run(data)
    response = None
    if process.returncode == 0:
        response = plugin_pb2.CodeGeneratorResponse.FromString(process.stdout)
    return process.returncode, response, process.stderr.decode()


def change(request, path, value):
    """A copy of the request with one field set: "proto_file.0.service.0.name"; None clears it."""
    copy = plugin_pb2.CodeGeneratorRequest()
    copy.CopyFrom(request)
    at = copy
    *steps, last = path.split(".")
    for step in steps:
        at = at[int(step)] if step.isdigit() else getattr(at, step)
    if value is None:
        at.ClearField(last)
    else:
        setattr(at, last, value)
    return copy


class Input(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.request = request_of("nested.proto")

    def assert_survives(self, data):
        process = run(data)
        said = process.stderr.decode(errors="replace")
        self.assertIn(process.returncode, (0, 1), said)
        for word in ("Sanitizer", "runtime error"):
            self.assertNotIn(word, said)

    def assert_told(self, request, words):
        code, response, said = generate(request.SerializeToString())
        self.assertEqual((code, said), (0, ""))
        self.assertIn(words, response.error)
        self.assertEqual(len(response.file), 0)

    def test_a_request_as_protoc_sends_it_is_answered(self):
        code, response, said = generate(self.request.SerializeToString())
        self.assertEqual((code, said, response.error), (0, "", ""))
        self.assertEqual(len(response.file), 6)
        self.assertEqual(response.supported_features,
                         plugin_pb2.CodeGeneratorResponse.FEATURE_PROTO3_OPTIONAL)

    def test_no_input_at_all_writes_nothing(self):
        code, response, _ = generate(b"")
        self.assertEqual((code, len(response.file), response.error), (0, 0, ""))

    def test_input_that_is_no_request_is_told(self):
        code, _, said = generate(b"syntax = \"proto3\";\n")
        self.assertEqual(code, 1)
        self.assertIn("standard input is no CodeGeneratorRequest", said)

    def test_a_request_cut_anywhere_does_not_crash(self):
        data = self.request.SerializeToString()
        for cut in range(1, len(data), max(1, len(data) // 150)):
            with self.subTest(cut):
                self.assert_survives(data[:cut])

    def test_random_bytes_do_not_crash(self):
        chance = random.Random(7)
        for i in range(60):
            with self.subTest(i):
                self.assert_survives(chance.randbytes(chance.randrange(1, 400)))

    def test_a_request_with_changed_bytes_does_not_crash(self):
        chance = random.Random(11)
        data = self.request.SerializeToString()
        for i in range(150):
            with self.subTest(i):
                changed = bytearray(data)
                for _ in range(chance.randrange(1, 4)):
                    changed[chance.randrange(len(changed))] = chance.randrange(256)
                self.assert_survives(bytes(changed))

    def test_fields_that_are_missing_are_told(self):
        for path, words in (
                ("proto_file.0.name", "a file of the request has no name"),
                ("proto_file.1.message_type.0.name", "a message has no name"),
                ("proto_file.1.service.0.name", "a service has no name"),
                ("proto_file.1.service.0.method.0.name", "a method has no name"),
                ("proto_file.1.service.0.method.0.input_type",
                 "nested.v1.Nested.Take: its message (unnamed) is in no file of the request"),
                ("proto_file.1.service.0.method.0.output_type",
                 "nested.v1.Nested.Take: its message (unnamed) is in no file of the request")):
            with self.subTest(path):
                self.assert_told(change(self.request, path, None), words)

    def test_names_that_are_no_names_do_not_reach_the_output(self):
        evil = 'x; int main(void) { system("id"); }'
        for path, value, words in (
                ("proto_file.1.service.0.name", evil, "a service has no name or none that C knows"),
                ("proto_file.1.service.0.method.0.name", evil, "a method has no name or none"),
                ("proto_file.1.message_type.0.name", "1st", "a message has no name or none"),
                ("proto_file.1.package", "a..b", "its package or c_package is not made of"),
                ("proto_file.1.package", "a-b", "its package or c_package is not made of"),
                ("proto_file.1.package", "a.", "its package or c_package is not made of"),
                ("proto_file.0.name", 'a".proto', "cannot stand in C"),
                ("proto_file.0.name", "a*/b.proto", "cannot stand in C"),
                ("proto_file.0.name", "a\nb.proto", "cannot stand in C")):
            with self.subTest(path + " = " + value):
                self.assert_told(change(self.request, path, value), words)

    def test_a_file_that_is_not_there_is_told(self):
        request = plugin_pb2.CodeGeneratorRequest(file_to_generate=["gone.proto"])
        self.assert_told(request, "gone.proto is not in the request")
        request = change(self.request, "proto_file.0.name", "renamed.proto")
        self.assert_told(request, "nested.proto: its import imported/common_types.proto is not in "
                                  "the request")

    def test_imports_in_a_circle_end(self):
        request = request_of("nested.proto")
        request.proto_file[0].dependency.append("nested.proto")
        request.proto_file[0].dependency.append("imported/common_types.proto")
        self.assert_survives(request.SerializeToString())

    def test_a_thousand_imports_are_written_once_each(self):
        request = plugin_pb2.CodeGeneratorRequest(file_to_generate=["top.proto"])
        for i in range(1000):
            file = request.proto_file.add(name=f"i{i}.proto", package=f"i{i}", syntax="proto3")
            file.dependency.extend([f"i{i - 1}.proto"] if i > 0 else [])
        request.proto_file.add(name="top.proto", syntax="proto3").dependency.extend(
            [f"i{i}.proto" for i in range(1000)])
        code, response, said = generate(request.SerializeToString())
        self.assertEqual((code, said, response.error), (0, "", ""))
        source = next(f.content for f in response.file if f.name == "top.parley.c")
        self.assertEqual(source.count("static const parley_file parley_file_i"), 1000)


if __name__ == "__main__":
    unittest.main(verbosity=2)
