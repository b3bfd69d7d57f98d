# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder's files, read and removed by folder descriptors: no symbolic link is ever followed, no mount crossed.

Every folder is opened name by name from the file system's root on with O_NOFOLLOW (openat(2)), so that a folder that is
swapped for a link meanwhile is not entered. A file is removed by its name in the opened folder and only while it is still the
very file that was looked at.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Iterator, Set
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ..core.errors import InvalidOption, NotFound, StorageFailed
from ..core.waiting import Deadline

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ESTALE)  # vanished, or replaced by a file or a link
_MOUNTS = "/proc/self/mountinfo"

# Why an entry stayed through no fault of anybody's, and why it stayed for want of time.
GONE, CHANGED, LATE = "it is gone", "it was changed meanwhile", "no time was left"


@dataclass(frozen=True, slots=True)
class Entry:
    """A regular file or a symbolic link (which is an entry of its own, its target is no concern of ours).

    ``path`` is relative to the tree, undecodable bytes as surrogates (PEP 383); times are seconds since the epoch,
    ``identity`` is (device, inode), ``version`` changes with the content.
    """

    path: str
    bytes: int
    modified: float
    used: float
    identity: tuple[int, int]
    version: tuple[int, int]


@dataclass
class Tree:
    """A folder below which files are listed and removed. ``unread`` grows while walking: (path, reason)."""

    path: str
    cross_mounts: bool = False
    unread: list[tuple[str, str]] = field(default_factory=list)

    def walk(self, deadline: Deadline) -> Iterator[Entry]:
        """Every regular file and symbolic link below, in no order; what vanishes meanwhile is left out.

        :raises NotFound: when the folder is not there
        :raises InvalidOption: when it, or a folder above it, is a symbolic link or no folder
        :raises StorageFailed: when it cannot be read
        :raises TimedOut: when the deadline passes
        """
        mounts = frozenset() if self.cross_mounts else _mount_points()
        with self._root() as root:
            device = os.fstat(root).st_dev
            waiting = [""]
            while waiting:
                deadline.require(f"reading {shown(self.path)}")
                relative = waiting.pop()
                try:
                    with _opened(root, relative) as folder:
                        if not self.cross_mounts and os.fstat(folder).st_dev != device:
                            continue
                        yield from self._list(folder, relative, waiting, device, mounts)
                except OSError as error:
                    if not relative or error.errno not in _GONE:
                        self.unread.append((self._full(relative), error.strerror or str(error)))

    def _list(self, folder: int, relative: str, waiting: list[str], device: int, mounts: Set[str]) -> Iterator[Entry]:
        with os.scandir(folder) as names:
            for name in names:
                path = f"{relative}/{name.name}" if relative else name.name
                if mounts and self._full(path) in mounts:
                    continue
                if name.is_dir(follow_symlinks=False):
                    waiting.append(path)
                    continue
                try:
                    found = os.stat(name.name, dir_fd=folder, follow_symlinks=False)
                except FileNotFoundError:
                    continue
                if (stat.S_ISREG(found.st_mode) or stat.S_ISLNK(found.st_mode)) and (
                        self.cross_mounts or found.st_dev == device):
                    yield _entry(path, found)

    def remove(self, entries: Iterable[Entry], deadline: Deadline) -> Iterator[tuple[Entry, str]]:
        """Remove the entries that are still what they were; yields each with ``""`` or the reason why it stayed.

        An entry that is gone, was replaced or written to in the meantime stays, and says so. After the deadline nothing
        more is removed.
        """
        with self._root() as root:
            parent, folder = None, -1
            try:
                for entry in entries:
                    if deadline.passed:
                        yield entry, LATE
                        continue
                    above, _slash, name = entry.path.rpartition("/")
                    try:
                        # Opened anew for each run of entries in one folder; the descriptor holds the folder itself,
                        # whatever its name is given to later.
                        if parent != above:
                            if folder >= 0:
                                os.close(folder)
                                parent, folder = None, -1
                            parent, folder = above, _open(root, above)
                        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
                        if _entry(entry.path, found).version != entry.version or _identity(found) != entry.identity:
                            yield entry, CHANGED
                            continue
                        os.unlink(name, dir_fd=folder)
                    except OSError as error:
                        yield entry, GONE if error.errno in _GONE else error.strerror or str(error)
                    else:
                        yield entry, ""
            finally:
                if folder >= 0:
                    os.close(folder)

    @contextmanager
    def _root(self) -> Iterator[int]:
        descriptor = os.open("/", _FOLDER)
        try:
            for name in self.path.strip("/").split("/"):
                inner = os.open(name, _FOLDER, dir_fd=descriptor)
                os.close(descriptor)
                descriptor = inner
        except OSError as error:
            os.close(descriptor)
            raise self._refusal(error) from error
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def _refusal(self, error: OSError) -> Exception:
        path = shown(self.path)
        if error.errno == errno.ENOENT:
            return NotFound(f"There is no folder {path}", hint="Correct the path, mount what holds it, or call it optional")
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            return InvalidOption(f"{path} is no folder, or leads through a symbolic link",
                                 hint=f"Write where it leads to: {shown(os.path.realpath(self.path))}")
        return StorageFailed(f"{path} cannot be read: {error.strerror}",
                             hint="Give the user that runs this the right to it, or become one that has it",
                             evidence={"path": path, "errno": errno.errorcode.get(error.errno or 0, "")})

    def _full(self, relative: str) -> str:
        return f"{self.path}/{relative}" if relative else self.path


def shown(path: str) -> str:
    r"""A path as text that can be printed, put into JSON and read back, as ``ls -b`` does it: ``\n``, ``\xff``, ``\\``."""
    text = os.fsencode(path).replace(b"\\", b"\\\\").decode("utf-8", "backslashreplace")
    return text if text.isprintable() else "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape").decode("ascii") for sign in text)


@contextmanager
def _opened(root: int, relative: str) -> Iterator[int]:
    descriptor = _open(root, relative)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _open(root: int, relative: str) -> int:
    descriptor = os.open(".", _FOLDER, dir_fd=root)
    try:
        for name in relative.split("/") if relative else ():
            inner = os.open(name, _FOLDER, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = inner
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _entry(path: str, found: os.stat_result) -> Entry:
    return Entry(path, found.st_size, found.st_mtime, max(found.st_mtime, found.st_atime), _identity(found),
                 (found.st_mtime_ns, found.st_size))


def _identity(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino


def _mount_points() -> frozenset[str]:
    """Where file systems are mounted, bind mounts of the same device among them (proc(5), mountinfo)."""
    try:
        with Path(_MOUNTS).open("rb") as lines:
            fields = [line.split()[4] for line in lines]
    except OSError:  # no Linux: the device number has to do
        return frozenset()
    return frozenset(os.fsdecode(_unescaped(point)) for point in fields)


def _unescaped(point: bytes) -> bytes:
    for octal, sign in ((b"\\040", b" "), (b"\\011", b"\t"), (b"\\012", b"\n"), (b"\\134", b"\\")):
        point = point.replace(octal, sign)
    return point
