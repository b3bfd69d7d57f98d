# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""evenkeel.ops.housekeeping.clean as an operator runs it."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import sys

import pytest
import yaml
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.ledger import RECORDS, Ledger


@pytest.fixture
def inventory(tmp_path):
    path = tmp_path / "hosts.yml"
    host = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    path.write_text(yaml.safe_dump({"housekeeping": {"hosts": {"this": host}}}))
    return path


@pytest.fixture
def variables(tmp_path):
    for name in ("cache", "logs", "etc"):
        (tmp_path / name).mkdir()
        (tmp_path / name).chmod(0o755)
    (tmp_path / "cache" / "old").write_text("x" * 100)
    os.utime(tmp_path / "cache" / "old", (0, 0))
    (tmp_path / "logs" / "a.log").write_text("x" * 5000)
    return {
        "housekeeping_roots": [str(tmp_path / "cache"), str(tmp_path / "logs")],
        "housekeeping_caches": [{"path": str(tmp_path / "cache"), "max_age": "30d"}],
        "housekeeping_logs": [{"name": "shop", "paths": [f"{tmp_path}/logs/*.log"], "frequency": "size", "size": "1kB"}],
        "housekeeping_log_config_dir": str(tmp_path / "etc"),
        "housekeeping_log_state_file": str(tmp_path / "state"),
    }


def recorded(tmp_path):
    with contextlib.closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as ledger:
        return [(status, changed, json.loads(body)) for status, changed, body in
                ledger.execute(f"SELECT status, changed, body FROM {RECORDS.name} ORDER BY id")]


def test_a_day_of_it(playbook, inventory, variables, tmp_path):
    name = "evenkeel.ops.housekeeping.clean"
    planned = playbook(name, inventory=inventory, variables=variables, options=("--check", "--diff"))
    assert planned.returncode == 0, planned.stdout
    assert f"-{tmp_path}/cache/old  100 B" in planned.stdout and "+    rotate 7" in planned.stdout
    assert (tmp_path / "cache" / "old").exists() and not (tmp_path / "ledger.sqlite").exists()
    done = playbook(name, inventory=inventory, variables=variables)
    assert done.returncode == 0, done.stdout
    assert not (tmp_path / "cache" / "old").exists() and (tmp_path / "logs" / "a.log.1.gz").exists()
    assert "1 stale files removed (100 B)" in done.stdout
    again = playbook(name, inventory=inventory, variables=variables)
    assert "changed=0" in again.stdout
    [(status, changed, body), (_status, changed_again, _body)] = recorded(tmp_path)
    assert status == "pass" and changed and not changed_again
    assert body[0]["removed"][0]["bytes"] == 100 and body[1]["logs"][0]["status"] == "rotated"
    assert Ledger(f"sqlite:///{tmp_path}/ledger.sqlite").verify_chain() == 2


def test_a_refused_cache_does_not_stop_the_logs_and_is_recorded(playbook, inventory, variables, tmp_path):
    refused = {**variables, "housekeeping_max_removed": {"files": 0}}
    done = playbook("evenkeel.ops.housekeeping.clean", inventory=inventory, variables=refused)
    assert done.returncode != 0 and "may go without a confirmation" in done.stdout
    assert (tmp_path / "cache" / "old").exists() and (tmp_path / "logs" / "a.log.1.gz").exists()
    assert [status for status, _changed, _body in recorded(tmp_path)] == ["unknown"]
    confirmed = playbook("evenkeel.ops.housekeeping.clean", inventory=inventory, variables={**refused, "housekeeping_confirm": True})
    assert confirmed.returncode == 0 and not (tmp_path / "cache" / "old").exists()


def test_defaults_and_argument_specs_agree(root):
    defaults = yaml.safe_load((root / "roles/housekeeping/defaults/main.yml").read_text())
    specs = yaml.safe_load((root / "roles/housekeeping/meta/argument_specs.yml").read_text())["argument_specs"]["clean"]["options"]
    assert defaults == {name: spec["default"] for name, spec in specs.items()}


def test_nothing_declared_is_nothing_done(playbook, inventory, tmp_path):
    done = playbook("evenkeel.ops.housekeeping.clean", inventory=inventory)
    assert done.returncode == 0 and "changed=0" in done.stdout, done.stdout
