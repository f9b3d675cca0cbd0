# SPDX-License-Identifier: Apache-2.0
"""Before the nodes: HAProxy, with the configuration of deploy/haproxy, and Prometheus, which asks all
of them."""
import os
import subprocess

import process

HERE = os.path.dirname(os.path.realpath(__file__))
CONFIG = os.path.join(os.path.dirname(HERE), "haproxy", "parley.cfg")


def make():
    return [{"name": "haproxy", "kind": "balancer", "port": process.free_port(),
             "tls": process.free_port(), "metrics": process.free_port()},
            {"name": "prometheus", "kind": "monitor", "port": process.free_port()}]


def port_of(address):
    return address.rpartition(":")[2]


def make_certificate(folder):
    """For localhost, signed by itself. @return certificate and key in one file; the certificate"""
    pem, ca = os.path.join(folder, "haproxy.pem"), os.path.join(folder, "ca.pem")
    if not os.path.exists(ca):
        key = pem + ".key"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-days", "365", "-subj",
                        "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                        "-keyout", key, "-out", ca], check=True, stderr=subprocess.DEVNULL)
        with open(os.open(pem, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as file:
            for part in (ca, key):
                with open(part, encoding="ascii") as text:
                    file.write(text.read())
        os.unlink(key)
    return pem, ca


def start_balancer(folder, server, nodes):
    """@return when it is ready"""
    names = os.path.join(folder, "nodes.cfg")
    with open(names, "w", encoding="ascii") as file:
        file.write("backend parley from parley\n    balance leastconn\n")
        for node in nodes:
            file.write(f"    server {node['name']} {node['listen']} check port "
                       f"{port_of(node['admin'])}\n")
    pem, _ = make_certificate(folder)
    environment = {**os.environ, "LB_H2C": f"127.0.0.1:{server['port']}",
                   "LB_TLS": f"127.0.0.1:{server['tls']}", "LB_CERT": pem,
                   "LB_METRICS": f"127.0.0.1:{server['metrics']}",
                   "LB_SOCKET": os.path.join(folder, "haproxy.sock")}
    process.start(server, [process.program("haproxy"), "-db", "-f", CONFIG, "-f", names],
                  os.path.join(folder, "haproxy.log"), environment)
    return lambda: process.answers(server["port"])


def start_monitor(folder, server, nodes, balancers):
    """@return when it is ready"""
    config = os.path.join(folder, "prometheus.yml")
    targets = ", ".join(f"'{node['admin']}'" for node in nodes)
    proxies = ", ".join(f"'127.0.0.1:{balancer['metrics']}'" for balancer in balancers)
    with open(config, "w", encoding="ascii") as file:
        file.write("global: {scrape_interval: 5s}\nscrape_configs:\n"
                   f"- {{job_name: parley, static_configs: [{{targets: [{targets}]}}]}}\n"
                   f"- {{job_name: haproxy, static_configs: [{{targets: [{proxies}]}}]}}\n")
    process.start(server, [process.program("prometheus"), f"--config.file={config}",
                           f"--storage.tsdb.path={folder}/prometheus",
                           f"--web.listen-address=127.0.0.1:{server['port']}"],
                  os.path.join(folder, "prometheus.log"))
    return lambda: process.answers(server["port"])
