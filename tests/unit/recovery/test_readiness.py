# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Readiness falls as evidence ages, and is never whole without a drill: properties of pure functions."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import format_instant
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import InvalidOption
from ansible_collections.evenkeel.ops.plugins.module_utils.recovery.readiness import (
    AGEING,
    PARTS,
    Evidence,
    Objectives,
    ReadinessPolicy,
    evidence_of,
    judge_readiness,
    objectives_by_plan,
    score,
)
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.backups import conftest

backup = conftest.backup  # a fixture
NOW = datetime(2026, 1, 15, 12, tzinfo=timezone.utc)
DAY = 86400.0
GIVEN = {"weights": dict.fromkeys(PARTS, 1), "half_lives": {"backup": "3d", "verification": "30d", "drill": "60d"}, "warn": 80, "fail": 60}
POLICY = ReadinessPolicy.from_options(GIVEN)

AGES = st.one_of(st.none(), st.floats(0, 3e9))
EVIDENCE = st.builds(Evidence, backup=AGES, verification=AGES, drill=AGES, rto=AGES, key=st.sampled_from([None, True, False]), log=AGES)
OBJECTIVES = st.builds(Objectives, rto=st.one_of(st.none(), st.floats(1, 1e6)), rpo=st.one_of(st.none(), st.floats(1, 1e6)))
POLICIES = st.builds(ReadinessPolicy, weights=st.fixed_dictionaries({part: st.floats(1e-6, 1e3) for part in PARTS}),
                     half_lives=st.fixed_dictionaries({part: st.floats(1, 1e8) for part in AGEING}))


@given(EVIDENCE, OBJECTIVES, POLICIES)
def test_it_is_a_percentage_and_never_whole_without_a_drill(evidence, objectives, policy):
    found = score("shop", evidence, objectives, policy)
    assert 0 <= found.score <= 100 and all(0 <= value <= 1 for value in found.parts.values())
    if evidence.drill is None:
        assert found.score < 100 and found.parts["drill"] == 0
    if evidence.backup is None:
        assert found.score == 0


@given(EVIDENCE, OBJECTIVES, POLICIES, st.sampled_from([*AGEING, "rto", "log"]), st.floats(0, 1e9))
def test_it_never_rises_as_evidence_ages(evidence, objectives, policy, part, more):
    before = getattr(evidence, part)
    if before is not None:
        older = replace(evidence, **{part: before + more})
        assert score("shop", older, objectives, policy).score <= score("shop", evidence, objectives, policy).score


@given(EVIDENCE, OBJECTIVES, POLICIES, st.sampled_from(AGEING))
def test_no_evidence_is_never_better_than_old_evidence(evidence, objectives, policy, part):
    assert score("shop", replace(evidence, **{part: None}), objectives, policy).score <= score("shop", evidence, objectives, policy).score


def test_all_fresh_and_met_is_whole_and_a_half_life_halves_a_part():
    fresh = Evidence(backup=0, verification=0, drill=0, rto=100, key=True, log=10)
    assert score("shop", fresh, Objectives(rto=100, rpo=10), POLICY).score == 100
    aged = score("shop", replace(fresh, drill=60 * DAY), Objectives(rto=100, rpo=10), POLICY)
    assert aged.parts["drill"] == pytest.approx(0.5) and aged.score == 91.6 and aged.weakest == "drill"
    assert score("shop", replace(fresh, rto=200), Objectives(rto=100, rpo=10), POLICY).parts["rto"] == 0.5


def test_what_does_not_apply_is_left_out_and_what_is_not_known_is_nothing():
    seen = Evidence(backup=0, verification=0, drill=0)
    assert score("shop", seen, Objectives(), POLICY).parts == {"backup": 1, "verification": 1, "drill": 1}
    assert score("shop", seen, Objectives(rto=10), POLICY).parts["rto"] == 0
    assert score("shop", replace(seen, key=False), Objectives(), POLICY).score == 75


def test_the_finding_says_what_is_weak_and_what_to_do():
    weak = judge_readiness(score("shop", Evidence(backup=DAY, verification=DAY), Objectives(), POLICY), POLICY)
    assert weak.status.value == "fail" and "drill never; weakest: drill" in weak.message and "recovery.drill" in weak.hint
    good = judge_readiness(score("shop", Evidence(backup=3600, verification=3600, drill=5 * DAY), Objectives(), POLICY), POLICY)
    assert good.status.value == "pass" and good.observed > 95
    none = judge_readiness(score("shop", Evidence(), Objectives(), POLICY), POLICY)
    assert none.status.value == "fail" and none.message == "there is no usable backup"


def test_the_records_are_read_as_they_stand(backup):
    old = backup(NOW - timedelta(days=2), verified=True, number=1)
    drilled = {"kind": "drill", "status": "pass", "at": format_instant(NOW - timedelta(days=1)), "drill": {"rto_seconds": 42.5}}
    one = replace(old, verifications=(*old.verifications, drilled))
    new = backup(NOW - timedelta(hours=1), number=2)
    assert evidence_of([one, new], NOW, key=None, log=None) == Evidence(backup=3600, verification=DAY, drill=DAY, rto=42.5)
    failed = replace(new, verifications=({"kind": "drill", "status": "fail", "at": format_instant(NOW)},))
    assert evidence_of([one, failed], NOW, key=True, log=5.0) == Evidence(backup=2 * DAY, verification=DAY, key=True, log=5.0)
    assert evidence_of([], NOW, key=None, log=None) == Evidence()
    assert evidence_of([new], NOW - timedelta(days=1), key=None, log=None).backup == 0, "a wrong clock makes nothing younger than new"


def test_objectives_of_a_plan_are_its_own_and_else_those_of_all():
    read = objectives_by_plan({"rto": "4h", "rpo": "15m"}, {"shop": {"rto": "1h"}, "files": {"rpo": None}})
    assert read[""] == Objectives(14400, 900) and read["shop"] == Objectives(3600, 900) and read["files"] == Objectives(14400, None)


@pytest.mark.parametrize("by_plan, said", [
    ({"shop": {"rtt": "1h"}}, "objectives.shop"), ({"shop": "1h"}, "objectives.shop"), ({"shop": {"rto": "soon"}}, "objectives.shop.rto"),
    ({"shop": {"rpo": "0s"}}, "never met"), ({"shop": {"rpo": "-1h"}}, "objectives.shop.rpo"),
])
def test_objectives_that_make_no_sense_are_refused(by_plan, said):
    with pytest.raises(InvalidOption) as error:
        objectives_by_plan({}, by_plan)
    assert said in error.value.message and error.value.hint


@pytest.mark.parametrize("change, said", [
    ({"weights": {"backup": 1}}, "missing"), ({"weights": {**GIVEN["weights"], "luck": 1}}, "'luck' is unknown"),
    ({"weights": {**GIVEN["weights"], "drill": 0}}, "weights.drill"), ({"weights": {**GIVEN["weights"], "drill": "much"}}, "weights.drill"),
    ({"weights": {**GIVEN["weights"], "drill": True}}, "weights.drill"),
    ({"half_lives": {**GIVEN["half_lives"], "drill": "0s"}}, "half_lives.drill"),
    ({"half_lives": {**GIVEN["half_lives"], "drill": "-3d"}}, "half_lives.drill"), ({"warn": 101}, "warn"), ({"fail": -1}, "fail"),
])
def test_a_policy_that_makes_no_sense_is_refused_with_a_hint(change, said):
    with pytest.raises(InvalidOption) as error:
        ReadinessPolicy.from_options({**GIVEN, **change})
    assert said in error.value.message and error.value.hint
