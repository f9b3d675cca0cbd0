# SPDX-License-Identifier: Apache-2.0
"""The whole contract from Python's official gRPC client: what a team does in its first hour."""
import os
import queue
import shutil
import sys
import tempfile
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", "support"))

import grpc  # noqa: E402
import official  # noqa: E402
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory  # noqa: E402
from official import Caller, chat, conversations, events  # noqa: E402
from parleyd import Parleyd  # noqa: E402


def status_details(error):
    """The type URLs and values in grpc-status-details-bin, without the package that wraps it."""
    pool = descriptor_pool.DescriptorPool()
    file = descriptor_pb2.FileDescriptorProto(name="s.proto", package="t", syntax="proto3")
    for name, fields in (("Any", (("url", 1, 9, 1), ("value", 2, 12, 1))),
                         ("Status", (("code", 1, 5, 1), ("message", 2, 9, 1), ("any", 3, 11, 3))),
                         ("Violation", (("field", 1, 9, 1), ("text", 2, 9, 1))),
                         ("BadRequest", (("violations", 1, 11, 3),))):
        message = file.message_type.add(name=name)
        for field, number, kind, label in fields:
            added = message.field.add(name=field, number=number, type=kind, label=label)
            if kind == 11:
                added.type_name = ".t.Any" if field == "any" else ".t.Violation"
    pool.Add(file)

    def decode(name, data):
        factory = message_factory.MessageFactory(pool)
        decoded = factory.GetPrototype(pool.FindMessageTypeByName("t." + name))()
        decoded.ParseFromString(data)
        return decoded

    for key, value in error.trailing_metadata():
        if key == "grpc-status-details-bin":
            return [(any.url, decode("BadRequest", any.value)) for any in
                    decode("Status", value).any]
    return []


class Stream:
    """A subscription that is read on a thread of its own."""

    def __init__(self, call):
        self.call = call
        self.answers = queue.Queue()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        try:
            for answer in self.call:
                self.answers.put(answer)
            self.answers.put(None)
        except grpc.RpcError as error:
            self.answers.put(error)

    def next(self, timeout=20):
        return self.answers.get(timeout=timeout)

    def take(self, count):
        """So many events; "caught up" is passed over."""
        found = []
        while len(found) < count:
            answer = self.next()
            if isinstance(answer, grpc.RpcError) or answer is None:
                raise AssertionError(f"the stream ended: {answer}")
            if answer.WhichOneof("kind") == "event":
                found.append(answer.event)
        return found

    def close(self):
        self.call.cancel()
        self.thread.join()


class ChatTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp()
        cls.server = Parleyd(os.environ["PARLEY_BIN"], cls.folder).start()
        cls.number = 0

    @classmethod
    def tearDownClass(cls):
        code = cls.server.stop()
        shutil.rmtree(cls.folder)
        assert code == 0, f"parleyd left with {code}"

    def setUp(self):
        ChatTest.number += 1
        self.room = f"room-{ChatTest.number}"
        self.alice = self.caller("alice")
        self.bob = self.caller("bob")

    def caller(self, user):
        caller = Caller(self.server.address, self.server.token(user))
        self.addCleanup(caller.close)
        return caller

    def follow(self, caller, *args, **kwargs):
        stream = Stream(caller.subscribe(*args, **kwargs))
        self.addCleanup(stream.close)
        return stream

    def fill(self, count):
        """A room of alice and bob with so many messages; its event 1 is its creation."""
        self.alice.create(self.room, ["bob"])
        for i in range(count):
            self.alice.send(self.room, f"m{i}", f"text {i}".encode())

    def assert_fails(self, code, call, *args, **kwargs):
        with self.assertRaises(grpc.RpcError) as caught:
            call(*args, **kwargs)
        self.assertEqual(caught.exception.code(), code, caught.exception.details())
        return caught.exception

    def test_create_is_idempotent_and_an_id_belongs_to_its_first_owner(self):
        first = self.alice.create(self.room, ["bob"], "Tea")
        again = self.alice.create(self.room, ["bob"], "Tea")
        self.assertTrue(first.created)
        self.assertFalse(again.created)
        self.assertEqual(again.conversation, first.conversation)
        self.assertEqual((first.conversation.head_seq, first.conversation.member_count), (1, 2))
        self.assert_fails(grpc.StatusCode.ALREADY_EXISTS, self.bob.create, self.room)

    def test_a_retry_answers_with_the_first_seq_and_time(self):
        self.alice.create(self.room, ["bob"])
        first = self.alice.send(self.room, "once", b"hello")
        other = self.alice.send(self.room, "other", b"hello")
        self.assertEqual(self.alice.send(self.room, "once", b"hello"), first)
        self.assertEqual((first.seq, other.seq), (2, 3))
        self.assertEqual(self.bob.send(self.room, "once", b"mine").seq, 4)
        self.assertEqual(len(self.bob.history(self.room)[0]), 4)

    def test_subscribe_from_the_start_and_from_the_middle_and_then_live(self):
        self.fill(20)
        for after in (0, 11, 21):
            stream = self.follow(self.bob, [(self.room, after)])
            found = [event.seq for event in stream.take(21 - after)]
            self.assertEqual(found, list(range(after + 1, 22)))
            caught_up = stream.next()
            self.assertEqual(caught_up.WhichOneof("kind"), "caught_up")
            self.assertEqual(caught_up.caught_up, chat.CaughtUp(conversation_id=self.room, seq=21))
        live = self.follow(self.bob, [(self.room, 21)])
        self.assertEqual(live.next().WhichOneof("kind"), "caught_up")
        sent = self.alice.send(self.room, "live", "grüße".encode(), "text/plain")
        event = live.take(1)[0]
        self.assertEqual(event, events.Event(
            conversation_id=self.room, seq=22, created_at_ms=sent.created_at_ms, sender_id="alice",
            message=events.Message(client_message_id="live", content_type="text/plain",
                                   body="grüße".encode(), ordinal=21)))

    def test_history_in_both_directions(self):
        self.fill(30)
        forwards, pages = self.bob.history(self.room, page_size=7)
        self.assertEqual([event.seq for event in forwards], list(range(1, 32)))
        self.assertEqual(pages, [7, 7, 7, 7, 3])
        backwards, _ = self.bob.history(self.room, backwards=True)
        self.assertEqual(backwards, forwards[::-1])
        middle, _ = self.bob.history(self.room, from_seq=10, limit=5)
        self.assertEqual([event.seq for event in middle], [10, 11, 12, 13, 14])
        middle, _ = self.bob.history(self.room, from_seq=10, limit=5, backwards=True)
        self.assertEqual([event.seq for event in middle], [10, 9, 8, 7, 6])
        self.assertEqual(forwards[5].message.body, b"text 4")

    def test_a_stream_of_sends_answers_each_in_order(self):
        self.alice.create(self.room)
        requests = [chat.SendStreamRequest(send=chat.SendRequest(
            conversation_id=self.room, client_message_id=f"s{i}", body=b"" if i == 50 else b"x"))
            for i in range(100)]
        answers = list(self.alice.chat.SendStream(iter(requests), metadata=self.alice.metadata,
                                                  timeout=20))
        self.assertEqual([a.client_message_id for a in answers], [f"s{i}" for i in range(100)])
        self.assertEqual([a.sent.seq for a in answers if a.WhichOneof("result") == "sent"],
                         list(range(2, 101)))
        refused = answers[50].error
        self.assertEqual((refused.code, refused.field), (3, "body"))

    def test_members_come_and_go(self):
        self.alice.create(self.room)
        self.assert_fails(grpc.StatusCode.NOT_FOUND, self.bob.send, self.room, "no", b"x")
        everything = self.follow(self.bob, everything=True)
        service = self.alice.conversations
        service.AddMembers(conversations.AddMembersRequest(
            conversation_id=self.room, user_ids=["bob"]), metadata=self.alice.metadata, timeout=20)
        self.bob.send(self.room, "hi", b"hi")
        found = [e for e in everything.take(2) if e.conversation_id == self.room]
        self.assertEqual([event.seq for event in found], [2, 3])
        self.assert_fails(grpc.StatusCode.PERMISSION_DENIED, self.bob.conversations.RemoveMembers,
                          conversations.RemoveMembersRequest(
                              conversation_id=self.room, user_ids=["alice"]),
                          metadata=self.bob.metadata, timeout=20)
        service.RemoveMembers(conversations.RemoveMembersRequest(
            conversation_id=self.room, user_ids=["bob"]), metadata=self.alice.metadata, timeout=20)
        self.assertEqual(everything.take(1)[0].seq, 4)
        answer = everything.next()
        while answer.WhichOneof("kind") == "caught_up":
            answer = everything.next()
        self.assertEqual(answer.removed.conversation_id, self.room)
        self.assert_fails(grpc.StatusCode.NOT_FOUND, self.bob.history, self.room)

    def test_the_caller_finds_their_conversations(self):
        carol = self.caller("carol")
        names = sorted(f"{self.room}-{i}" for i in range(5))
        for name in names:
            carol.create(name)
        found, token = [], ""
        while True:
            page = carol.conversations.ListConversations(
                conversations.ListConversationsRequest(page_size=2, page_token=token),
                metadata=carol.metadata, timeout=20)
            found += [c.conversation_id for c in page.conversations]
            token = page.next_page_token
            if not token:
                break
        self.assertEqual(found, names)
        got = carol.conversations.GetConversation(conversations.GetConversationRequest(
            conversation_id=names[0]), metadata=carol.metadata, timeout=20)
        self.assertEqual(got.conversation.role, events.ROLE_OWNER)
        carol.conversations.LeaveConversation(conversations.LeaveConversationRequest(
            conversation_id=names[0]), metadata=carol.metadata, timeout=20)
        self.assert_fails(grpc.StatusCode.NOT_FOUND, carol.history, names[0])

    def test_what_is_not_valid_names_its_field(self):
        self.alice.create(self.room)
        for field, call in (
                ("conversation_id", lambda: self.alice.send("no spaces", "m", b"x")),
                ("client_message_id", lambda: self.alice.send(self.room, "", b"x")),
                ("body", lambda: self.alice.send(self.room, "m", b"")),
                ("body", lambda: self.alice.send(self.room, "m", b"x" * 65537)),
                ("body", lambda: self.alice.send(self.room, "m", b"\xff", "text/plain")),
                ("content_type", lambda: self.alice.send(self.room, "m", b"x", "t" * 128)),
                ("title", lambda: self.alice.create("other", title="t" * 257)),
                ("limit", lambda: self.alice.history(self.room, limit=10001))):
            error = self.assert_fails(grpc.StatusCode.INVALID_ARGUMENT, call)
            details = status_details(error)
            self.assertEqual(details[0][0], "type.googleapis.com/google.rpc.BadRequest")
            violation = details[0][1].violations[0]
            self.assertEqual(violation.field, field)
            self.assertEqual(error.details(), f"{field}: {violation.text}")
        self.assertEqual(self.alice.send(self.room, "b", b"\xff" * 65536, "application/x").seq, 2)

    def test_without_a_valid_token_nothing_is_told(self):
        for token in ("", "nonsense", self.server.token("alice")[:-2]):
            stranger = Caller(self.server.address, token)
            self.addCleanup(stranger.close)
            self.assert_fails(grpc.StatusCode.UNAUTHENTICATED, stranger.create, self.room)

    def test_the_log_is_there_after_a_restart(self):
        self.fill(5)
        before, _ = self.bob.history(self.room)
        self.assertEqual(self.server.stop(), 0)
        self.server.start()
        after, _ = self.caller("bob").history(self.room)
        self.assertEqual(after, before)


if __name__ == "__main__":
    unittest.main()
