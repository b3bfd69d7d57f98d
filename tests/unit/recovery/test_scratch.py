# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders that go with their owner."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import SystemClock
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import StorageFailed
from ansible_collections.evenkeel.ops.plugins.module_utils.recovery.scratch import scratch_folder, sweep

from tests.conftest import ROOT

OWNER = """
import sys, time
sys.path.insert(0, sys.argv[1])
import tests.conftest
from pathlib import Path
from ansible_collections.evenkeel.ops.plugins.module_utils.recovery.scratch import scratch_folder
with scratch_folder(Path(sys.argv[2])) as folder:
    print(folder, flush=True)
    time.sleep(60)
"""


def test_it_is_removed_at_the_end_also_after_an_error(tmp_path):
    with pytest.raises(ZeroDivisionError), scratch_folder(tmp_path) as folder:
        (folder / "deep").mkdir()
        assert folder.stat().st_mode & 0o777 == 0o711
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_one_that_is_in_use_is_left_alone(tmp_path):
    with scratch_folder(tmp_path) as folder:
        assert sweep(tmp_path, SystemClock()) == [] and folder.exists()


def test_what_a_killed_owner_left_is_swept_with_what_runs_in_it(tmp_path):
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(ROOT), str(tmp_path)], stdout=subprocess.PIPE, text=True)
    folder = owner.stdout.readline().strip()
    survivor = subprocess.Popen(["sleep", "60"], cwd=folder)
    assert sweep(tmp_path, SystemClock()) == []
    owner.kill()
    owner.wait()
    owner.stdout.close()
    assert sweep(tmp_path, SystemClock()) == [folder]
    assert survivor.wait(timeout=5) == -9 and not os.path.exists(folder)


def test_what_is_not_ours_is_left_alone(tmp_path):
    (tmp_path / "evenkeel-drill-file").touch()
    (tmp_path / "other").mkdir()
    (tmp_path / "evenkeel-drill-link").symlink_to(tmp_path / "other")
    assert sweep(tmp_path, SystemClock()) == []
    assert (tmp_path / "other").exists() and sweep(tmp_path / "nowhere", SystemClock()) == []


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    with pytest.raises(StorageFailed) as error, scratch_folder(tmp_path / "nowhere"):
        pass
    assert error.value.hint
