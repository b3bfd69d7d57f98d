# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a schema review looks at: indexes, foreign keys, sequences and sizes, each in one query."""

from __future__ import annotations

from typing import Any

from .observe import section
from .session import Session

# Node trees hold the place in the text of CREATE INDEX where each part stood, which is no difference; and unlike
# pg_get_expr() they are read without a lock on the table.
_INDEXES = """
SELECT i.indexrelid::bigint AS oid, i.indrelid::bigint AS table_oid, format('%I.%I', n.nspname, c.relname) AS name,
       format('%I.%I', tn.nspname, t.relname) AS "table", a.amname AS method, c.relkind::text = 'I' AS partitioned,
       CASE WHEN c.relispartition THEN pg_partition_root(c.oid)::oid::bigint ELSE c.oid::bigint END AS root,
       c.relpages * current_setting('block_size')::bigint AS bytes, i.indisunique AS "unique", i.indisprimary AS "primary",
       i.indisreplident AS identity, i.indimmediate AS immediate, i.indexrelid IN (SELECT conindid FROM pg_constraint) AS constrained,
       i.indkey::text AS columns, i.indnkeyatts AS keys, i.indclass::text AS classes, i.indcollation::text AS collations,
       i.indoption::text AS options, regexp_replace(i.indexprs::text, ':location -?\\d+', '', 'g') AS expressions,
       regexp_replace(i.indpred::text, ':location -?\\d+', '', 'g') AS predicate, {distinct} AS distinct_nulls,
       pg_stat_get_numscans(c.oid) AS scans, extract(epoch FROM clock_timestamp() - {last_scan})::float8 AS unused_seconds
  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_am a ON a.oid = c.relam
  JOIN pg_class t ON t.oid = i.indrelid JOIN pg_namespace tn ON tn.oid = t.relnamespace
 WHERE i.indisvalid AND i.indislive AND c.relpersistence <> 't' AND t.relkind IN ('r', 'm', 'p')
   AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
 ORDER BY c.oid
"""
# Statistics outlive a clean restart and not a crash, which leaves no mark on the database; so without a reset on record the
# counters are only known to reach back to the start of the server.
_COUNTED = """
SELECT extract(epoch FROM clock_timestamp() - coalesce(s.stats_reset, pg_postmaster_start_time()))::float8 AS seconds,
       (SELECT count(*) FROM pg_stat_replication) AS standbys
  FROM pg_stat_database s WHERE s.datname = current_database()
"""
# An index serves a foreign key where its first columns are those of the key, in any order; indkey counts from 0.
_FOREIGN_KEYS = """
SELECT k.conname AS name, format('%I.%I', n.nspname, c.relname) AS "table", k.confrelid::regclass::text AS referenced,
       (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY u.place) FROM unnest(k.conkey) WITH ORDINALITY AS u (number, place)
          JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.number) AS columns,
       c.relkind::text = 'p' AS partitioned, current_setting('block_size')::bigint * CASE WHEN c.relkind = 'p' THEN
           (SELECT coalesce(sum(p.relpages), 0) FROM pg_class p WHERE p.relispartition AND pg_partition_root(p.oid) = c.oid)
           ELSE c.relpages END::bigint AS bytes
  FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE k.contype = 'f' AND k.conparentid = 0 AND NOT c.relispartition
   AND NOT EXISTS (SELECT FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_am m ON m.oid = x.relam
                    WHERE i.indrelid = k.conrelid AND i.indisvalid AND i.indpred IS NULL AND m.amname IN ('btree', 'hash')
                      AND i.indnkeyatts >= cardinality(k.conkey)
                      AND (i.indkey::int2[])[0:cardinality(k.conkey) - 1] @> k.conkey)
 ORDER BY bytes DESC, 2, 1
"""
# What a sequence feeds: the column that owns it (serial, identity), or one whose default calls it. The column's type may end
# long before the sequence does.
_SEQUENCES = """
WITH feeds AS (
    SELECT d.objid AS sequence, d.refobjid AS relation, d.refobjsubid AS number FROM pg_depend d
     WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i') AND d.refobjsubid > 0
    UNION
    SELECT d.refobjid, f.adrelid, f.adnum FROM pg_depend d JOIN pg_attrdef f ON f.oid = d.objid
     WHERE d.classid = 'pg_attrdef'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> f.adrelid
)
SELECT format('%I.%I', n.nspname, c.relname) AS name, q.seqincrement AS increment, q.seqmin AS minimum, q.seqmax AS maximum,
       q.seqcycle AS cycles, has_sequence_privilege(c.oid, 'SELECT, USAGE') AS readable,
       CASE WHEN has_sequence_privilege(c.oid, 'SELECT, USAGE') THEN pg_sequence_last_value(c.oid) END AS last,
       f."column", f.type, f.bits
  FROM pg_sequence q JOIN pg_class c ON c.oid = q.seqrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN LATERAL (
      SELECT format('%I.%I.%I', tn.nspname, t.relname, a.attname) AS "column", a.atttypid::regtype::text AS type,
             CASE a.atttypid WHEN 'int2'::regtype THEN 15 WHEN 'int4'::regtype THEN 31 END AS bits
        FROM feeds JOIN pg_class t ON t.oid = feeds.relation JOIN pg_namespace tn ON tn.oid = t.relnamespace
        JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = feeds.number
       WHERE feeds.sequence = c.oid ORDER BY 3 NULLS LAST LIMIT 1) f ON true
 WHERE c.relpersistence <> 't' AND NOT (c.relpersistence = 'u' AND pg_is_in_recovery())
 ORDER BY 1
"""
_DATABASE_BYTES = "SELECT pg_database_size(current_database()) AS bytes"
# Measuring a relation locks it for a moment: what somebody has, or waits to have, for himself is left out.
_SIZES = """
SELECT format('%%I.%%I', n.nspname, c.relname) AS relation, pg_table_size(c.oid) + pg_indexes_size(c.oid) AS bytes,
       pg_indexes_size(c.oid) AS index_bytes
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
   AND c.oid NOT IN (SELECT relation FROM pg_locks WHERE relation IS NOT NULL AND mode = 'AccessExclusiveLock'
                        AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))
 ORDER BY 2 DESC, 1 LIMIT %s
"""


def observe_schema(session: Session, *, relations: int, lock_timeout: float) -> dict[str, Any]:
    """What `schema_judge.judge_schema` wants to know; a section that could not be read is ``{"error": …}``.

    Sections: ``indexes``, ``counted`` (for how many seconds their use was counted, and the number of standbys, on which they may
    be used too), ``foreign_keys`` (those without an index), ``sequences``, ``sizes`` (the database's and those of its
    ``relations`` largest tables with their indexes); beside them ``name`` and ``version``.

    :raises Unreachable: when the server is lost on the way
    """
    [first] = session.fetch("SELECT current_database() AS name, current_setting('server_version') AS version")
    session.run("SELECT set_config('lock_timeout', %s, false)", (f"{max(1, int(1000 * lock_timeout))}ms",))
    indexes = _INDEXES.replace("{distinct}", "NOT i.indnullsnotdistinct" if session.server_version >= 150000 else "true")
    indexes = indexes.replace("{last_scan}", "pg_stat_get_lastscan(c.oid)" if session.server_version >= 160000 else "NULL::timestamptz")
    return {
        **first,
        "indexes": section(lambda: session.fetch(indexes)),
        "counted": section(lambda: session.fetch(_COUNTED)[0]),
        "foreign_keys": section(lambda: session.fetch(_FOREIGN_KEYS)),
        "sequences": section(lambda: session.fetch(_SEQUENCES)),
        "sizes": section(lambda: {**session.fetch(_DATABASE_BYTES)[0], "relations": session.fetch(_SIZES, (relations,))}),
    }
