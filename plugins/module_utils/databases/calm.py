# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Being gentle while working: waiting for calm before a piece of work, and looking on, from a session of its own, while it is done."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from ..core.clock import Clock
from ..core.errors import OpsError, TimedOut, Unreachable
from ..core.quantities import format_duration
from ..core.waiting import Deadline
from .budget import set_wait_limits
from .gentle import Gentle, Hold, hold, observe_idle, observe_pressure
from .session import Session
from .sessions import Sessions

# How often is looked: what was seen a moment ago is believed, so that a run over many small relations does not ask for each.
_INTERVAL = 1.0
# How often the watch looks; whoever waits for us waits up to this much longer than the policy has it.
_GLANCE = 0.25
_WAITING_FOR_US = """
SELECT w.pid AS waiting, b.pid AS ours
  FROM pg_locks w CROSS JOIN LATERAL unnest(pg_blocking_pids(w.pid)) AS b (pid) LEFT JOIN pg_stat_activity a ON a.pid = w.pid
 WHERE NOT w.granted AND b.pid = ANY(%(ours)s) AND NOT w.pid = ANY(%(ours)s)
   AND coalesce(a.backend_type, 'client backend') <> 'autovacuum worker'
"""


class Calm:
    """Lets a piece of work begin when the server is calm, and holds it back for as long as the policy's patience lasts."""

    def __init__(self, sessions: Sessions, gentle: Gentle, deadline: Deadline, clock: Clock) -> None:
        self._sessions, self._gentle, self._deadline, self._clock = sessions, gentle, deadline, clock
        self._looked = float("-inf")
        self._seen: Hold | None = None
        self._lock = threading.Lock()

    def wait(self, session: Session, needed: float) -> Hold | None:
        """Wait until all is calm, and say what was in the way where the patience of the run, or the time that work of ``needed``
        seconds has to spare, ended before that.
        """
        if not self._gentle.waits:
            return None
        with self._lock:  # one waits for all: the others would only use up the patience twice
            while True:
                found = self._look(session)
                pause = min(_INTERVAL, self._sessions.patience, self._deadline.left - needed)
                if found is None or found.lasting or pause <= 0 or self._sessions.stopping.is_set():
                    return found
                self._sessions.patience -= pause
                self._clock.sleep(pause)

    def _look(self, session: Session) -> Hold | None:
        now = self._clock.monotonic()
        if self._seen is not None or now - self._looked >= _INTERVAL:
            try:
                self._seen = hold(observe_pressure(session, self._gentle, self._sessions.pids), self._gentle)
            except Unreachable:
                raise
            except OpsError as error:
                self._seen = Hold(f"what others do could not be seen: {error.message}", error.hint)
            self._looked = now
        return self._seen


class Watch:
    """Looks on while others of our sessions work; used as a context. It has a session of its own beside the connection budget.

    Where a statement of ours keeps another session waiting for longer than the policy's ``give_way``, it is cancelled; whom
    the policy allows to be ended is ended. `gave_way` and `ended` tell what happened to a session's last statement.
    """

    def __init__(self, sessions: Sessions, gentle: Gentle, clock: Clock) -> None:
        self._sessions, self._gentle, self._clock = sessions, gentle, clock
        self._done = threading.Event()
        self._first_seen: dict[tuple[int, int], float] = {}
        self._gave_way: dict[Session, str] = {}
        self._ended: dict[Session, list[str]] = {}
        self._unbothered: set[Session] = set()
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def looking_on(self) -> Iterator[None]:
        """While this is open; without anything to look for there is no session either."""
        if not self._gentle.watches:
            yield
            return
        thread = threading.Thread(target=self._look_on, name="maintenance-watch", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._done.set()
            thread.join(timeout=10)

    @contextlib.contextmanager
    def unbothered(self, session: Session, unbothered: bool) -> Iterator[None]:
        """While this is open, the session's statement gives way to nobody where ``unbothered``; what was told before is forgotten."""
        with self._lock:
            self._gave_way.pop(session, None)
            self._ended.pop(session, None)
            (self._unbothered.add if unbothered else self._unbothered.discard)(session)
        try:
            yield
        finally:
            with self._lock:
                self._unbothered.add(session)  # what comes now is clearing up

    def gave_way(self, session: Session) -> str:
        """Why the session's last statement was cancelled by us, empty where it was not."""
        with self._lock:
            return self._gave_way.get(session, "")

    def ended(self, session: Session) -> str:
        """Whose sessions were ended for the session's last statement."""
        with self._lock:
            return ", ".join(self._ended.get(session, ()))

    def _look_on(self) -> None:
        try:
            session = self._sessions.open_another()
        except OpsError as error:
            self._sessions.warnings.append(f"Nobody looks on, and no statement gives way to others: {error.message}")
            return
        try:
            set_wait_limits(session, lock_timeout=1, statement_timeout=5)
            while not self._done.wait(_GLANCE):
                try:
                    self._glance(session)
                except TimedOut:
                    continue  # the server is busy; the next glance may be quicker
        except Unreachable:
            pass  # told by those that work
        except OpsError as error:
            self._sessions.warnings.append(f"Nobody looks on any more, and no statement gives way to others: {error.message}")
        finally:
            self._sessions.close_another(session)

    def _glance(self, session: Session) -> None:
        running = self._sessions.running_pids()
        if not running:
            self._first_seen.clear()
            return
        if self._gentle.give_way is not None:
            self._give_way(session, running)
        if self._gentle.end_idle_transactions is not None:
            self._end_idle(session, running)

    def _give_way(self, session: Session, running: dict[int, Session]) -> None:
        now = self._clock.monotonic()
        waiting = {(row["waiting"], row["ours"]) for row in session.fetch(_WAITING_FOR_US, {"ours": list(self._sessions.pids)})}
        self._first_seen = {pair: self._first_seen.get(pair, now) for pair in waiting}
        for (pid, ours), since in self._first_seen.items():
            worker = running.get(ours)
            if worker is None or now - since < self._gentle.give_way:
                continue
            with self._lock:
                if worker in self._unbothered or worker in self._gave_way:
                    continue
                self._gave_way[worker] = f"session {pid} had waited for it for {format_duration(now - since)}, and it gave way"
                worker.cancel()  # under the lock, so that it cannot hit what the session does next

    def _end_idle(self, session: Session, running: dict[int, Session]) -> None:
        for pid, worker in running.items():
            for row in observe_idle(session, self._gentle, [pid]):
                said = f"{row['who']}, idle in a transaction for {format_duration(row['seconds'])}"
                with self._lock:  # so that whoever was let through by it finds it told
                    [answer] = session.fetch("SELECT pg_terminate_backend(%s) AS ended", (row["pid"],))
                    if answer["ended"]:
                        self._ended.setdefault(worker, []).append(said)
                        self._sessions.warnings.append(f"Ended {said}: it kept maintenance waiting, and the policy says so")
