# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The vectors that a PostgreSQL database keeps by pgvector: its tables with vector columns, and the indexes for neighbours.

A collection is a table (a partition is one of its own). An index is one of pgvector's two kinds, ``hnsw`` or ``ivfflat``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..core.errors import NotFound
from .fingerprint import qualified
from .sessions import Session
from .vector_tally import coded

# Whatever changes how a key prints; row_security "off" makes a hidden row an error instead of a gap.
_SETTINGS = {"TimeZone": "UTC", "DateStyle": "ISO, YMD", "IntervalStyle": "postgres", "extra_float_digits": "3", "bytea_output": "hex",
             "lc_monetary": "C", "search_path": "pg_catalog", "row_security": "off"}
# pgvector's types whose members are coordinates; bit is PostgreSQL's own and says nothing of being a vector.
_TYPES = ("vector", "halfvec", "sparsevec")


@dataclass(frozen=True)
class VectorIndex:
    """An index for neighbours: what it is over (``expression``, ``predicate``: SQL as the catalog gives it), and by which operator."""

    schema: str
    name: str
    table: tuple[str, str]
    definition: str
    valid: bool
    expression: str
    predicate: str
    kind: str
    operator: tuple[str, str]
    rows: float

    @property
    def qualified(self) -> str:
        """``public.items_embedding_idx``."""
        return qualified(self.schema, self.name)


def begin_on(session: Session, snapshot: str | None) -> None:
    """Begin to read, on a snapshot that `fingerprint.take_fingerprint` has read already, or on a new one."""
    for name, value in _SETTINGS.items():
        session.set(name, value)
    session.run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    if snapshot is not None:
        session.run(f"SET TRANSACTION SNAPSHOT '{snapshot}'")  # takes no parameter; take_fingerprint admits no quote in it


def require_vectors(session: Session) -> str:
    """The version of pgvector in this database.

    :raises NotFound: where the extension is not there
    """
    version = session.value("SELECT extversion FROM pg_extension WHERE extname = 'vector'")
    if not version:
        raise NotFound("The database has no extension vector: it is no vector store of pgvector",
                       hint="Correct login_db; back up a plain database with the engine pg_dump")
    return str(version)


def read_collections(session: Session, *, sample: int) -> dict[str, dict[str, Any]]:
    """The ``vector_collections`` of a fingerprint (see vector_tally.py), from the snapshot that the session has.

    ``content`` is None: the fingerprint of the tables, which stands beside it, has every column of every row.
    """
    found: dict[str, dict[str, Any]] = {}
    indexes = read_indexes(session)
    for table in _tables(session):
        entry = _read(session, table, sample)
        entry["indexes"] = {one.qualified: one.definition for one in indexes if one.table == (table["schema"], table["name"])}
        found[qualified(table["schema"], table["name"])] = entry
    return found


def read_indexes(session: Session) -> list[VectorIndex]:
    """Every index for neighbours, valid or not, by name."""
    rows = session.fetch("""
        SELECT xn.nspname::text AS schema, xc.relname::text AS name, tn.nspname::text AS table_schema, tc.relname::text AS table_name,
               pg_get_indexdef(x.indexrelid) AS definition, x.indisvalid AND x.indisready AND x.indislive AS valid,
               pg_get_indexdef(x.indexrelid, 1, false) AS expression, coalesce(pg_get_expr(x.indpred, x.indrelid), '') AS predicate,
               format_type(xa.atttypid, NULL) AS kind, opn.nspname::text AS operator_schema, op.oprname::text AS operator,
               tc.reltuples::float8 AS rows
        FROM pg_index x
        JOIN pg_class xc ON xc.oid = x.indexrelid JOIN pg_namespace xn ON xn.oid = xc.relnamespace
        JOIN pg_class tc ON tc.oid = x.indrelid JOIN pg_namespace tn ON tn.oid = tc.relnamespace
        JOIN pg_am am ON am.oid = xc.relam
        JOIN pg_attribute xa ON xa.attrelid = x.indexrelid AND xa.attnum = 1
        JOIN pg_opclass oc ON oc.oid = x.indclass[0]
        JOIN pg_amop ao ON ao.amopfamily = oc.opcfamily AND ao.amoppurpose = 'o' AND ao.amoplefttype = oc.opcintype
        JOIN pg_operator op ON op.oid = ao.amopopr JOIN pg_namespace opn ON opn.oid = op.oprnamespace
        WHERE am.amname IN ('hnsw', 'ivfflat') AND xc.relkind = 'i' AND xc.relpersistence <> 't'
        ORDER BY xn.nspname COLLATE "C", xc.relname COLLATE "C" """)
    return [VectorIndex(row["schema"], row["name"], (row["table_schema"], row["table_name"]), row["definition"], row["valid"],
                        row["expression"], row["predicate"], row["kind"], (row["operator_schema"], row["operator"]), row["rows"])
            for row in rows]


def _tables(session: Session) -> list[Mapping[str, Any]]:
    return session.fetch("""
        SELECT n.nspname::text AS schema, c.relname::text AS name,
               array_agg(a.attname::text ORDER BY a.attname COLLATE "C") AS vectors,
               array_agg(format_type(a.atttypid, a.atttypmod) ORDER BY a.attname COLLATE "C") AS types,
               (SELECT array_agg(k.attname::text ORDER BY at.place)
                FROM (SELECT i.indrelid, i.indkey, i.indnkeyatts FROM pg_index i
                      WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
                      ORDER BY i.indisprimary DESC, i.indnkeyatts, i.indkey::text LIMIT 1) AS u
                CROSS JOIN LATERAL unnest(u.indkey::int2[]) WITH ORDINALITY AS at(attnum, place)
                JOIN pg_attribute k ON k.attrelid = u.indrelid AND k.attnum = at.attnum
                WHERE at.place <= u.indnkeyatts) AS key
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        JOIN pg_type t ON t.oid = a.atttypid AND t.typname = ANY (%(types)s)
        JOIN pg_depend d ON d.classid = 'pg_type'::regclass AND d.objid = t.oid AND d.deptype = 'e'
             AND d.refclassid = 'pg_extension'::regclass
        JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'vector'
        WHERE c.relkind = 'r' AND c.relpersistence <> 't'
        GROUP BY c.oid, n.nspname, c.relname
        ORDER BY n.nspname COLLATE "C", c.relname COLLATE "C" """, {"types": list(_TYPES)})


def _read(session: Session, table: Mapping[str, Any], sample: int) -> dict[str, Any]:
    """Sums and sample of one table; a row without a key is its own key."""
    names: dict[str, Any] = {"table": (table["schema"], table["name"])}
    names |= {f"k{place}": column for place, column in enumerate(table["key"] or ())}
    names |= {f"v{place}": column for place, column in enumerate(table["vectors"])}
    key = "ROW(" + ", ".join(f"{{k{place}}}" for place in range(len(table["key"]))) + ")" if table["key"] else "ROW(t.*)"
    places = range(len(table["vectors"]))
    hashed = f"hashtextextended({key}::text COLLATE \"C\", 0)"
    codes = "ROW(" + ", ".join(f"{{v{place}}}::text" for place in places) + ")"
    sums = session.fetch(
        f"SELECT count(*) AS count, coalesce(sum({hashed}), 0)::text AS ids, coalesce(sum(hashtextextended(ROW({key}::text, {codes}::text)"
        "::text COLLATE \"C\", 0)), 0)::text AS vectors FROM ONLY {table} AS t", names=names)[0]
    listed = ", ".join(f"{{v{place}}}::text AS v{place}" for place in places)
    rows = session.fetch(
        f"SELECT {'md5(' if not table['key'] else ''}{key}::text{')' if not table['key'] else ''} AS key, {listed} "
        f"FROM ONLY {{table}} AS t ORDER BY {hashed}, 1 LIMIT {int(sample)}", names=names)
    return {
        "count": sums["count"], "ids": sums["ids"], "content": None, "vectors": sums["vectors"],
        "dimensions": {}, "schema": dict(zip(table["vectors"], table["types"], strict=True)),
        "sample": {row["key"]: {column: coded(_parsed(row[f"v{place}"])) for place, column in enumerate(table["vectors"])
                                if row[f"v{place}"] is not None} for row in rows},
    }


def _parsed(text: str) -> Any:
    """pgvector's own text: ``[1,2.5]``, which is exact; a sparse one (``{1:2.5}/10``) is kept as it is."""
    return json.loads(text) if text.startswith("[") else text
