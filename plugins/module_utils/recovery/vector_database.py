# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A restored database of pgvector: its vectors compared, its indexes for neighbours looked at and asked."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from ..backups.repository import Backup
from ..backups.sessions import Session
from ..backups.vector_columns import VectorIndex, begin_on, read_collections, read_indexes
from ..core.errors import Damaged, ToolMissing
from ..core.finding import Finding
from .database import DatabaseDrill
from .judge import Comparison
from .neighbours import Recall, share_found
from .vectors import VectorPolicy, compare_collections, compare_samples, judge_indexes, judge_recall, judge_samples

# The planner must use an index for neighbours where it can, or must not use any.
_BY_INDEX = {"enable_seqscan": "off", "enable_sort": "off", "enable_indexscan": "on", "enable_bitmapscan": "off"}
_BY_SCAN = {"enable_seqscan": "on", "enable_sort": "on", "enable_indexscan": "off", "enable_indexonlyscan": "off",
            "enable_bitmapscan": "off"}


class VectorDatabaseDrill:
    """See `drill.Subject`: a database's drill, and what makes it a vector store besides."""

    def __init__(self, drill: DatabaseDrill, backup: Backup, open_session: Callable[[], Session], policy: VectorPolicy) -> None:
        self._drill, self._backup, self._open, self._policy = drill, backup, open_session, policy

    @property
    def comparison(self) -> Comparison | None:
        """As the database's."""
        return self._drill.comparison

    @property
    def notes(self) -> list[str]:
        """As the database's."""
        return self._drill.notes

    @property
    def tools(self) -> Mapping[str, str]:
        """As the database's."""
        return self._drill.tools

    def fetch(self) -> None:
        """As the database's."""
        self._drill.fetch()

    def prepare(self) -> None:
        """As the database's, and that pgvector is there before anything is loaded.

        :raises ToolMissing: where it is not
        """
        self._drill.prepare()
        session = self._open()
        try:
            require_extension(session)
        finally:
            session.close()

    def restore(self) -> None:
        """As the database's."""
        self._drill.restore()

    def first_query(self) -> None:
        """As the database's."""
        self._drill.first_query()

    def verify(self) -> list[Finding]:
        """As the database's, then vectors, indexes, recall."""
        return [*self._drill.verify(), *verify_vectors(self._backup, self._open, self._policy)]

    def stop(self) -> None:
        """As the database's."""
        self._drill.stop()


def require_extension(session: Session) -> None:
    """See that pgvector can be created in this server.

    :raises ToolMissing: names the package that has it
    """
    if not session.value("SELECT count(*) FROM pg_available_extensions WHERE name = 'vector'"):
        major = session.server_version // 10000
        raise ToolMissing(f"This PostgreSQL {major} has no pgvector, which the backup needs",
                          hint=f"Install the package postgresql-{major}-pgvector, or name an installation that has it in bin_dir")


def verify_vectors(backup: Backup, open_session: Callable[[], Session], policy: VectorPolicy) -> list[Finding]:
    """``recovery.vectors``, ``recovery.index`` and ``recovery.recall`` of a database that the backup was restored into.

    :raises Damaged: where the manifest makes no sense
    """
    session = open_session()
    try:
        expected = (backup.manifest.fingerprint or {}).get("vector_collections") or {}
        samples = [len(one["sample"]) for one in expected.values()]
        begin_on(session, None)
        actual = read_collections(session, sample=max([1, *samples]))
        session.run("COMMIT")
        indexes = read_indexes(session)
        sampled = compare_samples(expected, actual, tolerance=policy.tolerance)
        differences = compare_collections(expected, actual)
        wanted = {name: definition for one in expected.values() for name, definition in one["indexes"].items()}
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise Damaged(f"The fingerprint in the manifest makes no sense: {error!r}",
                      hint="The manifest was altered: use another backup") from error
    else:
        sampled = replace(sampled, differences=(*differences, *sampled.differences))
        seen = {one.qualified: _wrong(one, wanted.get(one.qualified)) for one in indexes}
        recalls = [measure_recall(session, one, policy) for one in indexes if one.valid]
        return [judge_samples(backup.plan, sampled, tolerance=policy.tolerance), judge_indexes(backup.plan, wanted, seen),
                *judge_recall(backup.plan, recalls, policy.recall_minimum)]
    finally:
        session.close()


def measure_recall(session: Session, index: VectorIndex, policy: VectorPolicy) -> Recall:
    """Ask an index for the neighbours of some of its own vectors, and the table itself by a scan."""
    names = {"table": index.table, "schema": index.operator[0]}
    expression, where = _sql(index.expression), f" AND ({_sql(index.predicate)})" if index.predicate else ""
    vectors = [row["vector"] for row in session.fetch(
        f"SELECT ({expression})::text AS vector FROM ONLY {{table}} WHERE ({expression}) IS NOT NULL{where} "
        f"ORDER BY hashtextextended(({expression})::text COLLATE \"C\", 0), 1 LIMIT %s", (policy.recall_queries,), names=names)]
    if not vectors:
        return Recall(index.qualified, policy.recall_at, 0, None, "the index is empty")
    distance = f"({expression}) OPERATOR({{schema}}.{index.operator[1].replace('%', '%%')}) %s::{_sql(index.kind)}"
    query = (f"SELECT ({distance})::float8 AS distance FROM ONLY {{table}} WHERE ({expression}) IS NOT NULL{where} "
             f"ORDER BY {distance} LIMIT %s")

    def ask(vector: str) -> list[float]:
        rows = session.fetch(query, (vector, vector, policy.recall_at), names=names)
        return sorted(row["distance"] for row in rows)

    _settle(session, {**_BY_INDEX, **({"hnsw.ef_search": str(policy.ef_search)} if policy.ef_search else {}),
                      **({"ivfflat.probes": str(policy.probes)} if policy.probes else {})})
    plan = session.fetch(f"EXPLAIN (FORMAT JSON) {query}", (vectors[0], vectors[0], policy.recall_at), names=names)
    if index.name not in set(_indexes_of(next(iter(plan[0].values())))):
        return Recall(index.qualified, policy.recall_at, 0, None, f"{index.qualified} is not used by a query for neighbours", unusable=True)
    answered = [ask(vector) for vector in vectors]
    _settle(session, _BY_SCAN)
    true = [[one for one in ask(vector) if not math.isnan(one)] for vector in vectors]  # a distance from nothing (cosine) is no number
    return Recall(index.qualified, policy.recall_at, len(vectors), share_found(true, answered), "no neighbours to find")


def _wrong(index: VectorIndex, definition: str | None) -> str:
    if not index.valid:
        return "is not valid"
    if definition is not None and definition != index.definition:
        return f"is defined otherwise: {index.definition}"
    return ""


def _settle(session: Session, settings: Mapping[str, str]) -> None:
    for name, value in settings.items():
        session.set(name, value)


def _indexes_of(plan: Any) -> Iterator[str]:
    """The indexes that a plan uses, at any depth of it."""
    if isinstance(plan, Mapping):
        if "Index Name" in plan:
            yield plan["Index Name"]
        plan = list(plan.values())
    if isinstance(plan, list):
        for part in plan:
            yield from _indexes_of(part)


def _sql(text: str) -> str:
    """SQL as the server's own catalog spells it, for a query that has names and parameters."""
    return text.replace("%", "%%").replace("{", "{{").replace("}", "}}")
