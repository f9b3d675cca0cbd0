# SPDX-License-Identifier: Apache-2.0
"""buf curl, which knows nothing of the contract, against parleyd: all that it needs it asks for by
server reflection."""
import base64
import json
import os
import sys
import tempfile
import unittest

import buf

sys.path.insert(0, os.path.join(buf.ROOT, "tests", "support"))

from parleyd import Parleyd  # noqa: E402  pylint: disable=wrong-import-position


class Curl(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory(prefix="parley-buf-")
        cls.server = Parleyd(os.environ["PARLEY_BIN"], cls.scratch.name).start()
        cls.token = cls.server.token("alice")

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()
        cls.scratch.cleanup()

    def curl(self, *arguments, path="", data=None):
        options = ["--protocol", "grpc", "--http2-prior-knowledge", *arguments]
        if data is not None:
            options += ["-d", json.dumps(data)]
        return buf.run("curl", *options, f"http://{self.server.address}/{path}")

    def call(self, path, data):
        said = self.curl("-H", "authorization: Bearer " + self.token, path=path, data=data)
        self.assertEqual(said.returncode, 0, said.stderr)
        return json.loads(said.stdout)

    def test_it_lists_the_methods(self):
        said = self.curl("--list-methods")
        self.assertEqual(said.returncode, 0, said.stderr)
        methods = said.stdout.split()
        for method in ("grpc.health.v1.Health/Check", "parley.v1.ChatService/Send",
                       "parley.v1.ChatService/Subscribe",
                       "parley.v1.ConversationService/CreateConversation"):
            self.assertIn(method, methods)

    def test_health_is_serving(self):
        said = self.curl(path="grpc.health.v1.Health/Check", data={})
        self.assertEqual(said.returncode, 0, said.stderr)
        self.assertEqual(json.loads(said.stdout), {"status": "SERVING"})

    def test_a_message_is_sent_and_read_back(self):
        made = self.call("parley.v1.ConversationService/CreateConversation",
                         {"conversationId": "buf", "title": "by buf"})
        self.assertEqual((made["created"], made["conversation"]["title"]), (True, "by buf"))
        request = {"conversationId": "buf", "clientMessageId": "m1",
                   "body": base64.b64encode(b"hello").decode()}
        first = self.call("parley.v1.ChatService/Send", request)
        self.assertEqual(self.call("parley.v1.ChatService/Send", request), first)
        page = self.call("parley.v1.ChatService/History", {"conversationId": "buf"})
        sent = [event for event in page["events"] if "message" in event]
        self.assertEqual([(e["seq"], e["senderId"], e["message"]["body"]) for e in sent],
                         [(first["seq"], "alice", request["body"])])

    def test_a_call_without_a_token_is_refused(self):
        said = self.curl(path="parley.v1.ChatService/Send", data={})
        self.assertNotEqual(said.returncode, 0)
        self.assertEqual(json.loads(said.stderr)["code"], "unauthenticated")


if __name__ == "__main__":
    unittest.main(verbosity=2)
