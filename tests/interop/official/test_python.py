# SPDX-License-Identifier: Apache-2.0
"""Python's grpcio, as Debian packages it: a driver of the official cases against our server, and a
server of the test service for our client. Stubs are generated from Debian's grpc-proto."""
import os
import queue
import sys
import time
from concurrent import futures

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

import peer  # noqa: E402

PROTOS = ["grpc/testing/empty.proto", "grpc/testing/messages.proto", "grpc/testing/test.proto"]

import grpc  # noqa: E402  from the packages, before the folder of stubs that has one of its name

generated = peer.scratch()
ok, said = peer.run([peer.need("protoc", "apt-get install protobuf-compiler"),
                     "-I/usr/share/grpc-proto", f"--python_out={generated}",
                     "--plugin=protoc-gen-grpc_python=" + peer.need(
                         "grpc_python_plugin", "apt-get install protobuf-compiler-grpc"),
                     f"--grpc_python_out={generated}", *PROTOS])
if not ok:
    sys.exit(said)
grpc.__path__.append(os.path.join(generated, "grpc"))

from grpc.testing import empty_pb2, messages_pb2 as pb, test_pb2_grpc  # noqa: E402

REQUEST_SIZES = (27182, 8, 1828, 45904)
RESPONSE_SIZES = (31415, 9, 2653, 58979)
ECHO = (("x-grpc-test-echo-initial", "test_initial_metadata_value"),
        ("x-grpc-test-echo-trailing-bin", b"\xab\xab\xab"))


def payload(size):
    return pb.Payload(body=bytes(size))


def output_request(i):
    return pb.StreamingOutputCallRequest(
        response_parameters=[pb.ResponseParameters(size=RESPONSE_SIZES[i])],
        payload=payload(REQUEST_SIZES[i]))


class Requests:
    """What a stream sends, when it is told to."""

    def __init__(self):
        self.queue = queue.SimpleQueue()

    def send(self, request):
        self.queue.put(request)

    def end(self):
        self.queue.put(None)

    def __iter__(self):
        return iter(self.queue.get, None)


def expect_code(call, code):
    try:
        call()
    except grpc.RpcError as error:
        assert error.code() == code, error
        return error
    raise AssertionError(f"OK instead of {code}")


class Driver:
    """One method a case."""

    def __init__(self, channel):
        self.stub = test_pb2_grpc.TestServiceStub(channel)
        self.unimplemented = test_pb2_grpc.UnimplementedServiceStub(channel)

    def empty_unary(self):
        assert self.stub.EmptyCall(empty_pb2.Empty()) == empty_pb2.Empty()

    def _large(self, **options):
        request = pb.SimpleRequest(response_size=314159, payload=payload(271828))
        for key in ("response_compressed", "expect_compressed"):
            if key in options:
                getattr(request, key).value = options.pop(key)
        return self.stub.UnaryCall(request, **options)

    def large_unary(self):
        assert self._large().payload.body == bytes(314159)

    def client_compressed_unary(self):
        expect_code(lambda: self._large(expect_compressed=True), grpc.StatusCode.INVALID_ARGUMENT)
        assert self._large(expect_compressed=True,
                           compression=grpc.Compression.Gzip).payload.body == bytes(314159)
        assert self._large(expect_compressed=False).payload.body == bytes(314159)

    def server_compressed_unary(self):
        for wish in (True, False):
            assert self._large(response_compressed=wish).payload.body == bytes(314159)

    def client_streaming(self, **options):
        response = self.stub.StreamingInputCall(
            (pb.StreamingInputCallRequest(payload=payload(size)) for size in REQUEST_SIZES),
            **options)
        assert response.aggregated_payload_size == 74922

    def client_compressed_streaming(self):
        self.client_streaming(compression=grpc.Compression.Gzip)

    def _download(self, **wishes):
        request = pb.StreamingOutputCallRequest(response_parameters=[
            pb.ResponseParameters(size=size, **wishes) for size in RESPONSE_SIZES])
        sizes = [len(r.payload.body) for r in self.stub.StreamingOutputCall(request)]
        assert sizes == list(RESPONSE_SIZES), sizes

    def server_streaming(self):
        self._download()

    def server_compressed_streaming(self):
        self._download(compressed=pb.BoolValue(value=True))

    def ping_pong(self):
        requests = Requests()
        responses = self.stub.FullDuplexCall(iter(requests))
        for i in range(4):
            requests.send(output_request(i))
            assert len(next(responses).payload.body) == RESPONSE_SIZES[i]
        requests.end()
        assert not list(responses)

    def empty_stream(self):
        assert not list(self.stub.FullDuplexCall(iter(())))

    def half_duplex(self):
        responses = self.stub.HalfDuplexCall(output_request(i) for i in range(4))
        assert [len(r.payload.body) for r in responses] == list(RESPONSE_SIZES)

    def cancel_after_begin(self):
        requests = Requests()
        call = self.stub.StreamingInputCall.future(iter(requests))
        call.cancel()
        requests.end()
        assert call.cancelled() and call.code() == grpc.StatusCode.CANCELLED

    def cancel_after_first_response(self):
        requests = Requests()
        call = self.stub.FullDuplexCall(iter(requests))
        requests.send(output_request(0))
        next(call)
        call.cancel()
        expect_code(lambda: next(call), grpc.StatusCode.CANCELLED)
        requests.end()

    def timeout_on_sleeping_server(self):
        requests = Requests()
        call = self.stub.FullDuplexCall(iter(requests), timeout=0.001)
        requests.send(pb.StreamingOutputCallRequest(payload=payload(27182)))
        expect_code(lambda: next(call), grpc.StatusCode.DEADLINE_EXCEEDED)
        requests.end()

    def _check_echo(self, call):
        assert dict(call.initial_metadata())[ECHO[0][0]] == ECHO[0][1]
        assert dict(call.trailing_metadata())[ECHO[1][0]] == ECHO[1][1]

    def custom_metadata(self):
        request = pb.SimpleRequest(response_size=1)
        self._check_echo(self.stub.UnaryCall.with_call(request, metadata=ECHO)[1])
        call = self.stub.FullDuplexCall(iter([output_request(0)]), metadata=ECHO)
        assert len(list(call)) == 1
        self._check_echo(call)

    def _status(self, text):
        status = pb.EchoStatus(code=2, message=text)
        unary = pb.SimpleRequest(response_status=status)
        stream = pb.StreamingOutputCallRequest(response_status=status)
        for call in (lambda: self.stub.UnaryCall(unary),
                     lambda: list(self.stub.FullDuplexCall(iter([stream])))):
            assert expect_code(call, grpc.StatusCode.UNKNOWN).details() == text

    def status_code_and_message(self):
        self._status("test status message")

    def special_status_message(self):
        self._status("\t\ntest with whitespace\r\nand Unicode BMP \u263a and non-BMP \U0001f608\t\n")

    def unimplemented_method(self):
        expect_code(lambda: self.stub.UnimplementedCall(empty_pb2.Empty()),
                    grpc.StatusCode.UNIMPLEMENTED)

    def unimplemented_service(self):
        expect_code(lambda: self.unimplemented.UnimplementedCall(empty_pb2.Empty()),
                    grpc.StatusCode.UNIMPLEMENTED)


class Servicer(test_pb2_grpc.TestServiceServicer):
    """What our client is played against. It cannot see whether a message came compressed."""

    @staticmethod
    def _echo(context):
        given = dict(context.invocation_metadata())
        if ECHO[0][0] in given:
            context.send_initial_metadata(((ECHO[0][0], given[ECHO[0][0]]),))
        if ECHO[1][0] in given:
            context.set_trailing_metadata(((ECHO[1][0], given[ECHO[1][0]]),))

    @staticmethod
    def _fail(request, context):
        if request.HasField("response_status"):
            context.set_code(grpc.StatusCode.UNKNOWN)
            context.set_details(request.response_status.message)
            return True
        return False

    def EmptyCall(self, request, context):
        return request

    def UnaryCall(self, request, context):
        self._echo(context)
        if not self._fail(request, context):
            if request.response_compressed.value:
                context.set_compression(grpc.Compression.Gzip)
            return pb.SimpleResponse(payload=payload(request.response_size))
        return pb.SimpleResponse()

    def StreamingInputCall(self, request_iterator, context):
        return pb.StreamingInputCallResponse(
            aggregated_payload_size=sum(len(r.payload.body) for r in request_iterator))

    def StreamingOutputCall(self, request, context):
        for parameters in request.response_parameters:
            time.sleep(parameters.interval_us / 1e6)  # the request says so
            yield pb.StreamingOutputCallResponse(payload=payload(parameters.size))

    def FullDuplexCall(self, request_iterator, context):
        self._echo(context)
        for request in request_iterator:
            if self._fail(request, context):
                return
            yield from self.StreamingOutputCall(request, context)

    def HalfDuplexCall(self, request_iterator, context):
        for request in list(request_iterator):
            yield from self.StreamingOutputCall(request, context)


def read(path):
    with open(path, "rb") as file:
        return file.read()


certs = {name: read(path) for name, path in peer.certificates(peer.scratch()).items()}
folder = peer.scratch()
paths = {}
for file_name, content in certs.items():
    paths[file_name] = os.path.join(folder, file_name)
    with open(paths[file_name], "wb") as out:
        out.write(content)
CASES = [name for name in vars(Driver) if not name.startswith("_")]
OUR_CASES = [name for name in CASES if "compressed" not in name]

suite = peer.Suite("Python (grpcio) client", grpc.__version__)
for kind, options in (("clear", []), ("TLS", ["--use_tls=true",
                                              f"--tls_cert_file={paths['server.pem']}",
                                              f"--tls_key_file={paths['server.key']}"])):
    with peer.our_server(*options) as server:
        target = f"localhost:{server.port}"
        channel = grpc.insecure_channel(target) if kind == "clear" else grpc.secure_channel(
            target, grpc.ssl_channel_credentials(certs["ca.pem"]))
        for name in CASES:
            try:
                getattr(Driver(channel), name)()
                suite.case(f"{kind} {name}", True)
            except (AssertionError, grpc.RpcError, StopIteration) as problem:
                suite.case(f"{kind} {name}", False, repr(problem))
        channel.close()
suite.print()

suite = peer.Suite("Python (grpcio) server", grpc.__version__, after=suite)
for kind, options in (("clear", []), ("TLS", ["--use_tls=true", f"--ca_file={paths['ca.pem']}"])):
    server = grpc.server(futures.ThreadPoolExecutor(8))
    test_pb2_grpc.add_TestServiceServicer_to_server(Servicer(), server)
    port = server.add_insecure_port("127.0.0.1:0") if kind == "clear" else server.add_secure_port(
        "127.0.0.1:0", grpc.ssl_server_credentials([(certs["server.key"], certs["server.pem"])]))
    server.start()
    suite.cases(kind + " ", *peer.our_client(port, "--test_case=" + ",".join(OUR_CASES), *options))
    server.stop(None).wait()
suite.end()
