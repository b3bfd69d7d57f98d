# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The chapters on what was seen of services: probes, their history, watches over time, logs, traces. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..core.quantities import format_duration
from .tables import Chapter, Row, Table, column, minute, rows_of, table, with_host

Report = Mapping[str, Any]


def health(report: Report) -> Chapter:
    """Where failures begin, services as the probes saw them, and what a watch of some minutes showed."""
    roots = _roots(report)
    services = table(
        "All services" if roots else "", report["services"],
        column("service", "name", lambda row: with_host(row, row.get("service"), _followed(row))), column("is", "status", "status"),
        column("availability", "percent", "availability"), column("P50", "ms", "p50_ms"), column("P95", "ms", "p95_ms"),
        column("P99", "ms", "p99_ms", wide=True), column("probes", "number", "total", wide=True),
        column("failed", "number", "failed", wide=True))
    return Chapter("health", "Services", tables=[*roots, *services, *_changes(report), *_watches(report)],
                   plots=("latency", "availability"))


def _followed(row: Row) -> str:
    follows = row.get("follows") or ()
    return f"follows {', '.join(str(one) for one in follows)}" if follows else ""


def _roots(report: Report) -> list[Table]:
    """Failing targets that nothing below explains, each with those that fail because of it; only where some do."""
    followers: dict[tuple[str, str], list[str]] = {}
    for row in report["targets"]:
        for root in row.get("follows") or ():
            followers.setdefault((row["on"], str(root)), []).append(str(row.get("name")))
    if not followers:
        return []
    roots = [row for row in report["targets"] if row.get("status") == "fail" and not row.get("follows")]

    def behind(row: Row) -> list[str]:
        return followers.get((row["on"], str(row.get("name"))), [])

    return table(
        "Where it begins", sorted(roots, key=lambda row: (-len(behind(row)), str(row.get("name")))),
        column("target", "name", lambda row: with_host(row, row.get("name"), row.get("service"))), column("is", "status", "status"),
        column("follow it", "text", lambda row: _named(behind(row))),
        column("says", "text", "message", wide=True))


def _named(names: list[str], most: int = 5) -> str:
    return ", ".join(sorted(names)[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _changes(report: Report) -> list[Table]:
    return table(
        "What changed", report["histories"], column("target", "name", lambda row: with_host(row, row.get("name"))),
        column("news", "text", _news), column("changes", "number", "changes"), column("last failed", "when", "last_failure"),
        column("available", "percent", "availability"), column("before", "percent", "availability_before", wide=True),
        column("P95", "ms", "p95_ms"), column("before", "ms", "p95_ms_before", wide=True))


def _news(row: Row) -> str:
    return ", ".join(str(word) for word in (row.get("news"), "flaps" if row.get("flapping") else "",
                                            "is not asked any more" if row.get("gone") else "") if word)


def _watches(report: Report) -> list[Table]:
    watched = table(
        "Watched", report["watches"], column("ended", "name", lambda row: with_host(row, row.get("end"), row.get("why"))),
        column("for", "duration", "seconds"), column("of", "duration", "planned_seconds"), column("every", "duration", "every_seconds"),
        column("rounds", "text", lambda row: f"{row.get('rounds')} of {row.get('planned_rounds')}"),
        column("bad samples", "text", lambda row: f"{row.get('bad')} of {row.get('samples')}"))
    unsteady = [{**one, "on": row["on"]} for row in report["watches"] for one in rows_of(row.get("targets"))
                if one.get("bad") or one.get("drift_percent")]
    targets = table(
        "While it was watched", sorted(unsteady, key=lambda row: (-(row.get("bad") or 0), str(row.get("name")))),
        column("target", "name", lambda row: with_host(row, row.get("name"))), column("bad", "number", "bad"),
        column("allowed", "number", "allowed"), column("in a row", "number", "burst"),
        column("lasted", "duration", "burst_seconds", wide=True),
        column("began slow", "ms", "first_ms", wide=True), column("ended slow", "ms", "last_ms", wide=True),
        column("drift", "percent", "drift_percent"))
    return [*watched, *targets]


def logs(report: Report) -> Chapter:
    """Classes of log lines, the new ones first, and what was slow in traces."""
    scanned = table(
        "Logs", report["log_scans"], column("log", "name", lambda row: with_host(row, row.get("name"), _span(row))),
        column("events", "number", "events"), column("by level", "text", lambda row: _counts(row.get("levels"))),
        column("marked", "text", lambda row: _counts(row.get("markers"))), column("new classes", "number", "new_classes"),
        column("read", "size", "bytes", wide=True))
    classes = [{**one, "on": row["on"], "log": row.get("name")} for row in report["log_scans"] for one in rows_of(row.get("classes"))]
    found = table(
        "Classes", sorted(classes, key=lambda row: (not row.get("new"), -(row.get("count") or 0), str(row.get("form")))),
        column("class", "name", lambda row: with_host(row, row.get("form"), row.get("log"))), column("level", "text", "level"),
        column("marked", "text", lambda row: ", ".join(str(one) for one in row.get("markers") or ())),
        column("times", "number", "count"), column("since yesterday", "text", lambda row: "new" if row.get("new") else ""),
        column("last", "when", "last", wide=True), note="new ones first")
    services = [{**one, "on": row["on"]} for row in report["traces"] for one in rows_of(row.get("services"))]
    traced = table(
        "Traces", services, column("service", "name", lambda row: with_host(row, row.get("service"))), column("traces", "number", "traces"),
        column("slow", "number", "slow"), column("failed", "number", "failed"), column("incomplete", "number", "incomplete"))
    slowest = [{**one, "on": row["on"]} for row in report["traces"] for one in rows_of(row.get("slowest"))]
    slow = table(
        "Slowest traces", sorted(slowest, key=lambda row: -(row.get("seconds") or 0)),
        column("operation", "name", lambda row: with_host(row, f"{row.get('service')} {row.get('operation')}", row.get("trace"))),
        column("took", "duration", "seconds"), column("most of it in", "text", _slowest),
        column("errors", "number", "errors", wide=True), column("at", "when", "at", wide=True))
    return Chapter("logs", "Logs and traces", tables=[*scanned, *found, *traced, *slow])


def _span(row: Row) -> str:
    return f"{minute(row.get('from'))} to {minute(row.get('to'))}"


def _counts(counts: Any) -> str:
    return ", ".join(f"{name} {number}" for name, number in counts.items()) if isinstance(counts, Mapping) else ""


def _slowest(row: Row) -> str:
    own = row.get("self_seconds")
    return f"{row.get('slowest_service')} {row.get('slowest_operation')}" + ("" if own is None else f", {format_duration(own) or '0s'}")
