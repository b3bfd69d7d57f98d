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
from .gentle import would_end
from .host import ServerHost
from .indexes import Index, measure_indexes, observe_indexes
from .measure import EXTENSION, measure
from .reindex_plan import ReindexPolicy, plan_reindex
from .report import Maintenance, with_load
from .session import OpenSession, Session
from .sessions import Sessions
from .work import Pace, Plan, Work

_NO_EXTENSION = ("pgstattuple is not installed in this database: index bloat is an estimate, held against estimated_percent "
                 "(CREATE EXTENSION pgstattuple; makes it exact)")


# One look at the server answers what would else be asked one by one.
_SERVER = """
SELECT pg_is_in_recovery() AS standby, has_table_privilege('pg_statistic', 'SELECT') AS statistics,
       (SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = %s) AS schema
"""


def maintain_indexes(session: Session, open_session: OpenSession, policy: ReindexPolicy, budget: Budget, clock: Clock, *,
                     check_mode: bool, host: ServerHost | None = None) -> Maintenance:
    """Drop leftovers, rebuild what is invalid or bloated, concurrently with all writers; in check mode say which.

    Bloat shows only after VACUUM has removed the dead rows' entries: run that first. ``host`` is what can be seen of the server's.

    :raises Refused: on a standby
    :raises Unreachable: when the server is lost; evidence has what was done before
    """
    deadline = Deadline(clock, budget.seconds)
    set_wait_limits(session, lock_timeout=budget.lock_timeout, statement_timeout=max(budget.seconds, 1))
    with Sessions(session, open_session, budget, host) as sessions:
        indexes, plan, warnings = plan_indexes(sessions, policy, deadline)
        plan = with_load(sessions, plan)
        if check_mode:
            warnings += would_end(session, budget.gentle)
        if check_mode or not plan.work:
            return Maintenance(plan, [], [*warnings, *sessions.warnings], check_mode)
        known = {index.oid: index.measured_bytes for index in indexes if index.measured_bytes is not None}
        tally = Crew(sessions, budget, deadline, clock).run(plan.groups(), pace=Pace(policy.rate), tidy=drop_leftovers, known_sizes=known)
    tally.raise_if_lost()
    verify_indexes(session, indexes, tally.results)
    return Maintenance(plan, tally.results, [*warnings, *sessions.warnings], check_mode)


def plan_indexes(sessions: Sessions, policy: ReindexPolicy, deadline: Deadline) -> tuple[list[Index], Plan, list[str]]:
    """The indexes that are worth a look, the suspicious ones of them measured; what is due; and warnings.

    :raises Refused: on a standby
    """
    session = sessions.first
    [server] = session.fetch(_SERVER, (EXTENSION,))
    if server["standby"]:
        raise Refused("A standby's indexes cannot be rebuilt", hint="Run this against its primary; the standby follows")
    indexes = observe_indexes(session, min_bytes=policy.bloat_size, worth=policy.worth_a_look, methods=policy.methods,
                              statistics=server["statistics"])
    indexes, warnings = measure_suspects(sessions, indexes, policy, deadline, schema=server["schema"])
    return indexes, plan_reindex(indexes, policy), warnings


def measure_suspects(sessions: Sessions, indexes: Sequence[Index], policy: ReindexPolicy, deadline: Deadline, *,
                     schema: str | None = None) -> tuple[list[Index], list[str]]:
    """The indexes, the suspicious ones of them measured, with the room there is for each; and warnings.

    ``schema`` is where pgstattuple is, where the caller knows.
    """
    suspects = [index for index in indexes if policy.suspicious(index)]
    measured, warnings = measure(sessions, suspects, measure_indexes, deadline, what="indexes", uninstalled=_NO_EXTENSION, schema=schema)
    nothing = (None, None)
    return [replace(index, measured_percent=percent, measured_bytes=size) for index in with_rooms(sessions, indexes, policy)
            for percent, size in [measured.get(index.oid, nothing)]], warnings


def with_rooms(sessions: Sessions, indexes: Sequence[Index], policy: ReindexPolicy) -> list[Index]:
    """The indexes, each with the room that there is for it where the policy asks for that."""
    if policy.free_space is None or not indexes:
        return list(indexes)
    rooms = sessions.host.rooms(sessions.first, {index.tablespace for index in indexes}, keep=policy.free_space)
    return [replace(index, room=rooms.get(index.tablespace)) for index in indexes]


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
