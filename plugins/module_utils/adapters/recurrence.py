# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recurring days through python-dateutil, events of iCalendar files (RFC 5545) through icalendar and recurring-ical-events."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from ..core.errors import InvalidOption, LibraryMissing
from ..core.files import storage_errors

_MOST_BYTES = 5 * 2**20
# An event each second would be millions; nobody maintains or freezes so.
_TOO_OFTEN = re.compile(r"(?im)FREQ\s*=\s*(SECONDLY|MINUTELY)")


class Calendars:
    """Recurrence rules and iCalendar files; a file is read once."""

    def __init__(self) -> None:
        self._read: dict[str, Any] = {}

    def days(self, rule: str, first: date, last: date) -> Iterator[date]:
        """The days from ``first`` to ``last`` that a rule names, which begins nowhere in particular.

        :raises LibraryMissing: without python-dateutil
        """
        try:
            from dateutil.rrule import rrulestr
        except ImportError as error:
            raise LibraryMissing("python-dateutil") from error
        begin = datetime.combine(first, time())
        for found in rrulestr(rule, dtstart=begin).between(begin, datetime.combine(last, time()), inc=True):
            yield found.date()

    def events(self, path: str, begins: datetime, ends: datetime) -> list[tuple[datetime, datetime]]:
        """Beginning and end of the events that touch the span and are not cancelled; naive where they name no time zone. An event
        of days begins at midnight; one of a day without an end is that day, one of an instant is nothing.

        :raises LibraryMissing: without icalendar and recurring-ical-events
        :raises StorageFailed: where the file cannot be read
        :raises InvalidOption: where it is no calendar, or one that recurs more often than hourly
        """
        found = []
        for event in self._query(path).between(begins - timedelta(days=1), ends + timedelta(days=1)):
            if str(event.get("STATUS", "")).upper() == "CANCELLED":
                continue
            try:
                first, last = _instant(event.start), _instant(event.end)
            except (AttributeError, TypeError, ValueError) as error:
                raise InvalidOption(f"{path}: the event {str(event.get('SUMMARY', ''))[:60]!r} has no beginning and end that can be read",
                                    hint="Give it DTSTART and DTEND or DURATION") from error
            found.append((first, last))
        return found

    def _query(self, path: str) -> Any:
        if path not in self._read:
            self._read[path] = _open(path)
        return self._read[path]


def _open(path: str) -> Any:
    try:
        import icalendar
        import recurring_ical_events
    except ImportError as error:
        raise LibraryMissing("recurring-ical-events") from error
    with storage_errors(path), Path(path).open("rb") as file:
        content = file.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise InvalidOption(f"{path} is longer than 5 MiB", hint="Give a calendar of windows or freezes alone")
    text = content.decode("utf-8", "replace")
    if _TOO_OFTEN.search(re.sub(r"\r?\n[ \t]", "", text)):
        raise InvalidOption(f"{path} has events that recur each minute or second", hint="Let them recur hourly at the most")
    try:
        return recurring_ical_events.of(icalendar.Calendar.from_ical(text))
    except Exception as error:  # the parsers raise whatever a malformed property leads them to
        raise InvalidOption(f"{path} is no iCalendar file: {type(error).__name__}: {str(error)[:200]}",
                            hint="Export it again as .ics (RFC 5545)") from error


def _instant(value: Any) -> datetime:
    return value if isinstance(value, datetime) else datetime.combine(value, time())
