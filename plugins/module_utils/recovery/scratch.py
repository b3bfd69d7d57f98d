# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders for a drill's duration, and the clearing away of those whose owner died.

A folder is in use while its owner holds the lock on the file ``owner`` in it. The kernel drops the lock with the process,
however it ends, and gives it to nobody else by chance as it may a process id.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..core.clock import Clock
from ..core.files import storage_errors

_PREFIX = "evenkeel-drill-"
_NEW = ".evenkeel-drill-new-"
# Between making a folder and locking it lie milliseconds; an hour later nobody is coming back for it.
_NEW_FOR_SECONDS = 3600


@contextmanager
def scratch_folder(parent: Path) -> Iterator[Path]:
    """A folder of our own below ``parent``: others can pass through it (mode 0711, as the server has its own account),
    what is in it guards itself. Removed at the end, whatever happens.

    :raises StorageFailed: when it cannot be made
    """
    word = secrets.token_hex(4)
    new, folder = parent / f"{_NEW}{word}", parent / f"{_PREFIX}{word}"
    with storage_errors(parent):
        new.mkdir(mode=0o711)
        new.chmod(0o711)
        owner = os.open(new / "owner", os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with storage_errors(parent):
            fcntl.flock(owner, fcntl.LOCK_EX)
            os.write(owner, f"{os.getpid()}\n".encode())
            new.rename(folder)
        yield folder
    finally:
        _remove(folder)
        _remove(new)
        os.close(owner)


def sweep(parent: Path, clock: Clock) -> list[str]:
    """End what still runs in folders whose owner died, and remove them; gives their paths.

    Only folders that belong to the user who runs this are looked at: in a shared folder others may plant names.
    """
    swept = []
    with suppress(FileNotFoundError), os.scandir(parent) as entries:
        for entry in entries:
            if not entry.name.startswith((_PREFIX, _NEW)) or not entry.is_dir(follow_symlinks=False):
                continue
            with suppress(FileNotFoundError):
                found = entry.stat(follow_symlinks=False)
                if found.st_uid != os.geteuid() or not _abandoned(Path(entry.path), found.st_mtime, clock):
                    continue
                _end_processes_in(Path(entry.path))
                _remove(Path(entry.path))
                swept.append(entry.path)
    return swept


def _abandoned(folder: Path, modified: float, clock: Clock) -> bool:
    if folder.name.startswith(_NEW) or not (folder / "owner").exists():
        return clock.now().timestamp() - modified > _NEW_FOR_SECONDS
    owner = os.open(folder / "owner", os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False
    finally:
        os.close(owner)


def _end_processes_in(folder: Path) -> None:
    """Server processes work in their data directory: those that outlived their postmaster are found by it."""
    inside = f"{folder.resolve()}{os.sep}"
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):  # it ended by itself, or is not ours to look at
                if f"{(entry / 'cwd').readlink()}{os.sep}".startswith(inside):
                    os.kill(int(entry.name), signal.SIGKILL)


def _remove(folder: Path) -> None:
    for _attempt in range(3):  # a server process that is just ending may still write a file
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
