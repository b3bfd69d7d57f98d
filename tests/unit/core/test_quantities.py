# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Durations and sizes: what people write is read exactly or refused."""

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import InvalidOption
from ansible_collections.evenkeel.ops.plugins.module_utils.core.quantities import (
    format_duration,
    format_size,
    parse_duration,
    parse_size,
)
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize("text, seconds", [
    ("90s", 90), ("15m", 900), ("1h30m", 5400), ("30d", 2592000), ("2w", 1209600), ("250ms", 0.25), ("1.5h", 5400), (90, 90),
    ("90", 90), (0.5, 0.5), ("0", 0), (" 5m ", 300),
])
def test_durations(text, seconds):
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "-3s", "-3", "3 s", "3x", "1h-5m", "1,5h", "٣s", "1e3", "inf", "nan", "True", True, None, "3s\n4",
                                  "P1D", "9" * 400, "3S"])
def test_what_is_no_duration_is_refused_with_the_options_name(text):
    with pytest.raises(InvalidOption) as error:
        parse_duration(text, option="max_age")
    assert error.value.message.startswith("max_age:") and "30d" in error.value.hint


@given(st.integers(0, 10**9))
def test_whole_seconds_are_told_within_their_second_unit(seconds):
    text = format_duration(seconds)
    back = parse_duration(text)
    assert abs(back - seconds) <= (0 if seconds < 3600 else 60 if seconds < 86400 else 3600)
    assert format_duration(back) == text


@pytest.mark.parametrize("seconds, text", [(0, "0s"), (0.02, "20ms"), (0.4, "0.4s"), (9.96, "10s"), (59.7, "1m"), (3599.6, "1h"),
                                           (5400, "1h30m"), (90061, "1d1h"), (86400, "1d"), (86460, "1d"), (-90, "-1m30s")])
def test_durations_as_they_are_told(seconds, text):
    assert format_duration(seconds) == text


@pytest.mark.parametrize("text, size", [("512", 512), (512, 512), ("10MB", 10**7), ("1.5GiB", 1610612736), ("1 kB", 1000), ("2tib", 2**41),
                                        ("9007199254740993", 9007199254740993), ("0.1kB", 100), ("1.1GB", 1100000000)])
def test_sizes(text, size):
    assert parse_size(text) == size


@given(st.integers(0, 10**18))
def test_any_number_of_bytes_is_read_exactly(size):
    assert parse_size(str(size)) == parse_size(f"{size}B") == size


@pytest.mark.parametrize("text", ["", "-1", "-1GB", "1PB", "GB", "1.GB", "1e3", "10 M B", "nan", None, True])
def test_what_is_no_size_is_refused_with_the_options_name(text):
    with pytest.raises(InvalidOption) as error:
        parse_size(text, option="max_size")
    assert error.value.message.startswith("max_size:") and error.value.hint


@pytest.mark.parametrize("size, text", [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1610612736, "1.5 GiB"), (2**50, "1024.0 TiB")])
def test_sizes_as_they_are_told(size, text):
    assert format_size(size) == text
