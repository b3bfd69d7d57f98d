# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a log says, counted in constant memory and without the values in it: nothing is kept of a message but its form."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from ..core.counting import Top
from ..core.quantities import DAY
from ..core.redaction import printable, redact_message, redact_sql
from .log_events import Event

_KEYS = 4000
_LONGEST_STATEMENT = 4000
_CHECKPOINT = re.compile(r"checkpoint complete: .*?total=([\d.]+) s", re.DOTALL)
_REQUESTED = re.compile(r"checkpoint starting:.* (wal|xlog)\b")
_TEMPORARY = re.compile(r"temporary file: path .*, size (\d+)", re.DOTALL)
_WAITING = re.compile(r"process \d+ still waiting for (\w+)")
_WAITED = re.compile(r"process \d+ acquired \w+ on .* after ([\d.]+) ms", re.DOTALL)
_DURATION = re.compile(
    r"duration: ([\d.]+) ms(?:  (?:statement|execute [^:]*|parse [^:]*|bind [^:]*|fastpath[^:]*): (.*))?", re.DOTALL)
_RECEIVED = re.compile(r"connection received: host=(\S+)")
_NO_ENTRY = re.compile(r'no pg_hba\.conf entry for (?:replication connection from )?host "([^"]*)"')
_REFUSED = re.compile(r'(?:authentication failed for user|no pg_hba\.conf entry for .*?user|role) "([^"]*)"', re.DOTALL)
_NO_ROLE = re.compile(r'[Rr]ole "[^"]*" does not exist')
# In these classes (PostgreSQL documentation, appendix A) a message quotes names of the schema; in others it may quote what somebody
# typed, a password among it.
_NAMES = ("23", "3D", "3F", "40", "53", "55", "57", "58", "42P01", "42703", "42501", "42P07", "42701")
# stderr without %e in log_line_prefix tells no SQLSTATE: the usual messages are known by their beginning.
_STATES = [(re.compile(pattern), state) for pattern, state in (
    ("deadlock detected", "40P01"), ("could not serialize", "40001"), ("duplicate key value", "23505"),
    (".* violates foreign key", "23503"), ("null value in column", "23502"), (".* violates check constraint", "23514"),
    ("syntax error", "42601"),
    ('relation ".*" does not exist', "42P01"), ('column ".*" .*does not exist|column .* does not exist', "42703"),
    ("permission denied", "42501"), ("canceling statement due to", "57014"), ("terminating connection due to", "57P01"),
    ("(sorry, too many clients|remaining connection slots)", "53300"), ("out of memory", "53200"), (".*No space left on device", "53100"),
    ("invalid page in block|could not read block", "XX001"), ("invalid input syntax", "22P02"), ("division by zero", "22012"),
    ("(password|peer|ident|.{1,20}) authentication failed", "28P01"), ("no pg_hba.conf entry", "28000"),
    ('role ".*" does not exist', "28000"),
    ('database ".*" does not exist', "3D000"), ("the database system is (starting up|shutting down|in recovery)", "57P03"))]


class Tally:
    """Counts events by what they tell an operator."""

    def __init__(self) -> None:
        self.events = 0
        self.severities: Counter[str] = Counter()
        self.states, self.messages, self.logins = Top(), Top(), Top()
        self.crashes = self.checkpoints = self.requested = self.too_frequent = self.lock_waits = 0
        self.temporary_files = self.temporary_bytes = self.largest_temporary = self.slow = 0
        self.longest_checkpoint = self.longest_lock_wait = 0.0
        self.slow_calls, self.slow_seconds, self.slowest = Top(), Top(), {}
        self.first = self.last = ""
        self._hosts: dict[str, str] = {}

    def add(self, events: Iterable[Event]) -> None:
        """Count them."""
        for event in events:
            self.events += 1
            self.severities[event.severity] += 1
            if event.at:
                self.first, self.last = min(self.first or event.at, event.at), max(self.last, event.at)
            if event.severity == "LOG":
                self._log(event)
            elif event.severity in ("ERROR", "FATAL", "PANIC"):
                self._error(event)

    def _error(self, event: Event) -> None:
        state = event.sqlstate or next((state for pattern, state in _STATES if pattern.match(event.message)), "unknown")
        self.states.add(state)
        self.messages.add((state, redact_message(event.message[:_LONGEST_STATEMENT], keep_names=state.startswith(_NAMES))))
        if state.startswith("28") and event.severity == "FATAL":
            self._failed_login(event)

    def _failed_login(self, event: Event) -> None:
        said = _REFUSED.search(event.message)
        user = said[1] if said else event.user
        # Who types a password where the user's name is asked for writes it into the log; it is no name of a role then.
        if _NO_ROLE.search(event.message) or _NO_ROLE.search(event.detail):
            user = "(no such role)"
        host = _NO_ENTRY.search(event.message)
        address = event.address or (host[1] if host else self._hosts.get(event.pid, ""))
        self.logins.add((printable(user, length=63), printable(address, length=63)))

    def _log(self, event: Event) -> None:
        message = event.message
        if message.startswith("duration: "):
            self._slow(message)
        elif message.startswith("connection received"):
            found = _RECEIVED.match(message)
            if found and event.pid:
                if len(self._hosts) >= _KEYS:
                    self._hosts.clear()
                self._hosts[event.pid] = found[1]
        elif message.startswith("checkpoint"):
            self._checkpoint(message)
        elif message.startswith("temporary file"):
            found = _TEMPORARY.match(message)
            size = int(found[1]) if found else 0
            self.temporary_files += 1
            self.temporary_bytes += size
            self.largest_temporary = max(self.largest_temporary, size)
        elif message.startswith("process "):
            if _WAITING.match(message):
                self.lock_waits += 1
            elif found := _WAITED.match(message):
                self.longest_lock_wait = max(self.longest_lock_wait, float(found[1]) / 1000)
        elif "was terminated by signal" in message or message.startswith("all server processes terminated"):
            self.crashes += message.startswith("all server processes terminated")

    def _checkpoint(self, message: str) -> None:
        if message.startswith("checkpoints are occurring too frequently"):
            self.too_frequent += 1
        elif found := _CHECKPOINT.match(message):
            self.checkpoints += 1
            self.longest_checkpoint = max(self.longest_checkpoint, float(found[1]))
        elif _REQUESTED.match(message):
            self.requested += 1

    def _slow(self, message: str) -> None:
        found = _DURATION.match(message[:_LONGEST_STATEMENT])
        if not found or found[2] is None:
            return
        self.slow += 1
        seconds, statement = float(found[1]) / 1000, redact_sql(found[2], length=160)
        self.slow_calls.add(statement)
        self.slow_seconds.add(statement, seconds)
        if len(self.slowest) > _KEYS:
            self.slowest = {key: value for key, value in self.slowest.items() if self.slow_calls[key]}
        self.slowest[statement] = max(self.slowest.get(statement, 0.0), seconds)

    @property
    def days(self) -> float:
        """What the events span; what is shorter counts as a day."""
        if not self.first:
            return 1.0
        try:
            span = datetime.fromisoformat(self.last) - datetime.fromisoformat(self.first)
        except ValueError:
            return 1.0
        return max(span.total_seconds() / DAY, 1.0)

    def values(self) -> dict[str, Any]:
        """For the ledger and the report: the ten most of each, nothing of which is a value of a statement."""
        return {
            "from": self.first, "to": self.last, "events": self.events, "severities": dict(self.severities),
            "errors": [{"sqlstate": state, "message": message, "count": number}
                       for (state, message), number in self.messages.largest(10)],
            "states": dict(self.states.largest(20)),
            "failed_logins": [{"user": user, "address": address, "count": number}
                              for (user, address), number in self.logins.largest(10)],
            "crashes": self.crashes,
            "checkpoints": {"number": self.checkpoints, "requested": self.requested, "too_frequent": self.too_frequent,
                            "longest_seconds": self.longest_checkpoint},
            "temporary_files": {"number": self.temporary_files, "bytes": self.temporary_bytes, "largest": self.largest_temporary},
            "deadlocks": self.states["40P01"],
            "lock_waits": {"number": self.lock_waits, "longest_seconds": self.longest_lock_wait},
            "slow_statements": {"number": self.slow, "worst": [
                {"statement": statement, "count": self.slow_calls[statement], "seconds": round(seconds, 3),
                 "slowest": round(self.slowest.get(statement, 0.0), 3)} for statement, seconds in self.slow_seconds.largest(10)]},
        }
