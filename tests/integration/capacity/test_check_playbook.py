# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""evenkeel.ops.capacity.check as an operator runs it."""

from __future__ import annotations

import sys

import pytest
import yaml
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.ledger import Ledger
from sqlalchemy import create_engine, text


@pytest.fixture
def inventory(tmp_path):
    host = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    path = tmp_path / "hosts.yml"
    path.write_text(yaml.safe_dump({"capacity": {"hosts": {"this": host}}}))
    return path


def recorded(tmp_path):
    engine = create_engine(f"sqlite:///{tmp_path}/ledger.sqlite")
    with engine.connect() as connection:
        runs = connection.execute(text("SELECT run FROM records ORDER BY id")).scalars().all()
    engine.dispose()
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.sqlite")
    assert ledger.verify_chain() == len(runs)
    return [record for run in runs for record in ledger.records(run)]


EASY = {resource: {"fail": 100} for resource in ("cpu", "memory", "disk", "inodes", "network")}


def test_a_host_within_its_limits_passes_changes_nothing_and_is_recorded(playbook, inventory, tmp_path):
    done = playbook("evenkeel.ops.capacity.check", inventory=inventory, variables={"capacity_limits": EASY})
    assert done.returncode == 0 and "changed=0" in done.stdout, done.stdout
    [record] = recorded(tmp_path)
    assert (record["area"], record["procedure"], record["status"], record["host"]) == ("capacity", "check", "pass", "this")
    assert record["body"][0]["host"]["disks"]


def test_a_limit_that_is_passed_closes_the_gate_says_what_to_do_and_is_recorded(playbook, inventory, tmp_path):
    tight = {**EASY, "memory": {"fail": 0}}
    done = playbook("evenkeel.ops.capacity.check", inventory=inventory, variables={"capacity_limits": tight})
    assert done.returncode != 0 and "memory in use is" in done.stdout and "over the limit of 0%" in done.stdout
    assert "The gate is closed" in done.stdout and [record["status"] for record in recorded(tmp_path)] == ["fail"]
    lenient = playbook("evenkeel.ops.capacity.check", inventory=inventory,
                       variables={"capacity_limits": tight, "capacity_fail_on": ["unknown"]})
    assert lenient.returncode == 0


def test_a_policy_that_makes_no_sense_is_recorded_as_unknown(playbook, inventory, tmp_path):
    done = playbook("evenkeel.ops.capacity.check", inventory=inventory, variables={"capacity_limits": {"gpu": {"fail": 80}}})
    assert done.returncode != 0 and "'gpu' is no resource" in done.stdout
    [record] = recorded(tmp_path)
    assert record["status"] == "unknown" and "'gpu' is no resource" in record["findings"][0]["message"]


def test_check_mode_looks_and_records_nothing(playbook, inventory, tmp_path):
    done = playbook("evenkeel.ops.capacity.check", inventory=inventory, variables={"capacity_limits": EASY}, options=("--check",))
    assert done.returncode == 0 and not (tmp_path / "ledger.sqlite").exists()


def test_defaults_and_argument_specs_agree(root):
    defaults = yaml.safe_load((root / "roles/capacity/defaults/main.yml").read_text())
    specs = yaml.safe_load((root / "roles/capacity/meta/argument_specs.yml").read_text())["argument_specs"]["check"]["options"]
    assert defaults == {name: spec["default"] for name, spec in specs.items()}
