# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a restore may write, judged before anything is begun and again after the verification."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.repository import Backup
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import Busy, InvalidOption, Refused
from ansible_collections.evenkeel.ops.plugins.module_utils.recovery.folder_target import MARK, FolderDestination
from ansible_collections.evenkeel.ops.plugins.module_utils.recovery.restore import Restoration, Seen, State, refusal, run_restore

from tests.unit.backups.conftest import manifest


@pytest.fixture
def backup(tmp_path, clock) -> Backup:
    one = manifest(clock.now(), plan="files", engine="archive")
    (tmp_path / "files" / one.id).mkdir(parents=True)
    (tmp_path / "files" / one.id / "manifest.json").write_bytes(one.to_json())
    return Backup(tmp_path / "files" / one.id, one)


@pytest.fixture
def destination(tmp_path, clock) -> FolderDestination:
    return FolderDestination(str(tmp_path / "target"), tmp_path / "repository", clock, lambda path: 10**9)


def never(folder: Path):
    raise AssertionError("nothing may be begun")


def test_what_fills_while_the_backup_is_verified_is_not_written_into(backup, destination, tmp_path, clock):
    def check() -> None:
        (tmp_path / "target").mkdir()
        (tmp_path / "target" / "somebody's").write_text("x")

    with pytest.raises(Refused, match="somebody"):
        run_restore(backup, Restoration(destination, never), clock, compare=True, check=check)
    assert os.listdir(tmp_path / "target") == ["somebody's"]


def test_a_taken_target_is_refused_whatever_is_confirmed(destination):
    for confirmed in (False, True):
        assert refusal(destination, Seen(State.TAKEN, "'etc'"), confirmed=confirmed).hint
    assert refusal(destination, Seen(State.CONFIRM, "it is half", ("/t/x",)), confirmed=True) is None
    refused = refusal(destination, Seen(State.CONFIRM, "it is half", ("/t/x",)), confirmed=False)
    assert refused.evidence["would_clear"] == ["/t/x"] and "confirm" in refused.hint
    assert refusal(destination, Seen(State.FREE, "it does not exist"), confirmed=False) is None


@pytest.mark.parametrize("entries", [["..", ".", "", "a/b", "../x", 7, None], "x", None])
def test_a_note_that_was_written_by_another_hand_clears_nothing_elsewhere(backup, destination, tmp_path, entries):
    (tmp_path / "target" / MARK).mkdir(parents=True)
    (tmp_path / "precious").write_text("x")
    (tmp_path / "target" / MARK / "restore.json").write_text(json.dumps({"backup": "b", "since": "s", "entries": entries}))
    seen = destination.observe()
    assert seen.state is State.CONFIRM and seen.clears == (str(tmp_path / "target" / MARK),)
    with destination.opened(backup) as folder:
        assert sorted(os.listdir(folder)) == ["restore.json"]
    assert (tmp_path / "precious").read_text() == "x"


def test_a_mark_that_is_a_link_is_not_followed(destination, tmp_path):
    (tmp_path / "target").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "target" / MARK).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Exception, match=MARK):
        destination.observe()


def test_an_error_takes_everything_back_and_one_at_a_time_restores(backup, destination, tmp_path, clock):
    with pytest.raises(KeyboardInterrupt), destination.opened(backup) as folder:
        (folder / "files").mkdir()
        (folder / "files" / "half").write_text("x")
        other = FolderDestination(str(tmp_path / "target"), tmp_path / "repository", clock, lambda path: 0)
        with pytest.raises(Busy):
            other.observe()
        raise KeyboardInterrupt
    assert not (tmp_path / "target").exists()


def test_what_is_published_has_its_name_and_no_mark(backup, destination, tmp_path):
    with destination.opened(backup) as folder:
        (folder / "files" / "srv" / "app").mkdir(parents=True)
        (folder / "files" / "etc").mkdir()
        destination.publish()
    assert sorted(os.listdir(tmp_path / "target")) == ["etc", "srv"]


def test_what_appears_meanwhile_is_kept(backup, destination, tmp_path):
    with pytest.raises(Refused, match="not empty any more"), destination.opened(backup) as folder:
        (folder / "files" / "srv").mkdir(parents=True)
        (tmp_path / "target" / "srv").write_text("somebody's")
        destination.publish()
    assert (tmp_path / "target" / "srv").read_text() == "somebody's" and os.listdir(tmp_path / "target") == ["srv"]


@pytest.mark.parametrize("path", ["relative", "/srv/../etc", "/srv/\0x", "/"])
def test_what_can_be_no_target_is_refused(tmp_path, clock, path):
    with pytest.raises(InvalidOption):
        FolderDestination(path, tmp_path / "repository", clock, lambda one: 0)
