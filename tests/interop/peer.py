# SPDX-License-Identifier: Apache-2.0
"""Programs that talk to each other in the interop suites: start, find the address, run, stop."""
import atexit
import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
sys.path.append(os.path.join(ROOT, "deploy", "local"))

from process import answers, free_port  # noqa: E402,F401  the latter for the suites

TESTS = os.environ["PARLEY_INTEROP_BIN"]
BUILD = os.environ["PARLEY_INTEROP_BUILD"]


def need(tool, why):
    """The path of a tool, or an end with a sentence that says what to install."""
    path = shutil.which(tool)
    if path is None:
        sys.exit(f"{tool} is missing: {why}")
    return path


def leave_out(tool, what):
    """End without a verdict (ctest says Skipped): the machine has not the toolchain of a suite that
    is not for every machine."""
    print(f"left out: {what}: {tool} is not on this machine")
    sys.exit(77)


def go_install(*packages):
    """Programs of Go modules, built once. @return the folder that they are in"""
    go = shutil.which("go")
    if go is None:
        leave_out("go", ", ".join(packages))
    folder = os.path.join(BUILD, "go")
    stamp = os.path.join(folder, "-".join(p.replace("/", "_") for p in packages) + ".done")
    if not os.path.exists(stamp):
        ok, said = run([go, "install", *packages], timeout_s=900,
                       env={**os.environ, "GOBIN": folder, "GOFLAGS": "-buildvcs=false"})
        if not ok:
            sys.exit("go install fails:\n" + said)
        with open(stamp, "w", encoding="ascii"):
            pass
    return folder


def scratch():
    """A folder that is gone when the suite is over."""
    folder = tempfile.mkdtemp(prefix="parley-interop-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


class Program:
    """A server, from its start to the end of a with block. It says where it listens by a line that
    `pattern` finds a port in, or is told its port in the command and is silent: then `port`."""

    def __init__(self, command, pattern=r"listening on \S*?:(\d+)$", port=None, timeout_s=60,
                 **options):
        self.command = command
        self.told_port = port
        self.pattern = re.compile(pattern)
        self.timeout_s = timeout_s
        self.options = options
        self.lines = []
        self.port = None
        self.found = threading.Event()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line)
            match = self.pattern.search(line.rstrip())
            if match and self.port is None:
                self.port = int(match.group(1))
                self.found.set()
        self.found.set()

    def _wait_for_port(self):
        deadline = time.monotonic() + self.timeout_s
        while time.monotonic() < deadline and self.process.poll() is None:
            if answers(self.told_port):
                self.port = self.told_port
                return
            time.sleep(0.02)  # between two tries
        self.process.kill()
        raise AssertionError(f"{self.command} does not listen:\n" + "".join(self.lines))

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        **self.options)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        if self.told_port is not None:
            self._wait_for_port()
        elif not self.found.wait(self.timeout_s) or self.port is None:
            self.process.kill()
            raise AssertionError(f"{self.command[0]} does not listen:\n" + "".join(self.lines))
        return self

    def __exit__(self, kind, value, trace):
        self.process.terminate()
        try:
            code = self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            code = "killed"
        self.reader.join()
        self.code = code
        if kind is not None:
            sys.stderr.write(f"--- {self.command[0]} said:\n" + "".join(self.lines[-50:]))


@contextlib.contextmanager
def our_server(*options):
    """interop_server; an end that a sanitizer spoils fails the suite."""
    with Program([os.path.join(TESTS, "interop_server"), *options]) as server:
        yield server
    if server.code != 0:
        raise AssertionError(f"interop_server ended with {server.code}:\n" + "".join(server.lines))


def run(command, timeout_s=120, **options):
    """@return (does it end well, what it said)"""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                              stderr=subprocess.STDOUT, timeout=timeout_s, **options)
    except subprocess.TimeoutExpired as late:
        said = late.stdout or b""
        said = said.decode(errors="replace") if isinstance(said, bytes) else said
        return False, said + f"\nnot over after {timeout_s} s"
    return done.returncode == 0, done.stdout


def our_client(port, *options):
    """interop_client plays all its cases, or --test_case. @return (did all pass, what it said)"""
    return run([os.path.join(TESTS, "interop_client"), f"--server_port={port}", *options])


def certificates(folder):
    """A CA, a certificate for localhost and 127.0.0.1, and one for a client. @return their paths"""
    def openssl(*arguments):
        ok, said = run([need("openssl", "apt-get install openssl"), *arguments], cwd=folder)
        if not ok:
            raise AssertionError(said)

    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2",
            "-subj", "/CN=parley interop CA")
    for name in ("server", "client"):
        openssl("req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        with open(os.path.join(folder, f"{name}.ext"), "w", encoding="ascii") as file:
            file.write("subjectAltName=DNS:localhost,DNS:foo.test.google.fr,IP:127.0.0.1\n")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
                "-CAcreateserial", "-out", f"{name}.pem", "-days", "2", "-extfile", f"{name}.ext")
    return {name: os.path.join(folder, name) for name in
            ("ca.pem", "server.pem", "server.key", "client.pem", "client.key")}


class Suite:
    """Counts cases and says in the end how many passed, in the words of RESULTS.md."""

    def __init__(self, name, version, after=None):
        self.name = name
        self.version = version
        self.passed = []
        self.failed = []
        self.has_failed = after is not None and after.is_bad()

    def case(self, name, ok, said=""):
        (self.passed if ok else self.failed).append(name)
        print(("ok      " if ok else "FAILED  ") + name, flush=True)
        if not ok:
            print(said, flush=True)

    def cases(self, prefix, ok, said):
        """What interop_client says of many cases."""
        for line in said.splitlines():
            if line.startswith("ok "):
                self.case(prefix + line[3:], True)
        if not ok:
            self.case(prefix.strip(), False, said)

    def is_bad(self):
        return self.has_failed or bool(self.failed) or not self.passed

    def print(self):
        count = len(self.passed) + len(self.failed)
        print(f"| {self.name} | {self.version} | {count} | {len(self.passed)} |", flush=True)

    def end(self):
        self.print()
        sys.exit(1 if self.is_bad() else 0)
