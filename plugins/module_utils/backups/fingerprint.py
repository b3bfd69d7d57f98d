# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a database held at one snapshot, small enough for a manifest and the same on every major version.

A fingerprint is plain JSON, without any of the data in clear::

    {"format": 1, "mode": "full" | "sampled", "probe": str, "server_version": 150008,
     "database": {"encoding", "collate", "ctype", "provider", "locale"},
     "tables": {"public.orders": {"rows": int, "hash": str, "sample": None | {"modulus": int, "key": [columns]}}},
     "sequences": {"public.orders_id_seq": {"last_value": int, "is_called": bool, "increment": int}},
     "extensions": {"pgcrypto": "1.3"}, "large_objects": int}

``hash`` is the sum over the rows of PostgreSQL's 64-bit hash of each row's text: it does not depend on the order of rows, and
counts a row that is there twice twice. The text of a row is made of its columns in the order of their names (inheritance
changes the physical order on restore), under settings that leave no room for a session's taste. Not covered, because a
restore makes them anew or never had them: materialized views, foreign and temporary tables, tables that belong to an
extension, and the bytes of large objects (their number is).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from ..core.errors import InvalidOption
from .sessions import Session, share

FORMAT = 1
MODES = ("full", "sampled")
# A table up to this size is hashed in full in the sampled mode too. Of a larger one all rows are counted and every 2^n-th is
# hashed, by its key: between 4 and 8 MiB of them, and never fewer than one row in 1024. To hash a row costs about thirty times
# what it costs to count it, and pg_dump wants the same processors at the same time.
_WHOLE_BYTES = 16 * 2**20
_SAMPLE_BYTES = 8 * 2**20
_LARGEST_MODULUS = 1024
# A statement reads this many pages at the most: it balances sessions, and a cancelled run ends soon.
_CHUNK_PAGES = 16384
_SELECTION_SEED = 20260115
_SNAPSHOT = re.compile(r"[0-9A-F]{1,16}-[0-9A-F]{1,16}-[0-9]{1,10}", re.ASCII)
_PLAIN_NAME = re.compile(r"[a-z_][a-z0-9_$]*", re.ASCII)
# Whatever changes how a value prints; row_security "off" makes a hidden row an error instead of a gap.
_SETTINGS = {
    "TimeZone": "UTC", "DateStyle": "ISO, YMD", "IntervalStyle": "postgres", "extra_float_digits": "3", "bytea_output": "hex",
    "lc_monetary": "C", "search_path": "pg_catalog", "quote_all_identifiers": "off", "row_security": "off", "jit": "off",
    "idle_in_transaction_session_timeout": "0",
    "max_parallel_workers_per_gather": "0",  # who asks for so many sessions has not asked for more processes
}


@dataclass(frozen=True)
class _Table:
    """An entry to be: ``parts`` are the tables that it sums up (leaves below a hash-partitioned one, else one table)."""

    name: str
    parts: tuple[Mapping[str, Any], ...]

    @property
    def size(self) -> int:
        return sum(part["bytes"] for part in self.parts)


def qualified(schema: str, name: str) -> str:
    """``public.orders``; parts that are no plain lower-case words are quoted, whatever a server's list of keywords says."""
    return ".".join(part if _PLAIN_NAME.fullmatch(part) else '"' + part.replace('"', '""') + '"' for part in (schema, name))


def take_fingerprint(open_session: Callable[[], Session], *, mode: str, parallel: int = 1, snapshot: str | None = None,
                     like: Mapping[str, Any] | None = None, sequences: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Read the database that ``open_session`` connects to; ``parallel`` sessions share one snapshot.

    ``snapshot`` is what ``pg_export_snapshot()`` gave, so that a dump and its fingerprint see the same rows. ``like`` is an
    earlier fingerprint whose sampling is followed, table by table, so that both can be compared. Sequences know no
    snapshots: who dumps hands in what `read_sequences` gave *before* the dump began, and the dump is never behind it.

    :raises InvalidOption: for an unknown mode or text that is no snapshot
    :raises OpsError: what the sessions raise
    """
    if mode not in MODES:
        raise InvalidOption(f"fingerprint: {mode!r} is no mode", hint=f"Choose one of {', '.join(MODES)}")
    if snapshot is not None and not _SNAPSHOT.fullmatch(snapshot):
        raise InvalidOption(f"{snapshot!r} is no snapshot", hint="Hand in what pg_export_snapshot() returned")
    first = open_session()
    try:
        found_sequences = read_sequences(first) if sequences is None else dict(sequences)
        _begin(first, snapshot)
        tables = _tables(first)
        _hold(first, tables)
        work = [piece for table in sorted(tables, key=lambda one: -one.size)
                for piece in _pieces(table, _sample(table, mode, like), first.server_version)]
        if parallel > 1 and len(work) > 1 and snapshot is None:
            snapshot = first.value("SELECT pg_export_snapshot()")
        found: dict[str, dict[str, Any]] = {}
        for (name, sample, _query, _names), row in share(
                work, lambda session, piece: session.fetch(piece[2], names=piece[3])[0], first=first,
                open_session=lambda: _open_beside(open_session, snapshot), sessions=parallel):
            entry = found.setdefault(name, {"rows": 0, "hash": 0, "sample": sample})
            entry["rows"] += row["rows"]
            entry["hash"] += int(row["hash"])
        return {
            "format": FORMAT, "mode": mode, "server_version": first.server_version,
            # The hash differs between byte orders; so does that of this word, and then hashes are not compared.
            "probe": str(first.value("SELECT hashtextextended('evenkeel' COLLATE \"C\", 0)")),
            "database": _database(first),
            "tables": {name: {**entry, "hash": str(entry["hash"])} for name, entry in sorted(found.items())},
            "sequences": found_sequences,
            "extensions": {row["extname"]: row["extversion"] for row in first.fetch(
                "SELECT extname::text, extversion FROM pg_extension ORDER BY extname COLLATE \"C\"")},
            "large_objects": first.value("SELECT count(*) FROM pg_largeobject_metadata"),
        }
    finally:
        first.close()


def read_sequences(session: Session) -> dict[str, dict[str, Any]]:
    """Where each sequence stands, by qualified name."""
    there = session.fetch("""
        SELECT n.nspname::text AS schema, c.relname::text AS name, s.seqincrement AS increment
        FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relpersistence <> 't'
          AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
        ORDER BY n.nspname COLLATE "C", c.relname COLLATE "C" """)
    found = {}
    for begin in range(0, len(there), 200):
        batch = there[begin:begin + 200]
        query = " UNION ALL ".join(f"SELECT {place} AS place, last_value, is_called FROM {{s{place}}}"
                                   for place in range(len(batch)))
        names = {f"s{place}": (one["schema"], one["name"]) for place, one in enumerate(batch)}
        for row in session.fetch(query, names=names):
            one = batch[row["place"]]
            found[qualified(one["schema"], one["name"])] = {
                "last_value": row["last_value"], "is_called": row["is_called"], "increment": one["increment"]}
    return found


def _open_beside(open_session: Callable[[], Session], snapshot: str | None) -> Session:
    """A further session on the snapshot. The first one holds the locks: if this one were queued behind a stranger who
    waits for the first, all would wait for each other, and the server could not see it.
    """
    session = open_session()
    try:
        _begin(session, snapshot)
        session.set("lock_timeout", "10s")
        return session
    except BaseException:
        session.close()
        raise


def _begin(session: Session, snapshot: str | None) -> None:
    for name, value in _SETTINGS.items():
        session.set(name, value)
    session.run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    if snapshot is not None:
        session.run(f"SET TRANSACTION SNAPSHOT '{snapshot}'")  # takes no parameter; the pattern admits no quote


def _tables(session: Session) -> list[_Table]:
    """All tables that a dump of this database fills.

    Leaves below a hash-partitioned table are summed up under it: where the key is an enum, pg_dump reloads through the
    root, and rows may well land in another leaf (PostgreSQL documentation, pg_dump, --load-via-partition-root).
    """
    rows = session.fetch("""
        SELECT n.nspname::text AS schema, c.relname::text AS name, pg_relation_size(c.oid) AS bytes,
               pg_table_size(c.oid) AS table_bytes, a.amname::text AS access_method,
               (SELECT ARRAY[rn.nspname::text, rc.relname::text]
                FROM pg_partition_ancestors(c.oid) WITH ORDINALITY AS up(relid, step)
                JOIN pg_partitioned_table p ON p.partrelid = up.relid AND p.partstrat = 'h'
                JOIN pg_class rc ON rc.oid = up.relid JOIN pg_namespace rn ON rn.oid = rc.relnamespace
                ORDER BY step DESC LIMIT 1) AS hash_root,
               (SELECT coalesce(array_agg(attname::text ORDER BY attname COLLATE "C"), '{}') FROM pg_attribute
                WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped) AS columns,
               (SELECT array_agg(ARRAY[k.attname::text, k.atttypid::regtype::text] ORDER BY at.place)
                FROM (SELECT i.indrelid, i.indkey, i.indnkeyatts FROM pg_index i
                      WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
                      ORDER BY i.indisprimary DESC, i.indnkeyatts, i.indkey::text LIMIT 1) AS u
                CROSS JOIN LATERAL unnest(u.indkey::int2[]) WITH ORDINALITY AS at(attnum, place)
                JOIN pg_attribute k ON k.attrelid = u.indrelid AND k.attnum = at.attnum
                WHERE at.place <= u.indnkeyatts) AS key
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_am a ON a.oid = c.relam
        WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
          AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
        ORDER BY n.nspname COLLATE "C", c.relname COLLATE "C" """)
    grouped: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        grouped.setdefault(qualified(*(row["hash_root"] or (row["schema"], row["name"]))), []).append(row)
    return [_Table(name, tuple(parts)) for name, parts in grouped.items()]


def _hold(session: Session, tables: Sequence[_Table]) -> None:
    """Lock against rewriting: a table that is altered after the snapshot would look empty to it."""
    parts = [part for table in tables for part in table.parts]
    for begin in range(0, len(parts), 500):
        batch = parts[begin:begin + 500]
        listed = ", ".join(f"ONLY {{t{place}}}" for place in range(len(batch)))
        session.run(f"LOCK TABLE {listed} IN ACCESS SHARE MODE",
                    names={f"t{place}": (part["schema"], part["name"]) for place, part in enumerate(batch)})


def _sample(table: _Table, mode: str, like: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """How the rows of a table are chosen, None for all of them; a table without a key is hashed in full."""
    if like is not None and table.name in like.get("tables", {}):
        sample = like["tables"][table.name].get("sample")
        known = [name for name, _kind in table.parts[0]["key"] or ()]
        return dict(sample) if sample and sample["key"] == known else None
    size = sum(part["table_bytes"] for part in table.parts)
    key = table.parts[0]["key"]
    if mode == "full" or size <= _WHOLE_BYTES or not key or any(part["key"] != key for part in table.parts):
        return None
    modulus = min(1 << (size // _SAMPLE_BYTES).bit_length(), _LARGEST_MODULUS)
    return {"modulus": modulus, "key": [name for name, _kind in key]}


def _pieces(table: _Table, sample: Mapping[str, Any] | None, server_version: int) -> list[tuple[str, Any, str, dict[str, Any]]]:
    """``(entry, sample, query, names)``: statements whose sums make up the entry of a table."""
    pieces = []
    for part in table.parts:
        names: dict[str, Any] = {"table": (part["schema"], part["name"])}
        names |= {f"c{place}": column for place, column in enumerate(part["columns"])}
        row = "ROW(" + ", ".join(f"{{c{place}}}" for place in range(len(part["columns"]))) + ")"
        digest = hashlib.sha256(json.dumps(part["columns"]).encode()).digest()  # a renamed column is another table
        hashed = f"hashtextextended({row}::text COLLATE \"C\", {int.from_bytes(digest[:8], signed=True)})"
        chosen = f" FILTER (WHERE {_selection(part, sample, names)})" if sample else ""
        query = f"SELECT count(*) AS rows, coalesce(sum({hashed}){chosen}, 0) AS hash FROM ONLY {{table}}"
        pages = -(-part["bytes"] // 8192)
        # TID range scans came with PostgreSQL 14; before, each chunk would read the whole table.
        if pages > _CHUNK_PAGES and part["access_method"] == "heap" and server_version >= 140000:
            bounds = [*range(0, pages, _CHUNK_PAGES), None]
            for low, high in pairwise(bounds):
                where = f" WHERE ctid >= '({low},0)'" + (f" AND ctid < '({high},0)'" if high is not None else "")
                pieces.append((table.name, sample, query + where, names))
        else:
            pieces.append((table.name, sample, query, names))
    return pieces


def _selection(part: Mapping[str, Any], sample: Mapping[str, Any], names: dict[str, Any]) -> str:
    """A condition on the key alone, so that a restored copy chooses the same rows; cheap for the usual types of key."""
    expression = str(_SELECTION_SEED)
    for place, (name, kind) in enumerate(part["key"]):
        names[f"k{place}"] = name
        if kind in ("smallint", "integer", "bigint"):
            expression = f"hashint8extended({{k{place}}}, {expression})"
        elif kind == "uuid":
            expression = f"uuid_hash_extended({{k{place}}}, {expression})"
        else:
            expression = f"hashtextextended({{k{place}}}::text COLLATE \"C\", {expression})"
        expression = f"coalesce({expression}, 0)"
    return f"{expression} & {int(sample['modulus']) - 1} = 0"


def _database(session: Session) -> dict[str, Any]:
    """Encoding and locale; provider ``c`` is libc, ``i`` ICU, ``b`` built in. Columns differ by major version."""
    [row] = session.fetch("""SELECT pg_encoding_to_char(encoding)::text AS encoding, to_jsonb(d) AS row
                             FROM pg_database d WHERE datname = current_database()""")
    said = row["row"]
    return {"encoding": row["encoding"], "collate": said["datcollate"], "ctype": said["datctype"],
            "provider": said.get("datlocprovider", "c"), "locale": said.get("datlocale", said.get("daticulocale"))}
