# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A report on an older run says what was known then, and nothing that was found out since."""

from __future__ import annotations

import getpass
import json
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.ledger import Ledger

from tests.unit.operations import days

DAY = 12  # so many days before the newest run of the ledger


COLUMNS = ("at", "system", "environment", "host", "area", "procedure", "status", "changed", "body")


def verdict(day: float, share: float) -> dict[str, Any]:
    """The record of a report that was written so many days before."""
    at = days.instant(24 * day)
    values = {"trend": {"run": f"earlier-{at}", "at": at, "share": share, "verdict": "healthy"}}
    return days.record("operations", "report", [], [values], on="localhost", at=days.instant(24 * day - 0.1))


def cleaned(day: float, status: str) -> dict[str, Any]:
    """The record of a step that ended so, so many days before."""
    return days.record("housekeeping", "clean", [days.finding(status, "housekeeping.cache", "/var/cache")], at=days.instant(24 * day))


def test_trends_plots_ages_and_news_end_with_the_run_that_is_asked_for(playbook, ledger):
    kept = Ledger(f"sqlite:///{ledger}/ledger.sqlite")
    for day, row in ((20, verdict(20, 91.0)), (DAY, verdict(DAY, 92.0)), (1, verdict(1, 93.0)), (DAY + 1, cleaned(DAY + 1, "pass")),
                     (DAY, cleaned(DAY, "fail")), (1, cleaned(1, "pass"))):
        kept.append({"run": f"earlier-{days.instant(24 * day)}", **{name: row[name] for name in COLUMNS}}, row["findings"])
    ended = days.instant(24 * DAY)
    inventory = ledger / "hosts.yml"
    inventory.write_text("all: {children: {operations: {hosts: {localhost: {ansible_connection: local}}}}}")
    done = playbook("evenkeel.ops.operations.report", inventory=inventory, variables={
        "evenkeel_system": "cronos_ai", "evenkeel_environment": "production", "operations_report_folder": str(ledger / "reports"),
        "operations_report_run": f"earlier-{ended}", "awx_user_name": "G. Lovelace", "operations_fail_on": []})
    assert done.returncode == 0, done.stdout[-3000:]
    [path] = Path(ledger / "reports").glob("*.json")
    report = json.loads(path.read_text(encoding="utf-8"))
    assert report["ended"] == ended < report["generated_at"]
    assert [point["share"] for point in report["trends"]] == [91.0, report["verdict"]["share"]]
    lines = [points for entries in report["series"].values() for entry in entries for points in entry["lines"].values()]
    instants = [point[0] for points in lines for point in points]
    assert len(instants) > 100 and max(instants) == ended
    assert [copy["age_seconds"] for copy in report["backups"]] == [3 * 3600]
    assert (report["changes"]["new"], report["changes"]["until"]) == (1, days.instant(24 * (DAY + 1)))
    page = path.with_suffix(".html").read_text(encoding="utf-8")
    assert f"This report was written by G. Lovelace ({getpass.getuser()} on " in page
    assert ended[:16].replace("T", " ") in page.split("</header>")[0], "the day that it is about comes first"


def test_a_run_of_two_systems_is_reported_on_one_by_one(playbook, ledger):
    kept = Ledger(f"sqlite:///{ledger}/ledger.sqlite")
    for system, status in (("cronos_ai", "fail"), ("skafu", "pass")):
        row = {**cleaned(1, status), "system": system}
        kept.append({"run": "job-4711", **{name: row[name] for name in COLUMNS}}, row["findings"])
    inventory = ledger / "hosts.yml"
    inventory.write_text("all: {children: {operations: {hosts: {localhost: {ansible_connection: local}}}}}")

    def reported(system: str):
        return playbook("evenkeel.ops.operations.report", inventory=inventory, variables={
            "evenkeel_system": system, "evenkeel_environment": "production", "operations_report_folder": str(ledger / "reports"),
            "operations_report_run": "job-4711", "operations_fail_on": []})

    for system, verdict_of_it in (("cronos_ai", "unhealthy"), ("skafu", "healthy")):
        assert reported(system).returncode == 0
        report = json.loads((ledger / "reports" / f"{system}-production-job-4711.json").read_text(encoding="utf-8"))
        assert (report["verdict"]["word"], report["verdict"]["total"]) == (verdict_of_it, 1)
    none = reported("neuron")
    assert none.returncode == 2 and "has no run job-4711 of neuron/production" in none.stdout
