# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What earlier runs tell, and what a run leaves: history and debt are pure."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import format_instant
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import InvalidOption
from ansible_collections.evenkeel.ops.plugins.module_utils.core.quantities import DAY
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.debt import Server, forecast_forced, incur
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.forecast import Prediction, Sample
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.maintenance_history import Count, History, gather
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.plan import Stage, Step, Waiting
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.work import Work

NOW = datetime(2026, 1, 15, 12, tzinfo=timezone.utc)
HOSTILE = 'public."x\n%{}"'


def values(*, days_ago: float, transactions: int, database: str = "shop", relations=(), debt=()) -> dict:
    at = format_instant(NOW - timedelta(days=days_ago))
    return {"maintenance": {"server": "7", "database": database, "at": at, "transactions": transactions}, "relations": list(relations),
            "debt": list(debt)}


def row(relation: str, seconds: float, *, status: str = "done") -> dict:
    return {"relation": relation, "action": "vacuum", "bytes": 8192, "seconds": seconds, "status": status, "before": {}}


def owed(relation: str, runs: int) -> dict:
    return {"relation": relation, "action": "vacuum", "reason": "no room", "runs": runs, "since": "2026-01-01T00:00:00.000Z",
            "tried_seconds": 0, "forced_seconds": None, "forced": "", "predicted_seconds": 1.0}


FRESH = Waiting(0)


def step(waiting: Waiting = FRESH, *, urgent: bool = False) -> Step:
    one = Work("public.t", "vacuum freeze", "old", "VACUUM {relation}", {}, 1, 1, 8192, urgent)
    return Step(one, Stage.WRAPAROUND, 1, 2.0, Prediction(60.0, 75.0, "its size"), 75.0, waiting)


def test_history_keeps_databases_apart_and_only_the_newest_debt():
    told = gather([values(days_ago=2, transactions=10, relations=[row(HOSTILE, 1.5), row("public.u", 9, status="failed")],
                          debt=[owed("public.v", 1)]),
                   values(days_ago=1, transactions=20, debt=[owed("public.w", 2)]), values(days_ago=1, transactions=5, database="other"),
                   {"database": {"name": "inspected"}}, {"maintenance": {"of": "another version"}}], samples=5)
    found = History.from_option(told, "7/shop")
    assert found.samples == (Sample(HOSTILE, "vacuum", 8192, 1.5),)
    assert found.waiting == {("public.w", "vacuum"): Waiting(2, "2026-01-01T00:00:00.000Z", 0.0)}
    assert [count.transactions for count in found.counts] == [10, 20]
    assert History.from_option(told, "8/shop") == History.from_option(None, "7/shop") == History()


def test_history_keeps_the_newest_durations_of_each_piece_of_work_in_their_order():
    told = gather([values(days_ago=9 - number, transactions=number, relations=[row("public.t", number), row("public.u", 10 + number)])
                   for number in range(5)], samples=2)
    assert [(one["relation"], one["seconds"]) for one in told["7/shop"]["samples"]] == [
        ("public.t", 3), ("public.u", 13), ("public.t", 4), ("public.u", 14)]


@pytest.mark.parametrize("option", [{"7/shop": {"samples": [{"relation": "t"}]}}, {"7/shop": ["x"]}, {"7/shop": {"counts": [
    {"at": "yesterday", "transactions": 1}]}}, {"7/shop": {"waiting": [{"relation": "t", "action": "", "runs": 1, "since": ""}]}}])
def test_a_history_that_nobody_recorded_is_refused(option):
    with pytest.raises(InvalidOption) as error:
        History.from_option(option, "7/shop")
    assert error.value.message.startswith("history: ") and error.value.hint


def test_the_rate_is_that_since_the_oldest_count_that_can_be_true():
    history = History(counts=(Count(NOW - timedelta(days=3), 999), Count(NOW - timedelta(days=2), 100), Count(NOW - timedelta(days=1), 150),
                              Count(NOW + timedelta(days=1), 0)))
    assert history.rate(NOW, 100 + 2 * DAY) == (1.0, 2 * DAY)  # the first is ahead of now: the server was restored since
    assert History().rate(NOW, 5) is None and History(counts=(Count(NOW, 1),)).rate(NOW, 5) is None


def test_the_rate_of_multixacts_passes_over_counts_that_do_not_have_them():
    history = History(counts=(Count(NOW - timedelta(days=3), 1), Count(NOW - timedelta(days=2), 1, 100),
                              Count(NOW - timedelta(days=1), 1, 200)))
    assert history.rate(NOW, 100 + 4 * DAY, of="multixacts") == (2.0, 2 * DAY)
    told = {"7/shop": {"counts": [{"at": format_instant(one.at), "transactions": 1, "multixacts": one.multixacts}
                                  for one in history.counts]}}
    assert History.from_option(told, "7/shop").counts == history.counts


@pytest.mark.parametrize("left, rates, seconds, words", [
    ({"transactions": 190 * DAY}, {"transactions": (10.0, 14 * DAY)}, 19 * DAY,
     "at the rate of transactions in the last 14d it forces an anti-wraparound vacuum in 19d"),
    ({"transactions": 190 * DAY, "multixacts": 4 * DAY}, {"transactions": (10.0, DAY), "multixacts": (2.0, DAY)}, 2 * DAY,
     "at the rate of multixacts in the last 1d it forces an anti-wraparound vacuum in 2d"),
    ({"transactions": 190 * DAY, "multixacts": 4}, {"transactions": (10.0, 14 * DAY), "multixacts": None}, 19 * DAY, "of transactions in"),
    ({"transactions": 5, "multixacts": 0}, {}, 0.0, "is forced on it by now"),
    ({"transactions": 0}, {}, 0.0, "is forced on it by now"),
    ({"transactions": 500}, {"transactions": None}, None, "in 500 transactions; when that is, two runs will tell"),
    ({"transactions": 500}, {"transactions": (0.0, DAY)}, None, "there was none in the last 1d"), ({}, {}, None, ""),
])
def test_the_forecast_says_when_and_by_which_rate_and_what_it_does_not_know(left, rates, seconds, words):
    found = forecast_forced(left, rates)
    assert found[0] == seconds and words in found[1] and bool(words) == bool(found[1])


def test_a_debt_grows_older_and_is_a_failure_when_the_server_will_soon_do_it_unasked():
    history = History(counts=(Count(NOW - timedelta(days=1), 0),))
    debt = incur(step(Waiting(2, "2026-01-10T00:00:00.000Z", 30.0)), "no room", "make room", history, at=format_instant(NOW), now=NOW,
                 server=Server("7", "shop", DAY), left={"transactions": 5 * DAY})
    assert (debt.waiting, debt.forced_seconds) == (Waiting(3, "2026-01-10T00:00:00.000Z", 30.0), 5 * DAY)
    assert debt.as_dict()["runs"] == 3 and debt.as_dict()["forced_seconds"] == 5 * DAY
    skip = debt.as_skip(forced_within=7 * DAY)
    assert skip.urgent and "left 3 runs in a row, since 2026-01-10" in skip.reason and "anti-wraparound vacuum in 5d" in skip.reason
    assert not debt.as_skip(forced_within=4 * DAY).urgent
    first = incur(step(urgent=True), "no room", "", History(), at="now", now=NOW, server=Server("7", "shop", 1), left={}, tried_seconds=5.0)
    assert first.waiting == Waiting(1, "now", 5.0) and first.as_skip(forced_within=0).urgent
