# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was counted, judged by limits; with plain values."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import InvalidOption
from ansible_collections.evenkeel.ops.plugins.module_utils.monitoring.log_entries import Entry
from ansible_collections.evenkeel.ops.plugins.module_utils.monitoring.log_judge import LogPolicy, LogTally, Reading, judge, words_of
from ansible_collections.evenkeel.ops.plugins.module_utils.monitoring.pipelines import Arrival, judge_arrival

NOW = datetime(2026, 1, 15, 12, tzinfo=timezone.utc)
AT = NOW.timestamp()


def entry(form, level="ERROR", at=AT, markers=()):
    return Entry(level, markers, at, form, f"id {form}")


def judged(entries, limits, *, hours=1.0, reading=None, known=None, since=None, compared=True):
    tally = LogTally(since, known or {})
    tally.add(entries)
    found = judge(tally, reading or Reading(bytes=1), LogPolicy.from_options(limits), "shop", seconds=3600 * hours, compared=compared)
    return tally, {(one.check.removeprefix("monitoring."), one.subject): one for one in found}


def test_rates_are_per_hour_and_never_rounded_to_nothing():
    limits = {"levels": {"ERROR": {"warn": 0, "fail": 5}}, "markers": {"SECURITY": {"warn": 0}}}
    _tally, found = judged([entry("a")] * 6, limits)
    assert found["log_level", "shop: ERROR"].status == "fail" and "6\u00d7 a" in found["log_level", "shop: ERROR"].hint
    _tally, found = judged([entry("a")] * 6, limits, hours=0.1)
    assert found["log_level", "shop: ERROR"].observed == 6  # less than an hour counts as one
    _tally, found = judged([entry("a")], limits, hours=24 * 365 * 20)
    assert found["log_level", "shop: ERROR"].status == "warn" and found["log_marker", "shop: SECURITY"].status == "pass"
    tally, found = judged([entry("a", markers=("SECURITY",), level="")], limits)
    assert found["log_marker", "shop: SECURITY"].status == "warn" and tally.levels == {}


def test_new_classes_are_those_that_no_run_has_seen():
    limits = {"new_classes": {"warn": 0, "fail": 1}}
    assert judged([entry("a")], limits, known={"id a": "2026"})[1]["log_new", "shop"].status == "pass"
    assert judged([entry("a"), entry("b")], limits, known={"id a": "2026"})[1]["log_new", "shop"].status == "warn"
    assert judged([entry("a"), entry("b")], limits)[1]["log_new", "shop"].status == "fail"
    assert judged([entry("a")], limits, compared=False)[1]["log_new", "shop"].status == "warn"
    many = [entry(f"form {number}") for number in range(9000)]
    tally, found = judged(many, limits)
    assert found["log_new", "shop"].status == "unknown" and tally.events == 9000 and tally.levels["ERROR"] == 9000
    kept = judged([entry("a")], limits, known={"id old": "2025-12-01T00:00:00.000Z", "id new": "2026-01-14T00:00:00.000Z"})[0]
    assert set(kept.remembered(NOW, 86400 * 30)) == {"id a", "id new"}


def test_what_was_not_read_is_never_a_pass():
    limits = {"levels": {"ERROR": {"fail": 0}}, "silent": "fail"}
    _tally, found = judged([], limits, reading=Reading(unread=[("no disk", "mend it")]))
    assert [(one.status, one.message) for one in found.values()] == [("unknown", "no disk")]
    for reading, status in ((Reading(lost="gone"), "unknown"), (Reading(left=5), "warn"), (Reading(quiet=True), "fail")):
        assert judged([], limits, reading=reading)[1]["log", "shop"].status == status
    ignored = {"silent": "ignore", "unfinished": "ignore", "gap": "ignore"}
    assert judged([], ignored, reading=Reading(lost="gone", left=5, quiet=True))[1]["log", "shop"].status == "pass"
    assert judged([entry("a")], {"each_class": {"fail": 0}})[1]["log_class", "shop: id a"].status == "fail"


def test_what_is_said_leads_to_the_log():
    limits = {"levels": {"ERROR": {"warn": 0}}, "new_classes": {"warn": 0}}
    reading = Reading(left=5 << 20, limit=20 << 30, where="/var/log/shop/*.log")
    _tally, found = judged([entry("a")], limits, reading=reading)
    assert found["log_level", "shop: ERROR"].hint == (
        "Most frequent: 1\u00d7 a (last at 2026-01-15T12:00:00.000Z). Read on in /var/log/shop/*.log")
    assert found["log_new", "shop"].hint.startswith("New: 1\u00d7 ERROR a (last")
    assert found["log", "shop"].message == "it was not read to its end: 5.0 MiB are left for the next run"
    assert "20.0 GiB" in found["log", "shop"].hint
    assert "the rest" in judged([], {}, reading=Reading(left=1, unit=""))[1]["log", "shop"].message
    assert "7 documents" in judged([], {}, reading=Reading(left=7, unit="documents"))[1]["log", "shop"].message
    told = judged([entry("a")], {}, reading=Reading(late=2, late_by=90, cut=1))[1]["log", "shop"].message
    assert told == ("1 events in the last 1h; 2 of them arrived late, with instants up to 1m30s before their turn; "
                    "1 were too long to be looked at whole, and may be of another class")


def test_events_before_the_time_looked_at_are_passed_over_and_those_without_an_instant_are_not():
    tally, _found = judged([entry("a", at=AT - 10), entry("b", at=AT + 10), entry("c", at=None), None], {}, since=AT)
    assert (tally.events, tally.outside) == (2, 1)
    assert [row["form"] for row in tally.values(compared=True)["classes"]] == ["b", "c"]


@pytest.mark.parametrize("wrong", [{"levels": 5}, {"levels": {"ERROR": 5}}, {"levels": {5: {}}}, {"silent": "pass"},
                                   {"new_classes": {"warn": -1}}, {"levels": {"ERROR": {"warn": 9, "fail": 1}}}, {"nonsense": 1}])
def test_policies_are_read_strictly(wrong):
    with pytest.raises(InvalidOption):
        LogPolicy.from_options(wrong)


def test_words():
    assert words_of(["ERROR", "ERROR"], ["SECURITY"]) == ["ERROR", "SECURITY"]
    for wrong in (([], []), ([" "], []), (["a\nb"], [])):
        with pytest.raises(InvalidOption):
            words_of(*wrong)


def test_a_canary_that_was_not_seen_is_unknown():
    assert judge_arrival(Arrival("log", "shop", "c", 1.5, 60)).status == "pass"
    late = judge_arrival(Arrival("log", "shop", "c", None, 60))
    assert late.status == "unknown" and late.check == "monitoring.log_delivery" and late.hint
    assert judge_arrival(Arrival("trace", "x", "c", None, 60, "refused", "look")).status == "unknown"
