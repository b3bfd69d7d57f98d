# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL's own check of heap and B-tree indexes (its documentation, appendix F, amcheck), on a server of our own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..backups.sessions import Session, share
from ..core.errors import OpsError

_SCHEMA = "evenkeel_amcheck"


@dataclass(frozen=True)
class Amcheck:
    """``checked`` relations, the ``corrupt`` ones with what was said of them, and why nothing was checked."""

    checked: int = 0
    corrupt: Mapping[str, str] = field(default_factory=dict)
    not_checked: str = ""


def check_relations(open_session: Callable[[], Session], *, parallel: int) -> Amcheck:
    """Check every heap (PostgreSQL 14 or newer) with its TOAST values, and every B-tree with all its parents and entries.

    Takes share locks and creates an extension: for scratch servers.

    :raises OpsError: what the sessions raise, but for what they raise about corrupt data
    """
    first = open_session()
    try:
        if not first.value("SELECT count(*) FROM pg_available_extensions WHERE name = 'amcheck'"):
            return Amcheck(not_checked="this server lacks the extension amcheck")
        first.run("CREATE SCHEMA IF NOT EXISTS {schema}", names={"schema": _SCHEMA})
        first.run("CREATE EXTENSION IF NOT EXISTS amcheck SCHEMA {schema}", names={"schema": _SCHEMA})
        schema = first.value("SELECT n.nspname::text FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace"
                             " WHERE e.extname = 'amcheck'")
        heaps = first.server_version >= 140000
        relations = first.fetch("""
            SELECT c.oid::int8 AS oid, c.relkind::text AS kind, format('%I.%I', n.nspname, c.relname) AS name
            FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_am a ON a.oid = c.relam
            LEFT JOIN pg_index i ON i.indexrelid = c.oid
            WHERE c.relpersistence <> 't'
              AND (a.amname = 'heap' AND c.relkind IN ('r', 'm', 't') OR a.amname = 'btree' AND c.relkind = 'i' AND i.indisvalid)
            ORDER BY c.relpages DESC""")
        work = [relation for relation in relations if heaps or relation["kind"] == "i"]
        answers = share(work, lambda session, relation: _check(session, schema, relation), first=first,
                        open_session=open_session, sessions=parallel)
    finally:
        first.close()
    return Amcheck(len(answers), {relation["name"]: said for relation, said in answers if said})


def _check(session: Session, schema: str, relation: Mapping[str, Any]) -> str:
    """What is wrong with a relation; empty where nothing is."""
    try:
        if relation["kind"] == "i":
            session.value("SELECT {check}(%s::oid::regclass, true)", (relation["oid"],),
                          names={"check": (schema, "bt_index_parent_check")})
            return ""
        found = session.fetch("SELECT blkno, msg FROM {check}(%s::oid::regclass, check_toast => true) LIMIT 3",
                              (relation["oid"],), names={"check": (schema, "verify_heapam")})
        return "; ".join(f"block {row['blkno']}: {row['msg']}" for row in found)
    except OpsError as error:
        if str(error.evidence.get("sqlstate", "")).startswith("XX"):  # class XX: internal error, data and index corrupted
            return error.message
        raise
