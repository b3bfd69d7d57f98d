# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is the continuity plan alive? Exercises held in time, actions done in time, functions that can be had back in time. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any

from ..core.errors import InvalidOption
from ..core.finding import Finding, Status, at_most
from ..core.quantities import DAY, format_duration, parse_duration
from .exercises import EXERCISES, KINDS, Action, Exercise

CRITICALITIES = ("CRITICAL", "IMPORTANT", "STANDARD")


@dataclass(frozen=True)
class Function:
    """A business function: objectives in seconds, the backup plans that it cannot do without."""

    name: str
    criticality: str
    rto: float | None
    rpo: float | None
    plans: tuple[str, ...]
    people: tuple[str, ...]
    alternatives: tuple[str, ...]


@dataclass(frozen=True)
class Measured:
    """What the newest drill of a plan measured, in seconds."""

    rto: float | None
    rpo: float | None


def read_intervals(options: Mapping[str, Any]) -> dict[str, float]:
    """Seconds by kind.

    :raises InvalidOption: for a kind that there is not, for what is no duration, and for none at all
    """
    found = {}
    for kind, every in options.items():
        if kind not in KINDS:
            raise InvalidOption(f"intervals: {kind!r} is no kind", hint=f"Known are {', '.join(KINDS)}")
        found[kind] = parse_duration(every, option=f"intervals.{kind}")
        if not found[kind]:
            raise InvalidOption(f"intervals.{kind}: nothing can be held all the time", hint="Give a duration such as 182d")
    if not found:
        raise InvalidOption("intervals: there are none", hint="Say how often the plan is exercised, reviewed and updated")
    return found


def read_functions(entries: Sequence[Mapping[str, Any]]) -> list[Function]:
    """Business functions of the impact analysis.

    :raises InvalidOption: for an unknown criticality, for two of one name, and for what is no duration
    """
    found: dict[str, Function] = {}
    for entry in entries:
        name, criticality = entry["name"], entry["criticality"]
        if criticality not in CRITICALITIES:
            raise InvalidOption(f"functions: {name}: {criticality!r} is no criticality", hint=f"Known are {', '.join(CRITICALITIES)}")
        if name in found:
            raise InvalidOption(f"functions: there are two named {name!r}", hint="Give each its own name")
        rto, rpo = (parse_duration(entry[key], option=f"functions.{name}.{key}") if entry.get(key) else None for key in ("rto", "rpo"))
        found[name] = Function(name, criticality, rto, rpo, tuple(entry.get("plans") or ()), tuple(entry.get("people") or ()),
                               tuple(entry.get("alternatives") or ()))
    return list(found.values())


def measured(values: Sequence[Mapping[str, Any]]) -> dict[str, Measured]:
    """The newest drill of each plan that passed, of what the ledger has of recovery.drill and recovery.disaster_drill, oldest first."""
    found = {}
    for value in values:
        drill = value.get("drill")
        if isinstance(drill, Mapping) and drill.get("plan") and drill.get("status") == "pass":
            found[str(drill["plan"])] = Measured(drill.get("rto_seconds"), drill.get("rpo_seconds"))
    return found


def judge_exercises(exercises: Sequence[Exercise], intervals: Mapping[str, float], *, warn_before: float, now: datetime) -> list[Finding]:
    """``continuity.exercise`` for each kind that has an interval; a heavier exercise counts for the lighter ones."""
    return [_judge_kind(kind, exercises, every, warn_before, now) for kind, every in intervals.items()]


def judge_actions(actions: Sequence[Action], *, warn_before: float, now: datetime) -> list[Finding]:
    """``continuity.action`` for each that is open; its day ends with it, in UTC."""
    check, findings = "continuity.action", []
    for action in actions:
        end = datetime(action.due.year, action.due.month, action.due.day, tzinfo=timezone.utc).timestamp() + DAY
        left = end - now.timestamp()
        told = f"{action.what} ({action.owner}, due {action.due})"
        hint = f"Ask {action.owner}; when it is done, record that with closes: [{action.id}]"
        status = Status.FAIL if left <= 0 else Status.WARN if left <= warn_before else Status.PASS
        word = f"overdue by {format_duration(-left) or '0s'}" if left <= 0 else f"due in {format_duration(left)}"
        findings.append(Finding(check, action.id, status, f"{word}: {told}", round(left), 0, "s", "" if status is Status.PASS else hint))
    return findings


def judge_functions(functions: Sequence[Function], known: Mapping[str, Measured]) -> list[Finding]:
    """``continuity.function``: somebody answers for it, a critical one can be done by hand, and drills had it back in time.

    What fails for a standard function is a warning.
    """
    findings = []
    for function in functions:
        replaceable = function.alternatives or function.criticality != "CRITICAL"
        gaps = [*([] if function.people else ["nobody who answers for it"]), *([] if replaceable else ["no other way to do it"])]
        told = f"{function.criticality.lower()}, with people{' and another way to do it' if function.alternatives else ''}"
        own = [Finding("continuity.function", function.name, Status.FAIL if gaps else Status.PASS,
                       f"it has {' and '.join(gaps)}" if gaps else told, hint="Complete the impact analysis" if gaps else "")]
        if function.plans:
            drills = [known.get(plan) for plan in function.plans]
            rto = None if any(one is None or one.rto is None for one in drills) else sum(one.rto for one in drills)
            rpo = None if any(one is None or one.rpo is None for one in drills) else max(one.rpo for one in drills)
            hint = f"Drill {', '.join(function.plans)} (recovery.drill), and see which of them takes it"
            for name, limit, seen in (("rto", function.rto, rto), ("rpo", function.rpo, rpo)):
                if limit is not None:
                    own.append(at_most(f"continuity.{name}", function.name, seen, fail=limit, unit="s", hint=hint,
                                       what="measured time to recover" if name == "rto" else "measured loss"))
        light = function.criticality == "STANDARD"
        findings += [replace(one, status=Status.WARN) if light and one.status is Status.FAIL else one for one in own]
    return findings


def judge_outcome(exercise: Exercise) -> Finding:
    """``continuity.outcome`` of one exercise: what it did not show is a warning, for that is what it was held for."""
    missed = [name for name, met in exercise.objectives.items() if not met]
    told = f"{len(exercise.objectives) - len(missed)} of {len(exercise.objectives)} objectives were met"
    return Finding("continuity.outcome", exercise.id, Status.WARN if missed else Status.PASS,
                   f"{told}; not: {', '.join(missed)}" if missed else told, len(missed), 0, "objectives",
                   "Agree on actions, each with an owner and a day" if missed and not exercise.actions else "")


def judge_unreadable(count: int) -> list[Finding]:
    """``continuity.record`` where the ledger has exercises that cannot be read."""
    return [Finding("continuity.record", "ledger", Status.UNKNOWN, f"{count} recorded exercises cannot be read", count, 0, "",
                    "A newer version may have written them: review with that one")] if count else []


def _judge_kind(kind: str, exercises: Sequence[Exercise], every: float, warn_before: float, now: datetime) -> Finding:
    check = "continuity.exercise"
    counting = EXERCISES[EXERCISES.index(kind):] if kind in EXERCISES else (kind,)
    held = [one for one in exercises if one.kind in counting]
    hint = "Hold one and record it (continuity.exercise)"
    if not held:
        return Finding(check, kind, Status.FAIL, "none was ever recorded", None, every, "s", hint)
    last = max(held, key=lambda one: one.held_at)
    age = (now - last.held_at).total_seconds()
    told = f"the last, {last.id} ({last.outcome}), was {format_duration(age) or '0s'} ago"
    if age > every:
        return Finding(check, kind, Status.FAIL, f"{told}, over the interval of {format_duration(every)}", round(age), every, "s", hint)
    if last.outcome != "met":
        missed = ", ".join(name for name, met in last.objectives.items() if not met)
        return Finding(check, kind, Status.WARN, f"{told}; it did not show: {missed}", round(age), every, "s",
                       "See its actions, then hold another")
    if age > every - warn_before:
        return Finding(check, kind, Status.WARN, f"{told}; the next is due in {format_duration(every - age) or '0s'}", round(age), every,
                       "s", hint)
    return Finding(check, kind, Status.PASS, told, round(age), every, "s")
