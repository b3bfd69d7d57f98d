# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the lines of a PostgreSQL log to events: stderr with its log_line_prefix, csvlog, jsonlog. Pure, one line at a time."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from ..core.errors import InvalidOption

FORMATS = ("auto", "stderr", "csvlog", "jsonlog")
_LONGEST_RECORD = 1 << 20
_SEVERITIES = "DEBUG[1-5]?|INFO|NOTICE|WARNING|ERROR|LOG|FATAL|PANIC"
_BESIDE = "DETAIL|HINT|QUERY|CONTEXT|STATEMENT|LOCATION|BACKTRACE"
_TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"
# PostgreSQL documentation, log_line_prefix.
_ESCAPES = {
    "a": "(?P<application>.*?)", "u": "(?P<user>.*?)", "d": "(?P<database>.*?)", "r": "(?P<remote>.*?)", "h": "(?P<host>.*?)",
    "L": ".*?", "b": ".*?", "p": r"(?P<pid>\d+)", "P": r"\d*", "t": rf"(?P<at>{_TIME}) \S+", "m": rf"(?P<at>{_TIME})\.\d+ \S+",
    "n": r"(?P<epoch>\d+)\.\d+", "i": ".*?", "e": "(?P<sqlstate>[0-9A-Z]{5})", "c": r"[0-9a-f]+\.[0-9a-f]+", "l": r"\d+",
    "s": rf"{_TIME} \S+", "v": r"[\d/]*", "x": r"\d+", "Q": r"-?\d+", "%": "%",
}
_CSV_BEGINS = re.compile(rf"{_TIME}\.\d+ [^,]*,")
_LINE_BEGINS = re.compile(r"\s")


class Event(NamedTuple):
    """One message. ``at`` is as the log has it, without zone; ``address`` has no port; what the format does not tell is empty."""

    at: str
    severity: str
    sqlstate: str
    message: str
    detail: str = ""
    user: str = ""
    database: str = ""
    address: str = ""
    statement: str = ""
    pid: str = ""


def detect(path: str, line: str) -> str:
    """The format of a file by its first line."""
    if line.startswith("{"):
        return "jsonlog"
    return "csvlog" if _CSV_BEGINS.match(line) and line.count(",") >= 10 else "stderr"


def prefix_pattern(prefix: str) -> re.Pattern[str]:
    """What a line of a stderr log looks like under a log_line_prefix.

    :raises InvalidOption: for a prefix with an escape that PostgreSQL does not know
    """
    parts, optional, taken = [], 0, set()
    for match in re.finditer(r"%(-?\d+)?(.)|(.)|%$", prefix, re.DOTALL):
        padding, letter, plain = match[1], match[2], match[3]
        if plain is not None or letter is None:
            parts.append(re.escape(plain or "%"))
        elif letter == "q":
            parts.append("(?:")
            optional += 1
        elif letter in _ESCAPES:
            # A group may have its name once.
            group = re.match(r"\(\?P<(\w+)>", _ESCAPES[letter])
            text = _ESCAPES[letter] if not group or group[1] not in taken else re.sub(r"\?P<\w+>", "?:", _ESCAPES[letter])
            taken |= {group[1]} if group else set()
            parts.append(rf"\s*{text}\s*" if padding else text)
        else:
            raise InvalidOption(f"line_prefix: %{letter} is no escape of log_line_prefix",
                                hint="Copy it from the server: SHOW log_line_prefix;")
    return re.compile("".join(parts) + ")?" * optional + rf"(?P<severity>{_SEVERITIES}|{_BESIDE}):  (?P<message>.*)", re.DOTALL)


class Reader:
    """Makes events of lines. ``lines`` counts them, ``unread`` those that are none of the format; ``begun`` are the bytes of a record
    that has no end yet.
    """

    def __init__(self, form: str, prefix: re.Pattern[str]) -> None:
        self.lines = 0
        self.unread = 0
        self.begun = 0
        self._prefix = prefix
        self._read = {"stderr": self._stderr, "csvlog": self._csv, "jsonlog": self._json}[form]

    def events(self, lines: Iterable[bytes]) -> Iterator[Event]:
        """The events of a file's lines; one that has no end yet is given when the lines end."""
        return self._read(self._decoded(lines))

    def _decoded(self, lines: Iterable[bytes]) -> Iterator[str]:
        for line in lines:
            self.lines += 1
            self.begun += len(line)
            yield line.decode("utf-8", "replace")

    def _stderr(self, lines: Iterator[str]) -> Iterator[Event]:
        pending, last = None, ""
        for line in lines:
            self.begun = 0
            match = self._prefix.match(line)
            if match is None:
                # A message of several lines goes on behind a tab. What comes before any message belongs to one of the last run.
                if pending is not None and line.startswith("\t"):
                    if last in ("message", "statement", "detail") and len(getattr(pending, last)) < _LONGEST_RECORD:
                        pending = pending._replace(**{last: getattr(pending, last) + line})
                elif not _LINE_BEGINS.match(line):
                    self.unread += 1
                continue
            found = match.groupdict()
            severity, message = found["severity"], found["message"].rstrip("\n")
            if severity in ("DETAIL", "STATEMENT"):
                last = severity.lower()
                if pending is not None and pending.pid == (found.get("pid") or ""):
                    pending = pending._replace(**{last: message})
                continue
            if severity in ("HINT", "QUERY", "CONTEXT", "LOCATION", "BACKTRACE"):
                last = ""
                continue
            if pending is not None:
                yield pending
            last = "message"
            address = found.get("host") or (found.get("remote") or "").partition("(")[0]
            pending = Event(found.get("at") or "", severity, found.get("sqlstate") or "", message, "", found.get("user") or "",
                            found.get("database") or "", address, "", found.get("pid") or "")
        if pending is not None:
            yield pending

    def _csv(self, lines: Iterator[str]) -> Iterator[Event]:
        parts: list[str] = []
        size = quotes = 0
        for line in lines:
            if parts and quotes % 2 and size > _LONGEST_RECORD and _CSV_BEGINS.match(line):  # the end of a quote was lost
                self.unread += len(parts)
                self.begun, parts, size, quotes = len(line), [], 0, 0
            quotes += line.count('"')
            size += len(line)
            parts.append(line if size <= _LONGEST_RECORD else '"' * (line.count('"') % 2))
            if quotes % 2:
                continue
            self.begun = 0
            event = self._csv_event("".join(parts))
            if event is None:
                self.unread += len(parts)
            else:
                yield event
            parts, size, quotes = [], 0, 0

    @staticmethod
    def _csv_event(record: str) -> Event | None:
        try:
            [row] = csv.reader([record], strict=True)
            if len(row) < 23:
                return None
        except (csv.Error, ValueError):
            return None
        return Event(row[0][:19], row[11], row[12], row[13], row[14], row[1], row[2], _without_port(row[4]), row[19], row[3])

    def _json(self, lines: Iterator[str]) -> Iterator[Event]:
        for line in lines:
            self.begun = 0
            try:
                row = json.loads(line)
                yield Event(row["timestamp"][:19], row["error_severity"], row.get("state_code", ""), row.get("message", ""),
                            row.get("detail", ""), row.get("user", ""), row.get("dbname", ""), row.get("remote_host", ""),
                            row.get("statement", ""), str(row.get("pid", "")))
            except (ValueError, KeyError, TypeError, AttributeError):
                self.unread += 1


class LogFile(Protocol):
    """A file with lines that were not read yet; `adapters.server_logs.LogFile` is one."""

    path: str
    beginning: bytes
    offset: int

    def lines(self) -> Iterator[bytes]:
        """The lines from ``offset`` on, which moves along."""


@dataclass
class Reading:
    """Counts of what was read; ``full`` where the limit ended it."""

    lines: int = 0
    unread: int = 0
    bytes: int = 0
    files: int = 0
    full: bool = False


def read_files(files: Iterable[LogFile], tell: Callable[[Iterable[Event]], None], *, form: str, prefix: re.Pattern[str],
               limit: int) -> Reading:
    """Tell all events of all files, oldest file first, until ``limit`` bytes are read; each file is left at the end of a record."""
    done = Reading()
    for file in files:
        if done.full:
            break
        began = file.offset
        reader = Reader(detect(file.path, file.beginning.decode("utf-8", "replace")) if form == "auto" else form, prefix)

        def within(file: LogFile = file, reader: Reader = reader, began: int = began, before: int = done.bytes) -> Iterator[bytes]:
            for line in file.lines():
                yield line
                if not reader.begun and before + file.offset - began >= limit:
                    return

        tell(reader.events(within()))
        file.offset -= reader.begun
        done.files += file.offset > began
        done.bytes += file.offset - began
        done.full = done.bytes >= limit
        done.lines, done.unread = done.lines + reader.lines, done.unread + reader.unread
    return done


def _without_port(address: str) -> str:
    return address.rpartition(":")[0] if ":" in address and not address.startswith("[local]") else address
