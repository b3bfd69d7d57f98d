# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What came of activating a site: the steps that were done and how long they took, what is left, how to go back. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..core.errors import InvalidOption
from ..core.finding import Finding, Status, at_most
from ..core.quantities import format_duration

# What undoes a step, while its successors have not been done; in the words of the modules that do it.
BACK = {
    "fence": "while no other server was promoted: remove standby.signal from the old primary's data directory and start it",
    "promote": "there is no way back but forward: make the old primary a standby of the new one (pg_rewind, or a new base backup), "
               "let it catch up, then activate it with the two sites exchanged",
    "restore": "delete what was restored at the standby site; the old site was not touched by it",
    "probe": "nothing was changed",
    "dns": "run dns_switch with the records of 'previous' that its result has",
    "traffic": "nothing was changed",
    "monitor": "nothing was changed",
}
# From the standby site back to the first one, once that is sound again.
FAILBACK = (
    "see that the old primary is fenced: standby.signal in its data directory, or its disks wiped",
    "make it a standby of the present primary: pg_rewind where the data directory is sound and wal_log_hints or checksums were on, else "
    "pg_basebackup",
    "wait until it streams without lag (databases.inspect), and drill a backup of the present primary (recovery.drill)",
    "lower the TTL of the records that are to be switched, and wait for the old TTL to pass",
    "in a quiet hour, activate with the two sites exchanged: the present primary is fenced in order, so that nothing is lost",
    "see that the records are those of 'previous' (recovery.activate_dr_site does it), then set their TTL back",
)


@dataclass(frozen=True)
class Step:
    """A step that was begun; ``seconds`` is wall time, ``planned`` says that it only told what it would do."""

    name: str
    seconds: float
    failed: bool
    changed: bool
    planned: bool
    summary: str = ""

    @property
    def status(self) -> str:
        """``done``, ``planned`` or ``failed``."""
        return "failed" if self.failed else "planned" if self.planned else "done"


def read_steps(entries: Sequence[Mapping[str, Any]], order: Sequence[str], *, planned: bool) -> list[Step]:
    """The entries of the module's ``done``; each has the result of its task, also of a loop.

    :raises InvalidOption: for a step that is not in ``order``, and for one without its times
    """
    steps = []
    for entry in entries:
        try:
            name, seconds = str(entry["name"]), float(entry["ended"]) - float(entry["began"])
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidOption(f"done: {entry!r} is no step", hint="Give name, began and ended (seconds)") from error
        if name not in order:
            raise InvalidOption(f"done: {name!r} is none of the steps {', '.join(order)}", hint="Correct steps")
        results = _results(entry)
        steps.append(Step(name, max(0.0, seconds), bool(entry.get("failed")), any(bool(one.get("changed")) for one in results), planned,
                          "; ".join(str(one["summary"]) for one in results if one.get("summary"))))
    return steps


def follow_of(entries: Sequence[Mapping[str, Any]]) -> float:
    """The longest that clients take to follow what the steps switched, in seconds."""
    switches = [one["switch"] for entry in entries for one in _results(entry) if isinstance(one.get("switch"), Mapping)]
    return max((float(switch.get("clients_follow_seconds") or 0.0) for switch in switches), default=0.0)


def judge_steps(site: str, steps: Sequence[Step], order: Sequence[str], *, resumed_from: str = "") -> list[Finding]:
    """``recovery.step`` for every step: done, failed, or left."""
    known, findings = {step.name: step for step in steps}, []
    before = order[:order.index(resumed_from)] if resumed_from in order else ()
    for name in order:
        step, subject = known.get(name), f"{site}: {name}"
        if step is None and name in before:
            continue
        if step is None:
            why = "left: a step before it failed" if steps else "not begun: what was judged before it stands against it"
            again = f", resuming from {_first_open(steps, order)}" if steps else ""
            findings.append(Finding("recovery.step", subject, Status.UNKNOWN, why, hint=f"See what failed; then run again{again}"))
        elif step.failed:
            findings.append(Finding("recovery.step", subject, Status.FAIL, f"it failed after {format_duration(step.seconds) or '0s'}",
                                    round(step.seconds, 3), None, "s", f"To go back: {BACK.get(name, 'see docs/recovery.md')}"))
        else:
            word = "would be done" if step.planned else "done"
            findings.append(Finding("recovery.step", subject, Status.PASS, f"{word}{f': {step.summary}' if step.summary else ''}",
                                    round(step.seconds, 3), None, "s"))
    return findings


def judge_duration(site: str, steps: Sequence[Step], order: Sequence[str], *, total: float, rto: float | None, follow: float,
                   planned: bool) -> list[Finding]:
    """``recovery.rto`` of an activation that came to its end: until the last client follows. A plan takes no time."""
    complete = bool(steps) and steps[-1].name == order[-1] and not any(step.failed for step in steps)
    if rto is None or planned or not complete:
        return []
    return [at_most("recovery.rto", site, round(total + follow, 3), fail=rto, unit="s", what="time until all clients are served",
                    hint="See which step took it, and the TTL of the records")]


def activation(site: str, steps: Sequence[Step], order: Sequence[str], *, trigger: str, mode: str, total: float, follow: float,
               rto: float | None, resumed_from: str = "") -> dict[str, Any]:
    """The module's ``activation``: what was done, what is left, how to go back."""
    done = [step.name for step in steps if not step.failed and not step.planned]
    skipped = order[:order.index(resumed_from)] if resumed_from in order else ()
    left = [name for name in order if name not in skipped and name not in [step.name for step in steps if not step.failed]]
    return {
        "site": site, "trigger": trigger, "mode": mode,
        "status": "fail" if left else "planned" if mode != "activate" else "pass",
        "steps": [{"name": step.name, "status": step.status, "seconds": round(step.seconds, 3), "changed": step.changed,
                   "summary": step.summary} for step in steps],
        "left": left, "rto_seconds": round(total + follow, 3), "rto_objective_seconds": rto,
        "clients_follow_seconds": follow,
        "back": [{"step": name, "how": BACK[name]} for name in reversed(done) if name in BACK],
        "failback": list(FAILBACK) if "promote" in done or mode != "activate" else [],
    }


def summary_of(told: Mapping[str, Any]) -> str:
    """One line for a person."""
    names = ", ".join(step["name"] for step in told["steps"] if step["status"] != "failed") or "nothing"
    word = "would be done" if told["mode"] != "activate" else "was done"
    left = f"; left: {', '.join(told['left'])}" if told["left"] else ""
    return f"{told['site']}: {names} {word}{left}"


def _first_open(steps: Sequence[Step], order: Sequence[str]) -> str:
    done = {step.name for step in steps if not step.failed}
    return next((name for name in order if name not in done), order[0])


def _results(entry: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    result = entry.get("result")
    if not isinstance(result, Mapping):
        return []
    inner = result.get("results")
    return [one for one in inner if isinstance(one, Mapping)] if isinstance(inner, list) else [result]
