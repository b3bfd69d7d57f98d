# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables as the catalog and the statistics know them, read in one query that takes no lock on any of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .session import Session

# pg_class.relpages and not pg_relation_size(): the latter locks the table, and would wait behind whoever holds it.
# ANALYZE passes over pg_statistic itself without a word (PostgreSQL source, analyze_rel), so it is never due for that.
# A TOAST table's rows are at most a quarter of a page (PostgreSQL source, EXTERN_TUPLES_PER_PAGE), so that is the most they need.
# relfrozenxid is 0 for partitioned tables, whose age means nothing. Expected width: 24 bytes of tuple header and 4 of line
# pointer (PostgreSQL documentation, Database Page Layout) and the columns' mean widths.
_TABLES = """
WITH settings AS MATERIALIZED (
    SELECT current_setting('block_size')::bigint AS block, pg_is_in_recovery() AS standby,
           pg_has_role(d.datdba, 'USAGE') AS owns_database
      FROM pg_database d WHERE d.datname = current_database()
), indexes AS MATERIALIZED (
    SELECT i.indrelid, sum(x.relpages)::bigint AS pages, count(*) AS number
      FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid GROUP BY 1
)
SELECT c.oid::bigint AS oid, n.nspname AS schema, c.relname AS name, format('%I.%I', n.nspname, c.relname) AS title,
       c.relkind::text = 'p' AS partitioned,
       CASE WHEN c.relispartition THEN pg_partition_root(c.oid)::oid::bigint ELSE c.oid::bigint END AS root,
       c.relpages * s.block AS bytes, coalesce(x.pages, 0) * s.block AS index_bytes, coalesce(x.number, 0) AS indexes,
       c.reltuples::float8 AS rows,
       pg_stat_get_live_tuples(c.oid) AS live_rows, pg_stat_get_dead_tuples(c.oid) AS dead_rows,
       CASE WHEN c.oid <> 'pg_statistic'::regclass THEN pg_stat_get_mod_since_analyze(c.oid) ELSE 0 END AS changed_rows,
       greatest(pg_stat_get_last_vacuum_time(c.oid), pg_stat_get_last_autovacuum_time(c.oid)) AS last_vacuum,
       greatest(pg_stat_get_last_analyze_time(c.oid), pg_stat_get_last_autoanalyze_time(c.oid)) AS last_analyze,
       CASE WHEN c.relfrozenxid = '0' THEN 0 ELSE age(c.relfrozenxid) END AS xid_age,
       CASE WHEN c.relminmxid = '0' THEN 0 ELSE mxid_age(c.relminmxid) END AS multixact_age,
       t.relname AS toast_name, coalesce(t.relpages, 0) * s.block AS toast_bytes,
       (greatest(coalesce(t.reltuples, 0), 0) / 4 * s.block)::bigint AS toast_needed_bytes,
       coalesce(pg_stat_get_live_tuples(t.oid), 0) AS toast_live_rows,
       coalesce(pg_stat_get_dead_tuples(t.oid), 0) AS toast_dead_rows,
       greatest(pg_stat_get_last_vacuum_time(t.oid), pg_stat_get_last_autovacuum_time(t.oid)) AS toast_last_vacuum,
       coalesce(age(t.relfrozenxid), 0) AS toast_xid_age, coalesce(mxid_age(t.relminmxid), 0) AS toast_multixact_age,
       coalesce(greatest(c.reltuples, 0) * (28 + w.width) * 100
                / coalesce(substring(array_to_string(c.reloptions, ' ') FROM 'fillfactor=([0-9]+)')::int, 100), 0)::bigint AS needed_bytes,
       CASE WHEN c.relkind = 'p' THEN (SELECT sum(greatest(k.reltuples, pg_stat_get_live_tuples(k.oid), 0))
                                         FROM pg_inherits h JOIN pg_class k ON k.oid = h.inhrelid
                                        WHERE h.inhparent = c.oid)::float8 END AS partitions_rows,
       pg_has_role(c.relowner, 'USAGE') OR s.owns_database AND NOT c.relisshared {maintain} AS allowed, s.standby
  FROM pg_class c CROSS JOIN settings s
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_class t ON t.oid = c.reltoastrelid
  LEFT JOIN LATERAL (SELECT sum(p.avg_width * (1 - p.null_frac)) AS width FROM pg_stats p
                      WHERE c.relpages * s.block > {large} AND p.schemaname = n.nspname AND p.tablename = c.relname
                        AND NOT p.inherited OFFSET 0) w ON true
  LEFT JOIN indexes x ON x.indrelid = c.oid
 WHERE c.relkind IN ('r', 'm', 'p') AND c.relpersistence <> 't' {only}
"""

# Autovacuum workers have an xmin that the server does not count (PostgreSQL source, PROC_IN_VACUUM).
_HOLDER = """
SELECT * FROM (
    SELECT format('session %s of %s (%s, %s)', pid, usename, coalesce(nullif(application_name, ''), backend_type), state) AS who,
           greatest(age(backend_xmin), age(backend_xid))::bigint AS xid_age,
           CASE state WHEN 'active' THEN query_start ELSE state_change END AS since,
           format('SELECT pg_terminate_backend(%s);', pid) AS remedy
      FROM pg_stat_activity
     WHERE (backend_xmin IS NOT NULL OR backend_xid IS NOT NULL) AND pid <> pg_backend_pid()
       AND backend_type NOT IN ('autovacuum worker', 'walsender') AND (datname IS NULL OR datname = current_database())
    UNION ALL
    SELECT format('prepared transaction %L', gid), age(transaction), prepared, format('ROLLBACK PREPARED %L; or commit it', gid)
      FROM pg_prepared_xacts WHERE database = current_database()
    UNION ALL
    SELECT format('replication slot %I', slot_name), age(xmin), NULL, format('SELECT pg_drop_replication_slot(%L);', slot_name)
      FROM pg_replication_slots WHERE xmin IS NOT NULL
    UNION ALL
    SELECT format('standby %s', coalesce(nullif(application_name, ''), client_addr::text)), age(backend_xmin), NULL,
           'end the long query on that standby, or set hot_standby_feedback to off there'
      FROM pg_stat_replication WHERE backend_xmin IS NOT NULL
) AS holders WHERE xid_age IS NOT NULL ORDER BY xid_age DESC, since LIMIT 1
"""


@dataclass(frozen=True)
class Table:
    """One table, materialized view or partitioned table; ages are in transactions, sizes in bytes.

    ``rows`` is pg_class.reltuples, -1 where nobody ever counted; ``needed_bytes`` an estimate of what the rows need, 0 where
    there is none, ``toast_needed_bytes`` the most that those of its TOAST table can need. ``indexes`` counts its indexes.
    ``allowed``: whether this user may vacuum it (the server would pass it over with a mere warning).
    """

    oid: int
    schema: str
    name: str
    title: str
    root: int = 0
    partitioned: bool = False
    bytes: int = 0
    index_bytes: int = 0
    indexes: int = 0
    rows: float = -1
    live_rows: int = 0
    dead_rows: int = 0
    changed_rows: int = 0
    last_vacuum: datetime | None = None
    last_analyze: datetime | None = None
    xid_age: int = 0
    multixact_age: int = 0
    toast_name: str | None = None
    toast_bytes: int = 0
    toast_needed_bytes: int = 0
    toast_live_rows: int = 0
    toast_dead_rows: int = 0
    toast_last_vacuum: datetime | None = None
    toast_xid_age: int = 0
    toast_multixact_age: int = 0
    needed_bytes: int = 0
    partitions_rows: float | None = None
    allowed: bool = True
    standby: bool = False
    measured: tuple[float, float] | None = None

    @property
    def oldest(self) -> tuple[int, int]:
        """Age of the oldest transaction and of the oldest multixact in it or its TOAST table."""
        return max(self.xid_age, self.toast_xid_age), max(self.multixact_age, self.toast_multixact_age)

    def state(self) -> dict[str, Any]:
        """What before and after show."""
        xid_age, multixact_age = self.oldest
        return {"dead_rows": self.dead_rows + self.toast_dead_rows, "live_rows": self.live_rows, "changed_rows": self.changed_rows,
                "bytes": self.bytes + self.toast_bytes, "xid_age": xid_age, "multixact_age": multixact_age}


@dataclass(frozen=True)
class Holder:
    """The oldest transaction that keeps dead rows from being removed.

    ``since``: the latest moment at which it took its view of the data, None where the server does not tell.
    """

    who: str
    xid_age: int
    since: datetime | None
    remedy: str


def observe_tables(session: Session, *, large: int, oids: Sequence[int] | None = None) -> list[Table]:
    """All tables of the database that are not temporary, system catalogs included; or those of ``oids``.

    What their rows need is estimated for those of more than ``large`` bytes: it costs a look at each column.
    """
    # The privilege MAINTAIN came with PostgreSQL 17.
    maintain = "OR has_table_privilege(c.oid, 'MAINTAIN')" if session.server_version >= 170000 else ""
    only = f"AND c.oid IN ({', '.join(str(int(oid)) for oid in oids)})" if oids is not None else ""
    if oids is not None and not oids:
        return []
    rows = session.fetch(_TABLES.replace("{maintain}", maintain).replace("{only}", only).replace("{large}", str(int(large))))
    # Before PostgreSQL 14 ANALYZE does not count the rows of a partitioned table, so nothing tells when it is due.
    if session.server_version < 140000:
        rows = [{**row, "partitions_rows": None} for row in rows]
    return [Table(**row) for row in rows]


def observe_holder(session: Session) -> Holder | None:
    """Who holds dead rows back just now, if anybody."""
    rows = session.fetch(_HOLDER)
    return Holder(**rows[0]) if rows else None


def extension_schema(session: Session, extension: str) -> str | None:
    """Where an extension's functions are, None where it is not installed in this database."""
    rows = session.fetch("SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = %s",
                         (extension,))
    return rows[0]["nspname"] if rows else None


def measure_tables(session: Session, schema: str, tables: Sequence[Table]) -> dict[int, tuple[float, float]]:
    """Percent of each table that is dead rows, and that is free, by pgstattuple_approx."""
    rows = session.fetch("SELECT w.oid::bigint AS oid, s.dead_tuple_percent AS dead, s.approx_free_percent AS free "
                         "FROM unnest(%s::oid[]) AS w (oid) CROSS JOIN LATERAL {function}(w.oid::regclass) AS s",
                         ([table.oid for table in tables],), {"function": (schema, "pgstattuple_approx")})
    return {row["oid"]: (row["dead"], row["free"]) for row in rows}
