# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""evenkeel.ops.recovery.disaster_drill as an operator runs it: real restores, a real stand-in zone."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import ToolMissing

from tests.conftest import missing
from tests.integration.recovery.conftest import status_of, wheel_folder
from tests.testbed.bind import Zone, serve_zone


@pytest.fixture
def zone() -> Iterator[Zone]:
    try:
        with serve_zone() as served:
            yield served
    except ToolMissing:
        missing("BIND (named)")


@pytest.fixture
def inventory(tmp_path) -> Path:
    path = tmp_path / "hosts.yml"
    path.write_text("recovery: {hosts: {restorer: {ansible_connection: local, ansible_python_interpreter: "
                    '"{{ ansible_playbook_python }}"}}}\n')
    return path


def told(tmp_path: Path) -> dict:
    """The ``disaster`` of the newest record."""
    with sqlite3.connect(tmp_path / "ledger.sqlite") as ledger:
        [body] = ledger.execute("SELECT body FROM records WHERE procedure = 'disaster_drill' ORDER BY id DESC LIMIT 1").fetchone()
    return next(values["disaster"] for values in json.loads(body) if "disaster" in values)


def test_all_plans_and_the_names_are_recovered_measured_and_taken_away(newest_shop, backup, run_module, playbook, inventory, tmp_path,
                                                                       scratch, zone):
    source = tmp_path / "files"
    source.mkdir()
    (source / "invoice.txt").write_text("one\n")
    made = backup(newest_shop)
    files = run_module("backup", {"repository": str(tmp_path / "repository"), "plan": "files", "engine": "archive", "paths": [str(source)]})
    record = {"name": "evenkeel-drill", "type": "A", "ttl": "60s"}
    variables = {
        "recovery_repository": str(tmp_path / "repository"), "recovery_plans": ["shop", "files"], "recovery_scratch_dir": str(scratch),
        "recovery_bin_dir": wheel_folder(), "recovery_disaster_every": "28d", "recovery_site_dns_timeout": "2m",
        "recovery_disaster_dns": {"zone": "shop.test", "rfc2136": zone.options(), "before": [{**record, "values": ["192.0.2.10"]}],
                                  "after": [{**record, "values": ["198.51.100.10"]}]}}
    planned = playbook("evenkeel.ops.recovery.disaster_drill", inventory=inventory, variables=variables, options=("--check",))
    assert planned.returncode == 0 and not (tmp_path / "ledger.sqlite").exists(), planned.stdout + planned.stderr
    assert status_of(run_module, tmp_path / "repository", made["id"]) == "created"

    # As a drill that was killed in between would have left it.
    after = variables["recovery_disaster_dns"]["after"]
    left = run_module("dns_switch", {"zone": "shop.test", "rfc2136": zone.options(), "records": after})
    assert left["changed"]
    done = playbook("evenkeel.ops.recovery.disaster_drill", inventory=inventory, variables=variables)
    assert done.returncode == 0, done.stdout + done.stderr
    disaster = told(tmp_path)
    assert disaster["status"] == "pass" and disaster["names_switched"] and disaster["clients_follow_seconds"] == 60, disaster
    restores = sum(plan["rto_seconds"] for plan in disaster["plans"])
    assert disaster["rto_seconds"] == pytest.approx(restores + disaster["switch_seconds"] + 60, abs=0.01)
    assert disaster["rto_objective_seconds"] == 4 * 3600 and disaster["rpo_objective_seconds"] == 900
    assert zone.ask("evenkeel-drill.shop.test") == [] and zone.ask("api.shop.test") == ["192.0.2.10"]
    for one in (made["id"], files["backup"]["id"]):
        assert status_of(run_module, tmp_path / "repository", one) == "proven"
        [kept] = [json.loads(path.read_text()) for path in (tmp_path / "repository").rglob(f"{one}/verifications/*.json")
                  if "disaster" in json.loads(path.read_text())]
        assert kept["disaster"]["rto_seconds"] == disaster["rto_seconds"]

    again = playbook("evenkeel.ops.recovery.disaster_drill", inventory=inventory, variables=variables)
    assert again.returncode == 0 and "changed=0" in again.stdout, again.stdout


def test_a_missed_objective_and_a_plan_that_is_not_there_are_told(run_module, tmp_path):
    source = tmp_path / "files"
    source.mkdir()
    (source / "invoice.txt").write_text("one\n")
    base = {"repository": str(tmp_path / "repository"), "plans": ["files", "database"]}
    made = run_module("backup", {"repository": base["repository"], "plan": "files", "engine": "archive", "paths": [str(source)]})["backup"]
    assert run_module("disaster_drill", {**base, "every": "28d"})["due"]
    drill = {"plan": "files", "backup_id": made["id"], "status": "pass", "rto_seconds": 100.0, "rpo_seconds": 5.0}
    switch = {"status": "pass", "seconds": 2.0, "clients_follow_seconds": 300.0}
    slow = run_module("disaster_drill", {**base, "drills": [drill], "switches": [switch], "rto": "6m", "rpo": "15m"})
    statuses = {(one["check"], one["subject"]): one["status"] for one in slow["findings"]}
    assert statuses["recovery.rto", "unnamed/unnamed"] == "fail" and slow["disaster"]["rto_seconds"] == 402
    assert statuses["recovery.disaster", "database"] == "unknown" and statuses["recovery.rpo", "unnamed/unnamed"] == "pass"
    assert status_of(run_module, tmp_path / "repository", made["id"]) == "created", "no restore's record stands beside it"
    assert run_module("disaster_drill", {**base, "every": "28d"})["due"], "one that failed is no drill that will do"
    wrong = run_module("disaster_drill", {**base, "drills": [{"plan": "files"}]})
    assert wrong["failed"] and wrong["error"] == "InvalidOption"
