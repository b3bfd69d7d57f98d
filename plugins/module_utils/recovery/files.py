# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The drill of files: unpacked into a folder of our own, compared with the archive member by member."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from ..backups.archive_engine import extract
from ..backups.payload import Codecs, checksum, for_each, pour
from ..backups.repository import Backup
from ..core.files import private_folder, storage_errors
from ..core.finding import Finding
from ..core.waiting import Deadline
from .differences import Difference
from .judge import Comparison, judge_data

Compare = Callable[[Callable[[IO[bytes]], None], str], tuple[str, ...]]


class FilesDrill:
    """See `drill.Subject`. ``archiver`` is `adapters.tar.Tar`, ``compare`` is `adapters.tar_compare.compare_with_tar`."""

    def __init__(self, backup: Backup, codecs: Codecs, archiver: Any, compare: Compare, folder: Path, *, jobs: int,
                 deadline: Deadline) -> None:
        self._backup, self._codecs, self._archiver, self._compare = backup, codecs, archiver, compare
        self._target, self._jobs, self._deadline = folder / "files", jobs, deadline
        self.comparison: Comparison | None = None
        self.notes: list[str] = []
        self.tools = {"tar": str(archiver.version)}

    def fetch(self) -> None:
        """Check every stored byte."""
        for_each(self._backup.manifest.files, lambda file: checksum(self._backup, file), jobs=self._jobs)

    def prepare(self) -> None:
        """A folder that nobody else can enter: it may come to hold set-uid programs."""
        private_folder(self._target)

    def restore(self) -> None:
        """Unpack."""
        extract(self._backup, self._target, self._codecs, self._archiver, timeout=max(1.0, self._deadline.left))

    def first_query(self) -> None:
        """Open the first file that is there and read of it."""
        with storage_errors(self._target):
            for folder, _folders, files in os.walk(self._target):
                for name in files:
                    path = Path(folder, name)
                    if path.is_file() and not path.is_symlink():
                        with path.open("rb") as stream:
                            stream.read(1)
                        return

    def verify(self) -> list[Finding]:
        """Read the archive once more: its members counted and compared with the manifest, their contents with the files."""
        told: list[str] = []

        def compare(listing: IO[bytes]) -> None:
            told.extend(self._compare(lambda stream: pour(self._backup, _Both(listing, stream), self._codecs), str(self._target)))

        members = self._archiver.count(compare, timeout=max(1.0, self._deadline.left))
        differences = [Difference("file", one.rpartition(": ")[0], "different", one) for one in told]
        expected = self._backup.manifest.source.get("members")
        if members != expected:
            differences.append(Difference("archive", "members", "different", f"{members} members where {expected} were archived"))
        self.comparison = Comparison(members, tuple(differences), of="files")
        return judge_data(self._backup.plan, self.comparison)

    def stop(self) -> None:
        """Nothing runs."""


class _Both:
    """Writes to two streams."""

    def __init__(self, *streams: IO[bytes]) -> None:
        self._streams = streams

    def write(self, block: bytes) -> int:
        for stream in self._streams:
            stream.write(block)
        return len(block)

    def flush(self) -> None:
        for stream in self._streams:
            stream.flush()
