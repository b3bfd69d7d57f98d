# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the ledger keeps of a maintenance before it begins: who was told of which window, and who approved which change. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from ..core.clock import format_instant, parse_instant
from ..core.errors import InvalidOption

DECISIONS = ("approved", "rejected")
Entry = TypeVar("Entry")


@dataclass(frozen=True)
class Notice:
    """Somebody was told of a window: ``begins`` is the beginning of the whole window, by which it is found again."""

    window: str
    begins: datetime
    ends: datetime | None
    announced_at: datetime
    told: tuple[str, ...]
    by: str
    change: str = ""
    text: str = ""

    def as_value(self) -> dict[str, Any]:
        """As the ledger keeps it."""
        return {"window": self.window, "begins_at": format_instant(self.begins), "ends_at": self.ends and format_instant(self.ends),
                "announced_at": format_instant(self.announced_at), "told": list(self.told), "by": self.by, "change": self.change,
                "text": self.text}


@dataclass(frozen=True)
class Approval:
    """One decision on a change: ``kind`` is what was decided on, in the words of the policy (technical review)."""

    change: str
    kind: str
    by: str
    at: datetime
    decision: str
    notes: str = ""

    def as_value(self) -> dict[str, Any]:
        """As the ledger keeps it."""
        return {"change": self.change, "kind": self.kind, "by": self.by, "at": format_instant(self.at), "decision": self.decision,
                "notes": self.notes}


def read_notice(options: Mapping[str, Any], now: datetime) -> Notice:
    """The options of `maintenance_notice`, or a value of `Notice.as_value`; without ``announced_at`` it is now.

    :raises InvalidOption: where nobody was told, for what is no instant, for a notice from the future
    """
    announced = parse_instant(options["announced_at"]) if options.get("announced_at") else now
    if announced > now:
        raise InvalidOption(f"announced_at: {options['announced_at']} is in the future", hint="Record a notice when it was given")
    told = tuple(_text(one, "told") for one in options.get("told") or ())
    if not told:
        raise InvalidOption("told: nobody was told", hint="Name who got the notice: people, lists, the status page")
    ends = options.get("ends_at")
    return Notice(_text(options.get("window"), "window"), parse_instant(options.get("begins_at")), parse_instant(ends) if ends else None,
                  announced, told, _text(options.get("by"), "by"), str(options.get("change") or ""), str(options.get("text") or ""))


def read_approval(options: Mapping[str, Any], now: datetime) -> Approval:
    """The options of `maintenance_approval`, or a value of `Approval.as_value`; without ``at`` it is now.

    :raises InvalidOption: for what says nothing, an unknown decision, one from the future
    """
    at = parse_instant(options["at"]) if options.get("at") else now
    if at > now:
        raise InvalidOption(f"at: {options['at']} is in the future", hint="Record a decision when it was made")
    if options.get("decision") not in DECISIONS:
        raise InvalidOption(f"decision: {options.get('decision')!r} is none", hint=f"Known are {', '.join(DECISIONS)}")
    change, kind, by = (_text(options.get(name), name) for name in ("change", "kind", "by"))
    return Approval(change, kind, by, at, options["decision"], str(options.get("notes") or ""))


def recorded(values: Sequence[Mapping[str, Any]], key: str, read: Callable[[Mapping[str, Any], datetime], Entry],
             now: datetime) -> tuple[list[Entry], int]:
    """The entries under ``key`` of what the ledger has, in its order; and how many cannot be read."""
    found, unreadable = [], 0
    for value in values:
        if not isinstance(value, Mapping) or key not in value:
            continue
        try:
            found.append(read(value[key], now))
        except (InvalidOption, AttributeError, TypeError, KeyError):
            unreadable += 1
    return found, unreadable


def _text(value: Any, option: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise InvalidOption(f"{option}: {value!r} says nothing", hint="Write it out")
    return value.strip()
