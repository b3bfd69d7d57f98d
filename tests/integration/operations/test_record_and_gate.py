# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The actions on the controller: record, gate and report, as playbooks use them."""

from __future__ import annotations

import getpass
import json
import platform
import sqlite3
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def tasks(tmp_path: Path, playbook):
    """Run a list of tasks on this machine."""

    def run(*content: dict[str, Any], options: tuple[str, ...] = (), **variables: Any):
        play = tmp_path / "play.yml"
        play.write_text(json.dumps([{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": list(content)}]))
        inventory = tmp_path / "hosts.yml"
        inventory.write_text("all: {hosts: {localhost: {}}}")
        return playbook(str(play), inventory=inventory, options=options, variables=variables)

    return run


def found(status: str, subject: str = "api") -> dict[str, Any]:
    return {"changed": False, "findings": [{"check": "health.probe", "subject": subject, "status": status, "message": f"it is {status}",
                                            "observed": None, "limit": None, "unit": "", "hint": "look"}]}


def record(results: Any, **more: Any) -> dict[str, Any]:
    return {"evenkeel.ops.record": {"area": "health", "procedure": "check", "results": results, **more}}


def gate(results: Any, **more: Any) -> dict[str, Any]:
    return {"evenkeel.ops.gate": {"results": results, **more}}


def rows(tmp_path: Path, query: str) -> list[tuple]:
    with sqlite3.connect(tmp_path / "ledger.sqlite") as connection:
        return connection.execute(query).fetchall()


def test_a_record_keeps_findings_and_names_what_is_operated(tasks, tmp_path):
    done = tasks(record(found("warn")), evenkeel_system="skafu", evenkeel_environment="staging")
    assert done.returncode == 0, done.stdout
    assert rows(tmp_path, "SELECT system, environment, host, area, procedure, status FROM records") == [
        ("skafu", "staging", "localhost", "health", "check", "warn")]
    assert (tmp_path / "ledger.sqlite").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("said, person", [
    ({}, ""),
    ({"evenkeel_operator": "G. Hopper", "awx_user_name": "job"}, "G. Hopper"),
    ({"evenkeel_operator": "", "tower_user_name": "ada"}, "ada"),
])
def test_a_record_says_who_made_it(tasks, tmp_path, said, person):
    assert tasks(record(found("pass")), **said).returncode == 0
    account = f"{getpass.getuser()} on {platform.node()}"
    assert rows(tmp_path, "SELECT recorded_by FROM records") == [(f"{person} ({account})" if person else account,)]


def test_all_that_one_playbook_run_records_has_one_run_word(tasks, tmp_path):
    tasks(record(found("pass")), record(found("pass")))
    tasks(record(found("pass")))
    assert [count for _run, count in rows(tmp_path, "SELECT run, count(*) FROM records GROUP BY run ORDER BY min(id)")] == [2, 1]


def test_check_mode_records_nothing(tasks, tmp_path):
    assert tasks(record(found("fail")), options=("--check",)).returncode == 0
    assert not (tmp_path / "ledger.sqlite").exists()


def test_a_failed_result_is_recorded_as_unknown_with_its_hint(tasks, tmp_path):
    tasks(record({"failed": True, "msg": "No server answers. Start it", "hint": "Start it"}))
    [(body,)] = rows(tmp_path, "SELECT body FROM findings")
    assert json.loads(body) | {"observed": None} == {
        "check": "health.check", "subject": "localhost", "status": "unknown", "message": "No server answers", "hint": "Start it",
        "observed": None, "limit": None, "unit": ""}


def test_keep_earlier_does_not_write_over_what_the_step_recorded(tasks, tmp_path):
    tasks(record(found("warn")), record({"failed": True, "msg": "late"}, keep_earlier=True))
    assert rows(tmp_path, "SELECT status FROM records") == [("warn",)]


def test_a_ledger_that_cannot_be_written_is_told(tasks):
    done = tasks(record(found("pass")), evenkeel_ledger_url="sqlite:////proc/no/ledger.sqlite")
    assert done.returncode == 2 and "/proc/no" in done.stdout and "hint" in done.stdout


def test_a_ledger_url_that_is_none_is_told_without_its_password(tasks):
    done = tasks(record(found("pass")), evenkeel_ledger_url="postgresql+psycopg://u:s3cret-canary@127.0.0.1:1/x")
    assert done.returncode == 2 and "cannot be used" in done.stdout
    assert "s3cret-canary" not in done.stdout + done.stderr


@pytest.mark.parametrize("status, code", [("pass", 0), ("warn", 0), ("fail", 2), ("unknown", 2)])
def test_a_gate_lets_through_what_its_policy_says(tasks, status, code):
    assert tasks(gate(found(status))).returncode == code


def test_a_closed_gate_names_the_finding_and_what_to_do(tasks):
    done = tasks(gate(found("fail", "api.example:443")))
    assert "fail: api.example:443: it is fail -> look" in done.stdout


def test_a_gate_refuses_a_word_that_is_no_status(tasks):
    done = tasks(gate(found("pass"), fail_on=["bad"]))
    assert done.returncode == 2 and "'bad' is none of warn, fail, unknown" in done.stdout


def test_a_report_on_nothing_says_so(tasks, tmp_path):
    done = tasks({"evenkeel.ops.report": {"folder": str(tmp_path / "reports")}})
    assert done.returncode == 2 and "has no run of unnamed/unnamed" in done.stdout


def test_a_ledger_that_was_altered_is_not_reported_on(tasks, tmp_path):
    tasks(record(found("fail")), record(found("pass")))
    with sqlite3.connect(tmp_path / "ledger.sqlite") as connection:
        connection.execute("UPDATE findings SET body = replace(body, 'fail', 'pass') WHERE id = 1")
    done = tasks({"evenkeel.ops.report": {"folder": str(tmp_path / "reports")}})
    assert done.returncode == 2 and "the chain breaks at record 1" in done.stdout
