# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A promotion from end to end: both servers observed, judged, the standby promoted where nothing speaks against it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..backups.sessions import Session
from ..core.clock import Clock, parse_instant
from ..core.errors import InvalidOption, Refused
from ..core.finding import Finding, Status
from ..core.quantities import parse_duration
from .failover import Guard, Loss, Node, caught_up, judge_guard, judge_loss, loss_of, observe_node, promote


@dataclass(frozen=True)
class PromotionPolicy:
    """Durations in seconds, ``primary_end`` in bytes of WAL; None is not given."""

    rpo: float | None
    accept_loss: float | None
    heard_within: float
    timeout: float
    primary_end: int | None = None
    primary_lost_at: datetime | None = None

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> PromotionPolicy:
        """Read the options of `postgresql_promote`.

        :raises InvalidOption: for what is no duration, no instant or no position
        """
        def duration(name: str) -> float | None:
            return parse_duration(options[name], option=name) if options[name] not in (None, "") else None

        if options["primary_end"] is not None and options["primary_end"] <= 0:
            raise InvalidOption(f"primary_end: {options['primary_end']} is no position",
                                hint="Give fence.end as postgresql_fence returns it")
        lost = options["primary_lost_at"]
        return cls(rpo=duration("rpo"), accept_loss=duration("accept_loss"), heard_within=duration("heard_within") or 0.0,
                   timeout=duration("timeout") or 0.0, primary_end=options["primary_end"],
                   primary_lost_at=parse_instant(lost) if lost else None)


@dataclass(frozen=True)
class TakenOver:
    """``promotion`` has the shape that the module documents."""

    changed: bool
    findings: tuple[Finding, ...]
    summary: str
    promotion: dict[str, Any]


def take_over(session: Session, guard: Guard, policy: PromotionPolicy, *, server: str, clock: Clock, check: bool) -> TakenOver:
    """Promote the server of ``session``, unless something speaks against it.

    :raises Refused: where something does; nothing was changed then
    :raises OpsError: what the server says, and where the promotion does not come about
    """
    began = clock.monotonic()
    before = caught_up(lambda: observe_node(session), clock)
    if policy.primary_lost_at and policy.primary_lost_at > clock.now():
        raise InvalidOption("primary_lost_at is in the future", hint="Give the instant at which the primary was lost, in UTC with Z")
    guarded = judge_guard(server, guard, before, heard_within=policy.heard_within, planned=check)
    if before.role == "primary":
        told = f"it is a primary already, on timeline {before.timeline}"
        state = Finding("recovery.promotion", server, Status.PASS, told, before.timeline)
        return TakenOver(False, (guarded, state), f"{server} is a primary already",
                         _promotion(server, guard, before, before, Loss(None, "nothing was promoted"), began, clock, "pass"))
    loss = loss_of(before, primary_end=policy.primary_end, lost_at=policy.primary_lost_at, now=clock.now())
    lost = judge_loss(server, loss, rpo=policy.rpo, accepted=policy.accept_loss)
    if check:
        return TakenOver(True, (guarded, lost), f"{server} would be promoted",
                         _promotion(server, guard, before, before, loss, began, clock, "planned"))
    against = [finding for finding in (guarded, *([lost] if policy.rpo is not None or policy.accept_loss is not None else []))
               if finding.status in (Status.FAIL, Status.UNKNOWN)]
    if against:
        raise Refused(f"{server} was not promoted: {'; '.join(one.message for one in against)}", hint=against[0].hint,
                      evidence={"findings": [one.as_dict() for one in (guarded, lost)], "standby": before.as_value()})
    after = promote(session, lambda: observe_node(session), timeout=policy.timeout, clock=clock, before=before)
    state = Finding("recovery.promotion", server, Status.PASS, f"it takes writes, on timeline {after.timeline}", after.timeline)
    return TakenOver(True, (guarded, lost, state), f"{server} is the primary, on timeline {after.timeline}",
                     _promotion(server, guard, before, after, loss, began, clock, "pass"))


def _promotion(server: str, guard: Guard, before: Node, after: Node, loss: Loss, began: float, clock: Clock, status: str) -> dict[str, Any]:
    return {"server": server, "status": status, "timeline_before": before.timeline, "timeline": after.timeline,
            "loss_seconds": None if loss.seconds is None else round(loss.seconds, 3), "loss_told": loss.how,
            "primary": guard.role, "primary_gone": guard.statement, "seconds": round(clock.monotonic() - began, 3)}
