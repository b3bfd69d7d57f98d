# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What fired overnight, what flapped, and what nobody acted on. Pure.

An episode is a time in which an alert fired without a break, as Prometheus' own series ALERTS has it. An alert that fired ``flaps`` times
or more flapped. Nobody acted on one that fired for longer than its severity allows in one piece, where no silence was made that it
matches: neither was it ended in time nor did anybody take it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..core.errors import InvalidOption
from ..core.finding import Finding, Status
from ..core.quantities import format_duration, parse_duration

_OWN = ("__name__", "alertstate")


@dataclass(frozen=True)
class Episode:
    """Unix times; ``open`` where it went on when Prometheus was asked."""

    began: float
    ended: float
    open: bool

    @property
    def seconds(self) -> float:
        """Its length, to the step with which Prometheus was asked."""
        return self.ended - self.began


@dataclass(frozen=True)
class Fired:
    """An alert with its labels and its episodes, oldest first."""

    labels: Mapping[str, str]
    episodes: Sequence[Episode]

    @property
    def name(self) -> str:
        """``TargetDown severity=critical instance=a:1``."""
        rest = " ".join(f"{key}={value}" for key, value in sorted(self.labels.items()) if key != "alertname")
        return f"{self.labels.get('alertname', 'unnamed')} {rest}".strip()

    @property
    def longest(self) -> float:
        """Seconds of its longest episode."""
        return max(one.seconds for one in self.episodes)


@dataclass(frozen=True)
class ReviewPolicy:
    """``flaps``: episodes from which an alert flaps. ``act_within``: seconds by severity; ``*`` for every other. ``coverage``: percent of
    the period for which Prometheus must have looked.
    """

    flaps: int
    act_within: Mapping[str, float]
    coverage: float

    @classmethod
    def from_options(cls, flaps: int, act_within: Mapping[str, Any], coverage: float) -> ReviewPolicy:
        """:raises InvalidOption: for what is no number or duration"""
        if flaps < 2:
            raise InvalidOption(f"flaps: {flaps} is too few", hint="What fires once does not flap: give 2 or more")
        if not 0 < coverage <= 100:
            raise InvalidOption(f"coverage: {coverage} is no share of a period", hint="Give percent, above 0 and up to 100")
        return cls(flaps, {str(key): parse_duration(value, option=f"act_within.{key}") for key, value in act_within.items()}, coverage)


def episodes(matrix: Sequence[tuple[Mapping[str, str], Sequence[tuple[float, float]]]], step: float, now: float) -> list[Fired]:
    """From the range of ``ALERTS{alertstate="firing"}`` at every ``step`` seconds."""
    found = []
    for labels, points in matrix:
        runs: list[list[float]] = []
        for at, _one in points:
            if runs and at - runs[-1][1] <= 1.5 * step:
                runs[-1][1] = at
            else:
                runs.append([at, at])
        own = {key: value for key, value in labels.items() if key not in _OWN}
        if runs:
            found.append(Fired(own, [Episode(began, ended + step, now - ended < 1.5 * step) for began, ended in runs]))
    return sorted(found, key=lambda one: one.name)


def silenced(fired: Fired, silences: Sequence[Mapping[str, Any]]) -> bool:
    """Whether somebody made a silence that this alert matches, whenever."""
    return any(silence.get("matchers") and all(_matches(matcher, fired.labels) for matcher in silence["matchers"]) for silence in silences)


def judge(found: Sequence[Fired], silences: Sequence[Mapping[str, Any]], policy: ReviewPolicy, period: float, seen: float) -> list[Finding]:
    """``monitoring.fired``, ``monitoring.flapping`` and ``monitoring.unanswered``. Nothing fired is a pass that says so, where Prometheus
    looked: ``seen`` is the percent of the period in which it scraped anything.
    """
    span = format_duration(period)
    blind = [] if seen >= policy.coverage else [Finding(
        "monitoring.fired", "Prometheus", Status.UNKNOWN, f"it looked in {seen:.0f}% of the last {span} only", seen, policy.coverage, "%",
        "What fired while it did not look is not known: see whether it ran")]
    if not found:
        return blind or [Finding("monitoring.fired", "alerts", Status.PASS, f"nothing fired in the last {span}", 0)]
    findings = blind
    for one in found:
        goes_on = any(episode.open for episode in one.episodes)
        times = f"{len(one.episodes)} time{'' if len(one.episodes) == 1 else 's'}"
        words = f"it fired {times} in the last {span}, for {format_duration(one.longest)} at the most"
        words += ", and fires now" if goes_on else ""
        findings.append(Finding("monitoring.fired", one.name, Status.WARN, words, len(one.episodes), None, "times",
                                "See what it was, and whether it comes again"))
        if len(one.episodes) >= policy.flaps:
            findings.append(Finding("monitoring.flapping", one.name, Status.WARN, f"it came and went {times} in the last {span}",
                                    len(one.episodes), policy.flaps, "times", "Give its rule a longer 'for', or a limit with room"))
        allowed = policy.act_within.get(one.labels.get("severity", ""), policy.act_within.get("*"))
        if allowed is not None and one.longest > allowed and not silenced(one, silences):
            words = f"it fired for {format_duration(one.longest)}; nobody ended or silenced it within {format_duration(allowed)}"
            findings.append(Finding("monitoring.unanswered", one.name, Status.FAIL, words, round(one.longest), allowed, "s",
                                    "Who is told of it? Take it, silence it, or delete the rule"))
    return findings


def as_value(one: Fired, silences: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The row of the result."""
    return {"alert": one.labels.get("alertname", ""), "labels": dict(one.labels), "episodes": len(one.episodes),
            "longest_seconds": round(one.longest), "firing_now": any(episode.open for episode in one.episodes),
            "silenced": silenced(one, silences)}


def _matches(matcher: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    value, wanted = labels.get(str(matcher.get("name")), ""), str(matcher.get("value", ""))
    try:
        same = bool(re.fullmatch(wanted, value)) if matcher.get("isRegex") else value == wanted
    except re.error:  # a pattern of Go's that Python cannot read matches nothing here
        return False
    return same if matcher.get("isEqual", True) else not same
