# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a piece of maintenance will take: by what it took before, else by its size and the pace of others. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from statistics import median
from typing import Any

from ..core.policy import duration, number, read_policy
from ..core.quantities import format_size
from .work import Work

# No statement of maintenance is quicker: its catalog rows, its commit, its round trips.
_LEAST_SECONDS = 0.01
# Fewer than these say nothing of a line; with more, a line through all pairs of them (n²/2) is no better.
_TELLING, _ENOUGH = 5, 60
# Beyond so many times the largest work that was ever seen, a line of small works tells little.
_FARTHEST = 4


@dataclass(frozen=True)
class ForecastPolicy:
    """How predictions are trusted.

    ``margin_percent`` is added to what a relation's own history says, ``first_margin_percent`` where it has none.
    ``samples``: how many of its newest runs count. ``patience``: a step that so many runs in a row have left comes first in
    the next. ``forced_within``: seconds; what is left and forces an anti-wraparound vacuum sooner than this is a failure.
    """

    margin_percent: float
    first_margin_percent: float
    samples: int
    patience: int
    forced_within: float

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> ForecastPolicy:
        """Read the policy; every key has to be there.

        :raises InvalidOption: for a missing or unknown key, or a value that cannot be used
        """
        read = read_policy(options, {"margin_percent": number, "first_margin_percent": number, "samples": number, "patience": number,
                                     "forced_within": duration}, option="forecast", optional=())
        return cls(**{**read, "samples": max(1, int(read["samples"])), "patience": max(1, int(read["patience"]))})


def kind_of(action: str) -> str:
    """``vacuum freeze analyze`` is a vacuum: the first word tells what takes the time."""
    return action.split()[0]


@dataclass(frozen=True)
class Sample:
    """What one finished piece of work took; ``bytes`` is `Work.bytes` of then."""

    relation: str
    action: str
    bytes: int
    seconds: float


@dataclass(frozen=True)
class Prediction:
    """``seconds`` that are expected, ``bound`` that a window must have room for, and what both rest on."""

    seconds: float
    bound: float
    basis: str


@dataclass(frozen=True)
class Line:
    """Seconds that so many bytes take: a constant, and a share for each byte. Up to ``farthest`` bytes it was seen to hold."""

    constant: float
    per_byte: float
    farthest: float
    works: int

    def at(self, size: float) -> float:
        """Seconds."""
        return max(_LEAST_SECONDS, self.constant + self.per_byte * size)


def fit(samples: Sequence[Sample]) -> Line | None:
    """The Theil–Sen line (medians of the slopes of all pairs, and of what they leave), which outliers do not bend; None for too
    few samples.
    """
    newest = samples[-_ENOUGH:]
    if len(newest) < _TELLING:
        return None
    slopes = [(one.seconds - other.seconds) / (one.bytes - other.bytes) for one, other in combinations(newest, 2)
              if one.bytes != other.bytes]
    if not slopes:  # all of one size: what is larger takes longer in proportion
        slopes = [one.seconds / max(one.bytes, 1) for one in newest]
    per_byte = max(0.0, median(slopes))
    constant = max(0.0, median(one.seconds - per_byte * one.bytes for one in newest))
    return Line(constant, per_byte, float(max(one.bytes for one in newest)), len(newest))


class Forecast:
    """Predicts from samples, oldest first, of one database.

    ``rates``: bytes per second that the policy expects, by kind of work; what has none is taken to be as quick as the slowest.
    """

    def __init__(self, samples: Sequence[Sample], policy: ForecastPolicy, rates: Mapping[str, float]) -> None:
        self._policy = policy
        self._rates = rates
        self._own: dict[tuple[str, str], list[Sample]] = {}
        kinds: dict[str, list[Sample]] = {}
        for sample in samples:
            self._own.setdefault((sample.relation, sample.action), []).append(sample)
            kinds.setdefault(kind_of(sample.action), []).append(sample)
        self._lines = {kind: fit(found) for kind, found in kinds.items()}
        self._expected = cache(self._rate_of)

    def of(self, work: Work) -> Prediction:
        """What the work is expected to take.

        By its own newest runs (the median, scaled to its present size), else by the line of all works of its kind in this
        database, else by the rate that the policy expects.
        """
        line = self._lines.get(kind_of(work.action))
        own = self._own.get((work.relation, work.action), [])[-self._policy.samples:]
        if own:
            scaled = [sample.seconds * _growth(line, sample.bytes, work.bytes) for sample in own]
            seconds = max(_LEAST_SECONDS, median(scaled))
            bound = max(seconds * (1 + self._policy.margin_percent / 100), *scaled)
            return Prediction(seconds, bound, f"its last run{'s' if len(own) > 1 else ''} ({len(own)})")
        rate, basis = self._expected(kind_of(work.action))
        expected = max(_LEAST_SECONDS, work.bytes / rate)
        if line is None:
            return self._first(expected, basis)
        seconds = line.at(work.bytes)
        return self._first(seconds if work.bytes <= _FARTHEST * line.farthest else max(seconds, expected),
                           f"its size, at the pace of {line.works} others")

    def _rate_of(self, kind: str) -> tuple[float, str]:
        rate = max(self._rates.get(kind, min(self._rates.values(), default=1.0)), 1.0)
        return rate, f"its size, at {format_size(rate)} a second"

    def _first(self, seconds: float, basis: str) -> Prediction:
        return Prediction(seconds, seconds * (1 + self._policy.first_margin_percent / 100), basis)


def _growth(line: Line | None, before: int, now: int) -> float:
    """How many times as long the size of now takes as that of then."""
    if line is not None and max(before, now) <= _FARTHEST * line.farthest:
        return line.at(now) / line.at(before)
    return max(now, 1) / max(before, 1)
