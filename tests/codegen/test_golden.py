#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the generator writes, compared with golden/ and compiled.

usage: PARLEY_PLUGIN=build/dev/bin/protoc-gen-parley-c tests/codegen/test_golden.py [--update]
  --update   write golden/ anew; read the difference before you commit it
"""
import difflib
import os
import re
import shutil
import sys
import tempfile
import unittest

import plugin

GOLDEN = os.path.join(plugin.HERE, "golden")
CASES = ["kinds", "nested", "services", "no_package", "keywords", "c_package", "comments",
         "deprecated", "recursive"]
EXTRA = {"nested": ["imported/common_types.proto"]}


def outputs(folder):
    return {name: text for name, text in plugin.read_tree(folder).items()
            if name.endswith((".parley.h", ".parley.c"))}


class Golden(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.mkdtemp(prefix="parley-codegen-")
        cls.written = {}
        for case in CASES:
            out = os.path.join(cls.scratch, case)
            os.mkdir(out)
            process = plugin.generate(out, [case + ".proto"])
            assert process.returncode == 0, process.stderr
            cls.written[case] = outputs(out)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.scratch)

    def folder(self, case):
        return os.path.join(self.scratch, case)

    def test_output_is_what_was_agreed_to(self):
        written = {}
        for case in CASES:
            written.update(self.written[case])
        agreed = outputs(GOLDEN)
        self.assertEqual(sorted(written), sorted(agreed))
        for name, text in written.items():
            difference = "".join(difflib.unified_diff(
                agreed[name].splitlines(True), text.splitlines(True), "golden/" + name, name))
            self.assertEqual("", difference, "run with --update if that is meant")

    def test_a_second_run_writes_the_same_bytes(self):
        with tempfile.TemporaryDirectory() as again:
            plugin.generate(again, ["keywords.proto"])
            self.assertEqual(outputs(again), self.written["keywords"])

    def test_a_file_is_the_same_alone_and_beside_others(self):
        with tempfile.TemporaryDirectory() as together:
            process = plugin.generate(together, ["kinds.proto", "services.proto"])
            self.assertEqual(process.returncode, 0, process.stderr)
            self.assertEqual(outputs(together),
                             {**self.written["kinds"], **self.written["services"]})

    def sources(self, case):
        """Of the case; where it imports, the imported messages are generated beside it."""
        folder = self.folder(case)
        for extra in EXTRA.get(case, []):
            process = plugin.generate(folder, [extra])
            self.assertEqual(process.returncode, 0, process.stderr)
        if case == "c_package":
            plugin.run(["protoc", f"--c_out={folder}", "-I/usr/include",
                        "protobuf-c/protobuf-c.proto", "google/protobuf/descriptor.proto"])
        return folder, [name for name in outputs(folder) if name.endswith(".c")]

    def test_output_compiles_as_c11_without_a_warning(self):
        for case in CASES:
            with self.subTest(case):
                self.assertEqual(plugin.compile_all(plugin.C11, *self.sources(case)), "")

    def test_output_compiles_as_cpp_without_a_warning(self):
        for case in CASES:
            with self.subTest(case):
                self.assertEqual(plugin.compile_all(plugin.CXX17, *self.sources(case)), "")

    def test_each_header_compiles_alone(self):
        for case in CASES:
            folder, _ = self.sources(case)
            for header in outputs(folder):
                if not header.endswith(".h"):
                    continue
                for compiler, end in ((plugin.C11, ".c"), (plugin.CXX17, ".cc")):
                    with self.subTest(header + end):
                        alone = "alone_" + header.replace("/", "_") + end
                        with open(os.path.join(folder, alone), "w", encoding="utf-8") as file:
                            file.write(f'#include "{header}"\nextern int alone;\nint alone;\n')
                        self.assertEqual(plugin.compile_all(compiler, folder, [alone]), "")

    def test_names_are_those_of_protoc_gen_c(self):
        """Linked with the output of protoc-gen-c, only the two runtimes are missing."""
        for case in CASES:
            with self.subTest(case):
                folder, sources = self.sources(case)
                sources += [n for n in plugin.read_tree(folder) if n.endswith(".pb-c.c")]
                self.assertEqual(plugin.compile_all(["cc", "-std=c11"], folder, sources), "")
                whole = os.path.join(folder, "whole.o")
                plugin.run(["ld", "-r", "-o", whole,
                            *(os.path.join(folder, s + ".o") for s in sources)])
                missing = plugin.run(["nm", "-u", "-P", whole]).stdout.split("\n")
                names = [line.split()[0] for line in missing if line]
                ours = re.compile(r"(parley_(?!file_)|protobuf_c_|_GLOBAL_OFFSET|__stack_chk)\w*")
                self.assertGreater(len(names), 3)
                self.assertEqual([n for n in names if ours.fullmatch(n) is None and
                                  n not in ("__assert_fail", "memset", "memcpy")], [])

    def test_no_line_of_code_is_long(self):
        for case in CASES:
            for name, text in self.written[case].items():
                long = [line for line in text.splitlines() if len(line) > 100 and '"' not in line]
                self.assertEqual(long, [], name)

    def test_deprecated_methods_warn_their_callers(self):
        folder, _ = self.sources("deprecated")
        for call, warns in (("old_Mixed_Stale", True), ("old_Mixed_StaleStream_open", True),
                            ("old_Mixed_StaleStream_start", True), ("old_Gone_Anything_async", True),
                            ("old_Mixed_Fresh", False)):
            with open(os.path.join(folder, "caller.c"), "w", encoding="utf-8") as file:
                file.write('#include "deprecated.client.parley.h"\n'
                           f"void *taken(void);\nvoid *taken(void) {{ return (void *)&{call}; }}\n")
            said = plugin.compile_all(["cc", "-std=c11", "-Wall"], folder, ["caller.c"])
            self.assertEqual("deprecated" in said, warns, f"{call}: {said}")

    def test_a_result_that_is_dropped_is_warned_of(self):
        folder, _ = self.sources("kinds")
        with open(os.path.join(folder, "caller.c"), "w", encoding="utf-8") as file:
            file.write('#include "kinds.client.parley.h"\nvoid f(parley_channel *c);\n'
                       "void f(parley_channel *c) { kinds_v1_Kinds_Unary(c, 0, 0, 0); }\n")
        said = plugin.compile_all(["cc", "-std=c11", "-Wall"], folder, ["caller.c"])
        self.assertIn("warn_unused_result", said)

    def test_a_message_of_another_type_does_not_compile(self):
        folder, _ = self.sources("kinds")
        with open(os.path.join(folder, "caller.c"), "w", encoding="utf-8") as file:
            file.write('#include "kinds.client.parley.h"\n'
                       "int f(kinds_v1_Kinds_Chat_stream *s, const Kinds__V1__Response *r);\n"
                       "int f(kinds_v1_Kinds_Chat_stream *s, const Kinds__V1__Response *r)\n"
                       "{ return kinds_v1_Kinds_Chat_write(s, r); }\n")
        self.assertIn("incompatible", plugin.compile_all(plugin.C11, folder, ["caller.c"]))


def update():
    shutil.rmtree(GOLDEN, ignore_errors=True)
    for case in CASES:
        with tempfile.TemporaryDirectory() as out:
            process = plugin.generate(out, [case + ".proto"])
            if process.returncode != 0:
                sys.exit(process.stderr)
            for name, text in outputs(out).items():
                path = os.path.join(GOLDEN, name)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, "w", encoding="utf-8") as file:
                    file.write(text)


if __name__ == "__main__":
    if sys.argv[1:] == ["--update"]:
        update()
    else:
        unittest.main(verbosity=2)
