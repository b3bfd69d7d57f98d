# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Retention on disk: what goes is gone, what stays is whole, and a brake before much goes at once."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.manifest import Manifest, StoredFile
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.repository import record_verification
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import format_instant


@pytest.fixture
def days(repository):
    """Backups of plan shop of the last 20 days, the one 10 days ago verified and the one 15 days ago proven; oldest first."""
    now = datetime.now(timezone.utc)
    for age in range(20, 0, -1):
        at = now - timedelta(days=age)
        id = f"{at:%Y%m%dT%H%M%SZ}-{age:06x}"
        folder = repository.plan_folder("shop") / id
        (folder / "data").mkdir(parents=True)
        (folder / "data" / "archive.tar").write_bytes(b"x" * age)
        manifest = Manifest(id, "unnamed", "unnamed", "shop", "archive", at, at, (StoredFile("archive.tar", age, "0" * 64, age),))
        (folder / "manifest.json").write_bytes(manifest.to_json())
        if age in (10, 15):
            record_verification(repository.open(id), {"kind": "verify" if age == 10 else "drill", "status": "pass",
                                                      "at": format_instant(at)})
    return [backup.id for backup in repository.list("shop")]


def test_what_no_rule_keeps_goes_and_the_good_copies_stay(run_module, repository, days):
    options = {"repository": str(repository.root), "plans": {"shop": {"keep_for": "7d", "keep_last": 1}}}
    planned = run_module("backup_prune", options, check=True, diff=True)
    assert len(repository.list("shop")) == 20, "check mode deletes nothing"
    answer = run_module("backup_prune", options, diff=True)
    assert answer["changed"] and answer["deleted"] == planned["deleted"] and answer["diff"] == planned["diff"]
    kept = [backup.id for backup in repository.list("shop")]
    ages = sorted(int(id[-6:], 16) for id in kept)
    assert ages == [1, 2, 3, 4, 5, 6, 7, 8, 10, 15], "age counts from the newest backup"
    assert {entry["reason"] for entry in answer["kept"]} == {
        "younger than 7d", "one of the last 1 verified", "one of the last 1 proven"}
    assert {path.name for path in repository.plan_folder("shop").iterdir()} == {*kept, "lease"}
    again = run_module("backup_prune", options)
    assert not again["changed"] and again["deleted"] == []


def test_too_much_at_once_wants_a_confirmation(run_module, repository, days):
    options = {"repository": str(repository.root), "plans": {"shop": {"keep_last": 1}}, "max_percent": 50}
    answer = run_module("backup_prune", options)
    assert not answer["changed"] and len(repository.list("shop")) == 20
    [finding] = answer["findings"]
    assert finding["status"] == "fail" and "17 of 20 backups would be deleted" in finding["message"] and finding["hint"]
    assert len(finding["observed"]) == 17
    [finding] = run_module("backup_prune", options, check=True)["findings"]
    assert finding["status"] == "warn"
    assert len(run_module("backup_prune", {**options, "confirm": True})["deleted"]) == 17


def test_nothing_goes_where_a_clock_is_wrong(run_module, repository, days):
    newest = repository.open(days[-1])
    ahead = datetime.now(timezone.utc) + timedelta(hours=2)
    id = f"{ahead:%Y%m%dT%H%M%SZ}-ffffff"
    folder = repository.plan_folder("shop") / id
    newest.folder.rename(folder)
    manifest = Manifest(id, "unnamed", "unnamed", "shop", "archive", ahead, ahead, newest.manifest.files)
    (folder / "manifest.json").write_bytes(manifest.to_json())
    answer = run_module("backup_prune", {"repository": str(repository.root), "plans": {"shop": {"keep_last": 1}}})
    assert not answer["changed"] and len(repository.list("shop")) == 20
    assert answer["findings"][0]["status"] == "warn" and "from the future" in answer["findings"][0]["message"]


def test_a_backup_that_is_read_stays(run_module, repository, days):
    with repository.open(days[0]).held():
        answer = run_module("backup_prune", {"repository": str(repository.root), "plans": {"shop": {"keep_for": "16d"}}})
    assert [entry["id"] for entry in answer["deleted"]] == [days[2], days[1]]
    assert {"id": days[0], "plan": "shop", "reason": "in use: it is being read just now", "bytes": 20} in answer["kept"]
    assert (repository.plan_folder("shop") / days[0] / "manifest.json").exists()


def test_what_a_killed_run_left_is_cleared(run_module, repository, days):
    half = repository.plan_folder("shop") / days[0]
    (half / "manifest.json").unlink()
    run_module("backup_prune", {"repository": str(repository.root), "plans": {"shop": {"keep_for": "30d"}}})
    assert not half.exists()


@pytest.mark.parametrize("plans, said", [
    ({"shop": {"keep_fro": "7d"}}, "plan shop: retention: unknown key 'keep_fro'"),
    ({"shop": {"keep_for": "-7d"}}, "'-7d' is not a duration"),
    ({"shop": {"keep_last": 0}}, "keep_last: 0 will not do"),
    ({"shop": {}}, "nothing says what may be deleted"),
])
def test_a_policy_that_makes_no_sense_deletes_nothing(run_module, repository, days, plans, said):
    answer = run_module("backup_prune", {"repository": str(repository.root), "plans": plans})
    assert answer["failed"] and said in answer["msg"] and answer["hint"]
    assert len(repository.list("shop")) == 20
