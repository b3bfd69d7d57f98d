# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The repository on a real disk: what is a backup, its status, the lease, and names that would lead elsewhere."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from dataclasses import replace
from datetime import timedelta

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.create import clear_leftovers
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.lease import lease, scratch_folder
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.manifest import Manifest, StoredFile
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.repository import Repository, record_verification
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.seal import sealed
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import format_instant
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import Busy, Damaged, InvalidOption, NotFound
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.backups.conftest import manifest


@pytest.fixture
def repository(tmp_path):
    return Repository(tmp_path, "unnamed", "unnamed")


def put(repository, one):
    folder = repository.plan_folder(one.plan) / one.id
    (folder / "data").mkdir(parents=True)
    (folder / "manifest.json").write_bytes(one.to_json())
    return folder


def test_a_folder_without_a_manifest_is_no_backup(repository, clock):
    folder = put(repository, manifest(clock.now()))
    assert len(repository.list()) == 1
    (folder / "manifest.json").unlink()
    assert repository.list() == []
    with pytest.raises(NotFound):
        repository.open(folder.name)


def test_a_manifest_that_cannot_be_read_is_told_and_no_backup(repository, clock):
    folder = put(repository, manifest(clock.now()))
    whole = (folder / "manifest.json").read_bytes()
    (folder / "manifest.json").write_bytes(whole[:len(whole) // 2])
    survey = repository.survey()
    assert survey.backups == () and "cannot be read" in survey.unreadable[folder]


def test_a_folder_that_was_renamed_by_hand_is_told(repository, clock):
    folder = put(repository, manifest(clock.now()))
    folder.rename(folder.with_name("20200101T000000Z-000000"))
    assert "is that of" in next(iter(repository.survey().unreadable.values()))


@given(st.text(max_size=80))
def test_a_name_is_a_folder_of_its_own_or_refused(name):
    try:
        folder = Repository("/r", "s", "e").plan_folder(name)
    except InvalidOption as error:
        assert error.hint
        return
    assert folder.parent == Repository("/r", "s", "e").folder and folder.name == name and not name.startswith(".")


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "-rf", ".hidden", "a\nb", "a\0b", "ü", "a" * 65])
def test_hostile_names_are_refused(repository, name):
    with pytest.raises(InvalidOption):
        repository.plan_folder(name)
    with pytest.raises(InvalidOption):
        Repository("/r", name, "e")
    with pytest.raises(NotFound):
        repository.open(name)


def test_a_manifest_survives_its_json(clock):
    one = manifest(clock.now(), tags=("a",), encryption={"method": "age", "recipients": ["age1x"]}, fingerprint={"mode": "full"},
                   files=(StoredFile("we'ird\n\"-%ü.dat.zst.age", 3, "a" * 64, 5, ("zstd", "age")),), source_bytes=None)
    assert Manifest.from_json(one.to_json()) == one
    assert one.files[0].plain_path == "we'ird\n\"-%ü.dat"


@pytest.mark.parametrize("change", [
    {"files": [{"path": "../../etc/passwd", "bytes": 1, "sha256": "0" * 64, "plain_bytes": 1, "coding": []}]},
    {"files": [{"path": "/etc/passwd", "bytes": 1, "sha256": "0" * 64, "plain_bytes": 1, "coding": []}]},
    {"files": [{"path": "a", "bytes": -1, "sha256": "0" * 64, "plain_bytes": 1, "coding": []}]},
    {"files": [{"path": "a", "bytes": 1, "sha256": "short", "plain_bytes": 1, "coding": []}]},
    {"files": [{"path": "a", "bytes": 1, "sha256": "0" * 64, "plain_bytes": 1, "coding": ["rot13"]}]},
    {"files": [3]}, {"created_at": "yesterday"}, {"tags": None},
])
def test_an_altered_manifest_is_refused(clock, change):
    data = json.loads(manifest(clock.now()).to_json()) | change
    with pytest.raises(Damaged):
        Manifest.from_json(sealed(data))


@pytest.mark.parametrize("records, status", [
    ([], "created"),
    ([("verify", "pass")], "verified"),
    ([("verify", "unknown")], "created"),
    ([("verify", "pass"), ("verify", "unknown")], "verified"),
    ([("verify", "pass"), ("drill", "pass")], "proven"),
    ([("drill", "pass"), ("verify", "pass")], "proven"),
    ([("verify", "pass"), ("verify", "fail")], "failed"),
    ([("verify", "fail"), ("verify", "pass")], "verified"),
    ([("drill", "fail"), ("verify", "pass")], "failed"),
    ([("verify", "fail"), ("drill", "pass")], "proven"),
    ([("drill", "pass"), ("verify", "fail")], "failed"),
    ([("drill", "fail"), ("drill", "pass")], "proven"),
])
def test_the_status_is_read_off_the_records(repository, clock, records, status):
    folder = put(repository, manifest(clock.now()))
    before = (folder / "manifest.json").read_bytes()
    for number, (kind, word) in enumerate(records):
        at = format_instant(clock.now() + timedelta(seconds=number))
        record_verification(repository.open(folder.name), {"kind": kind, "status": word, "at": at, "phases": []})
    backup = repository.open(folder.name)
    assert backup.status == status and len(backup.verifications) == len(records)
    assert (folder / "manifest.json").read_bytes() == before


def test_a_record_that_cannot_be_read_raises_no_status(repository, clock):
    folder = put(repository, manifest(clock.now()))
    (folder / "verifications").mkdir()
    for number, text in enumerate(["", "{", "[]", '{"kind": "verify", "status": "pass"}', '{"kind": "x", "status": "pass"}']):
        (folder / "verifications" / f"{number}.json").write_text(text)
    assert repository.open(folder.name).status == "created"


@pytest.mark.parametrize("damage", [lambda text: b"", lambda text: text[:-1], lambda text: text.replace(b"fail", b"fall"),
                                    lambda text: text.replace(b'"seal"', b'"sea1"'), lambda text: text.replace(b"2026", b"1026")])
def test_a_record_that_was_altered_does_not_take_its_failure_along(repository, clock, damage):
    folder = put(repository, manifest(clock.now()))
    for seconds, status in ((0, "pass"), (60, "fail")):
        at = format_instant(clock.now() + timedelta(seconds=seconds))
        record = record_verification(repository.open(folder.name), {"kind": "verify", "status": status, "at": at})
    record.write_bytes(damage(record.read_bytes()))
    assert repository.open(folder.name).status == "failed"
    later = format_instant(clock.now() + timedelta(hours=1))
    record_verification(repository.open(folder.name), {"kind": "verify", "status": "pass", "at": later})
    assert repository.open(folder.name).status == "verified"


def test_a_record_of_no_kind_is_refused(repository, clock):
    put(repository, manifest(clock.now()))
    with pytest.raises(InvalidOption):
        record_verification(repository.list()[0], {"kind": "verify", "status": "fine", "at": format_instant(clock.now())})


def _hold(folder, ready, clock):
    with lease(folder, clock, purpose="backup"):
        ready.set()
        signal.pause()


def test_the_lease_names_its_holder_and_ends_with_it(repository, clock):
    folder = repository.plan_folder("shop")
    context = multiprocessing.get_context("fork")
    ready = context.Event()
    holder = context.Process(target=_hold, args=(folder, ready, clock))
    holder.start()
    try:
        assert ready.wait(10)
        for _again in range(2):  # who is turned away leaves the holder's name in place
            with pytest.raises(Busy) as error, lease(folder, clock, purpose="prune"):
                pass
            assert f"process {holder.pid}" in error.value.message and "since 2026-01-15T12:00:00" in error.value.message
    finally:
        os.kill(holder.pid, signal.SIGKILL)
        holder.join()
    with lease(folder, clock, purpose="backup"):
        pass


def test_leftovers_of_killed_runs_are_cleared_and_backups_are_not(repository, clock):
    kept = put(repository, manifest(clock.now(), number=1))
    left = repository.plan_folder("shop") / "20260115T110000Z-00000f"
    (left / "data").mkdir(parents=True)
    (left / "data" / "3012.dat").write_bytes(b"x")
    home = repository.folder / ".scratch"
    (home / "dead").mkdir(parents=True)
    (home / "dead.lock").touch()
    with scratch_folder(repository.folder) as mine:
        assert clear_leftovers(repository, "shop") == [left]
        assert mine.exists(), "a run that lives keeps its folder"
    assert kept.exists() and not left.exists() and list(home.iterdir()) == []


def test_who_reads_a_backup_keeps_it_from_being_deleted(repository, clock):
    put(repository, manifest(clock.now()))
    backup = repository.list()[0]
    with backup.held(), backup.held(), pytest.raises(Busy), backup.claimed():
        pass
    with backup.claimed():
        pass
    (backup.folder / "manifest.json").unlink()
    with pytest.raises(NotFound), backup.held():
        pass


def test_backups_of_other_environments_are_not_seen(tmp_path, clock):
    one = replace(manifest(clock.now()), environment="staging")
    put(Repository(tmp_path, "unnamed", "staging"), one)
    assert Repository(tmp_path, "unnamed", "production").list() == []
