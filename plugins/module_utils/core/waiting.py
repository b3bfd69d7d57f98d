# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting is a predicate and a deadline, on a clock that is handed in."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from .clock import Clock
from .errors import TimedOut
from .quantities import format_duration

Answer = TypeVar("Answer")


class Deadline:
    """A point on the monotonic clock by which work must be over."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self.clock = clock
        self.seconds = seconds
        self._end = clock.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds until the deadline, never below zero."""
        return max(0.0, self._end - self.clock.monotonic())

    @property
    def passed(self) -> bool:
        """Whether no time is left."""
        return self.left == 0.0

    def require(self, what: str) -> None:
        """Go on while time is left; ``what`` completes the sentence "gave up …".

        :raises TimedOut: when the deadline has passed
        """
        if self.passed:
            raise TimedOut(f"Gave up {what} after {format_duration(self.seconds)}",
                           hint="See why it is slow (disk, network mount), or allow it more time")


def wait_until(predicate: Callable[[], Answer], *, deadline: Deadline, what: str, interval: float = 0.2) -> Answer:
    """The first true answer of ``predicate``, asked every ``interval`` seconds, at least once.

    :raises TimedOut: when the deadline passes first; ``what`` completes the sentence "waiting for …"
    """
    while True:
        answer = predicate()
        if answer:
            return answer
        if deadline.passed:
            raise TimedOut(f"Gave up after {format_duration(deadline.seconds)} of waiting for {what}",
                           hint="See why it does not come, or allow it more time")
        deadline.clock.sleep(min(interval, deadline.left))
