# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What earlier runs of health.check say of each target: since when, how often it changes, whether it gets worse. Pure.

Flapping is reckoned as Nagios does (its documentation, "Detection and Handling of State Flapping"; weights as in base/flapping.c):
of the last 21 looks the 20 possible changes of state count, the oldest 0.75, the newest 1.25, the others between; their sum is a
percentage of 20. A target flaps from the look at which that reaches ``high`` until it is below ``low``. Here there are two states,
and a look that was unknown is none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from ..core.clock import format_instant
from ..core.errors import InvalidOption
from ..core.finding import Finding, Status, at_most
from ..core.quantities import format_duration, parse_duration
from .expectations import shown
from .judge import availability, percentile, read_number, read_pair, read_percentage

# What a run of health.check recorded, and when.
Run = tuple[datetime, Mapping[str, Any]]
_OLDEST, _NEWEST = 0.75, 1.25
KEYS = ("period", "recent", "news", "max_age", "fewest", "looks", "low", "high", "availability", "p95", "p95_floor", "retired")


@dataclass(frozen=True)
class ReviewPolicy:
    """Seconds; ``recent`` is compared with what is before it within ``period``. What changed within ``news`` is news.

    ``fewest`` looks are wanted on each side, ``looks`` are looked at for flapping; ``availability`` limits in percentage points
    how much is lost, ``p95`` in percent how much the latency grows, growth below ``p95_floor`` set aside. ``retired`` are targets
    that may be gone.
    """

    period: float
    recent: float
    news: float
    max_age: float
    fewest: int
    looks: int
    low: float
    high: float
    availability: tuple[float | None, float | None]
    p95: tuple[float | None, float | None]
    p95_floor: float
    retired: frozenset[str] = field(default_factory=frozenset)

    def __post_init__(self) -> None:
        """:raises InvalidOption: where it makes no sense"""
        if not 0 < self.recent < self.period:
            raise InvalidOption(f"review.recent: {format_duration(self.recent)} lies not within {format_duration(self.period)}",
                                hint="Give a recent time shorter than the period, such as 7d of 35d")
        if self.fewest < 2 or self.looks < 3:
            raise InvalidOption(f"review: {self.fewest} and {self.looks} looks tell nothing", hint="Give fewest 5 and looks 21, or more")
        if self.low > self.high:
            raise InvalidOption(f"review: flapping would end ({self.low:g}%) before it begins ({self.high:g}%)", hint="Swap low and high")

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> ReviewPolicy:
        """Read all of `KEYS`; only ``retired`` may be missing.

        :raises InvalidOption: for an unknown or missing key, and values that make no sense
        """
        unknown = sorted(str(key) for key in options if key not in KEYS)
        missing = [key for key in KEYS if key != "retired" and options.get(key) is None]
        if unknown or missing:
            what = f"unknown key {shown(unknown[0])!r}" if unknown else f"{missing[0]} is missing"
            raise InvalidOption(f"review: {what}", hint=f"It has {', '.join(KEYS)}")

        def seconds(key: str) -> float:
            return parse_duration(options[key], option=f"review.{key}")

        return cls(
            period=seconds("period"), recent=seconds("recent"), news=seconds("news"), max_age=seconds("max_age"),
            fewest=int(read_number(options["fewest"], "review.fewest")), looks=int(read_number(options["looks"], "review.looks")),
            low=read_percentage(options["low"], "review.low"), high=read_percentage(options["high"], "review.high"),
            availability=read_pair(options["availability"], "review.availability", read_percentage),
            p95=read_pair(options["p95"], "review.p95", read_number), p95_floor=seconds("p95_floor"),
            retired=frozenset(str(name) for name in options.get("retired") or ()),
        )


@dataclass(frozen=True)
class Look:
    """One run's look at one target. ``down`` is None where it could not look; ``p95`` is in milliseconds."""

    at: datetime
    down: bool | None
    samples: int
    failed: int
    p95: float | None


def looks_of(runs: Iterable[Run]) -> dict[str, list[Look]]:
    """The looks at each target, in the order of ``runs``, by its name. A follower was down, whatever it followed."""
    found: dict[str, list[Look]] = {}
    for at, values in runs:
        for row in values.get("targets") or ():
            status = row.get("status")
            # Records of before samples were counted have one verdict for all of them.
            samples = row.get("samples", 1)
            failed = row.get("failed", int(status == "fail"))
            down = "follows" in row or status == "fail" or 0 < samples == failed
            found.setdefault(str(row.get("name")), []).append(Look(
                at, None if status == "unknown" and not down else down, samples, failed, row.get("latency_ms")))
    return found


def change_percent(states: Sequence[bool], looks: int) -> float:
    """How much the last ``looks`` states change, from 0 to 100; see above."""
    last = states[-looks:]
    changes = [index for index in range(1, len(last)) if last[index] != last[index - 1]]
    step = (_NEWEST - _OLDEST) / (looks - 2)
    return 100 * sum(_NEWEST - (len(last) - 1 - index) * step for index in changes) / (looks - 1)


def flaps(states: Sequence[bool], policy: ReviewPolicy) -> bool:
    """Whether it flaps by the end of ``states``, which begin with the oldest."""
    flapping = False
    for end in range(1, len(states) + 1):
        percent = change_percent(states[max(0, end - policy.looks):end], policy.looks)
        flapping = percent >= policy.high or (flapping and percent >= policy.low)
    return flapping


def review(runs: Sequence[Run], now: datetime, policy: ReviewPolicy) -> tuple[list[dict[str, Any]], list[Finding]]:
    """Per target its row (see docs/architecture.md), and the findings; ``runs`` of one host, oldest first.

    ``health.history`` says whether there is enough to tell, ``health.flapping`` and ``health.trend`` are there for each target of
    which there is, ``health.gone`` for each that is not probed any more.
    """
    told = [(at, values) for at, values in runs if values.get("targets") and now - timedelta(seconds=policy.period) <= at <= now]
    if not told:
        return [], [Finding("health.history", "all targets", Status.UNKNOWN,
                            f"no run of health.check is on record in the last {format_duration(policy.period)}",
                            hint="Run evenkeel.ops.health.check on a schedule, with this ledger")]
    first, newest = told[0][0], told[-1]
    probed = {str(row.get("name")) for row in newest[1]["targets"]}
    rows, findings, too_few = [], [], []
    for name, looks in looks_of(told).items():
        row = _row(name, looks, first, now, policy) | {"gone": name not in probed}
        rows.append(row)
        if row["gone"]:
            findings += _gone(row, now, policy)
            continue
        judged = [*_flapping(row, policy), *_trend(row, policy)]
        findings += judged
        if len(judged) < 2:
            too_few.append(name)
    return rows, [_enough(newest[0], too_few, now, policy), *findings]


def _row(name: str, looks: Sequence[Look], first: datetime, now: datetime, policy: ReviewPolicy) -> dict[str, Any]:
    seen = [look for look in looks if look.down is not None]
    states = [bool(look.down) for look in seen]
    border, yesterday = now - timedelta(seconds=policy.recent), now - timedelta(seconds=policy.news)
    recent, before = [look for look in seen if look.at > border], [look for look in seen if look.at <= border]
    earlier = [look.down for look in seen if look.at <= yesterday]
    news = ""
    if looks[0].at > yesterday > first:
        news = "new"
    elif earlier and states[-1] != earlier[-1]:
        news = "fails" if states[-1] else "well again"
    return {
        "name": name, "first_seen": format_instant(looks[0].at), "last_seen": format_instant(looks[-1].at),
        "last_failure": next((format_instant(look.at) for look in reversed(seen) if look.down), None),
        "down": states[-1] if states else None, "looks": len(seen), "failures": sum(states),
        "changes": sum(one != other for one, other in pairwise(states)),
        "change_percent": round(change_percent(states, policy.looks), 1), "flapping": flaps(states, policy), "news": news,
        **_figures(recent, ""), **_figures(before, "_before"),
    }


def _figures(looks: Sequence[Look], suffix: str) -> dict[str, Any]:
    """The P95 of several runs is the median of theirs: one slow run among many is no trend."""
    return {
        f"looks{suffix or '_recent'}": len(looks),
        f"availability{suffix}": availability(sum(look.samples for look in looks), sum(look.failed for look in looks)),
        f"p95_ms{suffix}": percentile((look.p95 for look in looks if look.p95 is not None), 50),
    }


def _gone(row: Mapping[str, Any], now: datetime, policy: ReviewPolicy) -> list[Finding]:
    if row["name"] in policy.retired:
        return []
    return [Finding("health.gone", row["name"], Status.WARN, f"it was probed until {row['last_seen']} and is not probed any more",
                    row["last_seen"], None, "", "Put it back into health_targets, or into retired of health_review")]


def _flapping(row: Mapping[str, Any], policy: ReviewPolicy) -> list[Finding]:
    if row["looks"] < policy.fewest:
        return []
    told = f"its last {min(row['looks'], policy.looks)} looks changed by {row['change_percent']:g}%"
    if not row["flapping"]:
        return [Finding("health.flapping", row["name"], Status.PASS, told, row["change_percent"], policy.high, "%")]
    return [Finding("health.flapping", row["name"], Status.WARN, f"it flaps: {told}, {row['failures']} of {row['looks']} looks in "
                    f"{format_duration(policy.period)} failed", row["change_percent"], policy.high, "%",
                    "See what comes and goes: a limit that is too tight, a node of several, a network")]


def _trend(row: Mapping[str, Any], policy: ReviewPolicy) -> list[Finding]:
    if min(row["looks_recent"], row["looks_before"]) < policy.fewest:
        return []
    findings = []
    was, now = row["availability_before"], row["availability"]
    if None not in (was, now):
        warn, fail = policy.availability
        findings.append(at_most("health.trend", row["name"], round(max(0.0, was - now), 3), warn=warn, fail=fail, unit="points",
                                what=f"what availability lost ({was:g}% before, {now:g}% now)",
                                hint="See when it fails, and what changed since"))
    was, now = row["p95_ms_before"], row["p95_ms"]
    if None not in (was, now) and was:
        warn, fail = policy.p95
        growth = 100 * (now - was) / was if now - was > 1000 * policy.p95_floor else 0.0
        findings.append(at_most("health.trend", row["name"], round(growth, 1), warn=warn, fail=fail, unit="%",
                                what=f"growth of P95 of the latency ({was:.1f} ms before, {now:.1f} ms now)",
                                hint="See what grew: load, data, the network between"))
    if not findings:
        return [Finding("health.trend", row["name"], Status.UNKNOWN, "there are looks, and nothing measured in them",
                        hint="See why nothing could be measured: the runs' own findings say it")]
    return [one for one in findings if one.status is not Status.PASS] or findings[:1]


def _enough(newest: datetime, too_few: Sequence[str], now: datetime, policy: ReviewPolicy) -> Finding:
    age = (now - newest).total_seconds()
    if age > policy.max_age:
        return Finding("health.history", "all targets", Status.UNKNOWN, f"the last run of health.check is {format_duration(age)} old",
                       round(age), policy.max_age, "s", "Run evenkeel.ops.health.check on a schedule: what is here is of then")
    if too_few:
        named = ", ".join(shown(name) for name in too_few[:3]) + (f" and {len(too_few) - 3} more" if len(too_few) > 3 else "")
        return Finding("health.history", "all targets", Status.WARN, f"there is too little history of {named}", len(too_few), 0, "",
                       "It comes with time: run health.check regularly")
    return Finding("health.history", "all targets", Status.PASS, f"the last run of health.check is {format_duration(age)} old",
                   round(age), policy.max_age, "s")
