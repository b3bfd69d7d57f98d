# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Self time, roots, counts and limits of traces, with plain values."""

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import InvalidOption
from ansible_collections.evenkeel.ops.plugins.module_utils.monitoring.trace_judge import TracePolicy, TraceTally, judge
from ansible_collections.evenkeel.ops.plugins.module_utils.monitoring.trace_spans import Span, read_trace, self_seconds
from hypothesis import given
from hypothesis import strategies as st


def raw(identity, *spans):
    """Spans as tuples: id, parent, service, operation, begin and duration in ms, tags."""
    services = sorted({span[2] for span in spans})
    return {"traceID": identity, "processes": {f"p{services.index(one)}": {"serviceName": one} for one in services}, "spans": [
        {"traceID": identity, "spanID": one[0], "operationName": one[3], "startTime": 1768471200_000_000 + one[4] * 1000,
         "duration": one[5] * 1000, "processID": f"p{services.index(one[2])}",
         "references": [{"refType": "CHILD_OF", "traceID": identity, "spanID": one[1]}] if one[1] else [],
         "tags": [{"key": key, "value": value} for key, value in (one[6] if len(one) > 6 else {}).items()]} for one in spans]}


def judged(traces, limits, *, services=("shop",), unread=(), slow_after=1.0):
    tally = TraceTally(slow_after)
    tally.add(map(read_trace, traces))
    return tally, {(one.check.removeprefix("monitoring."), one.subject): one for one in
                   judge(tally, TracePolicy.from_options(limits), services, dict(unread), 3600)}


SLOW = raw("a", ("1", "", "shop", "GET /", 0, 2000), ("2", "1", "cart", "load", 100, 1800), ("3", "2", "db", "SELECT", 200, 500),
           ("4", "2", "db", "SELECT", 400, 1200), ("5", "1", "shop", "render", 1900, 50))


def test_the_slowest_span_is_the_one_with_most_self_time():
    trace = read_trace(SLOW)
    assert trace.root.operation == "GET /" and trace.seconds == pytest.approx(2.0) and not trace.incomplete
    alone = {span.id: self_seconds(span, trace.spans) for span in trace.spans}
    assert alone == pytest.approx({"1": 0.15, "2": 0.4, "3": 0.5, "4": 1.2, "5": 0.05}, abs=1e-5)  # queries overlap
    assert trace.slowest[0].id == "4"


@given(st.lists(st.tuples(st.floats(-5, 15), st.floats(0, 10)), max_size=12))
def test_self_time_is_what_no_child_covers(children):
    parent = Span("p", "", "s", "o", 0.0, 10.0, False)
    spans = [parent, *(Span(str(number), "p", "s", "o", begin, seconds, False) for number, (begin, seconds) in enumerate(children))]
    alone = self_seconds(parent, spans)
    ticks = [number / 100 + 0.005 for number in range(1000)]
    counted = sum(not any(begin <= tick < begin + seconds for begin, seconds in children) for tick in ticks) / 100
    assert alone == pytest.approx(counted, abs=0.02 * (len(children) + 1)) and 0 <= alone <= 10


def test_slow_traces_errors_and_missing_parents():
    quick = [raw(f"q{number}", ("1", "", "shop", "GET /", 0, 100)) for number in range(7)]
    failed = raw("f", ("1", "", "shop", "GET /", 0, 100), ("2", "1", "db", "SELECT", 0, 50, {"error": True}))
    status = raw("g", ("1", "", "shop", "GET /", 0, 100, {"otel.status_code": "ERROR"}))
    torn = raw("t", ("2", "gone", "shop", "GET /", 0, 100))
    limits = {"slow_traces": {"warn": 0}, "slow_percent": {"fail": 5}, "error_percent": {"warn": 5}, "incomplete_percent": {"fail": 5},
              "p95": {"shop GET /": {"fail": "1s"}, "db": {"warn": "1s"}, "*": {"fail": "10s"}}}
    tally, found = judged([*quick, SLOW, SLOW, failed, status, torn], limits, services=("shop", "db", "cart"))
    assert tally.traces == {"shop": 11, "db": 2, "cart": 1} and tally.slow == {"shop": 1} and len(tally) == 11
    assert found["trace_slow", "shop"].status == "fail" and "in db: SELECT" in found["trace_slow", "shop"].hint
    assert found["trace_slow", "db"].status == "pass" and found["trace_errors", "shop"].status == "warn"
    assert found["trace_errors", "db"].observed == 50 and found["trace_incomplete", "shop"].status == "fail"
    assert found["trace_p95", "shop: GET /"].status == "fail" and found["trace_p95", "db: SELECT"].status == "warn"
    assert found["trace_p95", "cart: load"].status == "pass"
    values = tally.values()
    assert values["slowest"][0]["slowest_operation"] == "SELECT" and values["slowest"][0]["self_seconds"] == 1.2
    assert values["operations"][0]["p95_ms"] == 2000 and len(values["slowest"]) == 1


def test_nothing_is_never_a_pass():
    _tally, found = judged([], {"slow_traces": {"fail": 0}})
    assert found["traces", "shop"].status == "unknown" and len(found) == 1
    _tally, found = judged([], {}, services=())
    assert found["traces", "all services"].status == "unknown"
    _tally, found = judged([SLOW], {"slow_traces": {"fail": 0}}, unread={"shop": ("a part only", "ask for less")}.items())
    assert [(one.status, one.message) for one in found.values()] == [("unknown", "a part only")]
    _tally, found = judged([], {"silent": "warn"})
    assert found["traces", "shop"].status == "warn"


def test_what_is_said_leads_to_the_trace():
    tally = TraceTally(1)
    torn, failed = raw("t/../x", ("2", "gone", "shop", "GET /", 0, 100)), raw("f", ("1", "", "shop", "POST /", 0, 100, {"error": True}))
    tally.add(map(read_trace, [SLOW, torn, failed]))
    limits = {"slow_percent": {"warn": 1}, "error_percent": {"warn": 1}, "incomplete_percent": {"warn": 1}, "p95": {"*": {"fail": "1s"}}}
    found = {(one.check.removeprefix("monitoring."), one.subject): one for one in judge(
        tally, TracePolicy.from_options(limits), ["shop", "shp"], {}, 3600, known=["shop", "db"], address="http://jaeger:16686")}
    assert found["trace_slow", "shop"].hint.endswith("in db: SELECT. Open http://jaeger:16686/trace/a")
    assert "(1 of 3)" in found["trace_slow", "shop"].message
    assert found["trace_errors", "shop"].hint == "Errors: 1\u00d7 POST /. Open http://jaeger:16686/trace/f"
    assert found["trace_incomplete", "shop"].hint.endswith("/trace/t%2F..%2Fx")
    assert found["trace_p95", "shop: GET /"].hint.endswith("(2 s) is. Open http://jaeger:16686/trace/a")
    assert "never had a span of it" in found["traces", "shp"].hint and "db, shop" in found["traces", "shp"].hint


@pytest.mark.parametrize("wrong", [{"nonsense": 1}, {"slow_traces": 5}, {"p95": {"a": {"fail": "-1s"}}}, {"p95": 5}, {"silent": "pass"},
                                   {"slow_percent": {"warn": 200}}, {"p95": {"a": {"warn": "2s", "fail": "1s"}}}])
def test_policies_are_read_strictly(wrong):
    with pytest.raises(InvalidOption):
        TracePolicy.from_options(wrong)


def test_what_is_no_trace_is_passed_over():
    for wrong in ({}, {"spans": None}, {"spans": [{}]}, {"traceID": "x", "spans": [{"spanID": "1", "startTime": "soon", "duration": 1}]},
                  {"traceID": "x", "spans": [5]}):
        assert read_trace(wrong) is None
    assert read_trace(raw("x", ("1", "1", "shop", "o", 0, 5))).root.id == "1"  # a span that says to be its own parent
    hostile = read_trace(raw("x", ("1", "", "shop\x1b[31m", "o\n\u202e", 0, 5000)))
    tally = TraceTally(1)
    tally.add([hostile])
    assert tally.values()["slowest"][0]["operation"].isprintable()
