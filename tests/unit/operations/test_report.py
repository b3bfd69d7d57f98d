# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report is a pure function of a run's records."""

from __future__ import annotations

from typing import Any

from ansible_collections.evenkeel.ops.plugins.module_utils.core.finding import Status
from ansible_collections.evenkeel.ops.plugins.module_utils.operations.report import (
    build_report,
    console_summary,
    verdict_finding,
)
from ansible_collections.evenkeel.ops.plugins.module_utils.operations.verdict import VerdictPolicy

NOW = "2026-01-15T12:00:00.000Z"


def finding(status: str, check: str = "health.probe", subject: str = "api", **more: Any) -> dict[str, Any]:
    return {"check": check, "subject": subject, "status": status, "message": f"{subject} is {status}", "observed": 1, "limit": 2,
            "unit": "", "hint": "" if status == "pass" else "look", **more}


def record(area: str, procedure: str, findings: list[dict], *, on: str = "one", at: str = NOW, **values: Any) -> dict[str, Any]:
    return {"run": "r1", "at": at, "system": "cronos_ai", "environment": "production", "host": on, "area": area,
            "procedure": procedure, "status": "pass", "changed": False, "body": [values] if values else [], "findings": findings}


def report(*records: dict, trends: tuple = ()) -> dict[str, Any]:
    return build_report(records, policy=VerdictPolicy(), generated_at=NOW, trends=trends)


def test_a_run_is_judged_by_the_share_of_good_checks():
    assert report(record("health", "check", [finding("pass")] * 19 + [finding("warn")]))["verdict"]["word"] == "healthy"
    assert report(record("health", "check", [finding("pass")] * 4 + [finding("fail")]))["verdict"]["word"] == "degraded"
    assert report(record("health", "check", [finding("pass")] * 3 + [finding("fail")] * 2))["verdict"]["word"] == "unhealthy"


def test_unknown_is_no_pass_and_nothing_at_all_is_unhealthy():
    assert report(record("health", "check", [finding("pass"), finding("unknown")]))["verdict"]["share"] == 50
    empty = report()
    assert empty["verdict"]["word"] == "unhealthy"
    assert verdict_finding(empty, VerdictPolicy()).status is Status.FAIL


def test_a_step_that_ran_twice_counts_once_and_its_last_word_stands():
    first = record("health", "check", [finding("fail")], at="2026-01-15T11:00:00.000Z")
    assert report(first, record("health", "check", [finding("pass")]))["counts"] == {"pass": 1, "warn": 0, "fail": 0, "unknown": 0}


def test_two_hosts_with_one_procedure_both_count():
    assert report(record("capacity", "check", [finding("pass")], on="a"),
                  record("capacity", "check", [finding("fail")], on="b"))["verdict"]["total"] == 2


def test_attention_begins_with_failures_then_unknown_then_warnings():
    shown = report(record("health", "check", [finding("warn"), finding("pass"), finding("unknown"), finding("fail")]))["attention"]
    assert [row["status"] for row in shown] == ["fail", "unknown", "warn"]


def backup(status: str = "created", **more: Any) -> dict[str, Any]:
    return {"id": "20260115T110000Z-aaaa", "plan": "shop", "engine": "pg_dump", "created_at": "2026-01-15T11:00:00.000Z",
            "bytes": 10, "status": status, "encrypted": True, **more}


def test_a_backup_shows_the_status_it_has_at_the_end_of_the_run():
    made = record("backups", "create", [], backup=backup())
    checked = record("backups", "verify", [], verifications=[{"id": backup()["id"], "plan": "shop", "status": "pass"}])
    drilled = record("recovery", "drill", [], drill={"backup_id": backup()["id"], "plan": "shop", "status": "pass", "phases": []})
    assert report(made)["backups"][0]["status"] == "created"
    assert report(made, checked)["backups"][0]["status"] == "verified"
    [shown] = report(made, checked, drilled)["backups"]
    assert (shown["status"], shown["age_seconds"]) == ("proven", 3600)


def test_readiness_is_shown_with_its_judgement_and_the_least_ready_first():
    shown = report(record("recovery", "readiness", [finding("pass", "recovery.readiness", "a"), finding("fail", "recovery.readiness", "b")],
                          readiness=[{"plan": "a", "score": 90.0}, {"plan": "b", "score": 20.0}, {"plan": "c", "score": 95.0}]))
    assert [(row["plan"], row["status"]) for row in shown["readiness"]] == [("b", "fail"), ("a", "pass"), ("c", "unknown")]


def test_a_failed_drill_is_never_hidden_behind_a_good_verification():
    shown = report(record("backups", "create", [], backup=backup(status="verified")),
                   record("recovery", "drill", [], drill={"backup_id": backup()["id"], "plan": "shop", "status": "fail", "phases": []}))
    assert shown["backups"][0]["status"] == "failed"


def test_trends_end_with_this_run():
    shown = report(record("health", "check", [finding("pass")]), trends=({"at": "2026-01-14T12:00:00Z", "share": 80.0},))
    assert [point["share"] for point in shown["trends"]] == [80.0, 100.0]


def test_a_run_that_was_reported_on_before_counts_once_and_later_runs_are_no_part_of_it():
    points = ({"run": "r0", "at": "2026-01-14T12:00:00Z", "share": 80.0}, {"run": "r0", "at": "2026-01-14T12:00:00Z", "share": 81.0},
              {"run": "r1", "at": NOW, "share": 1.0}, {"run": "r2", "at": "2026-01-16T12:00:00Z", "share": 2.0},
              {"at": "2026-01-10T12:00:00Z", "share": 70.0})
    shown = report(record("health", "check", [finding("pass")]), trends=points)
    assert [point["share"] for point in shown["trends"]] == [70.0, 81.0, 100.0]


def test_ages_are_counted_to_the_end_of_the_run_however_late_the_report_is_written():
    made = record("backups", "create", [], backup=backup())
    again = record("operations", "report", [], at="2026-03-01T00:00:00.000Z")
    late = build_report([made, again], policy=VerdictPolicy(), generated_at="2026-03-01T00:00:00.000Z")
    assert (late["backups"][0]["age_seconds"], late["ended"], late["trend"]["at"]) == (3600, NOW, NOW)


def test_certificates_are_shown_shortest_first_and_unknown_last():
    rows = [{"source": "b", "days_left": 30}, {"source": "c", "days_left": None}, {"source": "a", "days_left": -1}]
    assert [row["source"] for row in report(record("certificates", "check", [], certificates=rows))["certificates"]] == ["a", "b", "c"]


def test_the_console_says_verdict_areas_and_what_to_do():
    text = "\n".join(line for line, _status in console_summary(report(record("health", "check", [finding("fail")]))))
    assert "cronos_ai / production   UNHEALTHY   0% of 1 checks are good" in text
    assert "health: api: api is fail" in text and "-> look" in text


def test_a_verification_that_could_not_look_changes_nothing():
    looked = record("backups", "verify", [], verifications=[{"id": backup()["id"], "plan": "shop", "status": "unknown"}])
    assert report(record("backups", "create", [], backup=backup()), looked)["backups"][0]["status"] == "created"
