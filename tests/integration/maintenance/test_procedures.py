# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""evenkeel.ops.maintenance.* as an operator runs them, in front of a real nginx."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT


def status_of(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def around(*, before: float = 1, after: float = 3) -> str:
    """A window that was opened ``before`` hours ago and closes ``after`` hours from now."""
    now = datetime.now(timezone.utc)
    return f"{now - timedelta(hours=before):%Y-%m-%d %H:%M} to {now + timedelta(hours=after):%Y-%m-%d %H:%M}"


@pytest.fixture
def inventory(tmp_path):
    path = tmp_path / "hosts.yml"
    host = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    path.write_text(yaml.safe_dump({"maintenance": {"hosts": {"this": host}}}))
    return path


@pytest.fixture
def variables(nginx, tmp_path, run_module):
    work = tmp_path / "work.yml"
    work.write_text(yaml.safe_dump([
        {"name": "See the page while it is worked", "ansible.builtin.uri": {"url": nginx.url, "status_code": 503}},
        {"name": "See when the work of databases has to end", "ansible.builtin.assert": {
            "that": "databases_deadline is match('20') or maintenance_emergency"}},
        {"name": "Work", "ansible.builtin.copy": {"content": "done", "dest": str(tmp_path / "worked"), "mode": "0600"}}]))
    yield {
        "maintenance_windows": [{"name": "night", "when": around()}],
        "maintenance_sites": [{"name": "site", "url": nginx.url, "nginx": nginx.options["nginx"]}],
        "maintenance_state_dir": nginx.options["state_dir"], "maintenance_mode_patience": "60s", "maintenance_change": "CHG-7",
        "maintenance_by": "A. Hopper", "maintenance_rollback": "take the old file", "maintenance_backup": False,
        "maintenance_work": [{"name": "patches", "tasks": str(work)}],
        "health_targets": [{"name": "site", "url": nginx.url}], "health_defaults": {"timeout": "5s"}, "health_limits": {"*": {
            "availability": {"fail": 99}}},
    }
    run_module("maintenance_mode", {"state": "disabled", "url": nginx.url, **nginx.options})


def recorded(tmp_path):
    if not (tmp_path / "ledger.sqlite").exists():
        return []
    with contextlib.closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as ledger:
        rows = ledger.execute("SELECT area || '.' || procedure, status, body FROM records ORDER BY id").fetchall()
    return [(procedure, status, json.loads(body)) for procedure, status, body in rows]


def outcome(tmp_path):
    [done] = [value["maintenance"] for value in recorded(tmp_path)[-1][2] if "maintenance" in value]
    return done


def test_the_whole_of_it_from_the_plan_to_the_record(playbook, inventory, variables, nginx, tmp_path):
    name = "evenkeel.ops.maintenance.run"
    planned = playbook(name, inventory=inventory, variables=variables, options=("--check",))
    assert planned.returncode == 0 and not (tmp_path / "worked").exists(), planned.stdout
    assert not (tmp_path / "ledger.sqlite").exists(), "check mode leaves nothing behind"
    done = playbook(name, inventory=inventory, variables=variables)
    assert done.returncode == 0, done.stdout
    assert (tmp_path / "worked").read_text() == "done" and status_of(nginx.url) == 200
    assert [row[:2] for row in recorded(tmp_path)] == [("health.check", "pass"), ("maintenance.run", "pass")]
    came = outcome(tmp_path)
    assert [step["name"] for step in came["steps"]] == ["enable", "patches", "disable", "health"]
    assert (came["change"], came["by"], came["window"], came["status"]) == ("CHG-7", "A. Hopper", "night", "pass")
    assert 0 < came["away_seconds"] < came["seconds"] + 1


@pytest.mark.parametrize("how", ["fails", "is unknown", "is not there"])
def test_the_page_goes_away_even_where_the_work_failed(playbook, inventory, variables, nginx, tmp_path, how):
    if how == "fails":
        (tmp_path / "work.yml").write_text(yaml.safe_dump([{"name": "Break", "ansible.builtin.fail": {"msg": "the package is held"}}]))
    elif how == "is unknown":
        variables["maintenance_work"] = [{"name": "patches", "role": "evenkeel.ops.nothing"}]
    else:
        (tmp_path / "work.yml").unlink()
    done = playbook("evenkeel.ops.maintenance.run", inventory=inventory, variables=variables)
    assert done.returncode != 0 and status_of(nginx.url) == 200, done.stdout
    came = outcome(tmp_path)
    assert {step["name"]: step["status"] for step in came["steps"]} == {
        "enable": "pass", "patches": "fail", "disable": "pass", "health": "pass"}
    assert came["status"] == "fail" and (how != "fails" or "the package is held" in came["steps"][1]["reason"])
    assert not list((nginx.folder / "state").glob("*.json"))


def test_a_run_that_is_killed_leaves_who_takes_the_page_away(playbook, inventory, variables, nginx, tmp_path):
    begun = tmp_path / "begun"
    (tmp_path / "work.yml").write_text(yaml.safe_dump([
        {"name": "Begin", "ansible.builtin.copy": {"content": "", "dest": str(begun), "mode": "0600"}},
        {"name": "Wait", "ansible.builtin.wait_for": {"timeout": 600}}]))
    extra = tmp_path / "killed.json"
    extra.write_text(json.dumps({**variables, "evenkeel_ledger_url": f"sqlite:///{tmp_path}/ledger.sqlite"}))
    process = subprocess.Popen(
        [str(Path(sys.executable).with_name("ansible-playbook")), "evenkeel.ops.maintenance.run", "-i", str(inventory), "-e", f"@{extra}"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT, start_new_session=True,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")})
    record, end = nginx.folder / "state/site.json", time.monotonic() + 300
    try:
        while not begun.exists():
            assert time.monotonic() < end and process.poll() is None, "the work was never begun"
            time.sleep(0.2)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert status_of(nginx.url) == 503 and json.loads(record.read_text())["until"], "nobody was left to take it away"
    with (nginx.folder / "state/site.lock").open() as lock, pytest.raises(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # a process of the host waits for the announced end
    off = playbook("evenkeel.ops.maintenance.disable", inventory=inventory, variables=variables)
    assert off.returncode == 0 and status_of(nginx.url) == 200 and not record.exists(), off.stdout


def test_nothing_is_begun_without_window_notice_approvals_and_a_way_back(playbook, inventory, variables, nginx, tmp_path):
    variables |= {"maintenance_windows": [{"name": "night", "when": around(), "notice": "7d"}], "maintenance_rollback": "",
                  "maintenance_freezes": [{"name": "release", "when": around(before=2, after=1)}],
                  "maintenance_approvals": ["technical review", "stakeholder approval"], "maintenance_approvers": 2}
    name = "evenkeel.ops.maintenance.run"
    refused = playbook(name, inventory=inventory, variables=variables)
    assert refused.returncode != 0 and not (tmp_path / "worked").exists() and status_of(nginx.url) == 200
    for told in ("the freeze release holds", "no window is open", "there is none for CHG-7", "no way back is written down"):
        assert told in refused.stdout, refused.stdout
    assert recorded(tmp_path)[-1][:2] == ("maintenance.run", "fail") and outcome(tmp_path)["steps"] == []
    late = playbook(name, inventory=inventory, variables={**variables, "maintenance_freezes": []})
    assert late.returncode != 0 and "nobody was told" in late.stdout
    for kind, by in (("technical review", "A. Hopper"), ("stakeholder approval", "G. Lovelace")):
        decision = {"maintenance_decision": {"change": "CHG-7", "kind": kind, "by": by}}
        assert playbook("evenkeel.ops.maintenance.approve", inventory=inventory, variables=decision).returncode == 0
    allowed = {**variables, "maintenance_freezes": [], "maintenance_rollback": "the runbook",
               "maintenance_windows": [{"name": "night", "when": around()}]}
    done = playbook(name, inventory=inventory, variables=allowed)
    assert done.returncode == 0 and (tmp_path / "worked").exists(), done.stdout


def test_an_emergency_has_approvals_of_its_own(playbook, inventory, variables, tmp_path):
    variables |= {"maintenance_windows": [], "maintenance_emergency": True, "maintenance_emergency_approvals": ["authorization"],
                  "maintenance_approvals": ["technical review"], "maintenance_health": False}
    refused = playbook("evenkeel.ops.maintenance.run", inventory=inventory, variables=variables)
    assert refused.returncode != 0 and "authorization" in refused.stdout and not (tmp_path / "worked").exists()
    decision = {"maintenance_decision": {"change": "CHG-7", "kind": "authorization", "by": "G. Lovelace", "notes": "the disk is full"}}
    assert playbook("evenkeel.ops.maintenance.approve", inventory=inventory, variables=decision).returncode == 0
    done = playbook("evenkeel.ops.maintenance.run", inventory=inventory, variables=variables)
    assert done.returncode == 0 and outcome(tmp_path)["emergency"] and (tmp_path / "worked").exists(), done.stdout


def test_a_notice_is_given_once_by_the_operators_tasks_and_counts(playbook, inventory, tmp_path):
    begins = datetime.now(timezone.utc) + timedelta(days=10)
    tell = tmp_path / "tell.yml"
    tell.write_text(yaml.safe_dump([{"name": "Tell", "ansible.builtin.lineinfile": {
        "path": str(tmp_path / "sent"), "line": "{{ maintenance_open.next.window }} {{ maintenance_open.next.begins_at }}", "create": True,
        "mode": "0600"}}]))
    variables = {"maintenance_windows": [{"name": "night", "when": f"{begins:%Y-%m-%d} 02:00-06:00", "notice": "7d"}],
                 "maintenance_announce_tasks": [str(tell)], "maintenance_told": ["clients"], "maintenance_by": "A. Hopper"}
    name = "evenkeel.ops.maintenance.announce"
    nobody = playbook(name, inventory=inventory, variables={**variables, "maintenance_told": [], "maintenance_announce_tasks": []})
    assert nobody.returncode != 0 and "nobody was told" in nobody.stdout
    before = playbook("evenkeel.ops.maintenance.status", inventory=inventory, variables=variables)
    assert before.returncode == 0 and "nobody was told yet" in before.stdout, before.stdout
    broken = playbook(name, inventory=inventory, variables={**variables, "maintenance_announce_tasks": [str(tmp_path / "none.yml")]})
    assert broken.returncode != 0
    done = playbook(name, inventory=inventory, variables=variables)
    assert done.returncode == 0 and (tmp_path / "sent").read_text().startswith("night "), done.stdout
    (tmp_path / "sent").unlink()
    again = playbook(name, inventory=inventory, variables=variables)
    assert again.returncode == 0 and not (tmp_path / "sent").exists(), again.stdout
    kept = [value["notice"] for procedure, _status, body in recorded(tmp_path) if procedure == "maintenance.announce" for value in body]
    notices = [one for one in kept if one and "by" in one]
    assert [(one["window"], one["told"], one["by"]) for one in notices] == [("night", ["clients"], "A. Hopper")]
    after = playbook("evenkeel.ops.maintenance.status", inventory=inventory, variables=variables)
    assert after.returncode == 0 and "nobody was told yet" not in after.stdout


def test_on_and_off_by_hand_and_status(playbook, inventory, variables, nginx):
    on = playbook("evenkeel.ops.maintenance.enable", inventory=inventory, variables=variables)
    assert on.returncode == 0 and status_of(nginx.url) == 503, on.stdout
    seen = playbook("evenkeel.ops.maintenance.status", inventory=inventory, variables=variables)
    assert seen.returncode == 0 and "changed=0" in seen.stdout and status_of(nginx.url) == 503, seen.stdout
    off = playbook("evenkeel.ops.maintenance.disable", inventory=inventory, variables=variables)
    assert off.returncode == 0 and status_of(nginx.url) == 200, off.stdout
