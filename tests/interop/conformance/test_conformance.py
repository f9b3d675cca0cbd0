# SPDX-License-Identifier: Apache-2.0
"""connectconformance over our server and our client: gRPC over HTTP/2, in the clear, with TLS and with
client certificates, gzip and message limits. There is no list of cases that may fail."""
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

import peer  # noqa: E402

VERSION = os.environ["PARLEY_CONFORMANCE_VERSION"]
HERE = os.path.dirname(os.path.abspath(__file__))

bin_dir = peer.go_install("connectrpc.com/conformance/cmd/connectconformance@" + VERSION)
ok, said = peer.run([peer.need("cmake", "apt-get install cmake"), "--build",
                     os.environ["PARLEY_BUILD"], "--target", "conformance_server",
                     "conformance_client"], timeout_s=900)
if not ok:
    sys.exit(said)

is_good = True
for mode in ("server", "client"):
    done = subprocess.run(
        [os.path.join(bin_dir, "connectconformance"), "--conf", os.path.join(HERE, "config.yaml"),
         "--mode", mode, "--", os.path.join(peer.TESTS, "conformance_" + mode)],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        timeout=600, check=False)
    counts = re.search(r"(\d+) passed, (\d+) failed", done.stdout)
    passed, failed = (int(n) for n in counts.groups()) if counts else (0, 0)
    is_good = is_good and done.returncode == 0 and passed > 0 and failed == 0
    if done.returncode != 0 or failed > 0 or passed == 0:
        print(done.stdout)
    print(f"| connectconformance, {mode} mode | {VERSION} | {passed + failed} | {passed} |")
sys.exit(0 if is_good else 1)
