# SPDX-License-Identifier: Apache-2.0
"""Servers as processes of a folder: started detached, remembered by pid and start time, stopped by
pid and only if the process is still the one that was started."""
import os
import random
import shutil
import signal
import socket
import subprocess
import time

START_S = 60
STOP_S = 20


class Failed(Exception):
    """What went wrong, in words for a person."""


def program(name):
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if found is None:
        raise Failed(f"{name} is missing: deploy/install-packages deploy/local/packages.txt")
    return found


# Below what Linux gives to sockets that name no port (from 32768): between our choice and a server's
# start, and while a server is down, nobody is given its port by chance.
PORTS = range(10000, 32768)


def free_port():
    """For a server that cannot choose one itself and say which."""
    while True:
        port = random.choice(PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass


def answers(port):
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def listens_at(path):
    """Whether a server answers at this socket of its own folder: one's own server and no other."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        return probe.connect_ex(path) == 0


def started_at(pid):
    """The start time of a process in ticks since boot: with the pid it names one process for ever.
    None: there is no such process, or it is a zombie with nothing left: one whose other threads have
    not ended yet still has its ports."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
        is_gone = fields[0] in "ZX" and len(os.listdir(f"/proc/{pid}/task")) < 2
    except OSError:
        return None
    return None if is_gone else int(fields[19])


def is_running(server):
    return server.get("pid") is not None and started_at(server["pid"]) == server.get("started")


def wait_until(condition, what, timeout_s):
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise Failed(f"waited {timeout_s} s in vain for {what}")
        time.sleep(0.02)


def start(server, argv, log_path, environment=None):
    """Start it detached from our session, as the leader of a group, its output to a file; pid and start
    time go to `server`."""
    with open(log_path, "ab") as log:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                   env=environment, start_new_session=True)
    server["pid"] = process.pid
    server["started"] = started_at(process.pid)
    server["log"] = log_path


def wait_ready(server, is_ready):
    """@raise Failed: it ended, or it does not get ready; it is stopped then."""
    try:
        wait_until(lambda: is_ready() or has_ended(server), f"{server['name']} to start", START_S)
        if has_ended(server):
            raise Failed(f"{server['name']} does not start; the end of {server['log']}:\n"
                         + tail(server["log"]))
    except Failed:
        stop([server], signal.SIGKILL)
        raise


def has_ended(server):
    reap(server["pid"])
    return not is_running(server)


def reap(pid):
    """Collect a child of ours that has ended; a child of somebody else is none of our business."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except OSError:
        pass


def tail(path, lines=15):
    with open(path, encoding="utf-8", errors="replace") as file:
        return "".join(file.readlines()[-lines:])


def send(server, number):
    """To all processes of a running server: some are started by a script."""
    if is_running(server):
        os.killpg(server["pid"], number)


def stop(servers, first_signal=signal.SIGTERM):
    """Ask all, wait for all, kill who stays. A frozen process is woken so that it can end."""
    for server in servers:
        send(server, first_signal)
        send(server, signal.SIGCONT)
    for server in servers:
        try:
            wait_until(lambda s=server: s.get("pid") is None or has_ended(s), "an end", STOP_S)
        except Failed:
            send(server, signal.SIGKILL)
            wait_until(lambda s=server: has_ended(s), f"the end of {server['name']}", STOP_S)
        server["pid"] = server["started"] = None
