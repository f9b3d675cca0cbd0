# SPDX-License-Identifier: Apache-2.0
"""deploy/backup while clients send and memberships change; what it made is restored beside, served by
another node, and judged by the checker of tests/fault: all that was acked before the backup began is
there, numbered without a hole, and every user's list shows just the conversations of the user."""
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
import unittest

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "..", folder) for folder in ("support", "fault")]

from checker import check  # noqa: E402
from clients import Single, Streaming  # noqa: E402
from cluster import Cluster  # noqa: E402
from history import Log, event_of, read_logs  # noqa: E402
from mariadb import Shards, start_node  # noqa: E402
from official import Caller, conversations  # noqa: E402
from parleyd import Parleyd, wait_for  # noqa: E402
from sending import read_all  # noqa: E402
from world import World  # noqa: E402

BIN = os.environ["PARLEY_BIN"]
BACKUP = os.path.join(HERE, "..", "..", "..", "deploy", "backup")
ROOMS = [f"room-{i}" for i in range(4)]
SENDERS = [f"single-{i}" for i in range(3)] + ["streaming-0"]
CLUBS = [f"club-{i}" for i in range(6)]
GUESTS = [f"guest-{i}" for i in range(12)]


class Databases(World):
    """Asked by World.read_database, and nothing else of it."""

    def __init__(self, folder):  # pylint: disable=super-init-not-called
        Cluster.__init__(self, folder, [])


class Files(Databases):
    def servers(self, kind=None):
        return []


class Comings(threading.Thread):
    """Has guests come and go, in clubs on any shard, without pause."""

    def __init__(self, node):
        super().__init__()
        self.caller = Caller(node.address, node.token("owner"))
        self.over = threading.Event()
        self.changes = 0
        self.failure = None
        for club in CLUBS:
            self.caller.create(club)

    def change(self, club, guest, comes):
        request, call = ((conversations.AddMembersRequest, self.caller.conversations.AddMembers)
                         if comes else
                         (conversations.RemoveMembersRequest,
                          self.caller.conversations.RemoveMembers))
        call(request(conversation_id=club, user_ids=[guest]), metadata=self.caller.metadata,
             timeout=20)
        self.changes += 1

    def run(self):
        chance = random.Random(1)
        try:
            while not self.over.is_set():
                self.change(chance.choice(CLUBS), chance.choice(GUESTS), chance.random() < 0.6)
        except Exception as error:  # told by the main thread
            self.failure = error

    def stop(self):
        self.over.set()
        self.join()
        self.caller.close()


def all_pages(call, request, field):
    found = []
    while True:
        page = call(request)
        found += getattr(page, field)
        if not page.next_page_token:
            return found
        request.page_token = page.next_page_token


def members(caller, conversation):
    return {member.user_id for member in all_pages(
        lambda request: caller.conversations.ListMembers(request, metadata=caller.metadata,
                                                         timeout=20),
        conversations.ListMembersRequest(conversation_id=conversation), "members")}


def listed(caller):
    return {conversation.conversation_id for conversation in all_pages(
        lambda request: caller.conversations.ListConversations(request, metadata=caller.metadata,
                                                               timeout=20),
        conversations.ListConversationsRequest(), "conversations")}


class RestoreTest(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory(prefix="parley-backup-")
        self.addCleanup(scratch.cleanup)
        self.folder = scratch.name
        self.to = os.path.join(self.folder, "backup")
        self.logs = os.path.join(self.folder, "logs")
        os.makedirs(self.logs)

    def caller(self, node, user):
        caller = Caller(node.address, node.token(user))
        self.addCleanup(caller.close)
        return caller

    def start_load(self, nodes):
        owner = self.caller(nodes[0], "owner")
        for room in ROOMS:
            owner.create(room, SENDERS)
        self.clients = [
            (Streaming if name.startswith("streaming") else Single)(
                name, Log(self.logs, name), [node.address for node in nodes], ROOMS,
                nodes[0].token(name), 1, pause=0.002) for name in SENDERS]
        self.comings = Comings(nodes[0])
        for thread in (*self.clients, self.comings):
            thread.start()
        self.wait_for_more()

    def wait_for_more(self):
        """Load goes on."""
        acked = [client.acked for client in self.clients]
        changes = self.comings.changes
        wait_for(lambda: any(client.failure for client in self.clients) or self.comings.failure or
                 (all(client.acked > n + 20 for client, n in zip(self.clients, acked)) and
                  self.comings.changes > changes + 20), "the load", 60)

    def stop_load(self):
        self.comings.stop()
        for client in self.clients:
            client.finish()
        for client in self.clients:
            client.join(60)
            client.close()
        self.assertEqual([client.failure for client in self.clients], [None] * len(SENDERS))
        self.assertIsNone(self.comings.failure)

    def backup(self, *arguments):
        """In the middle of the load. @return when it began"""
        began = time.monotonic()
        subprocess.run([BACKUP, *arguments, "--to", self.to], check=True)
        self.wait_for_more()
        return began

    def judge(self, node, began, databases):
        """What the copy holds, and what it must hold."""
        owner = self.caller(node, "owner")
        store = {room: [event_of(event) for event in read_all(owner, room)] for room in ROOMS}
        stored = {(room, event.sender, event.id) for room in ROOMS for event in store[room]}
        logs = read_logs(self.logs)
        early = {(record["room"], name, record["id"]) for name, log in logs.items()
                 for record in log if record["op"] == "ack" and record["t"] < began}
        late = {(record["room"], name, record["id"]) for name, log in logs.items()
                for record in log if record["op"] == "ack"} - stored
        self.assertGreater(len(early), 50)
        self.assertGreater(len(late), 0, "the load had ended before the backup")
        told = {name: [record for record in log
                       if (record["room"], name, record["id"]) in early | stored]
                for name, log in logs.items()}
        second = {room: events for room, events in databases.read_database().items()
                  if room in ROOMS}
        self.assertEqual([str(finding) for finding in check(told, store, second)], [])
        self.check_lists(node, owner)
        self.check_life(node, owner, store, late)

    def check_lists(self, node, owner):
        those = {conversation: members(owner, conversation) for conversation in CLUBS + ROOMS}
        for user in ["owner", *SENDERS, *GUESTS]:
            self.assertEqual(listed(self.caller(node, user)),
                             {name for name, users in those.items() if user in users}, user)

    def check_life(self, node, owner, store, late):
        """It goes on: what the backup came too early for is sent again, as new; and so are changes of
        members, though lists may know of later ones."""
        room, sender, message_id = min(late)
        again = self.caller(node, sender).send(room, message_id, b"again")
        self.assertEqual(again.seq, len(store[room]) + 1)
        for guest in GUESTS:
            owner.conversations.AddMembers(
                conversations.AddMembersRequest(conversation_id="club-0", user_ids=[guest]),
                metadata=owner.metadata, timeout=20)
        self.check_lists(node, owner)

    def test_mariadb(self):
        shards = Shards(3).start()
        self.addCleanup(shards.close)
        nodes = [start_node(BIN, shards, f"node-{i}") for i in range(2)]
        for node in nodes:
            self.addCleanup(node.stop)
        self.start_load(nodes)
        began = self.backup("mysql", "--shards", self.places(shards), "--credentials",
                            os.path.join(shards.folder, "credentials"))
        self.stop_load()
        copies = Shards(3).start()
        self.addCleanup(copies.close)
        for server in copies.servers("shard"):
            with open(os.path.join(self.to, f"shard-{server['index']:03}.sql"), "rb") as dump:
                subprocess.run(["mariadb", "--no-defaults", "--user=root",
                                f"--socket={server['datadir']}/socket", "parley"], stdin=dump,
                               check=True)
        restored = start_node(BIN, copies, "node-0")
        self.addCleanup(restored.stop)
        self.judge(restored, began, Databases(copies.folder))

    @staticmethod
    def places(shards):
        return ",".join(f"127.0.0.1:{server['port']}/parley"
                        for server in shards.servers("shard"))

    def test_sqlite(self):
        place = os.path.join(self.folder, "restored")
        node = Parleyd(BIN, self.folder, ("--store-shards", "3")).start()
        self.addCleanup(node.stop)
        self.start_load([node])
        began = self.backup("sqlite", "--data", node.data)
        self.stop_load()
        os.makedirs(place)
        os.rename(self.to, os.path.join(place, "data"))
        restored = Parleyd(BIN, place).start()
        self.addCleanup(restored.stop)
        self.judge(restored, began, Files(place))

    def test_what_cannot_be_copied_is_said(self):
        full = os.path.join(self.folder, "full")
        os.makedirs(os.path.join(full, "something"))
        for arguments in (("sqlite", "--data", self.folder, "--to", self.to),
                          ("mysql", "--shards", "127.0.0.1:1/parley", "--credentials", "/nowhere",
                           "--to", self.to),
                          ("mysql", "--shards", "nonsense", "--credentials", "/dev/null", "--to",
                           self.to),
                          ("sqlite", "--data", full, "--to", full)):
            done = subprocess.run([BACKUP, *arguments], capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 1, arguments)
            self.assertIn("deploy/backup: ", done.stderr)
            self.assertNotIn("Traceback", done.stderr)


if __name__ == "__main__":
    unittest.main()
