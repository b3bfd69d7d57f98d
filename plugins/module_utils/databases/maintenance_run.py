# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""All maintenance of one database by one plan, from end to end: observe, plan, work, observe again."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..core.clock import Clock
from ..core.errors import TimedOut
from ..core.finding import Finding
from ..core.waiting import Deadline
from .budget import Budget, set_wait_limits
from .crew import Crew, Result, Tally
from .debt import observe_forced, observe_server
from .forecast import Forecast, ForecastPolicy, kind_of
from .foreseen import observe_both, observe_staying, plan_foreseen
from .gentle import would_end
from .host import ServerHost
from .indexes import Index, observe_indexes
from .maintenance_history import History
from .measure import EXTENSION
from .plan import Due, Stage, Step, Window, arrange, severity
from .plan_report import Combined, key_of
from .reindex_plan import ReindexPolicy, plan_reindex
from .reindex_run import drop_leftovers, measure_suspects, verify_indexes, with_rooms
from .report import with_load
from .rewrite import Rewriter
from .session import OpenSession, Session
from .sessions import Sessions
from .tables import Table, extension_schema, observe_tables
from .vacuum_plan import VacuumPolicy
from .vacuum_run import plan_tables, verify_tables
from .work import Pace, Plan, Skip, Work

# A window of no length has no reserve, and a lock is not waited for without end.
_LEAST_WAIT = 0.1
# Seconds that a look at the catalog may take however short the window is: it stands in nobody's way.
_LOOK = 30.0
# Before this version statistics travel through a collector, which writes them every half second.
_STATISTICS_AT_ONCE, _STATISTICS_DELAY = 150000, 1.1


@dataclass(frozen=True)
class MaintenancePolicy:
    """When tables and indexes are due, and how predictions are trusted."""

    vacuum: VacuumPolicy
    reindex: ReindexPolicy
    forecast: ForecastPolicy

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> MaintenancePolicy:
        """Read the options ``vacuum``, ``reindex`` and ``forecast``.

        :raises InvalidOption: for what one of the policies refuses
        """
        return cls(VacuumPolicy.from_options(options["vacuum"]), ReindexPolicy.from_options(options["reindex"]),
                   ForecastPolicy.from_options(options["forecast"]))

    @property
    def rates(self) -> dict[str, float]:
        """Bytes per second by kind of work, before history says more."""
        return {"vacuum": self.vacuum.rate, "analyze": self.vacuum.rate, "reindex": self.reindex.rate, "drop": self.reindex.rate}

    def severity(self, work: Work) -> float:
        """How many times over its limit a work's relation is."""
        return severity(work, dead_limit=self.vacuum.dead_limit, changed_limit=self.vacuum.changed_limit,
                        freeze_age=self.vacuum.freeze_age, multixact_age=self.vacuum.multixact_age,
                        bloat_percent=self.reindex.bloat_percent)


@dataclass(frozen=True)
class Means:
    """What works and looks where SQL cannot: the program that rewrites tables, and what can be seen of the server's host."""

    rewriter: Rewriter
    host: ServerHost


@dataclass(frozen=True)
class _Drawn:
    """The plan, and what it was drawn from."""

    steps: list[Step]
    cannot: list[Skip]
    advice: list[Finding]
    tables: list[Table]
    indexes: list[Index]
    warnings: list[str]


def maintain(session: Session, open_session: OpenSession, policy: MaintenancePolicy, budget: Budget, history: Mapping[str, Any] | None,
             clock: Clock, means: Means, *, check_mode: bool) -> Combined:
    """Draw up the plan of everything that is due, and, unless in check mode, do exactly what fits of it.

    The work ends two reserves before the budget does: one is the crew's, to clear up after what the end of the budget cancels, the
    other is for looking at the results.

    :raises Refused: on a standby
    :raises InvalidOption: for a history that nobody recorded
    :raises Unreachable: when the server is lost; evidence has what was done before
    """
    deadline, began = Deadline(clock, budget.seconds), clock.now()
    working = replace(budget, seconds=max(0.0, budget.seconds - budget.reserve),
                      lock_timeout=min(budget.lock_timeout, max(budget.reserve, _LEAST_WAIT)))
    set_wait_limits(session, lock_timeout=working.lock_timeout, statement_timeout=max(budget.seconds, _LOOK))
    server = observe_server(session)
    known = History.from_option(history, server.key)
    results: list[Result] = []
    with Sessions(session, open_session, working, means.host) as sessions:
        drawn = _draw(sessions, policy, known, deadline, working, means.rewriter)
        if check_mode:
            drawn.warnings.extend(would_end(session, budget.gentle))
        else:
            results = _work(sessions, policy, drawn, working, clock, deadline, means)
        warnings = [*drawn.warnings, *sessions.warnings]
    set_wait_limits(session, statement_timeout=_LOOK)  # the works had what was left of the window
    if not check_mode:
        verify_tables(session, drawn.tables, [one for one in results if not _of_index(one.work)], policy.vacuum, clock)
        verify_indexes(session, drawn.indexes, [one for one in results if _of_index(one.work)])
    return Combined(drawn.steps, drawn.cannot, drawn.advice, results, server, known, _forced(session, drawn, results), budget.seconds,
                    began, policy.forecast.forced_within, tuple(dict.fromkeys(warnings)), check_mode)


def _draw(sessions: Sessions, policy: MaintenancePolicy, known: History, deadline: Deadline, working: Budget, rewriter: Rewriter) -> _Drawn:
    session = sessions.first
    tables, vacuum, warnings = plan_tables(sessions, policy.vacuum, deadline, rewriter)
    staying = observe_staying(session, tables, vacuum)
    now, later = observe_both(session, policy.reindex, staying)
    now, more = measure_suspects(sessions, now, policy.reindex, deadline)
    reindex = plan_reindex(now, policy.reindex)
    later = with_rooms(sessions, later, policy.reindex)
    measurable = bool(later) and extension_schema(session, EXTENSION) is not None
    foreseen = plan_foreseen(later, policy.reindex, staying, measurable=measurable)
    # What is vacuumed in another's group (a partition in its root's) is rebuilt in that one too: the two lock each other out.
    groups = {work.oid: work.group for work in vacuum.work}
    due = [Due(work, _stage(work), policy.severity(work)) for work in vacuum.work]
    due += [Due(work, stage, policy.severity(work), groups.get(work.group))
            for plan, stage in ((reindex, Stage.DUE), (foreseen, Stage.FORESEEN)) for work in plan.work]
    forecast = Forecast(known.samples, policy.forecast, policy.rates)
    window = Window(max(0.0, deadline.left - 2 * working.reserve), working.connections)
    steps = arrange(due, forecast.of, known.waiting, window, patience=policy.forecast.patience)
    whole = with_load(sessions, Plan(tuple(one.work for one in due), advice=(*vacuum.advice, *reindex.advice)))
    advice = [one for number, one in enumerate(whole.advice) if one not in whole.advice[:number]]
    return _Drawn(steps, [*vacuum.skipped, *reindex.skipped, *foreseen.skipped], advice, tables, [*now, *later], [*warnings, *more])


def _stage(work: Work) -> Stage:
    if "freeze" in work.action.split():
        return Stage.WRAPAROUND
    return Stage.REWRITE if kind_of(work.action) == "rewrite" else Stage.DUE


def _work(sessions: Sessions, policy: MaintenancePolicy, drawn: _Drawn, working: Budget, clock: Clock, deadline: Deadline,
          means: Means) -> list[Result]:
    whole = Tally()

    def tidy(session: Session, work: Work) -> str:
        return drop_leftovers(session, work) if kind_of(work.action) == "reindex" else means.rewriter.tidy(session, work)

    for stage in Stage:
        steps = [step for step in drawn.steps if step.stage is stage and step.fits]
        if stage is Stage.FORESEEN and steps:
            set_wait_limits(sessions.first, statement_timeout=max(deadline.left, _LEAST_WAIT))
            try:
                steps, spared = _confirm(sessions, steps, policy, deadline, drawn, clock)
            except TimedOut as error:
                steps, spared = [], [Result(step.work, "skipped", message=f"there was no time to look at it again: {error.message}",
                                            hint="It is tried again in the next run") for step in steps]
            whole.results += spared
        if not steps or sessions.stopping.is_set():
            continue
        crew = Crew(sessions, working, Deadline(clock, max(0.0, deadline.left - working.reserve)), clock, means.rewriter)
        tally = crew.run(_groups(steps), pace=Pace(policy.vacuum.rate), tidy=tidy)
        whole.results += tally.results
        whole.lost = tally.lost
        whole.raise_if_lost()
    return whole.results


def _confirm(sessions: Sessions, steps: Sequence[Step], policies: MaintenancePolicy, deadline: Deadline, drawn: _Drawn,
             clock: Clock) -> tuple[list[Step], list[Result]]:
    """Those that are due now that their tables are vacuumed; and of the others, why they are not done."""
    policy = policies.reindex
    held = _held(sessions.first, {step.work.group for step in steps}, policies.vacuum, clock)
    spared = [Result(step.work, "spared", message="dead rows are still in it") for step in steps if step.work.group in held]
    steps = [step for step in steps if step.work.group not in held]
    wanted = {oid for step in steps for oid in step.work.oids}
    indexes = observe_indexes(sessions.first, min_bytes=policy.bloat_size, worth=lambda estimate: estimate.oid in wanted,
                              methods=policy.methods)
    indexes, more = measure_suspects(sessions, indexes, policy, deadline)
    plan = plan_reindex(indexes, policy)
    drawn.warnings.extend(more)
    drawn.advice.extend(one for one in plan.advice if one not in drawn.advice)
    due = {oid for work in plan.work for oid in work.oids}
    cannot = {skip.relation: skip for skip in plan.skipped}
    left = []
    for step in steps:
        if due & set(step.work.oids):
            continue
        skip = cannot.get(step.work.relation)
        left.append(Result(step.work, "skipped", message=skip.reason, hint=skip.hint) if skip else Result(step.work, "spared"))
    return [step for step in steps if due & set(step.work.oids)], [*spared, *left]


def _held(session: Session, oids: Collection[int], policy: VacuumPolicy, clock: Clock) -> set[int]:
    """The tables whose vacuum was not done, or could not remove their dead rows: an estimate would take these for bloat."""
    if session.server_version < _STATISTICS_AT_ONCE:
        clock.sleep(_STATISTICS_DELAY)
    tables = observe_tables(session, large=2**62, oids=sorted(oids))
    return {table.oid for table in tables if table.dead_rows > policy.dead_limit(table.live_rows)
            or table.toast_dead_rows > policy.dead_limit(table.toast_live_rows)}


def _groups(steps: Sequence[Step]) -> list[list[Work]]:
    """The works of the steps by group, in the order of the plan; each with the seconds that it needs."""
    groups: dict[int, list[Work]] = {}
    for step in steps:
        groups.setdefault(step.group, []).append(replace(step.work, predicted=step.needs))
    return list(groups.values())


def _of_index(work: Work) -> bool:
    return bool(work.statement) and kind_of(work.action) in ("reindex", "drop")


def _forced(session: Session, drawn: _Drawn, results: Sequence[Result]) -> dict[int, int]:
    """Transactions left until an anti-wraparound vacuum is forced, of the tables whose vacuum is not done."""
    done = {key_of(result.work) for result in results if result.status == "done"}
    left = {step.work.oid for step in drawn.steps if kind_of(step.work.action) == "vacuum" and key_of(step.work) not in done}
    return observe_forced(session, sorted(left))
