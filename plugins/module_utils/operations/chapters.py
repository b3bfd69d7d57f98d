# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The chapters on service levels, monitoring, certificates, capacity, continuity; and the order of them all. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..core.quantities import format_size
from .chapters_data import backups, databases, maintenance
from .chapters_health import health, logs
from .series import objective_name
from .tables import Bar, Chapter, Row, column, steps_of, table, with_host

Report = Mapping[str, Any]
# What the findings of monitoring answer, in the words of who asks whether an outage would be noticed.
_QUESTIONS = {
    "monitoring.targets": "Targets are scraped", "monitoring.rules": "Rules are loaded and evaluated",
    "monitoring.link": "Alerts reach Alertmanager", "monitoring.delivery": "Alerts reach somebody",
    "monitoring.dashboard": "Dashboards show data", "monitoring.retention": "Metrics are kept long enough",
    "monitoring.log": "Logs can be read", "monitoring.traces": "Traces can be read",
}
_WORST = ("fail", "unknown", "warn", "pass")


def build_chapters(report: Report) -> list[Chapter]:
    """The chapters that have something to show, in the order in which they are read. ``report`` as `build_report` gives it."""
    chapters = (health(report), service_levels(report), monitoring(report), logs(report), backups(report), databases(report),
                maintenance(report), certificates(report), capacity(report), continuity(report))
    plotted = {name for name, entries in report.get("series", {}).items() if entries}
    return [chapter for chapter in chapters if chapter.tables or chapter.sentences or plotted & set(chapter.plots)]


def service_levels(report: Report) -> Chapter:
    """Objectives with their budgets, compliance by period, and how often and for how long services were down."""
    objectives = table(
        "Objectives", report["objectives"],
        column("objective", "name", lambda row: with_host(row, _named(row), row.get("tier"))), column("is", "status", "status"),
        column("achieved", "told", _achieved), column("promised", "figure", lambda row: _in_unit(row.get("target"), row.get("unit"))),
        column("error budget left", "bar", _budget), column("minutes left", "figure", _minutes),
        column("burns", "text", _burns, wide=True))
    compliance = table(
        "Compliance", report["compliance"],
        column("objective", "name", lambda row: with_host(row, _named(row), row.get("tier"))), column("period", "text", "period"),
        column("is", "status", "status"), column("achieved", "told", _achieved),
        column("promised", "figure", lambda row: _in_unit(row.get("target"), row.get("unit"))),
        column("minutes left", "figure", _minutes), most=30)
    reliability = table(
        "Outages", report["reliability"],
        column("service", "name", lambda row: with_host(row, row.get("service"), "down now" if row.get("down_now") else "")),
        column("outages", "number", "outages"), column("MTTR", "duration", "mttr_seconds"), column("MTBF", "duration", "mtbf_seconds"),
        column("down", "duration", "down_seconds"), column("nobody looked", "duration", "unseen_seconds", wide=True),
        column("last began", "when", "last_began", wide=True),
        note="MTTR is the mean time to recovery of outages that ended, MTBF the time seen up for each outage")
    return Chapter("service_levels", "Service levels", tables=[*objectives, *compliance, *reliability], plots=("budget", "burn"))


def _named(row: Row) -> str:
    return objective_name(row).replace("_", " ")


def _in_unit(value: Any, unit: Any) -> str | None:
    if value is None:
        return None
    shown = f"{value:.3f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
    return f"{shown}%" if unit == "%" else f"{shown} {unit or ''}".strip()


def _achieved(row: Row) -> tuple[str, str]:
    shown = _in_unit(row.get("value"), row.get("unit"))
    return "not known" if shown is None else f"at least {shown}" if row.get("at_least") else shown, str(row.get("reason") or "")


def _budget(row: Row) -> Bar | None:
    left = row.get("budget_left_percent")
    if left is None:
        return Bar(None, "unknown", "not known") if row.get("measure") in ("availability", "error_rate") else None
    return Bar(left, row.get("status") or "unknown", f"{left:.1f}%")


def _minutes(row: Row) -> str | None:
    if row.get("minutes_allowed") is None:
        return None
    left = row.get("minutes_left")
    return f"{'not known' if left is None else f'{left:g}'} of {row['minutes_allowed']:g}"


def _burns(row: Row) -> str:
    rates = row.get("burn_rates") or {}
    return ", ".join(f"{window}: {'not known' if rate is None else f'{rate:.3g}x'}" for window, rate in rates.items())


def monitoring(report: Report) -> Chapter:
    """Whether an outage would be noticed, and what alerts fired."""
    answers = table("Would we notice?", _answers(report), column("what has to hold", "name", "question"), column("is", "status", "status"),
                    column("holds", "number", "good"), column("does not", "number", "bad"))
    canaries = table(
        "Test alerts", report["deliveries"],
        column("for", "name", lambda row: with_host(row, ", ".join(f"{key}={value}" for key, value in (row.get("labels") or {}).items()))),
        column("is", "status", lambda row: "unknown" if row.get("seconds") is None
               else "pass" if row.get("expected") in (row.get("receivers") or ()) else "fail"),
        column("meant for", "text", "expected"), column("told", "text", lambda row: ", ".join(row.get("receivers") or ())),
        column("took", "duration", "seconds"))
    judged = {(row["host"], row["subject"], row["check"]) for row in _findings(report, "monitoring")}
    alerts = table(
        "Alerts that fired", report["alerts"],
        column("alert", "name", lambda row: with_host(row, _alert(row))), column("times", "number", "episodes"),
        column("longest", "duration", "longest_seconds"), column("now", "text", lambda row: "firing" if row.get("firing_now") else "over"),
        column("noted", "text", lambda row: ", ".join(
            word for word, check in (("flaps", "monitoring.flapping"), ("nobody acted", "monitoring.unanswered"))
            if (row["on"], _alert(row), check) in judged)),
        column("silenced", "text", lambda row: "yes" if row.get("silenced") else "no", wide=True))
    written = [row for row in report["files"] if row.get("status") in ("created", "changed")]
    files = table("Configuration written", written, column("file", "name", lambda row: with_host(row, row.get("path"))),
                  column("is", "text", "status"))
    return Chapter("monitoring", "Monitoring", tables=[*answers, *canaries, *alerts, *files])


def _findings(report: Report, area: str) -> Sequence[Row]:
    return next((entry["findings"] for entry in report["areas"] if entry["area"] == area), ())


def _answers(report: Report) -> list[dict[str, Any]]:
    found = []
    rows = _findings(report, "monitoring")
    for check, question in _QUESTIONS.items():
        statuses = [row["status"] for row in rows if row["check"] == check]
        if statuses:
            found.append({"question": question, "status": min(statuses, key=_WORST.index), "good": statuses.count("pass"),
                          "bad": len(statuses) - statuses.count("pass")})
    return found


def _alert(row: Row) -> str:
    """As the findings of the review call it."""
    labels = sorted((key, value) for key, value in (row.get("labels") or {}).items() if key != "alertname")
    return " ".join((str(row.get("alert")), *(f"{key}={value}" for key, value in labels)))


def certificates(report: Report) -> Chapter:
    """Days left, the chain, and what was renewed."""
    limits = {(row["host"], row["subject"]): row.get("limit") for row in _findings(report, "certificates")
              if row["check"] == "certificate.expiry"}
    held = table(
        "", report["certificates"],
        column("where", "name", lambda row: (str(row.get("source")), str(row.get("subject") or ""))), column("is", "status", "status"),
        column("days left", "bar", lambda row: _days(row, limits.get((row["on"], row.get("source"))))),
        column("until", "when", "not_after"), column("key", "text", "key", wide=True),
        column("authorities", "text", _chain, wide=True), most=15)
    renewals = table(
        "Renewals", report["renewals"], column("certificate", "name", lambda row: with_host(row, row.get("name"))),
        column("is", "status", "status"), column("days left", "days", "days_left"), column("until", "when", "not_after"),
        column("steps", "text", steps_of, wide=True),
        column("what was done or is due", "text", "message"))
    return Chapter("certificates", "Certificates", tables=[*held, *renewals], plots=("days_left",))


def _days(row: Row, limit: Any) -> Bar:
    """A bar of a year (no certificate is meant to be older), marked where the limit is."""
    left = row.get("days_left")
    mark = 100 * limit / 365 if isinstance(limit, (int, float)) and 0 < limit < 365 else None
    if left is None:
        return Bar(None, "unknown", "not known", mark)
    return Bar(100 * left / 365, row.get("status") or "unknown", f"{left:.0f} d", mark)


def _chain(row: Row) -> str:
    chain = [one for one in row.get("chain") or () if isinstance(one, Mapping)]
    ends = [one["days_left"] for one in chain if one.get("days_left") is not None]
    return f"{len(chain)}, the first ends in {min(ends):.0f} d" if ends else str(len(chain) or "")


def capacity(report: Report) -> Chapter:
    """How full hosts are, and what housekeeping removed."""
    judged = {(row["host"], row["subject"], row["check"]): (row["status"], row.get("limit")) for row in _findings(report, "capacity")}

    def used(row: Row, what: str, percent: Any, check: str) -> dict[str, Any]:
        status, limit = judged.get((row["on"], what, check), ("pass", None))
        shown = Bar(percent, status, f"{percent:.0f}%", limit) if percent is not None else Bar(None, "unknown", "not known", limit)
        return {"on": row["on"], "what": what, "bar": shown}

    rows = [one for row in report["hosts"] for one in (
        used(row, "cpu", row.get("cpu_percent"), "capacity.cpu"), used(row, "memory", row.get("memory_percent"), "capacity.memory"),
        *(used(row, str(disk.get("mount")), disk.get("used_percent"), "capacity.disk") for disk in row.get("disks") or ()))]
    used_up = table("", rows, column("host", "name", "on"), column("of", "text", "what"), column("in use", "bar", "bar"), most=40)
    sentences = []
    if report["removed"]:
        freed = sum(row.get("bytes") or 0 for row in report["removed"])
        sentences.append(f"Housekeeping removed {len(report['removed'])} file{'s' if len(report['removed']) != 1 else ''}, "
                         f"{format_size(freed)}.")
    return Chapter("capacity", "Capacity", tables=used_up, plots=("disk",), sentences=sentences)


def continuity(report: Report) -> Chapter:
    """Exercises that were recorded, and the actions that they left open."""
    exercises = table(
        "Exercises", report["exercises"], column("exercise", "name", lambda row: (str(row.get("scenario")), str(row.get("kind")))),
        column("outcome", "text", "outcome"), column("held", "when", "held_at"))
    actions = table(
        "Open actions", report["actions"], column("action", "name", lambda row: (str(row.get("what")), str(row.get("id") or ""))),
        column("who", "text", "owner"), column("due", "when", "due"))
    return Chapter("continuity", "Continuity", tables=[*exercises, *actions])
