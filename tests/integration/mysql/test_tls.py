# SPDX-License-Identifier: Apache-2.0
"""parleyd to its databases over TLS: nothing is said to a server that cannot show who it is."""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", "support"))

from mariadb import UNSAFE, Shards, start_node  # noqa: E402
from official import Caller  # noqa: E402
from parleyd import clean_environment  # noqa: E402

BIN = os.environ["PARLEY_BIN"]


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)


class TlsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="parley-tls-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        os.chmod(cls.folder, 0o755)  # the servers run as another account
        for authority in ("ca", "other"):
            openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={authority}",
                    "-days", "2", "-keyout", cls.path(authority + ".key"),
                    "-out", cls.path(authority + ".pem"))
        cls.certify("server", "IP:127.0.0.1")
        cls.certify("stranger", "DNS:elsewhere.example")

    @classmethod
    def path(cls, name):
        return os.path.join(cls.folder, name)

    @classmethod
    def certify(cls, name, alternative):
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}",
                "-keyout", cls.path(name + ".key"), "-out", cls.path(name + ".csr"))
        with open(cls.path(name + ".ext"), "w", encoding="utf-8") as file:
            file.write(f"subjectAltName={alternative}\n")
        openssl("x509", "-req", "-in", cls.path(name + ".csr"), "-CA", cls.path("ca.pem"),
                "-CAkey", cls.path("ca.key"), "-CAcreateserial", "-days", "2",
                "-extfile", cls.path(name + ".ext"), "-out", cls.path(name + ".pem"))
        os.chmod(cls.path(name + ".key"), 0o644)

    def start_shards(self, name):
        shards = Shards(1, [*UNSAFE, f"--ssl-cert={self.path(name + '.pem')}",
                            f"--ssl-key={self.path(name + '.key')}",
                            "--require-secure-transport=ON"]).start()
        self.addCleanup(shards.close)
        return shards

    def migrate(self, shards, *options):
        """Whether `parleyd migrate` gets through."""
        return subprocess.run([os.path.join(BIN, "parleyd"), "migrate", "--config", shards.settings,
                               *options], check=False, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, env=clean_environment()).returncode == 0

    def verified(self, authority):
        return ("--mysql-tls", "verified", "--mysql-tls-ca", self.path(authority + ".pem"))

    def test_sends_over_verified_tls_and_refuses_what_is_not(self):
        shards = self.start_shards("server")
        self.assertFalse(self.migrate(shards), "the server takes what is not encrypted")
        self.assertFalse(self.migrate(shards, *self.verified("other")), "any authority will do")
        self.assertTrue(self.migrate(shards, "--mysql-tls", "required"))
        node = start_node(BIN, shards, "node", self.verified("ca"))
        self.addCleanup(node.stop)
        caller = Caller(node.address, node.token("alice"))
        self.addCleanup(caller.close)
        caller.create("c1")
        self.assertEqual(caller.send("c1", "m1", b"x").seq, 2)

    def test_refuses_a_certificate_that_names_another_host(self):
        shards = self.start_shards("stranger")
        self.assertFalse(self.migrate(shards, *self.verified("ca")))
        self.assertTrue(self.migrate(shards, "--mysql-tls", "required"))


if __name__ == "__main__":
    unittest.main()
