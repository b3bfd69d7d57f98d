# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The instants that lines of logs begin with: ISO 8601, syslog, nginx, Apache, log4j, klog, Unix time. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Any, NamedTuple
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
_CACHED = 4096
_FAR = 120  # signs of a line in which its instant begins


class Place(NamedTuple):
    """Where a line says its instant, from ``begin`` to ``end``, and the digits of the fraction in it; both the same where it has none.
    ``in_order`` where of two lines that differ in digits only the text of the later one is the greater, too.
    """

    begin: int
    fraction: int
    fraction_end: int
    end: int
    in_order: bool = False


class Instants:
    """Reads instants; what has no zone is in ``zone``, what has no year is of the last twelve months before ``now``."""

    def __init__(self, now: datetime, zone: tzinfo = timezone.utc) -> None:
        self._now, self._zone = now, zone
        self._last = (_FORMS[0], 0)
        self._seconds: dict[bytes, float | None] = {}

    def in_text(self, line: str) -> float | None:
        """Unix time; None where the line says none, or none that there is."""
        return self.taken(line)[0]

    def taken(self, line: str) -> tuple[float | None, str]:
        """As `in_text`, and the line without what says it."""
        found = self._found(line)
        return (None, line) if found is None else (self._unix(found.groupdict()), f"{line[:found.start()]}{line[found.end():]}")

    def place(self, line: str) -> Place | None:
        """Where a line says its instant; None where it says none."""
        found = self._found(line)
        if found is None:
            return None
        begin, end = found.span("fraction")
        # Year to fraction, and no digits that say how far it is shifted, nor a zone with summer time.
        in_order = found.re is _FORMS[0] and (found["zone"].isalpha() if found["zone"] else self._zone is timezone.utc)
        return Place(found.start(), *((begin, end) if begin >= 0 else (found.end(), found.end())), found.end(), in_order)

    def at(self, raw: bytes, place: Place) -> float | None:
        """As `in_text`, of a line that says its instant at a known place; lines of one second are told apart by their fraction alone."""
        begin, fraction, fraction_end, end, _in_order = place
        parts = raw[begin:fraction - 1] + raw[fraction_end:end] if fraction < fraction_end else raw[begin:end]
        if parts not in self._seconds:
            if len(self._seconds) >= _CACHED:
                self._seconds.clear()
            self._seconds[parts] = self.in_text(parts.decode("ascii", "replace"))
        whole = self._seconds[parts]
        if whole is None or fraction == fraction_end:
            return whole
        return whole + int(raw[fraction:fraction_end]) / 10 ** (fraction_end - fraction)

    def ends(self, lines: Sequence[bytes], place: Place) -> tuple[float | None, float | None]:
        """The earliest and the latest instant of lines that differ in digits only, and say theirs at a place that is ``in_order``."""
        said = [line[place.begin:place.end] for line in lines]
        there = Place(0, place.fraction - place.begin, place.fraction_end - place.begin, place.end - place.begin)
        return self.at(min(said), there), self.at(max(said), there)

    def _found(self, line: str) -> re.Match[str] | None:
        # Lines of one log say it in one way and mostly at one place.
        form, place = self._last
        found = form.match(line, place)
        if found and (not place or form.search(line, 0, found.end()).start() == place):
            return found
        for form in _FORMS:
            found = form.search(line, 0, _FAR)
            if found:
                self._last = (form, found.start())
                return found
        return None

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
