# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Predictions of durations: own history, others' pace, the expected rate."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import InvalidOption
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.forecast import Forecast, ForecastPolicy, Sample, fit
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.work import Work
from hypothesis import given
from hypothesis import strategies as st

MIB = 2**20
OPTIONS = {"margin_percent": 25, "first_margin_percent": 100, "samples": 3, "patience": 3, "forced_within": "7d"}
POLICY = ForecastPolicy.from_options(OPTIONS)
RATES = {"vacuum": 50 * MIB, "reindex": 20 * MIB}


def work(size: int, *, relation: str = "public.t", action: str = "vacuum") -> Work:
    return Work(relation, action, "", "VACUUM {relation}", {}, 1, 1, size)


def others(*sizes: int, constant: float = 0.5, per_byte: float = 1 / (10 * MIB), action: str = "vacuum") -> list[Sample]:
    return [Sample(f"public.o{size}", action, size, constant + per_byte * size) for size in sizes]


def test_the_first_time_the_expected_rate_holds_with_its_margin():
    found = Forecast([], POLICY, RATES).of(work(100 * MIB))
    assert (found.seconds, found.bound) == (pytest.approx(2), pytest.approx(4)) and "50.0 MiB a second" in found.basis
    assert Forecast([], POLICY, RATES).of(work(100 * MIB, action="rewrite")).seconds == pytest.approx(5)  # as slow as the slowest


def test_what_others_of_its_kind_took_is_better_than_an_expected_rate():
    found = Forecast(others(*(number * MIB for number in (1, 5, 10, 20, 40))), POLICY, RATES).of(work(30 * MIB))
    assert found.seconds == pytest.approx(3.5) and "the pace of 5 others" in found.basis
    rebuilt = Forecast(others(*(number * MIB for number in (1, 5, 10, 20, 40))), POLICY, RATES).of(work(20 * MIB, action="reindex"))
    assert rebuilt.seconds == pytest.approx(1)  # they were no rebuilds


def test_small_works_do_not_make_a_huge_one_look_quick():
    quick = others(*(number * 8192 for number in (1, 2, 3, 4, 5)), constant=0.05, per_byte=0.0)
    assert Forecast(quick, POLICY, RATES).of(work(100 * 2**30)).seconds == pytest.approx(100 * 2**30 / (50 * MIB))


def test_an_outlier_does_not_bend_the_line():
    line = fit([*others(*(number * MIB for number in (1, 5, 10, 15, 20, 40))), Sample("public.locked", "vacuum", 2 * MIB, 600.0)])
    assert line.at(30 * MIB) == pytest.approx(3.5, rel=0.1)


def test_its_own_newest_runs_win_scaled_to_its_size_with_no_less_room_than_the_slowest_took():
    own = [Sample("public.t", "vacuum", 10 * MIB, seconds) for seconds in (99.0, 4.0, 5.0, 9.0)]
    found = Forecast(own, POLICY, RATES).of(work(20 * MIB))
    assert found.seconds == pytest.approx(10) and found.bound == pytest.approx(18) and "its last runs (3)" in found.basis
    assert Forecast(own, POLICY, RATES).of(work(20 * MIB, action="vacuum freeze")).seconds != pytest.approx(10)


@given(st.lists(st.tuples(st.sampled_from(["public.a", "public.b"]), st.sampled_from(["vacuum", "reindex"]), st.integers(0, 2**40),
                          st.floats(0, 1e5)), max_size=12), st.integers(0, 2**45), st.sampled_from(["vacuum", "reindex", "drop leftover"]))
def test_a_prediction_is_positive_finite_and_leaves_its_margin(samples, size, action):
    found = Forecast([Sample(*one) for one in samples], POLICY, RATES).of(work(size, relation="public.a", action=action))
    assert 0 < found.seconds < float("inf") and found.bound >= 1.25 * found.seconds - 1e-9


@pytest.mark.parametrize("change, said", [({"margin_percent": -1}, "margin_percent"), ({"patience": "often"}, "patience"),
                                          ({"forced_within": "soon"}, "forced_within"), ({"trust": 1}, "unknown key 'trust'"),
                                          ({"samples": None}, "samples is missing")])
def test_what_cannot_be_used_is_refused_by_name(change, said):
    with pytest.raises(InvalidOption) as error:
        ForecastPolicy.from_options({**OPTIONS, **change})
    assert said in error.value.message and error.value.hint


def test_no_run_at_all_is_none_to_be_patient_for():
    assert ForecastPolicy.from_options({**OPTIONS, "patience": 0, "samples": 0}) == replace(POLICY, patience=1, samples=1)
