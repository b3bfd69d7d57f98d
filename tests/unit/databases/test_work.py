# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Predictions and budgets."""

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import InvalidOption
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.budget import Budget
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.work import Pace

MIB = 2**20


def test_the_policys_rate_holds_until_the_run_has_shown_its_own():
    pace = Pace(10 * MIB)
    assert pace.predict(80 * MIB) == pytest.approx(10)  # with a quarter to spare
    pace.learn(MIB, 10.0)  # a small one says nothing
    assert pace.predict(80 * MIB) == pytest.approx(10)
    pace.learn(39 * MIB, 10.0)
    assert pace.predict(80 * MIB) == pytest.approx(50)


@pytest.mark.parametrize("change, said", [({"connection_budget": 0}, "0 sessions can do nothing"), ({"lock_timeout": "0s"}, "without end"),
                                          ({"time_budget": "-5m"}, "time_budget: '-5m' is not a duration")])
def test_a_budget_that_allows_nothing_is_refused(change, said):
    with pytest.raises(InvalidOption) as error:
        Budget.from_options({"connection_budget": 2, "time_budget": "1m", "lock_timeout": "1s", **change})
    assert said in error.value.message and error.value.hint


def test_some_of_the_budget_is_kept_for_clearing_up():
    assert [Budget(1, seconds, 1.0).reserve for seconds in (1.0, 40.0, 10000.0)] == [0.25, 2.0, 5.0]
