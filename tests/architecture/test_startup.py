# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a module loads before it is asked for anything. On a host each file is compiled anew in each run: several milliseconds a file."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.conftest import ROOT

_LOADED = "import json, sys, tests.testbed, importlib; importlib.import_module(sys.argv[1]); print(json.dumps(sorted(sys.modules)))"
PLUGINS = "ansible_collections.evenkeel.ops.plugins."


@pytest.mark.parametrize("module, unasked", [
    ("certificate_check", ("cryptography", "OpenSSL", "boto3", "kubernetes", "adapters.kubernetes", "adapters.command",
                           "adapters.revocation", "adapters.stapling", "adapters.java_keystore")),
    ("backup", ("boto3", "kubernetes", "adapters.restic", "adapters.mlflow", "adapters.kubernetes", "adapters.git",
                "adapters.object_place", "recovery.drill", "recovery.restore", "assembly.pg_dump")),
    ("health_probe", ("psycopg", "dns", "h2", "ldap3", "kubernetes", "websockets", "adapters.postgres", "adapters.grpc_health",
                      "adapters.kubernetes", "health.observe_protocols", "health.protocols", "health.steps", "health.workloads",
                      "health.watch", "health.judge_watch")),
    ("slo_check", ("sqlalchemy", "boto3", "adapters.ledger")),
    ("host_check", ("psycopg", "sqlalchemy", "adapters.command")),
])
def test_a_module_loads_what_it_is_not_asked_for_later(module, unasked):
    done = subprocess.run([sys.executable, "-c", _LOADED, f"{PLUGINS}modules.{module}"], cwd=ROOT, text=True, capture_output=True,
                          check=True)
    loaded = {name.removeprefix(f"{PLUGINS}module_utils.") for name in json.loads(done.stdout)}
    assert "core.edge" in loaded and not loaded & set(unasked)
