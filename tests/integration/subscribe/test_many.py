# SPDX-License-Identifier: Apache-2.0
"""Ten thousand conversations in one stream, by an official client: all of a user's, or as many named ones;
nothing is missed or repeated, and what is joined later comes too."""
import os
import sys
import tempfile
import unittest
from collections import deque

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", "support"))

from official import Caller, chat, conversations  # noqa: E402
from parleyd import Parleyd  # noqa: E402

ROOMS = [f"room-{i}" for i in range(10000)]
WINDOW = 200
LONG_S = 120


def call_all(method, requests, metadata):
    """Many calls, so many of them under way at once."""
    waiting = deque()
    for request in requests:
        waiting.append(method.future(request, metadata=metadata, timeout=LONG_S))
        if len(waiting) >= WINDOW:
            waiting.popleft().result()
    for answer in waiting:
        answer.result()


class Many(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory(prefix="parley-many-")
        cls.server = Parleyd(os.environ["PARLEY_BIN"], cls.scratch.name).start()
        cls.alice = Caller(cls.server.address, cls.server.token("alice"))
        cls.create(ROOMS)

    @classmethod
    def tearDownClass(cls):
        cls.alice.close()
        cls.server.stop()
        cls.scratch.cleanup()

    @classmethod
    def create(cls, rooms):
        call_all(cls.alice.conversations.CreateConversation,
                 (conversations.CreateConversationRequest(conversation_id=room) for room in rooms),
                 cls.alice.metadata)

    def send_to_all(self, rooms, message_id):
        call_all(self.alice.chat.Send,
                 (chat.SendRequest(conversation_id=room, client_message_id=message_id,
                                   body=room.encode()) for room in rooms), self.alice.metadata)

    def wait_in_effect(self, stream, rooms):
        missing = set(rooms)
        while missing:
            answer = next(stream)
            self.assertEqual(answer.WhichOneof("kind"), "caught_up")
            missing.remove(answer.caught_up.conversation_id)

    def receive(self, stream, rooms, message_id):
        """Until that message has come from all of these, each room's events in order and without a hole."""
        last, missing = {}, set(rooms)
        for answer in stream:
            if answer.WhichOneof("kind") != "event":
                continue
            event = answer.event
            room = event.conversation_id
            self.assertEqual(event.seq, last.get(room, event.seq - 1) + 1)
            last[room] = event.seq
            if event.message.client_message_id == message_id:
                self.assertEqual(event.message.body.decode(), room)
                missing.remove(room)
            if not missing:
                return
        self.fail(f"{len(missing)} rooms are missing")

    def test_all_of_a_user_and_those_joined_later(self):
        stream = self.alice.subscribe(everything=True, timeout=LONG_S)
        self.wait_in_effect(stream, ROOMS)
        self.send_to_all(ROOMS, "all")
        self.receive(stream, ROOMS, "all")
        self.create(["later"])
        self.send_to_all(["later"], "all")
        self.receive(stream, ["later"], "all")
        stream.cancel()

    def test_as_many_named_ones(self):
        self.send_to_all(ROOMS, "before")
        stream = self.alice.subscribe([(room, 1) for room in ROOMS], timeout=LONG_S)
        self.receive(stream, ROOMS, "before")
        stream.cancel()


if __name__ == "__main__":
    unittest.main(verbosity=2)
