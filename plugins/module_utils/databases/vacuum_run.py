# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""VACUUM and ANALYZE from end to end: observe, plan, work, observe again."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace

from ..core.clock import Clock
from ..core.errors import Refused, TimedOut
from ..core.waiting import Deadline, wait_until
from .budget import Budget, set_wait_limits
from .crew import Crew, Result, sizes
from .gentle import would_end
from .host import ServerHost
from .measure import measure
from .proposals import candidates, observe_autovacuum, propose_settings
from .report import Maintenance, with_load
from .rewrite import GUESSED, Rewriter, plan_rewrites
from .session import OpenSession, Session
from .sessions import Sessions
from .tables import Holder, Table, measure_tables, observe_holder, observe_tables
from .vacuum_plan import VacuumPolicy, plan_vacuum
from .work import Pace, Plan

# Up to PostgreSQL 14 statistics travel through a collector that writes them every half second.
_STATISTICS_DELAY = 2.0


def maintain_tables(session: Session, open_session: OpenSession, policy: VacuumPolicy, budget: Budget, clock: Clock, *,
                    check_mode: bool, rewriter: Rewriter | None = None, host: ServerHost | None = None) -> Maintenance:
    """Bring all tables that are due in order, worst first, or in check mode say which they are. Without a ``rewriter`` none is rewritten.

    :raises Refused: on a standby
    :raises Unreachable: when the server is lost; evidence has what was done before
    """
    deadline = Deadline(clock, budget.seconds)
    set_wait_limits(session, lock_timeout=budget.lock_timeout, statement_timeout=max(budget.seconds, 1))
    with Sessions(session, open_session, budget, host) as sessions:
        tables, plan, warnings = plan_tables(sessions, policy, deadline, rewriter)
        plan = with_load(sessions, plan)
        if check_mode:
            warnings += would_end(session, budget.gentle)
        if check_mode or not plan.work:
            return Maintenance(plan, [], [*warnings, *sessions.warnings], check_mode)
        tally = Crew(sessions, budget, deadline, clock, rewriter).run(
            plan.groups(), pace=Pace(policy.rate), tidy=rewriter.tidy if rewriter else None)
    tally.raise_if_lost()
    verify_tables(session, tables, tally.results, policy, clock)
    return Maintenance(plan, tally.results, [*warnings, *sessions.warnings], check_mode)


def plan_tables(sessions: Sessions, policy: VacuumPolicy, deadline: Deadline,
                rewriter: Rewriter | None = None) -> tuple[list[Table], Plan, list[str]]:
    """The tables, the suspicious ones of them measured; what is due; and warnings. With a ``rewriter`` the plan has works without a
    statement, which it is the program for (`Crew.run`).

    :raises Refused: on a standby
    """
    session = sessions.first
    tables = observe_tables(session, large=policy.bloat_size)
    if any(table.standby for table in tables):
        raise Refused("A standby cannot be vacuumed", hint="Run this against its primary; the standby follows")
    measured, warnings = measure(sessions, _suspects(tables, policy), measure_tables, deadline, what="tables")
    tables = [replace(table, measured=measured[table.oid]) if table.oid in measured else table for table in tables]
    plan = plan_vacuum(tables, policy, server_version=session.server_version)
    holder = observe_holder(session) if plan.work else None  # only then is it of interest who stands in the way
    if holder:
        plan = plan_vacuum(tables, policy, holder, server_version=session.server_version)
    if large := candidates(tables, plan, policy):
        plan = replace(plan, advice=tuple(propose_settings(large, observe_autovacuum(session, [table.oid for table in large]), policy)))
    if rewriter and policy.rewrite == "pg_repack":
        airy = {skip.oid for skip in plan.skipped if skip.check == "database.bloat"}
        study = rewriter.study(session, [table for table in tables if table.oid in airy], sessions.host, policy)
        guessed = {table.oid: GUESSED for table in tables if table.measured is None and policy.seems_bloated(table)}
        study = replace(study, obstacles={**guessed, **study.obstacles})
        plan = plan_rewrites(plan, tables, study, rewriter.leftovers(session))
    return tables, plan, warnings


def _suspects(tables: Sequence[Table], policy: VacuumPolicy) -> list[Table]:
    """Those that look bloated and are not vacuumed anyway; before its first VACUUM a table's free space cannot be told."""
    suspects = [table for table in tables if policy.seems_bloated(table) and table.last_vacuum]
    due = {work.oid for work in plan_vacuum(suspects, policy).work} if suspects else ()
    return [table for table in suspects if table.oid not in due]


def verify_tables(session: Session, tables: Sequence[Table], results: Sequence[Result], policy: VacuumPolicy, clock: Clock) -> None:
    """Look at each relation again, of which ``tables`` is how it was, and call what did not help by its name."""
    before = {table.oid: table for table in tables}
    ended = [result for result in results if result.status == "done"]
    if not ended:
        return
    set_wait_limits(session, statement_timeout=30)
    after = sizes(session, [result.work.oid for result in ended])
    done = {result.work.oid: result for result in ended if result.work.statement}
    for result in ended:
        if not result.work.statement:  # whoever did it has looked itself
            result.after = {"bytes": after.get(result.work.oid)}
    tables = _after(session, before, done, clock)
    holder: Holder | None = None
    for oid, result in done.items():
        table, earlier = tables.get(oid), before[oid]
        if table is None:
            result.status = "gone"
            continue
        result.after = {**table.state(), "bytes": after.get(oid)}
        if _stamp(table, result) == _stamp(earlier, result):
            result.status, result.message = "failed", "the server passed over it without an error"
            result.hint = f"Run it by hand to see its warning: {result.work.action.split()[0].upper()} {table.title};"
            continue
        left = table.dead_rows > policy.dead_limit(table.live_rows) or table.toast_dead_rows > policy.dead_limit(table.toast_live_rows)
        old = "freeze" in result.work.action and policy.freeze_due(table)
        if result.work.action.startswith("vacuum") and (left or old):
            holder = holder or observe_holder(session)
            what = f"{table.dead_rows + table.toast_dead_rows} dead rows could not be removed"
            if old:
                what = f"its oldest transaction is still {table.oldest[0]} back"
            result.status = "failed"
            result.message = f"{what}, kept by {holder.who}" if holder else f"{what}: who kept them is gone by now"
            result.hint = f"End it: {holder.remedy}" if holder else "Run again"


def _after(session: Session, before: dict[int, Table], done: dict[int, Result], clock: Clock) -> dict[int, Table]:
    found: dict[int, Table] = {}

    def flushed() -> bool:
        found.update({table.oid: table for table in observe_tables(session, large=2**62, oids=list(done))})
        return all(_stamp(table, done[oid]) != _stamp(before[oid], done[oid]) for oid, table in found.items())

    with contextlib.suppress(TimedOut):  # told per table, as passed over
        wait_until(flushed, deadline=Deadline(clock, _STATISTICS_DELAY), what="the statistics", interval=0.1)
    return found


def _stamp(table: Table, result: Result) -> object:
    """The time in the statistics that the action moves on."""
    if result.work.action == "analyze":
        return table.last_analyze
    return table.toast_last_vacuum if result.work.action.endswith("toast") else table.last_vacuum
