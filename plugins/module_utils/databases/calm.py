# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for calm before a piece of work; `watch` looks on while it is done."""

from __future__ import annotations

import threading

from ..core import progress
from ..core.clock import Clock
from ..core.errors import OpsError, Unreachable
from ..core.waiting import Deadline
from .gentle import Gentle, Hold, hold, observe_pressure
from .session import Session
from .sessions import Sessions

# How often is looked: what was seen a moment ago is believed, so that a run over many small relations does not ask for each.
_INTERVAL = 1.0


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

        A load that may be that of our other sessions uses up no patience: it lasts no longer than they work.
        """
        if not self._gentle.waits:
            return None
        with self._lock:  # one waits for all: the others would only use up the patience twice
            while True:
                found = self._look(session)
                own = found is not None and found.ours_too and bool(self._sessions.running_pids())
                pause = min(_INTERVAL, self._deadline.left - needed, *(() if own else (self._sessions.patience,)))
                if found is None or found.lasting or pause <= 0 or self._sessions.stopping.is_set():
                    return found
                if not own:
                    self._sessions.patience -= pause
                progress.describe(f"maintenance waits: {found.reason}")
                self._clock.sleep(pause)

    def _look(self, session: Session) -> Hold | None:
        now = self._clock.monotonic()
        if self._seen is not None or now - self._looked >= _INTERVAL:
            try:
                self._seen = hold(observe_pressure(session, self._gentle, self._sessions.pids, self._sessions.host), self._gentle)
            except Unreachable:
                raise
            except OpsError as error:
                self._seen = Hold(f"what others do could not be seen: {error.message}", error.hint)
            self._looked = now
        return self._seen
