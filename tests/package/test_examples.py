# SPDX-License-Identifier: Apache-2.0
"""Run the examples of the SDK as their users do, against parleyd and, for a service of one's own,
against an official gRPC server."""
import concurrent.futures
import os
import signal
import subprocess
import sys
import tempfile
import unittest

import grpc

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))

from parleyd import Parleyd, clean_environment, wait_for  # noqa: E402  pylint: disable=wrong-import-position

BUILD = os.environ["PARLEY_BUILD"]


def example(name):
    return os.path.join(BUILD, "examples", name)


class Examples(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        scratch = tempfile.TemporaryDirectory(prefix="parley-examples-")
        cls.addClassCleanup(scratch.cleanup)
        cls.folder = scratch.name
        cls.server = Parleyd(os.path.join(BUILD, "bin"), cls.folder).start()
        cls.addClassCleanup(cls.server.stop)
        cls.environment = {**clean_environment(), "PARLEY_SERVER": cls.server.address,
                           "PARLEY_TOKEN": cls.server.token("alice")}

    def run_it(self, program, *arguments, code=0, stdin=""):
        done = subprocess.run([program, *arguments], input=stdin, capture_output=True, text=True,
                              timeout=60, env=self.environment, check=False)
        self.assertEqual(done.returncode, code, f"{program}: {done.stdout}{done.stderr}")
        return done.stdout

    def create(self, conversation):
        self.run_it(os.path.join(BUILD, "bin", "parley"), "create", conversation)

    def test_send_and_history(self):
        self.create("letters")
        for text in ("one", "two", "three"):
            self.run_it(example("send"), self.server.address, "letters", text)
        self.assertEqual(self.run_it(example("history"), self.server.address, "letters", "2"),
                         "4 alice: three\n3 alice: two\n")
        self.run_it(example("send"), self.server.address, "no-such", "x", code=1)
        self.run_it(example("history"), self.server.address, "no-such", code=1)
        self.run_it(example("send"), code=2)

    def test_own_loop_sends_each_line(self):
        self.create("lines")
        said = self.run_it(example("own_loop"), self.server.address, "lines", stdin="a\nb\nc\n")
        self.assertEqual(said, "number 2\nnumber 3\nnumber 4\n")
        self.assertEqual(self.run_it(example("history"), self.server.address, "lines"),
                         "4 alice: c\n3 alice: b\n2 alice: a\n")

    def follow(self, conversation, cursor, output):
        with open(output, "wb") as file:
            follower = subprocess.Popen(
                [example("subscribe"), self.server.address, conversation, cursor], stdout=file,
                env=self.environment)
        self.addCleanup(follower.wait)
        self.addCleanup(follower.kill)
        return follower

    def wait_for_lines(self, path, lines):
        def read():
            with open(path, encoding="utf-8") as file:
                return file.read() == lines
        wait_for(read, repr(lines))

    def test_subscribe_goes_on_where_it_stopped(self):
        cursor, output = (os.path.join(self.folder, name) for name in ("cursor", "output"))
        self.create("news")
        self.run_it(example("send"), self.server.address, "news", "first")
        follower = self.follow("news", cursor, output)
        self.wait_for_lines(output, "2 alice: first\n")
        # Through a crash of the server, by itself.
        self.server.kill()
        self.server.start()
        self.run_it(example("send"), self.server.address, "news", "second")
        self.wait_for_lines(output, "2 alice: first\n3 alice: second\n")
        follower.send_signal(signal.SIGINT)
        self.assertEqual(follower.wait(30), 0)
        # Through a restart of the program, by its cursor.
        self.run_it(example("send"), self.server.address, "news", "third")
        follower = self.follow("news", cursor, output)
        self.wait_for_lines(output, "4 alice: third\n")

    def test_subscribe_says_what_cannot_be_followed(self):
        self.run_it(example("subscribe"), self.server.address, "no-such",
                    os.path.join(self.folder, "none"), code=1)

    def test_echo_calls_an_official_server(self):
        handler = grpc.unary_unary_rpc_method_handler(lambda request, _context: request)
        server = grpc.server(concurrent.futures.ThreadPoolExecutor(1))
        # Request and response are the same bytes: no generated code is needed.
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler("echo.v1.EchoService", {"Echo": handler}),))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        self.addCleanup(server.stop, None)
        self.assertEqual(self.run_it(example("echo"), f"127.0.0.1:{port}", "grüß dich"),
                         "grüß dich\n")


if __name__ == "__main__":
    unittest.main()
