# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probing for a while: rounds at fixed times, an end as soon as no pass is possible, and what only time shows.

The budget of a target is the number of its samples, of all that are planned, that may be bad; that of a service is what its limit
of availability leaves. Neither can be won back, so the watch ends with the round in which one is overdrawn.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..core.clock import Clock
from ..core.errors import Interrupted, InvalidOption
from ..core.finding import Status
from ..core.quantities import format_duration, parse_duration
from .judge import ServiceLimits, availability, judge_services, judge_targets, read_number, read_pair, read_percentage
from .ports import Network
from .probe import Pace, Sample, probe_all, to_its_end
from .targets import Target

_MOST_ROUNDS = 10000
# Below three samples a median is one of the extremes.
FEWEST_IN_A_THIRD = 3
_FEWEST_ROUNDS_FOR_DRIFT = 3 * FEWEST_IN_A_THIRD
KEYS = ("for", "every", "allowed_bad", "pass_after", "drift", "drift_floor", "burst")


@dataclass(frozen=True)
class WatchPolicy:
    """How long, how often (seconds), and what is to be endured.

    ``allowed_bad`` is the percentage of a target's samples that may be bad; ``pass_after`` the time from which a watch without
    any blemish ends early, None for never. ``drift`` limits in percent how much the median latency grows from the first third
    to the last, growth below ``drift_floor`` seconds set aside; ``burst`` how many samples in a row may be bad.
    """

    length: float
    every: float
    allowed_bad: float = 0.0
    pass_after: float | None = None
    drift: tuple[float | None, float | None] = (None, None)
    drift_floor: float = 0.0
    burst: tuple[float | None, float | None] = (None, None)

    def __post_init__(self) -> None:
        """:raises InvalidOption: where it makes no sense"""
        if not 0 < self.every <= self.length:
            raise InvalidOption(f"watch: every {format_duration(self.every)} for {format_duration(self.length)} is no watch",
                                hint="Give for: 15m and every: 30s, or no watch at all")
        if self.rounds > _MOST_ROUNDS:
            raise InvalidOption(f"watch: {self.rounds} rounds are more than {_MOST_ROUNDS}", hint="Watch less often, or not as long")
        if self.pass_after is not None and not 0 < self.pass_after < self.length:
            raise InvalidOption(f"watch.pass_after: {format_duration(self.pass_after)} lies not within {format_duration(self.length)}",
                                hint="Leave it out, or give a time shorter than the whole")
        if any(limit is not None for limit in self.drift) and self.rounds < _FEWEST_ROUNDS_FOR_DRIFT:
            raise InvalidOption(f"watch.drift: of {self.rounds} rounds no drift can be told",
                                hint=f"Plan at least {_FEWEST_ROUNDS_FOR_DRIFT} rounds, or leave drift out")

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> WatchPolicy:
        """Read ``{for: 15m, every: 30s, allowed_bad: 0, pass_after, drift: {warn: 50, fail: 100}, drift_floor: 20ms, burst: {…}}``.

        :raises InvalidOption: for an unknown key, a missing ``for`` or ``every``, and values that make no sense
        """
        unknown = sorted(str(key) for key in options if key not in KEYS)
        if unknown:
            raise InvalidOption(f"watch: unknown key {unknown[0]!r}", hint=f"Known are {', '.join(KEYS)}")
        given = {key: value for key, value in options.items() if value is not None}
        missing = [key for key in ("for", "every") if key not in given]
        if missing:
            raise InvalidOption(f"watch: {missing[0]} is missing", hint="Give for: 15m and every: 30s")

        def seconds(key: str) -> float:
            return parse_duration(given[key], option=f"watch.{key}")

        return cls(
            length=seconds("for"), every=seconds("every"), pass_after=seconds("pass_after") if "pass_after" in given else None,
            allowed_bad=read_percentage(given.get("allowed_bad", 0), "watch.allowed_bad"),
            drift=read_pair(given.get("drift", {}), "watch.drift", read_number),
            drift_floor=seconds("drift_floor") if "drift_floor" in given else 0.0,
            burst=read_pair(given.get("burst", {}), "watch.burst", read_number),
        )

    @property
    def rounds(self) -> int:
        """How many are planned: one at the start, and one at each full ``every`` up to the end."""
        return math.floor(self.length / self.every + 1e-9) + 1


@dataclass
class Watched:
    """What was seen so far. ``rounds`` has the second in which each began, ``fell_out`` counts those that had no time to begin.

    ``planned`` is how many samples of a target there are in all, ``allowed`` how many of them may be bad. ``end`` is ``whole``,
    ``failed`` (a budget is overdrawn), ``passed`` (early) or ``interrupted``; ``why`` says by what.
    """

    policy: WatchPolicy
    planned: int
    taken: dict[str, list[Sample]]
    rounds: list[float] = field(default_factory=list)
    fell_out: int = 0
    seconds: float = 0.0
    end: str = "whole"
    why: str = ""
    overdrawn: tuple[str, ...] = ()

    @property
    def allowed(self) -> int:
        """Of a target's planned samples."""
        return math.floor(self.planned * self.policy.allowed_bad / 100 + 1e-9)

    @property
    def counts(self) -> tuple[int, int]:
        """All samples that could be taken, and the bad ones among them."""
        samples = [sample for of_target in self.taken.values() for sample in of_target if not sample.blind]
        return len(samples), sum(not sample.good for sample in samples)


def watch(targets: Sequence[Target], network: Network, *, clock: Clock, pace: Pace, policy: WatchPolicy, limits: ServiceLimits,
          tell: Callable[[str], None] = lambda text: None, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> Watched:
    """Probe in rounds until the time is over, no pass is possible any more, or the run is told to end: nothing seen is lost then.

    ``tell`` is told before each round how far it is. A round that takes longer than ``every`` makes those fall out that it covers.
    """
    seen = Watched(policy, policy.rounds * pace.samples, {target.name: [] for target in targets})
    began = clock.monotonic()
    try:
        to_its_end(_rounds(targets, network, seen, clock=clock, pace=pace, limits=limits, tell=tell, sleep=sleep, began=began))
    except Interrupted as error:
        seen.end, seen.why = "interrupted", error.message
        overdrawn(seen, targets, limits)
    seen.seconds = clock.monotonic() - began
    return seen


async def _rounds(targets: Sequence[Target], network: Network, seen: Watched, *, clock: Clock, pace: Pace, limits: ServiceLimits,
                  tell: Callable[[str], None], sleep: Callable[[float], Awaitable[None]], began: float) -> None:
    policy, slot = seen.policy, 0
    while True:
        total, bad = seen.counts
        tell(f"watch: round {slot + 1} of {policy.rounds}, {bad} of {total} samples bad")
        seen.rounds.append(clock.monotonic() - began)
        await probe_all(targets, network, clock=clock, pace=pace, sleep=sleep, taken=seen.taken)
        seen.seconds = clock.monotonic() - began
        following = min(max(slot + 1, math.ceil(seen.seconds / policy.every - 1e-9)), policy.rounds)
        seen.fell_out += following - slot - 1
        seen.planned -= (following - slot - 1) * pace.samples
        if overdrawn(seen, targets, limits):
            seen.end = "failed"
            return
        if following >= policy.rounds:
            return
        if policy.pass_after is not None and seen.seconds >= policy.pass_after and _spotless(seen, targets, limits):
            seen.end = "passed"
            return
        slot = following
        await sleep(max(0.0, began + slot * policy.every - clock.monotonic()))


def overdrawn(seen: Watched, targets: Sequence[Target], limits: ServiceLimits) -> tuple[str, ...]:
    """The targets and services that would fail even if every sample still to come were good; kept in ``seen`` too."""
    found = []
    by_service: dict[str, list[int]] = {}
    for target in targets:
        samples = seen.taken[target.name]
        bad = sum(not (sample.good or sample.blind) for sample in samples)
        if target.critical and bad > seen.allowed:
            found.append(target.name)
        total, failed = by_service.setdefault(target.service, [0, 0])
        by_service[target.service] = [total + seen.planned - sum(sample.blind for sample in samples), failed + bad]
    for service, (total, failed) in by_service.items():
        _warn, least = limits.of(service).get("availability", (None, None))
        best = availability(total, failed)
        if least is not None and best is not None and best < least and service not in found:
            found.append(service)
    seen.overdrawn = tuple(found)
    return seen.overdrawn


def _spotless(seen: Watched, targets: Sequence[Target], limits: ServiceLimits) -> bool:
    """Whether all that was seen passes as if it were the whole."""
    _rows, probed = judge_targets(targets, seen.taken)
    _services, figures = judge_services(targets, seen.taken, probed, limits)
    return all(finding.status is Status.PASS for finding in (*probed, *figures))
