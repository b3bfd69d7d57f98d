# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one event of a log says: its level, its markers, its instant, and its form without any value. Plain text and JSON. Pure.

The form is the first line and the name of the first exception, without the instant, without secrets, numbers and what is quoted: events
of one form are a class. It is all that is kept of an event.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import repeat
from typing import Any, NamedTuple

from ..core.redaction import redact_message
from .log_instants import Instants, Place
from .log_secrets import without_secrets

_LONGEST = 2000
_CACHED = 4096
_ALIKE = str.maketrans("123456789", "000000000")
_ALIKE_BYTES = bytes.maketrans(b"123456789", b"000000000")
_TOGETHER = 1 << 20  # bytes of events that are told together
_KNOWN_LENGTH = 2048  # bytes of an event that is remembered whole
_KNOWN = "TRACE|DEBUG|INFO|INFORMATION|NOTICE|WARN|WARNING|ERR|ERROR|CRIT|CRITICAL|FATAL|PANIC|SEVERE|ALERT|EMERG|EMERGENCY"
# key=value as logfmt has it, a word in capitals, one in brackets as nginx has it, the letter that klog begins with.
_LEVEL = re.compile(rf"""\b(?:level|lvl|severity|levelname)["']?\s*[=:]\s*["']?(\w+)|\b({_KNOWN})\b|\[((?i:{_KNOWN}))\]""")
_KLOG = re.compile(r"([IWEF])\d{4} \d\d:\d\d:\d\d")
_KLOG_LEVELS = {"I": "INFO", "W": "WARNING", "E": "ERROR", "F": "FATAL"}
_NUMBERS = {0: "CRITICAL", 1: "CRITICAL", 2: "CRITICAL", 3: "ERROR", 4: "WARNING", 5: "NOTICE", 6: "INFO", 7: "DEBUG"}  # RFC 5424
_A_LEVEL = re.compile(r"[A-Z][A-Z_-]{0,19}")
_SAME = {"ERR": "ERROR", "CRIT": "CRITICAL", "WARN": "WARNING", "EMERGENCY": "EMERG", "INFORMATION": "INFO"}
_EXCEPTION = re.compile(r"^(?:Caused by: )?([A-Za-z_][\w.$]*(?:Error|Exception|Throwable|Exit|Interrupt))\b", re.MULTILINE)
_APOSTROPHE = re.compile(r"(?<=\w)'(?=\w)")
_NUMBERS_IN_TEXT = re.compile(
    r"\b0x[0-9a-fA-F]+\b|\b[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}\b|\b(?=[0-9a-fA-F]*\d)[0-9a-fA-F]{8,}\b"
    r"|\d+(?:[.,:]\d+)*\s?(?:ns|us|\u00b5s|ms|s|m|h|d|[kKMGT]i?B|B|%)(?!\w)|\d+(?:[.,:]\d+)+")
_KEYS = {"message": ("message", "msg", "event", "log", "text", "MESSAGE"),
         "level": ("level", "severity", "levelname", "lvl", "log.level", "PRIORITY"),
         "at": ("@timestamp", "timestamp", "time", "ts", "date", "asctime", "__REALTIME_TIMESTAMP"),
         "trace": ("stack_trace", "exc_info", "exception", "traceback", "error.stack_trace", "stacktrace")}


class Entry(NamedTuple):
    """``level`` and ``markers`` are those that were wanted; ``at`` is Unix time, None where the event says none; ``id`` names the class."""

    level: str
    markers: tuple[str, ...]
    at: float | None
    form: str
    id: str


class Alike(NamedTuple):
    """``number`` events of one class; ``first`` and ``last`` are their earliest and latest instants, None where they say none."""

    entry: Entry
    number: int
    first: float | None
    last: float | None


class _Known(NamedTuple):
    """What events that differ in digits only have in common: the entry, and where they say their instant."""

    entry: Entry | None
    place: Place | None


def level_name(word: str) -> str:
    """Of a word as it is looked for: ``ERROR``, ``"error"``, ``level=error`` are all ``ERROR``."""
    letters = re.findall(r"[A-Za-z]+", word)
    name = letters[-1].upper() if letters else word
    return _SAME.get(name, name)


class EntryReader:
    """Reads events; ``levels`` and ``markers`` are the words that are looked for, ``instants`` reads when they were."""

    def __init__(self, levels: Sequence[str], markers: Sequence[str], instants: Instants) -> None:
        self._levels = {level_name(word): word for word in levels}
        self._words = [(word, level_name(word), _bounded(word)) for word in levels]
        self._markers = [(word, _bounded(word)) for word in markers]
        self._instants = instants
        self._known: dict[bytes, _Known] = {}
        self._cache: dict[tuple[str | None, str, str, bool], Entry | None] = {}

    def entry(self, raw: bytes) -> Entry | None:
        """What an event says; None where it only mentions a word: one of level INFO that speaks of an ERROR is none."""
        if len(raw) <= _KNOWN_LENGTH:
            known = self._known.get(raw.translate(_ALIKE_BYTES))
            if known is not None:
                entry, place = known
                return entry if place is None else Entry(entry[0], entry[1], self._instants.at(raw, place), entry[3], entry[4])
        text = raw.decode("utf-8", "replace")
        first, _end, rest = text.partition("\n")
        first = first.rstrip("\r")
        if first.lstrip().startswith("{"):
            try:
                document = json.loads(first)
            except (ValueError, RecursionError):
                document = None
            if isinstance(document, Mapping):
                return self.document(document)
        klog = _KLOG.match(first)  # its level stands in front of the instant
        found = self._made(_KLOG_LEVELS[klog[1]] if klog else None, first, rest)
        # Events that differ in digits only say their instant at the same place; in what is not ASCII places of signs are none of bytes.
        if len(raw) <= _KNOWN_LENGTH and raw.isascii():
            if len(self._known) >= _CACHED:
                self._known.clear()
            self._known[raw.translate(_ALIKE_BYTES)] = _Known(found, self._instants.place(first) if found else None)
        return found

    def alike(self, batches: Iterable[Sequence[bytes]], since: float | None) -> Iterator[Alike]:
        """What events say that come in batches, those that differ in digits only together, as long as their instants are all before
        ``since`` or all not before it. What was read is told, also where ``batches`` fails then.
        """
        kept: defaultdict[bytes, list[bytes]] = defaultdict(list)
        size = 0
        try:
            for events in batches:
                for raw, key in zip(events, map(bytes.translate, events, repeat(_ALIKE_BYTES)), strict=True):
                    kept[key].append(raw)
                size += sum(map(len, events))
                if size > _TOGETHER:
                    yield from self._told(kept, since)
                    kept.clear()
                    size = 0
        except Exception:
            yield from self._told(kept, since)
            raise
        yield from self._told(kept, since)

    def _told(self, kept: Mapping[bytes, list[bytes]], since: float | None) -> Iterator[Alike]:
        for key, events in kept.items():
            known = self._known.get(key)
            one = known.entry if known else self.entry(events[0])
            entry, place = known or self._known.get(key, (one, None))
            together = key in self._known
            first = last = None
            if together and entry is not None and place is not None:
                together = place.in_order
                if together:
                    first, last = self._instants.ends(events, place)
                    together = first is not None and last is not None and (since is None or first >= since or last < since)
            if not together:
                yield from (Alike(one, 1, one.at, one.at) for one in map(self.entry, events) if one is not None)
            elif entry is not None:
                yield Alike(entry, len(events), first, last)

    def document(self, document: Mapping[str, Any], *, always: bool = False) -> Entry | None:
        """As `entry`, of one that has fields: an object of JSON, a record of the journal, a document of Elasticsearch. ``always`` where
        somebody else has chosen it: then it is an entry whatever its level, ``unlabelled`` where it says none.
        """
        message, said, at, trace = (_field(document, _KEYS[key]) for key in ("message", "level", "at", "trace"))
        text = _words_of(message)
        first, _end, rest = text.partition("\n")
        level = _spelled(said) or None
        if level is None or (level in ("INFO", "NOTICE") and "PRIORITY" in document):  # what a service prints has priority 6
            level = self._level(first) or level
        found = self._made(level, first, f"{rest}\n{_words_of(trace)}", always=always)
        instant = self._instants.of_value(at)
        return found if found is None or instant is None else found._replace(at=instant)

    def _level(self, line: str) -> str | None:
        said = _LEVEL.search(line, 0, _LONGEST)
        if said:
            name = (said[1] or said[2] or said[3]).upper()
            name = _SAME.get(name, name)
            if name in self._levels or said[2] or said[3] or name in _KNOWN.split("|"):
                return name
        return next((name for word, name, bounded in self._words if bounded.search(line)), None)

    def _made(self, level: str | None, line: str, rest: str, *, always: bool = False) -> Entry | None:
        """An entry of a level, or where that is None, of the one that the line says."""
        # Where a line is cut a word ends: half a secret does not look like one.
        at, bare = self._instants.taken(line if len(line) <= _LONGEST else line[:_LONGEST].rpartition(" ")[0])
        raised = _EXCEPTION.search(rest) if len(rest) > 1 else None
        # Lines that differ in digits only are of one class, and are taken apart once.
        key = (level, bare.translate(_ALIKE), raised[1] if raised else "", always)
        if len(line) > _LONGEST:  # what makes it an entry may stand behind what is compared
            found = self._class(line, *key)
        elif key in self._cache:
            found = self._cache[key]
        else:
            if len(self._cache) >= _CACHED:
                self._cache.clear()
            found = self._cache[key] = self._class(line, *key)
        return None if found is None else found._replace(at=at)

    def _class(self, line: str, level: str | None, bare: str, raised: str, always: bool) -> Entry | None:
        level = level or self._level(line)
        if always:
            wanted = level if level and _A_LEVEL.fullmatch(level) else "unlabelled"
        else:
            wanted = level if level in self._levels else ""
        markers = tuple(word for word, bounded in self._markers if bounded.search(line))
        if not wanted and not markers:
            return None
        form = class_form(bare) + (f" [{raised[:100]}]" if raised else "")
        digest = hashlib.sha256("\0".join((wanted, *markers, form)).encode("utf-8", "replace")).hexdigest()[:12]
        return Entry(wanted, markers, None, form, digest)


def class_form(text: str) -> str:
    """A message without what differs between two of its kind, and without what nobody may see."""
    text = _APOSTROPHE.sub("\u2019", without_secrets(text))
    return redact_message(_NUMBERS_IN_TEXT.sub("?", text), keep_names=False)


def _bounded(word: str) -> re.Pattern[str]:
    """A word as such: ``ERROR`` is not in ``ERROR_CODE``."""
    return re.compile((r"(?<!\w)" if word[:1].isalnum() else "") + re.escape(word) + (r"(?!\w)" if word[-1:].isalnum() else ""))


def _field(document: Mapping[str, Any], names: Sequence[str]) -> Any:
    """The first that is there; a dot leads into an object."""
    for name in names:
        if name in document:
            return document[name]
        outer, _dot, inner = name.partition(".")
        if inner and isinstance(document.get(outer), Mapping) and inner in document[outer]:
            return document[outer][inner]
    return None


def _spelled(said: Any) -> str:
    if isinstance(said, Mapping):  # {"level": {"name": …}}
        said = said.get("name", "")
    text = str(said if said is not None else "").strip()
    if text.isdigit():
        return _NUMBERS.get(int(text), "")
    return _SAME.get(text.upper(), text.upper())


def _words_of(value: Any) -> str:
    """Text of whatever a field holds; the journal gives bytes that are no text as a list of numbers."""
    if value is None:
        return ""
    if isinstance(value, list) and all(isinstance(one, int) and 0 <= one < 256 for one in value):
        return bytes(value).decode("utf-8", "replace")
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
