# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What lies below paths: names, metadata and digests, taken beside an engine whose word alone is no proof.

One JSON object in each line; a path is text whose undecodable bytes are surrogates (PEP 383), which JSON escapes.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import Any

from ..core.errors import Damaged, InvalidOption
from ..core.waiting import Deadline

_BLOCK = 1024 * 1024
_SAMPLE = 16  # one file of so many, by a checksum of its path
_KINDS = {stat.S_IFREG: "file", stat.S_IFDIR: "folder", stat.S_IFLNK: "link", stat.S_IFIFO: "fifo", stat.S_IFCHR: "character device",
          stat.S_IFBLK: "block device", stat.S_IFSOCK: "socket"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One name. ``sha256`` is of a file's bytes, empty where they were not read; ``attributes`` is a digest of its extended
    attributes; ``moving`` says that it changed or vanished while the backup was made. Times are nanoseconds.
    """

    path: str
    kind: str
    mode: int
    uid: int
    gid: int
    size: int
    mtime: int
    ctime: int
    inode: int
    link: str = ""
    attributes: str = ""
    sha256: str = ""
    moving: bool = False

    @property
    def state(self) -> tuple[int, ...]:
        """Equal twice means that nobody changed it in between: the kernel alone sets ctime."""
        return (self.size, self.mtime, self.ctime, self.inode, self.mode)


class Exclusion:
    """restic's patterns, of which ``**``, ``!`` and empty parts are refused: a pattern that begins with ``/`` is a path from the
    root, any other matches names at every depth; ``*``, ``?``, ``[a-z]``, ``[^a-z]`` match within one name.

    :raises InvalidOption: for what is no such pattern
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        self._patterns = []
        for pattern in patterns:
            parts = pattern.strip("/").split("/")
            if not pattern or pattern.startswith("!") or "\0" in pattern or any(part in ("", "**", ".", "..") for part in parts):
                raise InvalidOption(f"exclude: {pattern!r} is no pattern that this engine takes",
                                    hint="Write *.tmp, or /srv/app/cache for one path; ** and ! are not taken")
            self._patterns.append((pattern.startswith("/"), [_component(part) for part in parts]))

    def matches(self, path: str) -> bool:
        """Whether an absolute path is left out, with all below it."""
        names = path.strip("/").split("/")
        for anchored, parts in self._patterns:
            last = len(names) - len(parts)
            for offset in range(0 if anchored else last, -1, -1) if last >= 0 else ():
                if all(part.fullmatch(name) for part, name in zip(parts, names[offset:offset + len(parts)], strict=True)):
                    return True
        return False


@lru_cache(maxsize=4096)
def _component(pattern: str) -> re.Pattern[str]:
    """Go's filepath.Match for one name."""
    written, place = "", 0
    while place < len(pattern):
        character = pattern[place]
        place += 1
        if character == "*":
            written += ".*"
        elif character == "?":
            written += "."
        elif character == "\\" and place < len(pattern):
            written += re.escape(pattern[place])
            place += 1
        elif character == "[":
            end = pattern.find("]", place + 1)
            if end < 0:
                raise InvalidOption(f"exclude: {pattern!r} has a [ that is not closed", hint="Write \\[ for the character itself")
            inside = re.sub(r"([\[\]&~|])", r"\\\1", pattern[place:end])
            written += f"[{inside}]"
            place = end + 1
        else:
            written += re.escape(character)
    try:
        return re.compile(written, re.DOTALL)
    except re.error as error:
        raise InvalidOption(f"exclude: {pattern!r} is no pattern: {error}", hint="Write [a-z] with its ends in order") from error


def walk(paths: Iterable[str], left_out: Callable[[str], bool]) -> Iterator[Entry]:
    """Every name below the paths, they themselves first; links are not followed; what vanishes meanwhile is not told.

    Sockets are left out: no engine keeps them.
    """
    pending = [path for path in reversed(list(paths)) if not left_out(path)]
    while pending:
        path = pending.pop()
        entry = look(path)
        if entry is None or entry.kind == "socket":
            continue
        yield entry
        if entry.kind == "folder":
            try:
                below = sorted(os.listdir(path), reverse=True)
            except OSError:  # the engine fails over it, and says so
                continue
            pending += [one for name in below if not left_out(one := f"{path.rstrip('/')}/{name}")]


def look(path: str) -> Entry | None:
    """One name as it is now, without its digest; None where there is none."""
    try:
        seen = os.lstat(path)
        kind = _KINDS.get(stat.S_IFMT(seen.st_mode), "other")
        link = os.readlink(path) if kind == "link" else ""
        return Entry(path, kind, stat.S_IMODE(seen.st_mode), seen.st_uid, seen.st_gid, seen.st_size if kind == "file" else 0,
                     seen.st_mtime_ns, seen.st_ctime_ns, seen.st_ino, link, _attributes(path))
    except OSError:
        return None


def _attributes(path: str) -> str:
    try:
        names = os.listxattr(path, follow_symlinks=False)
        if not names:
            return ""
        hashed = hashlib.sha256()
        for name in sorted(names):
            if name.startswith(("user.", "system.posix_acl_")):  # others belong to this host's policy
                hashed.update(os.fsencode(name) + b"\0" + os.getxattr(path, name, follow_symlinks=False) + b"\0")
        return hashed.hexdigest()[:16] if hashed.digest() != hashlib.sha256().digest() else ""
    except OSError:
        return ""


def digest(path: str, deadline: Deadline) -> str:
    """SHA-256 of a file's bytes; empty where it cannot be read, or is no file any more.

    :raises TimedOut: when the deadline passes
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return ""
    hashed = hashlib.sha256()
    with os.fdopen(descriptor, "rb", buffering=0) as stream:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            return ""
        try:
            while block := stream.read(_BLOCK):
                hashed.update(block)
                deadline.require(f"hashing {path}")
        except OSError:
            return ""
    return hashed.hexdigest()


class Listing:
    """Takes a listing in threads of its own while an engine works; ``known`` are digests of an earlier one, by path.

    ``mode`` is ``full``, or ``sampled``: all names, and the bytes of one file in sixteen.
    """

    def __init__(self, paths: Sequence[str], left_out: Callable[[str], bool], known: Mapping[str, Entry], *, mode: str, jobs: int,
                 deadline: Deadline) -> None:
        self._known, self._mode, self._deadline = known, mode, deadline
        self._pool = ThreadPoolExecutor(max(1, jobs))
        self._running: Future[list[tuple[Entry, Future[str] | None]]] = self._pool.submit(self._take, list(paths), left_out)

    def _take(self, paths: list[str], left_out: Callable[[str], bool]) -> list[tuple[Entry, Future[str] | None]]:
        taken: list[tuple[Entry, Future[str] | None]] = []
        for entry in walk(paths, left_out):
            before = self._known.get(entry.path)
            if entry.kind != "file" or (self._mode == "sampled" and not _sampled(entry.path)):
                taken.append((entry, None))
            elif before is not None and before.sha256 and not before.moving and before.state == entry.state:
                taken.append((replace(entry, sha256=before.sha256), None))
            else:
                taken.append((entry, self._pool.submit(digest, entry.path, self._deadline)))
        return taken

    def finish(self) -> list[Entry]:
        """The listing, to be called when the engine has ended: what is not now as it was at first is marked.

        :raises TimedOut: when the deadline passes
        """
        try:
            found = []
            for entry, hashing in self._running.result():
                whole = replace(entry, sha256=hashing.result()) if hashing else entry
                now = look(entry.path)
                found.append(whole if now is not None and now.state == entry.state else replace(whole, moving=True))
            return found
        finally:
            self.stop()

    def stop(self) -> None:
        """End the threads; what is not begun is not begun any more."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _sampled(path: str) -> bool:
    return zlib.crc32(os.fsencode(path)) % _SAMPLE == 0


def written(entries: Iterable[Entry]) -> Iterator[bytes]:
    """The lines of a listing."""
    for entry in entries:
        yield json.dumps(asdict(entry)).encode() + b"\n"


def read(lines: Iterable[bytes]) -> dict[str, Entry]:
    """The inverse of `written`, by path.

    :raises Damaged: for anything else
    """
    found: dict[str, Entry] = {}
    for line in lines:
        try:
            data: dict[str, Any] = json.loads(line)
            found[data["path"]] = Entry(**data)
        except (ValueError, TypeError, KeyError) as error:
            raise Damaged(f"The list of the files cannot be read: {error!r}", hint="Use another backup; this one was altered") from error
    return found


def compare(expected: Mapping[str, Entry], actual: Mapping[str, Entry], *, owners: bool, whole: bool) -> list[tuple[str, str, str]]:
    """``(verdict, path, message)`` for each name that is not the same; the verdicts are those of `recovery.differences`.

    What was moving while it was backed up is a ``notice`` whatever came of it. A name that was not listed is ``different``
    where the listing is ``whole`` (nothing moved), else a notice. ``owners`` are compared where root restored them.
    """
    found = []
    for path, was in expected.items():
        now = actual.get(path)
        if was.moving:
            if now is None or (was.sha256 and now.sha256 != was.sha256):
                found.append(("notice", path, f"{path} changed while it was backed up"))
            continue
        said = "is missing" if now is None else _difference(was, now, owners=owners)
        if said:
            found.append(("different", path, f"{path} {said}"))
    for path in actual.keys() - expected.keys():
        found.append(("different" if whole else "notice", path, f"{path} was not there when the backup began"))
    return found


def _difference(was: Entry, now: Entry, *, owners: bool) -> str:
    if now.kind != was.kind:
        return f"is a {now.kind}, was a {was.kind}"
    if now.size != was.size:
        return f"has {now.size} bytes, had {was.size}"
    if was.sha256 and now.sha256 != was.sha256:
        return "has as many bytes, but not the same"
    if now.link != was.link:
        return f"points at {now.link!r}, pointed at {was.link!r}"
    if was.kind != "link" and now.mode != was.mode:
        return f"has mode {now.mode:04o}, had {was.mode:04o}"
    if owners and (now.uid, now.gid) != (was.uid, was.gid):
        return f"belongs to {now.uid}:{now.gid}, belonged to {was.uid}:{was.gid}"
    if was.kind in ("file", "folder") and now.mtime != was.mtime:
        return "has another time of change"
    if now.attributes != was.attributes:
        return "has other extended attributes"
    return ""
