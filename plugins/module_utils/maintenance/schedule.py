# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a window or a freeze is, as people write it, and the spans of time that it means. Pure: calendars are handed in.

    always
    daily 01:00-03:00
    Tuesday/Thursday 10:00-14:00          Monday-Friday 09:00-17:00
    first Sunday 02:00-06:00              second/last Saturday 22:00-02:00 (until the next morning)
    2026-12-24 18:00-22:00
    2026-12-20 to 2027-01-03              whole days, both of them
    2026-12-20 18:00 to 2027-01-04 06:00

Times are on the clocks of a time zone. Where a change of the clocks leaves out a time or has it twice, a window is as short and a
freeze as long as any reading of it; events of iCalendar files are as RFC 5545 has them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta, timezone
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from ..core.errors import InvalidOption
from ..core.quantities import DAY, parse_duration

# How far ahead is looked for what comes next: longer than a year, so that yearly events are found.
HORIZON = 400 * DAY
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_WHICH = {"first": 1, "second": 2, "third": 3, "fourth": 4, "last": -1}
_HOURS = r"(\d{2}:\d{2})\s*-\s*(\d{2}:\d{2})"
_DATE = r"(\d{4}-\d{2}-\d{2})"
_ON_DAYS = re.compile(rf"([a-z/, -]+?)\s+{_HOURS}", re.ASCII)
_ON_DATE = re.compile(rf"{_DATE}\s+{_HOURS}", re.ASCII)
_SPAN = re.compile(rf"{_DATE}(?:\s+(\d{{2}}:\d{{2}}))?\s+to\s+{_DATE}(?:\s+(\d{{2}}:\d{{2}}))?", re.ASCII)
_HINT = "Write it as 'first Sunday 02:00-06:00', 'Tuesday/Thursday 10:00-14:00', 'daily 01:00-03:00', '2026-12-24 18:00-22:00', " \
        "'2026-12-20 to 2027-01-03' or 'always'"
_KEYS = {"name", "when", "icalendar", "time_zone", "notice"}


class Calendar(Protocol):
    """What knows recurrence and iCalendar files."""

    def days(self, rule: str, first: date, last: date) -> Iterable[date]:
        """The days from ``first`` to ``last`` that a recurrence rule (RFC 5545, without DTSTART) names."""

    def events(self, path: str, begins: datetime, ends: datetime) -> Iterable[tuple[datetime, datetime]]:
        """Beginning and end of a file's events that touch the span; naive where the file names no time zone."""


@dataclass(frozen=True)
class Schedule:
    """One entry of the policy, of exactly one kind: ``rule`` with its ``hours``, ``span``, ``path`` of an iCalendar file, or none of
    them, which is always. ``notice`` is in seconds. An end of hours that is not after their beginning is on the next day.
    """

    name: str
    zone: ZoneInfo
    notice: float = 0.0
    rule: str = ""
    hours: tuple[time, time] | None = None
    span: tuple[datetime, datetime] | None = None
    path: str = ""

    @property
    def unbounded(self) -> bool:
        """Whether it is always."""
        return not (self.rule or self.span or self.path)


@dataclass(frozen=True, order=True)
class Occurrence:
    """A span of time in UTC that a schedule means; ``ends`` is not in it any more."""

    begins: datetime
    ends: datetime
    name: str


def read_schedules(entries: Sequence[Mapping[str, Any]], *, option: str, bounded: bool = False) -> list[Schedule]:
    """Entries of name, when or icalendar, time_zone (by default UTC) and, for windows, notice (by default none).

    :raises InvalidOption: for what cannot be read, unknown keys, two entries of one name, and where it is ``bounded``, always
    """
    found: dict[str, Schedule] = {}
    for entry in entries:
        if not isinstance(entry, Mapping) or not isinstance(entry.get("name"), str) or not entry["name"].strip():
            raise InvalidOption(f"{option}: {entry!r} has no name", hint="Give each entry a name: it is what notices and reports call it")
        name = entry["name"]
        unknown = sorted(str(key) for key in set(entry) - _KEYS)
        if unknown:
            raise InvalidOption(f"{option}: {name!r} has {', '.join(unknown)}, which is not known",
                                hint=f"Known are {', '.join(sorted(_KEYS))}")
        if name in found:
            raise InvalidOption(f"{option}: there are two named {name!r}", hint="Give each its own name")
        found[name] = _read(entry, f"{option}: {name!r}")
        if bounded and found[name].unbounded:
            raise InvalidOption(f"{option}: {name!r} is always", hint="Take the windows away instead: without one nothing is open")
    return list(found.values())


def occurrences(schedule: Schedule, begins: datetime, ends: datetime, calendar: Calendar, *, generous: bool) -> list[Occurrence]:
    """What a schedule means within a span of time, in order; spans that reach over its ends are given whole, always is the span itself.

    ``generous`` takes the longest reading of times that a change of the clocks leaves out or has twice, and is for freezes; else the
    shortest is taken, and what has no time left at all is not there.

    :raises InvalidOption, StorageFailed: for an iCalendar file that cannot be read
    """
    if schedule.unbounded:
        return [Occurrence(begins, ends, schedule.name)]
    if schedule.path:
        walls: Iterable[tuple[datetime, datetime]] = calendar.events(schedule.path, begins, ends)
    elif schedule.span:
        walls = [schedule.span]
    else:
        walls = _walls(schedule, calendar, begins, ends)
    found = []
    for first, last in walls:
        opens = _readings(first, schedule.zone)[0 if generous else 1]
        closes = _readings(last, schedule.zone)[1 if generous else 0]
        if opens < closes and closes > begins and opens < ends:
            found.append(Occurrence(opens, closes, schedule.name))
    return sorted(found)


def _walls(schedule: Schedule, calendar: Calendar, begins: datetime, ends: datetime) -> Iterable[tuple[datetime, datetime]]:
    """On the clocks of the zone; a day to either side, since a zone may be a day ahead, and hours may begin on the day before."""
    opens, closes = schedule.hours or (time(), time())
    first, last = begins.astimezone(schedule.zone).date() - timedelta(days=2), ends.astimezone(schedule.zone).date() + timedelta(days=2)
    for day in calendar.days(schedule.rule, first, last):
        end = datetime.combine(day if opens < closes else day + timedelta(days=1), closes)
        yield datetime.combine(day, opens), end


def _readings(wall: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """The earliest and the latest instant that a time on a clock may mean (PEP 495); the same, but where clocks change."""
    if wall.tzinfo is not None:
        return wall.astimezone(timezone.utc), wall.astimezone(timezone.utc)
    both = [wall.replace(tzinfo=zone, fold=fold).astimezone(timezone.utc) for fold in (0, 1)]
    return min(both), max(both)


def _read(entry: Mapping[str, Any], what: str) -> Schedule:
    zone, notice = _zone(entry.get("time_zone") or "UTC", what), parse_duration(entry.get("notice") or "0s", option=f"{what}: notice")
    text, path = entry.get("when") or "", entry.get("icalendar") or ""
    if bool(text) == bool(path) or not isinstance(text, str) or not isinstance(path, str):
        raise InvalidOption(f"{what} needs either when or icalendar", hint=_HINT)
    named = Schedule(entry["name"], zone, notice)
    if path:
        return replace(named, path=path)
    said = " ".join(text.replace("\N{EN DASH}", "-").split()).lower()
    if said == "always":
        if notice:
            raise InvalidOption(f"{what} is always and wants notice, of a beginning that it does not have", hint="Leave out notice")
        return named
    for pattern, read in ((_ON_DATE, _on_date), (_SPAN, _on_span), (_ON_DAYS, _on_days)):
        match = pattern.fullmatch(said)
        if match:
            try:
                return replace(named, **read(match))
            except ValueError as error:
                raise InvalidOption(f"{what}: {text!r} cannot be read: {error}", hint=_HINT) from error
    raise InvalidOption(f"{what}: {text!r} cannot be read", hint=_HINT)


def _on_date(match: re.Match[str]) -> dict[str, Any]:
    day, opens, closes = date.fromisoformat(match[1]), _time(match[2]), _time(match[3])
    return {"span": (datetime.combine(day, opens), datetime.combine(day if opens < closes else day + timedelta(days=1), closes))}


def _on_span(match: re.Match[str]) -> dict[str, Any]:
    begins = datetime.combine(date.fromisoformat(match[1]), _time(match[2] or "00:00"))
    last, clock = date.fromisoformat(match[3]), match[4] or "24:00"
    ends = datetime.combine(last + timedelta(days=clock == "24:00"), _time(clock))
    if ends <= begins:
        raise ValueError("its end is not after its beginning")
    return {"span": (begins, ends)}


def _on_days(match: re.Match[str]) -> dict[str, Any]:
    hours = (_time(match[2]), _time(match[3]))
    words = match[1].split()
    if words == ["daily"]:
        return {"rule": "FREQ=DAILY", "hours": hours}
    which = [_WHICH.get(word) for word in re.split(r"[/,]", words[0])]
    if len(words) == 2 and all(which):
        days = [f"{number}{day}" for number in which for day in _weekdays(words[1])]
        return {"rule": f"FREQ=MONTHLY;BYDAY={','.join(days)}", "hours": hours}
    return {"rule": f"FREQ=WEEKLY;BYDAY={','.join(_weekdays(match[1].replace(' ', '')))}", "hours": hours}


def _weekdays(text: str) -> list[str]:
    """``MO`` and so on; a range may reach over the end of the week."""
    found = []
    for part in re.split(r"[/,]", text):
        first, dash, last = part.partition("-")
        if first not in _DAYS or (dash and last not in _DAYS):
            raise ValueError(f"{part!r} is no day of the week")
        at, length = _DAYS.index(first), (_DAYS.index(last) - _DAYS.index(first)) % 7 if dash else 0
        found += [_DAYS[(at + step) % 7][:2].upper() for step in range(length + 1)]
    return list(dict.fromkeys(found))


def _time(text: str) -> time:
    return time() if text == "24:00" else time.fromisoformat(text)


def _zone(name: Any, what: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError, TypeError) as error:
        raise InvalidOption(f"{what}: {name!r} is no time zone that this machine knows",
                            hint="Write a name of the IANA data base such as Europe/Berlin; the package tzdata has them") from error
