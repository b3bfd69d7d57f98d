# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all tests share: the collection importable by its full name, a clock that is told the time, real servers."""

from __future__ import annotations

import os
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from tests.testbed import CHECKOUT as ROOT  # and makes the collection importable


class ToldClock:
    """A clock for tests: stands still until it is told otherwise; sleeping moves it on."""

    def __init__(self, now: datetime = datetime(2026, 1, 15, 12, tzinfo=timezone.utc)) -> None:
        self.instant = now
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self.instant

    def monotonic(self) -> float:
        return self.instant.timestamp()

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.instant += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> ToldClock:
    """Noon of 2026-01-15, UTC."""
    return ToldClock()


def missing(part: str) -> None:
    """A part of the testbed is not here: a visible skip on a person's machine, an error in CI."""
    if os.environ.get("CI"):
        pytest.fail(f"{part} is missing, and in CI nothing may be")
    pytest.skip(f"{part} is missing on this machine")


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT
