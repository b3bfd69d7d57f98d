# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine ``pg_basebackup``: a whole cluster as tar files, full or incremental, with the log that makes it consistent.

The server compresses with zstd where its build can; those files are stored as they come, and hashed while they grow. The
backup_manifest is stored like the others: the next incremental copy rests on it, and pg_verifybackup reads by it.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from threading import Event, Thread
from typing import IO, Any, Protocol

from ..core import progress
from ..core.clock import Clock, format_instant
from ..core.errors import Damaged, InvalidOption, NotFound
from ..core.files import private_folder, storage_errors
from ..core.finding import Finding, Status
from .engine import Product, Source
from .manifest import StoredFile
from .payload import Codecs, HashingReader, for_each, load, store
from .pgbackrest_engine import PhysicalSession, cluster_bytes, describe_cluster
from .repository import Backup, Repository
from .server_progress import CopyProgress

MANIFEST = "backup_manifest"
WAL = "pg_wal.tar"  # which the server never compresses
INCREMENTAL_SINCE = 17
_GROWING = re.compile(r"(?:base|\d+)\.tar(?:\.zst)?", re.ASCII)
_TAR = re.compile(r"(base|pg_wal|\d+)\.tar(\.zst)?", re.ASCII)
_BLOCK = 1024 * 1024


class Client(Protocol):
    """`adapters.pg_basebackup.BaseBackupClient`."""

    major: int
    version: str

    def copy(self, folder: Path, **options: Any) -> bool:
        """Copy the cluster; False where the server has no zstd."""

    def verify(self, data: Path, *, timeout: float) -> None:
        """pg_verifybackup."""


class Archiver(Protocol):
    """`adapters.pg_basebackup.ClusterTar`."""

    def unpack(self, feed: Callable[[IO[bytes]], None], target: Path, *, timeout: float) -> None:
        """Unpack what ``feed`` writes."""


@dataclass(frozen=True)
class BaseBackupPolicy:
    """``kind`` ``full`` or ``incr``; a full one all the same where there is none or it is ``full_every`` seconds old."""

    kind: str = "full"
    full_every: float | None = None
    level: int = 3
    jobs: int = 2
    timeout: float = 4 * 3600

    def __post_init__(self) -> None:
        if not -7 <= self.level <= 22:
            raise InvalidOption(f"pg_basebackup.level: {self.level} is no level of zstd", hint="Give -7 to 22")


@dataclass(frozen=True)
class Cluster:
    """Where the server is: sessions on it, the environment for its programs, what it is called."""

    open_session: Callable[[], PhysicalSession]
    environment: Callable[[], AbstractContextManager[Mapping[str, str]]]
    place: Mapping[str, Any]


class BaseBackupEngine:
    """See `engine.Engine`. ``known`` gives the backups of the plan, to rest on."""

    name = "pg_basebackup"

    def __init__(self, cluster: Cluster, client_for: Callable[[int], Client], policy: BaseBackupPolicy, clock: Clock,
                 known: Callable[[], Sequence[Backup]]) -> None:
        self._cluster, self._client_for, self._policy, self._clock, self._known = cluster, client_for, policy, clock, known

    def inspect(self) -> Source:
        """Version and size of the cluster, whether a fitting client is here, and whether it can be copied incrementally."""
        session = self._cluster.open_session()
        try:
            client = self._client_for(session.server_version // 10000)
            size = cluster_bytes(session)
            source = {**self._cluster.place, **describe_cluster(session)}
            if self._policy.kind == "incr":
                _check_incremental(session, client)
            findings = () if source["checksums"] else (Finding(
                "backup.source", str(source.get("host") or "local"), Status.WARN,
                "the cluster has no data checksums: damage of its pages would be copied without a word",
                hint="Switch them on at the next maintenance (pg_checksums --enable, the server being stopped)"),)
            return Source(source, size, stages_encryption=True, findings=findings)
        finally:
            session.close()

    def produce(self, data: Path, staging: Path, codecs: Codecs, *, encrypt: bool) -> Product:
        """Copy; hash what the server compressed while it grows, or compress and encrypt it afterwards."""
        session = self._cluster.open_session()
        try:
            source = {**self._cluster.place, **describe_cluster(session)}
            client = self._client_for(session.server_version // 10000)
            size = cluster_bytes(session)
        finally:
            session.close()
        by_server = source["server_version"] >= 150000 and client.major >= 15
        parent = parent_for([one for one in self._known() if one.engine == self.name], source, self._policy, self._clock.now())
        data_at, began = self._clock.now(), self._clock.monotonic()
        with self._cluster.environment() as environment:
            folder, by_server, parent, seen = self._copy(client, environment, data, staging, codecs, parent, by_server, encrypt)
        copied = self._clock.monotonic()
        facts = _read_manifest(folder / MANIFEST)
        files = self._seal(folder, data, codecs, seen, compress=not by_server, encrypt=encrypt)
        return Product(
            files=files, data_at=data_at, source_bytes=size, parent=parent.id if parent else None,
            source={**source, "complete_at": format_instant(self._clock.now()), **facts, "type": "incr" if parent else "full"},
            compression="zstd", tools={"pg_basebackup": client.version},
            timings={"copy": round(copied - began, 3), "seal": round(self._clock.monotonic() - copied, 3)})

    def _copy(self, client: Client, environment: Mapping[str, str], data: Path, staging: Path, codecs: Codecs, parent: Backup | None,
              by_server: bool, encrypt: bool) -> tuple[Path, bool, Backup | None, Mapping[str, StoredFile]]:
        """The folder with the tar files, whether the server compressed them, what they rest on, and those that are hashed."""
        manifest = None
        if parent is not None:
            manifest = staging / "parent"
            with storage_errors(manifest), manifest.open("wb") as stream:
                load(parent, stored(parent, MANIFEST), stream, codecs)
        direct = by_server and not encrypt
        folder = private_folder(data) if direct else staging / "copy"
        try:
            with ExitStack() as stack:
                follower = stack.enter_context(_Follower(folder)) if direct else None
                far = stack.enter_context(closing(CopyProgress(self._cluster.open_session)))
                done = client.copy(folder, environment=environment, level=self._policy.level if by_server else None,
                                   workers=self._policy.jobs, parent=manifest, timeout=self._policy.timeout, sync=direct,
                                   watch=far.look if progress.watched() else None)
                seen = follower.finish() if follower and done else {}
        except NotFound:
            if parent is None:
                raise
            return self._copy(client, environment, data, staging, codecs, None, by_server, encrypt)
        if not done:
            return self._copy(client, environment, data, staging, codecs, parent, False, encrypt)
        return folder, by_server, parent, seen

    def _seal(self, folder: Path, data: Path, codecs: Codecs, seen: Mapping[str, StoredFile], *, compress: bool,
              encrypt: bool) -> tuple[StoredFile, ...]:
        def seal(file: StoredFile) -> StoredFile:
            path = folder / file.path
            with storage_errors(path), path.open("rb") as stream:
                if folder == data and path.name != WAL:
                    os.fchmod(stream.fileno(), 0o600)
                    reader = HashingReader(stream, path)
                    reader.drain()
                    return StoredFile(path.name, reader.bytes, reader.sha256, reader.bytes)
                # The list of files and their checksums stays in clear: the next incremental copy rests on it, made by a host that
                # cannot decrypt.
                sealed = store(stream, data, path.name, codecs, compress=compress or not path.name.endswith(".zst"),
                               encrypt=encrypt and path.name != MANIFEST)
                path.unlink()
                return sealed

        with storage_errors(folder):
            found = {entry.name: entry.stat().st_size for entry in os.scandir(folder)}
        done = {name: file for name, file in seen.items() if found.get(name) == file.bytes}
        for name in done:
            (folder / name).chmod(0o600)
        left = tuple(StoredFile(name, size, "", 0) for name, size in found.items() if name not in done)
        return tuple(sorted([*done.values(), *for_each(left, seal, jobs=self._policy.jobs)], key=lambda file: file.path))


def _check_incremental(session: PhysicalSession, client: Client) -> None:
    server = session.server_version // 10000
    if min(server, client.major) < INCREMENTAL_SINCE:
        raise InvalidOption(f"pg_basebackup.type: incr takes server and client of {INCREMENTAL_SINCE} or newer; "
                            f"the server is {server}, the client {client.major}", hint="Use full, or the engine pgbackrest")
    if session.value("SELECT current_setting('summarize_wal')") != "on":
        raise InvalidOption("pg_basebackup.type: incr takes summarize_wal = on",
                            hint="ALTER SYSTEM SET summarize_wal = on; SELECT pg_reload_conf();")


def parent_for(known: Sequence[Backup], source: Mapping[str, Any], policy: BaseBackupPolicy, now: Any) -> Backup | None:
    """What an incremental copy rests on: the newest copy of this cluster, where it and all that it rests on is usable and its full
    one is young enough; None where a full copy is to be made.
    """
    if policy.kind == "full" or not known:
        return None
    newest = max(known, key=lambda backup: backup.id)
    try:
        links = chain(newest, {backup.id: backup for backup in known}.__getitem__)
    except (KeyError, Damaged):
        return None
    same = newest.manifest.source.get("system_identifier") == source["system_identifier"]
    young = policy.full_every is None or (now - links[0].created_at).total_seconds() < policy.full_every
    return newest if same and young and all(link.usable for link in links) else None


def chain(backup: Backup, find: Callable[[str], Backup]) -> list[Backup]:
    """A backup and all that it rests on, the full one first.

    :raises Damaged: where it rests on itself
    :raises Exception: what ``find`` raises for a link that is gone
    """
    links = [backup]
    while links[-1].manifest.parent:
        links.append(find(links[-1].manifest.parent))
        if len({link.id for link in links}) < len(links):
            raise Damaged(f"Backup {backup.id} rests on itself", hint="The manifest was altered: use another backup")
    return links[::-1]


def open_chain(backup: Backup, repository: Repository) -> list[Backup]:
    """`chain`, from a repository.

    :raises Damaged: names the link that is gone
    """
    try:
        return chain(backup, repository.open)
    except NotFound as error:
        raise Damaged(f"Backup {backup.id} rests on one that is gone: {error.message}", hint="Use another backup") from error


def stored(backup: Backup, name: str) -> StoredFile:
    """The stored file that the engine called ``name``.

    :raises Damaged: where there is none
    """
    for file in backup.manifest.files:
        if file.plain_path == name:
            return file
    raise Damaged(f"Backup {backup.id} has no {name}", hint="It was altered: use another backup")


def unpack(backup: Backup, target: Path, make: Callable[[Path], Path], codecs: Codecs, archiver: Archiver, *,
           timeout: float) -> dict[str, Path]:
    """A copy as a data directory below ``target`` (made by ``make``), every stored byte checked on the way; its tablespaces, by
    their oid, beside it, linked where the data directory expects them.

    :raises Damaged, AccessDenied, StorageFailed: as `payload.load`
    """
    data = make(target)
    spaces: dict[str, Path] = {}
    order = sorted(backup.manifest.files, key=lambda file: (not file.plain_path.startswith("base."), file.plain_path))
    for file in order:
        match = _TAR.fullmatch(file.plain_path)
        if match is None:
            if file.plain_path != MANIFEST:
                raise Damaged(f"Backup {backup.id} has a file {file.plain_path!r} that pg_basebackup does not write",
                              hint="It was altered: use another backup")
            path = data / MANIFEST
            with storage_errors(path), path.open("wb") as stream:
                load(backup, file, stream, codecs)
            path.chmod(0o644)
            continue
        where = {"base": data, "pg_wal": data / "pg_wal"}.get(match[1])
        if where is None:
            where = spaces[match[1]] = make(target.with_name(f"{target.name}-{match[1]}"))
            link = data / "pg_tblspc" / match[1]
            with storage_errors(link):
                link.unlink(missing_ok=True)
                link.symlink_to(where)
        archiver.unpack(lambda sink, file=file, match=match: _decoded(backup, file, sink, codecs, zstd=bool(match[2])), where,
                        timeout=timeout)
    return spaces


def _decoded(backup: Backup, file: StoredFile, sink: Any, codecs: Codecs, *, zstd: bool) -> None:
    """What the server compressed comes out of `load` still compressed."""
    load(backup, file, codecs.compression.decompressing(sink) if zstd else sink, codecs)


class BaseBackupReader:
    """See `engine.Reader`: unpacked, and read by pg_verifybackup."""

    def __init__(self, client_from: Callable[[str], Client], archiver: Archiver, *, timeout: float) -> None:
        self._client_from, self._archiver, self._timeout = client_from, archiver, timeout

    def read_in_full(self, backup: Backup, codecs: Codecs, scratch: Path) -> None:
        """See `engine.Reader`."""
        client = self._client_from(backup.manifest.tools.get("pg_basebackup", ""))
        unpack(backup, scratch / "data", private_folder, codecs, self._archiver, timeout=self._timeout)
        client.verify(scratch / "data", timeout=self._timeout)


def _read_manifest(path: Path) -> dict[str, Any]:
    """Where the log that the copy needs begins and ends, and how many files it has."""
    with storage_errors(path):
        text = path.read_bytes()
    try:
        data = json.loads(text)
        ranges = data["WAL-Ranges"]
        return {"lsn_start": ranges[0]["Start-LSN"], "lsn_stop": ranges[-1]["End-LSN"], "members": len(data["Files"])}
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise Damaged(f"pg_basebackup wrote a manifest that cannot be read: {error!r}", hint="Run it again") from error


class _Follower:
    """Hashes files while another process appends to them, so that they need not be read again. A size that does not fit in the
    end means that one was not only appended to: it is hashed anew then.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._over = Event()
        self._open: dict[str, tuple[IO[bytes], Any, int]] = {}
        self._thread = Thread(target=self._follow, daemon=True)

    def __enter__(self) -> _Follower:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        self._thread.join()
        for stream, _digest, _size in self._open.values():
            stream.close()

    def _follow(self) -> None:
        while not self._over.wait(0.1):
            self._read()

    def _read(self) -> None:
        try:
            names = [entry.name for entry in os.scandir(self._folder) if _GROWING.fullmatch(entry.name)]
            for name in names:
                if name not in self._open:
                    self._open[name] = ((self._folder / name).open("rb", buffering=0), sha256(), 0)
                stream, digest, size = self._open[name]
                while block := stream.read(_BLOCK):
                    digest.update(block)
                    size += len(block)
                self._open[name] = (stream, digest, size)
        except OSError:  # what cannot be read now is read, or told, when the copy is sealed
            self._open.clear()

    def finish(self) -> dict[str, StoredFile]:
        """The files that were followed to their end."""
        self._over.set()
        self._thread.join()
        self._read()
        return {name: StoredFile(name, size, digest.hexdigest(), size) for name, (_stream, digest, size) in self._open.items()}
