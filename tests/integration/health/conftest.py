# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of health share."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.ledger import Ledger

from tests.testbed.tls import Authority


@pytest.fixture
def probe(run_module):
    """Probe targets by name; gives the whole answer, and the findings by subject beside it."""

    def run(targets: dict[str, Any], **options: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        answer = run_module("health_probe", {"targets": [{"name": name, **target} for name, target in targets.items()], **options})
        assert not answer.get("failed"), answer
        assert answer["changed"] is False
        return answer, {found["subject"]: found for found in answer["findings"] if found["check"] == "health.probe"}

    return run


@pytest.fixture(scope="session")
def authority(tmp_path_factory) -> tuple[Authority, Path]:
    """An authority that issues for the tests' servers, and the file that clients are told to trust."""
    made = Authority.create("Health tests")
    return made, made.write(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    """This machine in the group health."""
    path = tmp_path / "hosts.yml"
    path.write_text(json.dumps({"health": {"hosts": {"here": {
        "ansible_connection": "local", "ansible_python_interpreter": sys.executable}}}}))
    return path


def recorded(tmp_path: Path) -> dict:
    """The one record of the one run in the test's ledger."""
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.sqlite")
    [record] = ledger.records(ledger.newest_run(system="unnamed", environment="unnamed"))
    return record
