# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine ``configuration``: an archive and a commit whenever the content changed, and never otherwise."""

from __future__ import annotations

import difflib
import json
import os
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

from ..core.clock import Clock
from ..core.errors import Damaged, InvalidOption, Refused
from ..core.files import storage_errors
from ..core.finding import Finding, Status
from .archive_engine import ArchivePolicy, Archiver, checked_paths
from .content import Change, Content, changes, plain, read_content
from .engine import Product, Source
from .listing import Exclusion
from .payload import Codecs, create, pour, store
from .repository import Backup

# The history's own file: every item with its type, mode, owner and digest, which git does not keep.
CONTENT = "CONTENT.jsonl"
_NAMED = 200
_SHOWN_FILES, _SHOWN_BYTES = 50, 65536


class Keeper(Protocol):
    """`adapters.git.History`."""

    folder: Path

    def head(self) -> Any:
        """The newest commit."""

    def read(self, commit: str, path: str) -> bytes | None:
        """A file of a commit."""

    def commit(self, blobs: Iterator[Any], message: str, *, at: Any, author: str, parent: Any) -> str:
        """A new commit."""


@dataclass(frozen=True)
class KeepingPolicy:
    """``secrets`` are patterns of names (see `listing.Exclusion`); ``archive_secrets`` takes them into the archive, which has to
    be encrypted then; ``largest`` bytes of a file that the history takes.
    """

    secrets: tuple[str, ...]
    archive_secrets: bool = False
    largest: int = 2**20


class ConfigurationEngine:
    """See `engine.Engine`. ``make_blob`` is `adapters.git.Blob`, ``host`` the name that commits bear."""

    name = "configuration"

    def __init__(self, archiver: Archiver, policy: ArchivePolicy, keeping: KeepingPolicy, history: Keeper, clock: Clock, *,
                 repository: str, host: str, make_blob: Callable[[str, str, bytes], Any]) -> None:
        self._archiver, self._policy, self._keeping, self._history, self._clock = archiver, policy, keeping, history, clock
        self._without, self._host, self._make_blob = [repository, os.path.realpath(history.folder)], host, make_blob
        self._secret_paths = Exclusion([one for one in keeping.secrets if one.startswith("/")])
        self._secret_names = Exclusion([one for one in keeping.secrets if not one.startswith("/")])

    def inspect(self) -> Source:
        """Read everything, and see whether it is what the newest backup holds; ``diff`` is against the history.

        :raises NotFound, InvalidOption: as `archive_engine.checked_paths`
        """
        checked_paths(self._policy.paths, self._without)
        live, _left_out = self._look()
        head = self._history.head()
        before = self._recorded(head)
        told = changes(before, self._public(live)) if head else []
        diff = {"prepared": self._shown(told, head, before)} if told else None
        return Source(self._description(), live.bytes + 1024 * len(live.items), stages_coding=True, stages_encryption=True,
                      content=live.digest, diff=diff)

    def produce(self, data: Path, staging: Path, codecs: Codecs, *, encrypt: bool) -> Product:
        """The archive is staged, so that it and the commit are of the very same bytes."""
        if self._keeping.archive_secrets and not encrypt:
            raise Refused("The archive would hold secrets in clear", hint="Give recipients, or set configuration.secrets to leave_out")
        data_at, began = self._clock.now(), self._clock.monotonic()
        tar = staging / "archive.tar"
        content, members, left_out = self._stage(tar)
        commit, told = self._commit(tar, content)
        with storage_errors(tar), tar.open("rb") as stream:
            stored = store(stream, data, "archive.tar", codecs, compress=self._policy.compress, encrypt=encrypt)
        return Product(
            files=(stored,), data_at=data_at, source_bytes=stored.plain_bytes,
            source={**self._description(), "members": members, "content": content.digest, "history": str(self._history.folder),
                    "commit": commit, "changed": [f"{one.letter} {shown(one.path)}" for one in told[:_NAMED]],
                    "left_out": [shown(path) for path in left_out[:_NAMED]]},
            compression="zstd" if self._policy.compress else "none", tools={"tar": self._archiver.version},
            fingerprint={"format": 1, "mode": "full", "names": len(content.items)},
            timings={"archive": round(self._clock.monotonic() - began, 3)}, findings=self._judge(told, left_out, commit))

    def _look(self) -> tuple[Content, list[str]]:
        """What is there without the repositories, and the secrets that are left out."""
        content, _archived = self._archive(read_content, ())
        return self._sifted(content)

    def _sifted(self, content: Content) -> tuple[Content, list[str]]:
        if self._keeping.archive_secrets:
            return content, []
        kept = self._public(content)
        return kept, sorted(content.items.keys() - kept.items.keys())

    def _stage(self, tar: Path) -> tuple[Content, int, list[str]]:
        """Archive until no secret is in it: one may appear between the look and the reading."""
        left_out: list[str] = []
        _content, found = self._look()
        for _attempt in range(3):
            left_out = sorted({*left_out, *found})
            tar.unlink(missing_ok=True)
            with create(tar) as staged:
                content, archived = self._archive(lambda stream: read_content(_Tee(stream, staged)), left_out)
            _kept, found = self._sifted(content)
            if not found:
                return content, archived.members, left_out
        raise Refused(f"Secrets keep appearing while they are looked for: {shown(found[0])}", hint="Exclude the folder that they come to")

    def _archive(self, consume: Callable[[IO[bytes]], Any], left_out: Sequence[str]) -> tuple[Any, Any]:
        return self._archiver.create(self._policy.paths, self._policy.exclude, consume,
                                     without=[*self._without, *(f"/{path}" for path in left_out)], timeout=self._policy.timeout)

    def _commit(self, tar: Path, content: Content) -> tuple[str, list[Change]]:
        public = self._public(content)
        head = self._history.head()
        before = self._recorded(head)
        told = changes(before, public)
        if head is not None and not told:
            return head.id, told
        message = self._message(told, public)
        return self._history.commit(self._blobs(tar, public), message, at=self._clock.now(), author=f"evenkeel@{self._host}",
                                    parent=head), told

    def _public(self, content: Content) -> Content:
        """What the history may know: never a secret, not even its digest."""
        return content.without(lambda path: path[1:] in content.secrets or self._secret(path))

    def _secret(self, path: str) -> bool:
        """By its name, or that of a folder above it, as far as that is below the plan's own path."""
        for root in self._policy.paths:
            if path == root:
                return not os.path.isdir(root) and self._secret_names.matches(f"/{os.path.basename(root)}")
            if path.startswith(f"{root.rstrip('/')}/"):
                return self._secret_names.matches(path[len(root.rstrip("/")):]) or self._secret_paths.matches(path)
        return False

    def _recorded(self, head: Any) -> Content:
        if head is None:
            return Content({})
        lines = self._history.read(head.id, CONTENT)
        if lines is None:
            raise Damaged(f"The history {self._history.folder} has commits of somebody else", hint="Name a folder of its own")
        return Content.from_lines(lines.splitlines())

    def _blobs(self, tar: Path, public: Content) -> Iterator[Any]:
        yield self._make_blob(CONTENT, "file", b"".join(public.lines()))
        with tarfile.open(tar, "r:", errors="surrogateescape") as archive:
            for member in archive:
                path = plain(member.name)
                item = public.items.get(path)
                if item is None or not fit_for_history(path):
                    continue
                if item.kind == "link":
                    yield self._make_blob(path, "link", os.fsencode(item.target))
                elif item.kind == "file" and item.size <= self._keeping.largest:
                    opened = archive.extractfile(member)
                    yield self._make_blob(path, "program" if item.mode & 0o100 else "file", opened.read() if opened else b"")

    def _message(self, told: Sequence[Change], public: Content) -> str:
        lines = [f"{one.letter} {shown(one.path)}" for one in told[:_NAMED]]
        if len(told) > _NAMED:
            lines.append(f"and {len(told) - _NAMED} more")
        return f"{summary(told)} on {self._host}\n\n" + "\n".join(lines) + f"\n\nContent: {public.digest}\n"

    def _shown(self, told: Sequence[Change], head: Any, before: Content) -> str:
        """A unified diff of what changed, as the files are now."""
        parts = [f"{summary(told)}\n"]
        for one in told[:_SHOWN_FILES]:
            was = self._history.read(head.id, one.path) if one.path in before.items and fit_for_history(one.path) else b""
            now = _now(f"/{one.path}")
            if was is None or now is None or b"\0" in was or b"\0" in now or len(was) + len(now) > _SHOWN_BYTES or was == now:
                parts.append(f"{one.letter} {shown(one.path)}\n")
                continue
            parts += [line if line.endswith("\n") else f"{line}\n" for line in difflib.unified_diff(
                _texts(was), _texts(now), f"a/{shown(one.path)}", f"b/{shown(one.path)}")]
        return "".join(parts)

    def _description(self) -> dict[str, Any]:
        return {"paths": list(self._policy.paths), "exclude": list(self._policy.exclude)}

    def _judge(self, told: Sequence[Change], left_out: Sequence[str], commit: str) -> tuple[Finding, ...]:
        subject = ", ".join(self._policy.paths)
        findings = [Finding("backup.history", subject, Status.PASS, f"{summary(told)}; commit {commit[:12]}", len(told), unit="changes")]
        if left_out:
            named = ", ".join(shown(path) for path in left_out[:5])
            findings.append(Finding("backup.secrets", subject, Status.PASS, f"{len(left_out)} were left out as secrets: {named}",
                                    len(left_out), unit="files"))
        return tuple(findings)


class ConfigurationReader:
    """See `engine.Reader`."""

    def __init__(self, archiver: Archiver, *, timeout: float) -> None:
        self._archiver, self._timeout = archiver, timeout

    def read_in_full(self, backup: Backup, codecs: Codecs, scratch: Path) -> None:
        """See `engine.Reader`; members and content must be those of the manifest."""
        tar = scratch / "archive.tar"
        with create(tar) as staged:
            pour(backup, staged, codecs)
        try:
            with storage_errors(tar), tar.open("rb") as stream:
                content = read_content(stream)
            members = self._archiver.count(lambda out: _copy(tar, out), timeout=self._timeout)
        finally:
            tar.unlink()
        source: Mapping[str, Any] = backup.manifest.source
        if members != source.get("members"):
            raise Damaged(f"tar finds {members} members where {source.get('members')} were archived", hint="Restore from another backup")
        if content.digest != source.get("content"):
            raise Damaged("The content is not the one that was recorded", hint="Restore from another backup")


def checked_history(path: str | None) -> str:
    """The folder of the history.

    :raises InvalidOption: without one
    """
    if not path or not os.path.isabs(path):
        raise InvalidOption("configuration: there is no history", hint="Name a folder, such as /var/lib/evenkeel/configuration.git, in "
                            "configuration.history")
    return path


def fit_for_history(path: str) -> bool:
    """Whether git can hold a path: it refuses names that would be its own when checked out (git's verify_path)."""
    names = path.split("/")
    return path != CONTENT and not any(name.lower().rstrip(". ") in (".git", "git~1") or name in ("", ".", "..") for name in names)


def summary(told: Sequence[Change]) -> str:
    """``2 changed, 1 added``."""
    words = {"M": "changed", "T": "with another type, mode or owner", "A": "added", "D": "removed"}
    counts = {letter: sum(one.letter == letter for one in told) for letter in words}
    return ", ".join(f"{count} {words[letter]}" for letter, count in counts.items() if count) or "nothing changed"


def shown(path: str) -> str:
    """A path in one line, whatever is in its name."""
    return json.dumps(path, ensure_ascii=True)[1:-1]


def _texts(content: bytes) -> list[str]:
    return content.decode("utf-8", "backslashreplace").splitlines(keepends=True)


def _now(path: str) -> bytes | None:
    """A file or link as it is, empty where it is gone or no file; None where it is too large to show."""
    try:
        if os.path.islink(path):
            return os.fsencode(os.readlink(path))
        if not os.path.isfile(path):
            return b""
        if os.path.getsize(path) > _SHOWN_BYTES:
            return None
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as stream:
            return stream.read(_SHOWN_BYTES + 1)
    except OSError:
        return None


def _copy(path: Path, out: IO[bytes]) -> None:
    with path.open("rb") as stream:
        while block := stream.read(1024 * 1024):
            out.write(block)


class _Tee:
    """A stream that leaves a copy of what is read."""

    def __init__(self, stream: IO[bytes], copy: IO[bytes]) -> None:
        self._stream, self._copy = stream, copy

    def read(self, size: int = -1) -> bytes:
        """As the stream's own."""
        block = self._stream.read(size)
        self._copy.write(block)
        return block
