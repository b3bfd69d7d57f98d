# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine ``restic``: snapshots in a repository of restic's own, and beside them our own list of what was backed up."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ..core.clock import Clock
from ..core.errors import CommandFailed, Damaged, InvalidOption, NotFound, OpsError, Refused
from ..core.finding import Finding, Status
from ..core.waiting import Deadline
from .archive_engine import checked_paths
from .engine import Product, Source
from .listing import Entry, Exclusion, Listing, read, written
from .payload import Codecs, checksum, load, store
from .repository import Backup
from .streams import Collected, Produced

LIST = "files.jsonl"
_OTHER = "Restore from another backup; see what became of the repository"


class Snapshots(Protocol):
    """`adapters.restic.Restic`."""

    version: str
    target: Any

    def initialize(self, *, timeout: float) -> None:
        """Make the repository."""

    def backup(self, paths: Sequence[str], exclude: Sequence[str], tags: Sequence[str], *, timeout: float) -> Any:
        """Make a snapshot."""

    def snapshots(self, tag: str, *, timeout: float) -> list[dict[str, Any]]:
        """Those with a tag."""

    def names(self, id: str, *, timeout: float) -> Iterator[dict[str, Any]]:
        """What a snapshot holds."""

    def check(self, part: int, of: int, *, timeout: float) -> None:
        """Read a part of the repository."""

    def restore(self, id: str, target: str, *, timeout: float) -> None:
        """Restore a snapshot."""

    def forget(self, id: str, *, timeout: float) -> None:
        """Delete a snapshot."""


@dataclass(frozen=True)
class ResticPolicy:
    """What is backed up. ``list`` is how its files are listed: ``full``, ``sampled`` or ``off`` (see `listing.Listing`)."""

    paths: tuple[str, ...]
    exclude: tuple[str, ...] = ()
    list: str = "full"
    initialize: bool = False
    tags: tuple[str, ...] = ()
    jobs: int = 2
    timeout: float = 4 * 3600


class ResticEngine:
    """See `engine.Engine`. ``earlier`` gives the backups that the plan has, oldest first; ``without`` are folders that are left
    out: both repositories, where they lie below a path.
    """

    name = "restic"

    def __init__(self, restic: Snapshots, policy: ResticPolicy, clock: Clock, earlier: Callable[[], Sequence[Backup]],
                 without: Sequence[str]) -> None:
        self._restic, self._policy, self._clock, self._earlier = restic, policy, clock, earlier
        self._without = tuple(without)
        self._exclusion = Exclusion(policy.exclude)

    def inspect(self) -> Source:
        """Every path must be there; restic itself is not asked, since each of its runs takes a second of key derivation.

        :raises NotFound, InvalidOption: as `archive_engine.checked_paths`
        """
        checked_paths(self._policy.paths, self._without)
        for path in self._policy.paths:
            if self._exclusion.matches(path):
                raise InvalidOption(f"exclude: a pattern leaves out {path} itself", hint="Write the pattern as a path from the root")
        return Source(self._description(), 0)

    def produce(self, data: Path, staging: Path, codecs: Codecs, *, encrypt: bool) -> Product:
        """A snapshot, and beside it the list; what restic could not read makes the backup fail, and is forgotten again."""
        policy, data_at, began = self._policy, self._clock.now(), self._clock.monotonic()
        deadline = Deadline(self._clock, policy.timeout)
        line = [backup for backup in self._earlier() if backup.engine == self.name and backup.manifest.native
                and backup.manifest.native["repository"] == self._restic.target.repository]
        copy = secrets.token_hex(8)
        listing = None if policy.list == "off" else Listing(
            policy.paths, self._left_out, _known(line, codecs), mode=policy.list, jobs=policy.jobs, deadline=deadline)
        try:
            snapshot = self._backup(f"copy={copy}", made_before=bool(line))
            entries = listing.finish() if listing else []
        finally:
            if listing:
                listing.stop()
        if snapshot.unread:
            with suppress(OpsError):
                self._restic.forget(snapshot.id, timeout=max(1.0, deadline.left))
            raise CommandFailed(
                f"restic could not read {len(snapshot.unread)} files: {', '.join(snapshot.unread[:5])}",
                hint="Run it as a user who may read them, or exclude them; the incomplete snapshot was forgotten",
                evidence={"unread": list(snapshot.unread[:200])})
        moving = sorted({*snapshot.vanished, *(entry.path for entry in entries if entry.moving and entry.kind != "folder")})
        files, fingerprint = (), None
        if listing:
            stream = Produced(written(entries))
            files = (store(stream, data, LIST, codecs, compress=True, encrypt=encrypt),)
            fingerprint = {"format": 1, "mode": policy.list, "names": len(entries), "sha256": stream.sha256,
                           "files": sum(entry.kind == "file" for entry in entries), "moving": len(moving)}
        return Product(
            files=files, data_at=data_at, source_bytes=snapshot.bytes, compression="restic", fingerprint=fingerprint,
            source={**self._description(), "files": snapshot.files, "remarks": moving[:200]},
            native={**self._restic.target.remembered, "name": snapshot.id, "copy": copy, "bytes": snapshot.added,
                    "ordinal": max((int(one.manifest.native.get("ordinal", 0)) for one in line if one.manifest.native), default=0) + 1},
            encryption={"method": "restic", "recipients": list(codecs.cipher.recipients) if encrypt else []},
            tools={"restic": self._restic.version}, findings=self._judge(moving),
            timings={"snapshot": round(self._clock.monotonic() - began, 3)})

    def _backup(self, tag: str, *, made_before: bool) -> Any:
        policy = self._policy
        exclude = [*policy.exclude, *(_literal(path) for path in self._without)]
        tags = ["evenkeel", tag, *policy.tags]
        try:
            return self._restic.backup(policy.paths, exclude, tags, timeout=policy.timeout)
        except NotFound as missing:
            if not policy.initialize:
                raise
            if made_before:
                raise Refused(f"{missing.message}, and the plan has backups in it",
                              hint="It is not made anew: mount what holds it, or give this plan another name") from missing
        self._restic.initialize(timeout=policy.timeout)
        return self._restic.backup(policy.paths, exclude, tags, timeout=policy.timeout)

    def _left_out(self, path: str) -> bool:
        return path in self._without or self._exclusion.matches(path)

    def _description(self) -> dict[str, Any]:
        return {"paths": list(self._policy.paths), "exclude": list(self._policy.exclude)}

    def _judge(self, moving: Sequence[str]) -> tuple[Finding, ...]:
        if not moving:
            return ()
        return (Finding(
            "backup.complete", ", ".join(self._policy.paths), Status.WARN,
            f"{len(moving)} files changed or vanished while they were read: {'; '.join(moving[:5])}", len(moving), 0, "files",
            hint="Their copies may be torn: stop the writer meanwhile, back up a snapshot, or exclude them"),)


class ResticReader:
    """See `engine.Reader`. ``open_restic`` gives the repository of a backup; ``parts`` is how many make the whole."""

    def __init__(self, open_restic: Callable[[Backup], Snapshots], *, parts: int, timeout: float) -> None:
        if parts < 1:
            raise InvalidOption(f"restic.verify_parts: {parts} is no number of parts", hint="Give 1 or more; 1 reads everything")
        self._open, self._parts, self._timeout = open_restic, parts, timeout

    def read_in_full(self, backup: Backup, codecs: Codecs, scratch: Path) -> str | None:
        """The list's bytes; the snapshot's names against the list; the repository's structure, and the next part of its data.

        The part follows from the number of the copy and of its verifications, so that every part has its turn.
        """
        for file in backup.manifest.files:
            checksum(backup, file)
        restic = self._open(backup)
        id = resolve(restic, backup, timeout=self._timeout)
        expected = entries_of(backup, codecs) if not backup.manifest.files or readable(backup, codecs) else None
        if expected:
            self._compare_names(expected, restic, id)
        native: Mapping[str, Any] = backup.manifest.native or {}
        part = (int(native.get("ordinal", 0)) + sum(one["kind"] == "verify" for one in backup.verifications)) % self._parts + 1
        restic.check(part, self._parts, timeout=self._timeout)
        if self._parts == 1:
            return None
        return f"part {part} of {self._parts} of the repository" + (f", {len(expected)} names" if expected else "")

    def _compare_names(self, expected: Mapping[str, Entry], restic: Snapshots, id: str) -> None:
        held: dict[str, set[int]] = {}
        for one in restic.names(id, timeout=self._timeout):
            held.setdefault(one["path"], set()).add(one.get("size", 0))
        for path, entry in expected.items():
            if entry.moving:
                continue
            there = held.get(_shown(path))
            if there is None:
                raise Damaged(f"{path} is not in the snapshot {id}", hint=_OTHER)
            if entry.kind == "file" and entry.size not in there:
                raise Damaged(f"{path} has {max(there)} bytes in the snapshot, had {entry.size}", hint=_OTHER)


def resolve(restic: Snapshots, backup: Backup, *, timeout: float) -> str:
    """The full id of a backup's snapshot.

    :raises Damaged: where the repository has it no more
    """
    native: Mapping[str, Any] = backup.manifest.native or {}
    found = [one["id"] for one in restic.snapshots(f"copy={native['copy']}", timeout=timeout)]
    if len(found) != 1:
        raise Damaged(f"The repository {native['repository']} does not have the snapshot {native['name']}",
                      hint="Somebody ran restic forget on it, or the repository is another one: use another backup")
    return found[0]


def erase(restic: Snapshots, backup: Backup, *, timeout: float) -> None:
    """Forget a backup's snapshot and the data that no other needs; one that is gone is no error."""
    native: Mapping[str, Any] = backup.manifest.native or {}
    for one in restic.snapshots(f"copy={native['copy']}", timeout=timeout):
        restic.forget(one["id"], timeout=timeout)


def readable(backup: Backup, codecs: Codecs) -> bool:
    """Whether the list can be read: it is not encrypted, or there is a key."""
    return codecs.cipher.can_decrypt or not any("age" in file.coding for file in backup.manifest.files)


def entries_of(backup: Backup, codecs: Codecs) -> dict[str, Entry]:
    """The list that was made with a backup; empty where none was.

    :raises Damaged, AccessDenied, StorageFailed: as `payload.load`
    """
    if not backup.manifest.files:
        return {}
    collected = Collected()
    load(backup, backup.manifest.files[0], collected, codecs)
    return read(bytes(collected.content).splitlines())


def _known(line: Sequence[Backup], codecs: Codecs) -> dict[str, Entry]:
    """The newest list that can be read here: a file that is as it was then needs not be hashed again."""
    for backup in reversed(line):
        if backup.usable and backup.manifest.files and not any("age" in file.coding for file in backup.manifest.files):
            with suppress(OpsError):  # then all is hashed
                return entries_of(backup, codecs)
            break
    return {}


def _literal(path: str) -> str:
    return "".join(f"\\{character}" if character in "*?[\\" else character for character in path)


def _shown(path: str) -> str:
    """As restic's JSON tells a path: each byte that is no UTF-8 comes as U+FFFD."""
    return re.sub("[\udc80-\udcff]", "\ufffd", path)
