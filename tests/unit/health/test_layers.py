# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""One root failure is shown once, its followers as followers, and no root is ever hidden."""

from __future__ import annotations

import time

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import InvalidOption
from ansible_collections.evenkeel.ops.plugins.module_utils.core.finding import Finding, Status
from ansible_collections.evenkeel.ops.plugins.module_utils.health.expectations import Complaint
from ansible_collections.evenkeel.ops.plugins.module_utils.health.judge import ServiceLimits, judge_services, judge_targets
from ansible_collections.evenkeel.ops.plugins.module_utils.health.layers import FOLLOWERS, read_foundations, tell_followers
from ansible_collections.evenkeel.ops.plugins.module_utils.health.probe import Sample
from ansible_collections.evenkeel.ops.plugins.module_utils.health.targets import read_targets
from hypothesis import given
from hypothesis import strategies as st

GOOD, BAD = Sample(0.1, 1, 0), Sample(None, 1, 1, (Complaint("refuses connections", hint="Start it"),))
BLIND = Sample(None, 1, 1, (Complaint("no library", hint="Install it"),), blind=True)
LAYERS = ["global", "regional", "service"]


def targets(**described):
    return read_targets([{"name": name, "kind": "redis", "host": "h", **options} for name, options in described.items()])


def told(some, taken, *, layers=(), limits=None, status="warn"):
    rows, probed = judge_targets(some, taken)
    services, figures = judge_services(some, taken, probed, ServiceLimits.from_options(limits))
    rows, probed, services, figures = tell_followers(some, rows, probed, services, figures, read_foundations(some, layers), status)
    return ({row["name"]: row for row in rows}, {one.subject: one for one in probed}, {row["service"]: row for row in services},
            {(one.check, one.subject): one for one in figures})


def test_one_root_is_shown_once_and_what_stands_upon_it_follows():
    some = targets(database={}, cache={}, shop={"depends_on": ["database", "cache"]}, mail={"depends_on": ["shop"]}, zone={})
    limits = {"*": {"availability": {"fail": 99}}}
    taken = {"database": [BAD], "cache": [GOOD], "shop": [BAD], "mail": [BAD], "zone": [BAD]}
    rows, found, services, figures = told(some, taken, limits=limits)
    assert {name: one.status.value for name, one in found.items()} == {
        "database": "fail", "cache": "pass", "shop": "warn", "mail": "warn", "zone": "fail"}
    assert found["shop"].message == "follows database (failed); h:6379: refuses connections" and "database" in found["shop"].hint
    assert found["mail"].message.startswith("follows database (failed)"), "the root, not what lies between"
    assert rows["shop"]["follows"] == ["database"] and rows["shop"]["status"] == "warn" and "follows" not in rows["zone"]
    assert figures["health.availability", "shop"].status is Status.WARN
    assert figures["health.availability", "database"].status is figures["health.availability", "zone"].status is Status.FAIL
    assert (services["shop"]["status"], services["shop"]["follows"]) == ("fail", ["database"]), "it was down, whatever the reason"


def test_a_service_with_a_failure_of_its_own_fails_and_a_name_of_a_service_stands_for_all_its_targets():
    some = targets(one={"service": "db"}, two={"service": "db"}, api={"service": "shop", "depends_on": ["db"]}, page={"service": "shop"})
    limits = {"shop": {"availability": {"fail": 99}}}
    taken = {"one": [GOOD], "two": [BAD], "api": [BAD], "page": [GOOD]}
    _rows, found, _services, figures = told(some, taken, limits=limits)
    assert found["api"].message.startswith("follows two (failed)") and figures["health.availability", "shop"].status is Status.WARN
    _rows, found, services, figures = told(some, {**taken, "page": [BAD]}, limits=limits)
    assert found["page"].status is figures["health.availability", "shop"].status is Status.FAIL and "follows" not in services["shop"]


def test_only_failures_explain():
    some = targets(database={}, optional={"critical": False}, shop={"depends_on": ["database", "optional"]})
    _rows, found, _services, _figures = told(some, {"database": [BLIND], "optional": [BAD], "shop": [BAD]})
    assert [found[name].status.value for name in ("database", "optional", "shop")] == ["unknown", "warn", "fail"]


def test_what_could_not_be_looked_at_stays_unknown_above_a_failure():
    some = targets(database={}, shop={"depends_on": ["database"]})
    _rows, found, _services, _figures = told(some, {"database": [BAD], "shop": [BLIND]})
    assert found["shop"].status is Status.UNKNOWN and "follows" not in found["shop"].message


def test_layers_stand_upon_the_next_lower_one_that_has_targets():
    some = targets(name={"layer": "global"}, vectors={"layer": "service"}, models={"layer": "service"}, page={})
    _rows, found, _services, _figures = told(some, {"name": [BAD], "vectors": [BAD], "models": [GOOD], "page": [BAD]}, layers=LAYERS)
    assert {name: one.status.value for name, one in found.items()} == {"name": "fail", "vectors": "warn", "models": "pass", "page": "fail"}
    some = targets(name={"layer": "global"}, net={"layer": "regional"}, vectors={"layer": "service"})
    _rows, found, _services, _figures = told(some, {"name": [BAD], "net": [GOOD], "vectors": [BAD]}, layers=LAYERS)
    assert found["vectors"].status is Status.FAIL, "what lies between is well: the name explains nothing"


@pytest.mark.parametrize("described, layers, said", [
    ({"a": {"depends_on": ["b"]}}, [], "there is no target or service 'b'"),
    ({"a": {"depends_on": ["-rf \n%"]}}, [], "there is no target or service '-rf \\\\n%'"),
    ({"a": {"depends_on": ["a"]}}, [], "a stands upon a"),
    ({"a": {"depends_on": ["b"]}, "b": {"depends_on": ["c"]}, "c": {"depends_on": ["a"]}}, [], "stands upon"),
    ({"a": {"service": "s", "depends_on": ["s"]}}, [], "a stands upon a"),
    ({"a": {"layer": "global", "depends_on": ["b"]}, "b": {"layer": "service"}}, LAYERS, "stands upon"),
    ({"a": {"layer": "cloud"}}, LAYERS, "'cloud' is none of the layers"), ({"a": {"layer": "global"}}, [], "none of the layers"),
    ({"a": {}}, ["x", "x"], "are no layers"), ({"a": {}}, [" "], "are no layers"),
])
def test_what_cannot_be_is_refused_with_a_hint(described, layers, said):
    with pytest.raises(InvalidOption) as error:
        read_foundations(targets(**described), layers)
    assert said in error.value.message and error.value.hint


def test_a_pass_is_no_status_of_a_follower():
    some = targets(a={})
    with pytest.raises(InvalidOption):
        tell_followers(some, [], [], [], [], read_foundations(some), "pass")


@st.composite
def systems(draw):
    """Targets that stand upon earlier ones and upon services of earlier ones, in layers; and how each was found."""
    number = draw(st.integers(1, 12))
    described, services = {}, set()
    for index in range(number):
        known = sorted({*described, *services})
        service = f"service {draw(st.integers(0, 3))} from {index // 4}"
        options = {"service": service, "depends_on": draw(st.lists(st.sampled_from(known), max_size=3)) if known else []}
        if draw(st.booleans()):
            options["layer"] = LAYERS[index * 3 // number]
        described[f"target {index}"] = options
        if index % 4 == 3:  # services are closed before anything stands upon them
            services |= {one["service"] for one in described.values()}
    return targets(**described), draw(st.lists(st.sampled_from(list(Status)), min_size=number, max_size=number))


@given(systems(), st.sampled_from(FOLLOWERS))
def test_every_failure_is_a_root_or_stands_upon_one_and_no_root_is_hidden(system, status):
    some, states = system
    probed = [Finding("health.probe", target.name, state, "m") for target, state in zip(some, states, strict=True)]
    rows = [{"name": target.name, "status": state.value} for target, state in zip(some, states, strict=True)]
    foundations = read_foundations(some, LAYERS)
    told_rows, found, _services, _figures = tell_followers(some, rows, probed, [], [], foundations, status)
    failing = {finding.subject for finding in probed if finding.status is Status.FAIL}
    roots = {finding.subject for finding in found if finding.status is Status.FAIL}
    below = {name: {one for node in nodes for one in foundations.members[node]} for name, nodes in foundations.below.items()}
    assert roots <= failing and bool(roots) == bool(failing), "the gate still ends with a failure"
    for finding, before, row in zip(found, probed, told_rows, strict=True):
        name = finding.subject
        if name not in failing:
            assert finding == before
        elif below[name] & failing:
            assert finding.status.value == row["status"] == status and set(row["follows"]) <= roots and row["follows"]
        else:
            assert finding == before and name in roots, "what fails with all that it stands upon well is a root"


def test_thousands_in_layers_take_no_time():
    some = targets(**{f"t{number}": {"layer": LAYERS[number % 3]} for number in range(5000)})
    began = time.process_time()
    followers = read_foundations(some, LAYERS).followers(target.name for target in some)
    assert len(followers) == 3333 and time.process_time() - began < 5
