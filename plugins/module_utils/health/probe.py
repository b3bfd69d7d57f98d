# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probing many targets at once: a deadline for each attempt, retries with backoff, a bound on how many at a time."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from ..core.clock import Clock
from ..core.errors import Interrupted, InvalidOption, OpsError, Refused
from ..core.quantities import format_duration
from .expectations import Complaint
from .observe import OURS, AddressAnswer, observe, observer
from .targets import Target

if TYPE_CHECKING:
    from .ports import Network

_LONGEST_BACKOFF = 30.0
# What one probe may have open at once: the racing connections to a name's addresses, and what looks the name up.
_DESCRIPTORS = 4
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Sample:
    """One probe of a target, retries included.

    ``latency`` is that of the attempt that was answered well, in seconds, connecting included; None without one.
    ``failed_attempts`` counts those that were not answered well. ``blind`` says that this side could not look. ``each`` is what
    the addresses said in the last attempt, where every one was asked.
    """

    latency: float | None
    attempts: int
    failed_attempts: int
    complaints: tuple[Complaint, ...] = ()
    blind: bool = False
    each: tuple[AddressAnswer, ...] = ()

    @property
    def good(self) -> bool:
        """Whether the target answered as expected."""
        return self.latency is not None


@dataclass(frozen=True, slots=True)
class Pace:
    """How often each target is probed, and how many are at once."""

    samples: int = 1
    concurrency: int = 50

    def __post_init__(self) -> None:
        """:raises InvalidOption: for numbers below 1, more than 1000 samples, or more than 10000 at once"""
        for word, value, most in (("samples", self.samples, 1000), ("concurrency", self.concurrency, 10000)):
            if not 1 <= value <= most:
                raise InvalidOption(f"{word}: {value} is no number from 1 to {most}", hint="Give a whole number")

    def within(self, descriptors: int) -> Pace:
        """At most so many at once that ``descriptors`` are enough for them."""
        return replace(self, concurrency=max(1, min(self.concurrency, descriptors // _DESCRIPTORS)))


async def probe_all(targets: Sequence[Target], network: Network, *, clock: Clock, pace: Pace,
                    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
                    taken: dict[str, list[Sample]] | None = None) -> dict[str, list[Sample]]:
    """Probe each target as often as the pace has it, in rounds over all targets; the samples by target name.

    They are added to ``taken`` as they come, where it is given: what was seen outlives an interruption there.
    """
    taken = {} if taken is None else taken
    for target in targets:
        taken.setdefault(target.name, [])
    for kind in {target.kind for target in targets}:
        observer(kind)  # imported now, and not while latencies are measured
    work = (target for _round in range(pace.samples) for target in targets)

    async def take() -> None:
        for target in work:  # shared: whoever is free takes the next
            taken[target.name].append(await probe(target, network, clock=clock, sleep=sleep))

    gc.freeze()  # thousands of targets stay what they are: no collection has to walk through them while probes are under way
    try:
        # gather and not a TaskGroup: an interruption comes through as itself.
        await asyncio.gather(*(take() for _worker in range(min(pace.concurrency, pace.samples * len(targets)))))
    finally:
        gc.unfreeze()
    return taken


def to_its_end(work: Coroutine[Any, Any, Answer]) -> Answer:
    """asyncio.run, out of which an interruption always comes.

    A signal is raised wherever the loop happens to be. In a bare callback asyncio would report it as an error and go on.

    :raises Interrupted: from wherever it was raised
    """
    heard: list[Interrupted] = []

    async def main() -> Answer:
        task = asyncio.current_task()

        def told(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
            if isinstance(context.get("exception"), Interrupted):
                heard.append(context["exception"])
                task.cancel()
            else:
                loop.default_exception_handler(context)

        asyncio.get_running_loop().set_exception_handler(told)
        return await work

    try:
        return asyncio.run(main())
    except asyncio.CancelledError:
        if heard:
            raise heard[0] from None
        raise


async def probe(target: Target, network: Network, *, clock: Clock,
                sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> Sample:
    """One sample: attempts until one is answered well or ``retries`` are used up.

    The pause before the first retry is ``retry_delay`` and doubles with each, up to 30 s.
    """
    attempt = 0
    while True:
        attempt += 1
        each: list[AddressAnswer] = []
        latency, complaints, again = await _attempt(target, network, clock, each)
        if not complaints:
            return Sample(latency, attempt, attempt - 1, each=tuple(each))
        if not again or attempt > target.retries:
            return Sample(None, attempt, attempt, complaints, blind=again is None, each=tuple(each))
        await sleep(min(_LONGEST_BACKOFF, target.retry_delay * 2 ** (attempt - 1)))


async def _attempt(target: Target, network: Network, clock: Clock,
                   each: list[AddressAnswer]) -> tuple[float, tuple[Complaint, ...], bool | None]:
    """Seconds, complaints, and whether trying again may help; None where this side could not look."""
    waiting_for = "the start"

    def stage(words: str) -> None:
        nonlocal waiting_for
        waiting_for = words

    began = clock.monotonic()
    try:
        complaints = await observe(target, network, stage, clock, each)
        return clock.monotonic() - began, tuple(complaints), True
    except TimeoutError:
        return 0.0, (Complaint(
            f"no complete answer within {format_duration(target.timeout)}; was waiting for {waiting_for}", None,
            format_duration(target.timeout), "See whether the service is overloaded or a firewall swallows packets"),), True
    except OpsError as error:
        again = None if isinstance(error, OURS) else not isinstance(error, Refused)
        return 0.0, (Complaint(error.message, hint=error.hint),), again
    except Exception as error:  # one odd target must not cost the others; told as unknown, never as a pass
        return 0.0, (Complaint(f"the probe broke: {type(error).__name__}: {error}",
                               hint="This is a fault of the probe: report it with the target's options"),), None
