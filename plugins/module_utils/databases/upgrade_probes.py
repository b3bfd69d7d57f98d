# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a database may hold that a newer major version does not take, as PostgreSQL's own pg_upgrade looks for it (its check.c), and
what the release notes (appendix E of the documentation) say became of settings and extensions.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Probe:
    """``query`` gives one column ``name`` of what is in the way for servers from ``since`` on that come from an older one; 0 is every
    upgrade. ``only_pg_upgrade``: a dump that is restored gets past it; ``passing``: it is gone again on the day of the upgrade.
    """

    name: str
    since: int
    query: str
    why: str
    hint: str
    only_pg_upgrade: bool = False
    passing: bool = False


# Columns, and domains' and arrays' columns, of built-in types; the type names are quoted words of our own.
_COLUMNS = """
    WITH RECURSIVE found AS (
        SELECT t.oid FROM pg_type t WHERE t.typnamespace = 'pg_catalog'::regnamespace AND t.typname IN ({types})
        UNION SELECT t.oid FROM pg_type t JOIN found f
          ON t.typbasetype = f.oid AND t.typtype = 'd' OR t.typelem = f.oid AND t.typcategory = 'A'
    )
    SELECT format('%I.%I.%I', n.nspname, c.relname, a.attname) AS name
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN found f ON f.oid = a.atttypid
    WHERE c.relkind IN ('r', 'm', 'i', 'p') AND a.attnum > 0 AND NOT a.attisdropped AND c.oid >= 16384
      AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(temp|toast)' ORDER BY 1"""


def _of_types(*names: str) -> str:
    return _COLUMNS.replace("{types}", ", ".join(f"'{name}'" for name in names))


_SYSTEM_ROWS = """
    SELECT format('%I.%I.%I', n.nspname, c.relname, a.attname) AS name
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_type e ON e.oid = t.typelem
    WHERE c.relkind IN ('r', 'm', 'i', 'p') AND a.attnum > 0 AND NOT a.attisdropped AND c.oid >= 16384
      AND (t.typtype = 'c' AND t.oid < 16384 OR e.typtype = 'c' AND e.oid < 16384) AND n.nspname !~ '^pg_(temp|toast)' ORDER BY 1"""
# Their arguments became anycompatible in 14, so that what was built on the old signature finds no function.
_POLYMORPHIC = """
    WITH old AS (SELECT unnest(ARRAY['array_append(anyarray,anyelement)', 'array_cat(anyarray,anyarray)',
        'array_position(anyarray,anyelement)', 'array_position(anyarray,anyelement,integer)', 'array_positions(anyarray,anyelement)',
        'array_prepend(anyelement,anyarray)', 'array_remove(anyarray,anyelement)', 'array_replace(anyarray,anyelement,anyelement)',
        'width_bucket(anyelement,anyarray)']) AS name)
    SELECT 'aggregate ' || a.aggfnoid::regprocedure::text AS name FROM pg_aggregate a JOIN old o
      ON o.name IN (a.aggtransfn::regprocedure::text, a.aggfinalfn::regprocedure::text) WHERE a.aggfnoid >= 16384
    UNION SELECT 'operator ' || p.oid::regoperator::text FROM pg_operator p JOIN old o ON o.name = p.oprcode::regprocedure::text
      WHERE p.oid >= 16384 ORDER BY 1"""

PROBES = (
    Probe("removed types", 12, _of_types("abstime", "reltime", "tinterval"), "these types are gone since PostgreSQL 12",
          "Change the columns to timestamptz or interval"),
    Probe("postfix operators", 14, "SELECT oid::regoperator::text AS name FROM pg_operator WHERE oprright = 0 AND oid >= 16384 ORDER BY 1",
          "operators behind their operand are gone since PostgreSQL 14", "Write them as functions or prefix operators, and drop them"),
    Probe("polymorphic functions", 14, _POLYMORPHIC, "their array functions take other arguments since PostgreSQL 14",
          "Drop them, and create them again for anycompatiblearray after the upgrade"),
    Probe("encoding conversions", 14, "SELECT format('%I.%I', n.nspname, conname) AS name FROM pg_conversion c JOIN pg_namespace n"
          " ON n.oid = c.connamespace WHERE c.oid >= 16384 ORDER BY 1", "their functions take another argument since PostgreSQL 14",
          "Drop them, and create them again for the new version"),
    Probe("aclitem columns", 16, _of_types("aclitem"), "aclitem has another format on disk since PostgreSQL 16",
          "Change the columns to text, or upgrade by dump and restore", True),
    Probe("unlogged partitioned tables", 18, "SELECT format('%I.%I', n.nspname, c.relname) AS name FROM pg_class c JOIN pg_namespace n"
          " ON n.oid = c.relnamespace WHERE c.relkind = 'p' AND c.relpersistence = 'u' ORDER BY 1",
          "a partitioned table cannot be unlogged since PostgreSQL 18, only its partitions", "Make them anew as logged ones"),
    Probe("reg* columns", 0, _of_types("regcollation", "regconfig", "regdictionary", "regnamespace", "regoper", "regoperator", "regproc",
                                       "regprocedure"), "they hold object ids that pg_upgrade does not keep",
          "Change the columns to text, or upgrade by dump and restore", True),
    Probe("columns of system row types", 0, _SYSTEM_ROWS, "they hold rows of system catalogs, which change",
          "Drop the columns, or upgrade by dump and restore", True),
    Probe("prepared transactions", 0, "SELECT gid::text AS name FROM pg_prepared_xacts WHERE database = current_database() ORDER BY 1",
          "an upgrade takes none along", "COMMIT PREPARED or ROLLBACK PREPARED each", passing=True),
    Probe("replication slots", 0, "SELECT slot_name::text AS name FROM pg_replication_slots WHERE database = current_database() ORDER BY 1",
          "before PostgreSQL 17 an upgrade takes none along, and dump and restore never do",
          "Plan to make them and their subscribers anew", passing=True),
)


def probes_for(source: int, target: int) -> list[Probe]:
    """Those that matter between two major versions."""
    return [probe for probe in PROBES if probe.since == 0 or source < probe.since <= target]


# What to write in place of a setting that a newer major version does not know, by the release notes of the version in which it went.
INSTEAD = {
    "wal_keep_segments": "wal_keep_size, which is a size (13)",
    "operator_precedence_warning": "nothing (14)",
    "vacuum_cleanup_index_scale_factor": "nothing (14)",
    "stats_temp_directory": "nothing: statistics are in shared memory (15)",
    "force_parallel_mode": "debug_parallel_query (16)",
    "promote_trigger_file": "nothing: promote by pg_ctl promote or pg_promote() (16)",
    "vacuum_defer_cleanup_age": "hot_standby_feedback and replication slots (16)",
    "db_user_namespace": "nothing (17)",
    "old_snapshot_threshold": "idle_in_transaction_session_timeout and transaction_timeout (17)",
    "trace_recovery_messages": "nothing (17)",
}
EXTENSIONS_GONE = {
    "adminpack": "gone since 17: it was for pgAdmin III; drop it", "old_snapshot": "gone since 17: drop it",
    "plpython2u": "gone since 15: use plpython3u", "plpythonu": "gone since 15: use plpython3u",
}
MD5_DEPRECATED = 18  # PostgreSQL 18 release notes: md5 passwords will be removed
CHECKSUMS_DEFAULT = 18  # initdb writes data checksums since PostgreSQL 18
