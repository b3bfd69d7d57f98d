# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carrying out a retention plan: the manifest goes first, so that half a deleted backup is no backup."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from ..core.clock import Clock
from ..core.errors import Busy, InvalidOption, NotFound, OpsError, Refused
from ..core.finding import Finding, Status
from ..core.quantities import format_size
from .create import clear_leftovers
from .manifest import Manifest
from .place import Place
from .repository import DOOMED, MANIFEST, Backup, Repository
from .retention import Decision, RetentionPolicy, plan_retention

Eraser = Callable[[Backup], None]


@dataclass(frozen=True)
class Brake:
    """Deleting more of a plan than this at once wants a confirmation: so many, or such a percentage; None is no limit."""

    max_deletions: int | None = None
    max_percent: float | None = None
    confirmed: bool = False

    def __post_init__(self) -> None:
        if self.max_deletions is not None and self.max_deletions < 0:
            raise InvalidOption(f"max_deletions: {self.max_deletions} is negative", hint="Give 0 or more")
        if self.max_percent is not None and not 0 <= self.max_percent <= 100:
            raise InvalidOption(f"max_percent: {self.max_percent} is no percentage", hint="Give a number from 0 to 100")

    def holds(self, deletions: int, of: int) -> str | None:
        """Why so many deletions want a confirmation, None where they want none."""
        if self.confirmed or not deletions:
            return None
        if self.max_deletions is not None and deletions > self.max_deletions:
            return f"{deletions} of {of} backups would be deleted, over the limit of {self.max_deletions}"
        if self.max_percent is not None and deletions * 100 > self.max_percent * of:
            return f"{deletions} of {of} backups would be deleted, over the limit of {self.max_percent:g}%"
        return None


@dataclass(frozen=True)
class Pruned:
    """The decisions of one plan as they were carried out, or would be."""

    plan: str
    decisions: tuple[Decision, ...]
    finding: Finding


def prune_plan(repository: Repository, plan: str, policy: RetentionPolicy, brake: Brake, clock: Clock, *,
               eraser_for: Callable[[str], Eraser | None] = lambda engine: None, archived: Container[str] | None = None,
               check_mode: bool = False) -> Pruned:
    """Delete what retention does not keep, and finish what a run that was killed had begun to delete.

    ``eraser_for`` an engine gives what deletes a copy from that engine's own repository (`engines.Kit.eraser`). ``archived`` are
    the ids of which a verified copy is in the second repository; None where there is none.

    :raises Refused: when the brake holds; nothing is deleted then
    :raises Busy: when a backup of the plan is being made
    :raises StorageFailed: when something cannot be deleted
    """
    if check_mode:
        decisions = plan_retention(repository.list(plan), policy, clock.now(), archived=archived)
        return _concluded(plan, decisions, brake, clock.now(), would=True)
    if plan not in repository.plans:
        return _concluded(plan, [], brake, clock.now(), would=False)
    with repository.lease(plan, clock, purpose="prune") as held:
        _finish(repository, plan, eraser_for)
        clear_leftovers(repository, plan)
        decisions = plan_retention(repository.list(plan), policy, clock.now(), archived=archived)
        doomed = [decision for decision in decisions if not decision.keep]
        if why := brake.holds(len(doomed), len(decisions)):
            raise Refused(f"Plan {plan}: {why}", evidence={"would_delete": [decision.backup.id for decision in doomed]},
                          hint="Nothing was deleted. See the list in check mode; if it is what you want, confirm")
        outcome: list[Decision] = []
        needed: dict[str, str] = {}  # what rests on something, by what it rests on
        for decision in decisions:  # newest first, so that a link goes only after what rests on it
            if not decision.keep and decision.backup.id in needed:
                decision = replace(decision, keep=True, reason=f"in use: {needed[decision.backup.id]} rests on it")
            if not decision.keep:
                held.confirm()
                decision = _delete(decision, eraser_for)
            if decision.keep and decision.backup.manifest.parent:
                needed.setdefault(decision.backup.manifest.parent, decision.backup.id)
            outcome.append(decision)
        return _concluded(plan, outcome, brake, clock.now(), would=False)


def _delete(decision: Decision, eraser_for: Callable[[str], Eraser | None]) -> Decision:
    backup = decision.backup
    eraser = eraser_for(backup.engine) if backup.manifest.native else None
    try:
        with backup.claimed():
            backup.place.move(MANIFEST, DOOMED)  # from here on it is no backup
            _erase(backup, eraser)
    except Busy:
        return replace(decision, keep=True, reason="in use: it is being read just now")
    except NotFound:
        return decision
    return decision


def _erase(backup: Backup, eraser: Eraser | None) -> None:
    if eraser and backup.manifest.native:
        eraser(backup)
    backup.place.clear()


def _finish(repository: Repository, plan: str, eraser_for: Callable[[str], Eraser | None]) -> None:
    """Delete to the end what a killed run had begun with, the engine's own copy among it."""
    for id in repository.ids(plan):
        place: Place = repository.plan_place(plan).at(id)
        if not place.has(DOOMED):
            continue
        try:
            backup = Backup(place, Manifest.from_json(place.read(DOOMED)))
        except FileNotFoundError:
            continue
        if place.has(MANIFEST):
            place.remove(MANIFEST)
        _erase(backup, eraser_for(backup.engine) if backup.manifest.native else None)


def _concluded(plan: str, decisions: Sequence[Decision], brake: Brake, now: datetime, *, would: bool) -> Pruned:
    gone = [decision for decision in decisions if not decision.keep]
    size = format_size(sum(decision.backup.manifest.bytes for decision in gone))
    message = f"{len(gone)} {'would be ' if would else ''}deleted ({size}), {len(decisions) - len(gone)} kept"
    finding = Finding("backup.retention", plan, Status.PASS, message, len(gone), unit="backups")
    future = [decision.backup for decision in decisions if decision.backup.created_at > now]
    if future:
        finding = replace(finding, status=Status.WARN, message=f"nothing is deleted: {future[0].id} is from the future",
                          hint="Set the clock of this host or of the one that made it (chronyc tracking)")
    elif would and (why := brake.holds(len(gone), len(decisions))):
        finding = replace(finding, status=Status.WARN, message=why, hint="The real run refuses unless it is confirmed")
    return Pruned(plan, tuple(decisions), finding)


def troubled(plan: str, error: OpsError) -> Finding:
    """The finding for a plan that could not be pruned: a refusal is a failure, anything else an unknown."""
    status = Status.FAIL if isinstance(error, Refused) else Status.UNKNOWN
    return Finding("backup.retention", plan, status, error.message, error.evidence.get("would_delete"), hint=error.hint)


def told(decision: Decision) -> dict[str, Any]:
    """The shape of ``deleted`` and ``kept`` in docs/architecture.md."""
    backup: Backup = decision.backup
    return {"id": backup.id, "plan": backup.plan, "reason": decision.reason, "bytes": backup.manifest.bytes}


def retention_by_plan(options: Mapping[str, Mapping[str, Any]]) -> dict[str, RetentionPolicy]:
    """Policies by plan.

    :raises InvalidOption: names the plan whose policy cannot be read
    """
    policies = {}
    for plan, policy in options.items():
        try:
            policies[plan] = RetentionPolicy.from_options(policy)
        except InvalidOption as error:
            raise InvalidOption(f"plan {plan}: {error.message}", hint=error.hint, evidence=error.evidence) from error
    return policies
