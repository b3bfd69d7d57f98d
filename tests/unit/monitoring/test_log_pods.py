# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which runs of a container are read, and what is lost."""

from __future__ import annotations

import json

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.monitoring.log_pods import Container, Place, containers_of, gone, plan

SINCE = 1_768_500_000.0


def pod(**status):
    return {"metadata": {"uid": "u", "name": "shop-1", "namespace": "production"}, "status": status}


def state(name="web", count=0, current="c9", former="", **more):
    last = {"terminated": {"containerID": former, "startedAt": "2026-01-15T12:00:00Z"}} if former else {}
    return {"name": name, "restartCount": count, "containerID": current, "state": {"running": {}}, "lastState": last, **more}


def test_containers_are_those_that_have_run():
    told = list(containers_of(pod(
        initContainerStatuses=[state("migrate", current="m", state={"terminated": {"exitCode": 0}})],
        containerStatuses=[state(), state("side", state={"waiting": {"reason": "ContainerCreating"}}),
                           state("crash", 3, former="c3", state={"waiting": {"reason": "CrashLoopBackOff"}}),
                           state("again", 2, "c2", "c1")])))
    assert [(one.name, one.current, one.former, one.ended) for one in told] == [
        ("migrate", "m", "", True), ("web", "c9", "", False), ("crash", "c3", "", True), ("again", "c2", "c1", False)]
    assert [one.key for one in containers_of(pod(containerStatuses=[state(), state("side")]), ["side"])] == ["u/side"]
    assert not list(containers_of(pod(phase="Pending"))) and not list(containers_of({"metadata": {"uid": "u"}}))


def container(count, *, former="", ended=False, began=0.0):
    return Container("u/web", "shop-1", "web", "production", count, f"c{count}", former, ended, began)


@pytest.mark.parametrize("place, one, runs, lost", [
    (None, container(0), [(False, "c0", "", SINCE)], False),
    (None, container(1, former="c0"), [(True, "c0", "", SINCE), (False, "c1", "", SINCE)], False),
    (None, container(2, former="c1", began=SINCE - 1), [(True, "c1", "", SINCE), (False, "c2", "", SINCE)], False),
    (None, container(2, former="c1", began=SINCE + 1), [(True, "c1", "", SINCE), (False, "c2", "", SINCE)], True),
    (Place(since=7.0), container(0), [(False, "c0", "", 7.0)], False),  # it could not be read before
    (Place("c0", 0, "t", 1), container(0), [(False, "c0", "t", None)], False),
    (Place("c0", 0, "t", 1, ended=True), container(0, ended=True), [], False),
    (Place("c0", 0, "t", 1), container(1, former="c0"), [(True, "c0", "t", None), (False, "c1", "", None)], False),
    (Place("c0", 0, "t", 1, ended=True), container(1, former="c0"), [(False, "c1", "", None)], False),
    (Place("c0", 0, "t", 1), container(2, former="c1"), [(True, "c1", "", None), (False, "c2", "", None)], True),
    (Place("c0", 0, "t", 1, ended=True), container(2, former="c1"), [(True, "c1", "", None), (False, "c2", "", None)], False),
    (Place("c0", 0, "t", 1, ended=True), container(3, former="c2"), [(True, "c2", "", None), (False, "c3", "", None)], True),
    (Place("c0", 0, "t", 1), container(1), [(False, "c1", "", None)], True),  # nothing is kept of its former run
])
def test_runs_are_read_from_where_they_were_left_and_what_nobody_keeps_is_lost(place, one, runs, lost):
    planned, told = plan(one, place, since=SINCE)
    assert [(run.previous, run.place.id, run.place.last, run.place.since) for run in planned] == runs
    assert bool(told) == lost
    assert all(run.over for run in planned if run.previous)


def test_a_container_that_went_away_is_lost_unless_it_was_read_to_its_end():
    places = {"a/web": Place("c0"), "b/job": Place("c0", ended=True), "c/web": Place("c0")}
    assert gone(places, {"c/web"}) == ["a/web"]


def test_a_place_is_kept_as_it_is_and_a_damaged_one_is_none():
    place = Place("c0", 2, "2026-01-15T12:00:00.000000001Z", 3, 5.5, True, False)
    assert Place.of(json.loads(json.dumps(place.kept()))) == place
    for damaged in (None, {}, [], {**place.kept(), "same": "many"}, {**place.kept(), "since": []}):
        assert Place.of(damaged) is None
