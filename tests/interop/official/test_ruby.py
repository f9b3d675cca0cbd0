# SPDX-License-Identifier: Apache-2.0
"""The interop client and server that Debian's ruby-grpc ships, unchanged, with ours."""
import glob
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

import peer  # noqa: E402

CASES = ["empty_unary", "large_unary", "client_compressed_unary", "client_streaming",
         "client_compressed_streaming", "server_streaming", "ping_pong", "empty_stream",
         "timeout_on_sleeping_server", "cancel_after_begin", "cancel_after_first_response",
         "unimplemented_method", "unimplemented_service", "status_code_and_message",
         "custom_metadata"]
# That server knows no half duplex and does not look at compression.
OUR_CASES = ",".join(["empty_unary", "large_unary", "client_streaming", "server_streaming",
                      "ping_pong", "empty_stream", "status_code_and_message",
                      "unimplemented_method", "unimplemented_service", "cancel_after_begin",
                      "cancel_after_first_response", "timeout_on_sleeping_server"])

ruby = peer.need("ruby", "apt-get install ruby-grpc")
found = glob.glob("/usr/lib/*/rubygems-integration/*/gems/grpc-*/src/ruby/pb/test/client.rb")
if not found:
    sys.exit("ruby-grpc's interop client is missing: apt-get install ruby-grpc")
programs = os.path.dirname(found[0])
data = os.path.join(programs, "..", "..", "spec", "testdata")
version = found[0].split("/gems/grpc-")[1].split("/")[0]
server_tls = ["--use_tls=true", f"--tls_cert_file={data}/server1.pem",
              f"--tls_key_file={data}/server1.key"]
client_tls = ["--use_tls=true", "--use_test_ca=true", "--server_host_override=foo.test.google.fr"]

suite = peer.Suite("Ruby client", version)
for name, server_options, client_options in (("clear", [], []), ("TLS", server_tls, client_tls)):
    with peer.our_server(*server_options) as server:
        for case in CASES:
            ok, said = peer.run([ruby, os.path.join(programs, "client.rb"),
                                 "--server_host=localhost", f"--server_port={server.port}",
                                 f"--test_case={case}", *client_options])
            suite.case(f"{name} {case}", ok and "FAIL" not in said, said)
suite.print()

suite = peer.Suite("Ruby server", version, after=suite)
for name, server_options, client_options in (
        ("clear", [], []),
        ("TLS", ["--use_tls=true"],
         ["--use_tls=true", f"--ca_file={data}/ca.pem",
          "--server_host_override=foo.test.google.fr"])):
    port = peer.free_port()
    with peer.Program([ruby, os.path.join(programs, "server.rb"), f"--port={port}",
                       *server_options], port=port):
        suite.cases(name + " ", *peer.our_client(port, f"--test_case={OUR_CASES}",
                                                 *client_options))
suite.end()
