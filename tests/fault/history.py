# SPDX-License-Identifier: Apache-2.0
"""What clients were told, and what the database holds, as plain data.

A client's log is a file of its own, one JSON object a line, in the order in which things happened to
it. `t` is the machine's monotonic clock in seconds.

    try     t room id sum stream   a send begins; stream 0: alone, else a number of a SendStream
    ack     t room id seq at       it was answered OK
    follow  t room after           a subscription begins after this seq
    event   t room seq at sender id sum ordinal
    gone    t room first           the server said that nothing before `first` can be had
"""
import hashlib
import json
import os
import threading
import time
from typing import NamedTuple

SUFFIX = ".jsonl"


class Event(NamedTuple):
    """One entry of a conversation's log. Events that are no message have no id, sum and ordinal."""
    seq: int
    at: int
    sender: str
    id: str
    sum: str
    ordinal: int


def sum_of(body):
    return hashlib.sha256(body).hexdigest()[:16]


def event_of(event):
    """@param event  parley.v1.Event"""
    if event.WhichOneof("kind") != "message":
        return Event(event.seq, event.created_at_ms, event.sender_id, "", "", 0)
    message = event.message
    return Event(event.seq, event.created_at_ms, event.sender_id, message.client_message_id,
                 sum_of(message.body), message.ordinal)


class Log:
    """The file that one client writes. Any thread of the client may."""

    def __init__(self, folder, name):
        self.name = name
        self.file = open(os.path.join(folder, name + SUFFIX), "w", buffering=1, encoding="utf-8")
        self.lock = threading.Lock()

    def write(self, op, room, **fields):
        with self.lock:
            self.file.write(json.dumps({"op": op, "t": time.monotonic(), "room": room, **fields},
                                       separators=(",", ":")) + "\n")

    def close(self):
        self.file.close()


def read_logs(folder):
    """@return client -> list of records. The client's name is also the user's."""
    logs = {}
    for name in sorted(os.listdir(folder)):
        if name.endswith(SUFFIX):
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                logs[name[:-len(SUFFIX)]] = [json.loads(line) for line in file]
    return logs
