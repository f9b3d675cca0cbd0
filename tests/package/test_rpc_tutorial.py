# SPDX-License-Identifier: Apache-2.0
"""parley-rpc as its user gets it: installed alone, and used as the tutorial in its README says, whose
code is taken from there."""
import os
import re
import signal
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))

from parleyd import clean_environment  # noqa: E402  pylint: disable=wrong-import-position

BUILD = os.environ["PARLEY_BUILD"]
CMAKE = os.environ["PARLEY_CMAKE"]
CC = os.environ["PARLEY_CC"]
LIBDIR = os.environ["PARLEY_LIBDIR"]
SANITIZE = os.environ.get("PARLEY_SANITIZE", "")
FLAGS = [f"-fsanitize={SANITIZE}"] if SANITIZE else []
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]
README = os.path.join(HERE, "..", "..", "server", "rpc", "README.md")
PYTHON = "/usr/bin/python3"  # the one that Debian's grpcio is for
# Each of these names stands in the text before the block that is its content.
FILES = ("greeter.proto", "CMakeLists.txt", "server.c", "client.c", "client.py")


def tutorial_files():
    with open(README, encoding="utf-8") as file:
        text = file.read()
    found = {}
    position = 0
    for name in FILES:
        position = text.index(f"`{name}`", position)
        block = re.compile(r"```\w+\n(.*?)```", re.DOTALL).search(text, position)
        found[name] = block.group(1)
        position = block.end()
    return found


class Tutorial(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        scratch = tempfile.TemporaryDirectory(prefix="parley-rpc-")
        cls.addClassCleanup(scratch.cleanup)
        cls.folder = scratch.name
        cls.prefix = os.path.join(cls.folder, "prefix")
        for component in ("rpc", "rpc-dev", "codegen"):
            cls.run_tool(CMAKE, "--install", BUILD, "--component", component,
                         "--prefix", cls.prefix)
        for name, content in tutorial_files().items():
            with open(os.path.join(cls.folder, name), "w", encoding="utf-8") as file:
                file.write(content)
        cls.build = os.path.join(cls.folder, "build")
        cls.run_tool(CMAKE, "-S", cls.folder, "-B", cls.build, "-G", "Ninja",
                     f"-DCMAKE_PREFIX_PATH={cls.prefix}", f"-DCMAKE_C_COMPILER={CC}",
                     f"-DCMAKE_C_FLAGS={' '.join(FLAGS + WARNINGS)}")
        cls.run_tool(CMAKE, "--build", cls.build)
        cls.run_tool("protoc", f"-I{cls.folder}", f"--python_out={cls.folder}",
                     f"--grpc_out={cls.folder}",
                     "--plugin=protoc-gen-grpc=/usr/bin/grpc_python_plugin",
                     os.path.join(cls.folder, "greeter.proto"))

    @classmethod
    def run_tool(cls, *command, **environment):
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120,
                              env={**clean_environment(), **environment})
        if done.returncode != 0:
            raise AssertionError(f"{command}: {done.stdout}{done.stderr}")
        return done.stdout

    def setUp(self):
        self.libraries = os.path.join(self.prefix, LIBDIR)
        self.environment = {**clean_environment(), "LD_LIBRARY_PATH": self.libraries}
        self.server = subprocess.Popen(
            [os.path.join(self.build, "server"), "127.0.0.1:0"], stdout=subprocess.PIPE,
            text=True, env=self.environment)
        self.addCleanup(self.server.stdout.close)
        self.addCleanup(self.server.wait, 60)
        self.addCleanup(self.server.terminate)
        self.address = self.server.stdout.readline().split()[-1]

    def client(self, *arguments):
        return subprocess.run([os.path.join(self.build, "client"), self.address, *arguments],
                              capture_output=True, text=True, check=False, timeout=60,
                              env=self.environment)

    def test_client_in_c_is_answered(self):
        self.assertEqual(self.client().stdout, "Hello, world!\n1\n2\n3\n")

    def test_failure_names_the_field(self):
        done = self.client("")
        self.assertEqual(done.returncode, 1)
        self.assertIn("INVALID_ARGUMENT: ", done.stderr)

    def test_client_in_python_is_answered(self):
        done = self.run_tool(PYTHON, "-B", os.path.join(self.folder, "client.py"), self.address)
        self.assertEqual(done, "Hello, Python!\n1\n2\n3\n")

    def test_server_ends_well_when_it_is_told_to(self):
        self.assertEqual(self.client().returncode, 0)  # it runs
        self.server.send_signal(signal.SIGTERM)
        self.assertEqual(self.server.wait(60), 0)

    def test_nothing_of_the_chat_is_installed(self):
        names = [name for _, _, files in os.walk(self.prefix) for name in files]
        self.assertEqual([name for name in names if "chat" in name or name == "client.h"], [])
        exported = self.run_tool("nm", "-D", "--defined-only",
                                 os.path.join(self.libraries, "libparley-rpc.so"))
        exported = {line.split()[-1] for line in exported.splitlines()}
        self.assertEqual([name for name in exported
                          if not name.startswith("parley_") or name.startswith("parley_v1")], [])
        for header in ("channel.h", "error.h", "metadata.h", "server.h", "stub.h"):
            with open(os.path.join(self.prefix, "include", "parley", header),
                      encoding="utf-8") as file:
                declared = re.findall(r"^PARLEY_API[^;(]*?\b(parley_\w+)\(", file.read(), re.M)
            self.assertGreater(len(declared), 4, header)
            self.assertEqual(set(declared) - exported, set(), header)

    def test_pkg_config_is_enough_to_build(self):
        out = os.path.join(self.folder, "generated")
        os.makedirs(out, exist_ok=True)
        self.run_tool("protoc", f"-I{self.folder}", f"--parley-c_out={out}",
                      "--plugin=protoc-gen-parley-c="
                      + os.path.join(self.prefix, "bin", "protoc-gen-parley-c"),
                      "--parley-c_opt=client,messages,tables",
                      os.path.join(self.folder, "greeter.proto"))
        flags = self.run_tool("pkg-config", "--cflags", "--libs", "parley-rpc",
                              PKG_CONFIG_PATH=os.path.join(self.libraries, "pkgconfig")).split()
        sources = [os.path.join(out, f"greeter.{kind}.c")
                   for kind in ("pb-c", "parley", "client.parley")]
        program = os.path.join(self.folder, "client.out")
        self.run_tool(CC, *FLAGS, *WARNINGS, f"-I{out}", "-o", program,
                      os.path.join(self.folder, "client.c"), *sources, *flags)
        done = self.run_tool(program, self.address, LD_LIBRARY_PATH=self.libraries)
        self.assertEqual(done, "Hello, world!\n1\n2\n3\n")


if __name__ == "__main__":
    unittest.main()
