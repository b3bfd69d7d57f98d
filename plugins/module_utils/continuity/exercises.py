# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Exercises of the continuity plan as values: read from what a person wrote down, and from what the ledger has of them."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from ..core.clock import format_instant, parse_instant
from ..core.errors import InvalidOption

# Kinds of exercise from the lightest to the heaviest (ISO 22398:2013, annex); each counts for the lighter ones too.
EXERCISES = ("tabletop", "walkthrough", "functional", "full")
# What else keeps a plan alive, and is recorded likewise.
KINDS = (*EXERCISES, "plan_review", "plan_update")


@dataclass(frozen=True)
class Action:
    """What was agreed to be done: ``id`` is unique among all exercises, ``due`` is the last day."""

    id: str
    what: str
    owner: str
    due: date


@dataclass(frozen=True)
class Exercise:
    """One exercise; ``objectives`` by name, each met or not, ``closes`` the ids of actions that were found done."""

    id: str
    kind: str
    scenario: str
    held_at: datetime
    participants: tuple[str, ...]
    objectives: Mapping[str, bool]
    actions: tuple[Action, ...] = ()
    closes: tuple[str, ...] = ()
    notes: str = ""

    @property
    def outcome(self) -> str:
        """``met``, ``partly`` or ``missed``."""
        met = sum(self.objectives.values())
        return "met" if met == len(self.objectives) else "partly" if met else "missed"

    def as_value(self) -> dict[str, Any]:
        """As the ledger keeps it."""
        return {
            "id": self.id, "kind": self.kind, "scenario": self.scenario, "held_at": format_instant(self.held_at),
            "participants": list(self.participants), "objectives": [{"name": name, "met": met} for name, met in self.objectives.items()],
            "outcome": self.outcome, "closes": list(self.closes), "notes": self.notes,
            "actions": [{"id": one.id, "what": one.what, "owner": one.owner, "due": one.due.isoformat()} for one in self.actions]}


def read_exercise(options: Mapping[str, Any], now: datetime) -> Exercise:
    """The options of `continuity_exercise`, or a value of `Exercise.as_value`.

    :raises InvalidOption: for what makes no sense: a kind that there is not, nobody who took part, no objective, an exercise
        in the future, an action without an owner or a day
    """
    kind, held = options.get("kind"), options.get("held_at")
    if kind not in KINDS:
        raise InvalidOption(f"kind: {kind!r} is none", hint=f"Known are {', '.join(KINDS)}")
    held_at = parse_instant(held) if held else now
    if held_at > now:
        raise InvalidOption(f"held_at: {held} is in the future", hint="Record an exercise when it has been held")
    scenario = _text(options.get("scenario"), "scenario")
    participants = tuple(_text(one, "participants") for one in options.get("participants") or ())
    objectives = {_text(one.get("name"), "objectives.name"): one.get("met") for one in options.get("objectives") or ()}
    if not participants or not objectives:
        raise InvalidOption(f"{'objectives' if participants else 'participants'}: there are none",
                            hint="An exercise has somebody who takes part, and something that it is to show")
    if any(not isinstance(met, bool) for met in objectives.values()):
        raise InvalidOption("objectives: each was met or was not", hint="Write met: true or met: false")
    id = options.get("id") or _id(kind, held_at, scenario, participants)
    actions = tuple(_action(one, f"{id}-{number}") for number, one in enumerate(options.get("actions") or (), 1))
    if len({one.id for one in actions}) != len(actions):
        raise InvalidOption("actions: two have one id", hint="Give each its own, or none")
    return Exercise(id, kind, scenario, held_at, participants, objectives, actions,
                    tuple(_text(one, "closes") for one in options.get("closes") or ()), str(options.get("notes") or ""))


def recorded(values: Sequence[Mapping[str, Any]], now: datetime) -> tuple[list[Exercise], int]:
    """The exercises among what the ledger has, oldest first, one that was recorded twice once; and how many cannot be read."""
    found, unreadable = {}, 0
    for value in values:
        if "exercise" not in value:
            continue
        try:
            one = read_exercise(value["exercise"], now)
            found[one.id] = one
        except (InvalidOption, AttributeError, TypeError):
            unreadable += 1
    return sorted(found.values(), key=lambda one: one.held_at), unreadable


def open_actions(exercises: Sequence[Exercise]) -> list[Action]:
    """What was agreed and not found done since, by its day."""
    closed = {id for one in exercises for id in one.closes}
    agreed = [action for one in exercises for action in one.actions if action.id not in closed]
    return sorted(agreed, key=lambda action: (action.due, action.id))


def _action(entry: Mapping[str, Any], id: str) -> Action:
    due = str(entry.get("due") or "")
    try:
        day = date.fromisoformat(due) if re.fullmatch(r"\d{4}-\d{2}-\d{2}", due) else None
    except ValueError:
        day = None
    if day is None:
        raise InvalidOption(f"actions.due: {due!r} is no day", hint="Write it as 2026-02-28")
    return Action(str(entry.get("id") or id), _text(entry.get("what"), "actions.what"), _text(entry.get("owner"), "actions.owner"), day)


def _text(value: Any, option: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise InvalidOption(f"{option}: {value!r} says nothing", hint="Write it out")
    return value.strip()


def _id(kind: str, held_at: datetime, scenario: str, participants: Sequence[str]) -> str:
    """The same for the same exercise, so that recording it twice makes it no two."""
    word = json.dumps([kind, format_instant(held_at), scenario, sorted(participants)]).encode()
    return f"{held_at:%Y%m%d}-{kind}-{hashlib.sha256(word).hexdigest()[:6]}"
