# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The drill of a restic snapshot: restored into a folder of our own, compared with the list that the backup made of its source."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..backups.listing import Entry, compare, look, walk
from ..backups.listing import digest as digest_of
from ..backups.payload import Codecs, checksum, for_each
from ..backups.repository import Backup
from ..backups.restic_engine import Snapshots, entries_of, resolve
from ..core.files import private_folder, storage_errors
from ..core.finding import Finding, Status
from ..core.waiting import Deadline
from .differences import Difference
from .judge import Comparison, judge_data


class SnapshotDrill:
    """See `drill.Subject`."""

    def __init__(self, backup: Backup, codecs: Codecs, restic: Snapshots, folder: Path, *, jobs: int, deadline: Deadline) -> None:
        self._backup, self._codecs, self._restic = backup, codecs, restic
        self._target, self._jobs, self._deadline = folder / "files", jobs, deadline
        self._id = ""
        self._listed: dict[str, Entry] = {}
        self.comparison: Comparison | None = None
        self.notes: list[str] = []
        self.tools = {"restic": restic.version}

    def fetch(self) -> None:
        """The list, whose every stored byte is checked, and the snapshot's full name."""
        for_each(self._backup.manifest.files, lambda file: checksum(self._backup, file), jobs=self._jobs)
        self._listed = entries_of(self._backup, self._codecs)
        self._id = resolve(self._restic, self._backup, timeout=max(1.0, self._deadline.left))

    def prepare(self) -> None:
        """A folder that nobody else can enter: it may come to hold set-uid programs."""
        private_folder(self._target)

    def restore(self) -> None:
        """restic restores, and checks what it decrypts."""
        self._restic.restore(self._id, os.fspath(self._target), timeout=max(1.0, self._deadline.left))

    def first_query(self) -> None:
        """Open the first file that is there and read of it."""
        with storage_errors(self._target):
            for entry in walk([os.fspath(self._target)], lambda _path: False):
                if entry.kind == "file":
                    with Path(entry.path).open("rb") as stream:
                        stream.read(1)
                    return

    def verify(self) -> list[Finding]:
        """Every name, its metadata and its digest, against the list."""
        fingerprint: Any = self._backup.manifest.fingerprint
        if not fingerprint:
            return judge_data(self._backup.plan, None)
        told = compare(self._listed, self._restored(), owners=os.geteuid() == 0, whole=not fingerprint["moving"])
        differences = tuple(Difference("file", path, verdict, message) for verdict, path, message in told)
        self.comparison = Comparison(len(self._listed), differences, of="names")
        findings = judge_data(self._backup.plan, self.comparison)
        if fingerprint["mode"] != "full":
            hashed = sum(bool(entry.sha256) for entry in self._listed.values())
            self.notes.append(f"The bytes of {hashed} of {fingerprint['files']} files were compared, of the others name, size and time")
            findings = [replace(one, message=f"{one.message}; the bytes of {hashed} files compared") if one.status is Status.PASS else one
                        for one in findings]
        return findings

    def stop(self) -> None:
        """Nothing runs."""

    def _restored(self) -> dict[str, Entry]:
        root = os.fspath(self._target)
        paths = [root + path for path in self._backup.manifest.source["paths"]]
        found = list(walk([path for path in paths if look(path)], lambda _path: False))

        def told(entry: Entry) -> Entry:
            path = entry.path[len(root):]
            known = self._listed.get(path)
            hashed = digest_of(entry.path, self._deadline) if entry.kind == "file" and known is not None and known.sha256 else ""
            return replace(entry, path=path, sha256=hashed)

        with ThreadPoolExecutor(max(1, self._jobs)) as pool:
            return {entry.path: entry for entry in pool.map(told, found)}
