# SPDX-License-Identifier: Apache-2.0
"""Several nodes on MariaDB and one NATS server, for the scripts of this folder."""
import contextlib

import bench
from broker import Nats
from mariadb import Shards, start_node


class Nodes:
    """Stopped, with all that is behind them, when the stack is left.

    @param shards  not started; None: one, which leaves it to the system when its disk is written"""

    def __init__(self, stack, count, shards=None):
        self.shards = stack.enter_context(contextlib.closing(shards or Shards(1))).start()
        self.nats = Nats().start()
        stack.callback(self.nats.stop)
        self.all = []
        for i in range(count):
            self.all.append(start_node(bench.BIN, self.shards, f"node-{i}",
                                       ["--loops", "1", "--bus-kind", "nats", "--bus-servers", self.nats.url,
                                        "--drain-grace-ms", "0", "--limits-connections", "20000"]))
            stack.callback(self.all[-1].stop)
        bench.wait_for(lambda: all(node.metric("parley_bus_connected") for node in self.all), "the bus")
        self.token = self.all[0].token("bench")
        self.addresses = ",".join(node.address for node in self.all)
        self.pids = [node.process.pid for node in self.all]

    def load(self, command, *options):
        """Over all of them."""
        return bench.load(self.addresses, command, *options, token=self.token)

    def metrics(self, *names):
        """Their sums."""
        return [sum(node.metric(name) for node in self.all) for name in names]
