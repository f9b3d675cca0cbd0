# SPDX-License-Identifier: Apache-2.0
"""Health and reflection of parleyd as an official client sees them: no token is needed."""
import gzip
import os
import queue
import subprocess
import tempfile
import threading
import unittest

import grpc
from google.protobuf import descriptor_pb2

from daemon import ROOT, Daemon, load_protos

# Debian's file of health has no List.
(HEALTH,) = load_protos("grpc/health/v1/health.proto",
                        include=os.path.join(ROOT, "server", "services", "builtin", "proto"))
V1, V1ALPHA = load_protos("grpc/reflection/v1/reflection.proto",
                          "grpc/reflection/v1alpha/reflection.proto")
SERVING = HEALTH.HealthCheckResponse.SERVING
NOT_SERVING = HEALTH.HealthCheckResponse.NOT_SERVING
SERVICE_UNKNOWN = HEALTH.HealthCheckResponse.SERVICE_UNKNOWN
WAIT_S = 20


class Builtin(Daemon):
    def setUp(self):
        super().setUp()
        self.server = self.serve("--drain-grace-ms", "500")
        self.channel = grpc.insecure_channel(self.server.address)
        self.addCleanup(self.channel.close)


class Health(Builtin):
    def setUp(self):
        super().setUp()
        self.check = self.channel.unary_unary(
            "/grpc.health.v1.Health/Check", HEALTH.HealthCheckRequest.SerializeToString,
            HEALTH.HealthCheckResponse.FromString)
        self.watch = self.channel.unary_stream(
            "/grpc.health.v1.Health/Watch", HEALTH.HealthCheckRequest.SerializeToString,
            HEALTH.HealthCheckResponse.FromString)

    def test_h1_check_tells_of_the_server_and_of_each_service(self):
        for name in ("", "parley.v1.ChatService", "parley.v1.ConversationService"):
            answer = self.check(HEALTH.HealthCheckRequest(service=name), timeout=WAIT_S)
            self.assertEqual(answer.status, SERVING, name)

    def test_h1_check_of_a_service_that_is_not_there_is_not_found(self):
        with self.assertRaises(grpc.RpcError) as refused:
            self.check(HEALTH.HealthCheckRequest(service="no.Such"), timeout=WAIT_S)
        self.assertEqual(refused.exception.code(), grpc.StatusCode.NOT_FOUND)

    def test_h3_list_tells_of_all_at_once(self):
        listed = self.channel.unary_unary(
            "/grpc.health.v1.Health/List", HEALTH.HealthListRequest.SerializeToString,
            HEALTH.HealthListResponse.FromString)
        statuses = listed(HEALTH.HealthListRequest(), timeout=WAIT_S).statuses
        self.assertEqual({name: status.status for name, status in statuses.items()
                          if name != "grpc.health.v1.Health"},
                         {"": SERVING, "parley.v1.ChatService": SERVING,
                          "parley.v1.ConversationService": SERVING})

    def follow(self, name):
        """@return a queue of the statuses that Watch tells, and of the code that ends it"""
        told = queue.Queue()
        stream = self.watch(HEALTH.HealthCheckRequest(service=name))

        def read():
            try:
                for answer in stream:
                    told.put(answer.status)
                told.put(stream.code())
            except grpc.RpcError as error:
                told.put(error.code())

        thread = threading.Thread(target=read)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(stream.cancel)
        return told

    def test_h2_watch_tells_at_once_and_again_in_the_drain(self):
        known = self.follow("")
        unknown = self.follow("no.Such")
        self.assertEqual(known.get(timeout=WAIT_S), SERVING)
        self.assertEqual(unknown.get(timeout=WAIT_S), SERVICE_UNKNOWN)
        self.assertTrue(unknown.empty(), "the stream of an unknown service stays open")
        self.assertEqual(self.server.stop(), 0)
        self.assertEqual(known.get(timeout=WAIT_S), NOT_SERVING)
        self.assertEqual(known.get(timeout=WAIT_S), grpc.StatusCode.UNAVAILABLE)
        self.assertEqual(unknown.get(timeout=WAIT_S), grpc.StatusCode.UNAVAILABLE)


class Reflection(Builtin):
    VERSIONS = (V1, V1ALPHA)

    def ask(self, protos, *requests):
        call = self.channel.stream_stream(
            f"/{protos.DESCRIPTOR.package}.ServerReflection/ServerReflectionInfo",
            protos.ServerReflectionRequest.SerializeToString,
            protos.ServerReflectionResponse.FromString)
        return list(call(iter(protos.ServerReflectionRequest(host="h", **request)
                              for request in requests), timeout=WAIT_S))

    @staticmethod
    def files(*answers):
        return [descriptor_pb2.FileDescriptorProto.FromString(file)
                for answer in answers
                for file in answer.file_descriptor_response.file_descriptor_proto]

    def test_v1_it_lists_the_services(self):
        for protos in self.VERSIONS:
            answer, = self.ask(protos, {"list_services": "*"})
            names = {service.name for service in answer.list_services_response.service}
            self.assertLessEqual({"grpc.health.v1.Health", "parley.v1.ChatService",
                                  "parley.v1.ConversationService",
                                  "grpc.reflection.v1.ServerReflection",
                                  "grpc.reflection.v1alpha.ServerReflection"}, names)
            self.assertEqual(answer.valid_host, "h")
            self.assertEqual(answer.original_request.list_services, "*")

    def test_v1_a_symbol_of_any_kind_leads_to_its_file_and_what_that_imports(self):
        for protos in self.VERSIONS:
            for symbol in ("parley.v1.ChatService", "parley.v1.ChatService.Send",
                           "parley.v1.SendRequest"):
                answer, = self.ask(protos, {"file_containing_symbol": symbol})
                files = self.files(answer)
                names = {file.name for file in files}
                self.assertIn("parley/v1/chat_service.proto", names, symbol)
                for file in files:
                    self.assertLessEqual(set(file.dependency), names, symbol)

    def test_v1_a_file_is_found_by_name_and_each_answer_is_whole(self):
        for protos in self.VERSIONS:
            wanted = ("parley/v1/chat_service.proto", "parley/v1/conversation_service.proto")
            answers = self.ask(protos, *({"file_by_filename": name} for name in wanted))
            self.assertEqual(len(answers), len(wanted))
            for answer, name in zip(answers, wanted):
                names = [file.name for file in self.files(answer)]
                self.assertEqual(sorted(set(names)), sorted(names))
                self.assertLessEqual({name, "parley/v1/event.proto"}, set(names))

    def test_v1_what_is_not_there_is_an_answer_and_not_the_end(self):
        for protos in self.VERSIONS:
            answers = self.ask(protos, {"file_by_filename": "no.proto"},
                               {"file_containing_symbol": "no.Such"}, {"list_services": ""})
            self.assertEqual([answer.error_response.error_code for answer in answers],
                             [grpc.StatusCode.NOT_FOUND.value[0]] * 2 + [0])


class Compression(Daemon):
    """As curl sees it: an official client does not tell how a message came."""

    def ask(self, server, *headers):
        """A file by reflection. @return (headers, body) of the answer"""
        request = V1.ServerReflectionRequest(
            file_by_filename="parley/v1/chat_service.proto").SerializeToString()
        with tempfile.TemporaryDirectory() as folder:
            body = os.path.join(folder, "body")
            with open(body, "wb") as file:
                file.write(b"\0" + len(request).to_bytes(4, "big") + request)
            told = subprocess.run(
                ["curl", "-s", "--http2-prior-knowledge", "-D", os.path.join(folder, "headers"),
                 "-H", "content-type: application/grpc", "-H", "te: trailers",
                 *(part for header in headers for part in ("-H", header)),
                 "--data-binary", "@" + body,
                 f"http://{server.address}/grpc.reflection.v1.ServerReflection/"
                 "ServerReflectionInfo"], stdout=subprocess.PIPE, check=True, timeout=WAIT_S)
            with open(os.path.join(folder, "headers"), encoding="ascii") as file:
                return file.read(), told.stdout

    def test_answers_are_gzipped_if_the_setting_and_the_client_say_so(self):
        server = self.serve("--connection-compress")
        plain_headers, plain = self.ask(server)
        headers, body = self.ask(server, "grpc-accept-encoding: identity, deflate, gzip")
        self.assertNotIn("grpc-encoding", plain_headers)
        self.assertIn("grpc-encoding: gzip", headers)
        self.assertEqual((plain[0], body[0]), (0, 1))
        self.assertEqual(len(body), 5 + int.from_bytes(body[1:5], "big"))
        self.assertEqual(gzip.decompress(body[5:]), plain[5:])
        self.assertLess(len(body), len(plain))

    def test_nothing_is_gzipped_by_default(self):
        headers, body = self.ask(self.serve(), "grpc-accept-encoding: gzip")
        self.assertNotIn("grpc-encoding", headers)
        self.assertEqual(body[0], 0)


if __name__ == "__main__":
    unittest.main()
