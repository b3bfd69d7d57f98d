# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""maintenance_notice, maintenance_approval, maintenance_outcome, and with them maintenance_window and maintenance_readiness."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT

HOSTILE = "'; DROP TABLE notices; -- \"%s{{ 7*7 }}ü\n-x"


def test_a_notice_and_whether_it_is_in_time(run_module):
    begins = (datetime.now(timezone.utc) + timedelta(days=5)).isoformat()
    given = {"window": HOSTILE, "begins_at": begins, "told": ["clients"], "by": "A. Hopper", "notice": "2d"}
    done = run_module("maintenance_notice", given)
    assert not done["changed"] and done["findings"][0]["status"] == "pass" and done["notice"]["window"] == HOSTILE.strip()
    assert run_module("maintenance_notice", {**given, "notice": "7d"})["findings"][0]["status"] == "warn"
    for wrong in ({"told": []}, {"begins_at": "soon"}, {"notice": "-1d"}, {"by": " "}):
        assert run_module("maintenance_notice", {**given, **wrong})["error"] == "InvalidOption"


def test_an_approval(run_module):
    done = run_module("maintenance_approval", {"change": "CHG-7", "kind": "technical review", "by": HOSTILE}, check=True)
    assert done["approval"]["by"] == HOSTILE.strip() and done["findings"][0]["status"] == "pass"
    rejected = {"change": "CHG-7", "kind": "x", "by": "y", "decision": "rejected", "notes": "too much at once"}
    no = run_module("maintenance_approval", rejected)
    assert no["findings"][0]["status"] == "warn" and no["findings"][0]["hint"] == "too much at once"
    assert run_module("maintenance_approval", {"change": "", "kind": "x", "by": "y"})["error"] == "InvalidOption"


def test_what_came_of_it(run_module):
    steps = [{"name": "enable", "began": 1000, "ended": 1002, "failed": False},
             {"name": "work", "began": 1002, "ended": 1010, "failed": True, "reason": "held"},
             {"name": "disable", "began": 1010, "ended": 1012, "failed": False}]
    done = run_module("maintenance_outcome", {"change": "CHG-7", "steps": steps})
    assert done["maintenance"]["status"] == "fail" and done["maintenance"]["away_seconds"] == 12 and "3 steps in 12s" in done["summary"]
    assert run_module("maintenance_outcome", {"change": "CHG-7", "planned": True})["maintenance"]["status"] == "planned"


@pytest.fixture
def ask(tmp_path):
    """Run one of the modules that work on the controller; gives its answer."""

    def run(module: str, options: dict, **variables) -> dict:
        tasks = [{"name": "Ask", f"evenkeel.ops.{module}": options, "register": "asked", "failed_when": False},
                 {"name": "Keep", "ansible.builtin.copy": {
                     "content": "{{ asked | to_json }}", "dest": str(tmp_path / "asked"), "mode": "0600"}}]
        play = [{"name": "Ask", "hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks, "vars": {
            "evenkeel_ledger_url": f"sqlite:///{tmp_path}/ledger.sqlite", "ansible_python_interpreter": sys.executable, **variables}}]
        (tmp_path / "play.yml").write_text(yaml.safe_dump(play))
        done = subprocess.run([str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", str(tmp_path / "play.yml")],
                              text=True, capture_output=True, timeout=120, cwd=ROOT, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads((tmp_path / "asked").read_text())

    return run


def test_a_window_as_of_an_instant_with_its_freeze_and_the_end_of_work(ask):
    windows = [{"name": "night", "when": "first Sunday 02:00-06:00", "time_zone": "Europe/Berlin", "notice": "7d"}]
    freezes = [{"name": "release", "when": "2026-03-01 05:00-08:00", "time_zone": "Europe/Berlin"}]
    open_now = ask("maintenance_window", {"windows": windows, "freezes": freezes, "at": "2026-03-01T02:00:00Z", "required": True,
                                          "duration": "2h", "reserve": "30m"})
    assert (open_now["open"], open_now["window"], open_now["ends_at"]) == (True, "night", "2026-03-01T04:00:00.000Z")
    assert (open_now["work_ends_at"], open_now["remaining_seconds"]) == ("2026-03-01T03:30:00.000Z", 7200)
    assert open_now["notice"]["status"] == "missing" and open_now["next"]["begins_at"] == "2026-04-05T00:00:00.000Z"
    assert open_now["freeze"] == {"name": "release", "begins_at": "2026-03-01T04:00:00.000Z", "ends_at": "2026-03-01T07:00:00.000Z",
                                  "active": False}
    frozen = ask("maintenance_window", {"windows": windows, "freezes": freezes, "at": "2026-03-01T04:30:00Z"})
    assert not frozen["open"] and frozen["freeze"]["active"] and frozen["remaining_seconds"] == 0
    wrong = ask("maintenance_window", {"windows": windows, "only": "day"})
    assert wrong["error"] == "NotFound" and wrong["hint"]
    assert ask("maintenance_window", {"windows": [{"name": "x", "when": "never"}]})["error"] == "InvalidOption"


def test_a_change_without_approvals_is_not_ready(ask):
    seen = ask("maintenance_readiness", {"change": HOSTILE, "approvals": ["technical review"]})
    assert {finding["check"]: finding["status"] for finding in seen["findings"]} == {
        "maintenance.approval": "fail", "maintenance.rollback": "fail"}
    assert ask("maintenance_readiness", {"change": " "})["error"] == "InvalidOption"
