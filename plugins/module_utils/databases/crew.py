# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several sessions at work on a plan, within a connection budget and a time budget."""

from __future__ import annotations

import contextlib
import itertools
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..core import progress
from ..core.clock import Clock
from ..core.errors import OpsError, TimedOut, Unreachable
from ..core.quantities import format_duration
from ..core.waiting import Deadline
from .blockers import Blocker, observe_blocker
from .budget import Budget, set_wait_limits
from .calm import Calm
from .gentle import Hold
from .session import Session
from .sessions import Sessions
from .watch import Program, Watch
from .work import Pace, Work

# undefined_table, undefined_object (PostgreSQL documentation, appendix A): it was dropped meanwhile, which is nobody's fault.
_GONE = ("42P01", "42704")
_LOCKED = "55P03"  # lock_not_available
_DEADLOCK = "40P01"  # deadlock_detected


@dataclass
class Result:
    """How one work ended: status ``done``, ``failed``, ``skipped``, or ``gone`` where somebody dropped it."""

    work: Work
    status: str
    seconds: float = 0.0
    message: str = ""
    hint: str = ""
    before: Mapping[str, Any] = field(default_factory=dict)
    after: dict[str, Any] = field(default_factory=dict)
    left_behind: str = ""
    out_of_time: bool = False


@dataclass
class Tally:
    """Results in the order in which they came, and the error with which the server was lost, if it was."""

    results: list[Result] = field(default_factory=list)
    lost: OpsError | None = None

    def raise_if_lost(self) -> None:
        """:raises Unreachable: when the server is lost; evidence has what was done before"""
        if self.lost:
            self.lost.evidence["done"] = [result.work.relation for result in self.results if result.status == "done"]
            raise self.lost


Tidy = Callable[[Session, Work], str]


class Crew:
    """Runs groups of works, each group in one session, several groups at once.

    Each statement runs under a ``statement_timeout`` that ends with the time budget: the server itself keeps to it, whatever
    becomes of us.
    """

    def __init__(self, sessions: Sessions, budget: Budget, deadline: Deadline, clock: Clock, program: Program | None = None) -> None:
        """``program`` does what has no statement."""
        self._sessions = sessions
        self._budget = budget
        self._deadline = deadline
        self._clock = clock
        self._bounds: dict[Session, float] = {}
        self._settings: dict[Session, dict[str, str]] = {}
        self._sizes: dict[int, int] = {}
        self._calm = Calm(sessions, budget.gentle, deadline, clock)
        self._program = program
        self._begun, self._count = itertools.count(1), 0
        self._watch = Watch(sessions, budget.gentle, clock, program)

    def run(self, groups: Sequence[Sequence[Work]], *, pace: Pace, tidy: Tidy | None = None,
            known_sizes: Mapping[int, int] | None = None) -> Tally:
        """Work through the groups in order. ``tidy(session, work)`` clears up after a work that was broken off; what it
        returns is told as left behind. ``known_sizes``: bytes of relations by oid, where they were measured a moment ago.

        A signal to this process cancels what runs, clears up and is raised again.
        """
        tally, queue = Tally(), deque(groups)
        if not queue:
            return tally
        works = [work for group in groups for work in group]
        self._count = len(works)
        progress.begin("maintenance", sum(work.bytes for work in works))
        self._sizes = dict(known_sizes or {})
        if unknown := [oid for work in works for oid in work.oids if oid not in self._sizes]:
            self._sizes |= sizes(self._sessions.first, unknown)
        with self._watch.looking_on(works):
            self._sessions.share(lambda session: self._labour(session, queue, tally, pace, tidy), pieces=len(groups))
        for work in (work for group in queue for work in group):
            tally.results.append(Result(work, "skipped", message="the server no longer answered"))
        return tally

    def _labour(self, session: Session, queue: deque, tally: Tally, pace: Pace, tidy: Tidy | None) -> None:
        try:
            while not self._sessions.stopping.is_set():
                try:
                    group = queue.popleft()
                except IndexError:
                    return
                for work in group:
                    if self._sessions.stopping.is_set():
                        return
                    progress.describe(f"maintenance, {next(self._begun)} of {self._count}: {work.action} {work.relation}")
                    tally.results.append(self._do(session, work, pace, tidy))
                    progress.add(work.bytes)
        except Unreachable as error:
            tally.lost = error

    def _do(self, session: Session, work: Work, pace: Pace, tidy: Tidy | None) -> Result:
        needed = pace.predict(work.bytes) if work.predicted is None else work.predicted
        if not self._fits(needed):
            return self._too_late(work, needed)
        if not work.urgent and (held := self._calm.wait(session, needed)):
            return Result(work, "skipped", message=held.reason, hint=held.hint)
        if not self._fits(needed):  # after the waiting
            return self._too_late(work, needed)
        if short := self._sessions.host.begin(session, work.room):
            return Result(work, "skipped", message=short,
                          hint="Make room on that disk, or lower free_space; it is tried again in the next run")
        try:
            return self._done(session, work, pace, tidy)
        finally:
            self._sessions.host.end(session)

    def _done(self, session: Session, work: Work, pace: Pace, tidy: Tidy | None) -> Result:
        began = self._clock.monotonic()
        try:
            with self._watch.working(session, work), self._sessions.running(session):
                self._bound(session, work)
                if work.statement:
                    session.run(work.statement, names=work.names)
                else:
                    self._program.do(session, work, self._left, lambda: self._to_be_ended(session))
        except OpsError as error:
            seconds = self._clock.monotonic() - began
            if isinstance(error, Unreachable):
                raise
            blocker = observe_blocker(session, work) if error.evidence.get("sqlstate") == _LOCKED else Blocker()
            result = _broken_off(work, error, seconds, self._budget, self._watch.broken_off(session), blocker)
            result.left_behind = self._tidy(session, work, tidy)
            return result
        seconds = self._clock.monotonic() - began
        pace.learn(work.bytes, seconds)
        ended = self._watch.ended(session)
        return Result(work, "done", seconds, f"ended for it: {ended}" if ended else "", before=self._before(work))

    def _to_be_ended(self, session: Session) -> bool:
        return self._sessions.stopping.is_set() or self._watch.broken_off(session) is not None

    @property
    def _left(self) -> float:
        return self._deadline.left - self._budget.reserve

    def _fits(self, needed: float) -> bool:
        return 0 < self._left >= needed

    def _too_late(self, work: Work, needed: float) -> Result:
        return Result(work, "skipped", message=f"it takes about {format_duration(needed)}, and {format_duration(max(self._left, 0))} of "
                      f"the time budget of {format_duration(self._deadline.seconds)} are left",
                      hint="It comes first in the next run; raise time_budget if it never fits")

    def _bound(self, session: Session, work: Work) -> None:
        """Let the server end the next statement with the budget; half the reserve saves most of the round trips for it."""
        left = self._left
        wanted = {**self._budget.gentle.settings(urgent=work.urgent), **work.settings}
        current = self._settings.setdefault(session, {})
        changed = {name: value for name, value in wanted.items() if current.get(name) != value}
        back = [name for name in current if name not in wanted]
        for name in back:
            session.run("RESET {name}", names={"name": name})
            del current[name]
        if changed or not left / 2 < self._bounds.get(session, 0) <= left + self._budget.reserve / 2:
            self._bounds[session] = left
            set_wait_limits(session, statement_timeout=left, settings=changed)
            current.update(changed)

    def _before(self, work: Work) -> dict[str, Any]:
        known = [self._sizes[oid] for oid in work.oids if oid in self._sizes]
        return {**work.before, "bytes": sum(known)} if len(known) == len(work.oids) else dict(work.before)

    def _tidy(self, session: Session, work: Work, tidy: Tidy | None) -> str:
        if tidy is None:
            return ""
        self._bounds.pop(session, None)
        # Never past the end of the budget: what cannot be cleared up before it is told, and the next run clears it up.
        wait = min(max(self._budget.reserve, self._budget.lock_timeout), max(self._deadline.left, 0.0))
        set_wait_limits(session, statement_timeout=wait)
        try:
            return tidy(session, work)
        except OpsError as error:
            if isinstance(error, TimedOut) or error.evidence.get("sqlstate") == _DEADLOCK:
                return error.message
            raise


def sizes(session: Session, oids: Sequence[int]) -> dict[int, int]:
    """Bytes of relations and their TOAST tables as they are on disk; those that somebody has locked are left out."""
    with contextlib.suppress(TimedOut):  # locked between the look at the locks and the look at the size
        rows = session.fetch(
            "SELECT c.oid::bigint AS oid, CASE WHEN l.relation IS NULL THEN pg_relation_size(c.oid) "
            "+ coalesce(pg_relation_size(nullif(c.reltoastrelid, 0)), 0) END AS bytes FROM pg_class c LEFT JOIN "
            "(SELECT DISTINCT relation FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted) l ON l.relation = c.oid "
            "WHERE c.oid = ANY(%s::oid[])", (list(oids),))
        return {row["oid"]: row["bytes"] for row in rows if row["bytes"] is not None}
    return {}


def _broken_off(work: Work, error: OpsError, seconds: float, budget: Budget, why: Hold | None, blocker: Blocker) -> Result:
    state = error.evidence.get("sqlstate")
    if state == "57014" and why:
        return Result(work, "skipped", seconds, f"it was cancelled after {format_duration(seconds)}: {why.reason}", why.hint)
    if state == _LOCKED:
        return Result(work, "skipped", seconds,
                      f"another session held a lock for longer than {format_duration(budget.lock_timeout)}{blocker.words}", blocker.hint)
    if state == _DEADLOCK:
        return Result(work, "skipped", seconds,
                      f"another session and it waited for each other, and it gave way after {format_duration(seconds)}",
                      "See in the server's log who it was (deadlock detected); it is tried again in the next run")
    if state == "57014":
        return Result(work, "skipped", seconds, f"it was cancelled after {format_duration(seconds)}, at the end of the time budget",
                      "Raise time_budget, or lower the expected rate in the policy so that it is not begun", out_of_time=True)
    if state in _GONE:
        return Result(work, "gone", seconds)
    return Result(work, "failed", seconds, error.message, error.hint)
