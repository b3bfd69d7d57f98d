# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A database as its own statistics show it: plain values, one section per question."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..core.errors import OpsError, Unreachable
from .clients import CLIENTS
from .session import Session
from .tables import extension_schema

_KEPT_ROWS = 20
_SESSIONS = """
SELECT (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS used,
       current_setting('max_connections')::int AS maximum,
       current_setting('superuser_reserved_connections')::int AS reserved
"""
_STATISTICS = """
SELECT d.datname AS name, s.blks_hit AS hit, s.blks_read AS read, s.deadlocks,
       extract(epoch FROM clock_timestamp() - coalesce(s.stats_reset, pg_postmaster_start_time()))::float8 AS seconds,
       (SELECT sum(checksum_failures) FROM pg_stat_database)::bigint AS checksum_failures,
       pg_database_size(d.oid) AS bytes
  FROM pg_database d JOIN pg_stat_database s ON s.datid = d.oid WHERE d.datname = current_database()
"""
# Without the role pg_read_all_stats other users' sessions are there, but without their state and times.
_TRANSACTIONS = """
SELECT pid, usename AS user, datname AS database, application_name AS application, state,
       extract(epoch FROM clock_timestamp() - xact_start)::float8 AS seconds,
       extract(epoch FROM clock_timestamp() - state_change)::float8 AS state_seconds
  FROM pg_stat_activity
 WHERE xact_start IS NOT NULL AND pid <> pg_backend_pid() AND backend_type NOT IN ('autovacuum worker', 'walsender')
 ORDER BY xact_start
"""
# pg_blocking_pids() locks the lock table for a moment: it is asked for waiting sessions only.
_BLOCKED = """
SELECT a.pid, a.usename AS user, pg_blocking_pids(a.pid) AS blockers,
       extract(epoch FROM clock_timestamp() - {since})::float8 AS seconds, left(a.query, 200) AS query
  FROM pg_stat_activity a WHERE a.wait_event_type = 'Lock' ORDER BY seconds DESC NULLS LAST
"""
_STATEMENTS = """
WITH mine AS (
    SELECT queryid, sum(calls) AS calls, sum(total_exec_time) AS milliseconds, min(left(query, 200)) AS query
      FROM {view} WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND calls > 0 GROUP BY queryid
), ranked AS (
    SELECT *, milliseconds / calls AS mean, sum(calls) OVER (ORDER BY milliseconds / calls) AS up_to, sum(calls) OVER () AS all_calls
      FROM mine
)
SELECT queryid::text, query, calls::bigint, (mean / 1000)::float8 AS mean_seconds,
       (SELECT sum(milliseconds) / sum(calls) / 1000 FROM mine)::float8 AS overall_seconds,
       (SELECT min(mean) / 1000 FROM ranked WHERE up_to >= 0.95 * all_calls)::float8 AS p95_seconds
  FROM ranked ORDER BY mean DESC
"""
_FREEZE = """
SELECT datname AS name, age(datfrozenxid) AS xid_age, mxid_age(datminmxid) AS multixact_age FROM pg_database
"""
_REPLICAS = """
SELECT coalesce(nullif(application_name, ''), client_addr::text, 'pid ' || pid) AS name, state,
       extract(epoch FROM replay_lag)::float8 AS seconds, pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)::bigint AS bytes
  FROM pg_stat_replication
"""
# A standby that has replayed all it received is not behind, however long ago the last transaction was.
_STANDBY = """
SELECT CASE WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0
            ELSE extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()) END::float8 AS seconds,
       pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())::bigint AS bytes
"""
_SLOTS = """
SELECT slot_name AS name, slot_type AS type, active, wal_status,
       pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_lsn() END,
                       restart_lsn)::bigint AS bytes
  FROM pg_replication_slots
"""
_ARCHIVER = """
SELECT current_setting('archive_mode') AS mode, archived_count AS archived, failed_count AS failed, last_failed_wal,
       extract(epoch FROM clock_timestamp() - last_archived_time)::float8 AS seconds,
       coalesce(last_failed_time > coalesce(last_archived_time, '-infinity'), false) AS failing
  FROM pg_stat_archiver
"""
_ARCHIVE_BACKLOG = "SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'"
_INVALID = """
SELECT format('%I.%I', n.nspname, c.relname) AS name, c.relkind::text = 'I' AS partitioned
  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE NOT i.indisvalid AND i.indrelid NOT IN (SELECT relid FROM pg_stat_progress_create_index WHERE relid IS NOT NULL)
 ORDER BY 1
"""
_SETTINGS = """
SELECT name, setting AS value, 'the server' AS place FROM pg_settings WHERE name = ANY(%(names)s)
UNION ALL
SELECT split_part(entry, '=', 1), substring(entry FROM position('=' IN entry) + 1),
       concat_ws(' and ', 'database ' || d.datname, 'role ' || r.rolname)
  FROM pg_db_role_setting s CROSS JOIN unnest(s.setconfig) AS entry
  LEFT JOIN pg_database d ON d.oid = s.setdatabase LEFT JOIN pg_roles r ON r.oid = s.setrole
 WHERE split_part(entry, '=', 1) = ANY(%(names)s)
"""


def observe_database(session: Session, *, settings: list[str]) -> dict[str, Any]:
    """Everything that `judge_database` wants to know; a section that could not be read is ``{"error": …}``.

    Sections: ``sessions``, ``clients``, ``statistics``, ``transactions``, ``blocked``, ``statements`` (None where pg_stat_statements is not
    installed), ``freeze``, ``replicas``, ``standby`` (None on a primary), ``slots``, ``archiver``, ``invalid_indexes``, ``settings``;
    beside them ``name``, ``version`` and ``sees_all`` (whether other users' sessions are visible in full).

    :raises Unreachable: when the server is lost on the way
    """
    [first] = session.fetch(
        "SELECT current_database() AS name, current_setting('server_version') AS version, pg_is_in_recovery() AS standby, "
        "pg_has_role('pg_read_all_stats', 'USAGE') AS sees_all")
    # pg_locks tells from PostgreSQL 14 on since when a lock is waited for; before, the statement's start is the best there is.
    since = "coalesce((SELECT min(l.waitstart) FROM pg_locks l WHERE l.pid = a.pid AND NOT l.granted), a.query_start)" \
        if session.server_version >= 140000 else "a.query_start"
    sections: dict[str, Callable[[], Any]] = {
        "sessions": lambda: session.fetch(_SESSIONS)[0],
        "clients": lambda: session.fetch(CLIENTS),
        "statistics": lambda: session.fetch(_STATISTICS)[0],
        "transactions": lambda: session.fetch(_TRANSACTIONS),
        "blocked": lambda: session.fetch(_BLOCKED.replace("{since}", since)),
        "statements": lambda: _statements(session),
        "freeze": lambda: session.fetch(_FREEZE),
        "replicas": lambda: [] if first["standby"] else session.fetch(_REPLICAS),
        "standby": lambda: session.fetch(_STANDBY)[0] if first["standby"] else None,
        "slots": lambda: session.fetch(_SLOTS),
        "archiver": lambda: _archiver(session),
        "invalid_indexes": lambda: session.fetch(_INVALID),
        "settings": lambda: session.fetch(_SETTINGS, {"names": settings}) if settings else [],
    }
    return {**first, **{name: section(read) for name, read in sections.items()}}


def metrics(facts: dict[str, Any], target: str) -> dict[str, Any]:
    """The facts as the module returns them: the long lists cut to their worst, texts of queries left out; ``target`` is how the
    history calls the database.
    """
    beside = ("name", "version", "sees_all", "settings")
    figures = {section: _cut(seen) for section, seen in facts.items() if section not in beside}
    return {"target": target, "name": facts["name"], "version": facts["version"], "metrics": figures}


def _cut(seen: Any) -> Any:
    if not isinstance(seen, list):
        return seen
    # Statements may carry personal data in their constants; who may see them can ask the server by their id.
    return [{key: value for key, value in row.items() if key != "query"} for row in seen[:_KEPT_ROWS]]


def section(read: Callable[[], Any]) -> Any:
    """What ``read`` gives, or ``{"error": …, "hint": …}`` where the server refuses it.

    :raises Unreachable: when the server is lost
    """
    try:
        return read()
    except Unreachable:
        raise
    except OpsError as error:
        return {"error": error.message, "hint": error.hint}


def _statements(session: Session) -> list[dict[str, Any]] | None:
    schema = extension_schema(session, "pg_stat_statements")
    return session.fetch(_STATEMENTS, names={"view": (schema, "pg_stat_statements")}) if schema else None


def _archiver(session: Session) -> dict[str, Any]:
    [row] = session.fetch(_ARCHIVER)
    if row["mode"] == "off":
        return row
    [backlog] = session.fetch(_ARCHIVE_BACKLOG)
    return {**row, "backlog": backlog["count"]}
