# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an answer should be like: statuses, text, JSON values, headers. Read once, then asked of each answer. Pure.

A comparison is a plain value (equal, of the same JSON type) or a dictionary of operators that must all hold:
``{ge: 3, lt: 10}``, ``{matches: "^v2"}``, ``{in: [UP, WARMING]}``, ``{exists: true}``; a dictionary is compared by ``{eq: …}``.
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..core.errors import InvalidOption

_ORDER = {"lt": operator.lt, "le": operator.le, "gt": operator.gt, "ge": operator.ge}
_OPERATORS = ("eq", "ne", *_ORDER, "in", "matches", "exists")
# What is not there; no comparison but ``exists`` accepts it.
MISSING = object()
_SHOWN = 120
Blank = Callable[[str], str]


@dataclass(frozen=True)
class Complaint:
    """An expectation that was not met: what was seen, what should have been, what to do."""

    message: str
    observed: Any = None
    limit: Any = None
    hint: str = ""


def shown(value: object, length: int = _SHOWN) -> str:
    """Foreign text fit for a console and a log: one line, no control characters, not long."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    clean = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text[:length + 1])
    return clean if len(clean) <= length else clean[:length] + "…"


@dataclass(frozen=True)
class Statuses:
    """HTTP statuses that are good, as inclusive ranges."""

    ranges: Sequence[tuple[int, int]]
    words: str

    def __contains__(self, status: int) -> bool:
        return any(low <= status <= high for low, high in self.ranges)


def read_statuses(words: Sequence[object], *, option: str = "status") -> Statuses:
    """Read ``[200, "301-308", 2xx]``.

    :raises InvalidOption: for what is no status from 100 to 599 or no range of them, and for an empty list
    """
    ranges = []
    for word in words:
        match = re.fullmatch(r"\s*([1-5])xx\s*|\s*(\d{3})\s*(?:-\s*(\d{3})\s*)?", str(word), re.ASCII)
        low, high = (0, -1) if not match else (int(match[1]) * 100, int(match[1]) * 100 + 99) if match[1] \
            else (int(match[2]), int(match[3] or match[2]))
        if not 100 <= low <= high <= 599:
            raise InvalidOption(f"{option}: {shown(word)!r} is no HTTP status", hint="Write 200, 200-299, 2xx, or a list of them")
        ranges.append((low, high))
    if not ranges:
        raise InvalidOption(f"{option}: no status is expected", hint="Name at least one: 200-299")
    return Statuses(tuple(ranges), ", ".join(str(word).strip() for word in words))


def read_pattern(text: str, *, option: str) -> re.Pattern[str]:
    """A regular expression of Python's `re`, ``.`` matching line breaks too only where it says so.

    :raises InvalidOption: where it cannot be compiled
    """
    try:
        return re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise InvalidOption(f"{option}: {shown(text)!r} is no regular expression: {error}",
                            hint="See the syntax in Python's re; quote it with single quotes in YAML") from error


Path = tuple["str | int", ...]
_STEP = re.compile(r"\.?([^.\[\]\"]+)|\.?\"([^\"]*)\"|\[(\d+)\]")


def read_path(text: str, *, option: str = "json") -> Path:
    """Read ``checks[0].name``, ``checks.0.name``, ``"a.b".c``, or a JSON pointer (RFC 6901) ``/checks/0/name``.

    :raises InvalidOption: for anything else
    """
    if text.startswith("/"):
        if not re.search(r"~(?![01])", text):
            return tuple(part.replace("~1", "/").replace("~0", "~") for part in text[1:].split("/"))
    elif text and not text.startswith("."):
        steps: list[str | int] = []
        position = 0
        while position < len(text):
            match = _STEP.match(text, position)
            if not match or (position and not match[0].startswith((".", "["))):
                break
            steps.append(int(match[3]) if match[3] is not None else match[1] if match[1] is not None else match[2])
            position = match.end()
        else:
            return tuple(steps)
    raise InvalidOption(f"{option}: {shown(text)!r} is no path into JSON", hint="Write checks[0].name or /checks/0/name")


def value_at(document: Any, path: Path) -> Any:
    """The value at a path, or a marker of absence that no comparison but ``exists`` accepts."""
    for step in path:
        if isinstance(document, Mapping) and str(step) in document:
            document = document[str(step)]
        elif isinstance(document, list) and str(step).isdecimal() and int(step) < len(document):
            document = document[int(step)]
        else:
            return MISSING
    return document


@dataclass(frozen=True)
class Comparison:
    """Operators and operands that must all hold."""

    tests: Sequence[tuple[str, Any]]

    def holds(self, value: Any) -> bool:
        """Whether a value satisfies every operator."""
        return all(_holds(word, value, operand) for word, operand in self.tests)

    @property
    def words(self) -> str:
        """For a person: ``"UP"``, ``ge 3, lt 10``."""
        return ", ".join(_operand(operand) if word == "eq" else f"{word} {_operand(operand)}" for word, operand in self.tests)


def _operand(operand: Any) -> str:
    return shown(operand.pattern if isinstance(operand, re.Pattern) else json.dumps(operand, ensure_ascii=False, default=str))


def read_comparison(expected: Any, *, option: str) -> Comparison:
    """A plain value is ``{eq: value}``.

    :raises InvalidOption: for an unknown operator or an operand that does not fit it
    """
    if not isinstance(expected, Mapping):
        return Comparison((("eq", expected),))
    tests = []
    for word, operand in expected.items():
        if word not in _OPERATORS:
            raise InvalidOption(f"{option}: {shown(str(word))!r} is no comparison", hint=f"Known are {', '.join(_OPERATORS)}")
        fits = {"in": isinstance(operand, list), "exists": isinstance(operand, bool), "matches": isinstance(operand, str)}
        if not fits.get(str(word), True) or (word in _ORDER and _number(operand) is None):
            raise InvalidOption(f"{option}: {word} cannot compare with {_operand(operand)}",
                                hint="in takes a list, exists true or false, matches a regular expression, lt to ge a number")
        tests.append((str(word), read_pattern(operand, option=option) if word == "matches" else operand))
    if not tests:
        raise InvalidOption(f"{option}: an empty comparison", hint="Compare with an empty dictionary by {eq: {}}")
    return Comparison(tuple(tests))


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    try:
        return float(value) if isinstance(value, (int, float, str)) else None
    except ValueError:
        return None


def _holds(word: str, value: Any, operand: Any) -> bool:
    if word == "exists":
        return (value is not MISSING) is operand
    if value is MISSING:
        return False
    if word in ("eq", "ne"):
        return _equal(value, operand) is (word == "eq")
    if word == "in":
        return any(_equal(value, one) for one in operand)
    if word == "matches":
        return operand.search(value if isinstance(value, str) else json.dumps(value)) is not None
    seen = _number(value)
    return seen is not None and _ORDER[word](seen, _number(operand))


def _equal(value: Any, operand: Any) -> bool:
    """JSON's equality: true is not 1, "1" is not 1, 1 is 1.0."""
    if isinstance(value, bool) or isinstance(operand, bool):
        return value is operand
    return value == operand


@dataclass(frozen=True)
class Content:
    """What is expected of text, its JSON, and headers."""

    contains: str | None = None
    matches: re.Pattern[str] | None = None
    json: Mapping[str, tuple[Path, Comparison]] = field(default_factory=dict)
    header: Mapping[str, Comparison] = field(default_factory=dict)

    def complaints_of_text(self, text: str, *, what: str, cut: bool, blank: Blank = str) -> list[Complaint]:
        """Of ``contains`` and ``matches``; ``cut`` says that only the beginning was read.

        ``blank``, here and below, takes secrets out of what the complaint shows.
        """
        within = f" in the part that was read ({len(text)} letters; raise max_body)" if cut else ""
        complaints = []
        if self.contains is not None and self.contains not in text:
            complaints.append(Complaint(f"the {what} does not contain {shown(self.contains)!r}{within}", shown(blank(text)),
                                        shown(self.contains), "Look at what it answers, then at the service's own log"))
        if self.matches is not None and not self.matches.search(text):
            complaints.append(Complaint(f"the {what} does not match {shown(self.matches.pattern)!r}{within}", shown(blank(text)),
                                        shown(self.matches.pattern), "Look at what it answers, then at the service's own log"))
        return complaints

    def complaints_of_json(self, text: str, *, cut: bool, blank: Blank = str) -> list[Complaint]:
        """Of the values in ``json``; a body that is no JSON meets none of them."""
        if not self.json:
            return []
        try:
            document = json.loads(text)
        except (ValueError, RecursionError) as error:
            why = "longer than max_body" if cut else shown(str(error))
            return [Complaint(f"the body is no JSON: {why}", shown(blank(text)), "JSON", "See what answers there, or raise max_body")]
        return _unmet(self.json, lambda path, _name: value_at(document, path), "JSON value", blank)

    def complaints_of_headers(self, headers: Sequence[tuple[str, str]], *, blank: Blank = str) -> list[Complaint]:
        """Of the values in ``header``; names in ``headers`` are lower case, repeated ones are joined by commas."""
        if not self.header:
            return []

        def seen(_path: Any, name: str) -> Any:
            values = [value for one, value in headers if one == name.lower()]
            return ", ".join(values) if values else MISSING

        return _unmet({name: ((), comparison) for name, comparison in self.header.items()}, seen, "header", blank)


def _unmet(expected: Mapping[str, tuple[Path, Comparison]], find: Callable[[Path, str], Any], what: str,
           blank: Blank) -> list[Complaint]:
    complaints = []
    for name, (path, comparison) in expected.items():
        value = find(path, name)
        if not comparison.holds(value):
            seen = "" if value is MISSING else json.dumps(value, ensure_ascii=False)
            clean = blank(seen)
            said = "is missing" if value is MISSING else f"is {shown(clean)}"
            observed = None if value is MISSING else value if clean == seen and not isinstance(value, (str, list, dict)) \
                else shown(value if clean == seen else clean)
            complaints.append(Complaint(f"{what} {shown(name)} {said}, expected {comparison.words}", observed, comparison.words,
                                        "See what the service says of itself there"))
    return complaints
