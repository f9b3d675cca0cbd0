# SPDX-License-Identifier: Apache-2.0
"""@grpc/grpc-js in both roles and connect-node as a client, with ours. The packages are pinned in
node/package-lock.json and installed into the build folder."""
import os
import shutil
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))

import peer  # noqa: E402

# That server does not look at compression.
OUR_CASES = ",".join(["empty_unary", "large_unary", "client_streaming", "server_streaming",
                      "ping_pong", "empty_stream", "half_duplex", "custom_metadata",
                      "status_code_and_message", "special_status_message", "unimplemented_method",
                      "unimplemented_service", "cancel_after_begin", "cancel_after_first_response",
                      "timeout_on_sleeping_server"])
SCRIPTS = ("cases.js", "grpc_js.js", "connect.js")
LISTS = ("package.json", "package-lock.json")


def read(path):
    if not os.path.exists(path):
        return ""
    with open(path, encoding="utf-8") as file:
        return file.read()


def install():
    """The pinned packages beside our scripts. @return their folder"""
    peer.need("npm", "apt-get install npm")
    folder = os.path.join(peer.BUILD, "node")
    os.makedirs(folder, exist_ok=True)
    for name in SCRIPTS + LISTS:
        shutil.copy(os.path.join(HERE, "node", name), folder)
    done = os.path.join(folder, "installed")
    wanted = "".join(read(os.path.join(folder, name)) for name in LISTS)
    if read(done) != wanted:
        ok, said = peer.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
                            timeout_s=600, cwd=folder)
        if not ok:
            sys.exit("npm ci fails:\n" + said)
        with open(done, "w", encoding="utf-8") as file:
            file.write(wanted)
    return folder


def version(package):
    return read(os.path.join(folder, "node_modules", package, "package.json")).split(
        '"version": "')[1].split('"')[0]


folder = install()
node = peer.need("node", "npm is here, Node.js is not")
certs = peer.certificates(peer.scratch())
descriptors = os.path.join(peer.scratch(), "test.binpb")
ok, said = peer.run([peer.need("protoc", "apt-get install protobuf-compiler"),
                     "-I/usr/share/grpc-proto", "--include_imports", "-o", descriptors,
                     "grpc/testing/test.proto"])
if not ok:
    sys.exit(said)
WAYS = (("clear", [], [], []),
        ("TLS", ["--use_tls=true", f"--tls_cert_file={certs['server.pem']}",
                 f"--tls_key_file={certs['server.key']}"], [certs["ca.pem"]],
         ["--use_tls=true", f"--ca_file={certs['ca.pem']}"]))

suite = None
for title, package, script, arguments in (
        ("grpc-js client", "@grpc/grpc-js", "grpc_js.js", ["client"]),
        ("connect-node client", "@connectrpc/connect-node", "connect.js", [descriptors])):
    suite = peer.Suite(title, version(package), after=suite)
    for name, server_options, client_options, _ in WAYS:
        with peer.our_server(*server_options) as server:
            suite.cases(name + " ", *peer.run([node, script, *arguments, str(server.port),
                                               *client_options], cwd=folder))
    suite.print()

suite = peer.Suite("grpc-js server", version("@grpc/grpc-js"), after=suite)
for name, server_options, _, client_options in WAYS:
    files = [certs["server.pem"], certs["server.key"]] if server_options else []
    with peer.Program([node, "grpc_js.js", "server", *files], cwd=folder) as server:
        suite.cases(name + " ", *peer.our_client(server.port, f"--test_case={OUR_CASES}",
                                                 *client_options))
suite.end()
