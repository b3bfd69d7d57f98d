# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A day of operations in the lab: the first, the second, the planned, and the ones where things go wrong."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.ledger import Ledger

DAY = "evenkeel.ops.operations.daily"
STEPS = {"health.check", "service_levels.check", "backups.create", "backups.verify", "recovery.drill", "recovery.readiness",
         "databases.inspect", "databases.maintain", "certificates.check", "capacity.check", "housekeeping.clean", "backups.prune",
         "operations.report"}


@dataclass
class Day:
    """What one run said, and what it left in the ledger and on the page."""

    done: subprocess.CompletedProcess
    records: list[dict[str, Any]]
    report: dict[str, Any]

    @property
    def findings(self) -> dict[tuple[str, str], dict[str, Any]]:
        return {(finding["check"], finding["subject"]): finding for record in self.records for finding in record["findings"]}

    def record(self, name: str) -> dict[str, Any]:
        [found] = [record for record in self.records if f"{record['area']}.{record['procedure']}" == name]
        return found

    def of(self, check: str) -> list[dict[str, Any]]:
        return [finding for key, finding in self.findings.items() if key[0] == check]


def live(lab: Any, *options: str, **variables: Any) -> Day:
    """Run a day and read what it left."""
    done = lab.playbook(DAY, *options, variables=variables)
    path = re.search(r"^data: +(\S+)$", done.stdout, re.MULTILINE)
    assert path, done.stdout[-6000:] + done.stderr
    report = json.loads(Path(path[1]).read_text(encoding="utf-8"))
    return Day(done, Ledger(lab.state["ledger"]).records(report["run"]), report)


@dataclass
class Plan:
    """What a first day said in check mode, and the files that were there before and after."""

    done: subprocess.CompletedProcess
    before: dict[str, tuple[int, int]]
    after: dict[str, tuple[int, int]]


@pytest.fixture(scope="module")
def planned(lab) -> Plan:
    """The first thing that a fresh lab sees."""
    before = written(lab)
    done = lab.playbook(DAY, "--check")
    return Plan(done, before, written(lab))


def written(lab: Any) -> dict[str, tuple[int, int]]:
    """Every file that a day may write, with size and modification time."""
    home = lab.home.folder
    files = [path for name in ("backups", "files", "reports", "certificates") for path in (home / name).rglob("*")]
    files += home.glob("ledger.sqlite*")
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in files if path.is_file() and not path.is_symlink()}


@pytest.fixture(scope="module")
def days(lab, planned) -> Iterator[tuple[Day, Day]]:
    """Two days in a row in a fresh lab; the second is as loud as can be."""
    yield live(lab), live(lab, "-vvvv")


def test_every_step_of_the_day_is_on_record(days):
    assert {f"{record['area']}.{record['procedure']}" for record in days[0].records} == STEPS


def test_the_planted_sickness_is_found_and_says_what_to_do(days):
    bad = [finding for finding in days[0].findings.values() if finding["status"] != "pass"]
    areas = {finding["check"].split(".")[0] for finding in bad}
    assert {"health", "certificate", "database"} <= areas
    assert all(finding["hint"] for finding in bad), [finding for finding in bad if not finding["hint"]]


def test_no_step_failed_to_do_its_work(days):
    assert [finding for finding in days[0].findings.values() if finding["status"] == "unknown"] == []


def test_backups_are_proven_on_the_first_day_and_not_made_again_on_the_second(days):
    first, second = days
    assert first.record("backups.create")["changed"] and first.record("recovery.drill")["changed"]
    assert {row["status"] for row in first.report["backups"]} == {"proven"}
    assert [row["id"] for row in second.report["backups"]] == [row["id"] for row in first.report["backups"]]


def test_the_second_day_does_only_what_is_due(days):
    changed = [f"{record['area']}.{record['procedure']}" for record in days[1].records if record["changed"]]
    assert changed == ["operations.report"]


def test_maintenance_mended_what_the_first_day_found(days):
    first, second = days
    assert any(row["status"] == "done" for row in first.report["relations"])
    assert [row for row in second.report["relations"] if row["status"] == "done"] == []


def test_the_summary_is_the_last_thing_on_the_console(days):
    tail = days[0].done.stdout.split("PLAY RECAP")[1]
    assert days[0].report["verdict"]["word"].upper() in tail and "needs attention, worst first" in tail
    assert tail.rstrip().splitlines()[-2].startswith("report: ")


def test_the_report_is_private_and_whole(days):
    html = Path(re.search(r"^report: +(\S+)$", days[1].done.stdout, re.MULTILINE)[1])
    assert html.stat().st_mode & 0o777 == 0o600
    text = html.read_text(encoding="utf-8")
    assert text.rstrip().endswith("</html>") and "Trend" in text and text.count("<svg") > 3


def test_the_ledger_is_one_unbroken_chain(days, lab):
    assert Ledger(lab.state["ledger"]).verify_chain() >= 2 * len(STEPS)


def test_no_secret_is_shown_however_loud(days, lab):
    said = days[1].done.stdout + days[1].done.stderr
    identity = Path(lab.state["age"]["identity_file"]).read_text(encoding="utf-8").split()[-1]
    secrets = {lab.state["postgres"]["password"], lab.state["redis"]["password"], identity}
    assert "invocation" in said and all(secrets)
    assert [secret for secret in secrets if secret in said] == []


def test_check_mode_plans_and_writes_nothing(planned):
    recap = planned.done.stdout.split("PLAY RECAP")[1]
    assert "failed=0" in recap, planned.done.stdout[-4000:]
    assert planned.after == planned.before and planned.before and not any("ledger" in path for path in planned.after)
    with_changes = re.search(r"changed=(\d+)", recap)
    assert int(with_changes[1]) >= 4, "a first day has backups, a drill, maintenance and cleaning to plan"


def test_a_step_that_cannot_work_stops_only_what_needs_it(days, lab):
    day = live(lab, backups_plans=[{"name": "broken", "engine": "no-such-engine"}])
    assert {f"{record['area']}.{record['procedure']}" for record in day.records} == STEPS
    assert day.record("backups.create")["status"] == "unknown"
    [prune] = day.record("backups.prune")["findings"]
    assert prune["status"] == "unknown" and "was not run, since backups.create" in prune["message"]
    assert day.record("certificates.check")["findings"]


def test_a_policy_may_end_the_run_with_a_failure(days, lab):
    """The report alone, on the newest run, is judged by the same policy as at the end of a day."""
    strict = {"operations_verdict": {"healthy": 100, "degraded": 100}}
    report = "evenkeel.ops.operations.report"
    ended = lab.playbook(report, variables=strict | {"operations_fail_on": ["fail"]})
    assert ended.returncode == 2 and "UNHEALTHY" in ended.stdout and "The gate is closed" in ended.stdout
    assert lab.playbook(report, variables=strict | {"operations_fail_on": []}).returncode == 0
