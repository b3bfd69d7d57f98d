# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine ``pg_dump``: one database, in parallel, with a fingerprint taken inside the very snapshot that is dumped."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, closing, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any, Protocol

from ..core.clock import Clock
from ..core.errors import InvalidOption
from ..core.files import storage_errors
from ..core.finding import Finding, Status
from .engine import Product, Source
from .fingerprint import Session, read_sequences, take_fingerprint
from .manifest import StoredFile
from .payload import Codecs, HashingReader, for_each, materialize, store
from .repository import Backup
from .server_progress import DumpProgress

COMPRESSIONS = ("auto", "zstd", "lz4", "gzip", "none")
FINGERPRINTS = ("full", "sampled", "off")
# What pg_dump closes before it ends, and never opens again; tables of contents are written at the end.
_CLOSED_EARLY = re.compile(r"(?:\d+|blob_\d+)\.dat(?:\.(?:gz|lz4|zst))?", re.ASCII)


class Client(Protocol):
    """`adapters.pg_dump.DumpClient`."""

    major: int
    version: str

    def compresses_with(self, method: str) -> bool:
        """Whether this build has the method."""

    def dump(self, folder: Path, **options: Any) -> None:
        """Dump into a folder."""

    def read_in_full(self, folder: Path, *, timeout: float) -> int:
        """Read all of a dump."""


class Programs(Protocol):
    """`adapters.pg_dump.DumpPrograms`."""

    def client_for(self, major: int) -> Client:
        """For a server."""

    def reader_for(self, version: str) -> Client:
        """For a dump."""


@dataclass(frozen=True)
class DumpPolicy:
    """How a database is dumped; durations in seconds."""

    jobs: int = 2
    compression: str = "auto"
    level: int = 1
    fingerprint: str = "full"
    lock_timeout: float = 60
    timeout: float = 4 * 3600

    def __post_init__(self) -> None:
        if self.compression not in COMPRESSIONS:
            raise InvalidOption(f"compression: {self.compression!r} is unknown", hint=f"Known are {', '.join(COMPRESSIONS)}")
        if self.fingerprint not in FINGERPRINTS:
            raise InvalidOption(f"fingerprint: {self.fingerprint!r} is unknown", hint=f"Known are {', '.join(FINGERPRINTS)}")


@dataclass(frozen=True)
class Database:
    """Where the database is: sessions on it, the environment for its programs, and host, port and name to be told."""

    open_session: Callable[[], Session]
    environment: Callable[[], AbstractContextManager[Mapping[str, str]]]
    host: str
    port: int
    name: str


class DumpEngine:
    """See `engine.Engine`. ``closed`` says whether a file is complete (`adapters.storage.nobody_writes`); ``take`` reads the
    fingerprint.
    """

    name = "pg_dump"

    def __init__(self, database: Database, programs: Programs, policy: DumpPolicy, clock: Clock,
                 closed: Callable[[Path], bool], take: Callable[..., dict[str, Any]] = take_fingerprint) -> None:
        self._take = take
        self._database = database
        self._programs = programs
        self._policy = policy
        self._clock = clock
        self._closed = closed

    def inspect(self) -> Source:
        """Version and size of the database, and whether a fitting client is here."""
        session = self._database.open_session()
        try:
            client = self._programs.client_for(session.server_version // 10000)
            size = session.value("SELECT pg_database_size(current_database())")
            return Source(self._describe(session), size, stages_coding=self._compression(client)[1], stages_encryption=True,
                          findings=self._judge_client(session.server_version // 10000, client))
        finally:
            session.close()

    def produce(self, data: Path, staging: Path, codecs: Codecs, *, encrypt: bool) -> Product:
        """Dump and fingerprint side by side, then seal every file; what pg_dump has closed is sealed while it goes on."""
        session = self._database.open_session()
        try:
            source = self._describe(session)
            client = self._programs.client_for(session.server_version // 10000)
            in_pg_dump, in_python = self._compression(client)
            began = self._clock.monotonic()
            source_bytes = session.value("SELECT pg_database_size(current_database())")
            sequences = read_sequences(session)
            data_at = self._clock.now()
            session.run("BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            session.set("idle_in_transaction_session_timeout", 0)
            snapshot = session.value("SELECT pg_export_snapshot()")
            coded = in_python or encrypt
            folder = staging / "dump" if coded else data
            sealer = _Sealer(folder, data if coded else None, codecs, compress=in_python, encrypt=encrypt,
                             jobs=self._policy.jobs, closed=self._closed)
            fingerprint = _Fingerprinting(self._database.open_session, self._policy, snapshot, sequences, self._take)
            far = DumpProgress(self._database.open_session, self._database.name)
            with closing(far), sealer, fingerprint, self._database.environment() as environment:
                client.dump(folder, environment=environment, snapshot=snapshot, jobs=self._policy.jobs, compression=in_pg_dump,
                            level=self._policy.level, lock_timeout=self._policy.lock_timeout, timeout=self._policy.timeout, sync=not coded,
                            watch=lambda: (sealer.check(), fingerprint.check(), far.look()))
                dumped = self._clock.monotonic()
                files = sealer.finish()
                sealed = self._clock.monotonic()
                found = fingerprint.result()
            session.run("COMMIT")
            timings = {"dump": dumped - began, "seal": sealed - dumped, "fingerprint_after": self._clock.monotonic() - sealed}
            return Product(
                files=files, data_at=data_at, source=source, source_bytes=source_bytes,
                compression="zstd" if in_python else in_pg_dump, fingerprint=found, tools={"pg_dump": client.version},
                timings={phase: round(seconds, 3) for phase, seconds in timings.items()},
                findings=self._judge_client(session.server_version // 10000, client))
        finally:
            session.close()

    def _compression(self, client: Client) -> tuple[str, bool]:
        """What pg_dump compresses with, and whether we compress with zstd after it."""
        wanted = self._policy.compression
        if wanted in ("auto", "zstd"):
            return ("zstd", False) if client.compresses_with("zstd") else ("none", True)
        if wanted != "none" and not client.compresses_with(wanted):
            raise InvalidOption(f"compression: pg_dump {client.version} was built without {wanted}",
                                hint="Choose auto, or install a client that has it")
        return wanted, False

    def _describe(self, session: Session) -> dict[str, Any]:
        return {"host": self._database.host, "port": self._database.port, "database": self._database.name,
                "server_version": session.server_version}

    def _judge_client(self, major: int, client: Client) -> tuple[Finding, ...]:
        if client.major == major:
            return ()
        return (Finding(
            "backup.client", self._database.name, Status.WARN,
            f"pg_dump {client.version} dumps a server of major {major}: pg_restore {client.major} will be needed to read it, and "
            f"says so of settings that {major} does not know", client.major, major,
            hint=f"Install the package postgresql-client-{major}, or name its folder in bin_dir"),)


class _Fingerprinting:
    """Takes the fingerprint in a thread; leaving the context before it is done cancels its statements."""

    def __init__(self, open_session: Callable[[], Session], policy: DumpPolicy, snapshot: str,
                 sequences: Mapping[str, Any], take: Callable[..., dict[str, Any]]) -> None:
        self._open = open_session
        self._read = take
        self._sessions: list[Session] = []
        self._lock = Lock()
        self._stopped = False
        self._found: dict[str, Any] | None = None
        self._error: BaseException | None = None
        self._thread = None
        if policy.fingerprint != "off":
            self._thread = Thread(target=self._take, args=(policy, snapshot, sequences), daemon=True)

    def _session(self) -> Session:
        session = self._open()
        with self._lock:
            self._sessions.append(session)
        return session

    def _take(self, policy: DumpPolicy, snapshot: str, sequences: Mapping[str, Any]) -> None:
        try:
            self._found = self._read(self._session, mode=policy.fingerprint, parallel=policy.jobs, snapshot=snapshot,
                                     sequences=sequences)
        except BaseException as error:
            self._error = error

    def __enter__(self) -> _Fingerprinting:
        if self._thread:
            self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        while self._thread and self._thread.is_alive():
            with self._lock:
                sessions = list(self._sessions)
            for session in sessions:
                with suppress(Exception):  # it may have ended by itself; the thread's own error is what counts
                    session.cancel()
            self._thread.join(timeout=0.5)

    def check(self) -> None:
        """Raise what the thread raised."""
        if self._error is not None:
            raise self._error

    def result(self) -> dict[str, Any] | None:
        """Wait for it; None where the policy wants none."""
        if self._thread:
            self._thread.join()
        self.check()
        return self._found


class _Sealer:
    """Hashes the files of a dump, and compresses and encrypts them into ``data`` where that is asked for."""

    def __init__(self, folder: Path, data: Path | None, codecs: Codecs, *, compress: bool, encrypt: bool, jobs: int,
                 closed: Callable[[Path], bool]) -> None:
        self._folder, self._data, self._codecs = folder, data, codecs
        self._compress, self._encrypt, self._jobs = compress, encrypt, jobs
        self._closed = closed
        self._sealed: dict[str, StoredFile] = {}
        self._over = Event()
        self._error: BaseException | None = None
        self._thread = Thread(target=self._follow, daemon=True)

    def __enter__(self) -> _Sealer:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        self._thread.join()

    def _follow(self) -> None:
        try:
            while not self._over.wait(0.2):
                for path in self._waiting():
                    if self._over.is_set():
                        return
                    if _CLOSED_EARLY.fullmatch(path.name) and self._closed(path):
                        self._sealed[path.name] = self._seal(path)
        except BaseException as error:
            self._error = error

    def _waiting(self) -> list[Path]:
        with suppress(FileNotFoundError), os.scandir(self._folder) as entries:
            return [Path(entry.path) for entry in entries if entry.name not in self._sealed]
        return []

    def _seal(self, path: Path) -> StoredFile:
        with storage_errors(path), path.open("rb") as stream:
            if self._data is None:
                os.fchmod(stream.fileno(), 0o600)
                reader = HashingReader(stream, path)
                reader.drain()
                return StoredFile(path.name, reader.bytes, reader.sha256, reader.bytes)
            sealed = store(stream, self._data, path.name, self._codecs, compress=self._compress, encrypt=self._encrypt)
            path.unlink()
            return sealed

    def check(self) -> None:
        """Raise what the thread raised."""
        if self._error is not None:
            raise self._error

    def finish(self) -> tuple[StoredFile, ...]:
        """Seal what is left; every file of the dump, by name."""
        self._over.set()
        self._thread.join()
        self.check()
        left = tuple(StoredFile(path.name, path.stat().st_size, "", 0) for path in self._waiting())
        for sealed in for_each(left, lambda file: self._seal(self._folder / file.path), jobs=self._jobs):
            self._sealed[sealed.plain_path] = sealed
        return tuple(self._sealed[name] for name in sorted(self._sealed))


class DumpReader:
    """See `engine.Reader`."""

    def __init__(self, programs: Programs, *, jobs: int, timeout: float) -> None:
        self._programs = programs
        self._jobs = jobs
        self._timeout = timeout

    def read_in_full(self, backup: Backup, codecs: Codecs, scratch: Path) -> None:
        """See `engine.Reader`."""
        client = self._programs.reader_for(backup.manifest.tools.get("pg_dump", ""))
        client.read_in_full(materialize(backup, scratch / "dump", codecs, jobs=self._jobs), timeout=self._timeout)
