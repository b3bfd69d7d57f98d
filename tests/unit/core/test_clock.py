# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Instants are UTC and survive being written down."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import SystemClock, format_instant, parse_instant
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import InvalidOption
from hypothesis import given
from hypothesis import strategies as st

ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(2999, 12, 30), timezones=ZONES))
def test_an_instant_comes_back_to_the_millisecond(instant):
    back = parse_instant(format_instant(instant))
    assert timedelta(0) <= instant - back < timedelta(milliseconds=1) and back.tzinfo is timezone.utc
    assert format_instant(back) == format_instant(instant)


@given(st.lists(st.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(2999, 12, 30), timezones=ZONES), min_size=2))
def test_written_instants_sort_as_the_instants_do(instants):
    words = [format_instant(instant) for instant in instants]
    in_order = sorted(instants)
    assert sorted(words) == [format_instant(instant) for instant in in_order]


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01T00:00:00Z", "2026-01-02", "2026-01-02T03:04:05", None, 5,
                                  "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_what_is_no_instant_or_has_no_zone_is_refused(text):
    with pytest.raises(InvalidOption) as error:
        parse_instant(text)
    assert error.value.hint


def test_the_machines_clock_is_aware_and_never_goes_back():
    clock = SystemClock()
    assert clock.now().utcoffset() == timedelta(0) and clock.monotonic() <= clock.monotonic()
