#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""parley-bench against parleyd, a second of each command, so that neither the tool nor what the
scripts read of its figures can rot; then whole scripts at tiny sizes. No figure is judged.
usage: smoke.py BIN_DIR [SCRIPT...]"""
import json
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "support"))
from bench import Certificate  # noqa: E402
from parleyd import Parleyd  # noqa: E402

# Each with a figure that must be above 0.
RUNS = [
    ("send", "sends_per_s"),
    ("send --unary --connections 3 --conversations 7", "sends_per_s"),
    ("send --rate 500 --threads 2 --scattered-ids", "sends_per_s"),
    ("fanout --subscribers 20 --pid {pid}", "server_ns_per_delivery"),
    ("fanout --subscribers 20 --server {address},{address}", "deliveries_per_s"),
    ("fanout --subscribers 2 --connections 3 --counting 20", "deliveries_per_s"),
    ("fanout --subscribers 20 --rate 50 --threads 2", "deliveries_per_s"),
    ("idle --connections 20 --pid {pid}", "rss_after"),
    ("idle --connections 20 --watch", "held"),
    ("idle --connections 3 --streams 5", "held"),
    ("history --messages 2000 --page 100 --outstanding 2", "events_per_s"),
    ("fanout --subscribers 2 --connections 3 --counting 20 --server {address},{address}", "ack_p50"),
    ("unary", "calls_per_s"),
    ("unary --rate 500 --threads 2", "calls_per_s"),
    ("client", "calls_per_s"),
]
# Each with the files that it must write.
SCRIPTS = [
    ("p3_latency --flush-us 1000 --conversations 4 --outstanding 8",
     [f"p3_latency_flush_1000us_{percentile}" for percentile in ("p50", "p99")]),
    ("frozen_shard --rate 100", ["frozen_shard"]),
    ("stalled_reader --subscribers 5 --rate 100", ["stalled_reader"]),
    ("p4_nodes --nodes 2 --subscribers 20 --checking 2", ["p4_nodes"]),
    ("p9_connections --connections 20 --nodes 1,2 --idle 1 --every 0.5",
     [f"p9_connections_{count}_nodes_delivery" for count in (1, 2)]),
    ("latency --loads 50 --subscribers 5", ["latency_mysql_sends", "latency_mysql_fanout"]),
    ("latency --loads 50 --subscribers 5 --store sqlite", ["latency_sqlite_sends", "latency_sqlite_fanout"]),
    ("parts --pairs 1/1,15/1,15/15 --rate 300 --subscribers 20", ["parts_transaction", "parts_call", "parts_threads"]),
    ("p6_mysql_history --messages 500", ["p6_mysql_history"]),
    ("brokers --subscribers 20 --publishers 2",
     ["brokers_fanout", "brokers_fanout_cost", "brokers_sends", "brokers_sends_cost"]),
    *[(f"flat --store {store} --members 2,20 --log 100,1000 --spread 1,20",
       [f"flat_{store}_{curve}" for curve in ("members", "append_at", "tail_read_at", "conversations")])
      for store in ("sqlite", "mysql")],
]
# What cost_model reads: medians, notes and figures, as the scripts that it names write them.
RESULTS = {
    "flat_mysql_conversations": ({"conversations: 1,000": 50}, {"share of the node, conversations: 1,000": 0.4}),
    "p8_nodes_4": ({"4 nodes": 5000}, {"NATS beside 4 nodes, us for a message to a node": 5}),
    "p9_connections_1_nodes_idle": ({"18,000 connections": 1}, {}),
    "p9_connections_1_nodes_delivery": ({"p50": 50, "p99": 89, "max": 90},
                                        {"connections": 18000, "sends/s": 1, "processor time of a delivery, us: nodes, clients": [9.0, 8.0]}),
    "p5_memory_tls": ({"parleyd": 20000}, {}),
    "handshakes_full": ({"parleyd": 2000}, {}),
    "p3_latency_p50": ({"ack p50": 1000}, {"rows to a transaction": "100", "sends/s here": "5,000"}),
    "p3_latency_p99": ({"ack p99": 1000}, {}),
    "parts_transaction": ({}, {"rows, conversations, processor time of the database and of the writer in us":
                               [[1, 1, 500, 100], [15, 1, 600, 100], [15, 15, 900, 100]]},
                          {"1": [900, 1000, 1100], "2": [1100, 1200, 1300], "3": [1400, 1500, 1600]}),
    "parts_call": ({"p50": 100, "p90": 120, "p99": 150, "p99.9": 200, "max": 300}, {}),
    "parts_threads": ({f"{thread}, a {what}": 1000 for thread in ("loop", "generator")
                       for what in ("send", "delivery", "connection")}, {}),
    "latency_mysql_sends": ({"50 %, ack p50": 2000, "50 %, ack p99": 3000}, {"at most, sends/s": 10000}),
    "latency_mysql_fanout": ({f"50 %, {what} {part}": 2000 for what in ("ack", "delivery") for part in ("p50", "p99")},
                             {"at most, sends/s": 1000}),
}
# Of a million users, ten messages a day each, three times as many at the peak.
MODEL_LINE = "| 1,000,000 | 200,000 | 347 | 3,472 |"
TLS_RUNS = [
    ("send", "sends_per_s"),
    ("idle --connections 20", "held"),
    ("client --outstanding 3", "calls_per_s"),
]


def run(bin_dir, server, token, line, options):
    command = [os.path.join(bin_dir, "parley-bench"), *line.format(pid=server.process.pid, address=server.address).split()]
    if "--server" not in line:
        command += ["--server", server.address]
    command += ["--seconds", "1", "--warmup", "0.1", "--json", *options]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, env={**os.environ, "PARLEY_TOKEN": token}, check=False)
    if done.returncode != 0:
        sys.exit(f"{line}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return json.loads(done.stdout)


def run_all(bin_dir, runs, server_options=(), options=()):
    with tempfile.TemporaryDirectory(prefix="parley-bench-smoke-") as folder:
        server = Parleyd(bin_dir, folder, server_options).start()
        try:
            token = server.token("bench")
            for line, figure in runs:
                figures = run(bin_dir, server, token, line, options)
                if not figures[figure] > 0:
                    sys.exit(f"{line}: {figure} is {figures[figure]}")
                print(f"{line}: {figure} {figures[figure]:.0f}")
        finally:
            code = server.stop()
        if code != 0:
            sys.exit(f"parleyd ended with {code}:\n{server.log()}")


def run_scripts(bin_dir, names):
    with tempfile.TemporaryDirectory(prefix="parley-bench-smoke-") as folder:
        environment = {**os.environ, "PARLEY_BENCH_BIN": bin_dir, "PARLEY_BENCH_OUT": folder}
        for line, written in SCRIPTS:
            script, *options = line.split()
            if names and script not in names:
                continue
            done = subprocess.run([os.path.join(HERE, script), "--repetitions", "1", "--seconds", "1", *options],
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                  env=environment, check=False)
            if done.returncode != 0:
                sys.exit(f"{line}: exit code {done.returncode}\n{done.stdout}")
            for name in written:
                with open(os.path.join(folder, name + ".json"), encoding="utf-8") as file:
                    medians = json.load(file)["medians"]
                if not all(value > 0 for value in medians.values()):
                    sys.exit(f"{line}: {medians}")
                print(f"{name}: {len(medians)} figures", flush=True)


def run_model():
    with tempfile.TemporaryDirectory(prefix="parley-bench-smoke-") as folder:
        for name, (medians, notes, *figures) in RESULTS.items():
            with open(os.path.join(folder, name + ".json"), "w", encoding="utf-8") as file:
                json.dump({"medians": medians, "notes": notes, "figures": figures[0] if figures else {}}, file)
        done = subprocess.run([os.path.join(HERE, "cost_model")], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, env={**os.environ, "PARLEY_BENCH_OUT": folder}, check=False)
    if done.returncode != 0 or MODEL_LINE not in done.stdout:
        sys.exit(f"cost_model: exit code {done.returncode}\n{done.stdout}")
    print("cost_model: as it should be")


def main():
    bin_dir, names = sys.argv[1], sys.argv[2:]
    run_model()
    run_scripts(bin_dir, names)
    if names:
        return
    run_all(bin_dir, RUNS)
    with tempfile.TemporaryDirectory(prefix="parley-bench-certificate-") as folder:
        certificate = Certificate(folder)
        run_all(bin_dir, TLS_RUNS, certificate.ours(), ("--ca", certificate.cert))


if __name__ == "__main__":
    main()
