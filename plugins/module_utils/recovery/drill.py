# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A drill from end to end: which backup, whether it is due, the phases, the verdict, the record beside the backup."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from ..backups.repository import Backup, Repository, record_verification
from ..core import progress
from ..core.clock import Clock, format_instant, parse_instant
from ..core.errors import CommandFailed, Damaged, Interrupted, InvalidOption, NotFound, OpsError, StorageFailed
from ..core.finding import Finding, Status
from ..core.quantities import format_duration, format_size
from .judge import Comparison, judge_objectives, proof
from .policy import DrillPolicy
from .scratch import scratch_folder

# Until the first query is answered, users wait; comparing comes after, and is not part of the time to recover.
# A subject whose recovery takes other steps names them in its ``phases``.
RECOVERY_PHASES = ("fetch", "prepare", "restore", "first_query")
_HOST = re.compile(r"No space left on device|Disk quota exceeded|Cannot allocate memory|out of memory|Input/output error"
                   r"|was ended by signal|server closed the connection|could not connect|connection to server")


class Subject(Protocol):
    """What is drilled, by engine (`DatabaseDrill`, `FilesDrill`); ``comparison`` is known after `verify`.

    One that has ``phases`` runs those, methods like the ones below, in place of RECOVERY_PHASES. One that has ``data_at`` and
    ``reached`` says with them of which instant the recovered data is, and where recovery ended, as plain values.
    """

    comparison: Comparison | None
    notes: list[str]
    tools: Mapping[str, str]

    def fetch(self) -> None:
        """Check, and decode."""

    def prepare(self) -> None:
        """Make the place to restore to."""

    def restore(self) -> None:
        """Restore."""

    def first_query(self) -> None:
        """Use what was restored for the first time."""

    def verify(self) -> list[Finding]:
        """Compare and judge."""

    def stop(self) -> None:
        """End what runs; called in every case."""


@dataclass(frozen=True)
class Drilled:
    """``drill`` has the shape of docs/architecture.md."""

    drill: dict[str, Any]
    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = ()


def choose(repository: Repository, *, plan: str | None, id: str | None) -> Backup:
    """The backup of this id, else the newest one of the plan, else of all: good or bad, since it is the one that would be
    reached for.

    :raises NotFound: where there is none
    :raises Damaged: where the manifest of the newest cannot be read
    """
    if id:
        backup = repository.open(id)
        if plan and backup.plan != plan:
            raise InvalidOption(f"Backup {id} is of plan {backup.plan}, not {plan}", hint="Leave out plan or backup")
        return backup
    survey = repository.survey(plan or None)
    newest = max([backup.folder for backup in survey.backups] + list(survey.unreadable), key=lambda one: one.name, default=None)
    if newest is None:
        raise NotFound(f"There is no backup of {plan or 'any plan'} in {repository.folder}",
                       hint="Make one first (module backup), or correct repository, system, environment or plan")
    if newest in survey.unreadable:
        raise Damaged(f"{newest}: {survey.unreadable[newest]}", hint="Name an older one with backup; find out what altered this one")
    return next(backup for backup in survey.backups if backup.folder == newest)


def last_passed(backups: Sequence[Backup]) -> Mapping[str, Any] | None:
    """The record of the latest drill that passed, of those that this version can read."""
    passed = [record for backup in backups for record in backup.verifications
              if record["kind"] == "drill" and record["status"] == Status.PASS.value and isinstance(record.get("drill"), Mapping)]
    return max(passed, key=lambda record: record["at"], default=None)


def not_due(record: Mapping[str, Any] | None, newest: Backup, policy: DrillPolicy, now: datetime) -> Drilled | None:
    """The earlier drill where it is young enough; objectives are judged anew, the loss by the newest backup."""
    if record is None or not policy.every:
        return None
    age = (now - parse_instant(record["at"])).total_seconds()
    if age < 0 or age >= policy.every:
        return None
    drill = dict(record["drill"])
    proved = Finding("recovery.drill", newest.plan, Status.PASS,
                     f"backup {drill['backup_id']} was proven {format_duration(age)} ago", round(age), policy.every, "s")
    return Drilled(drill, (proved, *judge_objectives(newest.plan, policy, rto=drill.get("rto_seconds"),
                                                     rpo=_age(newest, now))))


def planned(backup: Backup, policy: DrillPolicy, now: datetime) -> dict[str, Any]:
    """The drill that would be."""
    return _drill(backup, policy, "planned", {}, _age(backup, now), None)


def check_room(backup: Backup, scratch: Path, free: int) -> None:
    """See to it that a drill does not fill the file system of a host that has other work to do.

    What was backed up is as large as it was there, at the most; what has to be decoded first lies beside it meanwhile.

    :raises StorageFailed: where there is less room than that
    """
    coded = sum(file.bytes for file in backup.manifest.files if file.coding) if backup.engine == "pg_dump" else 0
    needed = (backup.manifest.source_bytes or backup.manifest.bytes) + coded
    if backup.manifest.parent and not backup.manifest.native:
        needed *= 2  # the chain lies beside what is combined of it
    if free < needed:
        raise StorageFailed(
            f"{scratch} has {format_size(free)} free, and the drill of {backup.id} may need {format_size(needed)}",
            hint="Nothing was begun: free space there, or choose another scratch_dir",
            evidence={"path": str(scratch), "free_bytes": free, "needed_bytes": needed})


def run_drill(backup: Backup, policy: DrillPolicy, make: Callable[[Path], Subject], scratch: Path, clock: Clock) -> Drilled:
    """Restore ``backup`` below ``scratch``, judge it, tear everything down, and record the result beside the backup.

    A backup that is damaged or cannot be restored is a finding. Where one could not look at all (no program, no key, no
    space, no time), that is recorded as ``unknown`` and raised.

    :raises OpsError: where the drill could not be carried out, or not recorded
    """
    with backup.held():
        seconds: dict[str, float] = {}
        began_at = clock.now()
        rpo = _age(backup, began_at)
        try:
            with scratch_folder(scratch) as folder:
                subject = make(folder)
                try:
                    findings = _phases(subject, backup, seconds, clock)
                finally:
                    subject.stop()
        except (OpsError, Interrupted) as error:
            unknown = _drill(backup, policy, "unknown", seconds, rpo, None)
            with suppress(OpsError):  # the error itself is what must be heard
                _record(backup, unknown, Status.UNKNOWN, error.message, clock)
            error.evidence.setdefault("drill", unknown)
            raise
        status = proof(findings)
        if getattr(subject, "data_at", None):
            rpo = max(0.0, (began_at - subject.data_at).total_seconds())
        drill = _drill(backup, policy, status.value, seconds, rpo, subject.comparison, _phases_of(subject))
        drill |= {"tools": dict(subject.tools), "notes": list(subject.notes)}
        if getattr(subject, "reached", None):
            drill["recovery_point"] = dict(subject.reached)
        findings += judge_objectives(backup.plan, policy, rto=drill["rto_seconds"], rpo=rpo)
        worst = [finding for finding in findings if finding.status is status]
        _record(backup, drill, status, worst[0].message if worst else "", clock)
    return Drilled(drill, tuple(findings), tuple(subject.notes))


def _phases(subject: Subject, backup: Backup, seconds: dict[str, float], clock: Clock) -> list[Finding]:
    """Run all phases; ``seconds`` gets those that were completed."""
    for name in (*_phases_of(subject), "verify"):
        began = clock.monotonic()
        progress.begin(f"drill of {backup.plan}/{backup.id}: {name.replace('_', ' ')}", backup.manifest.bytes)
        try:
            findings = getattr(subject, name)()
        except (Damaged, CommandFailed) as error:
            if isinstance(error, CommandFailed) and (name in ("fetch", "prepare") or _of_this_host(error)):
                raise
            check = "recovery.restore" if isinstance(error, CommandFailed) else "recovery.data"
            return [Finding(check, backup.plan, Status.FAIL, f"{name}: {error.message}",
                            hint=error.hint or "Do not count on this backup: restore from another, and see the evidence of this one")]
        seconds[name] = clock.monotonic() - began
    return findings


def _phases_of(subject: Subject) -> tuple[str, ...]:
    return getattr(subject, "phases", RECOVERY_PHASES)


def _of_this_host(error: CommandFailed) -> bool:
    """Whether the failure says something of the machine that the drill ran on, and nothing of the backup."""
    said = f"{error.message} {error.evidence.get('stderr', '')}"
    # PostgreSQL documentation, appendix A: 53 insufficient resources, 57 operator intervention, 58 system error.
    return bool(_HOST.search(said)) or str(error.evidence.get("sqlstate", "")).startswith(("53", "57", "58"))


def _drill(backup: Backup, policy: DrillPolicy, status: str, seconds: Mapping[str, float], rpo: float,
           comparison: Comparison | None, phases: Sequence[str] = RECOVERY_PHASES) -> dict[str, Any]:
    recovered = all(name in seconds for name in phases)
    return {
        "backup_id": backup.id, "plan": backup.plan, "engine": backup.engine, "status": status,
        "phases": [{"name": name, "seconds": round(value, 3)} for name, value in seconds.items()],
        "rto_seconds": round(sum(seconds[name] for name in phases), 3) if recovered else None,
        "rto_objective_seconds": policy.rto, "rpo_seconds": round(rpo, 3), "rpo_objective_seconds": policy.rpo,
        "tables_compared": comparison.compared if comparison else 0,
        "tables_different": comparison.names if comparison else [],
    }


def _record(backup: Backup, drill: Mapping[str, Any], status: Status, message: str, clock: Clock) -> None:
    record_verification(backup, {
        "kind": "drill", "status": status.value, "at": format_instant(clock.now()), "message": message, "drill": dict(drill),
        "seconds": round(sum(phase["seconds"] for phase in drill["phases"]), 3)})


def _age(backup: Backup, now: datetime) -> float:
    return max(0.0, (now - backup.manifest.data_at).total_seconds())
