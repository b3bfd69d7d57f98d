# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A canary for each pipeline of logs and traces: sent where applications send theirs, and looked for where people look."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..core.clock import Clock, format_instant
from ..core.errors import OpsError, TimedOut
from ..core.finding import Finding, Status
from ..core.quantities import format_duration
from ..core.waiting import Deadline, wait_until

SERVICE = "evenkeel-canary"
_LOOK_EVERY = 0.5


@dataclass(frozen=True)
class Arrival:
    """``pipeline`` is log or trace; ``seconds`` None where the canary was not seen within ``patience``; ``error`` is why it could not be
    sent or looked for.
    """

    pipeline: str
    name: str
    canary: str
    seconds: float | None
    patience: float
    error: str = ""
    hint: str = ""


def follow(pipeline: str, name: str, canary: str, send: Callable[[], None], arrived: Callable[[], bool], clock: Clock, *,
           patience: float) -> Arrival:
    """Send, and look until it is there."""
    began = clock.monotonic()
    try:
        send()
        wait_until(arrived, deadline=Deadline(clock, patience), what=f"the canary of {name}", interval=_LOOK_EVERY)
    except TimedOut as error:
        late = clock.monotonic() - began >= patience
        return Arrival(pipeline, name, canary, None, patience, "" if late else error.message, error.hint)
    except OpsError as error:
        return Arrival(pipeline, name, canary, None, patience, error.message, error.hint)
    return Arrival(pipeline, name, canary, clock.monotonic() - began, patience)


def log_line(canary: str, now: datetime, *, json: bool) -> str:
    """What is written; it has no word by which errors are found."""
    at = format_instant(now)
    if json:
        return f'{{"@timestamp": "{at}", "level": "INFO", "message": "{canary} a test of evenkeel.ops: nothing is wrong"}}\n'
    return f"{at} INFO {canary} a test of evenkeel.ops: nothing is wrong\n"


def canary_span(canary: str, now: datetime) -> Mapping[str, Any]:
    """A span of a millisecond that is a trace by itself, in the words of OTLP's JSON; ``canary`` are 32 hexadecimal digits."""
    begin = int(now.timestamp() * 1e9)
    return {"traceId": canary, "spanId": canary[:16], "name": "canary", "kind": 1, "startTimeUnixNano": str(begin),
            "endTimeUnixNano": str(begin + 1_000_000)}


def judge_arrival(one: Arrival) -> Finding:
    """``monitoring.log_delivery`` or ``monitoring.trace_delivery``."""
    check = f"monitoring.{one.pipeline}_delivery"
    if one.error:
        return Finding(check, one.name, Status.UNKNOWN, f"the canary could not be followed: {one.error}", None, one.patience, "s", one.hint)
    if one.seconds is None:
        return Finding(check, one.name, Status.UNKNOWN, f"the canary {one.canary} was not seen within {format_duration(one.patience)}",
                       None, one.patience, "s", "See what ships and what stores it: its log, its queue; or allow it more patience")
    return Finding(check, one.name, Status.PASS, f"the canary was seen after {one.seconds:.1f} s", round(one.seconds, 3), one.patience, "s")


def as_value(one: Arrival) -> dict[str, Any]:
    """The row of the result."""
    return {"pipeline": one.pipeline, "name": one.name, "canary": one.canary,
            "seconds": None if one.seconds is None else round(one.seconds, 3)}
