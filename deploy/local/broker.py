# SPDX-License-Identifier: Apache-2.0
"""The bus: one NATS server, or one RabbitMQ with its name server (epmd), all in the folder."""
import glob
import os

import process

PROGRAMS = {"nats": "nats-server", "rabbitmq": "rabbitmq-server"}
SCHEMES = {"nats": "nats", "rabbitmq": "amqp"}


def make(kind):
    """@return servers, to be started in this order"""
    broker = {"name": kind, "kind": "broker", "bus": kind, "port": process.free_port()}
    if kind == "nats":
        return [broker]
    names = {"name": "epmd", "kind": "names", "port": process.free_port()}
    return [names, {**broker, "distribution": process.free_port(), "names": names["port"]}]


def url(broker):
    return f"{SCHEMES[broker['bus']]}://127.0.0.1:{broker['port']}"


def start_names(folder, server):
    """Erlang would start one of its own, which nobody stops. @return when it is ready"""
    process.start(server, [process.program("epmd"), "-address", "127.0.0.1", "-port",
                           str(server["port"])], os.path.join(folder, "epmd.log"))
    return lambda: process.answers(server["port"])


def environment(place, broker):
    """Nothing outside of the folder, no plugin, one scheduler that does not spin."""
    paths = {"HOME": "", "RABBITMQ_MNESIA_BASE": "mnesia", "RABBITMQ_LOG_BASE": "log",
             "RABBITMQ_CONFIG_FILE": "rabbitmq", "RABBITMQ_ENABLED_PLUGINS_FILE": "plugins",
             "RABBITMQ_PID_FILE": "pid", "RABBITMQ_GENERATED_CONFIG_DIR": "config",
             "RABBITMQ_FEATURE_FLAGS_FILE": "flags"}
    return {**os.environ, **{name: os.path.join(place, file) for name, file in paths.items()},
            "RABBITMQ_NODENAME": "parley@localhost",
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(broker["port"]),
            "RABBITMQ_DIST_PORT": str(broker["distribution"]),
            "ERL_EPMD_PORT": str(broker["names"]), "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS":
                "-kernel inet_dist_use_interface {127,0,0,1} +S 1:1 +sbwt none"}


def prepare_rabbitmq(place):
    cookie = os.path.join(place, ".erlang.cookie")
    os.makedirs(place, exist_ok=True)
    if not os.path.exists(cookie):
        with open(os.open(cookie, os.O_WRONLY | os.O_CREAT, 0o400), "w", encoding="ascii") as file:
            file.write(os.urandom(16).hex())
        with open(os.path.join(place, "plugins"), "w", encoding="ascii") as file:
            file.write("[].\n")


def start(folder, broker):
    """@return when it is ready"""
    place = os.path.join(folder, broker["name"])
    if broker["bus"] == "nats":
        process.start(broker, [process.program("nats-server"), "-a", "127.0.0.1", "-p",
                               str(broker["port"])], place + ".log")
    else:
        prepare_rabbitmq(place)
        # The one of /usr/sbin changes the account.
        programs = glob.glob("/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server")
        process.start(broker, programs[:1] or [process.program("rabbitmq-server")], place + ".log",
                      environment(place, broker))
    return lambda: process.answers(broker["port"])
