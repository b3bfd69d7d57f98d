# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several sessions at work on a plan, within a connection budget and a time budget."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any

from ..core.clock import Clock
from ..core.errors import InvalidOption, OpsError, TimedOut, Unreachable
from ..core.options import OptionGroup
from ..core.quantities import format_duration, parse_duration
from ..core.waiting import Deadline
from .session import OpenSession, Session
from .work import Pace, Work

BUDGET = OptionGroup(
    fragment="maintenance",
    options={
        "time_budget": {"type": "str", "default": "30m"},
        "connection_budget": {"type": "int", "default": 2},
        "lock_timeout": {"type": "str", "default": "5s"},
    },
)
# undefined_table, undefined_object (PostgreSQL documentation, appendix A): it was dropped meanwhile, which is nobody's fault.
_GONE = ("42P01", "42704")


@dataclass(frozen=True)
class Budget:
    """What a run may take: sessions at once, seconds in all, seconds of waiting for one lock."""

    connections: int
    seconds: float
    lock_timeout: float

    def __post_init__(self) -> None:
        """:raises InvalidOption: for less than one connection, or no time to wait for a lock"""
        if self.connections < 1:
            raise InvalidOption(f"connection_budget: {self.connections} sessions can do nothing", hint="Give 1 or more")
        if self.lock_timeout <= 0:
            raise InvalidOption("lock_timeout: 0 would wait without end for a lock", hint="Give a positive duration such as 5s")

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Budget:
        """The budget that the options of `BUDGET` describe.

        :raises InvalidOption: for durations that are none, and budgets that allow nothing
        """
        return cls(options["connection_budget"], parse_duration(options["time_budget"], option="time_budget"),
                   parse_duration(options["lock_timeout"], option="lock_timeout"))

    @property
    def reserve(self) -> float:
        """Seconds at the end that are kept for clearing up after what had to be cancelled."""
        return min(5.0, 0.05 * self.seconds)


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


@dataclass
class Tally:
    """Results in the order in which they came, warnings, and the error with which the server was lost, if it was."""

    results: list[Result] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    lost: OpsError | None = None


Tidy = Callable[[Session, Work], str]


class Crew:
    """Runs groups of works, each group in one session, several groups at once.

    The first worker uses the session that is open already, so ``budget.connections`` is never exceeded. Each statement
    runs under a ``statement_timeout`` that ends with the time budget: the server itself keeps to it, whatever becomes of us.
    """

    def __init__(self, first: Session, open_session: OpenSession, budget: Budget, deadline: Deadline, clock: Clock) -> None:
        self._first = first
        self._open = open_session
        self._budget = budget
        self._deadline = deadline
        self._clock = clock
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._running: set[Session] = set()
        self._bounds: dict[Session, float] = {}
        self._sizes: dict[int, int] = {}

    def run(self, groups: Sequence[Sequence[Work]], *, pace: Pace, tidy: Tidy | None = None) -> Tally:
        """Work through the groups in order. ``tidy(session, work)`` clears up after a work that was broken off; what it
        returns is told as left behind.

        A signal to this process cancels what runs, clears up and is raised again.
        """
        tally, queue = Tally(), deque(groups)
        size = min(self._budget.connections, len(groups))
        if not size:
            return tally
        self._sizes = sizes(self._first, [oid for group in groups for work in group for oid in work.oids])
        with ThreadPoolExecutor(max_workers=size, thread_name_prefix="maintenance") as pool:
            futures = [pool.submit(self._worker, number, queue, tally, pace, tidy) for number in range(size)]
            try:
                wait(futures)
            except BaseException:
                self._stop(futures)
                raise
        for future in futures:
            future.result()
        for work in (work for group in queue for work in group):
            tally.results.append(Result(work, "skipped", message="the server no longer answered"))
        return tally

    def _stop(self, futures: Sequence[Future]) -> None:
        self._stopping.set()
        while wait(futures, timeout=0.2).not_done:
            with self._lock:
                running = list(self._running)
            for session in running:
                with contextlib.suppress(OpsError):
                    session.cancel()

    def _worker(self, number: int, queue: deque, tally: Tally, pace: Pace, tidy: Tidy | None) -> None:
        try:
            session = self._first if number == 0 else self._open()
        except OpsError as error:  # the first session carries on alone
            tally.warnings.append(f"Worked with fewer sessions than the connection budget allows: {error.message}")
            return
        try:
            set_wait_limits(session, lock_timeout=self._budget.lock_timeout)
            while not self._stopping.is_set():
                try:
                    group = queue.popleft()
                except IndexError:
                    return
                for work in group:
                    if self._stopping.is_set():
                        return
                    tally.results.append(self._do(session, work, pace, tidy))
        except Unreachable as error:
            tally.lost = error
        finally:
            if number:
                session.close()

    def _do(self, session: Session, work: Work, pace: Pace, tidy: Tidy | None) -> Result:
        left, needed = self._deadline.left - self._budget.reserve, pace.predict(work.bytes)
        if left <= 0 or needed > left:
            return Result(work, "skipped", message=f"it takes about {format_duration(needed)}, and {format_duration(max(left, 0))} of the "
                          f"time budget of {format_duration(self._deadline.seconds)} are left",
                          hint="It comes first in the next run; raise time_budget if it never fits")
        began = self._clock.monotonic()
        try:
            with self._cancellable(session):
                self._bound(session, left)
                session.run(work.statement, names=work.names)
        except OpsError as error:
            seconds = self._clock.monotonic() - began
            if isinstance(error, Unreachable):
                raise
            result = _broken_off(work, error, seconds, self._budget)
            result.left_behind = self._tidy(session, work, tidy)
            return result
        seconds = self._clock.monotonic() - began
        pace.learn(work.bytes, seconds)
        return Result(work, "done", seconds, before=self._before(work))

    def _bound(self, session: Session, left: float) -> None:
        """Let the server end the next statement with the budget; half the reserve saves most of the round trips for it."""
        if not left / 2 < self._bounds.get(session, 0) <= left + self._budget.reserve / 2:
            self._bounds[session] = left
            set_wait_limits(session, statement_timeout=left)

    def _before(self, work: Work) -> dict[str, Any]:
        known = [self._sizes[oid] for oid in work.oids if oid in self._sizes]
        return {**work.before, "bytes": sum(known)} if len(known) == len(work.oids) else dict(work.before)

    @contextlib.contextmanager
    def _cancellable(self, session: Session) -> Iterator[None]:
        with self._lock:
            self._running.add(session)
        try:
            yield
        finally:
            with self._lock:
                self._running.discard(session)

    def _tidy(self, session: Session, work: Work, tidy: Tidy | None) -> str:
        if tidy is None:
            return ""
        self._bounds.pop(session, None)
        set_wait_limits(session, statement_timeout=max(self._budget.reserve, self._budget.lock_timeout))
        try:
            return tidy(session, work)
        except TimedOut as error:
            return error.message


def set_wait_limits(session: Session, *, lock_timeout: float | None = None, statement_timeout: float | None = None) -> None:
    """Bound what the session's statements wait for a lock and run in all, in seconds.

    Our queries of the catalog are not worth compiling, which can take longer than they do. From PostgreSQL 14 on the server
    also looks every few seconds whether we still live, and stops working for the dead.
    """
    wanted: dict[str, Any] = {}
    if lock_timeout is not None:
        wanted |= {"lock_timeout": _milliseconds(lock_timeout), "jit": "off"}
        if session.server_version >= 140000:
            wanted["client_connection_check_interval"] = 2000
    if statement_timeout is not None:
        wanted["statement_timeout"] = _milliseconds(statement_timeout)
    session.fetch("SELECT " + ", ".join("set_config(%s, %s, false)" for _name in wanted),
                  [text for name, value in wanted.items() for text in (name, str(value))])


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


def _milliseconds(seconds: float) -> int:
    return max(1, int(min(seconds, 2_000_000) * 1000))  # 0 would mean no limit; the settings are 32-bit


def _broken_off(work: Work, error: OpsError, seconds: float, budget: Budget) -> Result:
    state = error.evidence.get("sqlstate")
    if state == "55P03":
        return Result(work, "skipped", seconds, f"another session held a lock for longer than {format_duration(budget.lock_timeout)}",
                      "See who holds it: SELECT pid, pg_blocking_pids(pid), query FROM pg_stat_activity; "
                      "it is tried again in the next run")
    if state == "57014":
        return Result(work, "skipped", seconds, f"it was cancelled after {format_duration(seconds)}, at the end of the time budget",
                      "Raise time_budget, or lower the expected rate in the policy so that it is not begun")
    if state in _GONE:
        return Result(work, "gone", seconds)
    return Result(work, "failed", seconds, error.message, error.hint)
