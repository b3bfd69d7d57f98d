# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading policies: every key is known, every value has its kind, and what cannot be used is refused by name."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from .errors import InvalidOption
from .quantities import parse_duration, parse_size

Reader = Callable[[Any, str], Any]


@dataclass(frozen=True)
class Limits:
    """Bounds of a warning and of a failure; None is no bound."""

    warn: float | None = None
    fail: float | None = None

    def __bool__(self) -> bool:
        return self.warn is not None or self.fail is not None


def number(value: Any, option: str) -> float:
    """A number from 0 on.

    :raises InvalidOption: for text, booleans and negative numbers
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < float("inf"):
        raise InvalidOption(f"{option}: {value!r} is not a number", hint="Give a number from 0 on, without quotes")
    return value


def percentage(value: Any, option: str) -> float:
    """A number from 0 to 100.

    :raises InvalidOption: for anything else
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 100:
        raise InvalidOption(f"{option}: {value!r} is not a percentage", hint="Give a number from 0 to 100, without quotes")
    return value


def duration(value: Any, option: str) -> float:
    """Seconds, of a duration as people write it.

    :raises InvalidOption: for what is none
    """
    return parse_duration(value, option=option)


def size(value: Any, option: str) -> int:
    """Bytes, of a size as people write it.

    :raises InvalidOption: for what is none
    """
    return parse_size(value, option=option)


def words(value: Any, option: str) -> tuple[str, ...]:
    """A list of text.

    :raises InvalidOption: for anything else
    """
    if not isinstance(value, (list, tuple)) or not all(isinstance(word, str) for word in value):
        raise InvalidOption(f"{option}: {value!r} is not a list of text", hint="Write it as [one, two]")
    return tuple(value)


def status_word(value: Any, option: str) -> str:
    """What a finding is to have: warn, fail, unknown, or ignore for none.

    :raises InvalidOption: for any other word; a pass is not to be had by policy
    """
    if value not in ("warn", "fail", "unknown", "ignore"):
        raise InvalidOption(f"{option}: {value!r} is no answer", hint="Known are warn, fail, unknown, ignore")
    return value


def pair_of(read: Reader) -> Reader:
    """Reads ``{warn: …, fail: …}`` into a dictionary of whatever ``read`` makes of each."""

    def of(value: Any, option: str) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise InvalidOption(f"{option}: {value!r} is not a dictionary", hint="Write it as {warn: …, fail: …}; either may be left out")
        return read_policy(value, {"warn": read, "fail": read}, option=option)

    return of


def pair(read: Reader, *, rising: bool = True) -> Reader:
    """Reads ``{warn: …, fail: …}``; warn comes first on the way to fail, which is upwards where ``rising``."""

    def of(value: Any, option: str) -> Limits:
        if not isinstance(value, Mapping):
            raise InvalidOption(f"{option}: {value!r} is not a pair of limits",
                                hint="Write it as {warn: …, fail: …}; either may be left out")
        bounds = read_policy(value, {"warn": read, "fail": read}, option=option)
        found = Limits(bounds.get("warn"), bounds.get("fail"))
        if found.warn is not None and found.fail is not None and (found.warn > found.fail if rising else found.warn < found.fail):
            raise InvalidOption(f"{option}: warn ({value['warn']}) comes after fail ({value['fail']})",
                                hint="Swap them, or leave one out")
        return found

    return of


def read_policy(options: Mapping[str, Any] | None, readers: Mapping[str, Reader], *, option: str,
                optional: Collection[str] | None = None) -> dict[str, Any]:
    """The values of ``options`` by the reader of each key; keys that are absent or null are left out.

    Where ``optional`` is given, all other keys have to be there.

    :raises InvalidOption: for an unknown or missing key, or a value that its reader refuses
    """
    read = {}
    for key, value in (options or {}).items():
        if key not in readers:
            raise InvalidOption(f"{option}: unknown key {key!r}", hint=f"Known are {', '.join(sorted(readers))}")
        if value is not None:
            read[key] = readers[key](value, f"{option}.{key}")
    if optional is not None:
        for key in readers:
            if key not in read and key not in optional:
                raise InvalidOption(f"{option}: {key} is missing",
                                    hint="Give every key; defaults/main.yml of the role shows all of them")
    return read
