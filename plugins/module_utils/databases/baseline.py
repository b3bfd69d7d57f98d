# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The last whole quarter (month, week) beside the one before: the baseline of each database. Pure: recorded runs in, findings out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from statistics import median
from typing import Any

from ..core.errors import InvalidOption
from ..core.finding import Finding, Status
from ..core.policy import Limits, number, pair, read_policy, status_word
from ..core.quantities import DAY
from .history import Point, per_day, risen

PERIODS = ("quarter", "month", "week")
Run = tuple[datetime, Mapping[str, Any]]


@dataclass(frozen=True)
class Period:
    """A calendar's quarter, month or week (from Monday), UTC; ``end`` is the first instant after it."""

    start: datetime
    end: datetime
    name: str

    @classmethod
    def last_before(cls, instant: datetime, length: str) -> Period:
        """The last one that is over."""
        day = instant.astimezone(timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)
        if length == "week":
            end = day - timedelta(days=day.weekday())
            start = end - timedelta(days=7)
            year, week, _day = start.isocalendar()
            return cls(start, end, f"{year}-W{week:02}")
        months = 3 if length == "quarter" else 1
        end = day.replace(day=1, month=day.month - (day.month - 1) % months)
        before = end.year * 12 + end.month - 1 - months
        start = end.replace(year=before // 12, month=before % 12 + 1)
        return cls(start, end, f"{start.year}-Q{(start.month + 2) // 3}" if length == "quarter" else f"{start:%Y-%m}")


def _statistic(key: str) -> Callable[[Sequence[Run]], list[float]]:
    return lambda runs: [one["database"]["metrics"]["statistics"][key] for _at, one in runs
                         if key in (one.get("database") or {}).get("metrics", {}).get("statistics", {})]


def _connections(runs: Sequence[Run]) -> float | None:
    used = [one["database"]["metrics"]["sessions"]["used"] for _at, one in runs
            if "used" in (one.get("database") or {}).get("metrics", {}).get("sessions", {})]
    return max(used, default=None)


def _cache_miss(runs: Sequence[Run]) -> float | None:
    hit, read = (risen(_statistic(key)(runs)) for key in ("hit", "read"))
    return 100 * read / (hit + read) if hit + read else None


def _deadlocks(runs: Sequence[Run]) -> float | None:
    counts = _statistic("deadlocks")(runs)
    return risen(counts) / max((runs[-1][0] - runs[0][0]).total_seconds() / DAY, 1) if len(counts) > 1 else None


def _query_mean(runs: Sequence[Run]) -> float | None:
    seen = [one["statements"] for _at, one in runs if (one.get("statements") or {}).get("installed")]
    calls, milliseconds = risen([one["calls"] for one in seen]), risen([one["milliseconds"] for one in seen])
    return milliseconds / calls if calls else None


def _query_p95(runs: Sequence[Run]) -> float | None:
    seen = [one["database"]["metrics"]["statements"] for _at, one in runs
            if (one.get("database") or {}).get("metrics", {}).get("statements")]
    values = [statements[0]["p95_seconds"] for statements in seen if isinstance(statements, list)]
    return 1000 * median(values) if values else None


def _sizes(runs: Sequence[Run]) -> list[Point]:
    return [Point(at, one["sizes"]["bytes"]) for at, one in runs if "bytes" in (one.get("sizes") or {})]


# name -> unit, how it is had from the runs of a period; more is worse in all of them
FIGURES: Mapping[str, tuple[str, Callable[[Sequence[Run]], float | None]]] = {
    "query_mean": ("ms", _query_mean),
    "query_p95": ("ms", _query_p95),
    "connections": ("", _connections),
    "cache_miss": ("%", _cache_miss),
    "deadlocks": ("per day", _deadlocks),
    "size": ("bytes", lambda runs: points[-1].value if (points := _sizes(runs)) else None),
    "growth": ("bytes per day", lambda runs: per_day(_sizes(runs), least_span=DAY)),
}


@dataclass(frozen=True)
class BaselinePolicy:
    """``length`` of the periods; ``least_runs`` that each has to have; by how many percent a figure may be worse than before."""

    length: str
    least_runs: float
    without_history: str
    worse: Mapping[str, Limits]

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> BaselinePolicy:
        """Read ``{period: quarter, least_runs: 10, without_history: warn, worse_percent: {query_mean: {warn: 20, fail: 100}, …}}``.

        :raises InvalidOption: for an unknown or missing key or a value of the wrong kind
        """
        read = read_policy(options, {"period": _period, "least_runs": number, "without_history": status_word, "worse_percent": _worse},
                           option="policy", optional=())
        return cls(read["period"], read["least_runs"], read["without_history"], read["worse_percent"])


def _period(value: Any, option: str) -> str:
    if value not in PERIODS:
        raise InvalidOption(f"{option}: {value!r} is no period", hint=f"Known are {', '.join(PERIODS)}")
    return value


def _worse(value: Any, option: str) -> dict[str, Limits]:
    if not isinstance(value, Mapping):
        raise InvalidOption(f"{option}: {value!r} is not a dictionary", hint="Write it as {query_mean: {warn: 20, fail: 100}}")
    return read_policy(value, dict.fromkeys(FIGURES, pair(number)), option=option)


def review_baseline(runs: Sequence[Run], now: datetime, policy: BaselinePolicy) -> tuple[list[dict[str, Any]], list[Finding]]:
    """For each database ``{target, before, after, figures: [{name, unit, before, after, change_percent}]}``, and the findings."""
    after = Period.last_before(now, policy.length)
    before = Period.last_before(after.start, policy.length)
    targets: dict[str, list[Run]] = defaultdict(list)
    for at, values in sorted(runs, key=lambda run: run[0]):
        for target in {seen.get("target") for key in ("database", "sizes", "statements") if isinstance(seen := values.get(key), Mapping)}:
            if target and before.start <= at < after.end:
                targets[target].append((at, values))
    if not targets:
        return [], _unknown("databases", f"no run of {before.name} and {after.name} is on record", policy)
    baselines, findings = [], []
    for target, seen in sorted(targets.items()):
        parts = [[run for run in seen if period.start <= run[0] < period.end] for period in (before, after)]
        counts = [len({at for at, _values in part}) for part in parts]
        baseline = {"target": target, "before": before.name, "after": after.name, "runs_before": counts[0], "runs_after": counts[1],
                    "figures": []}
        if min(counts) < max(policy.least_runs, 1):
            findings += _unknown(target, f"{counts[0]} runs of {before.name} and {counts[1]} of {after.name} are on record, and "
                                         f"{policy.least_runs:g} of each are needed", policy)
        else:
            for name, (unit, read) in FIGURES.items():
                figure = _figure(name, unit, *(read(part) for part in parts))
                baseline["figures"].append(figure)
                findings += _judge(target, figure, baseline, policy)
        baselines.append(baseline)
    return baselines, findings


def _figure(name: str, unit: str, before: float | None, after: float | None) -> dict[str, Any]:
    change = None
    if before is not None and after is not None and (before > 0 or after <= before):
        change = round(100 * (after - before) / before, 1) if before > 0 else 0.0
    return {"name": name, "unit": unit, "before": None if before is None else round(before, 3),
            "after": None if after is None else round(after, 3), "change_percent": change}


def _judge(target: str, figure: Mapping[str, Any], baseline: Mapping[str, Any], policy: BaselinePolicy) -> list[Finding]:
    limits = policy.worse.get(figure["name"])
    if not limits:
        return []
    subject, unit = f"{target}: {figure['name']}", figure["unit"]
    if figure["before"] is None or figure["after"] is None:
        return _unknown(subject, "the runs on record do not tell it", policy)
    said = f"it was {figure['before']:g} {unit} in {baseline['before']} and {figure['after']:g} {unit} in {baseline['after']}"
    change, bound = figure["change_percent"], limits.fail if limits.fail is not None else limits.warn
    hint = "Compare both periods in the reports; databases.inspect names the statements and tables"
    if change is None:  # from nothing to something: there is no percentage
        return [Finding("database.baseline", subject, Status.WARN, f"{said}: there was none before", None, bound, "%", hint=hint)]
    for status, limit in ((Status.FAIL, limits.fail), (Status.WARN, limits.warn)):
        if limit is not None and change > limit:
            return [Finding("database.baseline", subject, status, f"{said}: {change:g}% worse, over the limit of {limit:g}%", change, limit,
                            "%", hint=hint)]
    return [Finding("database.baseline", subject, Status.PASS, said, change, bound, "%")]


def _unknown(subject: str, message: str, policy: BaselinePolicy) -> list[Finding]:
    return [] if policy.without_history == "ignore" else [
        Finding("database.baseline", subject, Status(policy.without_history), f"not known: {message}",
                hint="Run databases.inspect daily, with one ledger")]
