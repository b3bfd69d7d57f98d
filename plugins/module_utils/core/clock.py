# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Time that can be handed in: UTC instants, ISO 8601 in data."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from typing import Protocol

from .errors import InvalidOption


class Clock(Protocol):
    """Everything that the house wants to know of time."""

    def now(self) -> datetime:
        """The present instant, aware, UTC."""

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """The present instant, aware, UTC."""
        return datetime.now(timezone.utc)

    def monotonic(self) -> float:
        """Seconds since some fixed point."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Block this thread."""
        time.sleep(seconds)


def format_instant(instant: datetime) -> str:
    """``2026-01-02T03:04:05.678Z``; milliseconds, UTC."""
    return instant.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_instant(text: str) -> datetime:
    """The inverse of `format_instant`; any ISO 8601 instant with a zone.

    :raises InvalidOption: for text that is no instant, or has no zone
    """
    try:
        instant = datetime.fromisoformat(text)
        in_utc = instant.astimezone(timezone.utc)
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidOption(f"{text!r} is not an instant", hint="Write it as 2026-01-02T03:04:05Z") from error
    if instant.tzinfo is None:
        raise InvalidOption(f"{text!r} has no time zone", hint="Add Z for UTC")
    return in_utc
