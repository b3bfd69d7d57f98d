# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""One attempt at one target: ask it through the network that is handed in, and compare the answer with what is expected."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from ..core.clock import Clock
from ..core.errors import Busy, Interrupted, InvalidOption, LibraryMissing, OpsError
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


def observer(kind: str) -> Observer:
    """What probes targets of this kind. Imported when it is first asked for: ask before the first probe, since an import holds up
    all that are under way.
    """
    if kind in WEB or kind == "prometheus":
        from . import observe_web

        return observe_web.prometheus if kind == "prometheus" else observe_web.web
    from . import observe_protocols

    return getattr(observe_protocols, kind)


async def observe(target: Target, network: Network, stage: Stage, clock: Clock) -> list[Complaint]:
    """Probe once, within the target's timeout; an empty list is a good answer.

    :raises OpsError: where there is no answer to be judged
    :raises TimeoutError: at the end of the timeout
    """
    if target.every_address:
        return await _each_address(target, network, stage, clock)
    async with asyncio.timeout(target.timeout):
        return await observer(target.kind)(target, network, stage, clock)


async def _each_address(target: Target, network: Network, stage: Stage, clock: Clock) -> list[Complaint]:
    """Probe all addresses of the name at once; one complaint names those that are not well, each with its reason.

    Each has what is left of the timeout when the name has resolved, so that one that hangs hides nothing of the others.
    """
    began = clock.monotonic()
    async with asyncio.timeout(target.timeout):
        addresses = await network.addresses(target.host, target.port, stage=stage)
    left = target.timeout - (clock.monotonic() - began)

    async def one(address: str) -> list[Complaint]:
        waiting_for = "the start"

        def staged(words: str) -> None:
            nonlocal waiting_for
            waiting_for = words

        try:
            async with asyncio.timeout(left):
                return await observer(target.kind)(target, network.only(target.host, address), staged, clock)
        except TimeoutError:
            return [Complaint(f"no complete answer within {format_duration(target.timeout)}; was waiting for {waiting_for}",
                              hint="See whether the service is overloaded or a firewall swallows packets")]
        except (*OURS, Interrupted):
            raise
        except OpsError as error:
            return [Complaint(error.message, hint=error.hint)]

    told = list(zip(addresses, await asyncio.gather(*(one(address) for address in addresses)), strict=True))
    bad = [(address, complaints[0]) for address, complaints in told if complaints]
    if not bad:
        return []
    listed = ", ".join(f"{address} ({complaint.message})" for address, complaint in bad[:_TOLD])
    return [Complaint(f"{len(bad)} of {len(told)} addresses of {shown(target.host)} {'is' if len(bad) == 1 else 'are'} not well: {listed}"
                      + (" and more" if len(bad) > _TOLD else ""), [address for address, _complaint in bad], addresses, bad[0][1].hint)]
