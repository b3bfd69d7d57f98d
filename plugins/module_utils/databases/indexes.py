# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Indexes as the catalog knows them, read in one query that takes no lock on any of them; and measured."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from .session import Session

# Layout of a B-tree page (PostgreSQL source, src/include/storage/bufpage.h, itup.h, nbtree.h): 24 bytes of header and 16
# of special space; an entry has 8 bytes of header and 4 of line pointer and is aligned to 8; a posting list has 6 bytes
# per row and is kept below a sixth of the page.
_PAGE_OVERHEAD, _ENTRY_HEADER, _LINE_POINTER, _ROW_POINTER = 40, 8, 4, 6
_DEFAULT_FILLFACTOR = 90

# The widths of expressions are kept under the index's own name, those of columns under the table's.
_INDEXES = """
WITH building AS MATERIALIZED (
    SELECT DISTINCT relid FROM pg_stat_progress_create_index WHERE datname = current_database()
), candidates AS MATERIALIZED (
    SELECT i.*, ic.relname, ic.relnamespace, ic.relpages, ic.reltuples, ic.relkind, ic.reloptions, ic.relowner, m.amname
      FROM pg_index i JOIN pg_class ic ON ic.oid = i.indexrelid JOIN pg_am m ON m.oid = ic.relam
     WHERE i.indrelid >= 16384 AND ic.relpersistence <> 't'
       AND (NOT i.indisvalid OR NOT i.indisready OR m.amname = 'btree' AND ic.relpages >= {min_pages})
), columns AS MATERIALIZED (
    SELECT k.indexrelid, k.relname AS index_name, tc.relname AS table_name, tn.nspname AS schema, inn.nspname AS index_schema, a.attname,
           k.indkey[a.attnum - 1] AS key, a.attnum, ta.attname AS table_column, a.attlen
      FROM candidates k JOIN pg_class tc ON tc.oid = k.indrelid JOIN pg_namespace tn ON tn.oid = tc.relnamespace
      JOIN pg_namespace inn ON inn.oid = k.relnamespace
      JOIN pg_attribute a ON a.attrelid = k.indexrelid AND a.attnum > 0
      LEFT JOIN pg_attribute ta ON ta.attrelid = k.indrelid AND ta.attnum = k.indkey[a.attnum - 1] AND k.indkey[a.attnum - 1] > 0
), widths AS MATERIALIZED (
    SELECT c.indexrelid,
           sum(CASE WHEN c.attlen > 0 THEN c.attlen ELSE s.avg_width END)::float8 AS key_bytes,
           bool_and(c.attlen > 0 OR s.avg_width IS NOT NULL) AS known,
           CASE WHEN count(*) = 1 THEN max(s.null_frac) END::float8 AS null_share,
           -- Negative: a share of the rows. The product over the columns is an upper bound.
           sum(ln(greatest(CASE WHEN s.n_distinct < 0 THEN -s.n_distinct * k.reltuples ELSE s.n_distinct END, 1)))::float8 AS ln_distinct,
           bool_and(s.n_distinct IS NOT NULL) AS distinct_known
      FROM columns c JOIN candidates k USING (indexrelid)
      {statistics}
     GROUP BY c.indexrelid
)
SELECT k.indexrelid::bigint AS oid, n.nspname AS schema, k.relname AS name, format('%I.%I', n.nspname, k.relname) AS title,
       coalesce(main.oid, k.indrelid)::bigint AS table_oid, k.indrelid::bigint AS indexed_oid, k.amname AS method,
       k.relkind::text = 'I' AS partitioned, k.indisvalid AND k.indisready AND k.indislive AS valid, k.indisexclusion AS exclusion,
       k.indisunique AS is_unique, k.relpages AS pages, k.reltuples::float8 AS rows, current_setting('block_size')::int AS block,
       coalesce(substring(array_to_string(k.reloptions, ' ') FROM 'fillfactor=([0-9]+)')::int, 0) AS fillfactor,
       coalesce(array_to_string(k.reloptions, ' ') !~ 'deduplicate_items=(off|false|no|0)', true) AND NOT k.indisunique
           AND k.indnkeyatts = k.indnatts AS deduplicated,
       CASE WHEN w.known THEN w.key_bytes END AS key_bytes, coalesce(w.null_share, 0) AS null_share,
       CASE WHEN w.distinct_known THEN w.ln_distinct END AS ln_distinct,
       EXISTS (SELECT FROM pg_index o JOIN pg_class oc ON oc.oid = o.indexrelid
                WHERE NOT (k.indisvalid AND k.indisready) AND o.indrelid = k.indrelid AND o.indexrelid <> k.indexrelid
                  AND o.indkey = k.indkey AND k.relname ~ '_cc(new|old)[0-9]*$'
                  AND starts_with(oc.relname, regexp_replace(k.relname, '_cc(new|old)[0-9]*$', ''))) AS has_twin,
       tn.nspname AS table_schema, tc.relname AS table_name, format('%I.%I', tn.nspname, tc.relname) AS table_title,
       (SELECT count(*) FROM pg_index o WHERE o.indrelid = k.indrelid) AS siblings,
       b.relid IS NOT NULL AS building, pg_is_in_recovery() AS standby,
       pg_has_role(coalesce(main.relowner, k.relowner), 'USAGE')
           OR pg_has_role((SELECT datdba FROM pg_database WHERE datname = current_database()), 'USAGE') {maintain} AS allowed
  FROM candidates k
  JOIN pg_namespace n ON n.oid = k.relnamespace
  JOIN pg_class tc ON tc.oid = k.indrelid
  JOIN pg_namespace tn ON tn.oid = tc.relnamespace
  LEFT JOIN pg_class main ON n.nspname = 'pg_toast' AND main.reltoastrelid = k.indrelid
  LEFT JOIN widths w ON w.indexrelid = k.indexrelid
  LEFT JOIN building b ON b.relid = k.indrelid
 WHERE coalesce(main.oid, k.indrelid) >= 16384  -- below are the system catalogs, which cannot be rebuilt concurrently
"""
# The table that is behind pg_stats is for superusers, and quicker. LATERAL with OFFSET makes the planner, which
# expects one row of the candidates, look each column up through indexes; else it reads everything for each of them.
_FROM_TABLE = """
      LEFT JOIN LATERAL (
            SELECT p.stawidth AS avg_width, p.stanullfrac AS null_frac, p.stadistinct AS n_distinct FROM pg_statistic p
             WHERE NOT p.stainherit AND p.starelid = CASE WHEN c.key = 0 THEN c.indexrelid ELSE k.indrelid END
               AND p.staattnum = CASE WHEN c.key = 0 THEN c.attnum ELSE c.key END OFFSET 0) s ON true
"""
_FROM_VIEW = """
      LEFT JOIN LATERAL (
            SELECT p.avg_width, p.null_frac, p.n_distinct FROM pg_stats p
             WHERE NOT p.inherited AND p.schemaname = CASE WHEN c.key = 0 THEN c.index_schema ELSE c.schema END
               AND p.tablename = CASE WHEN c.key = 0 THEN c.index_name ELSE c.table_name END
               AND p.attname = CASE WHEN c.key = 0 THEN c.attname ELSE c.table_column END OFFSET 0) s ON true
"""


@dataclass(frozen=True)
class Index:
    """One index that is invalid, or a B-tree of some size.

    ``table_oid`` is the table whose lock it shares: the main table for an index of its TOAST table. ``rows`` is
    pg_class.reltuples of the index, -1 where unknown; ``key_bytes`` the mean width of its columns, None where there are no
    statistics; ``null_share`` the share of nulls where it has one column; ``ln_distinct`` the logarithm of the product of its
    columns' distinct values. ``siblings`` counts the indexes of its table, itself among them. ``has_twin``: it is
    invalid, named as REINDEX CONCURRENTLY names its intermediate copies, and the index that it is a copy of is there.
    ``measured_percent``: bloat as pgstatindex saw it.
    """

    oid: int
    schema: str
    name: str
    title: str
    table_oid: int = 0
    indexed_oid: int = 0
    method: str = "btree"
    partitioned: bool = False
    valid: bool = True
    exclusion: bool = False
    is_unique: bool = False
    pages: int = 0
    rows: float = -1
    block: int = 8192
    fillfactor: int = 0
    deduplicated: bool = False
    key_bytes: float | None = None
    null_share: float = 0
    ln_distinct: float | None = None
    table_schema: str = ""
    table_name: str = ""
    table_title: str = ""
    siblings: int = 0
    has_twin: bool = False
    building: bool = False
    standby: bool = False
    allowed: bool = True
    measured_percent: float | None = None

    @property
    def bytes(self) -> int:
        """Its size as of the last VACUUM or ANALYZE."""
        return self.pages * self.block

    @property
    def packing(self) -> float:
        """The share of a leaf page that a rebuild fills."""
        return (self.fillfactor or _DEFAULT_FILLFACTOR) / 100

    def needed_pages(self, *, deduplicate: bool) -> int | None:
        """Pages that a rebuilt B-tree of so many rows would have; None where the catalog does not suffice to tell.

        With ``deduplicate`` equal keys are taken to share an entry, as PostgreSQL does from version 13 on where the
        column's type allows it; without, the answer is an upper bound.
        """
        if self.method != "btree" or self.rows < 0 or self.key_bytes is None:
            return None
        key = 8 * math.ceil((_ENTRY_HEADER + self.key_bytes) / 8) + _LINE_POINTER
        space = (self.block - _PAGE_OVERHEAD) * self.packing
        filled = self.rows * key
        if deduplicate and self.deduplicated and self.ln_distinct is not None and self.rows > 0:
            nulls = self.rows * self.null_share
            distinct = min(math.exp(min(self.ln_distinct, 700)), self.rows - nulls)
            filled = self._shared(self.rows - nulls, distinct, key) + self._shared(nulls, min(nulls, 1), key)
        leaves = math.ceil(filled / space) if filled else 0
        return 1 + leaves + math.ceil(leaves * (key + 8) / space)  # the metapage, and one entry above for each leaf

    def _shared(self, rows: float, distinct: float, key: int) -> float:
        """Bytes of so many rows of so many keys, where rows of one key share entries."""
        if not distinct or rows / distinct < 2:
            return rows * key
        in_one_entry = max((self.block / 6 - key) / _ROW_POINTER, 1)
        return rows * _ROW_POINTER + distinct * math.ceil(rows / distinct / in_one_entry) * key

    def bloat_percent(self, *, deduplicate: bool) -> float | None:
        """The share of it that a rebuild would give back, by estimate."""
        needed = self.needed_pages(deduplicate=deduplicate)
        return None if needed is None or not self.pages else max(0.0, 100 * (1 - needed / self.pages))


def observe_indexes(session: Session, *, min_bytes: int) -> list[Index]:
    """The invalid indexes, and the B-trees of at least ``min_bytes``, of all tables but the system's own."""
    # The privilege MAINTAIN came with PostgreSQL 17.
    maintain = "OR has_table_privilege(coalesce(main.oid, k.indrelid), 'MAINTAIN')" if session.server_version >= 170000 else ""
    [allowed] = session.fetch("SELECT has_table_privilege('pg_statistic', 'SELECT') AS statistics")
    statistics = _FROM_TABLE if allowed["statistics"] else _FROM_VIEW
    query = _INDEXES.replace("{statistics}", statistics.strip()).replace("{maintain}", maintain)
    query = query.replace("{min_pages}", str(max(1, min_bytes // 8192)))
    return [Index(**row) for row in session.fetch(query)]


def measure_index(session: Session, schema: str, index: Index) -> float:
    """Percent of the index that a rebuild would give back, by pgstatindex: it reads the whole index."""
    [row] = session.fetch("SELECT index_size, leaf_pages, internal_pages, avg_leaf_density FROM {function}(%s::oid::regclass)",
                          (index.oid,), {"function": (schema, "pgstatindex")})
    return measured_bloat(row, index)


def measured_bloat(row: dict[str, Any], index: Index) -> float:
    """From the figures of pgstatindex; an index without any leaf has NaN for its density."""
    total = row["index_size"] / index.block
    density = row["avg_leaf_density"] if row["avg_leaf_density"] == row["avg_leaf_density"] else 0.0
    # avg_leaf_density is of the space between header and special area, the very space that the fill factor divides.
    needed = row["leaf_pages"] * min(density / 100 / index.packing, 1.0)
    share = needed / row["leaf_pages"] if row["leaf_pages"] else 0.0
    return max(0.0, 100 * (1 - (1 + needed + row["internal_pages"] * share) / total)) if total > 1 else 0.0
