# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""How we measure: ratios against a named peer in the same run, medians of alternating repetitions."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One line of the table in docs/performance.md.

    ``ratio`` is ours / theirs in time where ``faster`` is False ("at most ``reach`` times theirs"), and theirs / ours
    where it is True ("at least ``reach`` times faster"). ``reach`` None is a figure that is only printed. ``detail`` has
    the absolute figures, for orientation.
    """

    work: str
    against: str
    ratio: float
    reach: float | None
    faster: bool
    detail: str

    @property
    def met(self) -> bool | None:
        """Whether the reach was reached; None where there is none."""
        if self.reach is None:
            return None
        return self.ratio >= self.reach if self.faster else self.ratio <= self.reach


def seconds(work: Callable[[], object]) -> float:
    """Wall time of one call."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def side_by_side(ours: Callable[[], object], theirs: Callable[[], object], *, repetitions: int = 3,
                 prepare: Callable[[], object] = lambda: None) -> tuple[float, float]:
    """Median seconds of both, each after ``prepare``, taken in turns so that a noisy minute hits both alike.

    Who begins changes each time: a disk remembers what was written before.
    """
    took: tuple[list[float], list[float]] = ([], [])
    for number in range(repetitions):
        for index in (0, 1) if number % 2 == 0 else (1, 0):
            prepare()
            took[index].append(seconds((ours, theirs)[index]))
    return statistics.median(took[0]), statistics.median(took[1])
