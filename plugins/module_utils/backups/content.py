# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a tar stream holds, member by member, whatever the order and the times: two streams of one content have one digest."""

from __future__ import annotations

import hashlib
import json
import re
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import IO, Any

from ..core.errors import Damaged

_BLOCK = 1024 * 1024
_SNIFFED = 65536
# What gives a secret away whatever its name: private keys of OpenSSL, OpenSSH and PuTTY, of age and of PGP.
_SECRET = re.compile(rb"-----BEGIN (?:[A-Z0-9 ]+ )?PRIVATE KEY(?: BLOCK)?-----|AGE-SECRET-KEY-1|PuTTY-User-Key-File-")
_OTHER = "Use another backup; this one was altered"


@dataclass(frozen=True, slots=True)
class Item:
    """One member. ``path`` is relative to the root and text whose undecodable bytes are surrogates; ``target`` is a link's;
    ``sha256`` a file's; ``attributes`` a digest of its extended attributes and ACLs.
    """

    path: str
    kind: str
    mode: int
    uid: int
    gid: int
    size: int = 0
    target: str = ""
    sha256: str = ""
    attributes: str = ""


@dataclass(frozen=True)
class Content:
    """Everything in a stream, by path; ``secrets`` are files that hold a private key."""

    items: Mapping[str, Item]
    secrets: frozenset[str] = frozenset()

    @property
    def digest(self) -> str:
        """``sha256:…`` of all items in the order of their paths."""
        hashed = hashlib.sha256()
        for line in self.lines():
            hashed.update(line)
        return f"sha256:{hashed.hexdigest()}"

    @property
    def bytes(self) -> int:
        """The size of all files."""
        return sum(item.size for item in self.items.values())

    def lines(self) -> Iterator[bytes]:
        """One JSON object for each item."""
        for path in sorted(self.items):
            yield json.dumps(asdict(self.items[path]), sort_keys=True).encode() + b"\n"

    def without(self, left_out: Callable[[str], bool]) -> Content:
        """The rest, where ``left_out`` says of an absolute path whether it goes, with all below it."""
        gone = {path for path in self.items if left_out(f"/{path}")}
        kept = {path: item for path, item in self.items.items()
                if path not in gone and not any(parent in gone for parent in _parents(path))}
        return Content(kept, self.secrets & kept.keys())

    @classmethod
    def from_lines(cls, lines: Iterable[bytes]) -> Content:
        """The inverse of `lines`.

        :raises Damaged: for anything else
        """
        try:
            items = [Item(**json.loads(line)) for line in lines]
        except (ValueError, TypeError) as error:
            raise Damaged(f"The list of the content cannot be read: {error!r}", hint=_OTHER) from error
        return cls({item.path: item for item in items})


@dataclass(frozen=True)
class Change:
    """One path that is not as it was: ``A`` added, ``D`` gone, ``M`` other bytes, ``T`` other type, mode, owner or attributes."""

    letter: str
    path: str


def changes(before: Content, after: Content) -> list[Change]:
    """What changed, by path."""
    found = []
    for path in sorted(before.items.keys() | after.items.keys()):
        was, now = before.items.get(path), after.items.get(path)
        if was is None:
            found.append(Change("A", path))
        elif now is None:
            found.append(Change("D", path))
        elif (was.kind, was.sha256, was.target) != (now.kind, now.sha256, now.target):
            found.append(Change("M" if was.kind == now.kind else "T", path))
        elif was != now:
            found.append(Change("T", path))
    return found


def read_content(stream: IO[bytes]) -> Content:
    """The content of a tar stream, read to its end.

    :raises Damaged: when it is none, or cut
    """
    items: dict[str, Item] = {}
    secrets = set()
    for member, opened in members(stream):
        path = plain(member.name)
        known = items.get(plain(member.linkname)) if member.islnk() else None
        sha256, size, secret = _read(opened) if opened is not None else ("", 0, False)
        if known is not None:  # a further name of a file that was read under its first
            sha256, size, secret = known.sha256, known.size, known.path in secrets
        if secret:
            secrets.add(path)
        items[path] = Item(path, _kind(member), member.mode, member.uid, member.gid, size, member.linkname if member.issym() else "",
                           sha256, _attributes(member))
    return Content(items, frozenset(secrets))


def members(stream: IO[bytes]) -> Iterator[tuple[tarfile.TarInfo, Any]]:
    """Each member of a stream, and where it is a file with bytes of its own, they.

    :raises Damaged: when it is no tar stream, or cut
    """
    try:
        with tarfile.open(fileobj=stream, mode="r|", errors="surrogateescape") as archive:
            for member in archive:
                yield member, archive.extractfile(member) if member.isreg() else None
        while stream.read(_BLOCK):  # tar pads its last record; it would die of a pipe that nobody reads
            pass
    except (tarfile.TarError, EOFError, ValueError, OverflowError) as error:
        raise Damaged(f"It is no whole tar stream: {error}", hint=_OTHER) from error


def plain(name: str) -> str:
    """A member's name without its leading ``./``."""
    return name.removeprefix("./").rstrip("/")


def _read(opened: IO[bytes]) -> tuple[str, int, bool]:
    hashed, size, secret = hashlib.sha256(), 0, False
    while block := opened.read(_BLOCK):
        secret = secret or (size == 0 and bool(_SECRET.search(block[:_SNIFFED])))
        hashed.update(block)
        size += len(block)
    return hashed.hexdigest(), size, secret


def _kind(member: tarfile.TarInfo) -> str:
    if member.isdir():
        return "folder"
    if member.issym():
        return "link"
    return "file" if member.isreg() or member.islnk() else "other"


def _attributes(member: tarfile.TarInfo) -> str:
    told = sorted((key, value) for key, value in member.pax_headers.items() if key.startswith(("SCHILY.xattr.", "SCHILY.acl.")))
    return hashlib.sha256(repr(told).encode("utf-8", "surrogateescape")).hexdigest()[:16] if told else ""


def _parents(path: str) -> Iterator[str]:
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path
