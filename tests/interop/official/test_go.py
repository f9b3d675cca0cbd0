# SPDX-License-Identifier: Apache-2.0
"""grpc-go's own interop client and server, built from its module, with ours."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

import peer  # noqa: E402

VERSION = "v1.85.0"
# It knows no compression and no half duplex.
CASES = ["empty_unary", "large_unary", "client_streaming", "server_streaming", "ping_pong",
         "empty_stream", "timeout_on_sleeping_server", "cancel_after_begin",
         "cancel_after_first_response", "status_code_and_message", "special_status_message",
         "custom_metadata", "unimplemented_method", "unimplemented_service"]

bin_dir = peer.go_install("google.golang.org/grpc/interop/client@" + VERSION,
                          "google.golang.org/grpc/interop/server@" + VERSION)
certs = peer.certificates(peer.scratch())
tls = {"server": ["--use_tls=true", f"--tls_cert_file={certs['server.pem']}",
                  f"--tls_key_file={certs['server.key']}"],
       "client": ["--use_tls=true", f"--ca_file={certs['ca.pem']}"]}

suite = peer.Suite("grpc-go client", VERSION)
for name, server_options, client_options in (("clear", [], []),
                                             ("TLS", tls["server"], tls["client"])):
    with peer.our_server(*server_options) as server:
        for case in CASES:
            suite.case(f"{name} {case}", *peer.run(
                [os.path.join(bin_dir, "client"), "-server_host=localhost",
                 f"-server_port={server.port}", f"-test_case={case}", "-use_test_ca=true", *client_options]))
suite.print()

suite = peer.Suite("grpc-go server", VERSION, after=suite)
for name, server_options, client_options in (("clear", [], []),
                                             ("TLS", tls["server"], tls["client"])):
    port = peer.free_port()
    with peer.Program([os.path.join(bin_dir, "server"), f"-port={port}", *server_options],
                      port=port):
        suite.cases(name + " ", *peer.our_client(port, "--test_case=" + ",".join(CASES),
                                                 *client_options))
suite.end()
