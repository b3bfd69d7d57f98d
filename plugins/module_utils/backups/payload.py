# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files on their way into a backup and out of it: hashed, compressed and encrypted as they stream, in constant memory.

Whoever restores a backup calls `materialize` (for ``pg_dump``: a folder for pg_restore) or `pour` (for ``archive``: the
tar stream). Both check size and SHA-256 of every stored byte that they read.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, BinaryIO, Protocol

from ..core import progress
from ..core.errors import AccessDenied, Damaged
from ..core.files import private_folder, storage_errors
from .manifest import SUFFIXES, StoredFile
from .repository import Backup

_BLOCK = 1024 * 1024


class Compression(Protocol):
    """A stream compressor (`adapters.compression.Zstd`)."""

    def compressing(self, reader: Any) -> Any:
        """A reader that yields the compressed form of ``reader``."""

    def decompressing(self, writer: Any) -> Any:
        """A writer that writes the decompressed form to ``writer``; it raises Damaged for what is no compressed stream."""


class Cipher(Protocol):
    """A public-key cipher (`adapters.encryption.AgeCipher`)."""

    recipients: tuple[str, ...]

    @property
    def can_decrypt(self) -> bool:
        """Whether a private key was given."""

    def encrypt(self, reader: Any, writer: Any) -> None:
        """Read ``reader`` to its end and write it encrypted."""

    def decrypt(self, reader: Any, writer: Any) -> None:
        """Read ``reader`` to its end and write it decrypted.

        :raises Damaged: when it was altered or cut
        :raises AccessDenied: without a fitting private key
        """


@dataclass(frozen=True)
class Codecs:
    """What stored files are coded with."""

    compression: Compression
    cipher: Cipher


class HashingReader:
    """Counts and hashes what is read through it."""

    def __init__(self, stream: Any, path: PurePath) -> None:
        self._stream = stream
        self._path = path
        self._hash = hashlib.sha256()
        self.bytes = 0

    def read(self, size: int = -1) -> bytes:
        """As the stream's own, its errors as StorageFailed."""
        with storage_errors(self._path):
            block = self._stream.read(size)
        self._hash.update(block)
        self.bytes += len(block)
        progress.add(len(block))
        return block

    def drain(self) -> None:
        """Read what is left."""
        while self.read(_BLOCK):
            pass

    @property
    def sha256(self) -> str:
        """Of what was read so far."""
        return self._hash.hexdigest()


class HashingWriter:
    """Counts and hashes what is written through it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._hash = hashlib.sha256()
        self.bytes = 0

    def write(self, block: bytes) -> int:
        """As the stream's own; all of it is written."""
        self._stream.write(block)
        self._hash.update(block)
        self.bytes += len(block)
        return len(block)

    def flush(self) -> None:
        """As the stream's own."""
        self._stream.flush()

    @property
    def sha256(self) -> str:
        """Of what was written so far."""
        return self._hash.hexdigest()


def store(reader: Any, data: Path, name: str, codecs: Codecs, *, compress: bool, encrypt: bool) -> StoredFile:
    """Write ``reader`` to its end as a new file below ``data``, mode 0600, fsynced; ``name`` gets the codings' suffixes.

    :raises StorageFailed: when it cannot be written, with the errno's hint
    """
    coding = (*(("zstd",) if compress else ()), *(("age",) if encrypt else ()))
    path = data / (name + "".join(SUFFIXES[one] for one in coding))
    plain = _Counting(reader)
    with storage_errors(path), create(path) as stream:
        writer = HashingWriter(stream)
        source = codecs.compression.compressing(plain) if compress else plain
        if encrypt:
            codecs.cipher.encrypt(source, writer)
        else:
            _pump(source, writer)
        stream.flush()
        os.fsync(stream.fileno())
    return StoredFile(path.relative_to(data).as_posix(), writer.bytes, writer.sha256, plain.bytes, coding)


def create(path: Path) -> BinaryIO:
    """A new file of mode 0600, whatever the umask; an OSError where it exists."""
    private_folder(path.parent)
    stream = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600), "wb")
    os.fchmod(stream.fileno(), 0o600)
    return stream


def load(backup: Backup, file: StoredFile, writer: Any, codecs: Codecs) -> None:
    """Write a stored file, decoded, to ``writer``, and check size and SHA-256 of what is stored.

    What was written before an alteration was noticed is in ``writer`` already: throw it away when this raises.

    :raises Damaged: when the file is missing, cut, longer or altered; names it and says why
    :raises AccessDenied: when it is encrypted and no fitting private key is at hand
    :raises StorageFailed: when it cannot be read
    :raises OSError: what ``writer`` raised, as it raised it
    """
    with open_stored(backup, file) as stream:
        reader = HashingReader(stream, _path(backup, file))
        try:
            _decode(file, reader, writer, codecs)
        except Damaged as error:
            reader.drain()
            _check(file, reader)
            raise Damaged(f"{file.path}: {error.message}", hint=_OTHER, evidence={"path": file.path}) from error
        except BrokenPipeError:
            # A program that ends in the middle of what we write to it may have met the alteration before we could.
            reader.drain()
            _check(file, reader)
            raise
        except AccessDenied:
            if codecs.cipher.can_decrypt:  # to age, an altered head is one for another key
                reader.drain()
                _check(file, reader)
            raise
        reader.drain()
    _check(file, reader)


def checksum(backup: Backup, file: StoredFile) -> None:
    """Read a stored file in full and compare size and SHA-256; takes no key.

    :raises Damaged: when the file is missing, cut, longer or altered; names it and says why
    :raises StorageFailed: when it cannot be read
    """
    with open_stored(backup, file) as stream:
        reader = HashingReader(stream, _path(backup, file))
        reader.drain()
    _check(file, reader)


def materialize(backup: Backup, target: str | os.PathLike[str], codecs: Codecs, *, jobs: int = 2) -> Path:
    """The engine's own files: the folder that ``pg_restore`` reads, every stored byte checked on the way.

    Where files are stored just as the engine wrote them, in a folder of this host, they are checked and the backup's own folder
    is returned, to be read only and inside ``backup.held()``; else they are fetched and decoded into ``target`` (created, 0700),
    which is returned.

    :raises Damaged, AccessDenied, StorageFailed: as `load`
    """
    fetched = backup.place.local is None or any(file.coding for file in backup.manifest.files)
    folder = private_folder(target) if fetched else backup.data

    def fetch(file: StoredFile) -> None:
        if not fetched:
            checksum(backup, file)
            return
        path = folder / file.plain_path
        with storage_errors(path), create(path) as stream:
            load(backup, file, stream, codecs)

    for_each(backup.manifest.files, fetch, jobs=jobs)
    return folder


def pour(backup: Backup, writer: Any, codecs: Codecs) -> None:
    """The one payload file of an ``archive`` backup, decoded to the tar stream, written to ``writer``.

    :raises Damaged, AccessDenied, StorageFailed: as `load`; a backup of more than one file is Damaged
    """
    files = backup.manifest.files
    if len(files) != 1:
        raise Damaged(f"Backup {backup.id} has {len(files)} files where an archive has one", hint=_OTHER)
    load(backup, files[0], writer, codecs)


def for_each(files: tuple[StoredFile, ...], work: Callable[[StoredFile], Any], *, jobs: int) -> list[Any]:
    """Call ``work`` with every file, the largest first, ``jobs`` at a time; the first error ends it."""
    order = sorted(files, key=lambda file: -file.bytes)
    with ThreadPoolExecutor(max(1, jobs)) as pool:
        running = [pool.submit(work, file) for file in order]
        try:
            return [one.result() for one in running]
        except BaseException:
            for one in running:
                one.cancel()
            raise


_OTHER = "Restore from another backup; find out what altered this one (disk, network mount, hand)"


class _Counting:
    """Counts what is read or written through it."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.bytes = 0

    def read(self, size: int = -1) -> bytes:
        block = self._stream.read(size)
        self.bytes += len(block)
        progress.add(len(block))
        return block

    def write(self, block: bytes) -> int:
        self._stream.write(block)
        self.bytes += len(block)
        return len(block)

    def flush(self) -> None:
        self._stream.flush()


def _decode(file: StoredFile, reader: HashingReader, writer: Any, codecs: Codecs) -> None:
    plain = _Counting(writer)
    sink = codecs.compression.decompressing(plain) if "zstd" in file.coding else plain
    if "age" in file.coding:
        codecs.cipher.decrypt(reader, sink)
    else:
        _pump(reader, sink)
    if plain.bytes != file.plain_bytes:
        raise Damaged(f"decodes to {plain.bytes} bytes where {file.plain_bytes} went in")


def _pump(reader: Any, writer: Any) -> None:
    while block := reader.read(_BLOCK):
        writer.write(block)


def _path(backup: Backup, file: StoredFile) -> PurePath:
    return backup.folder / "data" / file.path


def open_stored(backup: Backup, file: StoredFile) -> BinaryIO:
    """The stored bytes of a file, as they are; closed by the caller, who checks them.

    :raises Damaged: when the file is missing
    """
    try:
        return backup.place.open(f"data/{file.path}")
    except FileNotFoundError as error:
        raise Damaged(f"{file.path} is missing", hint=_OTHER, evidence={"path": file.path}) from error


def _check(file: StoredFile, reader: HashingReader) -> None:
    if reader.bytes != file.bytes:
        what = "cut" if reader.bytes < file.bytes else "longer than it was"
        raise Damaged(f"{file.path} is {what}: {reader.bytes} bytes where {file.bytes} were written", hint=_OTHER,
                      evidence={"path": file.path, "bytes": reader.bytes, "expected_bytes": file.bytes})
    if reader.sha256 != file.sha256:
        raise Damaged(f"{file.path} was altered: its SHA-256 is not the one that was written", hint=_OTHER,
                      evidence={"path": file.path, "sha256": reader.sha256, "expected_sha256": file.sha256})
