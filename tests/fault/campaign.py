# SPDX-License-Identifier: Apache-2.0
"""One run: a cluster, clients, a nemesis, and then the verdict."""
import os
import shutil
import tempfile
import time
from functools import partial

import grpc
from checker import check
from clients import Reader, Sender, Single, Streaming
from history import Log, event_of, read_logs
from nemesis import Nemesis
from official import Caller
from sdk import SdkReader, SdkSender
from sending import BROKEN, read_all
from world import World


class Campaign:
    def __init__(self, args):
        self.args = args
        self.folder = tempfile.mkdtemp(prefix="parley-fault-")
        os.chmod(self.folder, 0o755)  # the databases run as another account
        self.logs = os.path.join(self.folder, "clients")
        os.makedirs(self.logs)
        self.new_log = lambda name: Log(self.logs, name)
        self.rooms = [f"room-{i}" for i in range(4)]
        self.began = time.monotonic()
        self.clients = []
        self.findings = []

    def say(self, text):
        print(f"{time.monotonic() - self.began:8.2f}  {text}", flush=True)

    def start_world(self):
        args = self.args
        options = ["--nodes", str(args.nodes), "--shards", str(args.shards), "--memcached",
                   str(args.memcached)]
        if args.bus is not None:
            options += ["--bus", args.bus]
        self.world = World(os.path.join(self.folder, "cluster"), options,
                           os.path.join(args.bin, "parleyd"))
        self.world.start()

    def start_clients(self):
        plan = [(Single, f"single-{i}", {"pause": 0.02}) for i in range(4)]
        plan += [(Streaming, f"streaming-{i}", {"pause": 0.02}) for i in range(2)]
        plan += [(Reader, f"reader-{i}", {"hop_s": 3}) for i in range(3)]
        program = os.path.join(self.args.bin, "..", "tests", "sdk_client")
        sdk_sender, sdk_reader = partial(SdkSender, program), partial(SdkReader, program)
        plan += [(sdk_sender, f"sdk-sender-{i}", {"pause": 0.02}) for i in range(2)]
        plan += [(sdk_reader, f"sdk-reader-{i}", {}) for i in range(2)]
        owner = Caller(self.world.addresses()[0], self.world.token(self.args.bin, "owner"))
        for room in self.rooms:
            owner.create(room, [name for _, name, _ in plan])
        owner.close()
        for kind, name, more in plan:
            self.clients.append(kind(name, self.new_log(name), self.world.addresses(), self.rooms,
                                     self.world.token(self.args.bin, name), self.args.seed, **more))
        for client in self.clients:
            client.start()

    def those(self, kind):
        return [client for client in self.clients if isinstance(client, kind)]

    def is_failed(self):
        return any(client.failure for client in self.clients)

    def settle(self):
        """All servers work again: everything gets its answer, and all readers get to the end."""
        for sender in self.those(Sender):
            sender.finish()
        self.join(self.those(Sender), 60)
        store = self.read_store()
        for reader in self.those(Reader):
            reader.finish_at({room: len(events) for room, events in store.items()})
        self.join(self.those(Reader), 30)
        return store

    def join(self, clients, seconds):
        end = time.monotonic() + seconds
        for client in clients:
            client.join(max(0, end - time.monotonic()))
            if client.is_alive():
                self.findings.append(f"{client.name} does not end in {seconds} s")

    def read_store(self):
        """A node may still be getting over the last fault, and says so."""
        end = time.monotonic() + 30
        owner = Caller(self.world.addresses()[-1], self.world.token(self.args.bin, "owner"))
        store = {}
        while len(store) < len(self.rooms):
            room = self.rooms[len(store)]
            try:
                store[room] = [event_of(event) for event in read_all(owner, room)]
            except grpc.RpcError as error:
                if error.code() not in BROKEN or time.monotonic() > end:
                    raise
                time.sleep(0.1)
        owner.close()
        return store

    def judge(self, store):
        self.findings += [client.failure for client in self.clients if client.failure]
        return self.findings + check(read_logs(self.logs), store, self.world.read_database())

    def play(self):
        self.start_world()
        self.say("the cluster is up")
        self.start_clients()
        nemesis = Nemesis(self.world, self.args.seed, self.say)
        nemesis.run(self.args.minutes * 60, self.is_failed)
        self.say("no more faults")
        store = self.settle()
        findings = self.judge(store)
        for client in self.clients:
            client.close()
        acked = sum(sender.acked for sender in self.those(Sender))
        print(f"faults: {nemesis.count}\n{acked} acks of "
              f"{sum(len(events) for events in store.values())} events in {len(self.rooms)} "
              f"conversations; calls that failed: "
              f"{sum(client.failures for client in self.clients)}; subscriptions: "
              f"{sum(reader.follows for reader in self.those(Reader))}")
        return findings

    def close(self, is_good):
        left = self.world.close()
        if is_good and not self.args.keep:
            shutil.rmtree(self.folder)
        else:
            print(f"logs: {self.folder}\n{left}")


def run(args):
    """@return findings"""
    print(f"seed {args.seed}", flush=True)
    campaign = Campaign(args)
    findings = None
    try:
        findings = campaign.play()
    finally:
        campaign.close(findings == [])
    return findings
