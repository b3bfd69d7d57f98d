# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The instants that lines of logs begin with: ISO 8601, syslog, nginx, Apache, log4j, klog, Unix time. Pure."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from ..core.errors import InvalidOption

_MONTHS = {"Jan": 1, "Feb": 2, "Mar": 3, "Apr": 4, "May": 5, "Jun": 6, "Jul": 7, "Aug": 8, "Sep": 9, "Oct": 10, "Nov": 11, "Dec": 12}
_CLOCK = r"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)(?:[.,](?P<fraction>\d{1,9}))?"
_ZONE = r"(?:\s?(?P<zone>Z|UTC|GMT|[+-]\d\d:?\d\d)(?!\w))?"
_FORMS = [re.compile(form) for form in (
    rf"(?P<year>\d{{4}})[-/](?P<month>\d\d)[-/](?P<day>\d\d)[T ]{_CLOCK}{_ZONE}",
    rf"(?P<day>\d\d)/(?P<name>[A-Z][a-z]{{2}})/(?P<year>\d{{4}}):{_CLOCK}{_ZONE}",
    rf"\b(?P<day>\d{{1,2}}) (?P<name>[A-Z][a-z]{{2}}) (?P<year>\d{{4}}),? {_CLOCK}{_ZONE}",
    rf"\b(?P<name>[A-Z][a-z]{{2}}) +(?P<day>\d{{1,2}}) {_CLOCK}(?: (?P<year>\d{{4}}))?",
    rf"^[IWEF](?P<month>\d\d)(?P<day>\d\d) {_CLOCK}",
)]
_FAR = 120  # signs of a line in which its instant begins


class Instants:
    """Reads instants; what has no zone is in ``zone``, what has no year is of the last twelve months before ``now``."""

    def __init__(self, now: datetime, zone: tzinfo = timezone.utc) -> None:
        self._now, self._zone = now, zone

    def in_text(self, line: str) -> float | None:
        """Unix time; None where the line says none, or none that there is."""
        for form in _FORMS:
            found = form.search(line, 0, _FAR)
            if found:
                return self._unix(found.groupdict())
        return None

    def without(self, line: str) -> str:
        """The line without its instant."""
        for form in _FORMS:
            found = form.search(line, 0, _FAR)
            if found:
                return f"{line[:found.start()]}{line[found.end():]}"
        return line

    def of_value(self, value: Any) -> float | None:
        """Of a field: text, or Unix time in seconds, milli-, micro- or nanoseconds."""
        text = str(value if value is not None and not isinstance(value, bool) else "")
        if re.fullmatch(r"\d{9,20}(?:\.\d*)?", text):
            number = float(text)
            while number > 1e11:
                number /= 1000
            return number
        return self.in_text(text)

    def _unix(self, parts: dict[str, str | None]) -> float | None:
        month = _MONTHS.get(parts["name"]) if parts.get("name") else int(parts["month"] or 0)
        fraction = int((parts.get("fraction") or "0").ljust(6, "0")[:6])
        try:
            at = datetime(int(parts.get("year") or self._now.year), month or 0, int(parts["day"] or 0), int(parts["hour"] or 0),
                          int(parts["minute"] or 0), int(parts["second"] or 0), fraction, tzinfo=self._of(parts.get("zone")))
            if not parts.get("year") and at > self._now + timedelta(days=1):
                at = at.replace(year=at.year - 1)
            return at.timestamp()
        except (ValueError, OverflowError):
            return None

    def _of(self, zone: str | None) -> tzinfo:
        if not zone:
            return self._zone
        if zone in ("Z", "UTC", "GMT"):
            return timezone.utc
        sign, digits = (-1 if zone[0] == "-" else 1), zone[1:].replace(":", "")
        return timezone(sign * timedelta(hours=int(digits[:2]), minutes=int(digits[2:])))


def zone_of(name: str) -> tzinfo:
    """:raises InvalidOption: for a name that this host's data of time zones does not have"""
    if name == "UTC":
        return timezone.utc
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, LookupError) as error:
        raise InvalidOption(f"timezone: {name!r} is no time zone here",
                            hint="Write it as Europe/Berlin; the package tzdata has them") from error
