# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder as a place: files, renames, and flock(2), which the kernel releases when the holder ends, however it ends."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from ..core.clock import Clock
from ..core.errors import Damaged
from ..core.files import private_folder, storage_errors, sync_folder, write_atomically
from .lease import lease, remove_tree

_BLOCK = 1024 * 1024
_PART = ".part"


class Folder:
    """See `place.Place`."""

    parallel = 1

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.address = self.local = Path(path)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Folder) and other.address == self.address

    def __hash__(self) -> int:
        return hash(self.address)

    def at(self, *names: str) -> Folder:
        """See `place.Place`."""
        return Folder(self.local.joinpath(*names))

    def folders(self) -> Sequence[str]:
        """See `place.Place`; links are not followed."""
        return self._names(lambda entry: entry.is_dir(follow_symlinks=False))

    def files(self) -> Sequence[str]:
        """See `place.Place`."""
        return self._names(lambda entry: not entry.is_dir(follow_symlinks=False))

    def _names(self, wanted: Any) -> list[str]:
        with storage_errors(self.local):
            try:
                with os.scandir(self.local) as entries:
                    return sorted(entry.name for entry in entries if wanted(entry))
            except FileNotFoundError:
                return []

    def has(self, name: str) -> bool:
        """See `place.Place`."""
        return (self.local / name).exists()

    def read(self, name: str) -> bytes:
        """See `place.Place`."""
        return self._or_missing(name, lambda path: path.read_bytes())

    def open(self, name: str) -> BinaryIO:
        """See `place.Place`; a link in the file's place is refused."""
        return self._or_missing(name, lambda path: os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb"))

    def _or_missing(self, name: str, work: Any) -> Any:
        path = self.local / name
        missing: FileNotFoundError | None = None
        with storage_errors(path):
            try:
                return work(path)
            except FileNotFoundError as error:
                missing = error
        raise missing

    def write(self, name: str, data: bytes) -> None:
        """See `place.Place`."""
        private_folder(self.local)
        write_atomically(self.local / name, data)

    def put(self, name: str, reader: Any, size: int, sha256: str) -> None:
        """See `place.Place`."""
        path = self.local / name
        part = path.with_name(path.name + _PART)
        private_folder(path.parent)
        with storage_errors(part):
            with suppress(FileNotFoundError):
                part.unlink()  # of a run that was killed; this one has the lease
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            try:
                with os.fdopen(descriptor, "wb") as stream:
                    os.fchmod(descriptor, 0o600)
                    digest, written = hashlib.sha256(), 0
                    while block := reader.read(_BLOCK):
                        stream.write(block)
                        digest.update(block)
                        written += len(block)
                    stream.flush()
                    os.fsync(descriptor)
                if (written, digest.hexdigest()) != (size, sha256):
                    raise Damaged(f"{name}: {written} bytes came that are not the {size} that were written",
                                  hint="Its source was altered or cut: verify it there", evidence={"path": name})
                part.rename(path)
            except BaseException:
                part.unlink(missing_ok=True)
                raise
            sync_folder(path.parent)

    def holds(self, name: str, size: int, sha256: str) -> bool:
        """See `place.Place`; it is read in full."""
        path = self.local / name
        with storage_errors(path):
            try:
                if path.is_symlink() or path.stat().st_size != size:
                    return False
                with path.open("rb") as stream:
                    return hashlib.file_digest(stream, "sha256").hexdigest() == sha256
            except (FileNotFoundError, NotADirectoryError):
                return False

    def announce(self, sizes: Mapping[str, int]) -> None:
        """Nothing here is hidden from a list."""

    def move(self, name: str, to: str) -> None:
        """See `place.Place`; one rename."""
        with storage_errors(self.local / name):
            (self.local / name).rename(self.local / to)
        sync_folder(self.local)

    def remove(self, name: str) -> None:
        """See `place.Place`."""
        with storage_errors(self.local / name):
            (self.local / name).unlink(missing_ok=True)
        sync_folder(self.local)

    def clear(self) -> None:
        """See `place.Place`."""
        remove_tree(self.local)
        with suppress(FileNotFoundError), storage_errors(self.local.parent):
            if self.local.parent.is_dir():
                sync_folder(self.local.parent)

    def reopen(self) -> None:
        """Nothing stays after `clear`."""

    @contextmanager
    def lease(self, clock: Clock, *, purpose: str, writes: str | None = None) -> Iterator[Folder]:
        """See `place.Place`; ``writes`` is of no use here, since nobody can outlive this lease."""
        with lease(self.local, clock, purpose=purpose):
            yield self

    def confirm(self) -> None:
        """See `place.Held`: as long as the holder lives, the kernel gives the lock to nobody else."""

    @contextmanager
    def shared(self, name: str) -> Iterator[None]:
        """See `place.Place`."""
        with self._locked(name, fcntl.LOCK_SH):
            yield

    @contextmanager
    def alone(self, name: str) -> Iterator[None]:
        """See `place.Place`."""
        with self._locked(name, fcntl.LOCK_EX):
            yield

    @contextmanager
    def _locked(self, name: str, how: int) -> Iterator[None]:
        descriptor = os.open(self.local / name, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, how | fcntl.LOCK_NB)
            yield
        finally:
            os.close(descriptor)
