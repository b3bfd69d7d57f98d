# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Windows and freezes: what people write, what it means on clocks that change, and that freezes win."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.recurrence import Calendars
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import InvalidOption, StorageFailed
from ansible_collections.evenkeel.ops.plugins.module_utils.core.quantities import DAY
from ansible_collections.evenkeel.ops.plugins.module_utils.maintenance.schedule import occurrences, read_schedules
from ansible_collections.evenkeel.ops.plugins.module_utils.maintenance.windows import look
from hypothesis import given, settings
from hypothesis import strategies as st


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc)


def one(when: str, **more):
    return read_schedules([{"name": "this", "when": when, **more}], option="windows")[0]


def spans(when: str, begins: str, ends: str, *, generous: bool = False, **more) -> list[tuple[str, str]]:
    found = occurrences(one(when, **more), at(begins), at(ends), Calendars(), generous=generous)
    return [(f"{span.begins:%m-%d %H:%M}", f"{span.ends:%m-%d %H:%M}") for span in found]


@pytest.mark.parametrize(("when", "expected"), [
    ("Sunday 02:00-06:00", [("03-01 02:00", "03-01 06:00"), ("03-08 02:00", "03-08 06:00")]),
    ("first Sunday 02:00-06:00", [("03-01 02:00", "03-01 06:00")]),
    ("second/last Sunday 02:00-06:00", [("03-08 02:00", "03-08 06:00")]),
    ("Tuesday/Thursday 10:00–14:00", [("03-03 10:00", "03-03 14:00"), ("03-05 10:00", "03-05 14:00"), ("03-10 10:00", "03-10 14:00")]),
    ("saturday - monday 09:00-17:00", [("03-01 09:00", "03-01 17:00"), ("03-02 09:00", "03-02 17:00"), ("03-07 09:00", "03-07 17:00"),
                                       ("03-08 09:00", "03-08 17:00"), ("03-09 09:00", "03-09 17:00")]),
    ("2026-03-04 18:00-22:00", [("03-04 18:00", "03-04 22:00")]),
    ("Saturday 22:00-02:00", [("02-28 22:00", "03-01 02:00"), ("03-07 22:00", "03-08 02:00")]),
    ("Friday 20:00-24:00", [("03-06 20:00", "03-07 00:00")]),
    ("2026-03-02 to 2026-03-03", [("03-02 00:00", "03-04 00:00")]),
    ("2026-03-02 18:00 to 2026-03-04 06:00", [("03-02 18:00", "03-04 06:00")]),
    ("last Friday 01:00-02:00", []),
])
def test_what_people_write_is_what_is_meant(when, expected):
    assert spans(when, "2026-03-01T00:00", "2026-03-10T23:00") == expected


def test_daily_and_the_end_of_months():
    assert spans("daily 01:00-03:00", "2026-02-27T02:00", "2026-03-01T01:30") == [
        ("02-27 01:00", "02-27 03:00"), ("02-28 01:00", "02-28 03:00"), ("03-01 01:00", "03-01 03:00")]
    assert spans("last Saturday 01:00-02:00", "2026-01-01T00:00", "2026-03-15T00:00") == [
        ("01-31 01:00", "01-31 02:00"), ("02-28 01:00", "02-28 02:00")]


@pytest.mark.parametrize(("when", "window", "freeze"), [
    # Berlin, 2026-03-29: 02:00 is 03:00; what is left out is no time of a window, and all of it of a freeze.
    ("Sunday 02:00-06:00", ("03-29 01:00", "03-29 04:00"), ("03-29 00:00", "03-29 04:00")),
    ("Sunday 01:00-02:30", ("03-29 00:00", "03-29 00:30"), ("03-29 00:00", "03-29 01:30")),
    ("Sunday 02:15-02:45", None, ("03-29 00:15", "03-29 01:45")),
    ("Sunday 02:30-03:15", None, ("03-29 00:30", "03-29 01:15")),
])
def test_a_gap_makes_windows_shorter_and_freezes_longer(when, window, freeze):
    day = ("2026-03-29T00:00", "2026-03-29T12:00")
    assert spans(when, *day, time_zone="Europe/Berlin") == ([window] if window else [])
    assert spans(when, *day, time_zone="Europe/Berlin", generous=True) == [freeze]


@pytest.mark.parametrize(("when", "window", "freeze"), [
    # Berlin, 2026-10-25: 02:00 to 03:00 is there twice.
    ("Sunday 02:00-06:00", ("10-25 01:00", "10-25 05:00"), ("10-25 00:00", "10-25 05:00")),
    ("Sunday 00:00-02:30", ("10-24 22:00", "10-25 00:30"), ("10-24 22:00", "10-25 01:30")),
])
def test_an_hour_that_is_there_twice(when, window, freeze):
    day = ("2026-10-24T23:00", "2026-10-25T12:00")
    assert spans(when, *day, time_zone="Europe/Berlin") == [window]
    assert spans(when, *day, time_zone="Europe/Berlin", generous=True) == [freeze]


@pytest.mark.parametrize(("entry", "word"), [
    ({"when": "every now and then"}, "cannot be read"), ({"when": "Funday 02:00-06:00"}, "cannot be read"),
    ({"when": "Sunday 25:00-26:00"}, "cannot be read"), ({"when": "2026-02-30 10:00-11:00"}, "cannot be read"),
    ({"when": "2026-03-04 to 2026-03-03"}, "cannot be read"), ({"when": "fifth Sunday 02:00-06:00"}, "cannot be read"),
    ({"when": "Sunday 02:00-06:00", "time_zone": "Mars/Olympus"}, "no time zone"),
    ({"when": "Sunday 02:00-06:00", "time_zone": "../../../etc/passwd"}, "no time zone"),
    ({"when": "Sunday 02:00-06:00", "notice": "-7d"}, "not a duration"), ({"when": "Sunday 02:00-06:00", "notice": "a week"}, "duration"),
    ({"when": "always", "notice": "1d"}, "always"), ({"when": "always", "until": "2027"}, "until"), ({}, "either when or icalendar"),
    ({"when": "always", "icalendar": "/x.ics"}, "either"), ({"when": ["always"]}, "either"),
])
def test_what_cannot_be_read_is_refused(entry, word):
    with pytest.raises(InvalidOption) as refused:
        read_schedules([{"name": "night\n'\"%s", **entry}], option="windows")
    assert word in str(refused.value) and refused.value.hint


@pytest.mark.parametrize("entries", [[{"when": "always"}], [{"name": " ", "when": "always"}], ["always"],
                                     [{"name": "a", "when": "always"}, {"name": "a", "when": "daily 01:00-02:00"}]])
def test_every_entry_has_a_name_of_its_own(entries):
    with pytest.raises(InvalidOption):
        read_schedules(entries, option="windows")


def test_an_icalendar_file_with_what_calendars_have(tmp_path):
    file = tmp_path / "windows.ics"
    file.write_text("\r\n".join([
        "BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//this//EN",
        "BEGIN:VEVENT", "UID:1", "DTSTAMP:20260101T000000Z", "DTSTART;TZID=Europe/Berlin:20260301T020000", "DURATION:PT4H",
        "RRULE:FREQ=MONTHLY;BYDAY=1SU", "EXDATE;TZID=Europe/Berlin:20260405T020000", "SUMMARY:monthly", "END:VEVENT",
        "BEGIN:VEVENT", "UID:2", "DTSTAMP:20260101T000000Z", "DTSTART;VALUE=DATE:20260310", "SUMMARY:a day", "END:VEVENT",
        "BEGIN:VEVENT", "UID:3", "DTSTAMP:20260101T000000Z", "DTSTART:20260312T090000", "DTEND:20260312T100000", "SUMMARY:floating",
        "END:VEVENT",
        "BEGIN:VEVENT", "UID:4", "DTSTAMP:20260101T000000Z", "DTSTART:20260314T090000Z", "DTEND:20260314T100000Z", "STATUS:CANCELLED",
        "SUMMARY:off", "END:VEVENT",
        "END:VCALENDAR", ""]))
    [schedule] = read_schedules([{"name": "file", "icalendar": str(file), "time_zone": "Europe/Berlin", "notice": "7d"}], option="windows")
    found = occurrences(schedule, at("2026-03-01T00:00"), at("2026-05-31T00:00"), Calendars(), generous=False)
    assert [(f"{span.begins:%m-%d %H:%M}", f"{span.ends:%m-%d %H:%M}") for span in found] == [
        ("03-01 01:00", "03-01 05:00"), ("03-09 23:00", "03-10 23:00"), ("03-12 08:00", "03-12 09:00"), ("05-03 00:00", "05-03 04:00")]


@pytest.mark.parametrize("content", ["", "hello", "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:nonsense\nEND:VEVENT\nEND:VCALENDAR\n",
                                     "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:20260301T000000Z\nRRULE:FREQ=SEC\n ONDLY\nEND:VEVENT\n",
                                     "x" * (5 * 2**20 + 1)])
def test_what_is_no_calendar_is_refused_and_is_never_an_empty_one(tmp_path, content):
    (tmp_path / "x.ics").write_text(content)
    [schedule] = read_schedules([{"name": "file", "icalendar": str(tmp_path / "x.ics")}], option="freezes")
    with pytest.raises(InvalidOption):
        occurrences(schedule, at("2026-03-01T00:00"), at("2026-03-02T00:00"), Calendars(), generous=True)


def test_a_calendar_that_is_not_there_is_told(tmp_path):
    [schedule] = read_schedules([{"name": "file", "icalendar": str(tmp_path / "none.ics")}], option="freezes")
    with pytest.raises(StorageFailed):
        occurrences(schedule, at("2026-03-01T00:00"), at("2026-03-02T00:00"), Calendars(), generous=True)


def test_a_freeze_has_an_end():
    with pytest.raises(InvalidOption):
        read_schedules([{"name": "stop", "when": "always"}], option="freezes", bounded=True)


def outlook(windows, freezes, now):
    return look(read_schedules(windows, option="windows"), read_schedules(freezes, option="freezes"), Calendars(), at(now))


def test_a_freeze_closes_a_window_early_opens_it_late_and_cuts_it_in_two():
    windows = [{"name": "night", "when": "2026-03-01 00:00-08:00", "notice": "7d"}]
    freezes = [{"name": "release", "when": "2026-03-01 02:00-03:00"}]
    before = outlook(windows, freezes, "2026-03-01T01:30")
    assert (before.open.ends, before.remaining, before.next.begins) == (at("2026-03-01T02:00"), 1800, at("2026-03-01T03:00"))
    assert not before.frozen and before.freeze.name == "release"
    within = outlook(windows, freezes, "2026-03-01T02:00")
    assert within.open is None and within.frozen and within.remaining == 0 and within.next.announced == at("2026-03-01T00:00")
    after = outlook(windows, freezes, "2026-03-01T03:00")
    assert after.open.begins == at("2026-03-01T03:00") and after.freeze is None and after.next is None


def test_always_is_open_without_an_end_until_a_freeze():
    windows = [{"name": "development", "when": "always"}]
    assert outlook(windows, [], "2026-03-01T00:00").remaining is None
    frozen = outlook(windows, [{"name": "holidays", "when": "2026-12-20 to 2027-01-03"}], "2026-12-19T23:00")
    assert frozen.remaining == 3600 and frozen.next.begins == at("2027-01-04T00:00") and frozen.next.ends is None


def test_of_two_open_windows_the_one_that_closes_last_counts():
    windows = [{"name": "short", "when": "daily 01:00-03:00"}, {"name": "long", "when": "Sunday 02:00-06:00"}]
    assert outlook(windows, [], "2026-03-01T02:30").open.window == "long"
    assert outlook(windows, [], "2026-03-02T02:30").open.window == "short"


ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Kathmandu"])
CLOCK = st.tuples(st.integers(0, 23), st.sampled_from([0, 15, 30, 45])).map(lambda pair: f"{pair[0]:02}:{pair[1]:02}")
DAYS = st.sampled_from(["daily", "Sunday", "first Sunday", "last Sunday", "Saturday-Monday", "Tuesday/Thursday"])
RECURRING = st.builds(lambda day, begins, ends: f"{day} {begins}-{ends}", DAYS, CLOCK, CLOCK)
WHEN = st.one_of(RECURRING, st.just("always"))


def entries(when):
    return st.lists(st.tuples(when, ZONES), max_size=3).map(
        lambda pairs: [{"name": str(number), "when": when, "time_zone": zone} for number, (when, zone) in enumerate(pairs)])


# Around the days on which clocks change in 2026, where mistakes live.
INSTANTS = st.one_of(*[st.datetimes(datetime(2026, month, day), datetime(2026, month, day) + timedelta(days=3)).map(
    lambda found: found.replace(tzinfo=timezone.utc)) for month, day in ((3, 7), (3, 28), (4, 4), (10, 24), (10, 31))])


@settings(max_examples=80, deadline=None)
@given(entries(WHEN), entries(RECURRING), INSTANTS)
def test_open_is_in_a_window_and_in_no_freeze_and_stays_so_until_it_ends(windows, freezes, now):
    seen, calendar = outlook_of(windows, freezes, now), Calendars()

    def holding(given, *, generous):
        found = [span for schedule in read_schedules(given, option="entries")
                 for span in occurrences(schedule, now, now + timedelta(seconds=1), calendar, generous=generous)]
        return [span for span in found if span.begins <= now < span.ends]

    inside, frozen = holding(windows, generous=False), holding(freezes, generous=True)
    assert (seen.open is not None) == (bool(inside) and not frozen)
    assert seen.frozen == bool(frozen)
    if seen.open and seen.open.ends:
        last = seen.open.ends - timedelta(microseconds=1)
        assert outlook_of(windows, freezes, last).open is not None and seen.remaining > 0
        after = outlook_of(windows, freezes, seen.open.ends).open
        assert after is None or after.ends is None or after.ends > seen.open.ends
    if seen.next:
        assert seen.next.begins > now
        opens = outlook_of(windows, freezes, seen.next.begins)
        assert opens.open is not None and not opens.frozen


def outlook_of(windows, freezes, now):
    return look(read_schedules(windows, option="windows"), read_schedules(freezes, option="freezes"), Calendars(), now, horizon=9 * DAY)


@settings(max_examples=150, deadline=None)
@given(WHEN, ZONES, INSTANTS)
def test_a_window_is_never_longer_than_a_freeze_of_the_same_words(when, zone, now):
    schedule, end = one(when, time_zone=zone), now + timedelta(days=3)
    short = occurrences(schedule, now, end, Calendars(), generous=False)
    long = occurrences(schedule, now, end, Calendars(), generous=True)
    assert all(span.begins < span.ends for span in (*short, *long))
    assert all(any(outer.begins <= span.begins and span.ends <= outer.ends for outer in long) for span in short)


@settings(max_examples=100, deadline=None)
@given(CLOCK, CLOCK, ZONES, st.integers(0, 31 * 24 * 60).map(lambda minutes: at("2026-01-10T00:00") + timedelta(minutes=minutes)))
def test_where_no_clock_changes_a_window_is_what_the_clock_on_the_wall_says(begins, ends, zone, now):
    found = occurrences(one(f"daily {begins}-{ends}", time_zone=zone), now, now + timedelta(days=2), Calendars(), generous=False)
    for span in found:
        wall = (span.begins.astimezone(ZoneInfo(zone)), span.ends.astimezone(ZoneInfo(zone)))
        assert (f"{wall[0]:%H:%M}", f"{wall[1]:%H:%M}") == (begins, ends)
        assert timedelta(0) < span.ends - span.begins <= timedelta(days=1)
