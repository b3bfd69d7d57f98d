# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""recovery_readiness on real copies: what raises the score, what is missing, and what the playbook says."""

from __future__ import annotations

import os
import time

import pytest

POLICY = {"weights": {"backup": 2, "verification": 1, "drill": 3, "rto": 2, "key": 1, "log": 1},
          "half_lives": {"backup": "3d", "verification": "30d", "drill": "60d"}, "warn": 80, "fail": 60, "rto": "4h", "rpo": "15m"}


@pytest.fixture
def made(run_module, tmp_path):
    """Make an encrypted backup of a file; gives its identity file."""
    pyrage = pytest.importorskip("pyrage")
    identity = pyrage.x25519.Identity.generate()
    (tmp_path / "key").write_text(f"{identity}\n")
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "file").write_text("x" * 1000)
    answer = run_module("backup", {"repository": str(tmp_path / "repository"), "plan": "files", "engine": "archive",
                                   "paths": [str(tmp_path / "source")], "recipients": [str(identity.to_public())]})
    assert answer["changed"], answer
    return str(tmp_path / "key")


@pytest.fixture
def readiness(run_module, tmp_path):
    def run(**options):
        answer = run_module("recovery_readiness", {"repository": str(tmp_path / "repository"), **POLICY, **options})
        assert not answer.get("changed")
        return answer

    return run


def test_the_score_rises_with_what_is_done_and_falls_without(run_module, readiness, made, scratch, tmp_path):
    """A copy that nobody verified or drilled, without its key, then with all of it."""
    [bare] = readiness()["readiness"]
    assert bare["parts"] == {"backup": 1.0, "verification": 0, "drill": 0, "rto": 0, "key": 0} and bare["score"] == 22.2
    assert bare["weakest"] == "verification" and bare["key"] is False
    run_module("backup_verify", {"repository": str(tmp_path / "repository"), "identity_file": made})
    [verified] = readiness(identity_file=made)["readiness"]
    assert verified["key"] is True and verified["score"] == 44.4
    drilled = run_module("restore_drill", {"repository": str(tmp_path / "repository"), "scratch_dir": str(scratch), "identity_file": made})
    assert drilled["drill"]["status"] == "pass", drilled
    answer = readiness(identity_file=made)
    [ready] = answer["readiness"]
    assert ready["score"] >= 99 and ready["rto_seconds"] > 0 and [one["status"] for one in answer["findings"]] == ["pass"]
    [late] = readiness(identity_file=made, objectives={"files": {"rto": "1ms"}})["readiness"]
    assert late["parts"]["rto"] < 0.5 and late["weakest"] == "rto"
    [other] = readiness(identity_file=made, objectives={"elsewhere": {"rto": "1ms"}})["readiness"]
    assert other["score"] == ready["score"]


def test_the_log_counts_by_its_newest_segment(readiness, made, tmp_path):
    wal = tmp_path / "wal" / "16-1" / "0000000100000000"
    wal.mkdir(parents=True)
    name = "000000010000000000000007"
    options = {"identity_file": made, "wal_dirs": {"files": str(tmp_path / "wal")}}
    [none] = readiness(**options)["readiness"]
    assert none["parts"]["log"] == 0 and none["log_age_seconds"] is None
    (wal / f"{name}-{'a' * 40}.zst").write_text("x")
    (wal / "no segment").write_text("x")
    [fresh] = readiness(**options)["readiness"]
    assert fresh["parts"]["log"] == 1
    hour_ago = time.time() - 3600
    os.utime(wal / f"{name}-{'a' * 40}.zst", (hour_ago, hour_ago))
    [old] = readiness(**options)["readiness"]
    assert old["parts"]["log"] == pytest.approx(0.25, abs=0.01) and old["score"] < fresh["score"]


def test_a_plan_without_a_copy_fails_and_bad_input_is_told(readiness, made):
    answer = readiness(plans=["files", "none"])
    assert [one["status"] for one in answer["findings"]] == ["fail", "fail"]
    assert answer["readiness"][0]["plan"] == "none" and answer["readiness"][0]["score"] == 0
    for change in ({"objectives": {"files": {"rtt": "1h"}}}, {"weights": {**POLICY["weights"], "drill": 0}}, {"rpo": "soon"},
                   {"plans": ["../.."]}, {"warn": 200}):
        answer = readiness(**change)
        assert answer["failed"] and answer["error"] == "InvalidOption" and answer["hint"], change


def test_the_playbook_records_and_gates(playbook, made, tmp_path):
    inventory = tmp_path / "hosts.yml"
    inventory.write_text("recovery: {hosts: {here: {ansible_connection: local, "
                         "ansible_python_interpreter: '{{ ansible_playbook_python }}'}}}\n")
    variables = {"recovery_repository": str(tmp_path / "repository"), "recovery_plans": ["files"], "recovery_identity_file": made}
    done = playbook("evenkeel.ops.recovery.readiness", inventory=inventory, variables=variables)
    assert done.returncode != 0 and "readiness to recover is 33.3%" in done.stdout, done.stdout
    low = playbook("evenkeel.ops.recovery.readiness", inventory=inventory, variables={**variables, "recovery_readiness_fail": 10})
    assert low.returncode == 0, low.stdout
