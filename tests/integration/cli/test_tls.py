# SPDX-License-Identifier: Apache-2.0
"""`parley` over TLS: it verifies the server, and shows a certificate of its own where one is asked
for."""
import os
import subprocess
import tempfile
import unittest

from cli import BIN, Cli, FAILED, UNAVAILABLE
from parleyd import Parleyd


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)


class Tls(Cli):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory(prefix="parley-cli-")
        cls.tokens = {}
        cls.authority("ca")
        cls.authority("other")
        cls.certificate("server", "chat.example")
        cls.certificate("client", "a client")
        cls.server = Parleyd(BIN, cls.scratch.name, [
            "--tls-cert", cls.path("server.pem"), "--tls-key", cls.path("server.key"),
            "--tls-client-ca", cls.path("ca.pem")]).start()

    @classmethod
    def path(cls, name):
        return os.path.join(cls.scratch.name, name)

    @classmethod
    def authority(cls, name):
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-subj", f"/CN={name}", "-days", "2", "-keyout", cls.path(name + ".key"),
                "-out", cls.path(name + ".pem"))

    @classmethod
    def certificate(cls, name, subject):
        with open(cls.path(name + ".ext"), "w", encoding="utf-8") as file:
            file.write(f"subjectAltName=DNS:{subject.replace(' ', '-')}\n")
        openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-subj", f"/CN={subject}", "-keyout", cls.path(name + ".key"),
                "-out", cls.path(name + ".csr"))
        openssl("x509", "-req", "-in", cls.path(name + ".csr"), "-CA", cls.path("ca.pem"),
                "-CAkey", cls.path("ca.key"), "-days", "2", "-extfile", cls.path(name + ".ext"),
                "-out", cls.path(name + ".pem"))

    def options(self, **changes):
        values = {"ca": self.path("ca.pem"), "server-name": "chat.example",
                  "cert": self.path("client.pem"), "key": self.path("client.key")}
        values.update(changes)
        return [part for name, value in values.items() if value is not None
                for part in (f"--{name}", value)]

    def test_everything_works_over_tls_with_a_client_certificate(self):
        self.parley("create", "tls", *self.options())
        self.assertEqual(self.parley("send", "tls", "x", *self.options()), "2\n")
        self.assertEqual(len(self.json("tail", "tls", "--count", "2", *self.options())), 2)
        self.assertEqual(self.parley("send", "tls", "y", *self.options(ca=None),
                                     PARLEY_CA=self.path("ca.pem")), "3\n")

    def test_a_server_that_cannot_be_verified_is_not_talked_to(self):
        for changes in ({"ca": self.path("other.pem")}, {"server-name": "evil.example"},
                        {"server-name": None}):
            with self.subTest(changes):
                for command in (["list"], ["send", "tls", "secret"]):
                    self.parley(*command, *self.options(**changes), code=UNAVAILABLE)
                    self.assertRegex(self.error, "(?i)certificate|verif")

    def test_without_tls_or_a_client_certificate_there_is_no_connection(self):
        self.parley("list", code=UNAVAILABLE)
        self.parley("list", *self.options(cert=None, key=None), code=UNAVAILABLE)

    def test_files_that_are_not_there_are_named(self):
        self.parley("list", *self.options(ca="/nonexistent"), code=FAILED)
        self.assertIn("/nonexistent", self.error)


if __name__ == "__main__":
    unittest.main()
