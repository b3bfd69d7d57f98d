# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A critical path: requests one after the other, as a user makes them, each using what an earlier answer gave.

What a step takes, a later one writes as ``${name}`` into its path, query, headers or body, encoded as that place wants it. It
never becomes a host, and it is a secret: it is blanked out of everything that is told.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, quote_plus, urljoin

from ..core.errors import InvalidOption
from ..core.quantities import parse_duration
from .expectations import MISSING, Content, Statuses, read_path, read_pattern, read_statuses, shown, value_at
from .options import BUILT_IN, STEP_OPTIONS
from .requests import SHORTEST_SECRET, read_content, read_request
from .web import Url, WebRequest, read_url, same_origin

_PLACE = re.compile(r"\$\{([^{}]*)\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_BLANK = "********"
_SOURCES = ("json", "header", "cookie", "matches")
_GIVES = "json: data.token, header: X-Token, cookie: session, or matches: 'value=\"(.+?)\"'"


@dataclass(frozen=True)
class Take:
    """Where in an answer a value is: a path into JSON, the name of a header or cookie, or a pattern with one group."""

    name: str
    source: str
    where: Any

    def value(self, headers: Sequence[tuple[str, str]], text: str) -> str | None:
        """The value as text, None where the answer does not have it, or as what no request can carry; ``headers`` have names in
        lower case.
        """
        value = self._found(headers, text)
        try:
            return None if value is None else value.encode().decode()
        except UnicodeEncodeError:  # half a surrogate pair, which JSON can spell
            return None

    def _found(self, headers: Sequence[tuple[str, str]], text: str) -> str | None:
        if self.source == "header":
            return next((value for name, value in headers if name == self.where.lower()), None)
        if self.source == "cookie":
            cookies = [value.partition(";")[0].partition("=") for name, value in headers if name == "set-cookie"]
            return next((value.strip() for name, _equals, value in reversed(cookies) if name.strip() == self.where), None)
        if self.source == "matches":
            found = self.where.search(text)
            return found[1] if found else None
        try:
            value = value_at(json.loads(text), self.where)
        except (ValueError, RecursionError):
            return None
        return None if value is MISSING or value is None else value if isinstance(value, str) else json.dumps(value)


@dataclass(frozen=True)
class Step:
    """One request and what is expected of its answer; ``latency_fail`` in seconds."""

    name: str
    statuses: Statuses
    content: Content
    takes: tuple[Take, ...]
    latency_fail: float | None
    base: Url
    options: Mapping[str, Any] = field(repr=False)

    def request(self, taken: Mapping[str, str]) -> WebRequest:
        """The request with what was taken so far.

        :raises InvalidOption: where a value does not fit its place, as a line break in a header
        """
        return _request(self.base, self.options, taken, f"step {shown(self.name)!r}")


def read_secrets(options: Mapping[str, Any], where: str) -> dict[str, str]:
    """The values that a critical path is given from outside, by name.

    :raises InvalidOption: without steps that could use them, for what is no name, and for a value too short to be kept
    """
    given = options.get("secrets") or {}
    if given and "steps" not in options:
        raise InvalidOption(f"{where}: secrets without steps", hint="They are used by steps as ${name}; take them out")
    for name, value in given.items():
        _checked_name(name, f"{where}.secrets")
        if len(str(value)) < SHORTEST_SECRET:
            raise InvalidOption(f"{where}.secrets: the value of {name} is too short to be a secret",
                                hint=f"It could not be blanked out of results; take one of {SHORTEST_SECRET} letters or more")
    return {str(name): str(value) for name, value in given.items()}


def read_steps(steps: Sequence[Mapping[str, Any]], base: Url, shared: Mapping[str, Any], secrets: Mapping[str, str],
               where: str) -> tuple[Step, ...]:
    """Read a critical path. ``base`` is the target's URL, ``shared`` its own headers, user and password: they go with the steps
    to the same origin, below the step's own, and with no other.

    :raises InvalidOption: for an empty path, unknown keys, a name given twice, a value used before a step takes it, and what
        the options of a target refuse
    """
    if not steps:
        raise InvalidOption(f"{where}.steps: there is no step", hint="List at least one, or leave steps out")
    read: list[Step] = []
    known = dict.fromkeys(secrets, "x" * SHORTEST_SECRET)
    for number, given in enumerate(steps):
        here = f"{where}.steps[{number}]"
        options = {key: value for key, value in given.items() if value is not None}
        for key in options:
            if key not in STEP_OPTIONS:
                raise InvalidOption(f"{here}: unknown key {shown(str(key))!r}", hint=f"Known are {', '.join(sorted(STEP_OPTIONS))}")
        name = str(options.get("name", "")).strip()
        if not name or not name.isprintable() or len(name) > 200 or name in {step.name for step in read}:
            raise InvalidOption(f"{here}.name: {shown(name)!r} is no name, or another step has it", hint="Steps are told by their names")
        if "url" not in options:
            raise InvalidOption(f"{here}: url is missing", hint="Give a path such as /login, or a whole URL")
        step_url = _url(base, str(options["url"]), known, f"{here}.url")
        below = shared if same_origin(base, step_url) else {}
        options = {**{key: BUILT_IN[key] for key in ("method", "status")}, **below, **options,
                   **{key: {**(below.get(key) or {}), **(options.get(key) or {})} for key in ("headers", "public_headers")}}
        _request(base, options, known, here)
        takes = tuple(_take(word, source, here) for word, source in (options.get("take") or {}).items())
        known |= {take.name: "x" * SHORTEST_SECRET for take in takes}
        read.append(Step(
            name, read_statuses(options["status"], option=f"{here}.status"), read_content(options, here), takes,
            parse_duration(options["latency_fail"], option=f"{here}.latency_fail") if "latency_fail" in options else None, base, options))
    return tuple(read)


def _checked_name(name: Any, option: str) -> None:
    if not _NAME.fullmatch(str(name)):
        raise InvalidOption(f"{option}: {shown(str(name))!r} is no name", hint="Letters, digits and _; it is used as ${name}")


def _take(name: Any, source: Any, where: str) -> Take:
    _checked_name(name, f"{where}.take")
    if not isinstance(source, Mapping) or len(source) != 1 or next(iter(source)) not in _SOURCES:
        raise InvalidOption(f"{where}.take.{name}: one of {', '.join(_SOURCES)} is needed", hint=f"Write {_GIVES}")
    [(kind, text)] = source.items()
    option = f"{where}.take.{name}.{kind}"
    found: Any = str(text)
    if kind == "json":
        found = read_path(found, option=option)
    elif kind == "matches":
        found = read_pattern(found, option=option)
        if found.groups != 1:
            raise InvalidOption(f"{option}: the pattern has {found.groups} groups", hint="Put one pair of brackets around what is taken")
    return Take(str(name), kind, found)


def _filled(text: str, taken: Mapping[str, str], encode: Callable[[str], str], option: str) -> str:
    def value(place: re.Match[str]) -> str:
        if place[1] not in taken:
            raise InvalidOption(f"{option}: no step before this one takes {shown(place[1])!r}", hint=f"Take it there: {_GIVES}")
        return encode(taken[place[1]])

    return _PLACE.sub(value, text)


def _url(base: Url, text: str, taken: Mapping[str, str], option: str) -> Url:
    """The step's URL; what is taken stands in path or query only, percent-encoded."""
    authority = re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*:/*[^/?#]*|//[^/?#]*|[^/?#]*(?=:)", text)
    if authority and "${" in authority[0]:
        raise InvalidOption(f"{option}: what is taken from an answer cannot say where to connect",
                            hint="Use it in path, query, headers or body")
    filled = _filled(text, taken, lambda value: quote(value, safe=""), option)
    try:
        joined = urljoin(str(base), filled)
    except ValueError as error:
        raise InvalidOption(f"{option}: {shown(text)!r} is no URL: {error}", hint="Give a path such as /login, or a whole URL") from error
    return read_url(joined, option=option)


def _request(base: Url, options: Mapping[str, Any], taken: Mapping[str, str], where: str) -> WebRequest:
    filled = dict(options)
    for group in ("headers", "public_headers"):
        filled[group] = {name: _filled(str(value), taken, str, f"{where}.{group}") for name, value in options[group].items()}
    if "body" in options:
        body = options["body"] if isinstance(options["body"], str) else json.dumps(options["body"])
        filled["body"] = _filled(body, taken, _body_encoding(body, filled), f"{where}.body")
    return read_request("http", _url(base, str(options["url"]), taken, f"{where}.url"), filled, where)


def _body_encoding(body: str, options: Mapping[str, Any]) -> Callable[[str], str]:
    """JSON escapes in a JSON body, percent-encoding in a form, as it is elsewhere."""
    content = next((value for group in ("headers", "public_headers") for name, value in options[group].items()
                    if name.lower() == "content-type"), "").lower()
    if content.startswith("application/x-www-form-urlencoded"):
        return quote_plus
    if "json" in content or body.lstrip().startswith(("{", "[")):
        return lambda value: json.dumps(value)[1:-1]
    return str


def blank_out(taken: Mapping[str, str]) -> Callable[[str], str]:
    """A function that replaces what was taken, in each form that it may be seen in; what is shorter than 4 letters is no secret."""
    forms = {form for value in taken.values() if len(value) >= SHORTEST_SECRET
             for form in (value, quote(value, safe=""), quote(value), quote_plus(value), json.dumps(value)[1:-1],
                          json.dumps(value, ensure_ascii=False)[1:-1], shown(value, len(value)))}
    ordered = sorted(forms, key=len, reverse=True)

    def blank(text: str) -> str:
        for form in ordered:
            text = text.replace(form, _BLANK)
        return text

    return blank
