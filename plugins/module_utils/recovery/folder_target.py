# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder that files are restored to.

Everything comes first into ``<target>/.evenkeel-restore``, which only its owner can enter; when it is whole, each entry is
renamed into the target and that folder goes away. While it is there, the target is not restored.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePath
from typing import Any

from ..backups.lease import remove_tree
from ..backups.repository import Backup
from ..core.clock import Clock, format_instant
from ..core.errors import Busy, InvalidOption, Refused
from ..core.files import private_folder, storage_errors, sync_folder, write_atomically
from ..core.finding import Finding
from .restore import Seen, State

MARK = ".evenkeel-restore"
FILES = "files"  # below the mark: where the subject restores to
# What a new ext4 file system has; a target may well be one.
_NO_MATTER = {"lost+found"}
_NAMED = 5


class FolderDestination:
    """See `restore.Destination`. ``free`` gives the bytes that may be written at a path; ``repository`` is where backups are.

    :raises InvalidOption: for what can be no destination
    """

    def __init__(self, path: str, repository: PurePath, clock: Clock, free: Callable[[Path], int]) -> None:
        if not os.path.isabs(path) or "\0" in path or os.path.normpath(path) != path:
            raise InvalidOption(f"path: {path!r} is no absolute path in its plain form", hint="Write it as /srv/restored")
        if os.path.islink(path):
            raise InvalidOption(f"path: {path} is a symbolic link", hint=f"Name what it points at: {os.path.realpath(path)}")
        self._path = Path(os.path.realpath(path))
        if self._path.is_relative_to(repository) or PurePath(repository).is_relative_to(self._path):
            raise InvalidOption(f"path: {path} and the repository {repository} lie within each other", hint="Restore elsewhere")
        if self._path.exists() and not self._path.is_dir():
            raise InvalidOption(f"path: {path} is a file", hint="Name a folder that is empty or does not exist")
        self.name = str(self._path)
        self._clock, self._free = clock, free
        self._mark = self._path / MARK
        self._note: dict[str, Any] = {}

    def observe(self) -> Seen:
        """See `restore.Destination`."""
        with storage_errors(self._path):
            names = sorted(set(os.listdir(self._path)) - _NO_MATTER) if self._path.is_dir() else []
        if not names:
            return Seen(State.FREE, "it is empty" if self._path.is_dir() else "it does not exist")
        if MARK not in names:
            return Seen(State.TAKEN, _listed(names))
        with self._locked() as note:
            strangers = [name for name in names if name != MARK and name not in note["entries"]]
            if strangers:
                return Seen(State.TAKEN, f"beside what an interrupted restore left in {MARK} there is {_listed(strangers)}")
            return Seen(State.CONFIRM, f"a restore of {note['backup']} began at {note['since']} and was interrupted: what is there "
                        "is not whole", tuple(str(self._path / name) for name in names))

    def free_bytes(self) -> int | None:
        """See `restore.Destination`."""
        return self._free(self._path)

    @contextmanager
    def opened(self, backup: Backup) -> Iterator[Path]:
        """See `restore.Destination`."""
        existed = self._path.is_dir()
        if self._mark.is_dir():
            with self._locked():
                self._clear()
        private_folder(self._path)
        with storage_errors(self._mark):
            os.mkdir(self._mark, 0o700)
            os.chmod(self._mark, 0o700)
        with self._locked():
            try:
                self._note = {"backup": backup.id, "plan": backup.plan, "since": format_instant(self._clock.now()), "entries": []}
                write_atomically(self._mark / "restore.json", json.dumps(self._note).encode())
                yield self._mark
            except BaseException:
                self._clear()
                if not existed:
                    with suppress(OSError):  # somebody may have put something there
                        self._path.rmdir()
                raise

    def remarks(self) -> list[Finding]:
        """Whatever tar does not like ends it."""
        return []

    def publish(self) -> None:
        """Rename each entry into the target. The mark names them before, and goes after.

        :raises Refused: where something has appeared there meanwhile
        """
        source = self._mark / FILES
        with storage_errors(source):
            names = sorted(os.listdir(source))
            there = [name for name in names if os.path.lexists(self._path / name)]
            if there:
                raise Refused(f"{self._path} is not empty any more: {_listed(there)}", hint="Move that away, and run again")
            self._note["entries"] = names
            write_atomically(self._mark / "restore.json", json.dumps(self._note).encode())
            for name in names:
                os.rename(source / name, self._path / name)
        sync_folder(self._path)
        remove_tree(self._mark)
        sync_folder(self._path)

    def _clear(self) -> None:
        """Remove what a restore brought here, the mark last."""
        for name in self._read()["entries"]:
            path = self._path / name
            if path.is_dir() and not path.is_symlink():
                remove_tree(path)
            else:
                path.unlink(missing_ok=True)
        remove_tree(self._mark)

    def _read(self) -> dict[str, Any]:
        """The note below the mark; one that cannot be read names nothing that may be cleared."""
        try:
            note = json.loads((self._mark / "restore.json").read_bytes())
            entries = [name for name in note["entries"] if isinstance(name, str) and "/" not in name and name not in ("", ".", "..")]
            return {"backup": str(note["backup"]), "since": str(note["since"]), "entries": entries}
        except (OSError, ValueError, KeyError, TypeError):
            return {"backup": "a backup", "since": "an unknown time", "entries": []}

    @contextmanager
    def _locked(self) -> Iterator[dict[str, Any]]:
        """The note, while nobody else restores here; the kernel drops the lock of a run that was killed."""
        with storage_errors(self._mark):
            descriptor = os.open(self._mark, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise Busy(f"Another run is restoring to {self._path}", hint="Wait until it has ended, or restore elsewhere") from error
            yield self._read()
        finally:
            os.close(descriptor)


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(repr(name) for name in names[:_NAMED]) + more
