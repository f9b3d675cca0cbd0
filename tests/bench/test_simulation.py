#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The simulation against formulas: what it must say where the answer is known."""
import os
import random
import statistics
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from simulation import GROUPS, Costs, Machine, Simulation, Thread, ThreadCost, Transaction, fit  # noqa: E402

FREE = ThreadCost(0, 0, 0)
TICK_US = 500


def constant(fixed_us, row_us):
    """Transactions that never scatter, and conversations that cost nothing."""
    return Transaction({(rows, conversations): ([fixed_us + rows * row_us], fixed_us, 0)
                        for rows, conversations in ((1, 1), (100, 1), (100, 100))})


class TestThreads(unittest.TestCase):
    def test_one_at_a_time_waits_as_long_as_the_queue_m_d_1(self):
        service_us, use, count = 100.0, 0.7, 60000
        machine, chance = Machine(1), random.Random(7)
        times = []

        def plan(turn):
            return [(service_us, True, lambda: times.append(machine.now_us - turn[0]))]

        thread = Thread(machine, plan, turn_max=1)

        def arrive():
            thread.push(machine.now_us)
            machine.at(machine.now_us + chance.expovariate(use / service_us), arrive)

        machine.at(0, arrive)
        machine.run(count * service_us / use)
        expected_us = service_us * (1 + use / (2 * (1 - use)))
        self.assertAlmostEqual(statistics.fmean(times) / expected_us, 1, delta=0.03)

    def test_third_thread_waits_for_one_of_two_cores_unless_what_is_done_needs_none(self):
        for needs_core, expected_us in ((True, [100.0, 100.0, 200.0]), (False, [100.0] * 3)):
            machine, ends = Machine(2), []
            for _ in range(3):
                Thread(machine, lambda _: [(100.0, needs_core, lambda: ends.append(machine.now_us))]).push("work")
            machine.run(1000)
            self.assertEqual(ends, expected_us)

    def test_one_that_has_had_its_slice_lets_the_next_one_on(self):
        machine, ends = Machine(1), []
        for name in ("long", "short"):
            steps = 6 if name == "long" else 1
            Thread(machine, lambda _, name=name, steps=steps: [
                (1000.0, True, lambda: ends.append((name, machine.now_us)))] * steps).push("work")
        machine.run(1e6)
        self.assertEqual(ends[4], ("short", 5000.0))
        self.assertEqual(ends[-1], ("long", 7000.0))


class TestSimulation(unittest.TestCase):
    def test_line_goes_through_what_lies_on_it(self):
        middles = {(rows, conversations): 800 + 8 * rows + 17 * conversations
                   for rows, conversations in ((1, 1), (15, 1), (15, 15), (180, 64))}
        for got, expected in zip(fit(middles), (800, 8, 17)):
            self.assertAlmostEqual(got, expected, places=6)

    def test_alone_a_send_waits_for_its_transaction_and_five_threads_that_sleep(self):
        costs = Costs(constant(1000, 0), [50.0], FREE, FREE)
        said = Simulation(costs, rate=100).run(2)
        self.assertAlmostEqual(statistics.median(said.acks), 50 + 50 + 50 + 1000 + 50 + 50, places=3)

    def test_busy_writer_takes_batches_as_large_as_what_comes_meanwhile(self):
        fixed_us, row_us, rate = 1000, 10, 50000
        costs = Costs(constant(fixed_us, row_us), [0.0], FREE, FREE)
        said = Simulation(costs, rate=rate, followers=0).run(2)
        expected = rate * fixed_us / 1e6 / (1 - rate * row_us / 1e6)
        self.assertAlmostEqual(statistics.fmean(said.batches) / expected, 1, delta=0.05)
        self.assertAlmostEqual(costs.transaction.batch(rate), expected, places=6)
        # Half a batch for the one under way, and then its own; half a tick before.
        commit_us = fixed_us + row_us * expected
        self.assertAlmostEqual(statistics.median(said.acks) / (1.5 * commit_us + TICK_US / 2), 1, delta=0.1)

    def test_at_most_one_core_of_loop(self):
        costs = Costs(constant(1, 0), [0.0], ThreadCost(20.0, 0, 0), FREE)
        self.assertAlmostEqual(Simulation(costs, outstanding=512).run(1).most() / 50000, 1, delta=0.02)

    def test_each_follower_of_each_message_gets_it_and_one_seed_says_one_thing(self):
        costs = Costs(constant(500, 5), [30.0, 60.0], ThreadCost(1, 0.1, 4), ThreadCost(1, 0.1, 4))
        runs = [Simulation(costs, seed=3, rate=2000, conversations=1, connections=1, followers=100).run(1) for _ in range(2)]
        self.assertEqual(runs[0].acks, runs[1].acks)
        self.assertEqual(runs[0].deliveries, runs[1].deliveries)
        self.assertAlmostEqual(len(runs[0].deliveries) / len(runs[0].acks), GROUPS, delta=0.5)


if __name__ == "__main__":
    unittest.main()
