# SPDX-License-Identifier: Apache-2.0
"""What strangers cannot put into logs and metrics, and what is never found there."""
import os
import re
import socket
import unittest

import grpc

from daemon import ROOT, Daemon, load_protos, wait_for

HEALTH, _, CHAT = load_protos("grpc/health/v1/health.proto") + load_protos(
    "parley/v1/event.proto", "parley/v1/chat_service.proto",
    include=os.path.join(ROOT, "api", "proto"))
SEND = "/parley.v1.ChatService/Send"
CALLS = 300


def send(channel, token, method=SEND, timeout=20):
    call = channel.unary_unary(method, CHAT.SendRequest.SerializeToString,
                               CHAT.SendResponse.FromString)
    request = CHAT.SendRequest(conversation_id="none", client_message_id="a", body=b"body-secret")
    try:
        call(request, metadata=(("authorization", f"Bearer {token}"),), timeout=timeout)
        return grpc.StatusCode.OK
    except grpc.RpcError as error:
        return error.code()


def frame(kind, flags, stream, payload):
    return (len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big")
            + payload)


def literal(name, value):
    """A header as HPACK, not indexed; both shorter than 127 bytes."""
    return b"\0" + bytes((len(name),)) + name + bytes((len(value),)) + value


def memory(pid):
    """What a core dump would hold, one mapping after the other. Those over 1 GiB are no program's
    data but a sanitizer's books."""
    with open(f"/proc/{pid}/maps", encoding="ascii") as maps, \
            open(f"/proc/{pid}/mem", "rb", 0) as file:
        for line in maps:
            start, end = (int(text, 16) for text in line.split()[0].split("-"))
            if end - start < 1 << 30:
                try:
                    file.seek(start)
                    yield file.read(end - start)
                except (OSError, OverflowError): # not readable; the kernel's own
                    pass


class Leaks(Daemon):
    def serve_loudly(self):
        server = self.serve("--log-level", "debug")
        channel = grpc.insecure_channel(server.address)
        self.addCleanup(channel.close)
        return server, channel

    def test_tokens_keys_and_bodies_are_never_told(self):
        server, channel = self.serve_loudly()
        token = self.parleyd("token", "--user", "alice", "--data", self.data).strip()
        head, payload, signature = token.split(".")
        forged = ".".join((head, payload, signature[::-1]))
        self.assertEqual(send(channel, token), grpc.StatusCode.NOT_FOUND)
        for wrong in (forged, "nonsense-secret", payload):
            self.assertEqual(send(channel, wrong), grpc.StatusCode.UNAUTHENTICATED)
        with open(os.path.join(self.data, "token.key"), "rb") as file:
            key = file.read()
        told = server.log() + self.get(server, "/metrics")[1]
        for secret in (payload, signature, signature[::-1], "nonsense-secret", "body-secret",
                       key.hex()):
            self.assertNotIn(secret, told)

    def test_memory_holds_the_key_once_and_no_token_of_a_call_that_is_over(self):
        server, channel = self.serve_loudly()
        token = self.parleyd("token", "--user", "alice", "--data", self.data).strip()
        forged = token[::-1]
        self.assertEqual(send(channel, token), grpc.StatusCode.NOT_FOUND)
        self.assertEqual(send(channel, forged), grpc.StatusCode.UNAUTHENTICATED)
        channel.close() # the header table of its connection may know them until then
        with open(os.path.join(self.data, "token.key"), "rb") as file:
            key = file.read()

        def count(secret):
            return sum(part.count(secret) for part in memory(server.process.pid))

        self.assertEqual(count(key), 1)
        wait_for(lambda: count(token.encode()) + count(forged.encode()) == 0, "no token is left")

    def test_unknown_methods_make_no_series(self):
        server, channel = self.serve_loudly()

        def series():
            text = self.get(server, "/metrics")[1]
            return {line.rsplit(" ", 1)[0] for line in text.splitlines()
                    if not line.startswith("#")}

        self.assertEqual(send(channel, "x", "/no.Such/First"), grpc.StatusCode.UNIMPLEMENTED)
        before = series()
        for i in range(CALLS):
            self.assertEqual(send(channel, "x", f"/no.Such{i}/Method{i}"),
                             grpc.StatusCode.UNIMPLEMENTED)
        self.assertEqual(series(), before)
        self.assertFalse(any("no.Such" in name for name in before))

    def test_control_characters_make_no_record(self):
        server, _ = self.serve_loudly()
        evil = b"a\r\n2026-01-01T00:00:00.000Z ERROR FORGED evil\x1b[2J\x9b31m"
        host, port = server.address.rsplit(":", 1)
        for name, value in ((b":path", b"/" + evil), (b"user-agent", evil),
                            (b"grpc-encoding", evil), (b"content-type", b"application/grpc+" + evil),
                            (b"authorization", b"Bearer " + evil)):
            fields = {b":path": SEND.encode(), b"content-type": b"application/grpc", name: value}
            block = b"\x83\x86" + literal(b":path", fields.pop(b":path")) \
                + literal(b":authority", b"h") + b"".join(literal(*pair) for pair in fields.items())
            with socket.create_connection((host, int(port)), timeout=20) as peer:
                peer.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b"")
                             + frame(1, 4, 1, block) + frame(0, 1, 1, b"\0\0\0\0\0")
                             + frame(6, 0, 0, b"attacker") + frame(0xbb, 0, 0, b""))
                answer = b""
                while b"attacker" not in answer: # its ping: what came before has been read
                    part = peer.recv(65536)
                    if not part:
                        break
                    answer += part
        with socket.create_connection((host, int(port)), timeout=20) as peer:
            peer.sendall(evil) # not HTTP/2 at all
            while peer.recv(65536):
                pass
        wait_for(lambda: "does not speak HTTP/2" in server.log(), "the debug record of the last")
        for line in server.log().splitlines():
            self.assertNotRegex(line, "[\x00-\x1f\x7f-\x9f]")
            self.assertRegex(line, r"^\d{4}-\d\d-\d\dT\S+ (DEBUG|INFO|WARN|ERROR) +[A-Z0-9_]+[ :]")
            self.assertNotIn(" FORGED evil", re.sub(r"\\.*", "", line))

    def test_no_core_dump_is_left_unless_it_is_wanted(self):
        def limit(server):
            with open(f"/proc/{server.process.pid}/limits", encoding="ascii") as file:
                return re.search(r"Max core file size +(\S+)", file.read()).group(1)

        server = self.serve()
        self.assertEqual(limit(server), "0")
        server.stop()
        with open("/proc/self/limits", encoding="ascii") as file:
            ours = re.search(r"Max core file size +(\S+)", file.read()).group(1)
        self.assertEqual(limit(self.serve("--core-dumps")), ours)


if __name__ == "__main__":
    unittest.main()
