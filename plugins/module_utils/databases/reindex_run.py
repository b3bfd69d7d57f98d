# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""REINDEX from end to end: observe, measure, plan, work, clear up, observe again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..core.clock import Clock
from ..core.errors import OpsError, Refused, Unreachable
from ..core.waiting import Deadline
from .budget import Budget, set_wait_limits
from .crew import Crew, Result
from .indexes import Index, measure_indexes, observe_indexes
from .measure import measure
from .reindex_plan import ReindexPolicy, plan_reindex
from .report import Maintenance
from .session import OpenSession, Session
from .sessions import Sessions
from .work import Pace, Work

_NO_EXTENSION = ("pgstattuple is not installed in this database: index bloat is an estimate, held against estimated_percent "
                 "(CREATE EXTENSION pgstattuple; makes it exact)")


def maintain_indexes(session: Session, open_session: OpenSession, policy: ReindexPolicy, budget: Budget, clock: Clock, *,
                     check_mode: bool) -> Maintenance:
    """Drop leftovers, rebuild what is invalid or bloated, concurrently with all writers; in check mode say which.

    Bloat shows only after VACUUM has removed the dead rows' entries: run that first.

    :raises Refused: on a standby
    :raises Unreachable: when the server is lost; evidence has what was done before
    """
    deadline = Deadline(clock, budget.seconds)
    set_wait_limits(session, lock_timeout=budget.lock_timeout, statement_timeout=max(budget.seconds, 1))
    if session.fetch("SELECT pg_is_in_recovery() AS standby")[0]["standby"]:
        raise Refused("A standby's indexes cannot be rebuilt", hint="Run this against its primary; the standby follows")
    indexes = observe_indexes(session, min_bytes=policy.bloat_size, worth=policy.worth_a_look)
    with Sessions(session, open_session, budget) as sessions:
        indexes, warnings = measure_suspects(sessions, indexes, policy, deadline)
        plan = plan_reindex(indexes, policy)
        if check_mode or not plan.work:
            return Maintenance(plan, [], [*warnings, *sessions.warnings], check_mode)
        tally = Crew(sessions, budget, deadline, clock).run(plan.groups(), pace=Pace(policy.rate), tidy=drop_leftovers)
    tally.raise_if_lost()
    verify_indexes(session, indexes, tally.results)
    return Maintenance(plan, tally.results, [*warnings, *sessions.warnings], check_mode)


def measure_suspects(sessions: Sessions, indexes: Sequence[Index], policy: ReindexPolicy,
                     deadline: Deadline) -> tuple[list[Index], list[str]]:
    """The indexes, the suspicious ones of them measured; and warnings."""
    suspects = [index for index in indexes if policy.suspicious(index)]
    measured, warnings = measure(sessions, suspects, measure_indexes, deadline, what="indexes", uninstalled=_NO_EXTENSION)
    return [replace(index, measured_percent=measured.get(index.oid)) for index in indexes], warnings


def drop_leftovers(session: Session, work: Work) -> str:
    """Drop what a broken-off rebuild left on the work's table; the names of those that could not be dropped."""
    left = []
    for index in observe_indexes(session, min_bytes=2**50):
        if index.table_oid == work.group and not index.valid and index.has_twin:
            try:
                session.run("DROP INDEX CONCURRENTLY IF EXISTS {index}", names={"index": (index.schema, index.name)})
            except Unreachable:
                raise
            except OpsError:
                left.append(index.title)
    return ", ".join(left)


def verify_indexes(session: Session, indexes: Sequence[Index], results: Sequence[Result]) -> None:
    """Look at each index again by name, since a rebuilt one has another oid; call what did not help by its name."""
    before = {index.oid: index for index in indexes}
    done = [result for result in results if result.status == "done"]
    if not done:
        return
    set_wait_limits(session, statement_timeout=30)
    names = [before[oid] for result in done for oid in result.work.oids]
    rows = session.fetch(
        "SELECT n.nspname, c.relname, pg_relation_size(c.oid) AS bytes, i.indisvalid AS valid "
        "FROM unnest(%s::name[], %s::name[]) AS w (schema, name) JOIN pg_namespace n ON n.nspname = w.schema "
        "JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.name JOIN pg_index i ON i.indexrelid = c.oid",
        ([index.schema for index in names], [index.name for index in names]))
    found = {(row["nspname"], row["relname"]): row for row in rows}
    for result in done:
        indexes = [before[oid] for oid in result.work.oids]
        rows = [found[index.schema, index.name] for index in indexes if (index.schema, index.name) in found]
        result.after = {"bytes": sum(row["bytes"] for row in rows), "valid": all(row["valid"] for row in rows)} if rows else {}
        if result.work.action.startswith("drop"):
            if rows:
                result.status, result.message = "failed", "it is still there"
        elif not rows:
            result.status = "gone"
        elif not result.after["valid"]:
            result.status, result.message = "failed", "it is invalid after the rebuild"
        elif indexes[0].valid and result.after["bytes"] > 0.9 * (result.before["bytes"] or 0):
            result.message = "it is no smaller: the estimate was wrong"
