# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which statements became slower, or are planned otherwise and dearer, since earlier runs. Pure: snapshots in, findings out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from ..core.finding import Finding, Status
from ..core.policy import Limits, duration, number, pair, read_policy, status_word
from ..core.quantities import format_duration
from .figures import shortened, write_seconds

_Snapshot = Mapping[str, Any]


@dataclass(frozen=True)
class RegressionPolicy:
    """``window``: seconds of history that count; ``times``: how many times slower than before, ``cost_times``: how many times dearer
    another plan; judged are statements with ``least_calls`` in the interval and before, whose mean rose by ``least_rise`` seconds.
    """

    window: float
    times: Limits
    cost_times: Limits
    least_calls: float
    least_rise: float
    without_history: str

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> RegressionPolicy:
        """Read ``{window: 30d, times: {warn: 2, fail: 5}, cost_times: {…}, least_calls: 20, least_rise: 5ms, without_history: warn}``;
        the pairs may be left out.

        :raises InvalidOption: for an unknown or missing key or a value of the wrong kind
        """
        pairs = {"times": pair(number), "cost_times": pair(number)}
        read = read_policy(options, {"window": duration, "least_calls": number, "least_rise": duration, "without_history": status_word,
                                     **pairs}, option="regressions", optional=pairs)
        return cls(**{**dict.fromkeys(pairs, Limits()), **read})


@dataclass(frozen=True)
class Change:
    """One statement before and now: means in seconds (None: too few calls), plans as `plans.plan_evidence` has them."""

    target: str
    queryid: str
    text: str
    calls: int
    before: float | None
    after: float | None
    plan_before: Mapping[str, Any] | None
    plan_after: Mapping[str, Any] | None

    @property
    def replanned(self) -> bool:
        """Whether the plan has another shape than before."""
        return bool(self.plan_before and self.plan_after and self.plan_before["digest"] != self.plan_after["digest"])

    def as_value(self) -> dict[str, Any]:
        """For the ledger and the report."""
        return {"target": self.target, "queryid": self.queryid, "statement": self.text, "calls": self.calls,
                "before_ms": None if self.before is None else round(1000 * self.before, 3),
                "after_ms": None if self.after is None else round(1000 * self.after, 3),
                "plan_before": self.plan_before, "plan_after": self.plan_after, "replanned": self.replanned}


def compare(now: _Snapshot, earlier: Sequence[_Snapshot], policy: RegressionPolicy) -> list[Change]:
    """Each statement of this run that an earlier one knows, those that take most time first; ``earlier`` is oldest first."""
    changes = []
    past = [{one["queryid"]: one for one in snapshot["top"]} for snapshot in earlier]
    for one in now["top"]:
        known = [(snapshot.get("reset_at"), statements[one["queryid"]]) for snapshot, statements in zip(earlier, past, strict=True)
                 if one["queryid"] in statements]
        if not known:
            continue
        intervals = list(_intervals([*known, (now.get("reset_at"), one)]))
        means = [seconds / calls for calls, seconds in intervals[:-1] if calls >= max(policy.least_calls, 1)]
        calls, seconds = intervals[-1]
        changes.append(Change(
            now["target"], one["queryid"], one["text"], calls, median(means) if means else None,
            seconds / calls if calls >= max(policy.least_calls, 1) else None,
            next((entry["plan"] for _reset, entry in reversed(known) if entry["plan"]), None), one["plan"]))
    return changes


def _intervals(snapshots: Sequence[tuple[str | None, Mapping[str, Any]]]) -> Iterator[tuple[int, float]]:
    """Calls and seconds of each interval, the first from the beginning of the counters. Counters that were reset, or whose entry
    was thrown out and came again, begin at zero.
    """
    before_reset, before_calls, before_milliseconds = None, 0, 0.0
    for reset, one in snapshots:
        if reset != before_reset or one["calls"] < before_calls or one["milliseconds"] < before_milliseconds:
            before_calls, before_milliseconds = 0, 0.0
        yield one["calls"] - before_calls, (one["milliseconds"] - before_milliseconds) / 1000
        before_reset, before_calls, before_milliseconds = reset, one["calls"], one["milliseconds"]


def judge_regressions(target: str, changes: Sequence[Change], policy: RegressionPolicy, *, history: bool) -> list[Finding]:
    """Findings ``database.statement_regression`` and ``database.plan_regression`` of one database; without ``history`` no earlier run
    knows any of its statements.
    """
    if not history:
        return [] if policy.without_history == "ignore" or not (policy.times or policy.cost_times) else [Finding(
            "database.statement_regression", target, Status(policy.without_history), "whether statements became slower is not known yet: "
            f"no run of the last {format_duration(policy.window)} on record has them", hint="Run it regularly, with one ledger")]
    findings = []
    timed = [change for change in changes if change.before is not None and change.after is not None]
    planned = [change for change in changes if change.plan_before and change.plan_after]
    for check, limits, compared, judge, none in (
            ("statement_regression", policy.times, timed, lambda change: _slower(change, policy), "became slower"),
            ("plan_regression", policy.cost_times, planned, lambda change: _dearer(change, policy.cost_times), "is planned worse")):
        if limits:
            found = [finding for change in compared for finding in judge(change)]
            findings += shortened(check, target, found) or [
                Finding(f"database.{check}", target, Status.PASS, f"none of {len(compared)} statements {none}", 0, limits.fail)]
    return findings


def _slower(change: Change, policy: RegressionPolicy) -> list[Finding]:
    if change.after - change.before < policy.least_rise:
        return []
    for status, times in ((Status.FAIL, policy.times.fail), (Status.WARN, policy.times.warn)):
        if times is not None and change.after > times * change.before:
            replanned = f"; its plan was {change.plan_before['shape']} and is {change.plan_after['shape']}" if change.replanned else ""
            return [Finding(
                "database.statement_regression", f"{change.target}: query {change.queryid}", status,
                f"{change.text!r} takes {write_seconds(change.after)} in the mean ({change.calls} calls), before it took "
                f"{write_seconds(change.before)}, over the limit of {times:g} times{replanned}",
                round(1000 * change.after, 3), round(1000 * times * change.before, 3), "ms", hint=_hint(change))]
    return []


def _dearer(change: Change, limits: Limits) -> list[Finding]:
    if not change.replanned:
        return []
    before, after = change.plan_before["cost"], change.plan_after["cost"]
    for status, times in ((Status.FAIL, limits.fail), (Status.WARN, limits.warn)):
        if times is not None and after > times * before:
            return [Finding(
                "database.plan_regression", f"{change.target}: query {change.queryid}", status,
                f"{change.text!r} was planned as {change.plan_before['shape']} (cost {before:.0f}), and is now as "
                f"{change.plan_after['shape']} (cost {after:.0f}), over the limit of {times:g} times",
                round(after, 2), round(times * before, 2), hint=_hint(change))]
    return []


def _hint(change: Change) -> str:
    return (f"See it whole: SELECT query FROM pg_stat_statements WHERE queryid = {change.queryid}; see whether an index is gone or "
            "statistics are stale (ANALYZE its tables), then EXPLAIN (ANALYZE, BUFFERS) it")
