# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""continuity.exercise and continuity.review (module continuity_review) as an operator runs them, and both in the report."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest


@pytest.fixture
def inventory(tmp_path) -> Path:
    path = tmp_path / "hosts.yml"
    here = '{ansible_connection: local, ansible_python_interpreter: "{{ ansible_playbook_python }}"}'
    path.write_text(f"all: {{children: {{continuity: {{hosts: {{ops: {here}}}}}, operations: {{hosts: {{ops: {here}}}}}}}}}\n")
    return path


def test_an_exercise_is_recorded_reviewed_and_shown(playbook, inventory, tmp_path, run_module):
    today = datetime.now(timezone.utc)
    exercise = {"kind": "full", "scenario": "the region is lost", "participants": ["A. Hopper", "Zo\u00eb"],
                "held_at": (today - timedelta(days=40)).isoformat(),
                "objectives": [{"name": "served within 4 hours", "met": True}, {"name": "clients told", "met": False}],
                "actions": [{"what": "write the message", "owner": "Zo\u00eb", "due": (today - timedelta(days=2)).date().isoformat()}]}
    alone = run_module("continuity_exercise", exercise)
    assert alone["exercise"]["outcome"] == "partly" and alone["findings"][0]["status"] == "warn"
    variables = {"continuity_intervals": {"full": "182d", "plan_review": "91d"}, "operations_report_folder": str(tmp_path / "reports"),
                 "continuity_functions": [{"name": "orders", "criticality": "CRITICAL", "rto": "4h", "plans": ["database"], "people": ["A"],
                                           "alternatives": ["by telephone"]}]}
    never = playbook("evenkeel.ops.continuity.review", inventory=inventory, variables=variables)
    assert never.returncode != 0 and "none was ever recorded" in never.stdout, never.stdout + never.stderr

    done = playbook("evenkeel.ops.continuity.exercise", inventory=inventory,
                    variables={**variables, "continuity_exercise": exercise})
    assert done.returncode == 0, done.stdout + done.stderr
    review = playbook("evenkeel.ops.continuity.review", inventory=inventory, variables=variables)
    assert review.returncode != 0 and "overdue by" in review.stdout and "write the message" in review.stdout, review.stdout

    closing = {"kind": "plan_review", "scenario": "quarterly review", "participants": ["A. Hopper"],
               "objectives": [{"name": "plan is current", "met": True}], "closes": [f"{alone['exercise']['id']}-1"]}
    assert playbook("evenkeel.ops.continuity.exercise", inventory=inventory,
                    variables={**variables, "continuity_exercise": closing}).returncode == 0
    gated = {**variables, "continuity_fail_on": ["fail"]}  # nothing of recovery is on record: that stays unknown
    assert playbook("evenkeel.ops.continuity.review", inventory=inventory, variables=gated).returncode == 0
    report = playbook("evenkeel.ops.operations.report", inventory=inventory, variables={**variables, "operations_fail_on": ["fail"]})
    [path] = (tmp_path / "reports").glob("*.json")
    shown = json.loads(path.read_text())
    statuses = {(one["check"], one["subject"]): one["status"] for one in shown["areas"][0]["findings"]}
    assert shown["areas"][0]["area"] == "continuity", report.stdout
    assert statuses == {("continuity.exercise", "full"): "warn", ("continuity.exercise", "plan_review"): "pass",
                        ("continuity.function", "orders"): "pass", ("continuity.rto", "orders"): "unknown"}


def test_what_makes_no_sense_is_told(playbook, inventory):
    wrong = playbook("evenkeel.ops.continuity.review", inventory=inventory, variables={"continuity_intervals": {"party": "1d"}})
    assert wrong.returncode != 0 and "is no kind" in wrong.stdout and "Traceback" not in wrong.stdout, wrong.stdout
