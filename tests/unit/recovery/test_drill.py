# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A drill's course with a subject that does what it is told, on real folders."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.manifest import Manifest
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.repository import Repository, new_id
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import (
    CommandFailed,
    Damaged,
    InvalidOption,
    NotFound,
    StorageFailed,
    ToolMissing,
)
from ansible_collections.evenkeel.ops.plugins.module_utils.core.finding import Finding, Status
from ansible_collections.evenkeel.ops.plugins.module_utils.recovery.drill import (
    check_room,
    choose,
    last_passed,
    not_due,
    planned,
    run_drill,
)
from ansible_collections.evenkeel.ops.plugins.module_utils.recovery.judge import Comparison
from ansible_collections.evenkeel.ops.plugins.module_utils.recovery.policy import DrillPolicy


class Told:
    """Each phase takes a second; ``errors`` says which one raises what."""

    notes: list[str] = []
    tools: dict[str, str] = {}

    def __init__(self, clock, errors=None, status=Status.PASS):
        self.clock, self.errors, self.status = clock, errors or {}, status
        self.comparison = None
        self.stopped = False

    def _phase(self, name):
        self.clock.sleep(1)
        if name in self.errors:
            raise self.errors[name]

    def fetch(self):
        self._phase("fetch")

    def prepare(self):
        self._phase("prepare")

    def restore(self):
        self._phase("restore")

    def first_query(self):
        self._phase("first_query")

    def verify(self):
        self._phase("verify")
        self.comparison = Comparison(3)
        return [Finding("recovery.data", "shop", self.status, "said")]

    def stop(self):
        self.stopped = True


@pytest.fixture
def repository(tmp_path):
    return Repository(tmp_path / "repository", "shop", "test")


@pytest.fixture
def make_backup(repository, clock):
    def make(plan="shop", age=0):
        at = clock.now() - timedelta(seconds=age)
        manifest = Manifest(id=new_id(at), system="shop", environment="test", plan=plan, engine="pg_dump", created_at=at, data_at=at,
                            files=())
        folder = repository.plan_folder(plan) / manifest.id
        (folder / "data").mkdir(parents=True)
        (folder / "manifest.json").write_bytes(manifest.to_json())
        return repository.open(manifest.id)

    return make


def run(backup, subject, clock, tmp_path, policy=None):
    return run_drill(backup, policy or DrillPolicy(rto=10, rpo=60), lambda folder: subject, tmp_path, clock)


def test_a_drill_that_passes_proves_the_backup(make_backup, repository, clock, tmp_path):
    backup = make_backup(age=30)
    done = run(backup, Told(clock), clock, tmp_path)
    assert done.drill["status"] == "pass" and done.drill["rto_seconds"] == 4 and done.drill["rpo_seconds"] == 30
    assert [phase["name"] for phase in done.drill["phases"]] == ["fetch", "prepare", "restore", "first_query", "verify"]
    assert {finding.check: finding.status.value for finding in done.findings} == {
        "recovery.data": "pass", "recovery.rto": "pass", "recovery.rpo": "pass"}
    assert repository.open(backup.id).status == "proven"
    assert [path for path in tmp_path.iterdir() if "drill" in path.name] == []


def test_a_slow_restore_of_old_data_is_a_good_backup_all_the_same(make_backup, repository, clock, tmp_path):
    backup = make_backup(age=3600)
    done = run(backup, Told(clock), clock, tmp_path, DrillPolicy(rto=1, rpo=60))
    assert {finding.status for finding in done.findings if finding.check != "recovery.data"} == {Status.FAIL}
    assert repository.open(backup.id).status == "proven"


@pytest.mark.parametrize("phase, error, check", [
    ("fetch", Damaged("3012.dat was altered"), "recovery.data"),
    ("restore", CommandFailed("pg_restore ended with status 1: unexpected end of file"), "recovery.restore"),
    ("verify", Damaged("the fingerprint makes no sense"), "recovery.data"),
])
def test_a_backup_that_cannot_be_restored_is_a_finding_and_recorded(phase, error, check, make_backup, repository, clock, tmp_path):
    backup, subject = make_backup(), Told(clock, {phase: error})
    done = run(backup, subject, clock, tmp_path)
    assert done.findings[0].check == check and done.findings[0].status is Status.FAIL and done.findings[0].hint
    assert subject.stopped and done.drill["status"] == "fail"
    assert (done.drill["rto_seconds"] is None) == (phase != "verify")
    assert repository.open(backup.id).status == "failed"


@pytest.mark.parametrize("phase, error", [
    ("prepare", ToolMissing("no initdb")),
    ("prepare", CommandFailed("initdb ended with status 1")),
    ("restore", CommandFailed("pg_restore ended with status 1", evidence={"stderr": "could not extend: No space left on device"})),
    ("restore", CommandFailed("pg_restore was ended by signal 9: it printed nothing")),
    ("verify", CommandFailed("ERROR", evidence={"sqlstate": "53100"})),
])
def test_a_fault_of_this_host_is_raised_and_decides_nothing(phase, error, make_backup, repository, clock, tmp_path):
    backup, subject = make_backup(), Told(clock, {phase: error})
    with pytest.raises(type(error)) as raised:
        run(backup, subject, clock, tmp_path)
    assert raised.value.evidence["drill"]["status"] == "unknown" and subject.stopped
    found = repository.open(backup.id)
    assert found.status == "created" and found.verifications[-1]["status"] == "unknown"


def test_what_could_not_be_compared_proves_nothing(make_backup, repository, clock, tmp_path):
    backup = make_backup()
    run(backup, Told(clock, status=Status.UNKNOWN), clock, tmp_path)
    assert repository.open(backup.id).status == "created"


def test_a_drill_is_due_by_the_last_one_that_passed(make_backup, repository, clock, tmp_path):
    policy = DrillPolicy(rto=10, rpo=60, every=3600)
    assert not_due(last_passed(repository.list()), make_backup(), policy, clock.now()) is None
    old = make_backup(age=100)
    run(old, Told(clock), clock, tmp_path)
    clock.sleep(1800)
    newest = make_backup(age=20)
    run(newest, Told(clock, status=Status.FAIL), clock, tmp_path)
    known = not_due(last_passed(repository.list("shop")), repository.open(newest.id), policy, clock.now())
    assert known.drill["backup_id"] == old.id and known.drill["rto_seconds"] == 4
    found = {finding.check: finding for finding in known.findings}
    assert found["recovery.rpo"].observed == pytest.approx(25) and found["recovery.drill"].status is Status.PASS
    clock.sleep(1800)
    assert not_due(last_passed(repository.list("shop")), newest, policy, clock.now()) is None


def test_a_drill_from_the_future_counts_for_nothing(make_backup, clock):
    record = {"at": "2027-01-01T00:00:00.000Z", "kind": "drill", "status": "pass", "drill": {}}
    assert not_due(record, make_backup(), DrillPolicy(every=3600), clock.now()) is None


def test_the_newest_backup_is_chosen_good_or_bad(make_backup, repository, clock, tmp_path):
    make_backup(age=100)
    newest, other = make_backup(age=10), make_backup(plan="other", age=5)
    run(newest, Told(clock, status=Status.FAIL), clock, tmp_path)
    assert choose(repository, plan="shop", id=None).id == newest.id
    assert choose(repository, plan=None, id=None).id == other.id
    assert choose(repository, plan=None, id=newest.id).id == newest.id
    with pytest.raises(InvalidOption):
        choose(repository, plan="shop", id=other.id)


def test_no_backup_and_a_newest_one_that_cannot_be_read_are_told(make_backup, repository):
    with pytest.raises(NotFound) as error:
        choose(repository, plan="shop", id=None)
    assert error.value.hint
    backup = make_backup()
    (backup.folder / "manifest.json").write_text("{")
    with pytest.raises(Damaged):
        choose(repository, plan="shop", id=None)


def test_a_drill_that_would_fill_the_disk_is_not_begun(make_backup, tmp_path):
    backup = make_backup()
    backup = replace(backup, manifest=replace(backup.manifest, source_bytes=2**30))
    check_room(backup, tmp_path, 2**30)
    with pytest.raises(StorageFailed) as error:
        check_room(backup, tmp_path, 2**30 - 1)
    assert "1.0 GiB" in error.value.message and error.value.evidence["needed_bytes"] == 2**30


def test_the_plan_of_a_drill_has_its_shape(make_backup, clock):
    found = planned(make_backup(age=60), DrillPolicy(rto=1), clock.now())
    assert found["status"] == "planned" and found["phases"] == [] and found["rpo_seconds"] == 60
