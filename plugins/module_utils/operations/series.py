# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What earlier runs measured, as lines over time. Pure: records of the ledger in, plain values out.

A run that could not look leaves a point without a value, and so does a silence of more than three times the usual distance of two runs:
a plot has a gap there, and nothing is interpolated.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from statistics import median
from typing import Any

from ..core.clock import format_instant, parse_instant
from ..core.errors import InvalidOption
from ..core.quantities import parse_duration

Point = list[Any]  # [instant, value or None]
_SILENCE = 3  # times the median distance of two runs: a day that was left out shows, one that began late does not


@dataclass(frozen=True)
class Measure:
    """One thing that is followed over the runs of a procedure.

    ``rows`` gives its entries of what a module returned, ``subject`` names one, ``lines`` its values (name -> value or None, at the instant
    of the run). ``check`` is the finding whose limit it is held against, ``at_least`` whether more is better; ``unit`` as findings have it.
    ``blind`` is the check that is unknown where a subject could not be looked at and is in no row therefore; ``judged`` tells by which
    subject the check knows the measure's subject, from it and the name of the first line.
    """

    name: str
    title: str
    unit: str
    procedure: tuple[str, str]
    rows: Callable[[Mapping[str, Any]], Iterable[Any]]
    subject: Callable[[Mapping[str, Any]], str]
    lines: Callable[[Mapping[str, Any], datetime], dict[str, Any]]
    check: str = ""
    at_least: bool = False
    blind: str = ""
    judged: Callable[[str, str], str] = lambda subject, line: subject


def _list_of(*keys: str) -> Callable[[Mapping[str, Any]], Iterable[Any]]:
    return lambda values: [row for key in keys for row in _as_list(values.get(key)) if isinstance(row, Mapping)]


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def objective_name(row: Mapping[str, Any]) -> str:
    """As the findings of service levels call an objective."""
    return f"{' '.join(str(row[key]) for key in ('service', 'endpoint') if row.get(key))}: {row.get('measure')}"


def _soonest_last(values: Mapping[str, Any]) -> Iterable[Any]:
    """Certificates by their days left, the fewest last: of several in one place that is the one to count."""
    rows = [row for row in _list_of("certificates")(values) if row.get("days_left") is not None]
    return sorted(rows, key=lambda row: -row["days_left"])


def _burns(row: Mapping[str, Any]) -> dict[str, Any]:
    """The two longest windows, the longest first: shorter ones say nothing of the days between two runs."""
    rates = row.get("burn_rates")
    return {name: rates[name] for name in sorted(rates, key=_seconds, reverse=True)[:2]} if isinstance(rates, Mapping) else {}


def _seconds(window: Any) -> float:
    try:
        return parse_duration(window)
    except InvalidOption:
        return 0.0


def _disks(values: Mapping[str, Any]) -> Iterable[Any]:
    return [disk for host in _list_of("host")(values) for disk in host.get("disks") or () if isinstance(disk, Mapping)]


_OBJECTIVES = {"procedure": ("service_levels", "check"), "at_least": False,
               "rows": lambda values: [row for row in _list_of("objectives")(values) if not row.get("period")]}
_SERVICE = {"procedure": ("health", "check"), "rows": _list_of("services"), "subject": lambda row: str(row.get("service"))}
_COPY = {"procedure": ("backups", "create"), "rows": _list_of("backup", "backups"), "subject": lambda row: str(row.get("plan"))}

MEASURES = (
    Measure("latency", "Latency", "ms", **_SERVICE, check="health.latency",
            lines=lambda row, at: {"P95": row.get("p95_ms"), "P50": row.get("p50_ms")}),
    Measure("availability", "Availability", "%", **_SERVICE, check="health.availability", at_least=True,
            lines=lambda row, at: {"availability": row.get("availability")}),
    Measure("budget", "Error budget left", "%", **_OBJECTIVES | {"at_least": True}, subject=objective_name,
            lines=lambda row, at: {"budget left": row.get("budget_left_percent")}, check="service_levels.budget"),
    # A rule's finding is of the objective and of its windows, the long one first: "api: availability 3d/6h".
    Measure("burn", "Burn rate of the error budget", "x", **_OBJECTIVES, subject=objective_name, lines=lambda row, at: _burns(row),
            check="service_levels.burn_rate", judged=lambda subject, line: f"{subject} {line}/"),
    Measure("backup_age", "Age of the newest copy", "s", **_COPY, check="backup.age",
            lines=lambda row, at: {"age": _age(row, at)}),
    Measure("backup_size", "Size of the newest copy", "bytes", **_COPY, lines=lambda row, at: {"size": row.get("bytes")}),
    Measure("growth", "Size of databases", "bytes", ("databases", "inspect"), _list_of("growth"), lambda row: str(row.get("target")),
            lambda row, at: {"size": row.get("bytes")}),
    Measure("days_left", "Days left", "days", ("certificates", "check"), _soonest_last, lambda row: str(row.get("source")),
            lambda row, at: {"days left": row["days_left"]}, "certificate.expiry", at_least=True, blind="certificate.reachable"),
    Measure("disk", "Space in use", "%", ("capacity", "check"), _disks, lambda row: str(row.get("mount")),
            lambda row, at: {"in use": row.get("used_percent")}, "capacity.disk"),
)
PROCEDURES = frozenset(measure.procedure for measure in MEASURES)


def build_series(records: Sequence[Mapping[str, Any]], findings: Sequence[Mapping[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Measure -> its subjects, those that miss their limit or are unknown now first.

    ``records`` are those of `PROCEDURES` in a span of time, oldest first (host, at, area, procedure, body); ``findings`` are this run's
    rows (check, subject, host, status, limit). Each entry has ``subject``, ``on``, ``title``, ``unit``, ``at_least``, ``limit`` (None
    without one), ``lines`` (name -> points), ``last``, ``least``, ``most`` of the first line, ``runs`` and ``unknown`` (how many runs
    looked, and how many of these could not tell). What only one run has seen is left out, and what the newest run was not asked for
    any more.
    """
    wanted = {measure.check for measure in MEASURES}
    limits = {check: {(row["host"], row["subject"]): row.get("limit") for row in findings if row["check"] == check} for check in wanted}
    dark = {(row["check"], row["host"], row["subject"]) for row in findings if row["status"] == "unknown"}
    return {measure.name: _follow(measure, records, limits[measure.check], dark) for measure in MEASURES}


def verdict_series(trends: Sequence[Mapping[str, Any]], limit: float) -> list[dict[str, Any]]:
    """The share of good checks over the runs, as `build_series` has an entry."""
    points = [[point["at"], point["share"]] for point in trends]
    if len(points) < 2:
        return []
    return [_entry("Good checks", "", "", "%", True, limit, {"good checks": with_silences(points)})]


def _follow(measure: Measure, records: Sequence[Mapping[str, Any]], limits: Mapping[tuple[str, str], Any],
            dark: Collection[tuple[str, str, str]]) -> list[dict[str, Any]]:
    runs: dict[str, list[tuple[str, dict[str, dict[str, Any]]]]] = {}
    for record in records:
        if (record["area"], record["procedure"]) == measure.procedure:
            runs.setdefault(record["host"], []).append((record["at"], _seen(measure, record)))
    found = []
    for host, looks in runs.items():
        newest = next((seen for _at, seen in reversed(looks) if seen), {})
        unseen = {subject: names for _at, seen in looks for subject, names in seen.items() if (measure.blind, host, subject) in dark}
        for subject, names in {**unseen, **newest}.items():
            if not names:
                continue
            lines = {name: [[at, seen.get(subject, {}).get(name)] for at, seen in looks] for name in names}
            first = next(iter(lines.values()))
            if sum(value is not None for _at, value in first) > 1:
                limit = _limit(limits, host, measure.judged(subject, next(iter(names))))
                found.append(_entry(measure.title, subject, host, measure.unit, measure.at_least, limit,
                                    {name: with_silences(points) for name, points in lines.items()}))
    return sorted(found, key=lambda entry: (not _concerns(entry), entry["subject"], entry["on"]))


def _limit(limits: Mapping[tuple[str, str], Any], host: str, subject: str) -> Any:
    """The one of this subject, or of the first that begins with it where it ends with a stroke."""
    if not subject.endswith("/"):
        return limits.get((host, subject))
    return next((limit for (on, name), limit in limits.items() if on == host and name.startswith(subject)), None)


def _seen(measure: Measure, record: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    seen: dict[str, dict[str, Any]] = {}
    newest: dict[str, str] = {}
    at = parse_instant(record["at"])
    for values in record["body"]:
        for row in measure.rows(values):
            subject, created = measure.subject(row), str(row.get("created_at") or "")
            if created >= newest.get(subject, ""):
                seen[subject], newest[subject] = measure.lines(row, at), created
    return seen


def _age(row: Mapping[str, Any], at: datetime) -> float | None:
    if not row.get("created_at"):
        return None
    return max(0.0, (at - parse_instant(row["created_at"])).total_seconds())


def with_silences(points: Sequence[Point]) -> list[Point]:
    """The same with a point without a value in each long silence between two runs."""
    times = [parse_instant(at) for at, _value in points]
    steps = [(later - earlier).total_seconds() for earlier, later in pairwise(times)]
    usual = median(steps) if len(steps) > 1 else None
    result = [list(points[0])] if points else []
    for index, step in enumerate(steps):
        if usual and step > _SILENCE * usual:
            result.append([format_instant(times[index] + (times[index + 1] - times[index]) / 2), None])
        result.append(list(points[index + 1]))
    return result


def _entry(title: str, subject: str, on: str, unit: str, at_least: bool, limit: Any, lines: dict[str, list[Point]]) -> dict[str, Any]:
    first = next(iter(lines.values()))
    values = [value for _at, value in first if value is not None]
    return {"title": title, "subject": subject, "on": on, "unit": unit, "at_least": at_least,
            "limit": limit if isinstance(limit, (int, float)) and not isinstance(limit, bool) else None, "lines": lines,
            "last": first[-1][1], "least": min(values), "most": max(values), "runs": len(first),
            "unknown": sum(value is None for _at, value in first)}


def _concerns(entry: Mapping[str, Any]) -> bool:
    last, limit = entry["last"], entry["limit"]
    if last is None:
        return True
    return limit is not None and (last < limit if entry["at_least"] else last > limit)
