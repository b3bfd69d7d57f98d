# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the combined maintenance answers: the plan as a table and as data, what became of each step, and the debt."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from ..core.clock import format_instant
from ..core.finding import Finding
from ..core.quantities import format_duration, format_size
from .crew import Result
from .debt import Debt, Server, incur
from .forecast import kind_of
from .maintenance_history import History
from .plan import Stage, Step
from .report import Maintenance
from .work import Plan, Skip, Work

# Explicit Locking, PostgreSQL documentation. VACUUM gives pages at the end of a table back under a lock that it lets go at once
# where anybody waits for it.
_LOCK = "SHARE UPDATE EXCLUSIVE"
_TABLE_ROWS = 100
_LATER = "; it is looked at again before it is begun"


def key_of(work: Work) -> tuple[str, str]:
    """What tells the works of one plan apart."""
    return work.relation, work.action


@dataclass(frozen=True)
class Combined:
    """A plan and what became of it. ``forced``: see `debt.observe_forced`, for the tables whose vacuum is left."""

    steps: Sequence[Step]
    cannot: Sequence[Skip]
    advice: Sequence[Finding]
    results: Sequence[Result]
    server: Server
    history: History
    forced: Mapping[int, int]
    seconds: float
    began: datetime
    forced_within: float
    warnings: Sequence[str]
    check_mode: bool

    @cached_property
    def _became(self) -> dict[tuple[str, str], Result]:
        return {key_of(result.work): result for result in self.results}

    @cached_property
    def debts(self) -> list[Debt]:
        """What was due and is left, in the order of the plan: what did not fit, and what the run had to skip."""
        return [debt for step in self.steps if (debt := self._debt(step))]

    @cached_property
    def _told(self) -> Maintenance:
        """What the single-purpose modules' report is made from: debts are skips of the plan here."""
        skips = [*self.cannot, *(debt.as_skip(forced_within=self.forced_within) for debt in self.debts)]
        works = tuple(step.work for step in self.steps if step.fits)
        results = [one for one in self.results if one.status != "skipped"]
        return Maintenance(Plan(works, tuple(skips), tuple(self.advice)), results, check_mode=self.check_mode)

    @property
    def changed(self) -> bool:
        """Whether any relation is better than before (in check mode: would be)."""
        return self._told.changed

    def findings(self, subject: str) -> list[Finding]:
        """One per relation that was worked on or is left; where nothing was due, one for the database ``subject``."""
        return self._told.findings(subject)

    def summary(self) -> str:
        """One line for a person."""
        if not self.check_mode:
            return self._told.summary()
        if not self.steps and not self.cannot:
            return "Nothing is due"
        fitting = [step for step in self.steps if step.fits]
        takes = max((step.ends for step in fitting), default=0.0)
        told = f"{len(fitting)} of {len(self.steps)} steps, which need {_time(takes)} of the {_time(self.seconds)} of the window"
        return told + (f"; {len(self.cannot)} cannot be done" if self.cannot else "")

    def diff(self) -> dict[str, str] | None:
        """Before and after as text, one line per relation."""
        return self._told.diff()

    def values(self) -> dict[str, Any]:
        """The module's return values."""
        weights = {key_of(step.work): step for step in self.steps}
        relations = []
        for row in self._told.relations():
            step = weights[row["relation"], row["action"]]
            relations.append({**row, "bytes": step.work.bytes, "predicted_seconds": round(step.prediction.seconds, 3)})
        about = {"server": self.server.identifier, "database": self.server.database, "at": format_instant(self.began),
                 "transactions": self.server.transactions, "multixacts": self.server.multixacts, "window_seconds": round(self.seconds, 3),
                 "planned": sum(step.fits for step in self.steps), "left": len(self.debts)}
        values = {"maintenance": about, "steps": [self._entry(number, step) for number, step in enumerate(self.steps, 1)],
                  "relations": relations, "not_done": [skip.as_dict() for skip in self._told.skips()],
                  "debt": [debt.as_dict() for debt in self.debts]}
        return values | ({"console": self.table()} if self.check_mode and self.steps else {})

    def table(self) -> list[list[str]]:
        """The plan for a terminal: lines, each with the status that gives it its color (empty for none)."""
        lines = [["", ""], [f"{self.server.database}: {self.summary()}", ""],
                 ["   #   begins   takes       size  step", ""]]
        for number, step in enumerate(self.steps[:_TABLE_ROWS], 1):
            begins = f"+{_time(step.starts)}" if step.starts is not None else "left"
            lines += [[f"{number:>4}  {begins:>7}  {'~' + _time(step.prediction.seconds):>6}  {format_size(step.work.bytes):>9}  "
                       f"{step.work.action} {step.work.relation}", "" if step.fits else "warn"],
                      [f"{'':34}{step.work.reason}{_LATER if step.stage is Stage.FORESEEN else ''}", ""],
                      [f"{'':34}by {step.prediction.basis}; {lock_of(step.work)}; {statement_of(step.work)}", ""]]
        if len(self.steps) > _TABLE_ROWS:
            lines.append([f"      and {len(self.steps) - _TABLE_ROWS} more", ""])
        return lines

    def _debt(self, step: Step) -> Debt | None:
        result = self._became.get(key_of(step.work))
        tried = 0.0
        if not step.fits:
            reason = f"it takes about {_time(step.prediction.seconds)} (by {step.prediction.basis}), "
            reason += f"and the window of {_time(self.seconds)} "
            reason += "is too short for it" if step.needs > self.seconds else "had no more room for it"
            hint = f"Give a longer window, or run it by hand: {statement_of(step.work)};"
        elif result is not None and result.status == "skipped":
            reason, hint = result.message, result.hint
            if result.left_behind:
                reason += f"; left behind for the next run: {result.left_behind}"
            tried = result.seconds if result.out_of_time else 0.0
        elif result is None and not self.check_mode:
            reason, hint = "the run ended before its turn", "Run again"
        else:
            return None
        left = self.forced.get(step.work.oid, {}) if kind_of(step.work.action) == "vacuum" else {}
        return incur(step, reason, hint, self.history, at=format_instant(self.began), now=self.began,
                     server=self.server, left=left, tried_seconds=tried)

    def _entry(self, number: int, step: Step) -> dict[str, Any]:
        result = self._became.get(key_of(step.work))
        status = "left" if not step.fits else "planned" if self.check_mode else result.status if result else "left"
        return {"order": number, "relation": step.work.relation, "action": step.work.action, "reason": step.work.reason,
                "bytes": step.work.bytes, "predicted_seconds": round(step.prediction.seconds, 3), "basis": step.prediction.basis,
                "lock": lock_of(step.work), "statement": statement_of(step.work), "stage": step.stage.name.lower(),
                "begins_seconds": None if step.starts is None else round(step.starts, 3), "status": status}


def _time(seconds: float) -> str:
    return format_duration(seconds) or "0s"


def lock_of(work: Work) -> str:
    """The table-level lock that the work takes: beside it rows are read and written."""
    return _LOCK if work.statement else f"{_LOCK}, ACCESS EXCLUSIVE for a moment"


def statement_of(work: Work) -> str:
    """The statement, or the command, as it could be run by hand."""
    if not work.statement:
        rewrite = kind_of(work.action) == "rewrite"
        return f"pg_repack --table={shlex.quote(work.relation)}" if rewrite else f"{work.action} of {work.relation}"
    names = {key: ".".join('"' + part.replace('"', '""') + '"' for part in ([name] if isinstance(name, str) else name))
             for key, name in work.names.items()}
    return work.statement.format(**names)
