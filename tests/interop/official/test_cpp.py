# SPDX-License-Identifier: Apache-2.0
"""gRPC C++, as Debian packages it, in both roles, with ours."""
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))

import peer  # noqa: E402

SOURCE = os.path.join(HERE, "cpp", "interop.cc")
PROTOS = ["empty", "messages", "test"]
# That server does not look at how a message came.
OUR_CASES = ",".join(["empty_unary", "large_unary", "server_compressed_unary", "client_streaming",
                      "server_streaming", "server_compressed_streaming", "ping_pong",
                      "empty_stream", "half_duplex", "custom_metadata", "status_code_and_message",
                      "special_status_message", "unimplemented_method", "unimplemented_service",
                      "cancel_after_begin", "cancel_after_first_response",
                      "timeout_on_sleeping_server"])


def must(command):
    ok, said = peer.run(command, timeout_s=600)
    if not ok:
        sys.exit(said)
    return said


def build():
    """@return the program, compiled unless it is there already"""
    folder = os.path.join(peer.BUILD, "cpp")
    program = os.path.join(folder, "interop")
    os.makedirs(folder, exist_ok=True)
    if os.path.exists(program) and os.path.getmtime(program) > os.path.getmtime(SOURCE):
        return program
    plugin = peer.need("grpc_cpp_plugin", "apt-get install protobuf-compiler-grpc")
    must([peer.need("protoc", "apt-get install protobuf-compiler"), "-I/usr/share/grpc-proto",
          f"--cpp_out={folder}", f"--plugin=protoc-gen-grpc={plugin}", f"--grpc_out={folder}",
          *(f"grpc/testing/{name}.proto" for name in PROTOS)])
    flags = must([peer.need("pkg-config", "apt-get install pkg-config"), "--cflags", "--libs",
                  "grpc++", "protobuf"]).split()
    sources = [os.path.join(folder, f"grpc/testing/{name}.pb.cc") for name in PROTOS]
    sources.append(os.path.join(folder, "grpc/testing/test.grpc.pb.cc"))
    must([peer.need("g++", "apt-get install g++"), "-std=c++17", "-O0", f"-I{folder}", SOURCE,
          *sources, "-o", program, *flags])
    return program


program = build()
version = subprocess.run(["pkg-config", "--modversion", "grpc++"], stdout=subprocess.PIPE,
                         text=True, check=True).stdout.strip()
certs = peer.certificates(peer.scratch())
server_tls = ["--use_tls=true", f"--tls_cert_file={certs['server.pem']}",
              f"--tls_key_file={certs['server.key']}"]

suite = peer.Suite("gRPC C++ client", version)
for name, server_options, client_options in (("clear", [], []),
                                             ("TLS", server_tls, [certs["ca.pem"]])):
    with peer.our_server(*server_options) as server:
        suite.cases(name + " ", *peer.run([program, "client", str(server.port), *client_options]))
suite.print()

suite = peer.Suite("gRPC C++ server", version, after=suite)
for name, files, client_options in (
        ("clear", [], []),
        ("TLS", [certs["server.pem"], certs["server.key"]],
         ["--use_tls=true", f"--ca_file={certs['ca.pem']}"])):
    with peer.Program([program, "server", *files]) as server:
        suite.cases(name + " ", *peer.our_client(server.port, f"--test_case={OUR_CASES}",
                                                 *client_options))
suite.end()
