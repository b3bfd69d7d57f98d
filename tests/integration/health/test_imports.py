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

targets = read_targets([
    {"name": "db", "kind": "postgresql", "host": "127.0.0.1", "port": 1},
    {"name": "name", "kind": "dns", "host": "a.example", "resolver": "127.0.0.1:1", "timeout": "2s"},
    {"name": "cache", "kind": "redis", "host": "127.0.0.1", "port": 1},
    {"name": "web", "url": "http://127.0.0.1:1/"},
])
network = AsyncNetwork()
network.prepare({target.kind for target in targets})
before = set(sys.modules)
taken = asyncio.run(probe_all(targets, network, clock=SystemClock(), pace=Pace()))
assert all(not sample.good for samples in taken.values() for sample in samples)
print(sorted(name for name in set(sys.modules) - before if name.partition(".")[0] in ("psycopg", "psycopg_binary", "dns", "redis")))
"""


def test_clients_are_imported_before_the_first_probe():
    done = subprocess.run([sys.executable, "-c", _PROBING], cwd=ROOT, text=True, capture_output=True, timeout=60, check=False)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr[-2000:]
