# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Indexes as the catalog knows them, read in one query that takes no lock on any of them; and measured."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from .room import Room
from .session import Session

# Layout of a B-tree page (PostgreSQL source, src/include/storage/bufpage.h, itup.h, nbtree.h): 24 bytes of header and 16
# of special space; an entry has 8 bytes of header and 4 of line pointer and is aligned to 8; a posting list has 6 bytes
# per row and is kept below a sixth of the page.
_PAGE_OVERHEAD, _ENTRY_HEADER, _LINE_POINTER, _ROW_POINTER = 40, 8, 4, 6
_DEFAULT_FILLFACTOR = 90
# Access methods beside B-trees whose free space the extension pgstattuple can tell (PostgreSQL source, pgstattuple.c).
MEASURED = frozenset({"hash", "gist"})

# The B-trees of some size and what is invalid, with what the catalog says of their size; nothing that only a message needs. The
# widths of expressions are kept under the index's own name, those of columns under the table's.
_ESTIMATES = """
WITH candidates AS MATERIALIZED (
    SELECT i.indexrelid, i.indrelid, i.indkey, i.indisunique, i.indnatts, i.indnkeyatts, ic.relname, ic.relnamespace,
           i.indisvalid AND i.indisready AND i.indislive AS valid, m.amname, ic.relpages, ic.reltuples, ic.reloptions
      FROM pg_index i JOIN pg_class ic ON ic.oid = i.indexrelid JOIN pg_am m ON m.oid = ic.relam
     WHERE i.indrelid >= 16384 AND ic.relpersistence <> 't'
       AND (NOT i.indisvalid OR NOT i.indisready OR m.amname IN ({methods}) AND ic.relpages >= {min_pages})
), columns AS MATERIALIZED ({columns}), widths AS MATERIALIZED (
    SELECT c.indexrelid,
           sum(CASE WHEN c.attlen > 0 THEN c.attlen ELSE s.avg_width END)::float8 AS key_bytes,
           bool_and(c.attlen > 0 OR s.avg_width IS NOT NULL) AS known,
           CASE WHEN count(*) = 1 THEN max(s.null_frac) END::float8 AS null_share,
           -- Negative: a share of the rows. The product over the columns is an upper bound.
           sum(ln(greatest(CASE WHEN s.n_distinct < 0 THEN -s.n_distinct * c.reltuples ELSE s.n_distinct END, 1)))::float8 AS ln_distinct,
           bool_and(s.n_distinct IS NOT NULL) AS distinct_known
      FROM columns c
      {statistics}
     GROUP BY c.indexrelid
)
SELECT k.indexrelid::bigint AS oid, k.amname AS method, k.valid, k.relpages AS pages, k.reltuples::float8 AS rows,
       current_setting('block_size')::int AS block,
       coalesce(substring(array_to_string(k.reloptions, ' ') FROM 'fillfactor=([0-9]+)')::int, 0) AS fillfactor,
       coalesce(array_to_string(k.reloptions, ' ') !~ 'deduplicate_items=(off|false|no|0)', true) AND NOT k.indisunique
           AND k.indnkeyatts = k.indnatts AS deduplicated,
       CASE WHEN w.known THEN w.key_bytes END AS key_bytes, coalesce(w.null_share, 0) AS null_share,
       CASE WHEN w.distinct_known THEN w.ln_distinct END AS ln_distinct
  FROM candidates k LEFT JOIN widths w USING (indexrelid)
"""
# The table that is behind pg_stats is for superusers, and quicker: it takes no names. LATERAL with OFFSET makes the planner,
# which expects one row of the candidates, look each column up through indexes; else it reads everything for each of them.
_FROM_TABLE = ("""
    SELECT k.indexrelid, k.indrelid, k.reltuples, k.indkey[a.attnum - 1] AS key, a.attnum, a.attlen
      FROM candidates k JOIN pg_attribute a ON a.attrelid = k.indexrelid AND a.attnum > 0
""", """
      LEFT JOIN LATERAL (
            SELECT p.stawidth AS avg_width, p.stanullfrac AS null_frac, p.stadistinct AS n_distinct FROM pg_statistic p
             WHERE NOT p.stainherit AND p.starelid = CASE WHEN c.key = 0 THEN c.indexrelid ELSE c.indrelid END
               AND p.staattnum = CASE WHEN c.key = 0 THEN c.attnum ELSE c.key END OFFSET 0) s ON true
""")
_FROM_VIEW = ("""
    SELECT k.indexrelid, k.relname AS index_name, k.reltuples, tc.relname AS table_name, tn.nspname AS schema,
           inn.nspname AS index_schema, a.attname, k.indkey[a.attnum - 1] AS key, ta.attname AS table_column, a.attlen
      FROM candidates k JOIN pg_class tc ON tc.oid = k.indrelid JOIN pg_namespace tn ON tn.oid = tc.relnamespace
      JOIN pg_namespace inn ON inn.oid = k.relnamespace
      JOIN pg_attribute a ON a.attrelid = k.indexrelid AND a.attnum > 0
      LEFT JOIN pg_attribute ta ON ta.attrelid = k.indrelid AND ta.attnum = k.indkey[a.attnum - 1] AND k.indkey[a.attnum - 1] > 0
""", """
      LEFT JOIN LATERAL (
            SELECT p.avg_width, p.null_frac, p.n_distinct FROM pg_stats p
             WHERE NOT p.inherited AND p.schemaname = CASE WHEN c.key = 0 THEN c.index_schema ELSE c.schema END
               AND p.tablename = CASE WHEN c.key = 0 THEN c.index_name ELSE c.table_name END
               AND p.attname = CASE WHEN c.key = 0 THEN c.attname ELSE c.table_column END OFFSET 0) s ON true
""")
# The rest, of the few that are worth it.
_DETAILS = """
WITH building AS MATERIALIZED (
    SELECT DISTINCT relid FROM pg_stat_progress_create_index WHERE datname = current_database()
)
SELECT i.indexrelid::bigint AS oid, n.nspname AS schema, k.relname AS name, format('%I.%I', n.nspname, k.relname) AS title,
       coalesce(main.oid, i.indrelid)::bigint AS table_oid, i.indrelid::bigint AS indexed_oid,
       k.relkind::text = 'I' AS partitioned, i.indisexclusion AS exclusion,
       EXISTS (SELECT FROM pg_index o JOIN pg_class oc ON oc.oid = o.indexrelid
                WHERE NOT (i.indisvalid AND i.indisready) AND o.indrelid = i.indrelid AND o.indexrelid <> i.indexrelid
                  AND o.indkey = i.indkey AND k.relname ~ '_cc(new|old)[0-9]*$'
                  AND starts_with(oc.relname, regexp_replace(k.relname, '_cc(new|old)[0-9]*$', ''))) AS has_twin,
       coalesce(nullif(k.reltablespace, 0), db.dattablespace)::bigint AS tablespace,
       tn.nspname AS table_schema, tc.relname AS table_name, format('%I.%I', tn.nspname, tc.relname) AS table_title,
       (SELECT count(*) FROM pg_index o WHERE o.indrelid = i.indrelid) AS siblings,
       b.relid IS NOT NULL AS building,
       pg_has_role(coalesce(main.relowner, k.relowner), 'USAGE') OR pg_has_role(db.datdba, 'USAGE') {maintain} AS allowed
  FROM pg_index i
  JOIN pg_database db ON db.datname = current_database()
  JOIN pg_class k ON k.oid = i.indexrelid
  JOIN pg_namespace n ON n.oid = k.relnamespace
  JOIN pg_class tc ON tc.oid = i.indrelid
  JOIN pg_namespace tn ON tn.oid = tc.relnamespace
  LEFT JOIN pg_class main ON n.nspname = 'pg_toast' AND main.reltoastrelid = i.indrelid
  LEFT JOIN building b ON b.relid = i.indrelid
 WHERE i.indexrelid IN ({oids})
   AND coalesce(main.oid, i.indrelid) >= 16384  -- below are the system catalogs, which cannot be rebuilt concurrently
"""


@dataclass(frozen=True)
class Estimate:
    """What the catalog says of an index's size, and of the size of a rebuilt one.

    ``rows`` is pg_class.reltuples of the index, -1 where unknown; ``key_bytes`` the mean width of its columns, None where there
    are no statistics; ``null_share`` the share of nulls where it has one column; ``ln_distinct`` the logarithm of the product of
    its columns' distinct values.
    """

    oid: int
    method: str = "btree"
    valid: bool = True
    pages: int = 0
    rows: float = -1
    block: int = 8192
    fillfactor: int = 0
    deduplicated: bool = False
    key_bytes: float | None = None
    null_share: float = 0
    ln_distinct: float | None = None

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


@dataclass(frozen=True)
class Index(Estimate):
    """One index that is invalid, or a B-tree of some size.

    ``table_oid`` is the table whose lock it shares: the main table for an index of its TOAST table. ``siblings`` counts the
    indexes of its table, itself among them. ``has_twin``: it is invalid, named as REINDEX CONCURRENTLY names its intermediate
    copies, and the index that it is a copy of is there. ``measured_percent`` and ``measured_bytes``: bloat and size as pgstattuple
    saw them. ``unsafe``: why this server must not build it beside writers. ``tablespace``: the oid of its own; ``room``: how much
    may be filled of that, None where nobody looked.
    """

    schema: str = ""
    name: str = ""
    title: str = ""
    table_oid: int = 0
    indexed_oid: int = 0
    partitioned: bool = False
    exclusion: bool = False
    table_schema: str = ""
    table_name: str = ""
    table_title: str = ""
    siblings: int = 0
    has_twin: bool = False
    building: bool = False
    allowed: bool = True
    measured_percent: float | None = None
    measured_bytes: int | None = None
    unsafe: str = ""
    tablespace: int = 0
    room: Room | None = None


# Versions in which an index that is built concurrently can lack rows: CREATE INDEX CONCURRENTLY and REINDEX CONCURRENTLY ignored
# changes that HOT pruning hid meanwhile (PostgreSQL 14.4 release notes).
_UNSAFE_BUILDS = ((140000, 140003, "14.4"),)


def unsafe_builds(server_version: int) -> str:
    """Why a server of this version must not build indexes concurrently; empty where it may."""
    for first, last, mended in _UNSAFE_BUILDS:
        if first <= server_version <= last:
            return (f"PostgreSQL {server_version // 10000}.{server_version % 10000} can leave rows out of an index that is built "
                    f"concurrently; {mended} mends it")
    return ""


def observe_indexes(session: Session, *, min_bytes: int, worth: Callable[[Estimate], bool] = lambda estimate: True,
                    methods: Collection[str] = (), statistics: bool | None = None) -> list[Index]:
    """The invalid indexes, and the B-trees and those of other access ``methods`` of at least ``min_bytes``, of all tables but the
    system's own.

    Of most indexes an estimate says that nothing is to be done: only those that are ``worth`` it are looked at closely.
    ``statistics``: whether this user may read pg_statistic, where the caller knows.
    """
    if statistics is None:
        statistics = session.fetch("SELECT has_table_privilege('pg_statistic', 'SELECT') AS allowed")[0]["allowed"]
    columns, widths = _FROM_TABLE if statistics else _FROM_VIEW
    query = _ESTIMATES.replace("{columns}", columns.strip()).replace("{statistics}", widths.strip())
    query = query.replace("{methods}", ", ".join(f"'{method}'" for method in ("btree", *(MEASURED & set(methods)))))
    rows = session.fetch(query.replace("{min_pages}", str(max(1, min_bytes // 8192))))
    chosen = {row["oid"]: row for row in rows if worth(Estimate(**row))}
    if not chosen:
        return []
    # The privilege MAINTAIN came with PostgreSQL 17.
    maintain = "OR has_table_privilege(coalesce(main.oid, i.indrelid), 'MAINTAIN')" if session.server_version >= 170000 else ""
    details = session.fetch(_DETAILS.replace("{maintain}", maintain).replace("{oids}", ", ".join(map(str, chosen))))
    unsafe = unsafe_builds(session.server_version)
    return [Index(**chosen[row["oid"]] | row, unsafe=unsafe) for row in details]


def measure_indexes(session: Session, schema: str, indexes: Sequence[Index]) -> dict[int, tuple[float, int]]:
    """Percent of each index that a rebuild would give back, and its bytes, by the functions of pgstattuple: they read the whole index."""
    known = {index.oid: index for index in indexes}
    trees = [index.oid for index in indexes if index.method == "btree"]
    others = [index.oid for index in indexes if index.method != "btree"]
    rows = session.fetch("SELECT w.oid::bigint AS oid, s.index_size, s.leaf_pages, s.internal_pages, s.avg_leaf_density "
                         "FROM unnest(%s::oid[]) AS w (oid) CROSS JOIN LATERAL {function}(w.oid::regclass) AS s",
                         (trees,), {"function": (schema, "pgstatindex")}) if trees else []
    found = {row["oid"]: (measured_bloat(row, known[row["oid"]]), row["index_size"]) for row in rows}
    rows = session.fetch("SELECT w.oid::bigint AS oid, s.table_len AS bytes, s.free_percent FROM unnest(%s::oid[]) AS w (oid) "
                         "CROSS JOIN LATERAL {function}(w.oid::regclass) AS s",
                         (others,), {"function": (schema, "pgstattuple")}) if others else []
    return found | {row["oid"]: (row["free_percent"], row["bytes"]) for row in rows}


def measured_bloat(row: dict[str, Any], index: Index) -> float:
    """From the figures of pgstatindex; an index without any leaf has NaN for its density."""
    total = row["index_size"] / index.block
    density = row["avg_leaf_density"] if row["avg_leaf_density"] == row["avg_leaf_density"] else 0.0
    # avg_leaf_density is of the space between header and special area, the very space that the fill factor divides.
    needed = row["leaf_pages"] * min(density / 100 / index.packing, 1.0)
    share = needed / row["leaf_pages"] if row["leaf_pages"] else 0.0
    return max(0.0, 100 * (1 - (1 + needed + row["internal_pages"] * share) / total)) if total > 1 else 0.0
