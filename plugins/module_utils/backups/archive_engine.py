# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine ``archive``: files and folders as one tar stream, compressed and encrypted as it flows."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ..core.clock import Clock
from ..core.errors import Damaged, InvalidOption, NotFound
from ..core.finding import Finding, Status
from .engine import Product, Source
from .payload import Codecs, pour, store
from .repository import Backup


class Archiver(Protocol):
    """`adapters.tar.Tar`."""

    version: str

    def create(self, paths: Sequence[str], exclude: Sequence[str], consume: Callable[[Any], Any], **options: Any) -> Any:
        """Archive paths into a stream."""

    def count(self, feed: Callable[[Any], None], *, timeout: float) -> int:
        """Read a stream in full."""

    def extract(self, feed: Callable[[Any], None], target: str, *, timeout: float) -> None:
        """Unpack a stream."""


@dataclass(frozen=True)
class ArchivePolicy:
    """What is archived: absolute paths, and patterns of what is left out. ``timeout`` is in seconds."""

    paths: tuple[str, ...]
    exclude: tuple[str, ...] = ()
    compress: bool = True
    timeout: float = 4 * 3600

    def __post_init__(self) -> None:
        if not self.paths:
            raise InvalidOption("paths: there is nothing to archive", hint="Name at least one absolute path")
        for path in self.paths:
            if not os.path.isabs(path) or "\0" in path or os.path.normpath(path) != path:
                raise InvalidOption(f"paths: {path!r} is no absolute path in its plain form", hint="Write it as /srv/app/data")
        for pattern in self.exclude:
            if not pattern or "\0" in pattern:
                raise InvalidOption(f"exclude: {pattern!r} is no pattern", hint="Write *.tmp, or /srv/app/cache for one path")


def checked_paths(paths: Sequence[str], without: Sequence[str]) -> None:
    """Every path must be there, and be no symbolic link: a link would be archived as the link that it is.

    :raises NotFound: for a path that does not exist
    :raises InvalidOption: for a path that is a symbolic link, or lies within a repository, which ``without`` names
    """
    for path in paths:
        if os.path.islink(path):
            raise InvalidOption(f"paths: {path} is a symbolic link, and links are not followed",
                                hint=f"Name what it points at: {os.path.realpath(path)}")
        if not os.path.lexists(path):
            raise NotFound(f"paths: {path} does not exist", hint="Create it, mount it, or take it out of the plan")
        for repository in without:
            if Path(os.path.realpath(path)).is_relative_to(repository):
                raise InvalidOption(f"paths: {path} lies within the repository {repository}",
                                    hint="Backups are not backed up into themselves: choose another path")


class ArchiveEngine:
    """See `engine.Engine`. ``measure`` gives the bytes below a path (`adapters.storage.tree_bytes`)."""

    name = "archive"

    def __init__(self, archiver: Archiver, policy: ArchivePolicy, clock: Clock, measure: Callable[[str], int],
                 repository: Path) -> None:
        self._archiver = archiver
        self._policy = policy
        self._clock = clock
        self._measure = measure
        self._repository = repository

    def inspect(self) -> Source:
        """Look at the paths, see `checked_paths`.

        :raises NotFound, InvalidOption: as that
        """
        checked_paths(self._policy.paths, [os.fspath(self._repository)])
        description = {"paths": list(self._policy.paths), "exclude": list(self._policy.exclude)}
        return Source(description, sum(self._measure(path) for path in self._policy.paths))

    def produce(self, data: Path, staging: Path, codecs: Codecs, *, encrypt: bool) -> Product:
        """One pass from tar to the disk; the repository itself is left out where it lies below a path."""
        data_at, began = self._clock.now(), self._clock.monotonic()
        stored, archived = self._archiver.create(
            self._policy.paths, self._policy.exclude,
            lambda stream: store(stream, data, "archive.tar", codecs, compress=self._policy.compress, encrypt=encrypt),
            without=[str(self._repository)], timeout=self._policy.timeout)
        return Product(
            files=(stored,), data_at=data_at, source_bytes=stored.plain_bytes,
            source={"paths": list(self._policy.paths), "exclude": list(self._policy.exclude), "members": archived.members,
                    "remarks": list(archived.remarks)},
            compression="zstd" if self._policy.compress else "none", tools={"tar": self._archiver.version},
            timings={"archive": round(self._clock.monotonic() - began, 3)}, findings=self._judge(archived))

    def _judge(self, archived: Any) -> tuple[Finding, ...]:
        findings = []
        subject = ", ".join(self._policy.paths)
        if archived.remark_count:
            findings.append(Finding(
                "backup.complete", subject, Status.WARN,
                f"{archived.remark_count} files changed or vanished while they were read: {'; '.join(archived.remarks[:5])}",
                archived.remark_count, 0, "files",
                hint="Their copies may be torn: stop the writer meanwhile, back up a snapshot, or exclude them"))
        if archived.members <= len(self._policy.paths) and not any(os.path.isfile(path) for path in self._policy.paths):
            findings.append(Finding(
                "backup.complete", subject, Status.WARN, "the folders are empty", archived.members, unit="members",
                hint="See whether the file system that belongs there is mounted"))
        return tuple(findings)


class ArchiveReader:
    """See `engine.Reader`."""

    def __init__(self, archiver: Archiver, *, timeout: float) -> None:
        self._archiver = archiver
        self._timeout = timeout

    def read_in_full(self, backup: Backup, codecs: Codecs, scratch: Path) -> None:
        """See `engine.Reader`; the number of members must be that of the manifest."""
        members = self._archiver.count(lambda stream: pour(backup, stream, codecs), timeout=self._timeout)
        expected = backup.manifest.source.get("members")
        if members != expected:
            raise Damaged(f"tar finds {members} members where {expected} were archived", hint="Restore from another backup")


def extract(backup: Backup, target: str | os.PathLike[str], codecs: Codecs, archiver: Archiver, *, timeout: float) -> None:
    """Unpack an ``archive`` backup below ``target``, which exists; ``/srv/app`` comes to ``target/srv/app``.

    Every stored byte is checked on the way. Files are there before an alteration can be noticed: what is below ``target``
    is good only when this returns.

    :raises Damaged, AccessDenied, StorageFailed: as `payload.load`
    :raises CommandFailed, TimedOut: as `adapters.tar.Tar.extract`
    """
    archiver.extract(lambda stream: pour(backup, stream, codecs), os.fspath(target), timeout=timeout)
