# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""health_review as an operator runs it, on a ledger with a month of runs."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.ledger import Ledger
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import format_instant

NAME = "evenkeel.ops.health.review"


def remember(ledger: Ledger, days: int, rows, *, host: str = "here") -> None:
    """One run a day; ``rows(day)`` gives its targets."""
    now = datetime.now(timezone.utc)
    for day in range(days):
        at = format_instant(now - timedelta(days=days - 1 - day, minutes=5))
        ledger.append({"run": f"{host}-{day}", "at": at, "host": host, "area": "health", "procedure": "check", "system": "unnamed",
                       "environment": "unnamed", "status": "pass", "changed": False, "body": [{"targets": rows(day)}]}, [])


def row(name: str, bad: bool = False) -> dict:
    return {"name": name, "service": name, "status": "fail" if bad else "pass", "samples": 5, "failed": 5 * bad, "latency_ms": 10.0}


def test_a_month_is_reviewed_and_recorded(playbook, inventory, tmp_path):
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.sqlite")
    hostile = "-rf 100% \"'Größe"
    remember(ledger, 30, lambda day: [row("quiet"), row("flapping", day % 2 == 0), row(hostile)] + ([row("gone")] if day < 20 else []))
    remember(ledger, 30, lambda day: [row("another host's", True)], host="elsewhere")
    done = playbook(NAME, inventory=inventory, variables={"health_fail_on": ["fail", "unknown", "warn"]})
    assert done.returncode == 2 and "it flaps" in done.stdout and "is not probed any more" in done.stdout, done.stdout
    [record] = ledger.records(ledger.newest_run(system="unnamed", environment="unnamed"))
    found = {(one["check"], one["subject"]): one["status"] for one in record["findings"]}
    assert record["procedure"] == "review" and found["health.history", "all targets"] == "pass"
    assert found["health.flapping", "flapping"] == found["health.gone", "gone"] == "warn"
    assert found["health.flapping", "quiet"] == found["health.trend", hostile] == "pass"
    histories = {one["name"]: one for one in record["body"][0]["histories"]}
    assert set(histories) == {"quiet", "flapping", "gone", hostile} and histories["gone"]["gone"] and histories["flapping"]["flapping"]


def test_an_empty_ledger_is_unknown_and_closes_the_gate(playbook, inventory):
    done = playbook(NAME, inventory=inventory)
    assert done.returncode == 2 and "no run of health.check is on record in the last 35d" in done.stdout, done.stdout


def test_a_policy_that_makes_no_sense_is_told(playbook, inventory):
    done = playbook(NAME, inventory=inventory, variables={"health_review": {"period": "35d"}}, options=("--check",))
    assert done.returncode == 2 and "recent is missing" in done.stdout, done.stdout
