# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL through psycopg: where a server is, sessions on it, and its errors in our words."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ..core.errors import AccessDenied, CommandFailed, LibraryMissing, NotFound, OpsError, TimedOut, Unreachable
from ..core.options import OptionGroup

try:
    import psycopg
    from psycopg import sql
    from psycopg.rows import dict_row
except ImportError:  # told when a session is asked for, so that documentation and check of options still work
    psycopg = None

OPTIONS = OptionGroup(
    fragment="postgres",
    options={
        "login_host": {"type": "str", "default": "", "aliases": ["host"]},
        "login_port": {"type": "int", "default": 5432, "aliases": ["port"]},
        "login_user": {"type": "str", "default": "postgres", "aliases": ["user"]},
        "login_password": {"type": "str", "no_log": True, "aliases": ["password"]},
        "login_db": {"type": "str", "default": "postgres", "aliases": ["database", "db"]},
        "ssl_mode": {
            "type": "str", "default": "prefer",
            "choices": ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"],
        },
        "ca_cert": {"type": "path", "aliases": ["ssl_rootcert"]},
        "connect_timeout": {"type": "int", "default": 10},
    },
)


_PLANNED = b"evenkeel_planned"


@dataclass(frozen=True)
class PostgresTarget:
    """Where a server is and who asks. An empty ``host`` is the local socket, a path is a socket folder."""

    host: str = ""
    port: int = 5432
    user: str = "postgres"
    database: str = "postgres"
    password: str | None = field(default=None, repr=False)
    ssl_mode: str = "prefer"
    ca_cert: str | None = None
    connect_timeout: int = 10

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> PostgresTarget:
        """The target that the options of `OPTIONS` describe."""
        return cls(
            host=options["login_host"], port=options["login_port"], user=options["login_user"],
            database=options["login_db"], password=options["login_password"], ssl_mode=options["ssl_mode"],
            ca_cert=options["ca_cert"], connect_timeout=options["connect_timeout"],
        )

    @property
    def name(self) -> str:
        """How messages call it: ``shop on db.example.com:5432``."""
        return f"{self.database} on {self.host or 'the local socket'}:{self.port}"

    @contextmanager
    def client_environment(self) -> Iterator[dict[str, str]]:
        """Environment for libpq programs; the password goes through a passfile of mode 0600 that ends with this run, however it ends."""
        environment = {
            "PGHOST": self.host, "PGPORT": str(self.port), "PGUSER": self.user, "PGDATABASE": self.database,
            "PGSSLMODE": self.ssl_mode, "PGCONNECT_TIMEOUT": str(self.connect_timeout),
            "PGAPPNAME": "evenkeel.ops",
        }
        if not self.host:
            del environment["PGHOST"]
        if self.ca_cert:
            environment["PGSSLROOTCERT"] = self.ca_cert
        if self.password is None:
            yield environment
            return
        escaped = self.password.replace("\\", "\\\\").replace(":", "\\:")
        with _passfile(f"*:*:*:*:{escaped}\n") as path:
            yield {**environment, "PGPASSFILE": path}


@contextmanager
def _passfile(line: str) -> Iterator[str]:
    """The path of a file of mode 0600. It lies in memory and has no name but by our process, so that a kill leaves nothing behind;
    where the kernel has no such files (memfd_create(2)), it is a temporary one.
    """
    if not hasattr(os, "memfd_create"):
        with tempfile.NamedTemporaryFile("w", prefix="evenkeel-", suffix=".pgpass") as file:
            file.write(line)
            file.flush()
            yield file.name
        return
    descriptor = os.memfd_create("evenkeel-pgpass", os.MFD_CLOEXEC)
    try:
        os.fchmod(descriptor, 0o600)
        os.write(descriptor, line.encode())
        yield f"/proc/{os.getpid()}/fd/{descriptor}"
    finally:
        os.close(descriptor)


class PostgresSession:
    """One connection. Identifiers go in by name (``{table}``) and are composed by psycopg, values as parameters."""

    def __init__(self, connection: Any, target: PostgresTarget) -> None:
        self._connection = connection
        self.target = target

    def __enter__(self) -> PostgresSession:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def server_version(self) -> int:
        """As the server counts: 150008 is 15.8."""
        return self._connection.info.server_version

    @property
    def server_major(self) -> int:
        """15 for 15.8."""
        return self.server_version // 10000

    @property
    def backend_pid(self) -> int:
        """The server process that serves this session."""
        return self._connection.info.backend_pid

    def fetch(self, query: str, parameters: Sequence[Any] | Mapping[str, Any] | None = None,
              names: Mapping[str, Sequence[str] | str] | None = None) -> list[dict[str, Any]]:
        """All rows as dictionaries. ``names`` fills ``{placeholders}`` with quoted identifiers, a sequence dotted.

        Where ``names`` is given, literal braces in the query are doubled; where parameters are, ``%`` is.

        :raises OpsError: the server's or the network's error, by `translated`
        """
        with translated(self.target), self._connection.cursor(row_factory=dict_row) as cursor:
            cursor.execute(compose(query, names, with_parameters=parameters is not None), parameters)
            return cursor.fetchall() if cursor.description else []

    def value(self, query: str, parameters: Sequence[Any] | Mapping[str, Any] | None = None,
              names: Mapping[str, Sequence[str] | str] | None = None) -> Any:
        """The first column of the first row, None where there is no row."""
        rows = self.fetch(query, parameters, names)
        return next(iter(rows[0].values())) if rows else None

    def run(self, statement: str, parameters: Sequence[Any] | Mapping[str, Any] | None = None,
            names: Mapping[str, Sequence[str] | str] | None = None) -> None:
        """Execute for its effect.

        :raises OpsError: the server's or the network's error, by `translated`
        """
        with translated(self.target), self._connection.cursor() as cursor:
            cursor.execute(compose(statement, names, with_parameters=parameters is not None), parameters)

    def set(self, name: str, value: str | float) -> None:
        """Change a setting for this session, as SET does."""
        self.run("SELECT set_config(%s, %s, false)", (name, str(value)))

    def generic_plan(self, statement: str, *, search_path: str) -> dict[str, Any]:
        """How the server would run a statement whatever its parameters are: the plan of EXPLAIN (FORMAT JSON). It is not run.

        The protocol's own preparation takes one statement only, whatever its text holds, and plans for all values of parameters on
        every version. All is done in a read-only transaction that is rolled back. Functions that are declared immutable are
        called while planning, with the rights of this session.

        :raises OpsError: the server's error, by `translated`
        """
        with translated(self.target), self._connection.cursor() as cursor:
            cursor.execute("BEGIN READ ONLY")
            kept = False
            try:
                cursor.execute("SELECT set_config('search_path', %s, true), set_config('plan_cache_mode', 'force_generic_plan', true)",
                               (search_path,))
                prepared = self._connection.pgconn.prepare(_PLANNED, statement.encode(self._connection.info.encoding))
                if prepared.error_message:
                    raise psycopg.errors.error_from_result(prepared, encoding=self._connection.info.encoding)
                kept = True
                number = self._connection.pgconn.describe_prepared(_PLANNED).nparams
                values = f"({', '.join(['NULL'] * number)})" if number else ""
                cursor.execute(f"EXPLAIN (FORMAT JSON) EXECUTE {_PLANNED.decode()}{values}")
                [[plan]] = cursor.fetchone()
                return plan["Plan"]
            finally:
                cursor.execute("ROLLBACK")
                if kept:  # a prepared statement outlives its transaction
                    cursor.execute(f"DEALLOCATE {_PLANNED.decode()}")

    def cancel(self) -> None:
        """Ask the server to cancel the running statement; may be called from another thread.

        :raises OpsError: where the server cannot be asked any more, by `translated`
        """
        with translated(self.target):
            self._connection.cancel_safe(timeout=5) if hasattr(self._connection, "cancel_safe") else self._connection.cancel()

    def close(self) -> None:
        """End the session; a transaction that is open is rolled back."""
        self._connection.close()


def connect(target: PostgresTarget, *, autocommit: bool = True, application_name: str = "evenkeel.ops",
            statement_timeout: float | None = None) -> PostgresSession:
    """Open a session. TCP keepalives and a user timeout see to it that a dead peer is noticed within a minute.

    :raises LibraryMissing: without psycopg
    :raises Unreachable, AccessDenied, NotFound, TimedOut: by what the server says
    """
    if psycopg is None:
        raise LibraryMissing("psycopg[binary]")
    settings = "-c client_min_messages=warning -c search_path=pg_catalog"
    if statement_timeout:
        settings += f" -c statement_timeout={int(statement_timeout * 1000)}"
    keywords = {
        "host": target.host or None, "port": target.port, "user": target.user, "dbname": target.database,
        "password": target.password, "sslmode": target.ssl_mode, "sslrootcert": target.ca_cert,
        "connect_timeout": max(2, target.connect_timeout), "application_name": application_name,
        "keepalives_idle": 20, "keepalives_interval": 10, "keepalives_count": 3, "tcp_user_timeout": 60000,
        "options": settings,
    }
    with translated(target):
        connection = psycopg.connect(
            "", autocommit=autocommit, **{name: value for name, value in keywords.items() if value is not None})
    return PostgresSession(connection, target)


def compose(query: str, names: Mapping[str, Sequence[str] | str] | None, *, with_parameters: bool = False) -> Any:
    """The query with its named identifiers quoted; without names it is left as it stands.

    ``with_parameters`` doubles the ``%`` in names, which psycopg would else take for a placeholder.
    """
    if names is None:
        return query
    quoted = {key: sql.Identifier(*([name] if isinstance(name, str) else name)).as_string(None) for key, name in names.items()}
    return sql.SQL(query).format(
        **{key: sql.SQL(text.replace("%", "%%") if with_parameters else text) for key, text in quoted.items()})


class StatementFailed(CommandFailed):
    """The server refused or broke off a statement; ``sqlstate`` is its code (PostgreSQL documentation, appendix A)."""

    def __init__(self, message: str, *, sqlstate: str, hint: str = "", evidence: dict[str, Any] | None = None) -> None:
        super().__init__(message, hint=hint, evidence={**(evidence or {}), "sqlstate": sqlstate})
        self.sqlstate = sqlstate


@contextmanager
def translated(target: PostgresTarget) -> Iterator[None]:
    """Turn psycopg's errors into ours.

    :raises Unreachable: no server answers, or the connection broke
    :raises AccessDenied: password, pg_hba or privilege
    :raises NotFound: the database does not exist
    :raises TimedOut: no answer in time, statement or lock timeout
    :raises StatementFailed: everything else that the server said
    """
    try:
        yield
    except psycopg.Error as error:
        raise _in_our_words(error, target) from error


# What libpq itself says before the server gives a code.
_REFUSALS = ("authentication failed", "no pg_hba.conf entry", "no password supplied")


def _in_our_words(error: Any, target: PostgresTarget) -> OpsError:
    state = error.sqlstate or ""
    said = " ".join(str(error).split())
    evidence = {"host": target.host, "port": target.port, "database": target.database, "user": target.user,
                "sqlstate": state, "server_said": said[:1000]}
    if state.startswith("28") or any(words in said for words in _REFUSALS):
        return AccessDenied(f"The server refuses user {target.user} for {target.name}: {said}",
                            hint="Check user and password, and the server's pg_hba.conf", evidence=evidence)
    if state == "3D000" or ("database" in said and "does not exist" in said and not state):
        return NotFound(f"There is no database {target.name}", hint="Check the name (psql -l lists them)", evidence=evidence)
    if state == "42501":
        schema = re.search("permission denied for schema (.+?)(?: LINE |$)", said)
        return AccessDenied(f"User {target.user} lacks a privilege in {target.name}: {said}",
                            hint=f"GRANT USAGE ON SCHEMA {schema[1]} to it" if schema else
                            "Grant it (pg_monitor suffices for reading statistics)", evidence=evidence)
    if isinstance(error, psycopg.errors.ConnectionTimeout) or "timeout expired" in said:
        return TimedOut(f"No answer from {target.name} within {target.connect_timeout}s",
                        hint="Something listens there and does not answer, or a firewall swallows packets", evidence=evidence)
    if state in ("57014", "55P03"):
        return TimedOut(f"The statement was cancelled in {target.name}: {said}",
                        hint="A timeout of this run or a lock that another session holds", evidence=evidence)
    if isinstance(error, psycopg.OperationalError) and (not state or state.startswith(("08", "57P"))):
        return Unreachable(f"No PostgreSQL server answers for {target.name}: {said}",
                           hint="Check host and port, that the server runs, and what its log says", evidence=evidence)
    if not state:
        return Unreachable(f"The session with {target.name} broke: {said}",
                           hint="See the server's log for the reason", evidence=evidence)
    return StatementFailed(f"{target.name}: {said}", sqlstate=state, evidence=evidence)
