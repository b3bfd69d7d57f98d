# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sessions of one run: as many as its budget allows, opened when they are first needed, each used by one thread at a time."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait

from ..core.errors import OpsError
from .budget import Budget, set_wait_limits
from .host import ServerHost
from .session import OpenSession, Session


class Sessions:
    """``first`` is open already and stays so; the others are opened here and closed with the context.

    ``budget.connections`` is never exceeded. Where a further session is not to be had, the others carry on: that is told in
    ``warnings``. ``host`` is what can be seen of the server's host.
    """

    def __init__(self, first: Session, open_session: OpenSession, budget: Budget, host: ServerHost | None = None) -> None:
        self.first = first
        self.host = host or ServerHost()
        self.warnings: list[str] = []
        self.stopping = threading.Event()
        # Seconds for which this run may yet wait for others (`calm.Calm`).
        self.patience = budget.seconds if budget.gentle.patience is None else budget.gentle.patience
        self._open = open_session
        self.budget = budget
        self._others: dict[int, Session] = {}
        self._onlookers: list[Session] = []
        self._refused = False
        self._running: set[Session] = set()
        self._programs: tuple[int, ...] = ()
        self._lock = threading.Lock()

    def __enter__(self) -> Sessions:
        return self

    def __exit__(self, *exception: object) -> None:
        for session in self._others.values():
            session.close()

    @property
    def pids(self) -> list[int]:
        """The server processes of all that are open, and of programs that work for us."""
        with self._lock:
            own = [session.backend_pid for session in (self.first, *self._others.values(), *self._onlookers)]
            return [*own, *self._programs]

    def programs_have(self, pids: Iterable[int]) -> None:
        """Say which server processes programs that work for us have just now."""
        with self._lock:
            self._programs = tuple(pids)

    def running_pids(self) -> dict[int, Session]:
        """The sessions whose statements run just now, by their server process."""
        with self._lock:
            return {session.backend_pid: session for session in self._running}

    def open_another(self) -> Session:
        """One more, for whoever only looks on; the caller gives it back by `close_another`."""
        session = self._open()
        with self._lock:
            self._onlookers.append(session)
        return session

    def close_another(self, session: Session) -> None:
        """End a session of `open_another`: a run of several crews has one after another."""
        with self._lock:
            self._onlookers.remove(session)
        session.close()

    def share(self, labour: Callable[[Session], None], *, pieces: int) -> None:
        """Call ``labour`` with each session at once, with no more of them than there are ``pieces`` of work.

        A signal to this process sets ``stopping``, cancels what is `running` and is raised again when all have ended.
        """
        size = min(1 if self._refused else self.budget.connections, pieces)
        if not size:
            return
        with ThreadPoolExecutor(max_workers=size, thread_name_prefix="maintenance") as pool:
            futures = [pool.submit(self._labour, number, labour) for number in range(size)]
            try:
                wait(futures)
            except BaseException:
                self._stop(futures)
                raise
        for future in futures:
            future.result()

    def _labour(self, number: int, labour: Callable[[Session], None]) -> None:
        try:
            session = self._session(number)
        except OpsError as error:  # the first session carries on alone
            self._refused = True
            self.warnings.append(f"Worked with fewer sessions than the connection budget allows: {error.message}")
            return
        labour(session)

    def _session(self, number: int) -> Session:
        if number == 0:
            return self.first
        if number not in self._others:
            session = self._open()
            with self._lock:
                self._others[number] = session
            set_wait_limits(session, lock_timeout=self.budget.lock_timeout, statement_timeout=max(self.budget.seconds, 1))
        return self._others[number]

    def _stop(self, futures: list[Future]) -> None:
        self.stopping.set()
        while wait(futures, timeout=0.2).not_done:
            with self._lock:  # so that it cannot hit what a session does next: clearing up
                for session in self._running:
                    with contextlib.suppress(OpsError):
                        session.cancel()

    @contextlib.contextmanager
    def running(self, session: Session) -> Iterator[None]:
        """While this is open, the session's statement is cancelled when the run is told to stop."""
        with self._lock:
            self._running.add(session)
        try:
            yield
        finally:
            with self._lock:
                self._running.discard(session)
