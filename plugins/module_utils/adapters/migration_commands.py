# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands that migrate a database: told by their environment where it is and how long they may wait, and watched while they run.

The timeouts are given through PGOPTIONS, which libpq and what is built on it obey from the first statement on. A migration may set
others, and a driver may know nothing of PGOPTIONS, so a session beside it looks on and cancels what exceeds them. A setting of the
role would bind whoever logs in as that role meanwhile, and outlive a run that is killed.
"""

from __future__ import annotations

import secrets as random
from collections.abc import Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field, replace
from urllib.parse import quote

from ..core.clock import Clock
from ..core.errors import Busy, InvalidOption, OpsError, TimedOut
from ..core.waiting import Deadline, wait_until
from .command import Commands, Completed
from .postgres import PostgresSession, PostgresTarget, connect

APPLICATION = "evenkeel.ops migration"
_LONGEST = 2**31 - 1  # milliseconds that a setting can hold
_SLACK = 2.0  # seconds that the server itself has to end what is over its time, before it is cancelled from outside


@dataclass(frozen=True)
class Timeouts:
    """Seconds: ``lock`` for one lock, ``statement`` for one statement (and for a transaction that does nothing), ``whole`` in all."""

    lock: float
    statement: float
    whole: float


@dataclass(frozen=True)
class Surroundings:
    """What commands find: a folder, the variable with the address and the scheme of that, variables of the operator's."""

    chdir: str | None = None
    url_variable: str = "DATABASE_URL"
    url_scheme: str = "postgresql"
    url_password: bool = False
    variables: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)


def address(target: PostgresTarget, scheme: str, *, with_password: bool = False) -> str:
    """A URL of the target. Without the password, which libpq and others find in the passfile."""
    user = quote(target.user, safe="")
    if with_password and target.password is not None:
        user += f":{quote(target.password, safe='')}"
    path = f"/{quote(target.database, safe='')}"
    if not target.host or target.host.startswith("/"):
        query = f"?host={quote(target.host, safe='/')}&port={target.port}" if target.host else f"?port={target.port}"
        return f"{scheme}://{user}@{path}{query}"
    host = f"[{target.host}]" if ":" in target.host else target.host
    return f"{scheme}://{user}@{host}:{target.port}{path}"


class MigrationCommands:
    """See `databases.migration_tool.Commands`. ``deadline`` ends all commands together.

    ``blocked_by`` names the sessions that were last seen to hold a lock which a command waited for.
    """

    def __init__(self, target: PostgresTarget, surroundings: Surroundings, timeouts: Timeouts, deadline: Deadline, *,
                 version_table: str = "alembic_version", watched: bool = True) -> None:
        reserved = [name for name in (*surroundings.variables, *surroundings.secrets)
                    if name.startswith("PG") or name == surroundings.url_variable or "=" in name or not name]
        if reserved:
            raise InvalidOption(f"variables: {reserved[0]!r} is not yours to set", evidence={"reserved": reserved},
                                hint="The address and the timeouts are put into PG… and url_variable; name other variables")
        self._postgres, self._surroundings, self._timeouts, self._deadline = target, surroundings, timeouts, deadline
        self._version_table, self._watched = version_table, watched
        self._programs = Commands()
        self.application = f"{APPLICATION} {random.token_hex(4)}"
        self.target = target.name
        self.address_hint = (f"The address is in {surroundings.url_variable} (and in libpq's PGHOST, PGPORT, PGUSER, PGDATABASE, "
                             "PGPASSFILE): make the tool read it, in alembic's env.py by config.set_main_option('sqlalchemy.url', …).")
        self.blocked_by: list[str] = []
        self.sessions: set[int] = set()
        self.cancelled: list[str] = []

    def run(self, argv: Sequence[str]) -> Completed:
        """Run a command; one that ends badly is an answer.

        :raises TimedOut: at the end of the time for all; the command and what it started are ended
        """
        self._deadline.require("migrating")
        around = self._surroundings
        with self._session() if self._watched else nullcontext() as session, self._postgres.client_environment() as environment:
            variables = {
                **around.variables, **around.secrets, **environment, "PGAPPNAME": self.application,
                "PGOPTIONS": self._options(session.server_major if session else 0),
                around.url_variable: address(self._postgres, around.url_scheme, with_password=around.url_password)}
            try:
                return self._programs.run(argv, timeout=self._deadline.left, env=variables, cwd=around.chdir, check=False,
                                          watch=_Watch(session, self).look if session else None)
            except TimedOut as error:
                if session:  # what the server is still doing for a command that is gone would go on to its end
                    with suppress(OpsError):
                        session.fetch("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s",
                                      (self.application,))
                raise TimedOut(f"{argv[0]} was ended: the migration ran longer than allowed", evidence={"argv": list(argv)},
                               hint="Look for locks or a slow disk, or allow it more time (timeout)") from error

    def _options(self, major: int) -> str:
        lock, statement = (min(max(1, int(seconds * 1000)), _LONGEST) for seconds in (self._timeouts.lock, self._timeouts.statement))
        settings = {"lock_timeout": lock, "statement_timeout": statement, "idle_in_transaction_session_timeout": statement}
        if major >= 14:  # a session whose command was killed is noticed in the middle of a statement
            settings["client_connection_check_interval"] = 1000
        return " ".join(f"-c {name}={value}" for name, value in settings.items())

    @property
    def timeouts(self) -> Timeouts:
        """What holds."""
        return self._timeouts

    def wait_for_earlier(self, clock: Clock) -> None:
        """See to it that nothing of an earlier run is still at work on the database.

        :raises Busy: where it is
        """
        with self._session() as session:
            def left() -> list[int]:
                rows = session.fetch("""
                    SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE %s
                    AND application_name <> %s""", (f"{APPLICATION} %", self.application))
                return [row["pid"] for row in rows]

            with suppress(TimedOut):
                wait_until(lambda: not left(), deadline=Deadline(clock, self._timeouts.lock + _SLACK), what="an earlier migration")
            if pids := left():
                raise Busy(f"Statements of an earlier migration still run in {self.target}: session {', '.join(map(str, pids))}",
                           hint=f"Wait for them, or end them (SELECT pg_terminate_backend({pids[0]})), and run again")

    def recorded_revisions(self) -> tuple[str, ...]:
        """See `databases.migration_tool.Commands`. A table of another name is found by the option version_table."""
        with self._session() as session:
            name = self._table(session)
            return tuple(sorted(row["version_num"] for row in session.fetch("SELECT version_num FROM {table}", names={"table": name}))
                         ) if name else ()

    def elsewhere(self) -> list[MigrationCommands]:
        """The same commands with addresses where nothing is: another database, and another host."""
        nowhere = f"evenkeel_nowhere_{random.token_hex(4)}"
        targets = (replace(self._postgres, database=nowhere), replace(self._postgres, host=f"/nonexistent/{nowhere}"))
        return [MigrationCommands(target, self._surroundings, self._timeouts, self._deadline, watched=False) for target in targets]

    def _session(self) -> PostgresSession:
        return connect(self._postgres, application_name="evenkeel.ops watch", statement_timeout=30)

    def _table(self, session: PostgresSession) -> tuple[str, str] | None:
        """Schema and name of the version table; a bare name is looked for in the path that the role has."""
        schema, _dot, table = self._version_table.rpartition(".")
        rows = session.fetch("""
            SELECT n.nspname::text AS schema, c.relname::text AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE c.relkind IN ('r', 'p') AND c.relname = %s AND (n.nspname = %s OR %s = '' AND n.nspname !~ '^pg_')
            ORDER BY n.nspname = 'public' DESC, n.nspname""", (table, schema, schema))
        return (rows[0]["schema"], rows[0]["name"]) if rows else None


class _Watch:
    """Looks at the sessions of one `MigrationCommands`, by their application name, about twice a second."""

    def __init__(self, session: PostgresSession, commands: MigrationCommands) -> None:
        self._session, self._commands = session, commands
        self._clock = commands._deadline.clock
        self._waiting_since: dict[int, float] = {}

    def look(self) -> None:
        """Cancel what is over its time; a look that fails is left out, for the command itself will say what is wrong."""
        with suppress(OpsError):
            rows = self._session.fetch("""
                SELECT pid, wait_event_type = 'Lock' AS waits, pg_blocking_pids(pid) AS blockers,
                       CASE state WHEN 'active' THEN extract(epoch FROM clock_timestamp() - query_start)::float8 END AS seconds
                FROM pg_stat_activity WHERE datname = current_database() AND application_name = %s""", (self._commands.application,))
            self._judge(rows)

    def _judge(self, rows: list[dict]) -> None:
        now, limits = self._clock.monotonic(), self._commands.timeouts
        waiting = {row["pid"] for row in rows if row["waits"]}
        self._waiting_since = {pid: self._waiting_since.get(pid, now) for pid in waiting}
        for row in rows:
            self._commands.sessions.add(row["pid"])
            if row["blockers"]:
                self._commands.blocked_by = self._named(row["blockers"])
            waited = now - self._waiting_since.get(row["pid"], now)
            over = "lock_timeout" if waited > limits.lock + _SLACK else \
                "statement_timeout" if (row["seconds"] or 0) > limits.statement + _SLACK else ""
            if over:
                self._session.fetch("SELECT pg_cancel_backend(%s)", (row["pid"],))
                self._commands.cancelled.append(over)

    def _named(self, pids: list[int]) -> list[str]:
        rows = self._session.fetch("""
            SELECT format('session %%s (%%s, %%s, %%s)', pid, coalesce(usename::text, '?'), coalesce(nullif(application_name, ''), '?'),
                          coalesce(state, '?')) AS who
            FROM pg_stat_activity WHERE pid = ANY(%s)""", (list(pids),))
        return [row["who"] for row in rows]
