# SPDX-License-Identifier: Apache-2.0
"""grpc-java's own interop client, over Netty and over OkHttp (Android's), and its server, with ours.
They come from Maven, pinned in java/pom.xml, into the build folder."""
import os
import re
import shutil
import sys
import zipfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))

import peer  # noqa: E402

POM = os.path.join(HERE, "java", "pom.xml")
CASES = ["empty_unary", "large_unary", "client_compressed_unary", "server_compressed_unary",
         "client_streaming", "client_compressed_streaming", "server_streaming",
         "server_compressed_streaming", "ping_pong", "empty_stream", "custom_metadata",
         "status_code_and_message", "special_status_message", "unimplemented_method",
         "unimplemented_service", "cancel_after_begin", "cancel_after_first_response",
         "timeout_on_sleeping_server"]
# Its server does not look at how a message came, compresses no stream, and plays half duplex.
NOT_OURS = {"client_compressed_unary", "client_compressed_streaming", "server_compressed_streaming"}
OUR_CASES = ",".join([case for case in CASES if case not in NOT_OURS] + ["half_duplex"])


def install():
    """The pinned jars, fetched once. @return (their folder, their version)"""
    for tool in ("java", "mvn"):
        if shutil.which(tool) is None:
            peer.leave_out(tool, "grpc-interop-testing")
    with open(POM, encoding="utf-8") as file:
        pom = file.read()
    folder = os.path.join(peer.BUILD, "java")
    done = os.path.join(folder, "pom.xml")
    if not os.path.exists(done) or open(done, encoding="utf-8").read() != pom:
        shutil.rmtree(folder, ignore_errors=True)
        ok, said = peer.run(["mvn", "--batch-mode", "--quiet", "--file", POM,
                             "dependency:copy-dependencies", "-DincludeScope=runtime",
                             "-DoutputDirectory=" + folder], timeout_s=600)
        if not ok:
            sys.exit("mvn dependency:copy-dependencies fails:\n" + said)
        shutil.copy(POM, done)
    return folder, re.search(r"grpc-interop-testing\D*([\d.]+)", pom).group(1)


def certificates(jars, version):
    """Those that its programs know as the test CA's. @return the folder that they are in"""
    folder = peer.scratch()
    with zipfile.ZipFile(os.path.join(jars, f"grpc-testing-{version}.jar")) as jar:
        for name in ("ca.pem", "server1.pem", "server1.key"):
            with open(os.path.join(folder, name), "wb") as file:
                file.write(jar.read("certs/" + name))
    return folder


jars, version = install()
certs = certificates(jars, version)
java = ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", os.path.join(jars, "*")]
package = "io.grpc.testing.integration."
name = "--server_host_override=foo.test.google.fr"
our_tls = {"server": ["--use_tls=true", f"--tls_cert_file={certs}/server1.pem",
                      f"--tls_key_file={certs}/server1.key"],
           "client": ["--use_tls=true", f"--ca_file={certs}/ca.pem", name]}
java_tls = ["--use_tls=true", "--use_test_ca=true", name]
clear = ["--use_tls=false"]

suite = None
for transport, options in (("Netty", []), ("OkHttp", ["--use_okhttp=true"])):
    suite = peer.Suite(f"grpc-java client, {transport}", version, after=suite)
    for security, server_options, client_options in (("clear", [], clear),
                                                     ("TLS", our_tls["server"], java_tls)):
        with peer.our_server(*server_options) as server:
            for case in CASES:
                suite.case(f"{transport} {security} {case}", *peer.run(
                    [*java, package + "TestServiceClient", "--server_host=localhost",
                     f"--server_port={server.port}", f"--test_case={case}", *options,
                     *client_options]))
    suite.print()

suite = peer.Suite("grpc-java server", version, after=suite)
for security, server_options, client_options in (("clear", clear, []),
                                                 ("TLS", ["--use_tls=true"], our_tls["client"])):
    port = peer.free_port()
    with peer.Program([*java, package + "TestServiceServer", f"--port={port}", *server_options],
                      port=port):
        suite.cases(security + " ", *peer.our_client(port, "--test_case=" + OUR_CASES,
                                                     *client_options))
suite.end()
