# SPDX-License-Identifier: Apache-2.0
"""Shards: MariaDB servers, each with its own data folder, copied from one template; and a replica of
each, if it is to have one."""
import os
import pwd
import secrets
import shutil
import subprocess

import process

USER = "parley"
DATABASE = "parley"


def account():
    """The account that the servers run as. MariaDB refuses to run as root."""
    return "mysql" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name


def check_reachable(folder):
    """@raise Failed: the servers' account cannot come to the folder."""
    if account() != "mysql":
        return
    path = os.path.abspath(folder)
    while path != "/":
        if not os.stat(path).st_mode & 0o001:
            raise process.Failed(f"{path} must be open to all for passing through (chmod o+x): "
                                 "MariaDB runs as the account mysql")
        path = os.path.dirname(path)


def make_tmpdir(place):
    """Of one server alone: when one starts, it deletes the temporary tables of all that share it."""
    tmpdir = place + ".tmp"
    os.makedirs(tmpdir, exist_ok=True)
    shutil.chown(tmpdir, account())
    return tmpdir


def run_maker(argv, sql=None):
    made = subprocess.run(argv, input=sql, stdin=subprocess.DEVNULL if sql is None else None,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if made.returncode != 0:
        raise process.Failed("no template of a data folder can be made:\n" + made.stdout[-2000:])


def make_template(folder):
    """A data folder with our database and account, made once; a shard is a copy of it."""
    template = os.path.join(folder, "template")
    if os.path.isdir(template):
        return template
    making = template + ".making"
    shutil.rmtree(making, ignore_errors=True)
    # The small log only makes the copy small: each server sets its own.
    common = [f"--user={account()}", f"--datadir={making}", f"--tmpdir={make_tmpdir(making)}",
              "--innodb-log-file-size=8M"]
    run_maker([process.program("mariadb-install-db"), "--no-defaults", "--skip-test-db",
               "--auth-root-authentication-method=normal"] + common)
    _, password = make_credentials(folder)
    run_maker([process.program("mariadbd"), "--no-defaults", "--bootstrap"] + common,
              "FLUSH PRIVILEGES;\n"  # until then a bootstrapping server knows no accounts
              f"CREATE DATABASE {DATABASE};\n"
              f"CREATE USER {USER}@'127.0.0.1' IDENTIFIED BY '{password}';\n"
              f"GRANT ALL ON `{DATABASE}%`.* TO {USER}@'127.0.0.1';\n"
              f"GRANT REPLICATION SLAVE, REPLICATION SLAVE ADMIN ON *.* TO {USER}@'127.0.0.1';\n")
    os.rename(making, template)
    return template


def write_private(path, text):
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w",
              encoding="utf-8") as file:
        file.write(text)


def make_credentials(folder):
    """@return the file that parleyd reads its name and password from; the password"""
    path = os.path.join(folder, "credentials")
    if not os.path.exists(path):
        write_private(path, f"user = {USER}\npassword = {secrets.token_hex(16)}\n")
    with open(path, encoding="utf-8") as file:
        fields = dict(line.strip().split(" = ", 1) for line in file)
    return path, fields["password"]


def make_server(folder, kind, index):
    return {"name": f"{kind}-{index}", "kind": kind, "port": process.free_port(),
            "datadir": os.path.join(folder, f"{kind}-{index}"), "index": index}


def make_shard(folder, index):
    return make_server(folder, "shard", index)


def make_replica(folder, shard):
    return dict(make_server(folder, "replica", shard["index"]), source=shard["port"])


def replica_options(folder, replica):
    """It begins as the same copy as its shard, and takes all that the shard ever did."""
    _, password = make_credentials(folder)
    path = replica["datadir"] + ".sql"
    write_private(path, f"STOP SLAVE;\nCHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_USER='{USER}',"
                        f" MASTER_PORT={replica['source']}, MASTER_PASSWORD='{password}',"
                        " MASTER_CONNECT_RETRY=1, MASTER_USE_GTID=slave_pos;\nSTART SLAVE;\n")
    shutil.chown(path, account())
    return [f"--server-id={replica['index'] + 1001}", f"--init-file={path}", "--read-only",
            "--relay-log=relay", "--slave-net-timeout=10"]


def start_server(folder, server, options):
    """@param options  more of MariaDB's own, e.g. --innodb-buffer-pool-size=1G
    @return when it is ready"""
    place = server["datadir"]
    if not os.path.isdir(place):
        copy = place + ".copying"
        shutil.rmtree(copy, ignore_errors=True)
        subprocess.run(["cp", "-a", "--reflink=auto", make_template(folder), copy], check=True)
        os.rename(copy, place)
    argv = [process.program("mariadbd"), "--no-defaults", f"--user={account()}", f"--datadir={place}",
            f"--tmpdir={make_tmpdir(place)}",
            f"--socket={place}/socket", f"--pid-file={place}/pid", "--bind-address=127.0.0.1",
            f"--port={server['port']}", f"--server-id={server['index'] + 1}",
            "--skip-name-resolve", "--performance-schema=OFF", "--innodb-buffer-pool-size=128M",
            "--innodb-log-file-size=64M", "--innodb-flush-log-at-trx-commit=1",
            # Without them a commit can be seen before it is safe: storage/mysql/durable.h
            "--log-bin=binlog", "--sync-binlog=1", "--binlog-format=ROW",
            "--binlog-row-image=MINIMAL"]
    argv += (replica_options(folder, server) if "source" in server else []) + options
    process.start(server, argv, place + ".log")
    # It has its port by the time it opens this socket. At the port somebody else could answer.
    return lambda: process.listens_at(f"{place}/socket")
