# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""One attempt at one target: ask it through the network that is handed in, and compare the answer with what is expected."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from ..core.clock import Clock
from ..core.errors import Busy, InvalidOption, LibraryMissing, OpsError
from ..core.quantities import format_duration
from .expectations import Complaint, shown
from .options import WEB
from .targets import Target

if TYPE_CHECKING:
    from .ports import Network, Stage

    Observer = Callable[[Target, Network, Stage, Clock], Awaitable[list[Complaint]]]

# Errors that say something of this side and nothing of the target.
OURS = (LibraryMissing, InvalidOption, Busy)
_TOLD = 5


@dataclass(frozen=True, slots=True)
class AddressAnswer:
    """What one of a name's addresses said in one attempt: seconds where it was as expected, else None and why not."""

    address: str
    latency: float | None
    complaints: tuple[Complaint, ...] = ()


@cache
def observer(kind: str) -> Observer:
    """What probes targets of this kind. Imported when it is first asked for: ask before the first probe, since an import holds up
    all that are under way.
    """
    if kind in WEB or kind == "prometheus":
        from . import observe_web

        return observe_web.prometheus if kind == "prometheus" else observe_web.web
    from . import observe_protocols

    return getattr(observe_protocols, kind)


async def observe(target: Target, network: Network, stage: Stage, clock: Clock, each: list[AddressAnswer]) -> list[Complaint]:
    """Probe once, within the target's timeout; an empty list is a good answer. Where every address is asked, what each of them
    said is added to ``each``.

    :raises OpsError: where there is no answer to be judged
    :raises TimeoutError: at the end of the timeout
    """
    if target.every_address:
        return await _each_address(target, network, stage, clock, each)
    async with asyncio.timeout(target.timeout):
        return await observer(target.kind)(target, network, stage, clock)


async def _each_address(target: Target, network: Network, stage: Stage, clock: Clock, each: list[AddressAnswer]) -> list[Complaint]:
    """Probe all addresses of the name at once; one complaint names those that are not well, each with its reason.

    Each has what is left of the timeout when the name has resolved, so that one that hangs hides nothing of the others.
    """
    began = clock.monotonic()
    async with asyncio.timeout(target.timeout):
        addresses = await network.addresses(target.host, target.port, stage=stage)
    left = target.timeout - (clock.monotonic() - began)

    async def one(address: str) -> AddressAnswer:
        waiting_for, begun = "the start", clock.monotonic()

        def staged(words: str) -> None:
            nonlocal waiting_for
            waiting_for = words

        try:
            async with asyncio.timeout(left):
                complaints = await observer(target.kind)(target, network.only(target.host, address), staged, clock)
        except TimeoutError:
            complaints = [Complaint(f"no complete answer within {format_duration(target.timeout)}; was waiting for {waiting_for}",
                                    hint="See whether the service is overloaded or a firewall swallows packets")]
        except OURS:
            raise
        except OpsError as error:
            complaints = [Complaint(error.message, hint=error.hint)]
        return AddressAnswer(address, None if complaints else clock.monotonic() - begun, tuple(complaints))

    each += await asyncio.gather(*(one(address) for address in addresses))
    bad = [(one.address, one.complaints[0]) for one in each if one.complaints]
    if not bad:
        return []
    listed = ", ".join(f"{address} ({complaint.message})" for address, complaint in bad[:_TOLD])
    return [Complaint(f"{len(bad)} of {len(each)} addresses of {shown(target.host)} {'is' if len(bad) == 1 else 'are'} not well: {listed}"
                      + (" and more" if len(bad) > _TOLD else ""), [address for address, _complaint in bad], addresses, bad[0][1].hint)]
