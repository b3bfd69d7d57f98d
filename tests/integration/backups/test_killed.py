# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that is killed at any moment leaves no bad copy that looks good, and the next run repairs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from tests.conftest import ROOT

MOMENTS = [0.25, 0.45, 0.55, 0.65, 0.75, 0.9, 1.2]


def begin(options):
    arguments = {"ANSIBLE_MODULE_ARGS": {**options, "_ansible_check_mode": False, "_ansible_diff": False,
                                         "_ansible_remote_tmp": "/tmp", "_ansible_keep_remote_files": False}}
    process = subprocess.Popen([sys.executable, "-m", "tests.testbed.module", "backup"], stdin=subprocess.PIPE, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT)
    process.stdin.write(json.dumps(arguments))
    process.stdin.close()
    process.stdin = None
    return process


def repaired(run_module, repository, options, programs):
    """Whatever is listed can be verified; the next run makes a backup and leaves nothing else behind."""
    verified = run_module("backup_verify", {"repository": str(repository.root), "bin_dir": programs})
    assert all(one["status"] == "pass" for one in verified["verifications"]), verified
    before = [backup.id for backup in repository.list("shop")]
    deadline = time.monotonic() + 60
    answer = run_module("backup", options)
    while answer.get("error") == "Busy" and time.monotonic() < deadline:
        time.sleep(0.1)
        answer = run_module("backup", options)
    assert answer.get("changed"), answer
    assert [path.name for path in repository.copies("shop")] == [*before, answer["backup"]["id"]]
    assert list((repository.folder / ".scratch").iterdir()) == []


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("encrypt", [False, True])
def test_a_kill_leaves_no_bad_copy_and_the_next_run_repairs(run_module, repository, new_shop, of, programs, keys, moment, encrypt):
    options = of(repository, new_shop, bin_dir=programs, recipients=[keys[1]] if encrypt else [])
    process = begin(options)
    time.sleep(moment)
    process.kill()
    process.communicate()
    repaired(run_module, repository, options, programs)


def test_a_polite_end_cleans_up_itself(run_module, repository, new_shop, of, programs):
    options = of(repository, new_shop, bin_dir=programs)
    process = begin(options)
    plan = repository.plan_folder("shop")
    while not list(plan.glob("*/data")) and process.poll() is None:
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGTERM)
    said, _errors = process.communicate()
    answer = json.loads([line for line in said.splitlines() if line.startswith("{")][-1])
    if answer.get("failed"):
        assert answer["error"] == "Interrupted"
        assert list(repository.copies("shop")) == []
    repaired(run_module, repository, options, programs)
