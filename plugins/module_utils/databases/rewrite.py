# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rewriting tables that are mostly air, beside their readers and writers, through pg_repack; and clearing up after it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from ..core.clock import Clock
from ..core.errors import Busy, CommandFailed, OpsError, TimedOut
from ..core.finding import Finding
from ..core.waiting import Deadline, wait_until
from .host import ServerHost
from .room import WHERE_KNOWN, Need, Room, room_unknown
from .session import Session
from .tables import Table
from .vacuum_plan import VacuumPolicy
from .work import Plan, Work

# The first key of the advisory lock that pg_repack holds on a table while it works; the second is the table's oid, moved into the
# range of an integer (pg_repack source, REPACK_LOCK_PREFIX_STR).
_LOCK = "SELECT pg_try_advisory_lock(16185446, (-2147483648 + %s::bigint)::int) AS locked"
_UNLOCK = "SELECT pg_advisory_unlock(16185446, (-2147483648 + %s::bigint)::int)"
# How long the server may take to notice that a pg_repack which we ended is gone.
_NOTICED = 8.0
# All rewrites go through one session, one after another: pg_repack has two more of its own.
_GROUP = 0
_EXTENSION = """
SELECT (SELECT extversion FROM pg_extension WHERE extname = 'pg_repack') AS version,
       (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS superuser
"""
_TABLES = """
SELECT c.oid::bigint AS oid, c.relkind::text = 'r' AND c.relpersistence = 'p' AND c.oid >= 16384 AS ordinary,
       coalesce(nullif(c.reltablespace, 0), d.dattablespace)::bigint AS tablespace,
       (SELECT json_agg(json_build_array(coalesce(nullif(ic.reltablespace, 0), d.dattablespace)::bigint,
                                         ic.relpages::bigint * current_setting('block_size')::bigint))
          FROM pg_index i JOIN pg_class ic ON ic.oid = i.indexrelid WHERE i.indrelid = c.oid) AS indexes,
       EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL
                  AND i.indexprs IS NULL AND NOT EXISTS (SELECT FROM unnest(i.indkey) AS k JOIN pg_attribute a
                                                           ON a.attrelid = c.oid AND a.attnum = k WHERE NOT a.attnotnull)) AS has_key
  FROM pg_class c JOIN pg_database d ON d.datname = current_database() WHERE c.oid = ANY(%s::oid[])
"""
# A full-table repack wants about so many times the room of the table and its indexes (pg_repack documentation, Description).
_TIMES = 2
# What a pg_repack that was broken off leaves: its trigger on the table, and a log, a type and a copy of the table in its schema. While
# another session holds its lock on the table it is not left, but at work.
_LEFTOVERS = """
SELECT c.oid::bigint AS oid, format('%%I.%%I', n.nspname, c.relname) AS title, c.relname AS name, n.nspname AS schema
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'r' AND (%(only)s::oid IS NULL OR c.oid = %(only)s::oid)
   AND (EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgname = 'repack_trigger')
        OR EXISTS (SELECT FROM pg_class o WHERE o.relnamespace = 'repack'::regnamespace
                      AND o.relname IN ('log_' || c.oid, 'table_' || c.oid, 'pk_' || c.oid)))
   AND NOT EXISTS (SELECT FROM pg_locks l WHERE l.locktype = 'advisory' AND l.classid = 16185446 AND l.granted
                      AND l.objid = ((-2147483648 + c.oid::bigint)::bigint & 4294967295)::oid AND l.pid <> pg_backend_pid())
"""
# The sessions of a pg_repack that began when ours did, or later: it has no name of its own.
_BACKENDS = """
SELECT pid FROM pg_stat_activity
 WHERE application_name = 'pg_repack' AND datname = current_database() AND usename = current_user AND backend_start >= %s
"""


class RewriteProgram(Protocol):
    """pg_repack as a program; `adapters.pg_repack.PgRepack` is one."""

    def version(self, major: int) -> str:
        """``1.4.8``, of the one for this major version of the server.

        :raises ToolMissing: where it is not installed
        """

    def rewrite(self, table: str, *, major: int, seconds: float, lock_timeout: float, ended: Callable[[], bool]) -> str:
        """Rewrite the table, whose name is written as SQL has it; gives what it said.

        :raises TimedOut: where it does not end in time
        :raises CommandFailed: with the sqlstate of a cancelled statement where ``ended()`` is true
        :raises OpsError: where it fails
        """


@dataclass(frozen=True)
class Obstacle:
    """Why a table is not rewritten, and what to do about it."""

    reason: str
    hint: str


GUESSED = Obstacle("its free space is an estimate, and a rewrite for nothing costs as much",
                   "CREATE EXTENSION pgstattuple; makes it exact, once the table has been vacuumed")


@dataclass(frozen=True)
class Study:
    """By the oid of a table why it is not rewritten, and what room a rewrite takes; ``rooms`` is what there is, by tablespace."""

    obstacles: Mapping[int, Obstacle] = field(default_factory=dict)
    needs: Mapping[int, tuple[Need, ...]] = field(default_factory=dict)
    rooms: Mapping[int, Room] = field(default_factory=dict)
    policy: VacuumPolicy | None = None


def plan_rewrites(plan: Plan, tables: Sequence[Table], study: Study, leftovers: Sequence[Work] = ()) -> Plan:
    """The plan with a rewrite, at its end, for each table that is reported as mostly air and has no obstacle; what others left
    behind is cleared away first.
    """
    known = {table.oid: table for table in tables}
    work, skipped = [*leftovers, *plan.work], []
    for skip in plan.skipped:
        table = known.get(skip.oid) if skip.check == "database.bloat" else None
        if table is None:
            skipped.append(skip)
        elif obstacle := study.obstacles.get(table.oid):
            skipped.append(replace(skip, reason=f"{skip.reason}; it is not rewritten: {obstacle.reason}", hint=obstacle.hint))
        else:
            # It is read once and written once.
            weight = 2 * (table.bytes + table.index_bytes + table.toast_bytes)
            work.append(Work(table.title, "rewrite", skip.reason, "", {"relation": (table.schema, table.name)}, table.oid, _GROUP, weight,
                             before=table.state(), room=study.needs.get(table.oid, ())))
    return replace(plan, work=tuple(work), skipped=tuple(skipped), advice=(*plan.advice, *_unknown(work, study)))


def _unknown(works: Sequence[Work], study: Study) -> list[Finding]:
    if study.policy is None or study.policy.free_space is None or study.policy.unknown_room != "warn":
        return []
    concerned = {need.tablespace for work in works for need in work.room}
    return room_unknown([room for oid, room in study.rooms.items() if oid in concerned], study.policy.free_space)


class Rewriter:
    """Sees what can be rewritten, does it, and clears up."""

    def __init__(self, program: RewriteProgram, clock: Clock, *, lock_timeout: float) -> None:
        self._program, self._clock, self._lock_timeout = program, clock, lock_timeout
        self._since: Any = None

    def study(self, session: Session, tables: Sequence[Table], host: ServerHost, policy: VacuumPolicy) -> Study:
        """What rewriting these tables takes, and what stands against it."""
        if not tables:
            return Study()
        oids = [table.oid for table in tables]
        general = self._obstacle(session)
        if general:
            return Study(dict.fromkeys(oids, general))
        facts = {row["oid"]: row for row in session.fetch(_TABLES, (oids,))}
        needs = {table.oid: _needs(table, facts[table.oid], policy) for table in tables if table.oid in facts}
        wanted = {need.tablespace for several in needs.values() for need in several}
        rooms = host.rooms(session, wanted, keep=policy.free_space or 0) if wanted else {}
        found = {table.oid: obstacle for table in tables
                 if (obstacle := _obstacle(table, facts.get(table.oid), needs.get(table.oid, ()), rooms))}
        return Study(found, needs, rooms, policy)

    def _obstacle(self, session: Session) -> Obstacle | None:
        major = session.server_version // 10000
        [row] = session.fetch(_EXTENSION)
        if row["version"] is None:
            return Obstacle("the extension pg_repack is not installed in this database",
                            f"Install the package postgresql-{major}-repack on the server, then: CREATE EXTENSION pg_repack;")
        if not row["superuser"]:
            return Obstacle("pg_repack works for superusers only", "Run this as one, or rewrite it by hand in a maintenance window")
        try:
            version = self._program.version(major)
        except OpsError as error:
            return Obstacle(error.message[:1].lower() + error.message[1:], error.hint)
        if version != row["version"]:
            return Obstacle(f"the program pg_repack is {version} and the extension in the database {row['version']}",
                            "Bring both to one version: DROP EXTENSION pg_repack; CREATE EXTENSION pg_repack; after the update")
        return None

    def leftovers(self, session: Session) -> list[Work]:
        """What an earlier pg_repack left behind, and no running one is using."""
        if not session.fetch("SELECT 1 FROM pg_extension WHERE extname = 'pg_repack'"):
            return []
        return [Work(row["title"], "drop leftover", "left by a pg_repack that was broken off", "",
                     {"relation": (row["schema"], row["name"])}, row["oid"], _GROUP, 0)
                for row in session.fetch(_LEFTOVERS, {"only": None})]

    def do(self, session: Session, work: Work, seconds: float, ended: Callable[[], bool]) -> None:
        """A work of `plan_rewrites` or `leftovers`, in the form of a `watch.Program`.

        :raises OpsError: by what went wrong
        """
        if work.action == "drop leftover":
            self._clear(session, work)
            return
        before = _file(session, work)
        [began] = session.fetch("SELECT clock_timestamp() AS now")
        self._since = began["now"]
        try:
            said = self._program.rewrite(work.relation, major=session.server_version // 10000, seconds=seconds,
                                         lock_timeout=self._lock_timeout, ended=ended)
        except TimedOut as error:
            error.evidence["sqlstate"] = "57014"  # as for a statement that is cancelled
            raise
        finally:
            self._since = None
        if before == _file(session, work):
            # It ends well where it passes over a table.
            state = "55P03" if "due to timeout" in said else ""
            raise CommandFailed(f"pg_repack passed over it: {said.splitlines()[-1] if said else 'it printed nothing'}",
                                hint="Run it by hand to see more", evidence={"sqlstate": state, "said": said[-2000:]})

    def backends(self, session: Session) -> list[int]:
        """See `watch.Program`."""
        since = self._since
        return [row["pid"] for row in session.fetch(_BACKENDS, (since,))] if since is not None else []

    def tidy(self, session: Session, work: Work) -> str:
        """Clear up after a rewrite that was broken off, in the form of a `crew.Tidy`."""
        if work.action != "rewrite":
            return ""
        try:
            self._clear(session, work)
        except OpsError as error:
            return f"pg_repack's own tables and its trigger ({error.message})"
        return ""

    def _clear(self, session: Session, work: Work) -> None:
        """Drop what a pg_repack left, and look whether it is gone.

        :raises Busy: while a pg_repack works on the table
        :raises CommandFailed: where something is still there
        """

        def alone() -> bool:
            return session.fetch(_LOCK, (work.oid,))[0]["locked"]

        try:
            wait_until(alone, deadline=Deadline(self._clock, _NOTICED), what="pg_repack")
        except TimedOut as error:
            raise Busy("Another pg_repack works on it",
                       hint="SELECT * FROM pg_stat_activity WHERE application_name = 'pg_repack';") from error
        try:
            if session.fetch(_LEFTOVERS, {"only": work.oid}):  # else its own clearing up was enough, and no lock is needed
                session.fetch("SELECT repack.repack_drop(%s::oid, 4)", (work.oid,))
            if session.fetch(_LEFTOVERS, {"only": work.oid}):
                raise CommandFailed(f"What pg_repack left on {work.relation} is still there",
                                    hint="In a quiet moment: DROP EXTENSION pg_repack CASCADE; CREATE EXTENSION pg_repack; drops all of it")
        finally:
            session.fetch(_UNLOCK, (work.oid,))


def _needs(table: Table, facts: Mapping[str, Any], policy: VacuumPolicy) -> tuple[Need, ...]:
    """The copy is in the table's own tablespace, each of its indexes in that of the old one."""
    wanted = {facts["tablespace"]: table.bytes + table.toast_bytes}
    for tablespace, size in facts["indexes"] or ():
        wanted[tablespace] = wanted.get(tablespace, 0) + size
    return tuple(Need(tablespace, _TIMES * size, policy.free_space or 0, policy.unknown_room) for tablespace, size in wanted.items())


def _obstacle(table: Table, facts: Mapping[str, Any] | None, needs: Sequence[Need], rooms: Mapping[int, Room]) -> Obstacle | None:
    if facts is None or not facts["ordinary"]:
        return Obstacle("pg_repack rewrites ordinary tables only", f"In a maintenance window: VACUUM (FULL, ANALYZE) {table.title};")
    if not facts["has_key"]:
        return Obstacle("pg_repack needs a primary key, or a unique index on columns that are not null",
                        f"Give it one, or in a maintenance window: VACUUM (FULL, ANALYZE) {table.title};")
    for need in needs:
        room = rooms.get(need.tablespace)
        if room is None or room.bytes is None:
            if need.unknown == "refuse":
                return Obstacle("whether there is room for the copy is not known", WHERE_KNOWN)
        elif room.bytes < need.bytes:
            return Obstacle(room.lacks(need.bytes, need.keep), "Make room on that disk, or lower free_space")
    return None


def _file(session: Session, work: Work) -> object:
    rows = session.fetch("SELECT pg_relation_filenode(%s::oid) AS file", (work.oid,))
    return rows[0]["file"] if rows else None
