# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the operator asks of a drill: objectives, statements about the restored data, how often."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..core.errors import InvalidOption
from ..core.options import OptionGroup
from ..core.quantities import parse_duration

# What an assertion speaks for.
AREAS = ("data", "security")
# Twin: plugins/doc_fragments/assertions.py
ASSERTIONS = OptionGroup(
    fragment="assertions",
    options={
        "assertions": {"type": "list", "elements": "dict", "default": [], "options": {
            "name": {"type": "str", "required": True},
            "sql": {"type": "str", "required": True},
            "expected": {"type": "raw", "default": True},
            "of": {"type": "str", "choices": list(AREAS), "default": "data"},
            "within": {"type": "str"},
        }},
        "assertion_timeout": {"type": "str", "default": "60s"},
    },
)
_KEYS = {"name", "sql", "expected", "of", "within"}


@dataclass(frozen=True)
class Assertion:
    """A query whose first value must be ``expected``; compared as text, since inventories write numbers as text too.

    ``of`` is what it speaks for. ``within`` is how many seconds the answer may take, None where that is not asked.
    """

    name: str
    sql: str
    expected: Any = True
    of: str = "data"
    within: float | None = None

    def holds(self, value: Any) -> bool:
        """Whether the database's answer is the one that was expected; NULL is only ever equal to NULL."""
        if value is None or self.expected is None:
            return value is self.expected
        return value == self.expected or str(value).lower() == str(self.expected).lower()


@dataclass(frozen=True)
class DrillPolicy:
    """Durations are seconds; None is no objective. ``every`` 0 drills each time."""

    rto: float | None = None
    rpo: float | None = None
    every: float = 0.0
    amcheck: bool = True
    assertions: tuple[Assertion, ...] = ()
    statement_timeout: float = 60.0

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> DrillPolicy:
        """Read the options of `restore_drill`.

        :raises InvalidOption: for what is no duration, an objective of nothing, an assertion with an unknown or missing key
        """
        def objective(name: str) -> float | None:
            if options.get(name) in (None, ""):
                return None
            seconds = parse_duration(options[name], option=name)
            if seconds == 0:
                raise InvalidOption(f"{name}: an objective of nothing is never met", hint="Leave it out to set none")
            return seconds

        return cls(
            rto=objective("rto"), rpo=objective("rpo"), every=parse_duration(options["drill_every"], option="drill_every"),
            amcheck=bool(options["amcheck"]), assertions=_assertions(options["assertions"] or ()),
            statement_timeout=objective("assertion_timeout") or 0.0,
        )


def _assertions(entries: Sequence[Mapping[str, Any]]) -> tuple[Assertion, ...]:
    found: dict[str, Assertion] = {}
    for place, entry in enumerate(entries):
        where = f"assertions[{place}]"
        unknown = set(entry) - _KEYS
        if unknown:
            raise InvalidOption(f"{where}: unknown key {min(unknown)!r}", hint=f"Known are {', '.join(sorted(_KEYS))}")
        for key in ("name", "sql"):
            if not isinstance(entry.get(key), str) or not entry[key].strip():
                raise InvalidOption(f"{where}: {key} is missing", hint="Give a name and a query; expected is true by default")
        if entry["name"] in found:
            raise InvalidOption(f"{where}: there are two named {entry['name']!r}", hint="Give each its own name")
        found[entry["name"]] = Assertion(entry["name"], entry["sql"], entry.get("expected", True), _area(entry, where),
                                         _within(entry, where))
    return tuple(found.values())


def _area(entry: Mapping[str, Any], where: str) -> str:
    area = entry.get("of") or AREAS[0]
    if area not in AREAS:
        raise InvalidOption(f"{where}: of: {area!r} is unknown", hint=f"Known are {', '.join(AREAS)}")
    return area


def _within(entry: Mapping[str, Any], where: str) -> float | None:
    if entry.get("within") in (None, ""):
        return None
    seconds = parse_duration(entry["within"], option=f"{where}.within")
    if seconds == 0:
        raise InvalidOption(f"{where}: within: no answer takes no time", hint="Leave it out to set no limit")
    return seconds
