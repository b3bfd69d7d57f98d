# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans of maintenance: what is due, in which order, and how long it will take."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..core.finding import Finding
from .room import Need

# A prediction is missed on either side; it counts as fitting only with this much to spare.
_MARGIN = 1.25
# Below this much finished work the measured rate is mostly round trips and says nothing.
_TELLING_BYTES = 32 * 2**20


@dataclass(frozen=True)
class Work:
    """One statement on one relation that is due.

    ``group``: works of one group run one after another in one session. ``names`` fills the placeholders of
    ``statement``. ``bytes`` is what it reads and writes, for predictions;
    ``predicted`` seconds where the plan knows better than the pace of the run. ``parts``: where it is about several relations at once,
    their oids. ``settings`` of the session, for it alone. ``room``: what it writes beside the old. A rewrite has no statement: a program
    does it (`Rewriter`).
    """

    relation: str
    action: str
    reason: str
    statement: str
    names: Mapping[str, Sequence[str]]
    oid: int
    group: int
    bytes: int
    urgent: bool = False
    before: Mapping[str, Any] = field(default_factory=dict)
    parts: tuple[int, ...] = ()
    predicted: float | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    room: tuple[Need, ...] = ()

    @property
    def has_brake(self) -> bool:
        """Whether the server can slow it down (PostgreSQL documentation, Cost-based Vacuum Delay): nothing else has such a brake."""
        return self.action.startswith(("vacuum", "analyze"))

    @property
    def oids(self) -> tuple[int, ...]:
        """What its size is the sum of."""
        return self.parts or (self.oid,)

    def as_planned(self) -> dict[str, Any]:
        """The entry of ``relations`` in check mode."""
        return {"relation": self.relation, "action": self.action, "reason": self.reason, "seconds": 0.0, "status": "planned",
                "before": dict(self.before), "after": {}}


@dataclass(frozen=True)
class Skip:
    """What was due and is not done, why, and what to do about it; ``oid`` of the relation where somebody else may yet do it."""

    relation: str
    reason: str
    hint: str = ""
    urgent: bool = False
    check: str = "database.maintenance"
    oid: int = 0

    def as_dict(self) -> dict[str, str]:
        """The entry of ``not_done``."""
        return {"relation": self.relation, "reason": self.reason}


@dataclass(frozen=True)
class Plan:
    """Work, worst first, and what cannot be done at all; ``advice`` for what would spare work, as findings."""

    work: tuple[Work, ...] = ()
    skipped: tuple[Skip, ...] = ()
    advice: tuple[Finding, ...] = ()

    def groups(self) -> list[list[Work]]:
        """The work by group; groups in the order of their worst member."""
        groups: dict[int, list[Work]] = {}
        for work in self.work:
            groups.setdefault(work.group, []).append(work)
        return list(groups.values())


class Pace:
    """Predicts seconds from bytes: by the rate that the policy expects until this very run has shown its own."""

    def __init__(self, bytes_per_second: float) -> None:
        self._expected = max(bytes_per_second, 1.0)
        self._bytes = 0
        self._seconds = 0.0
        self._lock = threading.Lock()

    def learn(self, size: int, seconds: float) -> None:
        """Take a finished piece of work into account."""
        with self._lock:
            self._bytes += size
            self._seconds += seconds

    def predict(self, size: int) -> float:
        """Seconds that work on so many bytes takes, margin included."""
        with self._lock:
            told = self._bytes >= _TELLING_BYTES and self._seconds > 0
            rate = self._bytes / self._seconds if told else self._expected
        return _MARGIN * size / rate
