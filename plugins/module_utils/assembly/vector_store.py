# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine ``vector_store``, put together: a database of pgvector, or a server of Weaviate."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..adapters import pg_dump, postgres, storage, vector_stores
from ..adapters.command import Commands
from ..adapters.scratch_database import ScratchDatabase
from ..adapters.target_database import TargetDatabase
from ..adapters.weaviate import Weaviate, target_from
from ..adapters.weaviate_server import WeaviateServer
from ..adapters.weaviate_target import WeaviateTarget
from ..backups.dump_engine import Database, DumpEngine, DumpPolicy, DumpReader
from ..backups.engine import Engine, Reader
from ..backups.payload import Codecs
from ..backups.repository import Backup, Repository
from ..backups.vector_store_engine import (
    PGVECTOR,
    PgvectorEngine,
    StorePolicy,
    VectorStoreReader,
    WeaviateEngine,
    fingerprint_with_vectors,
)
from ..core.edge import Request
from ..core.errors import Damaged, InvalidOption
from ..core.quantities import parse_duration
from ..core.waiting import Deadline
from ..recovery.database import DatabaseDrill
from ..recovery.database_target import DatabaseDestination
from ..recovery.drill import Subject
from ..recovery.policy import DrillPolicy
from ..recovery.restore import Restoration
from ..recovery.service_target import ServiceDestination
from ..recovery.vector_database import VectorDatabaseDrill
from ..recovery.vector_objects import Server, VectorObjectsDrill, collections_of
from ..recovery.vectors import VectorPolicy


class VectorStoreKit:
    """See `engines.RestoringKit`."""

    def engine(self, request: Request, repository: Repository) -> Engine:
        """By its driver."""
        given = request["vector_store"]
        if given["driver"] not in vector_stores.DRIVERS:
            raise InvalidOption("vector_store.driver: it is not said what the store is",
                                hint=f"Choose one of {', '.join(vector_stores.DRIVERS)}")
        if request["fingerprint"] == "off":
            raise InvalidOption("fingerprint: a vector store is never backed up without", hint="Choose full or sampled")
        compression = request["compression"]
        policy = StorePolicy(tuple(given["collections"]), given["page"], given["sample"], compress=compression != "none")
        if given["driver"] == PGVECTOR:
            return _pgvector(request, policy)
        if compression not in ("auto", "zstd", "none"):
            raise InvalidOption(f"compression: objects are not compressed with {compression}", hint="Choose auto, zstd or none")
        return WeaviateEngine(Weaviate(target_from(given)), policy, request.clock)

    def reader(self, request: Request) -> Reader:
        """pg_restore reads the dump of a database; objects are read here."""
        return VectorStoreReader(DumpReader(_programs(request), jobs=request.count("jobs"),
                                            timeout=parse_duration(request["timeout"], option="timeout")))

    def drill(self, request: Request, backup: Backup, codecs: Codecs, policy: DrillPolicy,
              deadline: Deadline) -> Callable[[Path], Subject]:
        """Into a server of its own."""
        given = request["vector_store"]
        vectors, jobs = VectorPolicy.from_options(given), request.count("jobs")
        if _driver(backup) == PGVECTOR:
            source_major, archive_major = _majors(backup)
            database = ScratchDatabase(Commands(), request.clock, major=source_major, archive_major=archive_major,
                                       folders=_folders(request))
            database.check_folder(request["scratch_dir"])
            return lambda folder: VectorDatabaseDrill(
                DatabaseDrill(backup, codecs, database, policy, folder, jobs=jobs, deadline=deadline), backup,
                lambda: database.session(statement_timeout=max(1.0, deadline.left)), vectors)
        server = WeaviateServer(Commands(), request.clock, program=given["program"])

        def subject(folder: Path) -> Subject:
            scratch = Server(lambda: Weaviate(server.start(folder / "weaviate", deadline)), server.stop, scratch=True)
            return VectorObjectsDrill(backup, codecs, scratch, vectors, jobs=jobs, deadline=deadline)

        return subject

    def restore(self, request: Request, repository: Repository, backup: Backup, codecs: Codecs, deadline: Deadline) -> Restoration:
        """Into a server that is there, and compared as in a drill."""
        given = request["vector_store"]
        vectors, jobs = VectorPolicy.from_options(given), request.count("jobs")
        if _driver(backup) == PGVECTOR:
            if not request["target_database"]:
                raise InvalidOption(f"Backup {backup.id} is of a database, and no target_database was named",
                                    hint="Name the database to make, and the server with login_host")
            _source_major, archive_major = _majors(backup)
            target = TargetDatabase(Commands(), postgres.PostgresTarget.from_options(request.options), request["target_database"],
                                    archive_major=archive_major, owners=request["owners"], folders=_folders(request))
            return Restoration(
                DatabaseDestination(target, Path(request["scratch_dir"]), deadline),
                lambda folder: VectorDatabaseDrill(
                    DatabaseDrill(backup, codecs, target, DrillPolicy(amcheck=False), folder, jobs=jobs, deadline=deadline), backup,
                    lambda: target.session(statement_timeout=max(1.0, deadline.left)), vectors))
        store = Weaviate(target_from(given))
        reached = Server(lambda: store, lambda: None, scratch=False)
        return Restoration(ServiceDestination(WeaviateTarget(store), collections_of(backup), Path(request["scratch_dir"])),
                           lambda folder: VectorObjectsDrill(backup, codecs, reached, vectors, jobs=jobs, deadline=deadline))

    def eraser(self, request: Request) -> None:
        """Everything lies in our repository."""


def _pgvector(request: Request, policy: StorePolicy) -> Engine:
    target = postgres.PostgresTarget.from_options(request.options)
    dumping = DumpPolicy(
        jobs=request.count("jobs"), compression=request["compression"], level=request["compression_level"],
        fingerprint=request["fingerprint"],
        lock_timeout=parse_duration(request["lock_timeout"], option="lock_timeout"),
        timeout=parse_duration(request["timeout"], option="timeout"))
    database = Database(lambda: postgres.connect(target, statement_timeout=dumping.timeout), target.client_environment,
                        target.host, target.port, target.database)
    dump = DumpEngine(database, _programs(request), dumping, request.clock, storage.nobody_writes,
                      take=fingerprint_with_vectors(policy.sample))
    return PgvectorEngine(dump, database.open_session)


def _driver(backup: Backup) -> str:
    driver = backup.manifest.source.get("driver")
    if driver not in vector_stores.DRIVERS:
        raise Damaged(f"The manifest of {backup.id} does not say what the store was", hint="Use another backup")
    return str(driver)


def _majors(backup: Backup) -> tuple[int, int]:
    """Of the server that was dumped, and of the pg_dump which did it."""
    try:
        return int(backup.manifest.source["server_version"]) // 10000, int(backup.manifest.tools["pg_dump"].partition(".")[0])
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise Damaged(f"The manifest of {backup.id} does not say which PostgreSQL it is of", hint="Use another backup") from error


def _folders(request: Request) -> list[str]:
    return [request["bin_dir"]] if request["bin_dir"] else []


def _programs(request: Request) -> pg_dump.DumpPrograms:
    return pg_dump.DumpPrograms(Commands(), _folders(request))
