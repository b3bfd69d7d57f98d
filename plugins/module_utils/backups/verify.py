# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verification: every stored byte is read again, and the engine's own program reads the whole of it; later, samples of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core import progress
from ..core.clock import Clock, format_instant
from ..core.errors import Busy, Damaged, NotFound, OpsError
from ..core.finding import Finding, Status
from ..core.quantities import format_duration, format_size
from .coverage import WHOLE, Unit, seen_whole_at
from .engine import Reader
from .lease import scratch_folder
from .payload import Codecs, checksum, for_each
from .repository import FAILED, PASSED, UNKNOWN, Backup, record_verification

FULL, HASHES, SAMPLE = "full", "hashes", "sample"


@dataclass(frozen=True)
class Verification:
    """How it ended: ``status`` as in `record_verification`; ``depth`` is ``full``, ``hashes`` where no key was at hand,
    ``sample`` where ``files`` were read again and the rest was not, or what the engine's reader says where it looked at less.
    """

    backup: Backup
    status: str
    depth: str
    bytes_read: int
    seconds: float
    message: str
    hint: str = ""
    evidence: Mapping[str, Any] | None = None
    files: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """The shape of ``verifications`` in docs/architecture.md."""
        return {"id": self.backup.id, "plan": self.backup.plan, "status": self.status, "depth": self.depth,
                "bytes_read": self.bytes_read, "seconds": round(self.seconds, 3), "message": self.message,
                "files_read": len(self.backup.manifest.files) if self.files is None else self.files}

    @property
    def finding(self) -> Finding:
        """``backup.verified`` for this backup; one that could not be looked at is unknown."""
        status = {PASSED: Status.PASS, FAILED: Status.FAIL, UNKNOWN: Status.UNKNOWN}[self.status]
        return Finding("backup.verified", f"{self.backup.plan}/{self.backup.id}", status, self.message, self.depth, FULL,
                       hint=self.hint)


def due(backups: Iterable[Backup], clock: Clock, *, max_age: float | None = None, can_decrypt: bool = False) -> list[Backup]:
    """Those that were never verified, those of which some file was last read longer than ``max_age`` seconds ago, and, where there
    is a private key now, those of which only the hashes were verified; oldest first.

    One that failed stays failed until it is asked for by its id.
    """
    def wants(backup: Backup) -> bool:
        if backup.status == "failed":
            return False
        # Of a copy in a repository of its own the engine may read a part each time, and says so: that is a verification.
        seen = backup.verified_at if backup.manifest.native else seen_whole_at(backup)
        if can_decrypt and backup.manifest.encrypted and not backup.manifest.native and not any(
                one.get("depth") == FULL or one["kind"] == "drill" for one in backup.verifications if one["status"] == PASSED):
            return True
        return seen is None or (max_age is not None and (clock.now() - seen).total_seconds() >= max_age)

    return [backup for backup in backups if wants(backup)]


def verify_backup(backup: Backup, reader_for: Callable[[str], Reader], codecs: Codecs, clock: Clock, *, scratch: Path,
                  jobs: int = 2) -> Verification | None:
    """Verify one backup and record the outcome beside it; None where it was deleted meanwhile.

    Without a private key an encrypted backup is verified by the hashes of what is stored; the record says so.

    :raises StorageFailed: when the outcome cannot be recorded
    """
    began = clock.monotonic()
    progress.begin(f"verification of {backup.plan}/{backup.id}", backup.manifest.bytes)
    # What an engine keeps in a repository of its own it reads with a key of its own.
    readable = codecs.cipher.can_decrypt or not backup.manifest.encrypted or backup.manifest.native is not None
    depth = FULL if readable else HASHES
    try:
        with backup.held():
            try:
                if not readable:
                    for_each(backup.manifest.files, lambda file: checksum(backup, file), jobs=jobs)
                else:
                    depth = _read_in_full(backup, reader_for, codecs, scratch)
                status, error = PASSED, None
            except Damaged as damage:
                status, error = FAILED, damage
            except OpsError as obstacle:
                status, error = UNKNOWN, obstacle
            seconds = clock.monotonic() - began
            verification = _conclude(backup, status, depth, seconds, error)
            record_verification(backup, {
                "kind": "verify", "status": status, "at": format_instant(clock.now()), "depth": depth,
                "seconds": round(seconds, 3), "message": verification.message, "evidence": error.evidence if error else {}})
            return verification
    except (NotFound, Busy):
        return None


def verify_sample(units: Sequence[Unit], clock: Clock, *, jobs: int = 2) -> Verification | None:
    """Read some stored files of one backup again and record which; None where it was deleted meanwhile.

    What was found good is a record of its own kind, which does not make the backup newly verified; a damaged file makes it
    failed, as a full verification would.

    :raises StorageFailed: when the outcome cannot be recorded
    """
    backup, paths = units[0].backup, {unit.path for unit in units}
    files = tuple(file for file in backup.manifest.files if file.path in paths)
    progress.begin(f"sample of {backup.plan}/{backup.id}", sum(file.bytes for file in files))
    began = clock.monotonic()
    try:
        with backup.held():
            error: OpsError | None = None
            try:
                for_each(files, lambda file: checksum(backup, file), jobs=jobs)
            except OpsError as trouble:
                error = trouble
            seconds = clock.monotonic() - began
            size = sum(file.bytes for file in files)
            status = PASSED if error is None else FAILED if isinstance(error, Damaged) else UNKNOWN
            message = f"{len(files)} of {len(backup.manifest.files)} files ({format_size(size)}) in {format_duration(seconds)}: read again"
            verification = _conclude(backup, status, SAMPLE, seconds, error) if error else \
                Verification(backup, PASSED, SAMPLE, size, seconds, message, files=len(files))
            record_verification(backup, {
                "kind": "verify" if status == FAILED else "sample", "status": status, "at": format_instant(clock.now()), "depth": SAMPLE,
                "seconds": round(seconds, 3), "message": verification.message, "evidence": error.evidence if error else {},
                "files": [file.path for file in files], "bytes": size})
            return verification
    except (NotFound, Busy):
        return None


def by_backup(chosen: Sequence[Unit]) -> tuple[list[list[Unit]], list[Backup]]:
    """The units of each backup together; and the backups that are one unit, which only their engine can read."""
    groups: dict[str, list[Unit]] = {}
    for unit in chosen:
        groups.setdefault(unit.backup.id, []).append(unit)
    return ([group for group in groups.values() if group[0].path != WHOLE],
            [group[0].backup for group in groups.values() if group[0].path == WHOLE])


def _read_in_full(backup: Backup, reader_for: Callable[[str], Reader], codecs: Codecs, scratch: Path) -> str:
    reader = reader_for(backup.engine)
    with scratch_folder(scratch) as folder:
        return reader.read_in_full(backup, codecs, folder) or FULL


def _conclude(backup: Backup, status: str, depth: str, seconds: float, error: OpsError | None) -> Verification:
    if error is None:
        how = {FULL: "read in full", HASHES: "every stored byte is as it was written; not read by its engine, which takes "
               "the private key"}.get(depth, f"read: {depth}")
        whole = depth in (FULL, HASHES)  # how much else an engine read of its own repository it does not say
        read = backup.manifest.bytes if whole else sum(file.bytes for file in backup.manifest.files)
        message = f"{format_size(read) if whole else 'done'} in {format_duration(seconds)}: {how}"
        return Verification(backup, status, depth, read, seconds, message)
    word = "damaged" if status == FAILED else "could not be read"
    hint = error.hint if status == UNKNOWN else "Make a new backup of the plan now; keep this one only to find out what altered it"
    return Verification(backup, status, depth, 0, seconds, f"{word}: {error.message}", hint, error.evidence)


def standing(backups: Sequence[Backup], verified: Iterable[str], clock: Clock) -> list[Finding]:
    """What is known of each plan's newest backup that was not looked at in this run: an old failure is still a failure."""
    seen = set(verified)
    newest = {backup.plan: backup for backup in backups}
    findings = []
    for backup in newest.values():
        if backup.id in seen:
            continue
        subject = f"{backup.plan}/{backup.id}"
        if backup.status == "failed":
            findings.append(Finding("backup.verified", subject, Status.FAIL, "the newest backup of the plan failed earlier", "failed",
                                    hint="Make a new backup of the plan now, or verify this one again by its id"))
        elif backup.verified_at:
            age = (clock.now() - backup.verified_at).total_seconds()
            findings.append(Finding("backup.verified", subject, Status.PASS, f"{backup.status} {format_duration(max(0, age))} ago",
                                    backup.status))
    return findings


def damaged_manifests(unreadable: Mapping[Path, str]) -> list[Finding]:
    """A failure for each backup whose manifest cannot be read."""
    return [Finding("backup.manifest", f"{folder.parent.name}/{folder.name}", Status.FAIL, message,
                    hint=f"Make a new backup of the plan; then look at {folder} and delete it by hand")
            for folder, message in sorted(unreadable.items())]
