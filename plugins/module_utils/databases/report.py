# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What maintenance answers: relations with before and after, what was skipped, one finding for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..core.finding import Finding, Status
from ..core.quantities import format_duration, format_size
from .crew import Result
from .gentle import load_unknown, observe_load
from .sessions import Sessions
from .work import Plan, Skip

# What a run may better; where none of them moved, nothing changed. The ages count down, the rest too.
_BETTERED = ("dead_rows", "changed_rows", "xid_age", "multixact_age", "bytes")


@dataclass(frozen=True)
class Maintenance:
    """A plan and what became of it."""

    plan: Plan
    results: Sequence[Result]
    warnings: Sequence[str] = ()
    check_mode: bool = False

    @property
    def changed(self) -> bool:
        """Whether any relation is better than before (in check mode: would be)."""
        if self.check_mode:
            return bool(self.plan.work)
        return any(_better(result) for result in self.results)

    def relations(self) -> list[dict[str, Any]]:
        """One entry per relation that was worked on or, in check mode, would be."""
        if self.check_mode:
            return [work.as_planned() for work in self.plan.work]
        return [_entry(result) for result in self.results if result.status in ("done", "failed")]

    def skips(self) -> list[Skip]:
        """What was due and not done."""
        return [*self.plan.skipped, *(Skip(result.work.relation, _with_left_behind(result), result.hint, result.work.urgent)
                                      for result in self.results if result.status == "skipped")]

    def findings(self, subject: str) -> list[Finding]:
        """One per relation; where nothing was due, one for the database ``subject``.

        A relation that is not done is a warning, one near wraparound a failure, and so is one where the work failed.
        """
        findings = [_finding(result, subject) for result in self.results if result.status in ("done", "failed")]
        # A report has those of several databases, and relations of one name.
        findings += [Finding(skip.check, skip.relation, Status.FAIL if skip.urgent else Status.WARN,
                             f"{_sentence(skip)} (in database {subject})", hint=skip.hint) for skip in self.skips()]
        findings += self.plan.advice
        if not findings and not self.plan.work:
            findings.append(Finding("database.maintenance", subject, Status.PASS, "Nothing was due"))
        return findings

    def values(self) -> dict[str, Any]:
        """The module's return values. Ansible takes a result with a key ``skipped`` for a task that was not run."""
        return {"relations": self.relations(), "not_done": [skip.as_dict() for skip in self.skips()]}

    def summary(self) -> str:
        """One line for a person."""
        skips = len(self.skips())
        if self.check_mode:
            return f"{len(self.plan.work)} due, {skips} cannot be done"
        words = [f"{number} {word}" for word in ("done", "failed")
                 if (number := sum(result.status == word for result in self.results))] + ([f"{skips} due and not done"] if skips else [])
        return ", ".join(words) or "Nothing was due"

    def diff(self) -> dict[str, str] | None:
        """Before and after as text, one line per relation."""
        entries = self.relations()
        if not entries:
            return None
        return {"before": "".join(f"{entry['relation']}: {_figures(entry['before'])}\n" for entry in entries),
                "after": "".join(f"{entry['relation']}: {_figures(entry['after']) or entry['action']}\n" for entry in entries)}


def with_load(sessions: Sessions, plan: Plan) -> Plan:
    """The plan, which tells where the policy has limits for the host's load, something is due, and nobody can see that load."""
    gentle = sessions.budget.gentle
    if not plan.work or not gentle.host_limits:
        return plan
    load = observe_load(sessions.first, gentle, sessions.host)
    return replace(plan, advice=(*plan.advice, *load_unknown(load, gentle, sessions.host.title)))


def _better(result: Result) -> bool:
    if result.work.action.startswith(("reindex", "drop")):
        return result.status == "done"
    if result.status not in ("done", "failed") or not result.after:
        return False
    # A VACUUM that found its dead rows held back has run, and nothing is different.
    return result.status == "done" or any(
        result.after.get(key) is not None and result.after[key] < (result.before.get(key) or 0) for key in _BETTERED)


def _entry(result: Result) -> dict[str, Any]:
    return {"relation": result.work.relation, "action": result.work.action, "reason": result.work.reason,
            "seconds": round(result.seconds, 3), "status": result.status, "message": _with_left_behind(result),
            "before": dict(result.before or result.work.before), "after": result.after}


def _with_left_behind(result: Result) -> str:
    return f"{result.message}; left behind for the next run: {result.left_behind}" if result.left_behind else result.message


def _finding(result: Result, database: str) -> Finding:
    work = result.work
    if result.status == "done":
        return Finding("database.maintenance", work.relation, Status.PASS,
                       f"{work.action} took {format_duration(result.seconds)} ({work.reason})", observed=round(result.seconds, 3), unit="s")
    return Finding("database.maintenance", work.relation, Status.FAIL,
                   f"{work.action} failed: {_with_left_behind(result)} (in database {database})",
                   hint=result.hint or f"Run it by hand to see more: {work.action} {work.relation}")


def _sentence(skip: Skip) -> str:
    return skip.reason[:1].upper() + skip.reason[1:] if skip.check != "database.maintenance" else f"Due and not done: {skip.reason}"


def _figures(state: dict[str, Any]) -> str:
    return ", ".join(f"{key} {format_size(value) if key == 'bytes' else value}" for key, value in state.items() if value is not None)
