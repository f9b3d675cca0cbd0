# SPDX-License-Identifier: Apache-2.0
"""protos.py MODULE@VERSION FOLDER: the conformance protos out of their Go module, for protoc-gen-c.
It refuses proto3 `optional`, which is a oneof of one field on the wire: so that is what it gets."""
import json
import os
import re
import subprocess
import sys

WANTED = ("config", "service", "client_compat", "server_compat")

module, folder = sys.argv[1:]
told = subprocess.run(["go", "mod", "download", "-json", module], stdout=subprocess.PIPE, check=True)
source = os.path.join(json.loads(told.stdout)["Dir"], "proto/connectrpc/conformance/v1")
target = os.path.join(folder, "connectrpc/conformance/v1")
os.makedirs(target, exist_ok=True)
for name in WANTED:
    with open(os.path.join(source, name + ".proto"), encoding="utf-8") as file:
        text = file.read()
    text = re.sub(r"^( *)optional (\S+) (\w+) = (\d+);", r"\1oneof has_\3 { \2 \3 = \4; }", text,
                  flags=re.MULTILINE)
    with open(os.path.join(target, name + ".proto"), "w", encoding="utf-8") as file:
        file.write(text)
