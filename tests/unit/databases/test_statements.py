# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Statements between runs: redaction, shapes of plans, what became slower. Pure."""

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import InvalidOption
from ansible_collections.evenkeel.ops.plugins.module_utils.core.redaction import redact_message, redact_sql
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.plans import plan_evidence, plan_shape
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.regressions import RegressionPolicy, compare, judge_regressions
from hypothesis import given
from hypothesis import strategies as st

POLICY = {"window": "30d", "times": {"warn": 2, "fail": 5}, "cost_times": {"warn": 10}, "least_calls": 20, "least_rise": "5ms",
          "without_history": "warn"}


@pytest.mark.parametrize("text, redacted", [
    ("SELECT * FROM t1 WHERE a = 'it''s' AND b = 12.5e3", "SELECT * FROM t1 WHERE a = ? AND b = ?"),
    (r"SELECT E'a\'b', 'C:\', 'secret'", "SELECT E?, ?, ?"),
    ("SELECT $1, $$se\ncret$$, $x$ 'y $x$, \"a 1\"\"\"", 'SELECT $1, ?, ?, "a 1"""'),
    ("ALTER ROLE app PASSWORD 'hunter2", "ALTER ROLE app PASSWORD ?"),
    ("SELECT 1 -- it's secret\n, 2 /* and 'this */", "SELECT ? , ?"),
    ("SELECT U&'d\\0061t', b'101', x'1F', N'n', .5, a1.b2", "SELECT U&?, b?, x?, N?, ?, a1.b2"),
    ("SELECT\t\x1b[31m 数", "SELECT ?[? 数"),
])
def test_no_value_is_left(text, redacted):
    assert redact_sql(text) == redacted


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=40), st.sampled_from(["'", "E'", "$$", "$q$"]))
def test_a_secret_in_any_quotes_is_gone(secret, quote):
    inside = {"'": secret.replace("'", "''"), "E'": secret.replace("\\", "\\\\").replace("'", "\\'"),
              "$$": secret.replace("$", ""), "$q$": secret.replace("$", "")}[quote]
    end = quote.removeprefix("E")
    marked = f"SELECT a FROM t WHERE b = {quote}hunter{inside}two{end} AND c = d"
    kept = "E" if quote == "E'" else ""
    assert redact_sql(marked) == f"SELECT a FROM t WHERE b = {kept}? AND c = d"


@given(st.text(max_size=300))
def test_any_text_is_one_printable_line(text):
    for redacted in (redact_sql(text), redact_message(text, keep_names=True)):
        assert len(redacted) <= 200 and not any(ord(sign) < 32 or 127 <= ord(sign) < 160 for sign in redacted)


def test_messages_keep_names_only_where_they_are_names():
    assert redact_message('invalid input syntax for type integer: "4711"', keep_names=False) == \
        'invalid input syntax for type integer: "?"'
    assert redact_message('duplicate key value violates unique constraint "users_pkey"', keep_names=True).endswith('"users_pkey"')


PLAN = {"Node Type": "Hash Join", "Join Type": "Left", "Total Cost": 12.5, "Plans": [
    {"Node Type": "Seq Scan", "Relation Name": "orders", "Filter": "(secret = 'x')"},
    {"Node Type": "Hash", "Plans": [{"Node Type": "Index Scan", "Relation Name": "users", "Index Name": "users_pkey"}]}]}


def test_the_shape_has_no_values_and_no_costs():
    assert plan_shape(PLAN) == "Hash Join Left(Seq Scan on orders, Hash(Index Scan using users_pkey on users))"
    dearer = {**PLAN, "Total Cost": 99.0}
    assert plan_evidence(PLAN)["digest"] == plan_evidence(dearer)["digest"] and plan_evidence(dearer)["cost"] == 99.0
    deep = {"Node Type": "Append", "Total Cost": 1.0, "Plans": [{"Node Type": "Seq Scan", "Relation Name": f"p{n}"} for n in range(99)]}
    assert len(plan_evidence(deep)["shape"]) == 300
    assert plan_evidence(deep)["digest"] != plan_evidence({**deep, "Plans": deep["Plans"][:-1]})["digest"]


def snapshot(calls, milliseconds, *, reset="a", plan=None, queryid="42"):
    return {"target": "shop", "reset_at": reset, "installed": True,
            "top": [{"queryid": queryid, "text": "SELECT ?", "calls": calls, "milliseconds": milliseconds, "plan": plan}]}


def judged(now, earlier, **policy):
    read = RegressionPolicy.from_options({**POLICY, **policy})
    changes = compare(now, earlier, read)
    return {finding.check.removeprefix("database."): finding for finding in judge_regressions("shop", changes, read, history=bool(changes))}


@pytest.mark.parametrize("now, earlier, status", [
    (snapshot(200, 7000), [snapshot(100, 1000)], "fail"),                                # 10 ms, then 60
    (snapshot(200, 4000), [snapshot(100, 1000)], "warn"),                                # 10 ms, then 30
    (snapshot(200, 2500), [snapshot(100, 1000)], "pass"),                                # 10 ms, then 15
    (snapshot(200, 1400), [snapshot(100, 100)], "fail"),                                 # 1 ms, then 13
    (snapshot(200, 400), [snapshot(100, 100)], "pass"),                                  # 1 ms, then 3: less than 5 ms more
    (snapshot(110, 9000), [snapshot(100, 1000)], "pass"),                                # ten calls say nothing
    (snapshot(200, 7000), [snapshot(10, 100)], "pass"),                                  # and ten before do not, either
    (snapshot(50, 3000, reset="b"), [snapshot(100, 1000)], "fail"),                      # reset in between: 60 ms since
    (snapshot(50, 3000), [snapshot(100, 1000)], "fail"),                                 # thrown out and come again
    (snapshot(400, 13000), [snapshot(100, 1000), snapshot(200, 7000), snapshot(300, 8000)], "warn"),  # 10, 60, 10; now 50: median 10
])
def test_what_became_slower(now, earlier, status):
    finding = judged(now, earlier)["statement_regression"]
    assert finding.status == status, finding


def test_a_regression_says_before_after_and_limit():
    finding = judged(snapshot(200, 7000), [snapshot(100, 1000)])["statement_regression"]
    assert finding.subject == "shop: query 42" and (finding.observed, finding.limit, finding.unit) == (60.0, 50.0, "ms")
    assert "takes 60ms in the mean (100 calls), before it took 10ms, over the limit of 5 times" in finding.message
    assert "queryid = 42" in finding.hint


def plan(shape, cost):
    return {"digest": shape, "shape": shape, "cost": cost}


def test_another_plan_that_is_dearer_is_named():
    before, after = snapshot(100, 100, plan=plan("Index Scan", 8.0)), snapshot(200, 200, plan=plan("Seq Scan", 900.0))
    finding = judged(after, [before, snapshot(150, 150)])["plan_regression"]
    assert finding.status == "warn" and "planned as Index Scan (cost 8), and is now as Seq Scan (cost 900)" in finding.message
    assert (finding.observed, finding.limit) == (900.0, 80.0)
    same_shape = snapshot(200, 200, plan=plan("Index Scan", 900.0))
    assert judged(same_shape, [before])["plan_regression"].status == "pass"
    assert judged(snapshot(200, 200), [before])["plan_regression"].status == "pass"
    slower = judged(snapshot(200, 9000, plan=plan("Seq Scan", 9.0)), [before])["statement_regression"]
    assert "its plan was Index Scan and is Seq Scan" in slower.message


def test_without_history_the_policy_decides():
    assert judged(snapshot(1, 1), [])["statement_regression"].status == "warn"
    assert judged(snapshot(1, 1), [], without_history="ignore") == {}
    assert judged(snapshot(1, 1), [], times={}, cost_times={}) == {}


@given(st.lists(st.tuples(st.integers(0, 10 ** 6), st.floats(0, 10 ** 9), st.sampled_from("ab")), min_size=1, max_size=8))
def test_no_interval_is_negative(rows):
    snapshots = [snapshot(calls, milliseconds, reset=reset) for calls, milliseconds, reset in rows]
    for change in compare(snapshots[-1], snapshots[:-1], RegressionPolicy.from_options(POLICY)):
        assert change.calls >= 0 and (change.before is None or change.before >= 0) and (change.after is None or change.after >= 0)


@pytest.mark.parametrize("change", [{"times": {"warn": 5, "fail": 2}}, {"least_rise": "-5ms"}, {"window": "soon"}, {"factor": 2},
                                    {"without_history": "pass"}])
def test_what_cannot_be_meant_is_refused(change):
    with pytest.raises(InvalidOption):
        RegressionPolicy.from_options({**POLICY, **change})
