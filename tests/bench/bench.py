# SPDX-License-Identifier: Apache-2.0
"""What the benchmark scripts share: building peers, servers on free ports, A B A B, the report."""
import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "tests", "support"))
from cluster import process  # noqa: E402
from mariadb import Shards  # noqa: E402
from parleyd import Parleyd, wait_for  # noqa: E402

# The smoke test has programs built and a scratch folder for what is written.
IS_SMOKE = "PARLEY_BENCH_BIN" in os.environ
BIN = os.environ.get("PARLEY_BENCH_BIN", os.path.join(ROOT, "build", "release", "bin"))
OUT = os.environ.get("PARLEY_BENCH_OUT", os.path.join(ROOT, "build", "bench"))


def arguments(doc, **defaults):
    """--repetitions and --seconds, with the script's defaults, and what else it names; one that is
    False is a switch."""
    parser = argparse.ArgumentParser(description=doc)
    for name, value in {"repetitions": 5, "seconds": 5, **defaults}.items():
        flag = "--" + name.replace("_", "-")
        if value is False:
            parser.add_argument(flag, action="store_true")
        else:
            parser.add_argument(flag, type=type(value), default=value, help=f"default {value}")
    return parser.parse_args()


def run(command, **options):
    """The command's standard output. Its failure ends the script with what it said."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}\nfailed with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def prepare():
    """Packages and a release build."""
    if IS_SMOKE:
        return
    subprocess.run([os.path.join(ROOT, "deploy", "install-packages"),
                    os.path.join(ROOT, "deploy", "packages.txt"), os.path.join(HERE, "packages.txt")],
                   check=True)
    os.makedirs(OUT, exist_ok=True)
    # deploy/quickstart, which builds there too, turns it off.
    run(["cmake", "--preset", "release", "-DPARLEY_BUILD_BENCH=ON"], cwd=ROOT)
    run(["cmake", "--build", "build/release", "--target", "parleyd", "parley", "parley-bench",
         "tests/bench/all"], cwd=ROOT)


def pkg_config(*packages):
    return run(["pkg-config", "--cflags", "--libs", *packages]).split()


def build(source, compiler, *flags):
    """A program of one file, built again when the file changed."""
    program = os.path.join(OUT, os.path.splitext(os.path.basename(source))[0])
    path = os.path.join(HERE, source)
    if not os.path.exists(program) or os.path.getmtime(program) < os.path.getmtime(path):
        run([compiler, "-O2", "-o", program, path, *flags])
    return program


def socket_fanout(sockets, delivery_bytes, per_write, seconds, writers):
    """Bare write(2) to so many sockets by so many threads, and one that reads. @return deliveries/s"""
    program = build("ceilings/socket_fanout.c", "cc", "-lpthread")
    return json.loads(run([program, str(sockets), f"{delivery_bytes:.1f}", f"{per_write:.2f}", str(seconds),
                           str(writers)]))["deliveries_per_s"]


def build_grpc(source):
    """A gRPC C++ program of Health, with code generated from Debian's grpc-proto."""
    proto_dir = run(["pkg-config", "--variable=prefix", "grpc++"]).strip() + "/share/grpc-proto"
    proto = os.path.join(proto_dir, "grpc/health/v1/health.proto")
    generated = os.path.join(OUT, "generated")
    stem = os.path.join(generated, "grpc/health/v1/health")
    if not os.path.exists(stem + ".grpc.pb.cc"):
        os.makedirs(generated, exist_ok=True)
        plugin = shutil.which("grpc_cpp_plugin")
        run(["protoc", f"--cpp_out={generated}", f"--grpc_out={generated}",
             f"--plugin=protoc-gen-grpc={plugin}", "-I", proto_dir, proto])
    return build(source, "g++", "-std=c++17", "-I", generated, stem + ".pb.cc",
                 stem + ".grpc.pb.cc", *pkg_config("grpc++", "protobuf"), "-lpthread")


class Certificate:
    """One for 127.0.0.1 that is its own authority, P-256, made once in a folder."""

    def __init__(self, folder=OUT):
        self.key, self.cert = os.path.join(folder, "key.pem"), os.path.join(folder, "cert.pem")
        if not os.path.exists(self.cert):
            run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                 "-nodes", "-days", "3650", "-subj", "/CN=127.0.0.1", "-addext",
                 "subjectAltName=IP:127.0.0.1", "-keyout", self.key, "-out", self.cert])

    def ours(self):
        """The options of parleyd."""
        return ["--tls-cert", self.cert, "--tls-key", self.key]


def cpu_seconds(pid):
    """Processor time that a process has used."""
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_kib(pid):
    """Memory of a process that is really there."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))


class Peer:
    """A server program that is told its port; stopped by pid at the end of `with`."""

    def __init__(self, *command):
        self.port = process.free_port()
        self.command = [part.replace("{port}", str(self.port)) for part in command]

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        self.pid = self.process.pid
        self.address = f"127.0.0.1:{self.port}"
        try:
            wait_for(self.answers, self.command[0])
        except BaseException:
            self.__exit__()
            raise
        return self

    def answers(self):
        if self.process.poll() is not None:
            sys.exit(f"{self.command[0]} ended with {self.process.returncode}")
        return process.answers(self.port)

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


class Ours:
    """parleyd of the release build in a scratch folder, and load on it."""

    def __init__(self, *options):
        self.folder = tempfile.TemporaryDirectory(prefix="parley-bench-", dir=OUT)
        self.server = Parleyd(BIN, self.folder.name, ("--limits-connections", "20000", *options))

    def __enter__(self):
        self.server.start()
        self.address = self.server.address
        self.token = self.server.token("bench")
        self.pid = self.server.process.pid
        return self

    def __exit__(self, *_):
        self.server.stop()
        self.folder.cleanup()

    def load(self, command, *options):
        return load(self.address, command, *options, token=self.token)

    def try_load(self, command, *options):
        """Load that may be refused, and whose figures do not matter."""
        subprocess.run(load_command(self.address, command, *options), env=self.environment(),
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)

    def environment(self):
        return {**os.environ, "PARLEY_SERVER": self.address, "PARLEY_TOKEN": self.token}

    def parley(self, *arguments):
        """What the command line client prints."""
        return run([os.path.join(BIN, "parley"), *arguments], env=self.environment())


class DurableShards(Shards):
    """MariaDB shards that are on disk at each commit; gone at the end of `with`.
    @param flush_us  what each flush of theirs takes longer than the disk does"""

    def __init__(self, count, flush_us=0):
        super().__init__(count, ("--innodb-buffer-pool-size=1G", "--innodb-log-file-size=512M"))
        if flush_us:
            library = build("ceilings/slow_flush.c", "cc", "-shared", "-fPIC")
            self.environment.update(LD_PRELOAD=library, PARLEY_FLUSH_US=str(flush_us))

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.close()

    def addresses(self):
        with open(self.settings, encoding="utf-8") as file:
            return next(line.split("=")[1].strip() for line in file if line.startswith("shards"))

    def insert(self, *options):
        """The bare program that does nothing but insert; its figures."""
        return self.bare("mysql_insert", "--shards", self.addresses(), *options)

    def scan(self, *options):
        """The bare program that reads the longest log of the first shard; its figures."""
        return self.bare("mysql_scan", "--shard", self.addresses().split(",")[0], *options)

    def bare(self, program, *options):
        return json.loads(run([os.path.join(BIN, program), "--credentials",
                               os.path.join(self.folder, "credentials"),
                               *[str(option) for option in options]]))


def load(address, command, *options, token=None):
    """A run of parley-bench; its figures."""
    environment = {**os.environ, **({"PARLEY_TOKEN": token} if token else {})}
    return json.loads(run(load_command(address, command, *options), env=environment))


def load_command(address, command, *options):
    return [os.path.join(BIN, "parley-bench"), command, "--server", address, "--json",
            *[str(option) for option in options]]


def alternate(repetitions, contenders):
    """Run each in turn, again and again. {name: callable} -> {name: [figure, ...]}"""
    figures = {name: [] for name in contenders}
    for i in range(repetitions):
        for name, measure in contenders.items():
            figures[name].append(measure())
            print(f"  {i + 1}/{repetitions} {name}: {figures[name][-1]:,.0f}", flush=True)
    return figures


def spread(values):
    middle = statistics.median(values)
    return (max(values) - min(values)) / middle if middle else 0


def machine():
    cpu = [line.split(":")[1].strip() for line in open("/proc/cpuinfo", encoding="utf-8")
           if line.startswith("model name")]
    return {"cpu": cpu[0] if cpu else platform.machine(), "cores": os.cpu_count(),
            "kernel": platform.release(), "load": os.getloadavg()[0],
            "date": time.strftime("%Y-%m-%d %H:%M"),
            "commit": run(["git", "describe", "--always", "--dirty"], cwd=ROOT).strip()}


def report(name, unit, figures, ours, budgets, notes=None):
    """Print the table and write build/bench/NAME.json.

    A ratio is the median of the ratios of runs that were neighbours in time, so that a machine that
    others use too disturbs it little.
    @param budgets  [(peer, sign, factor)]: ours must be >= or <= factor x the peer's; peer None: the
                    factor is the limit itself; factor None: no budget, only told"""
    medians = {who: statistics.median(values) for who, values in figures.items()}
    width = max(28, *map(len, figures))
    print(f"\n{name}: {unit}")
    for who, values in figures.items():
        print(f"  {who:<{width}} median {medians[who]:>14,.1f}   spread {spread(values):6.1%}   n={len(values)}")
    verdicts = []
    for peer, sign, factor in budgets:
        ratios = [a / b for a, b in zip(figures[ours], figures[peer] if peer else [1] * len(figures[ours]))]
        ratio = statistics.median(ratios)
        is_met = None if factor is None else ratio >= factor if sign == ">=" else ratio <= factor
        verdicts.append({"against": peer, "ratio": ratio, "ratios": ratios, "sign": sign, "budget": factor, "met": is_met})
        verdict = "" if factor is None else f" (budget {sign} {factor:,}) {'met' if is_met else 'MISSED'}"
        print(f"  {ours} / {peer or unit}: {ratio:,.2f}{verdict}")
    for key, value in (notes or {}).items():
        print(f"  {key}: {value}")
    path = os.path.join(OUT, name + ".json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"name": name, "unit": unit, "figures": figures, "medians": medians,
                   "budgets": verdicts, "notes": notes or {}, "machine": machine()}, file, indent=2)
    print(f"  written to {os.path.relpath(path, ROOT)}")
