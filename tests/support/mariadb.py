# SPDX-License-Identifier: Apache-2.0
"""Real MariaDB shards, and parleyd on them, for tests in Python."""
import os
import shutil
import tempfile

from cluster import Cluster
from parleyd import Parleyd

# Tests kill processes, not machines: what a server wrote is safe in the system's memory.
UNSAFE = ("--innodb-flush-method=nosync", "--sync-frm=0", "--sync-binlog=0")


def bucket_of(text):
    """As pl_hash_stable, modulo 4096: FNV-1a and a mixing step."""
    value = 0xcbf29ce484222325
    for byte in text.encode():
        value = ((value ^ byte) * 0x100000001b3) % (1 << 64)
    value ^= value >> 33
    value = value * 0xff51afd7ed558ccd % (1 << 64)
    value ^= value >> 33
    return value % 4096


class Shards(Cluster):
    """shard-0 and so on, in a folder of their own that goes with them; and memcached-0 and so on, and
    replica-0 and so on."""

    def __init__(self, count, options=UNSAFE, memcached=0, has_replicas=False):
        """@param options  of MariaDB itself"""
        folder = tempfile.mkdtemp(prefix="parley-shards-")
        os.chmod(folder, 0o755)  # the servers run as another account
        super().__init__(folder, ["--shards", str(count), "--memcached", str(memcached),
                                  *(["--replicas"] if has_replicas else []),
                                  *[f"--mariadb={option}" for option in options]])
        self.settings = os.path.join(folder, "parleyd.conf")

    def close(self):
        super().close()
        shutil.rmtree(self.folder)


def start_node(bin_dir, shards, name, options=()):
    """A parleyd on these shards. All of them share the key that signs tokens."""
    folder = os.path.join(shards.folder, name)
    os.makedirs(folder)
    node = Parleyd(bin_dir, folder, ["--config", shards.settings, *options])
    node.data = os.path.join(shards.folder, "data")
    return node.start()
