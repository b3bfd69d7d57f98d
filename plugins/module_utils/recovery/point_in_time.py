# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Point-in-time recovery into a data directory that is to stay: restored, its log replayed, validated in isolation, and only then
handed to its server.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ..backups.repository import Backup
from ..core import progress
from ..core.clock import Clock
from ..core.errors import Busy, OpsError, Refused
from ..core.files import storage_errors, sync_folder
from ..core.finding import Finding, Status
from .physical_copies import tablespaces_of

# What a drill may do without, and data that is to stay may not.
DURABLE = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on", "data_sync_retry": "off"}


class Phases(Protocol):
    """`physical.PhysicalDrill`."""

    phases: tuple[str, ...]
    reached: dict[str, Any]

    def verify(self) -> list[Finding]:
        """Validate, and end the server."""

    def stop(self) -> None:
        """End the server."""


@dataclass(frozen=True)
class Recovered:
    """``phases`` are names and seconds; ``reached`` is where recovery ended."""

    phases: list[dict[str, Any]]
    reached: dict[str, Any]
    findings: tuple[Finding, ...]

    @property
    def good(self) -> bool:
        """Whether validation found nothing against it."""
        return all(finding.status not in (Status.FAIL, Status.UNKNOWN) for finding in self.findings)


def needs_confirmation(data: Path, scratch: Path, *, start: bool) -> str | None:
    """Why a person has to say yes; None where only a scratch folder is touched."""
    if start:
        return f"a server is started on {data}"
    if not data.is_relative_to(scratch):
        return f"{data} is not below the scratch folder {scratch}"
    return None


def _entries(folder: Path) -> list[str]:
    with storage_errors(folder):
        return sorted(os.listdir(folder)) if folder.exists() else []


def check_empty(data: Path, *, remove_remains: bool) -> None:
    """See to it that nothing would be overwritten. What lies in the place of a recovery that was killed may be what it left, and may
    be what somebody put there since: it is removed only where that was confirmed (``remove_remains``).

    :raises Refused: where the data directory or the folder of its tablespaces has something in it
    """
    left = _mark(data).exists()
    if not (left and remove_remains):
        _refuse_entries(data, left=left)


def _refuse_entries(data: Path, *, left: bool) -> None:
    hint = "A recovery into it was killed. Look whether this is what it left; if so, confirm, and it is removed" if left else \
        "Nothing was touched. Choose another data_dir, or move away by hand what is there"
    for folder in (data, tablespaces_of(data)):
        found = _entries(folder)
        if found:
            raise Refused(f"{folder} is not empty: {', '.join(found[:5])}", hint=hint,
                          evidence={"path": str(folder), "entries": found[:50]})


def _mark(data: Path) -> Path:
    return data.with_name(f".{data.name}.evenkeel-recovery")


@contextmanager
def claimed(data: Path, *, remove_remains: bool) -> Iterator[None]:
    """The data directory is ours to fill: empty, or filled by a run that was killed, whose remains go where that was confirmed. What
    was written is removed when the recovery fails, so that the next run finds what this one found.

    :raises Refused: where it is not empty
    :raises Busy: where another run fills it
    """
    mark = _mark(data)
    left = mark.exists()
    with storage_errors(mark):
        descriptor = os.open(mark, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Busy(f"Another run recovers into {data}", hint="Wait for it; its lock ends with it, however it ends") from error
        if left and remove_remains:
            _clear(data)
        try:
            _refuse_entries(data, left=left)
        except Refused:
            if not left:
                mark.unlink()
            raise
        try:
            yield
        except BaseException as error:
            try:
                _clear(data)
            except OpsError as second:
                error.add_note(f"{second}; it is left there")
                raise error from None
            mark.unlink(missing_ok=True)
            raise
        mark.unlink(missing_ok=True)
        sync_folder(data.parent)
    finally:
        os.close(descriptor)


def _clear(data: Path) -> None:
    with storage_errors(data):
        for folder in (data, tablespaces_of(data)):
            for name in _entries(folder):
                path = folder / name
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        with suppress(FileNotFoundError):
            tablespaces_of(data).rmdir()


def recover(work: Phases, backup: Backup, clock: Clock) -> Recovered:
    """Run the phases on the backup, and validate.

    :raises OpsError: where a phase fails: the copy is damaged, or its log does not reach the point
    """
    seconds: list[dict[str, Any]] = []
    findings: list[Finding] = []
    try:
        for name in (*work.phases, "verify"):
            began = clock.monotonic()
            progress.begin(f"recovery of {backup.plan}/{backup.id}: {name.replace('_', ' ')}", backup.manifest.bytes)
            findings = getattr(work, name)() or []
            seconds.append({"name": name, "seconds": round(clock.monotonic() - began, 3)})
    finally:
        work.stop()
    return Recovered(seconds, work.reached, tuple(findings))
