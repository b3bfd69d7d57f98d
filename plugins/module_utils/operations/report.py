# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the records of a run to what a person wants to know of it. Pure: ledger records in, one JSON document out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..core.clock import parse_instant
from ..core.finding import Finding, Status, count, worst
from .changes import compare
from .gathering import Source, gather, gathered
from .series import build_series, verdict_series
from .verdict import VerdictPolicy, judge_run

# The order of a report's chapters; an area that is not named here comes after, by name.
AREA_ORDER = ("health", "service_levels", "monitoring", "backups", "recovery", "databases", "maintenance", "certificates", "capacity",
              "housekeeping", "continuity", "operations")
_REPORT = ("operations", "report")


def latest_records(records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The last record of each host's procedure: a step that was run twice counts once. The report's own is left out."""
    last = {(record["host"], record["area"], record["procedure"]): record for record in records}
    return [record for key, record in last.items() if key[1:] != _REPORT]


def span_of(records: Sequence[dict[str, Any]]) -> tuple[str, str]:
    """The first and the last instant of what a run recorded; a report on it, which may be of a later day, does not make it longer."""
    instants = [record["at"] for record in records if (record["area"], record["procedure"]) != _REPORT] \
        or [record["at"] for record in records]
    return min(instants, default=""), max(instants, default="")


def build_report(records: Sequence[dict[str, Any]], *, policy: VerdictPolicy, generated_at: str,
                 trends: Sequence[dict[str, Any]] = (), history: Sequence[dict[str, Any]] = (),
                 earlier: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    """The report of one run.

    ``records`` and the points of ``trends`` have the shapes of `adapters.ledger.Ledger.records` and of this
    function's own ``trend``; ``history`` is what `series.build_series` reads, ``earlier`` what `changes.compare` does. All of them end
    with the run: what was found out later is no part of it. Keys: ``run``, ``system``, ``environment``, ``began``,
    ``ended``, ``generated_at``, ``verdict`` (word, share in percent, good, total), ``counts``, ``areas`` (area, status, counts, findings),
    ``by`` (who ran it, each once), ``on_hosts`` (how many there were), ``absent`` (areas of which nothing was recorded), ``changes`` (see
    `changes.compare`), ``attention`` (findings that did not pass, worst first, each with ``since``), all of `gathering.SOURCES` (what
    modules returned), ``backups`` (the newest copy of each plan), ``readiness`` (the least ready first),
    ``series`` (lines over the runs of ``history``, and ``verdict``), ``trend`` (this run's point), ``trends`` (earlier points and this
    one, oldest first).
    """
    last = latest_records(records)
    rows = [{**finding, "host": record["host"], "area": record["area"], "procedure": record["procedure"]}
            for record in last for finding in record["findings"]]
    findings = [Finding.from_dict(row) for row in rows]
    rows, changes = compare(rows, earlier)
    verdict = judge_run(findings, policy)
    began, ended = span_of(records)
    first = records[0] if records else {}
    trend = {"run": first.get("run", ""), "at": ended or generated_at, "share": verdict.share, "verdict": verdict.word, **count(findings)}
    trended = _in_order(trends, trend)
    return {
        "run": first.get("run", ""), "system": first.get("system", ""), "environment": first.get("environment", ""),
        "began": began, "ended": ended, "generated_at": generated_at,
        "verdict": {"word": verdict.word, "share": verdict.share, "good": verdict.good, "total": verdict.total},
        "counts": count(findings),
        "changes": changes,
        "by": list(dict.fromkeys(record["recorded_by"] for record in records if record.get("recorded_by"))),
        "on_hosts": len({record["host"] for record in last}),
        "absent": [area for area in AREA_ORDER if area not in {record["area"] for record in last} | {"operations"}],
        "areas": _areas(rows),
        "attention": sorted((row for row in rows if row["status"] != "pass"), key=_concern),
        **gather(last),
        "backups": _newest_backups(last, ended or generated_at),
        "readiness": _readiness(last, rows),
        "series": {**build_series(history, rows), "verdict": verdict_series(trended, policy.healthy)},
        "trend": trend,
        "trends": trended,
    }


def verdict_finding(report: dict[str, Any], policy: VerdictPolicy) -> Finding:
    """The verdict as a finding: healthy passes, degraded warns, unhealthy fails."""
    verdict = report["verdict"]
    status = {"healthy": Status.PASS, "degraded": Status.WARN, "unhealthy": Status.FAIL}[verdict["word"]]
    subject = f"{report['system']}/{report['environment']}"
    message = f"{verdict['word']}: {verdict['good']} of {verdict['total']} checks are good ({verdict['share']:g}%)"
    if not verdict["total"]:
        message = "unhealthy: the run recorded no finding at all"
    hint = "" if status is Status.PASS else "Begin with the failures that the report lists first"
    return Finding("operations.verdict", subject, status, message, verdict["share"], policy.healthy, "%", hint)


def changes_told(changes: dict[str, Any]) -> str:
    """In a sentence; empty where there was nothing to compare with."""
    if not changes["compared"]:
        return ""
    said = ", ".join(f"{number} {word}" for word, number in (
        ("new", changes["new"]), ("worse", changes["worse"]), ("mended", len(changes["mended"])),
        ("not looked at any more", len(changes["gone"]))) if number)
    return f"since {changes['until'][:16].replace('T', ' ')} UTC: {said or 'nothing changed'}"


def console_summary(report: dict[str, Any], *, most: int = 12) -> list[tuple[str, str]]:
    """Lines for a terminal with the status that gives each its color ('' for none)."""
    verdict = report["verdict"]
    word = {"healthy": "pass", "degraded": "warn", "unhealthy": "fail"}[verdict["word"]]
    lines = [("", ""), (f"{report['system']} / {report['environment']}   {verdict['word'].upper()}   "
                        f"{verdict['share']:g}% of {verdict['total']} checks are good", word)]
    if changed := changes_told(report["changes"]):
        lines.append((f"  {changed}", ""))
    for area in report["areas"]:
        counts = "  ".join(f"{number} {status}" for status, number in area["counts"].items() if number)
        lines.append((f"  {area['area']:<14}{counts}", area["status"]))
    attention = report["attention"]
    if attention:
        lines += [("", ""), ("needs attention, worst first", "")]
    for row in attention[:most]:
        lines.append((f"  {row['status']:>7}  {row['area']}: {row['subject']}: {row['message']}", row["status"]))
        if row.get("hint"):
            lines.append((f"           -> {row['hint']}", ""))
    if len(attention) > most:
        lines.append((f"           and {len(attention) - most} more in the report", ""))
    return lines


def _in_order(trends: Sequence[dict[str, Any]], trend: dict[str, Any]) -> list[dict[str, Any]]:
    """Earlier points and this run's own: one of each run however often it was reported on, in the order of the runs."""
    points = {point.get("run") or index: point for index, point in enumerate(trends)}
    kept = [point for key, point in points.items() if key != trend["run"] and point["at"] <= trend["at"]]
    return [*sorted(kept, key=lambda point: point["at"]), trend]


def _areas(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    names = sorted({row["area"] for row in rows},
                   key=lambda name: (AREA_ORDER.index(name) if name in AREA_ORDER else len(AREA_ORDER), name))
    areas = []
    for name in names:
        own = sorted((row for row in rows if row["area"] == name), key=_concern)
        findings = [Finding.from_dict(row) for row in own]
        areas.append({"area": name, "status": worst(findings).value, "counts": count(findings), "findings": own})
    return areas


def _concern(row: dict[str, Any]) -> tuple[int, str, str, str]:
    return (-Status(row["status"]).rank, row["area"], row["subject"], row["check"])  # what is said of one thing stands together


def _readiness(records: Sequence[dict[str, Any]], rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The scores, the least ready first, each with the status that it was judged to have."""
    judged = {(row["host"], row["subject"]): row["status"] for row in rows if row["check"] == "recovery.readiness"}
    source = Source("readiness", when=lambda row: "score" in row, order=lambda row: (row.get("score") or 0, str(row.get("plan"))))
    found = gathered(records, source)
    return [{**row, "status": judged.get((row["on"], row.get("plan")), "unknown")} for row in found]


def _newest_backups(records: Sequence[dict[str, Any]], ended: str) -> list[dict[str, Any]]:
    """The newest copy of each plan with the status it has by the end of the run, its age counted to that end."""
    newest: dict[tuple[str, str], dict[str, Any]] = {}
    states: dict[tuple[str, str], set[str]] = {}
    for row in [*gathered(records, Source("backup")), *gathered(records, Source("backups"))]:
        if not row.get("id"):
            continue
        states.setdefault((row["plan"], row["id"]), set()).add(row["status"])
        known = newest.get((row["on"], row["plan"]))
        if known is None or row["created_at"] > known["created_at"]:
            newest[row["on"], row["plan"]] = row
    # What a run found out about a copy: a pass raises its status, a failure sinks it, an unknown says nothing.
    for key, id_key, raised in (("verifications", "id", "verified"), ("drill", "backup_id", "proven")):
        for row in gathered(records, Source(key)):
            word = {"pass": raised, "fail": "failed"}.get(row.get("status"))
            states.setdefault((row.get("plan"), row.get(id_key)), set()).update({word} if word else ())
    now = parse_instant(ended)
    result = []
    for row in newest.values():
        seen = states[row["plan"], row["id"]]
        status = next(word for word in ("failed", "proven", "verified", row["status"]) if word in seen)
        age = (now - parse_instant(row["created_at"])).total_seconds()
        result.append({**row, "status": status, "age_seconds": round(age)})
    return sorted(result, key=lambda row: row["plan"])
