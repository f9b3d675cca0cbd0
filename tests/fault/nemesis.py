# SPDX-License-Identifier: Apache-2.0
"""What goes wrong, and when, from a seed: one fault at a time or two, each healed after a while.

A fault is a function of (world, chance, name) that yields once: before the yield it breaks the server
of that name, after it it heals it."""
import random
import subprocess
import time


def kill(world, chance, name):
    world.kill(name)
    yield
    world.start_again()


def drain(world, chance, name):
    """SIGTERM, and a second server's worth of time to leave."""
    world.stop(name)
    yield
    world.start_again()


def freeze(world, chance, name):
    world.freeze(name)
    yield
    world.thaw(name)


def iptables(action, rules):
    for rule in rules:
        subprocess.run(["iptables", "-w", action, *rule, "-j", "DROP"], check=True)


def port_of(server):
    return str(server.get("port") or server["listen"].rpartition(":")[2])


def cut(world, chance, name):
    """Packets vanish: to the server, from it, or both."""
    port = port_of(world.server(name))
    into = ["INPUT", "-i", "lo", "-p", "tcp", "--dport", port]
    out = ["INPUT", "-i", "lo", "-p", "tcp", "--sport", port]
    rules = chance.choice([[into], [out], [into, out]])
    iptables("-A", rules)
    yield
    iptables("-D", rules)


def jump(world, chance, name):
    """The wall clock is set, and stays wrong: the nodes' clocks differ from then on."""
    seconds = chance.choice((-600, -30, -1, 0, 1, 30, 600))
    world.set_clock(name, seconds)
    yield


FAULTS = {
    "node": (kill, kill, drain, freeze, cut, jump),
    "shard": (kill, kill, freeze, cut),
    "memcached": (kill, freeze, cut),
    "broker": (kill, freeze, cut),
}


class Nemesis:
    """@param say  is told each step"""

    def __init__(self, world, seed, say, faults=FAULTS):
        self.world = world
        self.chance = random.Random(f"{seed} nemesis")
        self.say = say
        self.faults = faults
        self.count = {}

    def choose(self, busy):
        servers = [s for s in self.world.servers() if s["kind"] in self.faults]
        kinds = sorted({server["kind"] for server in servers})
        kind = self.chance.choice(kinds)
        name = self.chance.choice([s["name"] for s in servers if s["kind"] == kind])
        fault = self.chance.choice(self.faults[kind])
        return None if name in busy else (name, fault)

    def strike(self):
        """Break one thing, or two, and heal them again."""
        under_way = []
        for _ in range(self.chance.choice((1, 1, 2))):
            chosen = self.choose([name for name, _, _ in under_way])
            if chosen is not None:
                name, fault = chosen
                self.say(f"{fault.__name__} {name}")
                steps = fault(self.world, self.chance, name)
                next(steps)
                under_way.append((name, fault, steps))
                self.count[fault.__name__] = self.count.get(fault.__name__, 0) + 1
        # How long it lasts is the input of the test; nothing is waited for.
        time.sleep(self.chance.choice((0, 0.05, 0.3, 1, 3)) * self.chance.random())
        for name, fault, steps in under_way:
            next(steps, None)
            self.say(f"{fault.__name__} {name} is over")

    def run(self, seconds, is_failed):
        end = time.monotonic() + seconds
        while time.monotonic() < end and not is_failed():
            self.strike()
            time.sleep(self.chance.uniform(0, 1.5))
