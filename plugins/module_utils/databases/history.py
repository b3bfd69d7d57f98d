# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures of many runs as series in time, and how fast they rise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations, pairwise
from statistics import median

from ..core.quantities import DAY

_POINTS = 60


@dataclass(frozen=True)
class Point:
    """A figure at an instant."""

    at: datetime
    value: float


def thinned(points: Sequence[Point]) -> list[Point]:
    """At most 60 of the points, evenly chosen, the first and the last among them."""
    if len(points) <= _POINTS:
        return list(points)
    step = (len(points) - 1) / (_POINTS - 1)
    return [points[round(number * step)] for number in range(_POINTS)]


def per_day(points: Sequence[Point], *, least_span: float) -> float | None:
    """How much a figure rises in a day: the median of the slopes between all pairs (Theil and Sen), which a single outlier, such as
    a table that was emptied and filled again, does not move. None where the points span less than ``least_span`` seconds.
    """
    chosen = thinned(sorted(points, key=lambda point: point.at))
    if len(chosen) < 2 or (chosen[-1].at - chosen[0].at).total_seconds() < least_span:
        return None
    slopes = [(later.value - earlier.value) / (later.at - earlier.at).total_seconds()
              for earlier, later in combinations(chosen, 2) if later.at > earlier.at]
    return DAY * median(slopes) if slopes else None


def risen(values: Sequence[float]) -> float:
    """By how much a counter rose that may begin again at zero in between."""
    return sum(later - earlier if later >= earlier else later for earlier, later in pairwise(values))
