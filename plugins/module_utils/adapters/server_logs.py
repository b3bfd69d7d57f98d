# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Log files that grow, are renamed, copied and truncated, and compressed: each line is read once, however many runs it takes.

A file is known by what it begins with, not by its name or inode: a renamed, a copied and a compressed log begin as they did, and
one that was truncated begins anew.
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
from typing import BinaryIO

from ..core.errors import Damaged
from ..core.files import private_folder, storage_errors, write_atomically

_HEAD = 512
LONGEST = 1 << 20  # bytes of a line; the rest of a longer one is passed over
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class Position:
    """How far a file was read: its first ``length`` bytes hash to ``head``; ``offset`` counts uncompressed bytes."""

    head: str
    length: int
    offset: int


@dataclass
class Positions:
    """All positions of one review; ``at`` is when they were kept, empty before the first run."""

    at: str = ""
    files: list[Position] = field(default_factory=list)

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
            return cls(str(data["at"]), [Position(str(one["head"]), int(one["length"]), int(one["offset"])) for one in data["files"]])
        except (ValueError, KeyError, TypeError):
            return None

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write them whole or not at all, mode 0600.

        :raises StorageFailed: when that cannot be done
        """
        private_folder(Path(path).parent)
        files = [{"head": one.head, "length": one.length, "offset": one.offset} for one in self.files]
        write_atomically(path, json.dumps({"at": self.at, "files": files}).encode())

    def of(self, beginning: bytes) -> int | None:
        """How far the file that begins so was read; None where it is new. Of several (a log and its copy) the furthest."""
        return max((one.offset for one in self.files
                    if one.length <= len(beginning) and _digest(beginning[:one.length]) == one.head), default=None)


@dataclass
class LogFile:
    """One file with lines that were not read yet. ``offset`` moves as `lines` are taken."""

    path: str
    beginning: bytes
    offset: int
    compressed: bool

    def lines(self) -> Iterator[bytes]:
        """Its complete lines from ``offset`` on, each with its end; an unfinished last line is left for the next run.

        :raises StorageFailed: when it cannot be read
        :raises Damaged: when it is compressed and broken
        """
        with storage_errors(self.path), _sound(self.path), _open(self.path, self.compressed) as stream:
            stream.seek(self.offset)
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

    @property
    def left(self) -> int:
        """Bytes on disk that were not read."""
        size = os.stat(self.path).st_size
        return (0 if self.offset else size) if self.compressed else max(size - self.offset, 0)

    @property
    def position(self) -> Position:
        """How far it was read by now."""
        return Position(_digest(self.beginning), len(self.beginning), self.offset)


def find_logs(patterns: Sequence[str], known: Positions, *, newer_than: float) -> tuple[list[LogFile], list[str]]:
    """The files that match, oldest first, and the paths of all. Before the first run those that were last written before
    ``newer_than`` (seconds since 1970) count as read.

    :raises StorageFailed: when one cannot be read
    """
    paths = sorted({path for pattern in patterns for path in glob.glob(pattern) if os.path.isfile(path)},
                   key=lambda path: (os.stat(path).st_mtime, path))
    found, seen = [], set()
    for path in paths:
        with storage_errors(path):
            with Path(path).open("rb") as raw:
                compressed = raw.read(2) == _GZIP
            beginning = _beginning(path, compressed)
            if not beginning or _digest(beginning) in seen:  # a copy of one that is read already
                continue
            seen.add(_digest(beginning))
            size = os.stat(path).st_size
            offset = known.of(beginning)
            if offset is None and not known.at and os.stat(path).st_mtime < newer_than:
                offset = _content_size(path) if compressed else size
            if offset is not None and not compressed and offset > size:
                offset = 0
        found.append(LogFile(path, beginning, offset or 0, compressed))
    return found, paths


@contextmanager
def _sound(path: str) -> Iterator[None]:
    try:
        yield
    except EOFError:  # it is being compressed just now: the rest has its turn in the next run
        return
    except (zlib.error, gzip.BadGzipFile) as error:
        raise Damaged(f"{path} cannot be decompressed: {error}", hint="Move it out of the way; what it holds is not reviewed") from error


def _open(path: str, compressed: bool) -> BinaryIO:
    return gzip.open(path, "rb") if compressed else Path(path).open("rb")


def _beginning(path: str, compressed: bool) -> bytes:
    with _sound(path), _open(path, compressed) as stream:
        return stream.read(_HEAD)
    return b""


def _content_size(path: str) -> int:
    size = 0
    with _sound(path), gzip.open(path, "rb") as stream:
        while block := stream.read(1 << 20):
            size += len(block)
    return size


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
