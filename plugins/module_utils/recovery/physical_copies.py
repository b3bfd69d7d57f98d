# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Physical copies on their way into a data directory, by engine; see `physical.Copy`."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from ..backups.basebackup_engine import Archiver, unpack
from ..backups.payload import Codecs
from ..backups.repository import Backup
from ..core.errors import Damaged, NotFound
from ..core.files import storage_errors
from ..core.waiting import Deadline


class PgBackRest(Protocol):
    """`adapters.pgbackrest.PgBackRest`."""

    program: str
    version: str
    config: str
    stanza: str

    def info(self) -> dict[str, Any]:
        """What is known of the stanza."""

    def restore(self, label: str, target: Path, *, jobs: int, timeout: float) -> None:
        """Restore a copy."""


class PgBackRestCopy:
    """From pgBackRest's own repository, which is local or is reached by pgBackRest: nothing is fetched beforehand."""

    def __init__(self, backup: Backup, programs: PgBackRest, make_folder: Callable[[Path], Path], *, jobs: int) -> None:
        self._backup, self._programs, self._make, self._jobs = backup, programs, make_folder, jobs
        self._data = Path()
        self.tools: dict[str, str] = {"pgbackrest": programs.version}

    def fetch(self, folder: Path, deadline: Deadline) -> None:
        """See that the copy is there, and knows of no damaged page.

        :raises Damaged: where it is gone or is known to be bad
        """
        label = (self._backup.manifest.native or {}).get("name")
        found = next((one for one in self._programs.info()["backup"] if one["label"] == label), None)
        if found is None:
            raise Damaged(f"pgBackRest's repository has no copy {label}", hint="It was deleted there by another hand: use another backup")
        if found["error"]:
            raise Damaged(f"pgBackRest's copy {label} holds damaged pages of the source", hint="Use a backup from before")

    def restore(self, data: Path, deadline: Deadline) -> int:
        """pgBackRest checks the SHA-1 of every file that it writes."""
        self._data = data
        beside = self._make(tablespaces_of(data))
        self._programs.restore(str((self._backup.manifest.native or {})["name"]), data, jobs=self._jobs, timeout=max(1.0, deadline.left))
        with suppress(OSError):  # there are some in it
            beside.rmdir()
        return count_files(data)

    def settings(self) -> Mapping[str, str]:
        """pgBackRest gets the log."""
        words = [self._programs.program, f"--config={self._programs.config}", f"--stanza={self._programs.stanza}",
                 f"--pg1-path={self._data}", "archive-get"]
        return {"restore_command": f'{shlex.join(words).replace("%", "%%")} %f "%p"'}


class Client(Protocol):
    """`adapters.pg_basebackup.BaseBackupClient`, as the account."""

    version: str

    def verify(self, data: Path, *, timeout: float) -> None:
        """pg_verifybackup."""

    def combine(self, parts: Sequence[Path], target: Path, moved: Mapping[Path, Path], *, timeout: float) -> None:
        """pg_combinebackup."""


class BaseBackupCopy:
    """From our repository: ``links`` is the chain, the full copy first. ``make_folder`` makes one for the account, and
    ``hand_over`` gives it a file. The log comes from the copy itself, and goes on from ``wal_dir`` where there is one.
    """

    def __init__(self, links: Sequence[Backup], client: Client, archiver: Archiver, codecs: Codecs, make_folder: Callable[[Path], Path],
                 hand_over: Callable[[Path], None], *, wal_dir: Path | None) -> None:
        self._links, self._client, self._archiver, self._codecs = links, client, archiver, codecs
        self._make, self._hand_over, self._wal_dir = make_folder, hand_over, wal_dir
        self._parts: list[Path] = []
        self._spaces: list[dict[str, Path]] = []
        self.tools: dict[str, str] = {"pg_basebackup": client.version}

    def fetch(self, folder: Path, deadline: Deadline) -> None:
        """Unpack every link, and have pg_verifybackup read each file of it."""
        if self._wal_dir is not None and not self._wal_dir.is_dir():
            raise NotFound(f"pg_basebackup.wal_dir: there is no folder {self._wal_dir}", hint="Mount it, or correct the path")
        for number, link in enumerate(self._links):
            part = folder / str(number)
            self._spaces.append(unpack(link, part, self._make, self._codecs, self._archiver, timeout=max(1.0, deadline.left)))
            self._hand_over(part / "backup_manifest")
            self._client.verify(part, timeout=max(1.0, deadline.left))
            self._parts.append(part)

    def restore(self, data: Path, deadline: Deadline) -> int:
        """The one link is moved to where it is to be; several are combined."""
        spaces = self._spaces[-1]
        with storage_errors(data):
            beside = tablespaces_of(data)
            moved = {path: beside / oid for oid, path in spaces.items()}
            if moved:
                self._make(beside)
            if len(self._parts) == 1:
                for entry in os.scandir(self._parts[0]):
                    os.rename(entry.path, data / entry.name)
                for old, new in moved.items():
                    os.rename(old, new)
            else:
                self._client.combine(self._parts, data, moved, timeout=max(1.0, deadline.left))
            spaces = {oid: moved[path] for oid, path in spaces.items()}
            if spaces:  # from it the server makes its links anew, which must not lead to where the source has its tablespaces
                (data / "tablespace_map").write_text("".join(f"{oid} {path}\n" for oid, path in spaces.items()), encoding="utf-8")
            (data / "recovery.signal").touch()
        for name in ("recovery.signal", "tablespace_map"):
            if (data / name).exists():
                self._hand_over(data / name)
        return count_files(data)

    def settings(self) -> Mapping[str, str]:
        """Recovery wants a command; one that always fails means that the log which the copy brought along is all there is."""
        if self._wal_dir is None:
            return {"restore_command": "false"}
        return {"restore_command": f'cp {shlex.quote(str(self._wal_dir)).replace("%", "%%")}/%f "%p"'}


def tablespaces_of(data: Path) -> Path:
    """Where the tablespaces of a restored data directory come to: never where the source has its own."""
    return data.with_name(f"{data.name}-tablespaces")


def count_files(data: Path) -> int:
    """The regular files below a data directory, its tablespaces among them."""
    with storage_errors(data):
        return sum(len(files) for _folder, _folders, files in os.walk(data, followlinks=True))
