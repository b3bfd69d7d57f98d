# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The chapters on data: backups and recovery, databases, maintenance. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..core.quantities import DAY, format_duration, format_size
from .tables import Bar, Chapter, Row, column, minute, rows_of, steps_of, table, took, with_host

Report = Mapping[str, Any]


def backups(report: Report) -> Chapter:
    """Copies, how ready they are, what was read again, restored, drilled."""
    copies = table(
        "", report["backups"], column("plan", "name", lambda row: with_host(row, row.get("plan"), row.get("id"))),
        column("newest copy is", "status", "status"), column("age", "duration", "age_seconds"), column("size", "size", "bytes"),
        column("engine", "text", "engine", wide=True),
        column("encrypted", "text", lambda row: "yes" if row.get("encrypted") else "no", wide=True))
    readiness = table(
        "Readiness to recover", report["readiness"], column("plan", "name", lambda row: with_host(row, row.get("plan"))),
        column("score", "bar", lambda row: Bar(row.get("score"), row.get("status") or "unknown", _percent(row.get("score")))),
        *(column(title, "text", lambda row, key=key: "never" if row.get(key) is None else format_duration(row[key]))
          for title, key in (("backup", "backup_age_seconds"), ("verified", "verification_age_seconds"), ("drilled", "drill_age_seconds"))),
        column("weakest", "text", "weakest", wide=True), note="falls while copies, verifications and drills age")
    coverage = table(
        "What was read again", report["coverage"], column("plan", "name", lambda row: with_host(row, row.get("plan"))),
        column("seen with", "text", lambda row: _percent(row.get("confidence_percent"))),
        column("damage to", "text", lambda row: f"{row.get('damaged_files')} of {row.get('files')}"),
        column("files read", "bar", lambda row: Bar(100 * row["files_read"] / row["files"] if row.get("files") else None, "pass",
                                                    f"{row.get('files_read')}")),
        column("of", "size", "bytes", wide=True), note="how surely damage to so many stored files would have been seen")
    copied = table("Copied elsewhere", report["copied"], column("plan", "name", lambda row: with_host(row, row.get("plan"), row.get("id"))),
                   column("is", "status", "status"), column("size", "size", "bytes"), column("sent", "size", "bytes_sent", wide=True),
                   column("took", "duration", "seconds"), column("told", "text", "message", wide=True))
    restores = table(
        "Restored", report["restores"], column("plan", "name", lambda row: with_host(row, row.get("plan"), row.get("backup_id"))),
        column("is", "status", "status"), column("to", "text", "destination"),
        column("took", "duration", took),
        column("compared equal", "text", lambda row: _equal(row.get("compared"), row.get("different")), wide=True))
    drills = table(
        "Restore drills", report["drills"], column("plan", "name", lambda row: with_host(row, row.get("plan"))),
        column("drill", "status", "status"), column("recovery time", "duration", "rto_seconds"),
        column("objective", "duration", "rto_objective_seconds"), column("data loss", "duration", "rpo_seconds"),
        column("objective", "duration", "rpo_objective_seconds"),
        column("phases", "phases", "phases"),
        column("compared equal", "text", lambda row: _equal(row.get("tables_compared"), row.get("tables_different")), wide=True),
        note="against the objectives")
    recoveries = table(
        "Recovered to a point in time", report["recoveries"],
        column("plan", "name", lambda row: with_host(row, row.get("plan"), row.get("backup_id"))), column("to", "text", "target"),
        column("last transaction", "when", "last_transaction_at"),
        column("took", "duration", took))
    return Chapter("backups", "Backups and recovery",
                   tables=[*copies, *readiness, *coverage, *copied, *restores, *drills, *recoveries, *_sites(report)],
                   plots=("backup_age", "backup_size"), sentences=_deleted(report["deleted"]))


def _sites(report: Report) -> list[Any]:
    disasters = table(
        "Disaster drill", report["disasters"], column("of", "name", lambda row: with_host(row, f"{len(row.get('plans') or ())} plans")),
        column("is", "status", "status"), column("recovery time", "duration", "rto_seconds"),
        column("objective", "duration", "rto_objective_seconds"), column("data loss", "duration", "rpo_seconds"),
        column("objective", "duration", "rpo_objective_seconds"), column("clients follow", "duration", "clients_follow_seconds", wide=True))
    activations = table(
        "Standby site", report["activations"], column("site", "name", lambda row: with_host(row, row.get("site"), row.get("trigger"))),
        column("is", "status", "status"), column("mode", "text", "mode"), column("took", "duration", "rto_seconds"),
        column("objective", "duration", "rto_objective_seconds"),
        column("steps", "text", steps_of, wide=True))
    return [*disasters, *activations]


def _deleted(rows: Sequence[Row]) -> list[str]:
    if not rows:
        return []
    freed = sum(row.get("bytes") or 0 for row in rows)
    return [f"Retention removed {len(rows)} cop{'y' if len(rows) == 1 else 'ies'}, {format_size(freed)}."]


def _percent(value: Any) -> str:
    return "not known" if value is None else f"{value:g}%"


def _equal(compared: Any, different: Any) -> str:
    if compared is None:
        return ""
    wrong = len(different) if isinstance(different, (list, tuple)) else different or 0
    return f"{compared - wrong} of {compared}"


def databases(report: Report) -> Chapter:
    """Growth, pools, statements, logs, baselines, settings, migrations."""
    growth = table(
        "", report["growth"], column("database", "name", lambda row: with_host(row, row.get("target"))), column("size", "size", "bytes"),
        column("grows a day", "text", lambda row: _growth(row.get("bytes_per_day"))),
        column("room for", "duration", lambda row: None if row.get("days_left") is None else row["days_left"] * DAY),
        column("grows most", "text", lambda row: row["relations"][0].get("relation") if row.get("relations") else "", wide=True))
    pools = table(
        "Pools", [{**pool, "pooler": row.get("name")} for row in report["poolers"] for pool in rows_of(row.get("pools"))],
        column("pool", "name", lambda row: (f"{row.get('database')} as {row.get('user')}", str(row.get("pooler") or ""))),
        column("mode", "text", "mode"), column("clients at work", "number", "active"), column("waiting", "number", "waiting"),
        column("first waits", "duration", "waited"), column("servers", "number", lambda row: sum((row.get("servers") or {}).values())))
    regressions = table(
        "Statements that became slower, or are planned otherwise", report["regressions"],
        column("statement", "name", lambda row: (str(row.get("statement")), f"{row.get('target')}, query {row.get('queryid')}")),
        column("before", "ms", "before_ms"), column("now", "ms", "after_ms"),
        column("plan before", "text", lambda row: _plan(row, "plan_before"), wide=True),
        column("plan now", "text", lambda row: _plan(row, "plan_after"), wide=True))
    logs = table(
        "Logs of PostgreSQL", report["log_reviews"],
        column("log", "name", lambda row: (str(row.get("name")), f"{minute(row.get('from'))} to {minute(row.get('to'))}")),
        column("errors", "number", lambda row: (row.get("severities") or {}).get("ERROR", 0)),
        column("failed logins", "number", lambda row: sum(one.get("count") or 0 for one in rows_of(row.get("failed_logins")))),
        column("deadlocks", "number", "deadlocks"),
        column("slow statements", "number", lambda row: (row.get("slow_statements") or {}).get("number")),
        column("most frequent", "text", lambda row: row["errors"][0].get("message") if row.get("errors") else "", wide=True))
    baselines = [one for row in report["baselines"] for one in table(
        f"{row.get('target')}: {row.get('before')} and {row.get('after')}", rows_of(row.get("figures")),
        column("figure", "name", lambda line: str(line.get("name")).replace("_", " ")),
        column("before", "change", lambda line: _figure(line, "before")),
        column("after", "change", lambda line: _figure(line, "after")), column("worse by", "percent", "change_percent"))]
    migrations = table(
        "Migrations", report["migrations"], column("database", "name", lambda row: with_host(row, row.get("database"), row.get("tool"))),
        column("is", "status", "status"), column("from", "text", "from"), column("at", "text", "at"),
        column("took", "duration", took),
        column("pending", "text", lambda row: ", ".join(str(one.get("name")) for one in rows_of(row.get("pending"))), wide=True))
    upgrades = table(
        "Upgrade rehearsed", report["upgrades"],
        column("database", "name", lambda row: with_host(row, row.get("database"), row.get("backup_id"))),
        column("is", "status", "status"), column("from", "text", "from_major"), column("to", "text", "to_major"),
        column("took", "duration", took))
    settings = table(
        "Settings that differ", report["settings"], column("setting", "name", lambda row: with_host(row, row.get("name"))),
        column("is", "text", "value"), column("wanted", "text", "wanted"), column("state", "status", "status"),
        column("restart", "text", lambda row: "needed" if row.get("needs_restart") else ""))
    return Chapter("databases", "Databases", tables=[*growth, *pools, *regressions, *logs, *settings, *migrations, *upgrades, *baselines],
                   plots=("growth",))


def _growth(bytes_per_day: float | None) -> str:
    return "not known yet" if bytes_per_day is None else format_size(bytes_per_day)


def _plan(row: Row, side: str) -> str:
    plan = row.get(side)
    return f"{plan.get('shape')}, cost {plan.get('cost')}" if plan else ""


def _figure(line: Row, side: str) -> list[tuple[str, Any, str]]:
    return [("", line.get(side), str(line.get("unit") or ""))]


def maintenance(report: Report) -> Chapter:
    """Windows, notices, approvals, what was carried out, and what was left of the work on relations."""
    windows = table(
        "Windows", report["windows"], column("on", "name", "on"),
        column("now", "text", lambda row: f"{row.get('window')} is open" if row.get("open") else "closed"),
        column("until", "when", "ends_at"), column("next", "text", lambda row: (row.get("next") or {}).get("window")),
        column("begins", "when", lambda row: (row.get("next") or {}).get("begins_at")),
        column("notice", "text", lambda row: str((row.get("notice") or {}).get("status") or "").replace("_", " ")),
        column("freeze", "text", lambda row: (row.get("freeze") or {}).get("name"), wide=True))
    notices = table(
        "Announced", report["notices"], column("window", "name", lambda row: with_host(row, row.get("window"), row.get("change"))),
        column("announced", "when", "announced_at"), column("begins", "when", "begins_at"), column("ends", "when", "ends_at"),
        column("told", "text", lambda row: ", ".join(str(one) for one in row.get("told") or ()), wide=True))
    decided = table(
        "Decisions", [*report["approvals"], *report["approved"]],
        column("change", "name", lambda row: (str(row.get("change")), str(row.get("kind") or ""))), column("decision", "text", "decision"),
        column("by", "text", "by"), column("when", "when", "at"), column("notes", "text", "notes", wide=True))
    modes = table(
        "Maintenance page", report["modes"], column("page", "name", lambda row: (str(row.get("url")), str(row.get("change") or ""))),
        column("is", "text", lambda row: "shown" if row.get("on") else "not shown"), column("since", "when", "since"),
        column("until", "when", "until"))
    outcomes = table(
        "Carried out", report["outcomes"], column("change", "name", lambda row: with_host(row, row.get("change"), row.get("window"))),
        column("is", "status", "status"), column("took", "duration", "seconds"), column("away for", "duration", "away_seconds"),
        column("steps", "text", steps_of),
        column("way back", "text", "rollback", wide=True))
    relations = table(
        "Relations", report["relations"], column("relation", "name", lambda row: with_host(row, row.get("relation"), row.get("reason"))),
        column("action", "text", "action"), column("is", "status", "status"), column("took", "duration", "seconds"),
        column("before", "change", lambda row: _moved(row, "before", "after")),
        column("after", "change", lambda row: _moved(row, "after", "before")))
    debt = table(
        "Debt", report["debt"], column("relation", "name", lambda row: with_host(row, row.get("relation"), row.get("reason"))),
        column("action", "text", "action"), column("would take", "duration", "predicted_seconds"), column("left in", "text", _runs),
        column("since", "when", "since", wide=True), column("forced in", "duration", "forced_seconds"),
        note="what was due and left; forced is when PostgreSQL vacuums it unasked")
    left = [row for row in report["not_done"] if row.get("relation") not in {one.get("relation") for one in report["debt"]}]
    not_done = table("Was due and was not done", left, column("relation", "name", lambda row: with_host(row, row.get("relation"))),
                     column("why", "text", "reason"))
    return Chapter("maintenance", "Maintenance", tables=[*windows, *notices, *decided, *modes, *outcomes, *relations, *debt, *not_done])


def _runs(row: Row) -> str | None:
    runs = row.get("runs")
    return None if runs is None else f"{runs} run{'' if runs == 1 else 's'}"


def _moved(row: Row, side: str, other: str) -> list[tuple[str, Any, str]]:
    """The figures that the work changed; ages count on by themselves and say nothing."""
    mine, theirs = row.get(side) or {}, row.get(other) or {}
    return [(key.replace("_", " "), value, "bytes" if "bytes" in key else "") for key, value in mine.items()
            if value is not None and value != theirs.get(key) and "age" not in key]
