#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the generator refuses, and the words that it does it with."""
import os
import re
import tempfile
import unittest

import plugin

HEAD = 'syntax = "proto3";\npackage p;\nmessage M {}\n'
KINDS = {
    "unary": "rpc {}(M) returns (M);",
    "upload": "rpc {}(stream M) returns (M);",
    "download": "rpc {}(M) returns (stream M);",
    "chat": "rpc {}(stream M) returns (stream M);",
}


def service(*methods, name="S"):
    """A file with one service; a method is "name" (unary) or ("kind", "name")."""
    rpcs = [KINDS["unary"].format(m) if isinstance(m, str) else KINDS[m[0]].format(m[1])
            for m in methods]
    return HEAD + f"service {name} {{ {' '.join(rpcs)} }}\n"


CLASHES = [
    ("a method and the asynchronous form of another", {"a.proto": service("Foo", "Foo_async")},
     "method Foo of p.S and method Foo_async of p.S would both be called p_S_Foo_async in C; "
     "rename one of them"),
    ("a method and the server side of another",
     {"a.proto": service("Foo", ("chat", "srv_Foo"))},
     "method srv_Foo of p.S and the server side of method Foo of p.S would both be called "
     "p_S_srv_Foo_call in C; rename one of them"),
    ("a method and the index of another", {"a.proto": service("Foo", "M_Foo")},
     "method M_Foo of p.S and the index of method Foo of p.S would both be called p_S_M_Foo in C; "
     "rename one of them"),
    ("a method and what its service gets", {"a.proto": service("register")},
     "method register of p.S and service p.S would both be called p_S_register in C; rename one "
     "of them"),
    ("a method and the handler of another", {"a.proto": service("Foo", "Foo_done")},
     "method Foo of p.S and method Foo_done of p.S would both have a handler called Foo_done in "
     "C; rename one of them"),
    ("a keyword with its underscore and a method that has one",
     {"a.proto": service("default", "default_")},
     "method default of p.S and method default_ of p.S would both have a handler called default_ "
     "in C; rename one of them"),
    ("messages in camel case and in snake case",
     {"a.proto": HEAD + "message FooBar {} message foo_bar {} service S {}"},
     "message p.FooBar and message p.foo_bar would both be called P__FooBar in C; rename one of "
     "them"),
    ("what protoc-gen-c makes of a service and a method",
     {"a.proto": 'syntax = "proto3"; message M {} service S { rpc Service(M) returns (M); }'},
     "method Service of S and what protoc-gen-c makes of service S would both be called "
     "S_Service in C; rename one of them"),
    ("a method without a package that makes a keyword",
     {"a.proto": 'syntax = "proto3"; message M {} service static { rpc assert(M) returns (M); }'},
     "method assert of static would be called static_assert in C, which is a keyword; rename it"),
    ("services of two files", {
        "a.proto": 'syntax = "proto3"; package a.b; message M {} service C { rpc D(M) returns (M); }',
        "b.proto": 'syntax = "proto3"; package a; message M {} service b_C { rpc D(M) returns (M); }'},
     "method D of a.b.C and method D of a.b_C would both be called a_b_C_D in C; rename one of "
     "them"),
    ("two files", {"a/b.proto": 'syntax = "proto3";', "a_b.proto": 'syntax = "proto3";'},
     "file a/b.proto and file a_b.proto would both be called parley_file_a_b_proto in C; rename "
     "one of them"),
    ("proto3 optional", {"a.proto": 'syntax = "proto3"; package p; message A { message B { '
                                    "optional int32 count = 1; } }"},
     "a.proto: p.A.B.count is a proto3 optional field, which protobuf-c does not know; on the "
     "wire a oneof with one member is the same: oneof count_ { ... count = 1; }"),
]


class Refusals(unittest.TestCase):
    def assert_refused(self, process, outputs, words):
        self.assertEqual(process.returncode, 1)
        self.assertEqual(process.stderr.strip(), "--parley-c_out: " + words)
        self.assertEqual(outputs, {})

    def test_names_that_clash_are_told_with_both_owners(self):
        for what, protos, words in CLASHES:
            with self.subTest(what):
                process, outputs = plugin.generate_text(protos)
                self.assert_refused(process, outputs, words)

    def test_every_name_of_a_method_is_guarded(self):
        """Each name that a method of a kind gets is refused to a second method."""
        for kind in KINDS:
            _, outputs = plugin.generate_text({"a.proto": service((kind, "Foo"))})
            text = "".join(t for n, t in outputs.items() if n.endswith(".h"))
            text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
            taken = set(re.findall(r"\bp_S_(Foo_\w+|srv_Foo\w*|M_Foo)\b", text))
            taken |= set(re.findall(r"\(\*(Foo_\w+)\)", text))
            self.assertGreater(len(taken), 6)
            for name in sorted(taken):
                with self.subTest(f"{kind} {name}"):
                    process, _ = plugin.generate_text(
                        {"a.proto": service((kind, "Foo"), name)})
                    self.assertIn("rename one of them", process.stderr)

    def test_names_that_only_look_alike_are_let_through(self):
        """Unary methods have no Foo_open: that is a name like any other."""
        for other in ("Foo_open", "Foo_write", "Foo_call", "foo", "Foo2", "srv_Foo", "async"):
            with self.subTest(other):
                process, outputs = plugin.generate_text({"a.proto": service("Foo", other)})
                self.assertEqual(process.returncode, 0, process.stderr)
                self.assertEqual(len(outputs), 6)

    def test_an_unknown_option_is_told_with_those_that_exist(self):
        process, outputs = plugin.generate_text({"a.proto": service("Foo")}, "clients")
        self.assert_refused(process, outputs,
                            "--parley-c_opt=clients is unknown; there are: "
                            "client, server, tables, messages (see protoc-gen-parley-c --help)")

    def test_options_choose_what_is_written(self):
        tables = {"a.parley.h", "a.parley.c"}
        client = tables | {"a.client.parley.h", "a.client.parley.c"}
        server = tables | {"a.server.parley.h", "a.server.parley.c"}
        messages = {"a.pb-c.h", "a.pb-c.c"}
        for options, names in (("", client | server), ("tables", tables), ("client", client),
                               ("server", server), ("tables,client", client),
                               ("client,server", client | server), (",client,", client),
                               ("messages", client | server | messages),
                               ("messages,tables", tables | messages)):
            with self.subTest(options):
                process, outputs = plugin.generate_text({"a.proto": service("Foo")}, options)
                self.assertEqual(process.returncode, 0, process.stderr)
                self.assertEqual(set(outputs), names)

    def test_messages_come_without_protobuf_c_services(self):
        _, outputs = plugin.generate_text({"a.proto": service("Foo")}, "messages")
        self.assertIn("P__M", outputs["a.pb-c.h"])
        self.assertNotIn("Service", outputs["a.pb-c.h"])

    def test_protoc_gen_c_can_be_run_by_protoc_as_well(self):
        with tempfile.TemporaryDirectory() as out:
            process = plugin.run(["protoc", f"--plugin=protoc-gen-parley-c={plugin.PLUGIN}",
                                  f"--parley-c_out={out}", f"--c_out={out}",
                                  f"-I{plugin.PROTOS}", "kinds.proto"])
            self.assertEqual(process.returncode, 0, process.stderr)
            sources = [n for n in plugin.read_tree(out) if n.endswith(".c")]
            self.assertEqual(len(sources), 4)
            self.assertEqual(plugin.compile_all(plugin.C11, out, sources), "")

    def test_a_protoc_gen_c_that_is_missing_is_named(self):
        os.environ["PROTOC_GEN_C"] = "/nowhere/protoc-gen-c"
        try:
            process, outputs = plugin.generate_text({"a.proto": service("Foo")}, "messages")
        finally:
            del os.environ["PROTOC_GEN_C"]
        self.assert_refused(process, outputs,
                            "cannot run /nowhere/protoc-gen-c: No such file or directory "
                            "(Debian's package is protobuf-c-compiler; the environment's "
                            "PROTOC_GEN_C may name another)")

    def test_a_protoc_gen_c_that_fails_fails_the_whole(self):
        os.environ["PROTOC_GEN_C"] = "/bin/false"
        try:
            process, _ = plugin.generate_text({"a.proto": service("Foo")}, "messages")
        finally:
            del os.environ["PROTOC_GEN_C"]
        self.assertEqual(process.returncode, 1)
        self.assertIn("protoc-gen-parley-c: protoc-gen-c failed", process.stderr)

    def test_help_says_how_it_is_run(self):
        said = plugin.run([plugin.PLUGIN, "--help"])
        self.assertEqual((said.returncode, said.stderr), (0, ""))
        for option in ("--parley-c_out=DIR", "client", "server", "tables", "messages"):
            self.assertIn(option, said.stdout)
        wrong = plugin.run([plugin.PLUGIN, "kinds.proto"])
        self.assertEqual((wrong.returncode, wrong.stdout, wrong.stderr), (2, "", said.stdout))


if __name__ == "__main__":
    unittest.main(verbosity=2)
