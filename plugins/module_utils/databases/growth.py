# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""How fast databases and their tables grow, and when the room is used up. Pure: the sizes of many runs in, findings out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..core.finding import Finding, Status
from ..core.policy import Limits, duration, pair, read_policy, size, status_word
from ..core.quantities import DAY, format_duration, format_size
from .figures import least, most_bytes, shortened, spell
from .history import Point, per_day

_Sizes = Mapping[str, Any]


@dataclass(frozen=True)
class GrowthPolicy:
    """``window``: seconds of history that count; ``least_span``: seconds that they have to span; bytes in a day for the whole
    (``database``) and for each table with its indexes (``relation``); ``room_for``: seconds until the capacity is used up.
    """

    window: float
    least_span: float
    database: Limits
    relation: Limits
    room_for: Limits
    without_history: str

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> GrowthPolicy:
        """Read ``{window: 30d, least_span: 20h, database: {warn: 5GiB}, relation: {…}, room_for: {warn: 90d, fail: 30d},
        without_history: warn}``; the pairs may be left out.

        :raises InvalidOption: for an unknown or missing key or a value of the wrong kind
        """
        pairs = {"database": pair(size), "relation": pair(size), "room_for": pair(duration, rising=False)}
        read = read_policy(options, {"window": duration, "least_span": duration, "without_history": status_word, **pairs},
                           option="growth", optional=pairs)
        return cls(**{**dict.fromkeys(pairs, Limits()), **read})


@dataclass(frozen=True)
class Growth:
    """One database: bytes now, bytes a day (None: not known yet), seconds of room left (None: no capacity, or it does not grow)."""

    target: str
    bytes: int
    bytes_per_day: float | None
    capacity: int | None
    relations: Sequence[dict[str, Any]]

    @property
    def room_for(self) -> float | None:
        """Seconds until the capacity is used up at this rate."""
        if self.capacity is None or self.bytes_per_day is None or self.bytes_per_day <= 0:
            return None
        return DAY * max(self.capacity - self.bytes, 0) / self.bytes_per_day

    def as_value(self) -> dict[str, Any]:
        """For the ledger and the report; the ten tables that grow most."""
        return {"target": self.target, "bytes": self.bytes, "capacity": self.capacity,
                "bytes_per_day": None if self.bytes_per_day is None else round(self.bytes_per_day),
                "days_left": None if self.room_for is None else round(self.room_for / DAY, 1), "relations": list(self.relations[:10])}


def growth_of(now: datetime, sizes: _Sizes, earlier: Sequence[tuple[datetime, _Sizes]], policy: GrowthPolicy,
              capacity: int | None) -> Growth:
    """The growth of one database from its sizes now and in earlier runs, oldest first."""
    runs = [(at, one) for at, one in earlier if "bytes" in one and (now - at).total_seconds() <= policy.window]
    total = [Point(at, one["bytes"]) for at, one in runs] + [Point(now, sizes["bytes"])]
    series: dict[str, list[Point]] = defaultdict(list)
    for at, one in [*runs, (now, sizes)]:
        for relation in one["relations"]:
            series[relation["relation"]].append(Point(at, relation["bytes"]))
    relations = [{"relation": one["relation"], "bytes": one["bytes"], "bytes_per_day": round(rate)} for one in sizes["relations"]
                 if (rate := per_day(series[one["relation"]], least_span=policy.least_span)) is not None]
    return Growth(sizes["target"], sizes["bytes"], per_day(total, least_span=policy.least_span), capacity,
                  sorted(relations, key=lambda one: -one["bytes_per_day"]))


def judge_growth(seen: Growth, policy: GrowthPolicy) -> list[Finding]:
    """Findings ``database.growth``, ``database.relation_growth`` and ``database.room``."""
    target = seen.target
    if seen.bytes_per_day is None:
        return [] if policy.without_history == "ignore" or not (policy.database or policy.relation or policy.room_for) else [Finding(
            "database.growth", target, Status(policy.without_history), "how fast it grows is not known yet: the runs on record span less "
            f"than {format_duration(policy.least_span)}", hint="Run it regularly, with one ledger")]
    first = f"; most: {seen.relations[0]['relation']}, {format_size(seen.relations[0]['bytes_per_day'])}" if seen.relations else ""
    hint = "See what is written there; partition by time and drop the old, or archive it"
    findings = most_bytes("growth", target, max(round(seen.bytes_per_day), 0), policy.database, what=f"the growth in a day{first}",
                          hint=hint)
    fast = [finding for one in seen.relations if one["bytes_per_day"] > 0 for finding in most_bytes(
        "relation_growth", f"{target}: {one['relation']}", one["bytes_per_day"], policy.relation,
        what=f"the growth in a day ({format_size(one['bytes'])} now)", hint=hint) if finding.status is not Status.PASS]
    if policy.relation:
        findings += shortened("relation_growth", target, fast) or [
            Finding("database.relation_growth", target, Status.PASS, f"none of {len(seen.relations)} tables grows too fast", 0,
                    policy.relation.fail, "bytes")]
    return findings + _judge_room(seen, policy.room_for)


def _judge_room(seen: Growth, limits: Limits) -> list[Finding]:
    if seen.capacity is None or not limits:
        return []
    if seen.room_for is None:
        return [Finding("database.room", seen.target, Status.PASS,
                        f"it does not grow, and has {format_size(seen.capacity - seen.bytes)} left", None, limits.fail, "s")]
    return [spell(finding, format_duration, word="under") for finding in least(
        "room", seen.target, round(seen.room_for), limits, unit="s", what=f"the room for more than {format_size(seen.bytes)} of "
        f"{format_size(seen.capacity)} at {format_size(seen.bytes_per_day)} a day", hint="Extend the disk, or free room: the tables that "
        "grow most are in the evidence")]
