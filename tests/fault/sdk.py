# SPDX-License-Identifier: Apache-2.0
"""Clients of our SDK beside those of grpcio: one process each (sdk_client.c), for the whole campaign.
They try again and resume by themselves; of what they promise nothing is done for them here. A reader
follows each room once, from the beginning, so each repetition or hole is the SDK's."""
import os
import subprocess
import threading

from clients import Reader, Sender
from history import Event, sum_of

PENDING_MAX = 64


class Program:
    """sdk_client, of one user. Its addresses are one target."""

    def __init__(self, path, client):
        self.name = client.name
        self.process = subprocess.Popen(
            [path, ",".join(client.addresses)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True, env={**os.environ, "PARLEY_TOKEN": client.token,
                            "BALANCING": client.random.choice(("pick_first", "round_robin"))})

    def command(self, *words):
        self.process.stdin.write(" ".join(words) + "\n")
        self.process.stdin.flush()

    def lines(self):
        """@return (kind, rest) until it ends"""
        for line in self.process.stdout:
            kind, _, rest = line.rstrip("\n").partition(" ")
            yield kind, rest

    def cancel(self):
        """Its input ends, and so does it."""
        self.process.stdin.close()

    def check_end(self):
        if self.process.wait(60) != 0:
            raise AssertionError(f"{self.name}: sdk_client ended with {self.process.returncode}")


class SdkSender(Sender):
    def __init__(self, path, *args, pause):
        super().__init__(*args, pause=pause)
        self.path = path
        self.answered = threading.Condition()

    def take_answers(self, program):
        for kind, rest in program.lines():
            if kind == "failed":
                self.failure = f"{self.name}: {rest}"
            with self.answered:
                if kind == "ack":
                    _, message_id, seq, at = rest.split(" ")
                    self.note_ack(message_id, int(seq), int(at))
                self.answered.notify()

    def wait_below(self, pending):
        with self.answered:
            self.answered.wait_for(lambda: len(self.waiting) <= pending or self.failure)

    def work(self):
        program = Program(self.path, self)
        answers = threading.Thread(target=self.take_answers, args=(program,))
        answers.start()
        while not self.finishing.is_set() and not self.failure:
            with self.answered:
                message_id = self.make()
                room, body = self.note_try(message_id, 0)
            program.command("send", room, message_id, body.decode())
            self.wait_below(PENDING_MAX)
            self.finishing.wait(self.random.uniform(0, 2 * self.pause))
        self.wait_below(0)
        program.cancel()
        answers.join()
        program.check_end()


class SdkReader(Reader):
    def __init__(self, path, *args):
        super().__init__(*args, hop_s=0)
        self.path = path

    def is_over(self):
        return bool(self.failure) or super().is_over()

    def work(self):
        self.call = Program(self.path, self)
        for room in self.rooms:
            self.log.write("follow", room, after=0)
            self.call.command("follow", room)
            self.follows += 1
        for kind, rest in self.call.lines():
            self.take_line(kind, rest)
            if self.is_over():
                self.call.cancel()
        self.call.check_end()

    def take_line(self, kind, rest):
        if kind in ("removed", "over"):
            raise AssertionError(f"{kind} {rest}")
        if kind == "broken":
            self.failures += 1
        elif kind == "gone":
            room, first = rest.split(" ")
            self.log.write("gone", room, first=int(first))
        elif kind == "event":
            room, seq, at, sender, *message = rest.split(" ", 6)
            message_id, ordinal, body = message or ("", "0", None)
            self.log.write("event", room, **Event(
                int(seq), int(at), sender, message_id,
                sum_of(body.encode()) if body is not None else "", int(ordinal))._asdict())
            self.seen[room] = max(self.seen[room], int(seq))
