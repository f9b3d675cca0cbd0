# SPDX-License-Identifier: Apache-2.0
"""A node, what is behind it and the load generator as threads that share the cores of one machine.

A thread that has something to do takes all that waits for it as one turn; a turn is a row of steps, and
what a step has made goes to the next thread when it ends. What makes the time:

    generator --sends--> loop --sends--> writer --acks, deliveries--> loop --acks, deliveries--> generator

- the generator sends at each tick what is due, or, at most, again for each ack;
- a thread that sleeps has to be woken, which takes the longest of all for little work;
- each message takes something, and each connection that a turn has to do with;
- the writer commits what waits, at most BATCH_MAX: a transaction's time is linear in its rows and its conversations,
  and scatters as it did when it was measured, alone;
- what the broker needs for the message of a commit, it needs on the same cores;
- a thread that finds no core free waits until another sleeps, or has had its slice. A transaction goes back and forth
  between writer and database, and asks for a core each time.

Nothing here knows a measured latency of a send, and nothing reads a clock: the same seed gives the same figures."""
import bisect
import collections
import heapq
import math
import random
import statistics

BATCH_MAX = 4096
TICK_US = 500.0
STEP = 8  # messages at most
GROUPS = 20  # at least, in which deliveries go to all followers
GROUP = 100  # followers at most
CORES = 2
SLICE_US = 4000.0  # of a core, if others wait: one tick of the kernel
HANDOVERS = 4  # in a transaction: two round trips

# Of one thread: a message sent or answered, a delivery, and a connection that a turn has to do with.
ThreadCost = collections.namedtuple("ThreadCost", "send_us delivery_us connection_us")
# wakes_us: what it takes to wake a thread, some times, of the same weight.
Costs = collections.namedtuple("Costs", "transaction wakes_us loop generator")


# ---- a transaction ----

class Transaction:
    """A transaction's time, from what some took."""

    def __init__(self, measured):
        """@param measured  {(rows, conversations): ([us, ...], processor time of the database, of the writer, in us)}"""
        self.middles = {pair: statistics.median(times) for pair, (times, _, _) in measured.items()}
        self.scatter = {pair: [time / self.middles[pair] for time in times] for pair, (times, _, _) in measured.items()}
        self.processor = {pair: min(1.0, (database_us + writer_us) / statistics.fmean(times))
                          for pair, (times, database_us, writer_us) in measured.items()}
        self.line = fit(self.middles)
        self.database_line = fit({pair: database_us for pair, (_, database_us, _) in measured.items()})

    def typical_us(self, rows, conversations):
        return along(self.line, rows, conversations)

    def database_us(self, rows, conversations):
        """Processor time of the database for one."""
        return along(self.database_line, rows, conversations)

    def batch(self, rate):
        """@return rows to a transaction of one writer that so many sends a second reach, each to another conversation"""
        fixed_us, *more_us = self.line
        free = 1 - rate * sum(more_us) / 1e6
        return BATCH_MAX if free <= 0 else min(BATCH_MAX, max(1.0, rate * fixed_us / 1e6 / free))

    def worst_fit(self):
        """@return the largest part by which the line misses what was measured"""
        return max(abs(self.typical_us(*pair) / middle - 1) for pair, middle in self.middles.items())


class Draws:
    """Transactions one after the other. The scatter goes on from where it was, since slow ones come together."""

    def __init__(self, transaction, chance):
        self.transaction = transaction
        self.places = {pair: chance.randrange(len(scatter)) for pair, scatter in transaction.scatter.items()}

    def draw(self, rows, conversations):
        """@return us, and the part of it that is processor time"""
        pair = min(self.places, key=lambda pair: abs(math.log(pair[0] / rows)) + abs(math.log(pair[1] / conversations)))
        scatter = self.transaction.scatter[pair]
        self.places[pair] = (self.places[pair] + 1) % len(scatter)
        return (self.transaction.typical_us(rows, conversations) * scatter[self.places[pair]],
                self.transaction.processor[pair])


def along(line, rows, conversations):
    return line[0] + rows * line[1] + conversations * line[2]


def fit(middles):
    """The line through {(rows, conversations): us} with the smallest squares of what it misses, relative to each."""
    points = [((1 / us, rows / us, conversations / us), 1.0) for (rows, conversations), us in middles.items()]
    matrix = [[sum(x[i] * x[j] for x, _ in points) for j in range(3)] + [sum(x[i] * y for x, y in points)]
              for i in range(3)]
    for i in range(3):
        top = max(range(i, 3), key=lambda row: abs(matrix[row][i]))
        matrix[i], matrix[top] = matrix[top], matrix[i]
        for row in (row for row in range(3) if row != i):
            factor = matrix[row][i] / matrix[i][i]
            matrix[row] = [a - factor * b for a, b in zip(matrix[row], matrix[i])]
    return tuple(matrix[i][3] / matrix[i][i] for i in range(3))


# ---- threads on cores ----

class Thread:
    """`plan` makes of all that waits a turn: [(us, whether it needs a core, what to call at its end)]. Before it looks,
    a thread that slept needs what `wake_us` says."""

    def __init__(self, machine, plan, wake_us=lambda: 0.0, turn_max=None):
        self.machine, self.plan, self.wake_us, self.turn_max = machine, plan, wake_us, turn_max
        self.inbox = collections.deque()
        self.steps = collections.deque()
        self.is_awake, self.core_since_us = False, None

    def push(self, *messages):
        self.inbox.extend(messages)
        if not self.is_awake:
            self.is_awake = True
            self.steps.append((self.wake_us(), True, self.begin_turn))
            self.machine.go_on(self)

    def begin_turn(self):
        count = len(self.inbox) if self.turn_max is None else min(self.turn_max, len(self.inbox))
        self.steps.extend(self.plan([self.inbox.popleft() for _ in range(count)]))

    def end_step(self):
        _, _, then = self.steps.popleft()
        then()
        if not self.steps and self.inbox:
            self.begin_turn()
        if self.steps:
            self.machine.go_on(self)
        else:
            self.is_awake = False
            self.machine.leave_core(self)


class Machine:
    """Virtual time, in us, and cores that threads wait for in the order in which they come."""

    def __init__(self, cores):
        self.free, self.now_us, self.queue = cores, 0.0, collections.deque()
        self.events, self.events_made = [], 0
        self.busy_us = 0.0  # of all cores

    def at(self, when_us, call):
        heapq.heappush(self.events, (when_us, self.events_made, call))
        self.events_made += 1

    def run(self, until_us):
        while self.events and self.events[0][0] <= until_us:
            self.now_us, _, call = heapq.heappop(self.events)
            call()
        self.now_us = until_us

    def go_on(self, thread):
        """With its next step, or wait for a core."""
        us, needs_core, _ = thread.steps[0]
        if not needs_core:
            self.leave_core(thread)
            self.at(self.now_us + us, thread.end_step)
            return
        if thread.core_since_us is not None and self.queue and self.now_us - thread.core_since_us >= SLICE_US:
            self.leave_core(thread)
        if thread.core_since_us is None:
            if self.free == 0:
                self.queue.append(thread)
                return
            self.free -= 1
            thread.core_since_us = self.now_us
        self.busy_us += us
        self.at(self.now_us + us, thread.end_step)

    def leave_core(self, thread):
        if thread.core_since_us is None:
            return
        thread.core_since_us = None
        self.free += 1
        if self.queue:
            self.go_on(self.queue.popleft())


# ---- what parley-bench and parleyd do ----

def nothing():
    pass


def cut(messages, size):
    return [messages[i:i + size] for i in range(0, len(messages), size)]


class Simulation:
    """Sends at `rate` a second, or, at None, `outstanding` that are sent again at once; over so many conversations and
    connections; each conversation followed by `followers`. broker_us: for a commit."""

    def __init__(self, costs, seed=1, rate=None, outstanding=0, conversations=64, connections=8, followers=0, broker_us=0.0,
                 cores=CORES):
        self.costs, self.chance, self.rate = costs, random.Random(seed), rate
        self.conversations, self.connections, self.followers = conversations, connections, followers
        self.transactions = Draws(costs.transaction, self.chance)
        self.machine = Machine(cores)
        self.generator = Thread(self.machine, self.plan_generator, self.wake_us)
        self.loop = Thread(self.machine, self.plan_loop, self.wake_us)
        self.writer = Thread(self.machine, self.plan_writer, self.wake_us, BATCH_MAX)
        self.broker = Thread(self.machine, lambda turn: [(broker_us * len(turn), True, nothing)])
        self.sent = 0
        self.acks, self.deliveries, self.batches = [], [], []
        self.measured_from_us = 0.0
        if rate is None:
            self.generator.push(*[("again", 1)] * outstanding)
        else:
            self.machine.at(TICK_US, self.tick)

    def run(self, seconds, warmup=0.5):
        self.measured_from_us = warmup * 1e6
        self.machine.run((warmup + seconds) * 1e6)
        return self

    def most(self):
        """Acks a second."""
        return len(self.acks) / (self.machine.now_us - self.measured_from_us) * 1e6

    # Messages to the generator are ("tick",), ("again", count), ("ack", due) and ("deliveries", followers, dues); to the
    # loop ("send", due), ("ack", due) and ("commit", dues); to the writer when a send was due.

    def tick(self):
        self.generator.push(("tick",))
        self.machine.at(self.machine.now_us + TICK_US, self.tick)

    def wake_us(self):
        return self.chance.choice(self.costs.wakes_us)

    def steps_of(self, turn, cost, handle):
        """In steps: groups of followers, one at a time, then messages of senders, many at a time; as the store tells
        of a commit before it answers."""
        dues = [due for message in turn if message[0] == "commit" for due in message[1]]
        groups = [(size, dues) for size in split(self.followers, max(GROUPS, self.followers // GROUP)) if dues]
        groups += [message[1:] for message in turn if message[0] == "deliveries"]
        steps = []
        for size, dues in groups:
            work_us = size * (cost.connection_us + len(dues) * cost.delivery_us)
            steps.append((work_us, True, lambda size=size, dues=dues: handle([("deliveries", size, dues)])))
        small = [message for message in turn if message[0] not in ("commit", "deliveries")]
        connections_us = min(len(small), self.connections) * cost.connection_us
        for part in cut(small, STEP):
            steps.append((connections_us + len(part) * cost.send_us, True, lambda part=part: handle(part)))
            connections_us = 0.0
        return steps

    def plan_generator(self, turn):
        return self.steps_of(turn, self.costs.generator, self.generator_did)

    def generator_did(self, part):
        now_us = self.machine.now_us
        is_measured = now_us >= self.measured_from_us
        sends = []
        for message in part:
            if message[0] == "tick":
                while (self.sent + 1) * 1e6 / self.rate <= now_us:
                    self.sent += 1
                    sends.append(("send", self.sent * 1e6 / self.rate))
            elif message[0] == "deliveries":
                if is_measured:
                    self.deliveries.extend(now_us - due for due in message[2])
            else:
                if message[0] == "ack" and is_measured:
                    self.acks.append(now_us - message[1])
                if self.rate is None:
                    sends.append(("send", now_us))
        if sends:
            self.loop.push(*sends)

    def plan_loop(self, turn):
        cost = self.costs.loop
        return self.steps_of(turn, cost._replace(send_us=cost.send_us / 2), self.loop_did)  # each passes it twice

    def loop_did(self, part):
        sends = [message[1] for message in part if message[0] == "send"]
        answers = [message for message in part if message[0] != "send"]
        if sends:
            self.writer.push(*sends)
        if answers:
            self.generator.push(*answers)

    def plan_writer(self, dues):
        conversations = min(len(dues), self.conversations)
        time_us, processor = self.transactions.draw(len(dues), conversations)
        self.batches.append(len(dues))
        both_ways = [(time_us * processor / HANDOVERS, True, nothing), (time_us * (1 - processor) / HANDOVERS, False, nothing)]
        return both_ways * HANDOVERS + [(0.0, True, lambda: self.writer_did(dues))]

    def writer_did(self, dues):
        if self.followers:
            self.loop.push(("commit", dues))
        self.loop.push(*[("ack", due) for due in dues])
        self.broker.push("commit")


def split(count, parts):
    """Into as many that differ by one at most, without zeros."""
    bounds = [count * i // parts for i in range(parts + 1)]
    return [b - a for a, b in zip(bounds, bounds[1:]) if b > a]


def percentiles(values):
    ordered = sorted(values)
    return {"p50": ordered[len(ordered) // 2], "p99": ordered[len(ordered) * 99 // 100]}


def spread_quantiles(points, count=200):
    """As many values of the same weight from a few percentiles. @param points  {0.5: value, ...}, 0 and 1 among them"""
    parts = sorted(points)
    values = []
    for i in range(count):
        part = (i + 0.5) / count
        j = bisect.bisect_right(parts, part)
        low, high = parts[j - 1], parts[j]
        values.append(points[low] + (points[high] - points[low]) * (part - low) / (high - low))
    return values
