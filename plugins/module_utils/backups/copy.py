# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies in a second repository: which are due, and how one gets there. A copy is a backup of its own, verified on its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..core.clock import Clock
from ..core.errors import Busy, Damaged, NotFound
from ..core.finding import Finding, Status
from ..core.quantities import format_duration, format_size
from .create import clear_leftovers, newest_usable
from .inventory import Filter
from .manifest import StoredFile
from .payload import for_each, open_stored
from .place import Held
from .repository import MANIFEST, Backup, Repository
from .retention import RetentionPolicy, plan_retention

# At least as good as each.
GOOD = {"created": ("created", "verified", "proven"), "verified": ("verified", "proven"), "proven": ("proven",)}


@dataclass(frozen=True)
class Copy:
    """One backup on its way: ``status`` is ``copied``, ``planned`` or ``failed``; ``sent`` are the bytes that were not there yet."""

    backup: Backup
    status: str
    sent: int = 0
    seconds: float = 0.0
    message: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The shape of ``copied`` in docs/architecture.md."""
        return {"id": self.backup.id, "plan": self.backup.plan, "status": self.status, "bytes": self.backup.manifest.bytes,
                "bytes_sent": self.sent, "seconds": round(self.seconds, 3), "message": self.message}


def plan_copies(source: Sequence[Backup], target: Iterable[Backup], retention: RetentionPolicy | None, now: datetime, *,
                at_least: str = "created") -> list[Backup]:
    """The backups of one plan that are to be copied, oldest first, each after what it rests on.

    Those that nothing speaks against, that are ``at_least`` so good, that are not in the target yet, and that the target's
    ``retention`` would keep there; so that what was deleted there does not come back. What an engine keeps in a repository of its
    own is not ours to copy.
    """
    there = {backup.id: backup for backup in target}
    ours = [backup for backup in source if not backup.manifest.native]
    wanted = {backup.id for backup in Filter(statuses=GOOD[at_least]).select(ours, now)} - set(there)
    if retention:
        union = [*there.values(), *(backup for backup in ours if backup.id in wanted)]
        wanted &= {decision.backup.id for decision in plan_retention(union, retention, now) if decision.keep}
    by_id = {backup.id: backup for backup in ours}
    chosen: dict[str, Backup] = {}
    for backup in sorted((by_id[id] for id in wanted), key=lambda one: one.id):
        chain, link = [], backup
        while link.id not in there and link.id not in chosen:
            chain.append(link)
            if link.manifest.parent not in by_id:
                break
            link = by_id[link.manifest.parent]
        chosen.update((one.id, one) for one in reversed(chain))
    return list(chosen.values())


def copy_plan(source: Repository, target: Repository, plan: str, retention: RetentionPolicy | None, clock: Clock, *,
              at_least: str = "created", jobs: int = 2, check_mode: bool = False) -> list[Copy]:
    """Copy what is due. One backup that cannot be copied does not stop the others, except those that rest on it.

    :raises Busy: when another run writes the plan in the target
    :raises OpsError: when a repository cannot be read
    """
    due = plan_copies(source.list(plan), target.list(plan), retention, clock.now(), at_least=at_least)
    if check_mode or not due:
        return [Copy(backup, "planned", message="would be copied") for backup in due]
    with target.lease(plan, clock, purpose="copy") as held:
        due = plan_copies(source.list(plan), target.list(plan), retention, clock.now(), at_least=at_least)
        clear_leftovers(target, plan, keep={backup.id for backup in due})
        copies: list[Copy] = []
        missing: set[str] = set()
        for backup in due:
            began = clock.monotonic()
            try:
                if backup.manifest.parent in missing:
                    raise NotFound(f"{backup.manifest.parent}, which it rests on, is not there")
                sent = copy_backup(backup, target, held, jobs=jobs)
                copies.append(Copy(backup, "copied", sent, clock.monotonic() - began, "every byte as it was written"))
            except (Damaged, NotFound, Busy) as error:
                held.confirm()
                missing.add(backup.id)
                copies.append(Copy(backup, "failed", 0, clock.monotonic() - began, error.message))
        return copies


def copy_backup(backup: Backup, target: Repository, held: Held, *, jobs: int = 2) -> int:
    """Copy one backup, its manifest last and as it is; the bytes that were sent, since a run before may have sent some.

    :raises Damaged: when a stored file is not what the manifest says; the copy has no manifest then, and so is none
    :raises NotFound, Busy: when it is or was deleted meanwhile
    """
    place = target.plan_place(backup.plan).at(backup.id)
    files = backup.manifest.files

    def send(file: StoredFile) -> int:
        name = f"data/{file.path}"
        if place.holds(name, file.bytes, file.sha256):
            return 0
        with open_stored(backup, file) as stream:
            place.put(name, stream, file.bytes, file.sha256)
        return file.bytes

    with backup.held():
        manifest = backup.place.read(MANIFEST)
        place.reopen()
        place.announce({f"data/{file.path}": file.bytes for file in files})
        sent = sum(for_each(files, send, jobs=jobs))
        held.confirm()
        place.write(MANIFEST, manifest)
        return sent


def judge_copies(plan: str, source: Sequence[Backup], target: Sequence[Backup], copies: Sequence[Copy], now: datetime) -> list[Finding]:
    """``backup.copied`` for the plan: is its newest usable backup in the second repository; and for each that could not be copied."""
    findings = [Finding("backup.copied", f"{plan}/{copy.backup.id}", Status.FAIL, f"could not be copied: {copy.message}", copy.status,
                        hint="Verify it in the first repository; where it is damaged there, make a new backup of the plan")
                for copy in copies if copy.status == "failed"]
    newest = newest_usable(source)
    if newest is None:
        return [*findings, Finding("backup.copied", plan, Status.UNKNOWN, "there is no usable backup to be copied",
                                   hint=f"Run backups.create for plan {plan}")]
    if newest.manifest.native:
        return [*findings, Finding(
            "backup.copied", plan, Status.FAIL, f"{newest.engine} keeps its copies in a repository of its own", newest.engine,
            hint="Give that engine a second repository of its own (pgBackRest: repo2, restic: restic copy), or take copy out of the plan")]
    there = {backup.id for backup in target}
    planned = [copy.backup.id for copy in copies if copy.status == "planned"]
    if newest.id in there:
        return [*findings, Finding("backup.copied", plan, Status.PASS, f"the newest, {newest.id}, is in the second repository",
                                   len(there), unit="copies")]
    if newest.id in planned:
        return [*findings, Finding("backup.copied", plan, Status.PASS, f"the newest, {newest.id}, would be copied now", len(there),
                                   unit="copies")]
    lag = (now - newest.created_at).total_seconds()
    return [*findings, Finding("backup.copied", plan, Status.FAIL,
                               f"the newest, {newest.id}, made {format_duration(max(0.0, lag))} ago, is not in the second repository",
                               round(lag), unit="s", hint="See why it was not copied; at_least may want it verified first")]


def archived_ids(target: Iterable[Backup]) -> frozenset[str]:
    """The ids of copies that were verified in the second repository, and did not fail there since."""
    return frozenset(backup.id for backup in target if backup.status in GOOD["verified"])


def told_summary(copies: Sequence[Copy]) -> str:
    """One line for a person."""
    counts: Mapping[str, int] = {word: sum(copy.status == word for copy in copies) for word in ("copied", "planned", "failed")}
    sent = format_size(sum(copy.sent for copy in copies))
    told = [f"{count} {word}" for word, count in counts.items() if count]
    return f"{', '.join(told)} ({sent} sent)" if told else "nothing to copy"
