# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""MTTR and MTBF of services, from the runs of health.check in the ledger. Pure.

An outage begins with the first run that found a service failing and ends with the first later run that found it well; in between
nobody looked, so its length is known to about the interval between runs. Time in which no run looked for longer than ``gap`` is
neither up nor down. A run that could not look (unknown) tells nothing.

    MTTR = mean length of the outages that ended
    MTBF = time seen up / number of outages begun        (IEC 60050-192: operating time between failures)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..core.clock import format_instant
from ..core.finding import Finding, Status
from ..core.quantities import format_duration

_DOWN, _UP = ("fail",), ("pass", "warn")


@dataclass(frozen=True)
class Outage:
    """``ended`` is None while it goes on."""

    began: datetime
    ended: datetime | None


@dataclass(frozen=True)
class Reliability:
    """What a service's runs say; seconds."""

    service: str
    outages: tuple[Outage, ...]
    up: float
    down: float
    unseen: float

    @property
    def mttr(self) -> float | None:
        """None where no outage has ended."""
        ended = [(one.ended - one.began).total_seconds() for one in self.outages if one.ended]
        return sum(ended) / len(ended) if ended else None

    @property
    def mtbf(self) -> float | None:
        """None where there was no outage: then it is longer than what was seen; and where it was never seen up, which measures nothing."""
        return self.up / len(self.outages) if self.outages and self.up else None

    def as_value(self) -> dict[str, Any]:
        """The row of the result."""
        return {
            "service": self.service, "outages": len(self.outages), "mttr_seconds": _whole(self.mttr), "mtbf_seconds": _whole(self.mtbf),
            "up_seconds": _whole(self.up), "down_seconds": _whole(self.down), "unseen_seconds": _whole(self.unseen),
            "last_began": format_instant(self.outages[-1].began) if self.outages else None,
            "down_now": bool(self.outages) and self.outages[-1].ended is None,
        }


def reliability(runs: Sequence[tuple[datetime, Mapping[str, Any]]], since: datetime, now: datetime, gap: float) -> list[Reliability]:
    """Per service; ``runs`` are instants and the values that health.check recorded, oldest first."""
    seen: dict[str, list[tuple[datetime, str]]] = {}
    for at, values in runs:
        if since <= at <= now:
            for row in values.get("services") or []:
                if row.get("status") in (*_DOWN, *_UP):
                    seen.setdefault(str(row.get("service")), []).append((at, row["status"]))
    return [_follow(service, looks, now, gap) for service, looks in sorted(seen.items())]


def _follow(service: str, looks: Sequence[tuple[datetime, str]], now: datetime, gap: float) -> Reliability:
    spent = {"up": 0.0, "down": 0.0, "unseen": 0.0}
    outages: list[Outage] = []
    began: datetime | None = None
    for index, (at, status) in enumerate(looks):
        if status in _DOWN and began is None:
            began = at
        elif status in _UP and began is not None:
            outages.append(Outage(began, at))
            began = None
        until = looks[index + 1][0] if index + 1 < len(looks) else now
        seconds = max(0.0, (until - at).total_seconds())
        spent["unseen" if seconds > gap else "down" if began else "up"] += seconds
    if began is not None:
        outages.append(Outage(began, None))
    return Reliability(service, tuple(outages), spent["up"], spent["down"], spent["unseen"])


def judge(found: Sequence[Reliability], since: datetime, now: datetime) -> list[Finding]:
    """``service_levels.outages`` for each service; without any run nothing is known."""
    span = format_duration((now - since).total_seconds())
    if not found:
        return [Finding("service_levels.outages", "all services", Status.UNKNOWN, f"no run of health.check is on record in the last {span}",
                        hint="Run evenkeel.ops.health.check on a schedule, with this ledger")]
    return [_finding(one, span) for one in found]


def _finding(one: Reliability, span: str) -> Finding:
    if not one.up + one.down:
        return Finding("service_levels.outages", one.service, Status.UNKNOWN, f"nobody looked often enough in the last {span}",
                       hint="Run health.check more often, or allow a longer gap")
    words = f"{len(one.outages)} outage{'' if len(one.outages) == 1 else 's'} in the last {span}"
    words += f", MTTR {format_duration(one.mttr)}" if one.mttr is not None else ""
    words += f", MTBF {format_duration(one.mtbf)}" if one.mtbf is not None else ", never seen up" if one.outages else ""
    down = bool(one.outages) and one.outages[-1].ended is None
    if down:
        words += f"; it is down since {format_instant(one.outages[-1].began)}"
    return Finding("service_levels.outages", one.service, Status.WARN if down else Status.PASS, words, len(one.outages), None, "",
                   "health.check says what fails" if down else "")


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)
