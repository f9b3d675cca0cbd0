# SPDX-License-Identifier: Apache-2.0
"""Life on a whole cluster: three nodes on two shards with NATS, HAProxy before them. Calls go on while a
node drains, dies, or all of them are restarted one after the other."""
import json
import os
import shutil
import sys
import tempfile
import time
import unittest
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", "support"))

import grpc  # noqa: E402
import sending  # noqa: E402
from cluster import Cluster  # noqa: E402
from official import Caller, chat, chat_grpc  # noqa: E402
from parleyd import wait_for  # noqa: E402
from sending import EAGER, check_log, stop_clients  # noqa: E402

BIN = os.environ["PARLEY_BIN"]
BACK_S = 2.0
USERS = ("owner", "alice", "bob", "carol", "reader-0", "reader-1", "reader-2")


class Sender(sending.Client):
    """One message after the other, and again with the same id if it failed: `failures` tells of it."""

    def __init__(self, *args):
        super().__init__(*args)
        self.failures = []

    def work(self):
        message_id = next(iter(self.waiting), None) or self.make()
        try:
            self.take(message_id, self.caller.send(self.room, message_id, self.waiting[message_id],
                                                   timeout=10))
        except grpc.RpcError as error:
            self.failures.append(f"{self.name}: {error.code()} {error.details()}")
        self.stopping.wait(0.01)


class Reader(sending.Reader):
    """Notes after each break how long it was away."""

    def __init__(self, *args):
        super().__init__(*args)
        self.away = []
        self.broken_at = None

    def take(self, answer):
        if self.broken_at is not None:
            self.away.append(time.monotonic() - self.broken_at)
            self.broken_at = None
        super().take(answer)

    def broken(self):
        self.broken_at = self.broken_at or time.monotonic()


class LifeTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="parley-cluster-")
        os.chmod(cls.folder, 0o755)  # the databases run as another account
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.cluster = Cluster(cls.folder, [
            "--nodes", "3", "--shards", "2", "--bus", "nats", "--parleyd",
            os.path.join(BIN, "parleyd")], {"PARLEY_DRAIN_GRACE_MS": "1s"})
        cls.addClassCleanup(cls.check_nothing_is_left)
        began = time.monotonic()
        cls.cluster.start()
        print(f"up in {time.monotonic() - began:.1f} s", flush=True)
        cls.balancer, = cls.cluster.balancers()
        cls.tokens = {user: cls.cluster.token(BIN, user) for user in USERS}

    @classmethod
    def check_nothing_is_left(cls):
        """No process of the cluster, nor any that one of them started."""
        cls.cluster.close()
        left = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as file:
                    if cls.folder.encode() in file.read():
                        left.append(pid)
            except OSError:
                pass  # it ended just now
        if left:
            raise AssertionError(f"still there: {left}")

    def room(self, name):
        owner = Caller(self.balancer, self.tokens["owner"], EAGER, patient=True)
        self.addCleanup(owner.close)
        owner.create(name, USERS[1:])
        return owner

    def start_load(self, room, targets):
        """A sender and a reader for each target."""
        senders = [Sender(target, self.tokens[user], user, room, EAGER + (
            ("grpc.lb_policy_name", "round_robin"),))
            for target, user in zip(targets, ("alice", "bob", "carol"))]
        readers = [Reader(target, self.tokens[f"reader-{i}"], f"reader-{i}", [room])
                   for i, target in enumerate(targets)]
        for thread in senders + readers:
            thread.start()
        self.wait_acks(senders, 20)
        return senders, readers

    def wait_acks(self, senders, count):
        before = [len(sender.acked) for sender in senders]
        wait_for(lambda: all(len(sender.acked) >= n + count
                             for sender, n in zip(senders, before)), "acks of every sender", 40)

    def end_load(self, owner, room, senders, readers):
        """No gap, nothing twice, all that was acked where it was said to be."""
        self.assertEqual(stop_clients(senders, 30), [])
        check_log(self, senders, owner, readers, [room])
        for reader in readers:
            reader.stop()
            self.assertIsNone(reader.failure)
        return sum(len(sender.acked) for sender in senders)

    def state(self, name):
        """What the balancer thinks of a node."""
        metrics = self.cluster.servers("balancer")[0]["metrics"]
        with urllib.request.urlopen(f"http://127.0.0.1:{metrics}/metrics") as answer:
            for line in answer.read().decode().splitlines():
                if line.startswith(f'haproxy_server_status{{proxy="parley",server="{name}"') \
                        and line.endswith(" 1"):
                    return line.partition('state="')[2].partition('"')[0]
        return None

    def wait_all_up(self):
        wait_for(lambda: all(self.state(f"node-{i}") == "UP" for i in range(3)), "all nodes")

    def test_calls_through_the_balancer_over_tls(self):
        owner = self.room("tls")
        with open(os.path.join(self.folder, "ca.pem"), "rb") as file:
            credentials = grpc.ssl_channel_credentials(file.read())
        server, = self.cluster.servers("balancer")
        with grpc.secure_channel(f"localhost:{server['tls']}", credentials) as channel:
            stub = chat_grpc.ChatServiceStub(channel)
            answer = stub.Send(chat.SendRequest(conversation_id="tls", client_message_id="m",
                                                body=b"x"), metadata=owner.metadata, timeout=20)
        self.assertEqual(answer.seq, 2)

    def test_prometheus_sees_all_nodes_and_the_balancer(self):
        server, = self.cluster.servers("monitor")

        def healthy():
            with urllib.request.urlopen(
                    f"http://127.0.0.1:{server['port']}/api/v1/targets") as answer:
                targets = json.load(answer)["data"]["activeTargets"]
            return sum(target["health"] == "up" for target in targets) == 4
        wait_for(healthy, "four targets that are up", 30)

    def test_a_node_drains_and_no_call_fails(self):
        self.wait_all_up()
        owner = self.room("drain")
        senders, readers = self.start_load("drain", [self.balancer] * 3)
        self.cluster.stop("node-1")
        self.wait_acks(senders, 20)
        self.cluster.start_again()
        self.wait_all_up()
        self.wait_acks(senders, 20)
        count = self.end_load(owner, "drain", senders, readers)
        self.assertEqual([failure for sender in senders for failure in sender.failures], [])
        for reader in readers:
            self.assertLessEqual(max(reader.away, default=0), BACK_S)
        print(f"a drain: {count} sends, none failed", flush=True)

    def test_a_node_dies_and_the_others_go_on(self):
        """The calls that it had may fail: they are sent again with the same id."""
        self.wait_all_up()
        owner = self.room("death")
        senders, readers = self.start_load("death", [self.balancer] * 3)
        self.cluster.kill("node-2")
        wait_for(lambda: self.state("node-2") == "DOWN", "the balancer to notice")
        self.wait_acks(senders, 20)
        self.cluster.start_again()
        self.wait_all_up()
        count = self.end_load(owner, "death", senders, readers)
        failures = [failure for sender in senders for failure in sender.failures]
        self.assertLessEqual(len(failures), len(senders), failures)
        for reader in readers:
            self.assertLessEqual(max(reader.away, default=0), BACK_S)
        print(f"a death: {count} sends, failed: {failures}", flush=True)

    def test_all_nodes_are_restarted_and_nobody_notices(self):
        """Through the balancer, and by round_robin over the nodes themselves."""
        self.wait_all_up()
        owner = self.room("rolling")
        every = "ipv4:" + ",".join(self.cluster.nodes())
        senders, readers = self.start_load("rolling", [self.balancer, every, every])
        began = time.monotonic()
        for i in range(3):
            self.cluster.stop(f"node-{i}")
            self.cluster.start_again()
            self.wait_all_up()
            self.wait_acks(senders, 20)
        took = time.monotonic() - began
        count = self.end_load(owner, "rolling", senders, readers)
        away = [away for reader in readers for away in reader.away]
        self.assertEqual([failure for sender in senders for failure in sender.failures], [])
        self.assertGreater(sum(reader.asked for reader in readers), 0, "nobody was asked to go")
        self.assertLessEqual(max(away), BACK_S)
        print(f"a rolling restart in {took:.1f} s: {count} sends, none failed; subscriptions that "
              f"moved: {len(away)}, away for {max(away) * 1000:.0f} ms at most", flush=True)


if __name__ == "__main__":
    unittest.main()
