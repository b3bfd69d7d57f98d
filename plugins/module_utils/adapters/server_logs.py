# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Log files that grow, are renamed, copied and truncated, and compressed: each line is read once, however many runs it takes.

A file is known by what it begins with and by what stands before the place up to which it was read, not by its name or inode: a renamed, a
copied and a compressed log have both as they were, and one that was truncated begins anew.
"""

from __future__ import annotations

import glob
import gzip
import hashlib
import json
import os
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from ..core.errors import Damaged, OpsError
from ..core.files import private_folder, storage_errors, write_atomically
from .compression import Zstd

_HEAD = 512
LONGEST = 1 << 20  # bytes of a line; the rest of a longer one is passed over
_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}


@dataclass(frozen=True)
class Position:
    """How far a file was read: its first ``length`` bytes hash to ``head``, the last ones before ``offset`` to ``tail`` (empty in what
    older versions kept: not compared); ``offset`` counts uncompressed bytes. ``stamp`` is of a compressed file that was read to its end.
    ``within`` where what stands behind ``offset`` may belong to a message that was read; ``newest`` of the file that was written last.
    """

    head: str
    length: int
    offset: int
    tail: str = ""
    stamp: str = ""
    within: bool = False
    newest: bool = False


@dataclass
class Positions:
    """All positions of one review; ``at`` is when they were kept, empty before the first run; ``beside`` is what else it remembers."""

    at: str = ""
    files: list[Position] = field(default_factory=list)
    beside: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Positions | None:
        """What a file has; an empty one where there is no file, None where it is damaged.

        :raises StorageFailed: where it cannot be read
        """
        try:
            with storage_errors(path):
                if not os.path.exists(path):
                    return cls()
                data = json.loads(Path(path).read_bytes())
            files = [Position(str(one["head"]), int(one["length"]), int(one["offset"]), str(one.get("tail", "")),
                              str(one.get("stamp", "")), bool(one.get("within")), bool(one.get("newest"))) for one in data["files"]]
            return cls(str(data["at"]), files, dict(data.get("beside") or {}))
        except (ValueError, KeyError, TypeError, AttributeError):
            return None

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write them whole or not at all, mode 0600.

        :raises StorageFailed: when that cannot be done
        """
        private_folder(Path(path).parent)
        files = [vars(one) for one in self.files]
        write_atomically(path, json.dumps({"at": self.at, "files": files, "beside": self.beside}).encode())

    def of(self, path: str, kind: str, beginning: bytes) -> Position | None:
        """How far this file was read; None where it is new. Of several (a log and its copy) the furthest."""
        alike = [one for one in self.files if one.length <= len(beginning) and _digest(beginning[:one.length]) == one.head]
        for one in sorted(alike, key=lambda one: (bool(one.tail), one.offset), reverse=True):
            if kind and one.stamp and one.stamp == _stamp(path):
                return one
            before = _before(path, kind, one.offset)
            if before is not None and one.tail in ("", _digest(before)):
                return one
        return None


@dataclass
class LogFile:
    """One file with lines that were not read yet. ``offset`` moves as they are taken. ``kind`` is gzip, zstd or, of plain text, empty."""

    path: str
    beginning: bytes
    offset: int
    kind: str = ""
    within: bool = False
    newest: bool = False
    read: bool = False  # a compressed file that is as it was when its end was read
    was: Position | None = None  # what was known of it

    def lines(self) -> Iterator[bytes]:
        """Its complete lines from ``offset`` on, each with its end; an unfinished last line is left for the next run.

        :raises StorageFailed: when it cannot be read
        :raises Damaged: when it is compressed and broken
        """
        with self.stream() as stream:
            while True:
                line = stream.readline(LONGEST)
                size = len(line)
                while line and not line.endswith(b"\n"):
                    rest = stream.readline(LONGEST)
                    if not rest:
                        return
                    size += len(rest)
                    if rest.endswith(b"\n"):
                        line += b"\n"
                if not line:
                    return
                self.offset += size
                yield line

    @contextmanager
    def stream(self) -> Iterator[BinaryIO]:
        """Its uncompressed bytes from ``offset`` on; who reads them moves ``offset``.

        :raises StorageFailed: when it cannot be read
        :raises Damaged: when it is compressed and broken
        """
        with storage_errors(self.path), _sound(self.path), _open(self.path, "" if self.read else self.kind) as stream:
            stream.seek(0, os.SEEK_END) if self.read else stream.seek(self.offset)
            yield stream

    @property
    def left(self) -> int:
        """Bytes on disk that were not read."""
        size = os.stat(self.path).st_size
        return (0 if self.offset else size) if self.kind else max(size - self.offset, 0)

    @property
    def position(self) -> Position:
        """How far it was read by now."""
        before = _before(self.path, self.kind, self.offset)
        ended = self.read or (bool(self.kind) and _before(self.path, self.kind, self.offset + 1) is None)
        return Position(_digest(self.beginning), len(self.beginning), self.offset, "" if before is None else _digest(before),
                        _stamp(self.path) if self.kind and ended else "", self.within, self.newest)


def find_logs(patterns: Sequence[str], known: Positions, *, newer_than: float,
              broken: list[OpsError] | None = None) -> tuple[list[LogFile], list[str]]:
    """The files that match, oldest first, and the paths of all. Before the first run those that were last written before
    ``newer_than`` (seconds since 1970) count as read. What is wrong with a file goes into ``broken`` where that is given.

    :raises StorageFailed, Damaged: when one cannot be read
    """
    paths = sorted({path for pattern in patterns for path in glob.glob(pattern) if os.path.isfile(path)},
                   key=lambda path: (os.stat(path).st_mtime, path))
    found: list[LogFile] = []
    for path in paths:
        try:
            with storage_errors(path):
                _find(path, found, known, newer_than)
        except OpsError as error:
            if broken is None:
                raise
            broken.append(error)
    for file in found[-1:]:
        file.newest = True
    return found, paths


def _find(path: str, found: list[LogFile], known: Positions, newer_than: float) -> None:
    with Path(path).open("rb") as raw:
        magic = raw.read(4)
    kind = next((kind for sign, kind in _MAGIC.items() if magic.startswith(sign)), "")
    beginning = _beginning(path, kind)
    if not beginning:
        return
    twin = next((one for one in found if _copies(one, path, kind, beginning)), None)
    if twin is not None and _size(twin.path, twin.kind) >= _size(path, kind):
        return
    position = known.of(path, kind, beginning)
    if position is not None:
        file = LogFile(path, beginning, position.offset, kind, position.within, was=position,
                       read=bool(kind and position.stamp) and position.stamp == _stamp(path))
    else:
        old = not known.at and os.stat(path).st_mtime < newer_than
        file = LogFile(path, beginning, _size(path, kind) if old else 0, kind)
    if twin is not None:
        found.remove(twin)
    found.append(file)


def _copies(one: LogFile, path: str, kind: str, beginning: bytes) -> bool:
    """Whether one of two files has, as far as it goes, what the other has."""
    length = min(len(one.beginning), len(beginning))
    if one.beginning[:length] != beginning[:length]:
        return False
    shorter = min(_size(one.path, one.kind), _size(path, kind))
    return _before(one.path, one.kind, shorter) == _before(path, kind, shorter)


@contextmanager
def _sound(path: str) -> Iterator[None]:
    try:
        yield
    except EOFError:  # it is being compressed just now: the rest has its turn in the next run
        return
    except (zlib.error, gzip.BadGzipFile) as error:
        raise Damaged(f"{path} cannot be decompressed: {error}", hint="Move it out of the way; what it holds is not reviewed") from error


def _open(path: str, kind: str) -> BinaryIO:
    if kind == "gzip":
        return gzip.open(path, "rb")
    return Zstd().opened(path) if kind == "zstd" else Path(path).open("rb")


def _beginning(path: str, kind: str) -> bytes:
    with _sound(path), _open(path, kind) as stream:
        return stream.read(_HEAD)
    return b""


def _before(path: str, kind: str, offset: int) -> bytes | None:
    """The last bytes before an offset; None where the file does not go so far."""
    wanted = min(offset, _HEAD)
    with _sound(path), _open(path, kind) as stream:
        stream.seek(offset - wanted)
        content = stream.read(wanted)
        return content if len(content) == wanted else None
    return None


def _size(path: str, kind: str) -> int:
    """Uncompressed bytes, as many as can be read."""
    if not kind:
        return os.stat(path).st_size
    size = 0
    with _sound(path), _open(path, kind) as stream:
        while block := stream.read(1 << 20):
            size += len(block)
    return size


def _stamp(path: str) -> str:
    told = os.stat(path)
    return f"{told.st_size}:{told.st_mtime_ns}:{told.st_ino}"


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def append_line(path: str | os.PathLike[str], line: str) -> None:
    """One line at the end of a log that is there, in one piece.

    :raises StorageFailed: where it cannot be written, and where there is no such file
    """
    with storage_errors(path):
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            os.write(descriptor, line.encode())
        finally:
            os.close(descriptor)


def ends_with(patterns: Sequence[str], word: str, *, within: int = 1 << 20) -> bool:
    """Whether the end of one of the files that match has a word.

    :raises StorageFailed: when one cannot be read
    """
    for path in (path for pattern in patterns for path in glob.glob(pattern) if os.path.isfile(path)):
        with storage_errors(path), Path(path).open("rb") as stream:
            stream.seek(max(0, os.stat(path).st_size - within))
            if word.encode() in stream.read(2 * within):
                return True
    return False
