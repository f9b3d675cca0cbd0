# SPDX-License-Identifier: Apache-2.0
"""Install the SDK into a scratch folder and use it as an integrator does: by find_package and by
pkg-config, in C and in C++, shared and static, with the contract's stubs and with one's own."""
import os
import re
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))

from parleyd import Parleyd, clean_environment  # noqa: E402  pylint: disable=wrong-import-position

BUILD = os.environ["PARLEY_BUILD"]
CMAKE = os.environ["PARLEY_CMAKE"]
CC = os.environ["PARLEY_CC"]
LIBDIR = os.environ["PARLEY_LIBDIR"]
SANITIZE = os.environ.get("PARLEY_SANITIZE", "")
# A library with a sanitizer needs a program with the same.
FLAGS = [f"-fsanitize={SANITIZE}"] if SANITIZE else []
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]


class Package(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        scratch = tempfile.TemporaryDirectory(prefix="parley-package-")
        cls.addClassCleanup(scratch.cleanup)
        cls.folder = scratch.name
        cls.prefix = os.path.join(cls.folder, "prefix")
        for component in ("sdk-runtime", "sdk-dev", "codegen"):
            cls.run_tool(CMAKE, "--install", BUILD, "--component", component,
                         "--prefix", cls.prefix)
        cls.libraries = os.path.join(cls.prefix, LIBDIR)
        cls.server = Parleyd(os.path.join(BUILD, "bin"), cls.folder).start()
        cls.addClassCleanup(cls.server.stop)
        cls.token = cls.server.token("alice")

    @classmethod
    def run_tool(cls, *command, **environment):
        done = subprocess.run(command, capture_output=True, text=True, check=False,
                              env={**clean_environment(), **environment})
        if done.returncode != 0:
            raise AssertionError(f"{command}: {done.stdout}{done.stderr}")
        return done.stdout

    def talk(self, program):
        return self.run_tool(program, self.server.address, PARLEY_TOKEN=self.token,
                             LD_LIBRARY_PATH=self.libraries)

    def pkg_config(self, *options):
        pkgconfig = os.path.join(self.libraries, "pkgconfig")
        return self.run_tool("pkg-config", *options, "parley", PKG_CONFIG_PATH=pkgconfig,
                             PKG_CONFIG_ALLOW_SYSTEM_CFLAGS="1").split()

    def test_find_package_serves_c_cxx_static_and_ones_own_service(self):
        build = os.path.join(self.folder, "build")
        flags = " ".join(FLAGS + WARNINGS)
        self.run_tool(CMAKE, "-S", os.path.join(HERE, "consumer"), "-B", build, "-G", "Ninja",
                      f"-DCMAKE_PREFIX_PATH={self.prefix}", f"-DCMAKE_C_COMPILER={CC}",
                      f"-DCMAKE_C_FLAGS={flags}", f"-DCMAKE_CXX_FLAGS={flags}")
        self.run_tool(CMAKE, "--build", build)
        for program in ("send_c", "send_cxx", "send_static"):
            with self.subTest(program):
                # The message's id is always the same: so is its place, after the creation.
                self.assertEqual(self.talk(os.path.join(build, program)), "seq 2\n")
        self.assertEqual(self.talk(os.path.join(build, "greet")), "UNIMPLEMENTED\n")

    def test_pkg_config_serves_c_and_cxx(self):
        for compiler, source in ((CC, "send.c"), ("g++", "send.cpp")):
            with self.subTest(source):
                program = os.path.join(self.folder, source + ".out")
                self.run_tool(compiler, *FLAGS, *WARNINGS, "-o", program,
                              os.path.join(HERE, "consumer", source),
                              *self.pkg_config("--cflags", "--libs"))
                self.assertEqual(self.talk(program), "seq 2\n")

    def test_quick_start_of_the_readme_works(self):
        with open(os.path.join(HERE, "..", "..", "client-sdk", "README.md"),
                  encoding="utf-8") as file:
            source = re.search(r"```c\n(.*?)```", file.read(), re.DOTALL).group(1)
        path = os.path.join(self.folder, "quick_start.c")
        with open(path, "w", encoding="utf-8") as file:
            file.write(source.replace("127.0.0.1:7450", self.server.address))
        self.run_tool(os.path.join(BUILD, "bin", "parley"), "create", "team",
                      PARLEY_SERVER=self.server.address, PARLEY_TOKEN=self.token)
        self.run_tool(CC, *FLAGS, *WARNINGS, "-o", path + ".out", path,
                      *self.pkg_config("--cflags", "--libs"))
        self.assertEqual(self.talk(path + ".out"), "sent\n")

    def test_pkg_config_links_the_one_archive(self):
        program = os.path.join(self.folder, "static.out")
        libraries = [flag for flag in self.pkg_config("--static", "--libs") if flag != "-lparley"]
        self.run_tool(CC, *FLAGS, "-o", program, os.path.join(HERE, "consumer", "send.c"),
                      *self.pkg_config("--cflags"), os.path.join(self.libraries, "libparley.a"),
                      *libraries)
        self.assertEqual(self.talk(program), "seq 2\n")

    def exported(self):
        library = os.path.join(self.libraries, "libparley.so")
        return {line.split()[-1]
                for line in self.run_tool("nm", "-D", "--defined-only", library).splitlines()}

    def test_shared_library_exports_only_parley(self):
        names = self.exported()
        self.assertEqual([name for name in names if not name.startswith("parley_")], [])
        for name in ("parley_unary", "parley_v1_ChatService_Send", "parley__v1__send_request__init"):
            self.assertIn(name, names)

    def test_every_declared_function_of_the_sdk_is_exported(self):
        names = self.exported()
        for header in ("channel.h", "client.h", "error.h", "metadata.h"):
            with open(os.path.join(self.prefix, "include", "parley", header),
                      encoding="utf-8") as file:
                declared = set(re.findall(r"\b(parley_\w+)\(", file.read()))
            self.assertGreater(len(declared), 5, header)
            self.assertEqual(declared - names, set(), header)

    def test_runtime_component_is_enough_to_run(self):
        runtime = os.path.join(self.folder, "runtime")
        self.run_tool(CMAKE, "--install", BUILD, "--component", "sdk-runtime", "--prefix", runtime)
        files = sorted(os.listdir(os.path.join(runtime, LIBDIR)))
        self.assertFalse(os.path.exists(os.path.join(runtime, "include")))
        self.assertEqual(files, ["libparley.so.0.1", "libparley.so.0.1.0"])


if __name__ == "__main__":
    unittest.main()
