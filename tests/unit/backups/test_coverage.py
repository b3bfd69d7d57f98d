# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was read, what to read next, and how sure that makes us: properties of pure functions."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.coverage import (
    SamplePolicy,
    detection,
    evidence,
    judge_coverage,
    measure,
    plan_sample,
    seen_whole_at,
    units,
)
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.manifest import StoredFile
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.repository import Backup
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import format_instant
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import InvalidOption
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.backups.conftest import manifest

NOW = datetime(2026, 1, 15, 12, tzinfo=timezone.utc)
GIVEN = {"sample_share": 5, "sample_bytes": "0", "sample_every": "20h", "damage_share": 0.1, "min_confidence": 99, "max_age": "30d"}


def copy(number: int, sizes: list[int], *, verified_hours_ago: int | None = 0) -> Backup:
    files = tuple(StoredFile(f"{place}.dat", size, "0" * 64, size) for place, size in enumerate(sizes))
    one = manifest(NOW - timedelta(days=100, hours=-number), number=number, files=files)
    records = () if verified_hours_ago is None else (
        {"kind": "verify", "status": "pass", "depth": "full", "at": format_instant(NOW - timedelta(hours=verified_hours_ago))},)
    return Backup(Path("/nowhere") / one.plan / one.id, one, records)


def sampled(backups: list[Backup], policy: SamplePolicy, now: datetime) -> tuple[list[Backup], list]:
    """One run: the backups with what it recorded beside them, and what it read."""
    chosen = plan_sample(backups, policy, now)
    paths: dict[str, list[str]] = {}
    for unit in chosen:
        paths.setdefault(unit.backup.id, []).append(unit.path)
    record = {"kind": "sample", "status": "pass", "at": format_instant(now)}
    return [replace(one, verifications=(*one.verifications, {**record, "files": paths[one.id]})) if one.id in paths else one
            for one in backups], chosen


COPIES = st.lists(st.tuples(st.lists(st.integers(0, 1000), min_size=1, max_size=12), st.integers(0, 2000)), min_size=1, max_size=6).map(
    lambda rows: [copy(number, sizes, verified_hours_ago=hours) for number, (sizes, hours) in enumerate(rows)])


@settings(deadline=None)  # a run of many rounds
@given(COPIES, st.floats(0.05, 1))
def test_every_file_has_its_turn_and_the_oldest_first(backups, share):
    policy = SamplePolicy(share=share)
    before, now, seen, runs = {(one.backup.id, one.path) for one in units(backups)}, NOW, set(), 0
    while seen != before:
        now += timedelta(days=1)
        instants = {(one.backup.id, one.path): one.seen_at for one in units(backups)}
        backups, chosen = sampled(backups, policy, now)
        assert chosen, "there is always something to read again"
        left = [instant for key, instant in instants.items() if key not in {(one.backup.id, one.path) for one in chosen}]
        assert all(one.seen_at <= min(left, default=one.seen_at) for one in chosen)
        seen |= {(one.backup.id, one.path) for one in chosen}
        runs += 1
        assert runs <= len(before), "each run reads at least one that was not read yet"


@given(COPIES, st.integers(1, 5000))
def test_the_budget_is_kept_but_for_a_single_file_that_is_larger(backups, size):
    chosen = plan_sample(backups, SamplePolicy(bytes=size), NOW)
    assert chosen and (sum(one.bytes for one in chosen) <= size or len(chosen) == 1)


@given(COPIES)
def test_nothing_is_read_again_where_nothing_asks_for_it_or_it_was_just_done(backups):
    assert plan_sample(backups, SamplePolicy(), NOW) == []
    policy = SamplePolicy(share=0.3, every=20 * 3600)
    again, chosen = sampled(backups, policy, NOW)
    old = [unit for unit in units(backups) if NOW - unit.seen_at >= timedelta(hours=20)]
    assert bool(chosen) == bool(old) and all(unit in old for unit in chosen)
    assert not chosen or plan_sample(again, policy, NOW + timedelta(hours=19)) == []
    assert plan_sample(again, policy, NOW + timedelta(hours=21)) != []


def test_what_was_never_read_or_has_failed_is_no_matter_for_a_sample():
    new = copy(1, [5, 5], verified_hours_ago=None)
    bad = copy(2, [5, 5])
    bad = replace(bad, verifications=(*bad.verifications, {"kind": "verify", "status": "fail", "at": format_instant(NOW)}))
    assert plan_sample([new, bad], SamplePolicy(share=1), NOW) == []
    assert seen_whole_at(new) is None


def test_a_sample_is_evidence_for_what_it_names_and_for_nothing_else():
    one = copy(1, [5, 5, 5], verified_hours_ago=48)
    record = {"kind": "sample", "status": "pass", "at": format_instant(NOW), "files": ["1.dat", "elsewhere"]}
    two = replace(one, verifications=(*one.verifications, record))
    assert evidence(two)["1.dat"] == NOW and set(evidence(two)) == {"0.dat", "1.dat", "2.dat"}
    assert seen_whole_at(two) == NOW - timedelta(hours=48) and two.verified_at == NOW - timedelta(hours=48)
    for harm in ({"files": None}, {"files": "1.dat"}, {"status": "unknown"}):
        assert evidence(replace(one, verifications=(*one.verifications, {**record, **harm})))["1.dat"] == NOW - timedelta(hours=48)


def test_a_part_that_an_engine_read_is_no_evidence_for_the_whole():
    one = manifest(NOW - timedelta(days=9), files=(), native={"repository": "/r", "name": "n", "bytes": 10})
    part = Backup(Path("/nowhere") / one.plan / one.id, one,
                  ({"kind": "verify", "status": "pass", "depth": "part 3 of 10", "at": format_instant(NOW)},))
    assert evidence(part) == {} and measure("shop", [part], SamplePolicy(), NOW).confidence == 0
    assert [unit.path for unit in plan_sample([part], SamplePolicy(share=1), NOW)] == [""]


@given(st.integers(1, 9), st.data())
def test_detection_is_what_counting_all_draws_gives(total, data):
    read, damaged = data.draw(st.integers(0, total)), data.draw(st.integers(0, total))
    draws = list(itertools.combinations(range(total), read))
    assert detection(total, read, damaged) == pytest.approx(sum(any(one < damaged for one in draw) for draw in draws) / len(draws))


@given(st.integers(1, 5000), st.data())
def test_more_reading_makes_surer_and_never_less_sure_than_with_replacement(total, data):
    read, damaged = data.draw(st.integers(0, total - 1)), data.draw(st.integers(1, total))
    sure = detection(total, read, damaged)
    assert 0 <= sure <= detection(total, read + 1, damaged) + 1e-12 and detection(total, total, damaged) == 1
    assert sure >= 1 - (1 - damaged / total) ** read - 1e-9


def test_the_figure_of_the_source():
    """Ateniese et al., CCS 2007, section 5.1: with 1% of 10,000 blocks gone, 460 that are asked for show it with 99%."""
    assert detection(10_000, 460, 100) == pytest.approx(0.99, abs=0.002)


def test_confidence_falls_as_evidence_ages_and_is_told():
    policy = SamplePolicy.from_options(GIVEN)
    backups = [copy(number, [10] * 500, verified_hours_ago=24 * number) for number in range(1, 61)]
    sure = [measure("shop", backups, policy, NOW + timedelta(days=days)).confidence for days in range(0, 40, 5)]
    assert sure == sorted(sure, reverse=True) and sure[0] > 0.99 > sure[-1] == 0
    good = judge_coverage(measure("shop", backups, policy, NOW), policy)
    assert good.status.value == "pass" and "damage to 0.1% of the files would have been seen with 100%" in good.message
    poor = judge_coverage(measure("shop", backups, policy, NOW + timedelta(days=40)), policy)
    assert poor.status.value == "warn" and poor.hint and "0 of 30000 files" in poor.message


def test_few_files_are_told_as_what_they_are():
    message = judge_coverage(measure("shop", [copy(1, [10] * 4)], SamplePolicy(), NOW), SamplePolicy()).message
    assert message.startswith("damage to 1 of 4 files would have been seen with 100%: 4 of 4 files")


@pytest.mark.parametrize("change, said", [
    ({"sample_share": -1}, "sample_share"), ({"sample_share": 101}, "sample_share"), ({"damage_share": 0}, "damage_share"),
    ({"min_confidence": 100.5}, "min_confidence"), ({"sample_bytes": "much"}, "sample_bytes"), ({"sample_every": "-1h"}, "sample_every"),
])
def test_a_policy_that_makes_no_sense_is_refused_with_a_hint(change, said):
    with pytest.raises(InvalidOption) as error:
        SamplePolicy.from_options({**GIVEN, **change})
    assert said in error.value.message and error.value.hint
