# SPDX-License-Identifier: Apache-2.0
"""Our client and our server play the official cases with each other, in the clear and over TLS."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

import peer  # noqa: E402

certs = peer.certificates(peer.scratch())
server_tls = ["--use_tls=true", f"--tls_cert_file={certs['server.pem']}",
              f"--tls_key_file={certs['server.key']}"]
client_tls = ["--use_tls=true", f"--ca_file={certs['ca.pem']}"]

suite = peer.Suite("ours with ours", "this tree")
for name, server_options, client_options in (("clear", [], []), ("TLS", server_tls, client_tls)):
    with peer.our_server(*server_options) as server:
        suite.cases(name + " ", *peer.our_client(server.port, *client_options))
suite.end()
