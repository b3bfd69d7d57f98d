# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what a source answered to one reading, or to the reason why there is none. Pure.

Nothing that could not be seen becomes a number here: an empty answer, one that is too old, NaN, infinity, no requests at all and
data for a part of the window only are readings without a value, with a reason.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..core.clock import format_instant
from ..core.quantities import format_duration
from .objectives import RATIOS, Objective


@dataclass(frozen=True)
class Reading:
    """``value`` in the measure's unit, None with a ``reason`` where it is not known. ``at_least``: the true value may be higher.
    ``total`` is how many requests it rests on where they are counted, ``wrong`` those that failed, ``coverage`` the percent of the
    window for which there is data.
    """

    value: float | None = None
    reason: str = ""
    at_least: bool = False
    total: float | None = None
    wrong: float | None = None
    coverage: float | None = None


@dataclass(frozen=True)
class Point:
    """What was seen at an instant: requests and those that failed, or values (latencies in milliseconds, requests per second)."""

    at: datetime
    total: float | None = None
    wrong: float | None = None
    values: tuple[float, ...] = ()


@dataclass(frozen=True)
class Coverage:
    """At which of the expected instants of a window data was there. ``fresh``: at the last one too."""

    seen: int
    expected: int
    fresh: bool

    @property
    def percent(self) -> float:
        """Of the window."""
        return round(100 * min(1.0, self.seen / self.expected), 1) if self.expected else 0.0


def gap(coverage: Coverage, least: float) -> str:
    """Why data with this coverage is not judged; empty where it is."""
    if not coverage.seen:
        return "there is no data at all in the window"
    if not coverage.fresh:
        return "the data is stale: it ends before now"
    if coverage.percent < least:
        return f"there is data for {coverage.percent:g}% of the window only, {least:g}% are needed"
    return ""


def counted(measure: str, total: float | None, wrong: float | None, seconds: float) -> Reading:
    """A reading of counts over a window."""
    counts = (total,) if measure not in RATIOS else (total, wrong)
    if any(count is None for count in counts):
        return Reading(reason="the answer is empty")
    if any(not math.isfinite(count) for count in counts):
        return Reading(reason=f"the answer is no number ({', '.join(str(count) for count in counts)})")
    if any(count < 0 for count in counts):
        return Reading(reason="the answer is negative, which no count can be")
    if measure == "throughput":
        return Reading(total / seconds, total=total)
    if wrong > total:
        return Reading(reason=f"more requests failed ({wrong:g}) than were made ({total:g})")
    if total == 0:
        return Reading(reason="there was no request in the window", total=0.0, wrong=0.0)
    share = 100 * wrong / total
    return Reading(round(share if measure == "error_rate" else 100 - share, 9), total=total, wrong=wrong)


def told(measure: str, value: float | None) -> Reading:
    """A reading of one number in the measure's unit."""
    if value is None:
        return Reading(reason="the answer is empty")
    if not math.isfinite(value):
        return Reading(reason=f"the answer is no number ({value})")
    if value < 0 or (measure in RATIOS and value > 100):
        return Reading(reason=f"the answer is {value:g}, which no {measure.replace('_', ' ')} can be")
    return Reading(value)


def bucket_quantile(buckets: Mapping[float, float], percent: float) -> Reading:
    """The quantile of a cumulative histogram ``{upper bound: count}`` in the buckets' unit, linear within a bucket as Prometheus'
    histogram_quantile has it, but for the last bucket: that answers the largest bound there, a value that nobody measured. Here it
    is ``at_least``.
    """
    bounds = sorted(buckets)
    counts = [buckets[bound] for bound in bounds]
    if not bounds:
        return Reading(reason="the answer is empty")
    if any(not math.isfinite(count) or count < 0 for count in counts):
        return Reading(reason="a bucket's count is no number")
    if not math.isinf(bounds[-1]) or len(bounds) < 2:
        return Reading(reason="the histogram has no +Inf bucket, or no other")
    for index in range(1, len(counts)):  # rates of buckets scraped apart may be out of order by a hair
        counts[index] = max(counts[index], counts[index - 1])
    total = counts[-1]
    if total == 0:
        return Reading(reason="there was no request in the window", total=0.0)
    rank = percent / 100 * total
    index = next(number for number, count in enumerate(counts) if count >= rank)
    if math.isinf(bounds[index]):
        return Reading(bounds[-2], at_least=True, total=total)
    lower = bounds[index - 1] if index else min(0.0, bounds[0])
    below = counts[index - 1] if index else 0.0
    inside = counts[index] - below
    if index == 0 and bounds[0] <= 0:
        return Reading(bounds[0], total=total)
    return Reading(lower + (bounds[index] - lower) * ((rank - below) / inside if inside else 0.0), total=total)


def nearest_rank(values: Iterable[float], percent: float) -> float | None:
    """The smallest value that at least this percent of all do not exceed; None of none."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)] if ordered else None


def from_points(objective: Objective, points: Sequence[Point], now: datetime, seconds: float, least: float) -> Reading:
    """A reading of the points of a window that ends now; ``least`` is the coverage in percent below which it has no value."""
    every = objective.every
    late = [point for point in points if (point.at - now).total_seconds() > every]
    if late:
        return Reading(reason=f"a point lies in the future ({format_instant(late[0].at)}): compare the clocks")
    within = [point for point in points if (now - point.at).total_seconds() < seconds]
    slots = {max(0, math.floor((now - point.at).total_seconds() / every)) for point in within}
    fresh = any(now - point.at <= timedelta(seconds=2 * every) for point in points)
    coverage = Coverage(len(slots), max(1, math.floor(seconds / every)), fresh)
    why = gap(coverage, least)
    if why:
        newest = max((point.at for point in points), default=None)
        when = f" (the newest is {format_duration((now - newest).total_seconds())} old)" if newest is not None and not fresh else ""
        return Reading(reason=why + when, coverage=coverage.percent)
    found = _summed(objective, within, seconds)
    return Reading(found.value, found.reason, found.at_least, found.total, found.wrong, coverage.percent)


def _summed(objective: Objective, points: Sequence[Point], seconds: float) -> Reading:
    values = [value for point in points for value in point.values]
    if objective.measure in RATIOS and all(point.total is not None for point in points):
        if any(point.wrong is None for point in points):
            return Reading(reason="a point does not say how many requests failed")
        return counted(objective.measure, sum(point.total for point in points), sum(point.wrong for point in points), seconds)
    if any(not math.isfinite(value) for value in values):
        return Reading(reason="a point's value is no number")
    if objective.measure == "throughput" and all(point.total is not None for point in points):
        return counted("throughput", sum(point.total for point in points), None, seconds)
    if not values:
        return Reading(reason="the points have no value")
    if objective.measure != "latency":
        return told(objective.measure, sum(values) / len(values))
    quantile = objective.settings.get("quantile")
    # Quantiles of quantiles are none: where each point is one already, the worst of them is a bound that holds.
    return told("latency", nearest_rank(values, quantile) if quantile is not None else max(values))
