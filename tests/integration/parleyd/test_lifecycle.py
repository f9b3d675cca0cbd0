# SPDX-License-Identifier: Apache-2.0
"""How parleyd lives: what it tells its operator, reloads, drains and ends."""
import os
import signal
import ssl
import subprocess
import threading
import time
import unittest

import grpc

from daemon import DONE, FORCED, ROOT, Daemon, load_protos, wait_for

HEALTH, _, CHAT, CONVERSATION = load_protos("grpc/health/v1/health.proto") + load_protos(
    "parley/v1/event.proto", "parley/v1/chat_service.proto", "parley/v1/conversation_service.proto",
    include=os.path.join(ROOT, "api", "proto"))
WAIT_S = 20


def check(channel):
    return channel.unary_unary("/grpc.health.v1.Health/Check",
                               HEALTH.HealthCheckRequest.SerializeToString,
                               HEALTH.HealthCheckResponse.FromString)


def watch(channel):
    return channel.unary_stream("/grpc.health.v1.Health/Watch",
                                HEALTH.HealthCheckRequest.SerializeToString,
                                HEALTH.HealthCheckResponse.FromString)


class Drain(Daemon):
    def connect(self, server):
        channel = grpc.insecure_channel(server.address)
        self.addCleanup(channel.close)
        return channel

    def test_without_connections_it_ends_at_once(self):
        server = self.serve("--drain-grace-ms", "1h")
        self.assertEqual(server.stop(), DONE)

    def test_sigterm_ends_streams_with_unavailable_after_the_grace(self):
        grace_s = 2
        server = self.serve("--drain-grace-ms", f"{grace_s}s")
        channel = self.connect(server)
        stream = watch(channel)(HEALTH.HealthCheckRequest(service="no.Such"))
        next(stream)
        self.assertEqual(self.get(server, "/readyz"), (200, "ready\n"))
        begun = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        wait_for(lambda: self.get(server, "/readyz") == (503, "draining\n"), "/readyz in the drain")
        self.assertEqual(self.get(server, "/healthz"), (200, "ok\n"))
        with self.assertRaises(grpc.RpcError) as ended:
            next(stream)
        self.assertGreaterEqual(time.monotonic() - begun, grace_s)
        self.assertEqual(ended.exception.code(), grpc.StatusCode.UNAVAILABLE)
        self.assertIn("draining", ended.exception.details())
        self.assertEqual(server.process.wait(WAIT_S), DONE)

    def test_a_drain_serves_what_was_on_its_way_and_takes_no_new_connection(self):
        server = self.serve("--drain-grace-ms", "1h")
        channel = self.connect(server)
        stream = watch(channel)(HEALTH.HealthCheckRequest(service="no.Such"))
        next(stream)
        server.process.send_signal(signal.SIGTERM)
        wait_for(lambda: self.get(server, "/readyz")[0] == 503, "/readyz in the drain")

        def is_refused():
            with grpc.insecure_channel(server.address,
                                       [("grpc.use_local_subchannel_pool", 1)]) as other:
                try:
                    check(other)(HEALTH.HealthCheckRequest(), timeout=WAIT_S)
                    return False
                except grpc.RpcError as error:
                    self.assertEqual(error.code(), grpc.StatusCode.UNAVAILABLE)
                    return True

        wait_for(is_refused, "the end of new connections")
        self.assertTrue(stream.is_active())
        stream.cancel() # the last call: nothing is left to wait for
        self.assertEqual(server.process.wait(WAIT_S), DONE)

    def test_a_second_signal_does_not_wait(self):
        server = self.serve("--drain-grace-ms", "1h")
        stream = watch(self.connect(server))(HEALTH.HealthCheckRequest(service="no.Such"))
        next(stream)
        server.process.send_signal(signal.SIGTERM)
        wait_for(lambda: self.get(server, "/readyz")[0] == 503, "/readyz in the drain")
        server.process.send_signal(signal.SIGINT)
        self.assertEqual(server.process.wait(WAIT_S), FORCED)
        self.serve() # and the folder is free again


class Reload(Daemon):
    def certificate(self, name):
        """Make or replace cert.pem and key.pem. @return the certificate"""
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-days", "1", "-subj", "/CN=" + name,
             "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
             "-keyout", self.path("key.pem"), "-out", self.path("cert.pem")],
            check=True, capture_output=True)
        with open(self.path("cert.pem"), encoding="ascii") as file:
            return file.read()

    @staticmethod
    def shown(server):
        host, port = server.address.rsplit(":", 1)
        return ssl.get_server_certificate((host, int(port)), timeout=10)

    def serve_tls(self):
        first = self.certificate("first")
        server = self.serve("--tls-cert", self.path("cert.pem"), "--tls-key", self.path("key.pem"))
        return server, first

    def check(self, server, certificate):
        credentials = grpc.ssl_channel_credentials(certificate.encode())
        with grpc.secure_channel(server.address, credentials) as channel:
            return check(channel)(HEALTH.HealthCheckRequest(), timeout=WAIT_S).status

    def test_sighup_takes_the_new_certificate_and_open_streams_go_on(self):
        server, first = self.serve_tls()
        credentials = grpc.ssl_channel_credentials(first.encode())
        channel = grpc.secure_channel(server.address, credentials)
        self.addCleanup(channel.close)
        stream = watch(channel)(HEALTH.HealthCheckRequest(service="no.Such"))
        next(stream)
        second = self.certificate("second")
        server.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "CONFIG_RELOADED" in server.log(), "the reload")
        self.assertEqual(self.check(server, second), HEALTH.HealthCheckResponse.SERVING)
        self.assertTrue(stream.is_active())
        self.assertEqual(check(channel)(HEALTH.HealthCheckRequest(), timeout=WAIT_S).status,
                         HEALTH.HealthCheckResponse.SERVING)
        stream.cancel()

    def test_a_certificate_that_is_none_changes_nothing(self):
        server, first = self.serve_tls()
        self.write("cert.pem", "no certificate\n")
        server.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "CONFIG_RELOAD_FAILED" in server.log(), "the refusal")
        self.assertEqual(self.check(server, first), HEALTH.HealthCheckResponse.SERVING)

    def test_a_bad_file_changes_nothing_and_a_good_one_what_can_change(self):
        file = self.write("parley.ini", "[log]\nlevel = warn\n")
        server = self.serve("--config", file)
        self.write("parley.ini", "[log]\nlevl = debug\n")
        server.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "CONFIG_RELOAD_FAILED" in server.log(), "the refusal")
        self.write("parley.ini", "[log]\nlevel = info\n[limits]\nstreams = 5\n")
        server.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "CONFIG_RELOADED" in server.log(), "the reload")
        self.assertRegex(server.log(), r"CONFIG_NEEDS_RESTART.*limits\.streams")


class Told(Daemon):
    """What the server tells of itself, after some life in it."""

    def live(self, server):
        self.secret = "what nobody else may read"
        self.token = server.token("alice")
        metadata = [("authorization", "Bearer " + self.token)]
        with grpc.insecure_channel(server.address) as channel:
            create = channel.unary_unary(
                "/parley.v1.ConversationService/CreateConversation",
                CONVERSATION.CreateConversationRequest.SerializeToString)
            create(CONVERSATION.CreateConversationRequest(conversation_id="c"), metadata=metadata,
                   timeout=WAIT_S)
            send = channel.unary_unary("/parley.v1.ChatService/Send",
                                       CHAT.SendRequest.SerializeToString)
            send(CHAT.SendRequest(conversation_id="c", client_message_id="m",
                                  body=self.secret.encode()),
                 metadata=metadata, timeout=WAIT_S)
            for bad in ("Bearer " + self.token[:-3] + "abc", "Basic " + self.token, self.token):
                with self.assertRaises(grpc.RpcError) as refused:
                    send(CHAT.SendRequest(), metadata=[("authorization", bad)], timeout=WAIT_S)
                self.assertEqual(refused.exception.code(), grpc.StatusCode.UNAUTHENTICATED)
                self.assertNotIn(self.token, refused.exception.details())

    def test_metrics_are_good_prometheus(self):
        server = self.serve()
        self.live(server)
        status, text = self.get(server, "/metrics")
        self.assertEqual(status, 200)
        linted = subprocess.run(["promtool", "check", "metrics"], input=text, text=True,
                                capture_output=True, check=False)
        self.assertEqual(linted.returncode, 0, linted.stdout + linted.stderr)
        self.assertEqual(linted.stdout + linted.stderr, "")
        for line in ('parley_calls_total{method="parley.v1.ChatService/Send",code="OK"} 1',
                     'parley_calls_total{method="parley.v1.ChatService/Send",'
                     'code="UNAUTHENTICATED"} 3'):
            self.assertIn(line + "\n", text)

    def test_logs_tell_neither_tokens_nor_messages(self):
        for form in ("text", "json"):
            server = self.serve("--log-level", "debug", "--log-format", form)
            self.live(server)
            self.assertEqual(server.stop(), DONE)
            log = server.log()
            self.assertIn("SERVER_READY", log)
            self.assertIn("SERVER_STOPPED", log)
            for secret in (self.token, self.token.split(".")[2], self.secret):
                self.assertNotIn(secret, log)

    def test_the_addresses_file_is_for_scripts(self):
        server = self.serve()
        with open(self.path("addresses"), encoding="ascii") as file:
            self.assertEqual(file.read(), f"listen={server.address}\nadmin={server.admin}\n")

    def test_many_ask_at_once(self):
        server = self.serve()
        failures = []

        def ask():
            for page in ("/metrics", "/readyz", "/healthz", "/"):
                if self.get(server, page)[0] != 200:
                    failures.append(page)

        threads = [threading.Thread(target=ask) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])


if __name__ == "__main__":
    unittest.main()
