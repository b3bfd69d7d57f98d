# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking on while others of our sessions work, and ending what does more harm than good; `calm` waits before it begins."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Collection, Iterator
from typing import Protocol

from ..core.clock import Clock
from ..core.errors import OpsError, TimedOut, Unreachable
from ..core.quantities import format_duration
from .budget import set_wait_limits
from .gentle import Gentle, Hold, hold, observe_idle, observe_pressure
from .session import Session
from .sessions import Sessions
from .work import Work

# How often the watch looks; whoever waits for us waits up to this much longer than the policy has it.
_GLANCE = 0.25
# How often it asks how busy the server is, which takes several queries.
_INTERVAL = 1.0
_WAITING_FOR_US = """
SELECT w.pid AS waiting, b.pid AS ours, w.pid = ANY(pg_blocking_pids(b.pid)) AS deadlock
  FROM pg_locks w CROSS JOIN LATERAL unnest(pg_blocking_pids(w.pid)) AS b (pid) LEFT JOIN pg_stat_activity a ON a.pid = w.pid
 WHERE NOT w.granted AND b.pid = ANY(%(ours)s) AND NOT w.pid = ANY(%(ours)s)
   AND coalesce(a.backend_type, 'client backend') <> 'autovacuum worker'
"""


class Program(Protocol):
    """Does a work that has no statement, for a session that has cleared the way and looks after what it leaves behind."""

    def do(self, session: Session, work: Work, seconds: float, ended: Callable[[], bool]) -> None:
        """Do it within so many seconds; ``ended()``, asked every half second or so, says whether to break it off.

        :raises OpsError: by what went wrong; with ``sqlstate`` 57014 in its evidence where it was broken off
        """

    def backends(self, session: Session) -> list[int]:
        """The server processes that it has just now, as any session sees them."""


class Excess:
    """Since when a limit has been exceeded without a pause, by one clock. Pure but for what it remembers."""

    def __init__(self, allowed: float) -> None:
        self._allowed = allowed
        self._since: float | None = None

    def seen(self, exceeded: bool, now: float) -> float | None:
        """The seconds for which it has lasted, where that is as long as is allowed or longer."""
        if not exceeded:
            self._since = None
            return None
        self._since = now if self._since is None else self._since
        lasted = now - self._since
        return lasted if lasted >= self._allowed else None


class Watch:
    """Used as a context. What it asks the server, it asks through a session of its own beside the connection budget.

    A statement is cancelled, or a program ended, where it keeps another session waiting for longer than the policy's ``give_way``;
    where it has no brake, and a limit of the policy is exceeded for ``cancel_after``; and where the room on a disk that it fills falls
    below what has to stay free. Whom the policy allows to be ended is ended. `broken_off` and `ended` tell what happened to a
    session's last work.
    """

    def __init__(self, sessions: Sessions, gentle: Gentle, clock: Clock, program: Program | None = None) -> None:
        self._sessions, self._gentle, self._clock, self._program = sessions, gentle, clock, program
        self._done = threading.Event()
        self._first_seen: dict[tuple[int, int], float] = {}
        self._excess = Excess(gentle.cancel_after or 0)
        self._looked = float("-inf")
        self._works: dict[Session, Work] = {}
        self._broken_off: dict[Session, Hold] = {}
        self._ended: dict[Session, list[str]] = {}
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def looking_on(self, works: Collection[Work]) -> Iterator[None]:
        """While this is open, over these works; without anything to look for there is neither thread nor session."""
        asks = self._gentle.watches or (self._gentle.cancels and not all(work.has_brake for work in works))
        if not asks and not any(work.room for work in works):
            yield
            return
        thread = threading.Thread(target=self._look_on, args=(asks,), name="maintenance-watch", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._done.set()
            thread.join(timeout=10)

    @contextlib.contextmanager
    def working(self, session: Session, work: Work) -> Iterator[None]:
        """While this is open the session does the work; what was told of an earlier one is forgotten."""
        with self._lock:
            self._broken_off.pop(session, None)
            self._ended.pop(session, None)
            self._works[session] = work
        try:
            yield
        finally:
            with self._lock:
                del self._works[session]  # what comes now is clearing up

    def broken_off(self, session: Session) -> Hold | None:
        """Why the session's last work was ended by us, None where it was not."""
        with self._lock:
            return self._broken_off.get(session)

    def ended(self, session: Session) -> str:
        """Whose sessions were ended for the session's last work."""
        with self._lock:
            return ", ".join(self._ended.get(session, ()))

    def _look_on(self, asks: bool) -> None:
        session = self._open() if asks else None
        try:
            while not self._done.wait(_GLANCE):
                self._look_at_room()
                if session is None:
                    continue
                try:
                    self._glance(session)
                except TimedOut:
                    continue  # the server is busy; the next glance may be quicker
                except OpsError as error:
                    if not isinstance(error, Unreachable):  # told by those that work
                        self._sessions.warnings.append(f"Nobody looks on any more, and nothing gives way to others: {error.message}")
                    self._sessions.close_another(session)
                    session = None
        finally:
            self._sessions.programs_have(())
            if session is not None:
                self._sessions.close_another(session)

    def _open(self) -> Session | None:
        try:
            session = self._sessions.open_another()
        except OpsError as error:
            self._sessions.warnings.append(f"Nobody looks on, and nothing gives way to others: {error.message}")
            return None
        with contextlib.suppress(OpsError):  # the first glance will meet it too
            set_wait_limits(session, lock_timeout=1, statement_timeout=5)
        return session

    def _look_at_room(self) -> None:
        with self._lock:
            needs = {session: work.room for session, work in self._works.items() if work.room}
        for worker, room in needs.items():
            if short := self._sessions.host.squeezed(room):
                self._break_off(worker, Hold(short, "Make room on that disk and see what fills it, or lower free_space; it is tried again "
                                                    "in the next run"))

    def _glance(self, session: Session) -> None:
        with self._lock:
            works = dict(self._works)
        running = {pid: worker for pid, worker in self._sessions.running_pids().items() if worker in works}
        for worker, work in works.items():
            if not work.statement and self._program is not None:
                running |= dict.fromkeys(self._program.backends(session), worker)
        self._sessions.programs_have(running.keys() - self._sessions.running_pids().keys())
        if not running:
            self._first_seen.clear()
            self._excess.seen(False, 0)
            return
        if self._gentle.give_way is not None:
            self._give_way(session, running)
        if self._gentle.end_idle_transactions is not None:
            self._end_idle(session, running)
        if self._gentle.cancels:
            self._look_at_load(session, {worker for worker in running.values() if not works[worker].has_brake})

    def _give_way(self, session: Session, running: dict[int, Session]) -> None:
        now = self._clock.monotonic()
        waiting = {(row["waiting"], row["ours"]): row["deadlock"]
                   for row in session.fetch(_WAITING_FOR_US, {"ours": list(self._sessions.pids)})}
        self._first_seen = {pair: self._first_seen.get(pair, now) for pair in waiting}
        for (pid, ours), since in self._first_seen.items():
            worker = running.get(ours)
            if worker is None:
                continue
            if waiting[pid, ours]:  # before the server ends the other one for it
                self._break_off(worker, Hold(f"session {pid} and it waited for each other, and it gave way",
                                             "It is tried again in the next run"))
            elif now - since >= self._gentle.give_way:
                self._break_off(worker, Hold(
                    f"session {pid} had waited for it for {format_duration(now - since)}, and it gave way",
                    "It is tried again in the next run; a longer give_way lets others wait longer"))

    def _look_at_load(self, session: Session, brakeless: Collection[Session]) -> None:
        now = self._clock.monotonic()
        if not brakeless:
            self._excess.seen(False, now)
        if not brakeless or now - self._looked < _INTERVAL:
            return
        self._looked = now
        found = hold(observe_pressure(session, self._gentle, self._sessions.pids, self._sessions.host), self._gentle)
        # What cannot be seen was told before it began, and is no reason to throw away what was done since.
        lasted = self._excess.seen(found is not None and not found.lasting, now)
        if lasted is None:
            return
        self._excess.seen(False, now)  # what is begun next is given as long
        for worker in brakeless:
            self._break_off(worker, Hold(f"{found.reason}, for {format_duration(lasted)}, and it has no brake",
                                         f"{found.hint}; a longer cancel_after lets it go on for longer"))

    def _break_off(self, worker: Session, why: Hold) -> None:
        with self._lock:
            work = self._works.get(worker)
            if work is None or work.urgent:
                return
            self._broken_off.setdefault(worker, why)
            if work.statement:  # a program looks by itself
                with contextlib.suppress(OpsError):
                    # Under the lock, so that it cannot hit what the session does next; and again with each glance that finds the
                    # same, since one that comes before the statement does is lost.
                    worker.cancel()

    def _end_idle(self, session: Session, running: dict[int, Session]) -> None:
        for pid, worker in running.items():
            for row in observe_idle(session, self._gentle, [pid]):
                said = f"{row['who']}, idle in a transaction for {format_duration(row['seconds'])}"
                with self._lock:  # so that whoever was let through by it finds it told
                    [answer] = session.fetch("SELECT pg_terminate_backend(%s) AS ended", (row["pid"],))
                    if answer["ended"]:
                        self._ended.setdefault(worker, []).append(said)
                        self._sessions.warnings.append(f"Ended {said}: it kept maintenance waiting, and the policy says so")
