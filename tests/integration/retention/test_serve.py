# SPDX-License-Identifier: Apache-2.0
"""Retention as users of a node see it: what is past what is kept goes by itself; who asks for it is
told; what comes after is as before. On the embedded store and on MariaDB, with a cache before them."""
import json
import os
import subprocess
import sys
import tempfile
import unittest
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", "support"))

from mariadb import Shards, start_node  # noqa: E402
import grpc  # noqa: E402
from official import Caller, chat, conversations  # noqa: E402
from parleyd import Parleyd, clean_environment, wait_for  # noqa: E402

BIN = os.environ["PARLEY_BIN"]
KEPT = 20
SENT = 120
FIRST = SENT + 2 - KEPT  # seq 1 is the creation
DEFAULT = ("--retention-messages", str(KEPT))
OFTEN = ("--retention-every-ms", "100ms")
CACHED = ("--cache-kind", "memory")


def body(seq):
    return f"the text of {seq}".encode()


class Stored:
    """self.nodes are over one store, and all of them trim it."""

    def caller(self, user, node=0):
        caller = Caller(self.nodes[node].address, self.nodes[node].token(user))
        self.addCleanup(caller.close)
        return caller

    def counter(self, name):
        total = 0
        for node in self.nodes:
            with urllib.request.urlopen(f"http://{node.admin}/metrics") as page:
                lines = page.read().decode().splitlines()
            total += sum(float(line.split()[1]) for line in lines if line.split()[0] == name)
        return total

    def wait_for_a_round(self):
        """Until all conversations have been looked at: a round of some node has begun and ended."""
        enough = self.counter("parley_retention_rounds_total") + len(self.nodes) + 1
        wait_for(lambda: self.counter("parley_retention_rounds_total") >= enough, "a round")

    @staticmethod
    def send_all(caller, room):
        for seq in range(2, SENT + 2):
            caller.send(room, f"m{seq}", body(seq))

    @staticmethod
    def oldest(caller, room):
        return caller.history(room, limit=1)[0][0].seq

    def check_cursor(self, caller, room, first):
        """Who has seen 10 of all that were sent is told that the log begins later, and goes on there."""
        answers = caller.subscribe([(room, 10)])
        told = next(answers)
        self.assertEqual(told.WhichOneof("kind"), "truncated")
        self.assertEqual(told.truncated.conversation_id, room)
        self.assertEqual(told.truncated.first_seq, first)
        self.assertEqual([next(answers).event.seq for _ in range(first, SENT + 2)],
                         list(range(first, SENT + 2)))
        self.assertEqual(next(answers).caught_up.seq, SENT + 1)
        return answers

    def set_retention(self, caller, room, **limits):
        caller.conversations.SetRetention(
            conversations.SetRetentionRequest(
                conversation_id=room, retention=conversations.Retention(**limits)),
            metadata=caller.metadata, timeout=20)

    def kept(self, caller, room):
        """(days, messages) as a member is told; None: as the default says."""
        answer = caller.conversations.GetConversation(
            conversations.GetConversationRequest(conversation_id=room),
            metadata=caller.metadata, timeout=20).conversation
        retention = answer.retention
        return (retention.days, retention.messages) if answer.HasField("retention") else None


class Promises(Stored):
    """What holds on every store with a default."""

    def fill(self, room):
        alice = self.caller("alice")
        alice.create(room, ("bob",))
        self.first = alice.send(room, "m2", body(2))
        self.send_all(alice, room)
        wait_for(lambda: self.oldest(alice, room) == FIRST, "the trimmer")
        return alice

    def test_history_begins_with_what_is_kept(self):
        alice = self.fill("history")
        for from_seq in (0, 1, FIRST - 1, FIRST):
            events, _ = alice.history("history", from_seq=from_seq, limit=1000)
            self.assertEqual([event.seq for event in events], list(range(FIRST, SENT + 2)))
            self.assertEqual(events[0].message.body, body(FIRST))
            page = next(alice.chat.History(
                chat.HistoryRequest(conversation_id="history", from_seq=from_seq),
                metadata=alice.metadata, timeout=20))
            self.assertEqual((page.first_seq, page.head_seq), (FIRST, SENT + 1))
        events, _ = alice.history("history", backwards=True, limit=1000)
        self.assertEqual([event.seq for event in events], list(range(SENT + 1, FIRST - 1, -1)))
        self.assertEqual(alice.history("history", from_seq=FIRST - 1, backwards=True)[0], [])

    def test_a_cursor_before_what_is_kept_is_told_so_and_goes_on(self):
        alice = self.fill("cursor")
        answers = self.check_cursor(self.caller("bob"), "cursor", FIRST)
        alice.send("cursor", "later", b"later")
        self.assertEqual(next(answers).event.seq, SENT + 2)
        answers.cancel()

    def test_who_is_live_misses_nothing_while_it_is_trimmed(self):
        alice = self.caller("alice")
        alice.create("live")
        answers = alice.subscribe([("live", 0)])
        self.assertEqual(next(answers).event.seq, 1)
        self.assertEqual(next(answers).WhichOneof("kind"), "caught_up")
        self.send_all(alice, "live")
        seen = []
        while len(seen) < SENT:
            answer = next(answers)
            self.assertNotEqual(answer.WhichOneof("kind"), "truncated")
            if answer.WhichOneof("kind") == "event":
                seen.append(answer.event.seq)
        self.assertEqual(seen, list(range(2, SENT + 2)))
        answers.cancel()

    def test_a_retry_of_what_is_gone_answers_with_its_first_seq_and_time(self):
        alice = self.fill("retry")
        self.assertEqual(alice.send("retry", "m2", body(2)), self.first)
        self.assertEqual(alice.send("retry", "next", b"x").seq, SENT + 2)

    def test_the_sdk_tells_of_it(self):
        self.fill("sdk")
        node = self.nodes[0]
        tail = subprocess.Popen(
            [os.path.join(BIN, "parley"), "tail", "sdk", "--from", "11", "--json"],
            stdout=subprocess.PIPE, text=True,
            env={**clean_environment(), "PARLEY_SERVER": node.address,
                 "PARLEY_TOKEN": node.token("bob")})
        try:
            told = json.loads(tail.stdout.readline())
            self.assertEqual((told["type"], told["first_seq"]), ("truncated", FIRST))
            self.assertEqual(json.loads(tail.stdout.readline())["seq"], FIRST)
        finally:
            tail.kill()
            tail.communicate()

    def test_what_went_is_counted_and_logged(self):
        before = self.counter("parley_retention_trimmed_total")
        self.fill("counted")
        wait_for(lambda: self.counter("parley_retention_trimmed_total") >= before + FIRST - 1,
                 "the count")
        wait_for(lambda: any("RETENTION_TRIMMED" in node.log() for node in self.nodes), "the log")
        self.assertEqual(self.counter("parley_retention_failures_total"), 0)

    def test_what_a_conversation_says_itself_comes_before_the_default(self):
        alice = self.caller("alice")
        alice.create("forever", ("bob",))
        self.set_retention(alice, "forever", days=-1, messages=-1)
        self.send_all(alice, "forever")
        self.wait_for_a_round()
        self.assertEqual(self.oldest(alice, "forever"), 1)
        self.set_retention(alice, "forever")
        wait_for(lambda: self.oldest(alice, "forever") == FIRST, "the trimmer")
        self.assertIsNone(self.kept(self.caller("bob"), "forever"))


class OwnPromises(Stored):
    """What holds on every store without a default."""

    def test_only_who_wants_it_is_trimmed(self):
        alice, bob = self.caller("alice"), self.caller("bob")
        other_node = self.caller("bob", len(self.nodes) - 1)
        for room in ("short", "whole"):
            alice.create(room, ("bob",))
            self.send_all(alice, room)
        with self.assertRaises(grpc.RpcError) as refused:
            self.set_retention(bob, "short", messages=7)
        self.assertEqual(refused.exception.code(), grpc.StatusCode.PERMISSION_DENIED)
        self.assertIsNone(self.kept(bob, "short"))
        self.set_retention(alice, "short", messages=7)
        for caller in (bob, other_node):
            self.assertEqual(self.kept(caller, "short"), (0, 7))
        wait_for(lambda: self.oldest(alice, "short") == SENT + 2 - 7, "the trimmer")
        answers = self.check_cursor(bob, "short", SENT + 2 - 7)
        alice.send("short", "later", b"later")
        self.assertEqual(next(answers).event.seq, SENT + 2)
        answers.cancel()
        self.wait_for_a_round()
        self.assertEqual(self.oldest(alice, "whole"), 1)

    def test_it_may_be_said_at_the_creation(self):
        alice = self.caller("alice")
        made = alice.conversations.CreateConversation(
            conversations.CreateConversationRequest(
                conversation_id="born", retention=conversations.Retention(days=9, messages=7)),
            metadata=alice.metadata, timeout=20).conversation
        self.assertEqual((made.retention.days, made.retention.messages), (9, 7))
        self.send_all(alice, "born")
        wait_for(lambda: self.oldest(alice, "born") == SENT + 2 - 7, "the trimmer")


class OnSqlite:
    """One node on the embedded store, with a cache before it."""

    @classmethod
    def setUpClass(cls):
        scratch = tempfile.TemporaryDirectory(prefix="parley-retention-")
        cls.addClassCleanup(scratch.cleanup)
        cls.nodes = [Parleyd(BIN, scratch.name, cls.settings + CACHED).start()]
        cls.addClassCleanup(cls.nodes[0].stop)


class OnMysql:
    """Two nodes, which both trim; a cache in memory would be wrong for them."""

    @classmethod
    def setUpClass(cls):
        shards = Shards(2).start()
        cls.addClassCleanup(shards.close)
        cls.nodes = []
        for i in range(2):
            cls.nodes.append(start_node(BIN, shards, f"node-{i}", cls.settings))
            cls.addClassCleanup(cls.nodes[i].stop)


class Sqlite(OnSqlite, Promises, unittest.TestCase):
    settings = OFTEN + DEFAULT


class Mysql(OnMysql, Promises, unittest.TestCase):
    settings = OFTEN + DEFAULT


class SqliteOwn(OnSqlite, OwnPromises, unittest.TestCase):
    settings = OFTEN


class MysqlOwn(OnMysql, OwnPromises, unittest.TestCase):
    settings = OFTEN


if __name__ == "__main__":
    unittest.main()
