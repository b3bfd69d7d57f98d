# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server's settings against those that are recommended, as data for PostgreSQL 13 to 18. Pure; units as the server's documentation
has them (section 20.1.1: kB is 1024 bytes).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..core.errors import InvalidOption
from ..core.finding import Finding, Status

_UNITS = {"b": 1.0, "kb": 2.0**10, "mb": 2.0**20, "gb": 2.0**30, "tb": 2.0**40,
          "us": 0.001, "ms": 1.0, "s": 1e3, "min": 6e4, "h": 36e5, "d": 864e5}
_SIZES = frozenset(("b", "kb", "mb", "gb", "tb"))
_NUMBER = re.compile(r"(-?\d+(?:\.\d+)?)\s*([a-zA-Z]*)", re.ASCII)
_TRUE, _FALSE = ("on", "true", "yes", "1"), ("off", "false", "no", "0")
_KEYS = {"name", "value", "at_least", "at_most", "one_of", "includes", "unlimited", "since", "until", "severity", "why"}
# pg_settings.source: what stands above postgresql.auto.conf, so that ALTER SYSTEM would change nothing here.
_ABOVE = {"command line", "environment variable", "override", "database", "user", "database user", "client", "session"}


@dataclass(frozen=True)
class Recommended:
    """One setting: exactly one of value, at_least, at_most, one_of (the first is set) or includes (one entry of a list). ``unlimited``
    is the value that means that there is no bound; ``since`` and ``until`` are the first and last major that has it.
    """

    name: str
    kind: str
    wanted: tuple[str, ...]
    unlimited: str | None
    since: int
    until: int
    severity: Status
    why: str


@dataclass(frozen=True)
class Setting:
    """A row of pg_settings: ``value`` is what holds without the session's own changes (reset_val); ``written`` what ALTER SYSTEM wrote,
    None where nothing or where that may not be seen.
    """

    name: str
    value: str
    unit: str
    kind: str
    context: str
    source: str
    choices: tuple[str, ...]
    pending: bool
    written: str | None = None

    @property
    def needs_restart(self) -> bool:
        """Whether a reload does not do."""
        return self.context == "postmaster"

    @property
    def shown(self) -> str:
        """As a person reads it."""
        return f"{self.value} x {self.unit}" if self.unit and self.unit[0].isdigit() else f"{self.value}{self.unit}" or "empty"


@dataclass(frozen=True)
class Step:
    """A setting that is to be changed; ``values`` are several where it is a list. ``blocked`` says why it cannot be, ``waiting`` that
    it was written and waits for a restart.
    """

    recommended: Recommended
    setting: Setting
    values: tuple[str, ...]
    blocked: str = ""
    waiting: bool = False

    @property
    def statement(self) -> str:
        """What would change it; names of settings are words and dots."""
        return " ".join(("ALTER SYSTEM SET", self.setting.name, "=", ", ".join(_literal(value) for value in self.values)))


def read_recommended(entries: Sequence[Mapping[str, Any]]) -> list[Recommended]:
    """:raises InvalidOption: for unknown keys, none or several conditions, a name that is none, a severity that is neither warn nor fail"""
    found = []
    for entry in entries:
        name = entry.get("name") if isinstance(entry, Mapping) else None
        if not isinstance(name, str) or not re.fullmatch(r"[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)?", name, re.ASCII):
            raise InvalidOption(f"recommended: {entry!r} names no setting", hint="Give name as pg_settings has it")
        unknown = sorted(str(key) for key in set(entry) - _KEYS)
        kinds = [kind for kind in ("value", "at_least", "at_most", "one_of", "includes") if entry.get(kind) is not None]
        if unknown or len(kinds) != 1:
            what = f"the unknown {', '.join(unknown)}" if unknown else "none or several conditions"
            raise InvalidOption(f"recommended: {name} has {what}",
                                hint=f"Give one of value, at_least, at_most, one_of and includes; known are {', '.join(sorted(_KEYS))}")
        severity, wanted = entry.get("severity", "warn"), entry[kinds[0]]
        if severity not in ("warn", "fail"):
            raise InvalidOption(f"recommended: {name}: severity {severity!r} is neither warn nor fail", hint="Write one of them")
        words = tuple(_word(one) for one in (wanted if isinstance(wanted, (list, tuple)) else [wanted]))
        if not words or (kinds[0] != "one_of" and len(words) > 1):
            raise InvalidOption(f"recommended: {name}: {kinds[0]} is no single value", hint="Only one_of is a list")
        unlimited = entry.get("unlimited")
        found.append(Recommended(name, kinds[0], words, None if unlimited is None else _word(unlimited), _major(entry, "since", 0),
                                 _major(entry, "until", 999), Status(severity), str(entry.get("why") or "")))
    return found


def plan_settings(recommended: Sequence[Recommended], settings: Mapping[str, Setting], major: int,
                  available: Collection[str]) -> tuple[list[Step], list[Finding]]:
    """What is to be changed, and a finding for each setting that this major has. ``available`` are extensions that the server could load.

    :raises InvalidOption: for a value that is no value of its setting
    """
    steps, findings = [], []
    for one in recommended:
        if not one.since <= major <= one.until:
            continue
        setting = settings.get(one.name)
        if setting is None:
            findings.append(Finding("database.setting", one.name, Status.UNKNOWN,
                                    f"the server does not show it to this user, or {major} has none",
                                    hint="Grant pg_read_all_settings, or correct since and until of the entry"))
            continue
        if _meets(one, setting, setting.value):
            findings.append(Finding("database.setting", one.name, Status.PASS, f"is {setting.shown}", setting.value, _asked(one)))
            continue
        step = _step(one, setting, available)
        steps.append(step)
        findings.append(judge_step(step))
    return steps, findings


def judge_step(step: Step) -> Finding:
    """The finding of a setting that is not as recommended."""
    one, setting = step.recommended, step.setting
    told = f"is {setting.shown}; {_asked(one)} is recommended{f': {one.why}' if one.why else ''}"
    how = f"{step.statement}; then {'restart the server' if setting.needs_restart else 'SELECT pg_reload_conf()'}"
    if step.waiting:
        return Finding("database.setting", one.name, Status.WARN, f"{told}; it is written and waits for a restart", setting.value,
                       _asked(one), hint="Restart the server in the next window")
    return Finding("database.setting", one.name, one.severity, f"{told}{f'; {step.blocked}' if step.blocked else ''}", setting.value,
                   _asked(one), hint="Change it where it is set, or take it out of the recommended ones" if step.blocked else how)


def _step(one: Recommended, setting: Setting, available: Collection[str]) -> Step:
    values = (one.wanted[0],)
    blocked = ""
    if one.kind == "includes":
        values = (*_entries(setting.value), one.wanted[0])
        if one.wanted[0] not in available:
            blocked = f"{one.wanted[0]} is not installed on the server, which would then not start"
    elif setting.kind == "enum":
        possible = [word for word in one.wanted if word.lower() in setting.choices or _truth(word) is not None]
        values = (possible[0],) if possible else values
        blocked = "" if possible else "this server was built without it"
    if not blocked and setting.source in _ABOVE:
        blocked = f"it is set by {setting.source}, above ALTER SYSTEM"
    if not blocked and setting.context == "internal":
        blocked = "it cannot be changed"
    waiting = not blocked and setting.needs_restart and setting.written is not None and _meets(one, setting, setting.written)
    return Step(one, setting, values, blocked, waiting)


def _meets(one: Recommended, setting: Setting, value: str) -> bool:
    if one.kind == "includes":
        return one.wanted[0] in _entries(value)
    if one.kind in ("value", "one_of"):
        return any(_same(setting, value, word) for word in one.wanted)
    if one.unlimited is not None and _same(setting, value, one.unlimited):
        return False
    seen, bound = _quantity(setting, value), _quantity(setting, one.wanted[0])
    return seen >= bound if one.kind == "at_least" else seen <= bound


def _same(setting: Setting, value: str, word: str) -> bool:
    if setting.kind in ("integer", "real"):
        return _quantity(setting, value) == _quantity(setting, word)
    if setting.kind == "bool":
        return _truth(value) == _truth(word)
    if setting.kind == "enum":
        return value.lower() == word.lower() or (_truth(value) is not None and _truth(value) == _truth(word))
    return value == word


def _quantity(setting: Setting, text: str) -> float:
    """In bytes, milliseconds, or as it stands; a number without a unit is in the setting's own.

    :raises InvalidOption: for what is no number, or has a unit that the setting does not take
    """
    match, own = _NUMBER.fullmatch(text.strip()), re.fullmatch(r"(\d*)([a-zA-Z]*)", setting.unit or "")
    unit = match[2].lower() if match else ""
    base = own[2].lower() if own else ""
    if not match or (unit and unit not in _UNITS) or (unit and (unit in _SIZES) != (base in _SIZES)) or (unit and not base):
        raise InvalidOption(f"recommended: {setting.name}: {text!r} is no value of it",
                            hint=f"Its unit is {setting.unit or 'none'}; write it as 64MB, 10min or a number")
    factor = _UNITS[unit] if unit else float(own[1] or 1) * _UNITS.get(base, 1.0) if own else 1.0
    return float(match[1]) * factor


def _entries(value: str) -> tuple[str, ...]:
    return tuple(part.strip().strip('"') for part in value.split(",") if part.strip())


def _asked(one: Recommended) -> str:
    words = {"value": "", "at_least": "at least ", "at_most": "at most ", "one_of": "", "includes": "a list with "}
    return words[one.kind] + " or ".join(one.wanted)


def _truth(word: str) -> bool | None:
    return True if word.lower() in _TRUE else False if word.lower() in _FALSE else None


def _word(value: Any) -> str:
    """YAML reads on and off as booleans."""
    return ("on" if value else "off") if isinstance(value, bool) else str(value)


def _major(entry: Mapping[str, Any], key: str, default: int) -> int:
    value = entry.get(key, default)
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidOption(f"recommended: {entry['name']}: {key} {value!r} is no major version", hint="Write it as 14")
    return value


def _literal(value: str) -> str:
    """A string constant (section 4.1.2.1), for a person to read; what is run is quoted by the server."""
    return "'" + value.replace("'", "''") + "'"
