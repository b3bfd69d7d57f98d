# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""evenkeel.ops.recovery.drill as an operator runs it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.recovery.conftest import wheel_folder


@pytest.fixture
def inventory(tmp_path) -> Path:
    path = tmp_path / "hosts.yml"
    path.write_text("recovery: {hosts: {restorer: {ansible_connection: local, ansible_python_interpreter: "
                    '"{{ ansible_playbook_python }}"}}}\n')
    return path


def test_the_playbook_drills_records_and_gates(newest_shop, backup, playbook, inventory, tmp_path, scratch):
    backup(newest_shop)
    variables = {"recovery_repository": str(tmp_path / "repository"), "recovery_plans": ["shop"],
                 "recovery_scratch_dir": str(scratch), "recovery_bin_dir": wheel_folder(), "recovery_drill_every": "0s",
                 "recovery_assertions": {"shop": [{"name": "customers", "sql": "SELECT count(*) FROM customers", "expected": 2000}]}}
    done = playbook("evenkeel.ops.recovery.drill", inventory=inventory, variables=variables)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "changed=1" in done.stdout
    again = playbook("evenkeel.ops.recovery.drill", inventory=inventory, variables={**variables, "recovery_drill_every": "1d"})
    assert again.returncode == 0 and "changed=0" in again.stdout, again.stdout
    late = playbook("evenkeel.ops.recovery.drill", inventory=inventory,
                    variables={**variables, "recovery_drill_every": "1d", "recovery_rpo": "1ms"})
    assert late.returncode != 0 and "age of the newest data" in late.stdout, late.stdout
    missing = playbook("evenkeel.ops.recovery.drill", inventory=inventory, variables={**variables, "recovery_plans": ["shop", "none"]})
    assert missing.returncode != 0 and "There is no backup of none" in missing.stdout, missing.stdout
