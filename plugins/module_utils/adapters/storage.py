# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file system under a repository: mounted or not, how much is free, what is still being written."""

from __future__ import annotations

import fcntl
import os
import signal
from pathlib import Path

from ..core.errors import StorageFailed
from ..core.files import storage_errors
from ..core.options import OptionGroup
from .object_settings import SUBOPTIONS

OPTIONS = OptionGroup(
    fragment="repository",
    options={
        "repository": {"type": "path", "required": True},
        "system": {"type": "str", "default": "unnamed"},
        "environment": {"type": "str", "default": "unnamed"},
        "require_mount": {"type": "bool", "default": False},
        "s3": {"type": "dict", "options": SUBOPTIONS},
    },
)
# Of the modules that know a second repository; twin of the fragment second_repository.
SECOND = OptionGroup(
    fragment="second_repository",
    options={"copy_repository": {"type": "path"}, "copy_s3": {"type": "dict", "options": SUBOPTIONS}},
)


def checked_repository(path: str, *, require_mount: bool) -> Path:
    """The folder, absolute; with ``require_mount`` something must be mounted on it or on a folder above it but ``/``.

    :raises StorageFailed: when nothing is
    """
    folder = Path(os.path.realpath(path))
    if require_mount and not _mounted(folder):
        raise StorageFailed(
            f"Nothing is mounted on {folder} or above it", evidence={"path": str(folder)},
            hint="Mount the backup storage there; without it backups would fill this host's own disk and be lost with it")
    return folder


def _mounted(folder: Path) -> bool:
    """By the kernel's own list (proc(5), mountinfo), which has bind mounts too."""
    above = {str(part) for part in (folder, *folder.parents)} - {"/"}
    with storage_errors("/proc/self/mountinfo"):
        lines = Path("/proc/self/mountinfo").read_bytes().splitlines()
    points = {os.fsdecode(line.split()[4].decode("unicode_escape").encode("latin-1")) for line in lines}
    return bool(above & points)


def free_bytes(path: Path) -> int:
    """What may still be written at ``path``, or at the nearest folder above that exists.

    :raises StorageFailed: when it cannot be read
    """
    there = next(part for part in (path, *path.parents) if part.exists())
    with storage_errors(there):
        room = os.statvfs(there)
    return room.f_bavail * room.f_frsize


def nobody_writes(path: Path) -> bool:
    """Whether the kernel vouches that no process has the file open for writing; False where it cannot tell.

    A read lease (fcntl(2), F_SETLEASE) is granted only then; it is given back at once. The signal for a lease that is
    broken would end this process by default, so one that is ignored by default takes its place.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)


def tree_bytes(path: str) -> int:
    """What the files below ``path`` occupy or hold, whichever is less; links are not followed, the unreadable counts 0."""
    total, pending = 0, [path]
    while pending:
        try:
            with os.scandir(pending.pop()) as entries:
                for entry in entries:
                    facts = entry.stat(follow_symlinks=False)
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
                    else:
                        total += min(facts.st_size, facts.st_blocks * 512) + 512
        except NotADirectoryError:
            total += os.lstat(path).st_size
        except OSError:
            continue
    return total
