# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing is imported while latencies are measured: an import holds up every probe that is under way."""

from __future__ import annotations

import subprocess
import sys

from tests.conftest import ROOT

_PROBING = """
import asyncio, sys
import tests.testbed
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.network import AsyncNetwork
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import SystemClock
from ansible_collections.evenkeel.ops.plugins.module_utils.health.probe import Pace, probe_all
from ansible_collections.evenkeel.ops.plugins.module_utils.health.targets import read_targets

targets = read_targets([{**target, "timeout": "5s"} for target in TARGETS])
network = AsyncNetwork()
network.prepare({target.kind for target in targets})
before = set(sys.modules)
taken = asyncio.run(probe_all(targets, network, clock=SystemClock(), pace=Pace()))
assert all(not sample.good for samples in taken.values() for sample in samples)
LIBRARIES = ("psycopg", "psycopg_binary", "dns", "redis", "h2", "websockets", "aiosmtplib", "ldap3", "pyasn1", "asyncssh", "pymysql",
             "pamqp", "kubernetes", "prometheus_client", "grpc")
loaded = {name for name in sys.modules if name.partition(".")[0] in LIBRARIES}
print(sorted(loaded - before), sorted(loaded))
"""
CLOSED = {"host": "127.0.0.1", "port": 1}
KINDS = [
    {"name": "db", "kind": "postgresql", **CLOSED}, {"name": "cache", "kind": "redis", **CLOSED}, {"name": "web", "url": "http://127.0.0.1:1/"},
    {"name": "name", "kind": "dns", "host": "a.example", "resolver": "127.0.0.1:1"}, {"name": "rpc", "kind": "grpc", **CLOSED},
    {"name": "page", "kind": "prometheus", "url": "http://127.0.0.1:1/", "metrics": {"up": 1}}, {"name": "ws", "url": "ws://127.0.0.1:1/"},
    {"name": "mail", "kind": "smtp", **CLOSED}, {"name": "tree", "kind": "ldap", **CLOSED}, {"name": "shell", "kind": "ssh", **CLOSED},
    {"name": "orders", "kind": "mysql", **CLOSED}, {"name": "queue", "kind": "rabbitmq", **CLOSED},
]


def probing(targets):
    """What is imported while probes are under way, and all libraries that were."""
    code = _PROBING.replace("TARGETS", repr(targets), 1)
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, text=True, capture_output=True, timeout=300, check=False)
    return done.stdout.strip() or done.stderr[-2000:]


def test_clients_are_imported_before_the_first_probe():
    assert probing(KINDS).startswith("[] ['"), probing(KINDS)


def test_probes_of_http_tcp_and_redis_import_no_client():
    targets = [one for one in KINDS if one["name"] in ("web", "cache")] + [{"name": "tcp", "kind": "tcp", **CLOSED}]
    assert probing(targets) == "[] []"
