# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A restore from end to end: which backup, whether its destination is free, the phases, and the moment it becomes visible.

What is restored comes into being beside its destination, or in a private folder of it, and takes its name only when it is whole
and was compared: nobody can take a half restored target for a good one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from ..backups.repository import Backup, Repository
from ..core import progress
from ..core.clock import Clock
from ..core.errors import Damaged, InvalidOption, NotFound, Refused, StorageFailed
from ..core.finding import Finding, Status, worst
from ..core.quantities import format_duration, format_size
from .drill import Subject

# How good a copy is: a proven one was verified, a verified one was created.
RANKS = ("created", "verified", "proven")


class State(StrEnum):
    """What a destination is: ``free``, ``taken`` by what is not ours to touch, or free once something is cleared away."""

    FREE = "free"
    CONFIRM = "confirm"
    TAKEN = "taken"


@dataclass(frozen=True)
class Seen:
    """What was found at a destination: in words, and by name what a confirmed restore would destroy there."""

    state: State
    words: str
    clears: tuple[str, ...] = ()


class Destination(Protocol):
    """Where a backup is restored to (`folder_target.FolderDestination`, `database_target.DatabaseDestination`)."""

    name: str

    def observe(self) -> Seen:
        """Look; writes nothing.

        :raises Busy: while another run restores there
        :raises OpsError: where it cannot be a destination at all
        """

    def free_bytes(self) -> int | None:
        """What may be written there; None where that cannot be known from here."""

    def opened(self, backup: Backup) -> AbstractContextManager[Path]:
        """Clear what `observe` named, and leave a mark; a folder for the subject. An error inside takes everything back, a kill
        leaves the mark.

        :raises Busy: while another run restores there
        """

    def remarks(self) -> list[Finding]:
        """What the programs said of the restore, for one that is not compared."""

    def publish(self) -> None:
        """Give what was restored its name."""


@dataclass(frozen=True)
class Restoration:
    """What a kit puts together: the destination, and what restores into the folder that it opens."""

    destination: Destination
    subject: Callable[[Path], Subject]


@dataclass(frozen=True)
class Restored:
    """``restore`` has the shape of docs/architecture.md."""

    changed: bool
    restore: dict[str, Any]
    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = ()


def choose_for_restore(repository: Repository, *, plan: str | None, id: str | None, at_least: str,
                       accept_failed: bool = False) -> Backup:
    """The backup of this id, else the newest of the plan that is at least so good and did not fail.

    :raises NotFound: where there is none; says what there is
    :raises Refused: for one by its id that failed, unless that is accepted
    """
    if at_least not in RANKS:
        raise InvalidOption(f"at_least: {at_least!r} is unknown", hint=f"Known are {', '.join(RANKS)}")
    if id:
        backup = repository.open(id)
        if plan and backup.plan != plan:
            raise InvalidOption(f"Backup {id} is of plan {backup.plan}, not {plan}", hint="Leave out plan or backup")
        if not backup.usable and not accept_failed:
            raise Refused(f"Backup {id} failed its last verification or drill", evidence={"backup_id": id},
                          hint="Restore another (backups.list shows them), or accept it: nothing that is damaged is published")
        return backup
    if not plan:
        raise InvalidOption("Neither a backup nor a plan was named", hint="Name one of them")
    found = repository.list(plan)
    good = [backup for backup in found if backup.usable and RANKS.index(backup.status) >= RANKS.index(at_least)]
    if not good:
        there = ", ".join(sorted({backup.status for backup in found})) or "no backup at all"
        raise NotFound(f"Plan {plan} has no {at_least} backup in {repository.folder} (there is: {there})",
                       hint="Verify (backups.verify), drill (recovery.drill), or restore one by its id")
    return max(good, key=lambda backup: (backup.created_at, backup.id))


def refusal(destination: Destination, seen: Seen, *, confirmed: bool) -> Refused | None:
    """Why not to restore there, None where nothing speaks against it. What is not ours is never written into."""
    evidence = {"destination": destination.name, "would_clear": list(seen.clears)}
    if seen.state is State.TAKEN:
        return Refused(f"{destination.name} is not empty: {seen.words}", evidence=evidence,
                       hint="Nothing was touched: name a path or database that is empty or does not exist, or move this one away")
    if seen.state is State.CONFIRM and not confirmed:
        return Refused(f"{destination.name}: {seen.words}", evidence=evidence,
                       hint="Nothing was touched. See in check mode what would be cleared; then confirm (confirm: true, "
                            "recovery_restore_confirm) to clear it and restore anew")
    return None


def check_space(backup: Backup, destination: Destination) -> None:
    """See to it that what was backed up fits.

    :raises StorageFailed: where it does not
    """
    needed, free = backup.manifest.source_bytes or backup.manifest.bytes, destination.free_bytes()
    if free is not None and free < needed:
        raise StorageFailed(f"{destination.name} has {format_size(free)} free, and {backup.id} may need {format_size(needed)}",
                            hint="Nothing was begun: free space there, or restore elsewhere",
                            evidence={"free_bytes": free, "needed_bytes": needed})


def planned(backup: Backup, destination: Destination, seen: Seen) -> dict[str, Any]:
    """The restore that would be: what, where, and what would be destroyed."""
    return _told(backup, destination, "planned", {}, clears=seen.clears)


def run_restore(backup: Backup, restoration: Restoration, clock: Clock, *, compare: bool, confirmed: bool = False,
                check: Callable[[], Finding | None] = lambda: None) -> Restored:
    """Restore, compare where that is asked for, and publish; on any failure the destination is left as it was.

    ``check`` verifies the backup first and gives its finding, None where none is asked for; the destination is looked at again after
    it, for that may take hours. What could not be compared
    (``unknown``) is published, and its finding says so; what differs is not.

    :raises Refused: where the destination is not free any more
    :raises OpsError: where the restore could not be carried out
    """
    destination, seconds = restoration.destination, {}
    findings: list[Finding] = []

    def timed(name: str, work: Callable[[], Any]) -> Any:
        began = clock.monotonic()
        if name != "check":  # which tells its own progress
            progress.begin(f"restore of {backup.plan}/{backup.id}: {name}", backup.manifest.bytes)
        answer = work()
        seconds[name] = clock.monotonic() - began
        return answer

    with backup.held():
        first = timed("check", check)
        findings += [first] if first else []
        if first and first.status is not Status.PASS:
            return _withheld(backup, destination, seconds, findings)
        seen = destination.observe()
        if refused := refusal(destination, seen, confirmed=confirmed):
            raise refused
        try:
            with destination.opened(backup) as folder:
                subject = restoration.subject(folder)
                try:
                    for phase in ("fetch", "prepare", "restore"):
                        timed(phase, getattr(subject, phase))
                    findings += timed("compare", subject.verify) if compare else destination.remarks()
                finally:
                    subject.stop()
                if worst(findings or [_pass(backup, destination)]) is Status.FAIL:
                    raise _Differs
                timed("publish", destination.publish)
        except _Differs:
            return _withheld(backup, destination, seconds, findings)
        except Damaged as damage:
            findings.append(Finding("recovery.restore", backup.plan, Status.FAIL, damage.message,
                                    hint=damage.hint or "Restore another backup; find out what altered this one"))
            return _withheld(backup, destination, seconds, findings)
    findings.insert(0, _pass(backup, destination, sum(seconds.values())))
    told = _told(backup, destination, "restored", seconds, clears=seen.clears, comparison=subject.comparison)
    return Restored(True, told, tuple(findings), tuple(subject.notes))


class _Differs(Exception):
    """What was restored is not what was backed up: leaves the destination's context as an error does."""


def _pass(backup: Backup, destination: Destination, seconds: float = 0.0) -> Finding:
    return Finding("recovery.restored", backup.plan, Status.PASS,
                   f"backup {backup.id} was restored to {destination.name} in {format_duration(seconds)}", round(seconds, 3), unit="s")


def _withheld(backup: Backup, destination: Destination, seconds: Mapping[str, float], findings: Sequence[Finding]) -> Restored:
    told = Finding("recovery.restored", backup.plan, Status.FAIL, f"backup {backup.id} was not restored: {destination.name} is as it was",
                   hint="See the other findings; restore an older backup (backups.list shows them)")
    return Restored(False, _told(backup, destination, "failed", seconds), (told, *findings))


def _told(backup: Backup, destination: Destination, status: str, seconds: Mapping[str, float], *, clears: Sequence[str] = (),
          comparison: Any = None) -> dict[str, Any]:
    return {
        "backup_id": backup.id, "plan": backup.plan, "engine": backup.engine, "destination": destination.name, "status": status,
        "bytes": backup.manifest.source_bytes or backup.manifest.bytes, "cleared": list(clears),
        "phases": [{"name": name, "seconds": round(value, 3)} for name, value in seconds.items()],
        "compared": comparison.compared if comparison else 0, "different": comparison.names if comparison else [],
    }
