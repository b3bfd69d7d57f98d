# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Indexes that do not look bloated yet and will, once a vacuum of the same plan has taken the entries of dead rows out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ..core.quantities import format_size
from .indexes import Estimate, Index, observe_indexes
from .reindex_plan import ReindexPolicy, plan_reindex
from .session import Session
from .tables import Table
from .work import Plan, Work

_INDEXES = """
SELECT i.indexrelid::bigint AS oid, i.indrelid::bigint AS table_oid, false AS of_toast
  FROM pg_index i WHERE i.indrelid = ANY(%(tables)s::oid[])
UNION ALL
SELECT i.indexrelid::bigint, c.oid::bigint, true
  FROM pg_class c JOIN pg_index i ON i.indrelid = c.reltoastrelid WHERE c.oid = ANY(%(tables)s::oid[]) AND c.reltoastrelid <> 0
"""


@dataclass(frozen=True)
class Staying:
    """By the oid of an index: the share of its entries that stays after the vacuum of its table."""

    shares: Mapping[int, float]

    def after(self, estimate: Estimate) -> Estimate:
        """The index as its table's vacuum will leave it: as large, with fewer rows."""
        share = self.shares.get(estimate.oid, 1.0)
        return replace(estimate, rows=estimate.rows * share) if estimate.rows > 0 else estimate


def observe_staying(session: Session, tables: Sequence[Table], plan: Plan) -> Staying:
    """For the indexes of the tables that the plan vacuums."""
    vacuumed = {work.oid for work in plan.work if work.action.startswith("vacuum")}
    known = {table.oid: table for table in tables if table.oid in vacuumed}
    if not known:
        return Staying({})
    shares = {}
    for row in session.fetch(_INDEXES, {"tables": list(known)}):
        table = known[row["table_oid"]]
        if row["of_toast"]:
            shares[row["oid"]] = share_of(table.toast_live_rows, table.toast_dead_rows, -1)
        else:
            shares[row["oid"]] = share_of(table.live_rows, table.dead_rows, table.rows)
    return Staying(shares)


def share_of(live: float, dead: float, counted: float) -> float:
    """The share of a table's rows that stays after its vacuum, by the statistics, or by the rows that the last ANALYZE counted (-1:
    none) where those are worse: who is foreseen in vain is spared, who is not foreseen waits for the next run.
    """
    by_statistics = live / (live + dead) if live + dead else 1.0
    return min(by_statistics, 1 - dead / counted) if counted > dead else by_statistics


def observe_both(session: Session, policy: ReindexPolicy, staying: Staying) -> tuple[list[Index], list[Index]]:
    """The indexes to be judged now, and those to be judged as their table's vacuum will leave them."""
    def worth(estimate: Estimate) -> bool:
        return policy.worth_a_look(estimate) or policy.worth_a_look(staying.after(estimate))

    now, later = [], []
    for index in observe_indexes(session, min_bytes=policy.bloat_size, worth=worth, methods=policy.methods):
        wait = index.oid in staying.shares and index.valid and policy.bloat(index) is None
        (later if wait else now).append(index)
    return now, later


def plan_foreseen(indexes: Iterable[Index], policy: ReindexPolicy, staying: Staying, *, measurable: bool) -> Plan:
    """The rebuilds that will be due. Where they can be measured then, a weaker suspicion is enough to plan for them."""
    projected = []
    for index in indexes:
        after = staying.after(index)
        if measurable and policy.suspicious(after):
            percent = after.bloat_percent(deduplicate=True)
            after = replace(after, measured_percent=100.0 if percent is None else percent)
        projected.append(after)
    plan = plan_reindex(projected, policy)
    return Plan(tuple(_reworded(work) for work in plan.work),
                tuple(replace(skip, reason=f"once its dead rows are out: {skip.reason}") for skip in plan.skipped))


def _reworded(work: Work) -> Work:
    percent = work.before.get("bloat_percent")
    share = "some" if percent is None else f"{percent:.0f}%"
    return replace(work, reason=f"{share} of its {format_size(work.bytes)} will be bloat once its dead rows are out")
