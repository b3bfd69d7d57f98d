# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are either whole or not there, private whatever the umask says."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import StorageFailed


@contextmanager
def storage_errors(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn an OSError at ``path`` into a `StorageFailed` that says what to do.

    :raises StorageFailed: for every OSError inside
    """
    try:
        yield
    except OSError as error:
        where = error.filename or os.fspath(path)
        hint = {
            errno.ENOSPC: "Free space there or raise the quota, then run again",
            errno.EDQUOT: "Raise the quota, then run again",
            errno.EACCES: "Give the user that runs this the right to it, or choose another path",
            errno.EPERM: "Give the user that runs this the right to it, or choose another path",
            errno.EROFS: "The file system is mounted read-only: see why (dmesg), remount it",
            errno.ENOENT: "Create the folder, or mount the file system that holds it",
            errno.ENAMETOOLONG: "Use a shorter name",
            errno.EISDIR: "A folder has this name: choose another path",
            errno.ENOTDIR: "A part of the path is a file: choose another path",
            errno.ESTALE: "The network mount is gone: mount it again",
            errno.EIO: "The device reports errors: see dmesg before anything else",
        }.get(error.errno or 0, "")
        raise StorageFailed(
            f"{where}: {error.strerror or error}", hint=hint,
            evidence={"path": str(where), "errno": errno.errorcode.get(error.errno or 0, "")},
        ) from error


def write_atomically(path: str | os.PathLike[str], data: bytes, *, mode: int = 0o600, owner: tuple[int, int] | None = None) -> None:
    """Write to a temporary name, fsync, rename, fsync the folder: after a crash the old or the new content is there.

    ``owner`` is user and group id, None for those of this process.

    :raises StorageFailed: when any step fails; the temporary file is removed then
    """
    target = Path(path)
    stem = target.name.encode("utf-8", "ignore")[:200].decode("utf-8", "ignore")  # names have at most 255 bytes
    temporary = target.with_name(f".{stem}.{secrets.token_hex(4)}.tmp")
    with storage_errors(target):
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                if owner is not None:
                    os.fchown(stream.fileno(), *owner)
                os.fchmod(stream.fileno(), mode)
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(temporary, target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_folder(target.parent)


def sync_folder(path: str | os.PathLike[str]) -> None:
    """Make renames and creations in a folder durable.

    :raises StorageFailed: when the folder cannot be opened or synced
    """
    with storage_errors(path):
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def private_folder(path: str | os.PathLike[str]) -> Path:
    """Create a folder and its missing parents with mode 0700, whatever the umask; an existing one is left as it is.

    :raises StorageFailed: when it cannot be created
    """
    folder = Path(path)
    with storage_errors(folder):
        missing = [part for part in (folder, *folder.parents) if not part.exists()]
        for part in reversed(missing):
            try:
                part.mkdir(mode=0o700)
            except FileExistsError:  # another run made it just now, or it is a file, which is seen below
                continue
            part.chmod(0o700)
            sync_folder(part.parent)
        if not folder.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))
    return folder
