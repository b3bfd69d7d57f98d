# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of an upgrade breaks, judged with plain values."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.core.finding import Finding, Status
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.upgrade_judge import (
    changed_defaults,
    judge,
    judge_downtime,
    of_the_drill,
    plan,
)
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.upgrade_observe import Source, Upgraded
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.upgrade_probes import PROBES, probes_for

SOURCE = Source(major=15, settings={"work_mem": {"setting": "65536", "source": "configuration file"}}, extensions={"pg_trgm": "1.6"},
                found={}, builtin=frozenset(), libraries=("pg_stat_statements",), checksums=True, md5_roles=(), md5_rules=0, statements=())
UPGRADED = Upgraded(major=18, settings={
    "work_mem": {"boot_val": "4096", "vartype": "integer", "min_val": "64", "max_val": "2147483647", "enumvals": None},
    "io_method": {"boot_val": "worker", "vartype": "enum", "min_val": None, "max_val": None, "enumvals": ["sync", "worker"]}},
    extensions={"pg_trgm": "1.6"}, paths={"pg_trgm": True}, libraries={})


def by_check(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.check.partition("upgrade_")[2]: finding for finding in findings}


def test_nothing_breaks_where_all_is_there():
    findings = judge("shop to 18", SOURCE, UPGRADED)
    assert {finding.status for finding in findings} == {Status.PASS}
    assert set(by_check(findings)) == {"extension", "content", "setting", "statement", "function", "authentication"}


@pytest.mark.parametrize(("source", "upgraded", "check", "status", "says"), [
    ({}, {"extensions": {}}, "extension", Status.FAIL, "is not there"),
    ({}, {"extensions": {"pg_trgm": "2.0"}}, "extension", Status.PASS, "1 extensions"),
    ({}, {"extensions": {"pg_trgm": "2.0"}, "paths": {}}, "extension", Status.WARN, "no way leads"),
    ({}, {"libraries": {"timescaledb": "could not access file"}}, "extension", Status.FAIL, "timescaledb"),
    ({"found": {"removed types": ["a.b.c"]}, "major": 11}, {}, "content", Status.FAIL, "gone since PostgreSQL 12"),
    ({"found": {"reg* columns": ["a.b.c"]}}, {}, "content", Status.WARN, "a.b.c"),
    ({"found": {"replication slots": ["s"]}}, {}, "content", Status.WARN, "takes none along"),
    ({"settings": {"force_parallel_mode": {"setting": "off", "source": "command line"}}}, {}, "setting", Status.FAIL, "does not start"),
    ({"settings": {"old": {"setting": "off", "source": "role or database"}}}, {}, "setting", Status.FAIL, "does not know old"),
    ({"settings": {"io_method": {"setting": "magic", "source": "default"}}}, {}, "setting", Status.FAIL, "sync, worker"),
    ({"settings": {"work_mem": {"setting": "1", "source": "command line"}}}, {}, "setting", Status.FAIL, "from 64"),
    ({"settings": {"work_mem": {"setting": "64MB", "source": "role or database"}}}, {}, "setting", Status.PASS, "known"),
    ({"settings": {"plpgsql.extra_errors": {"setting": "all", "source": "command line"}}}, {}, "setting", Status.PASS, "known"),
    ({"statements": None}, {}, "statement", Status.WARN, "not known"),
    ({}, {"statements": {"1: SELECT x": "column x does not exist"}}, "statement", Status.FAIL, "does not exist"),
    ({}, {"functions": {"f()": "it calls g()"}}, "function", Status.FAIL, "it calls g()"),
    ({"md5_roles": ("a", "b")}, {}, "authentication", Status.WARN, "a, b"),
    ({"md5_roles": None}, {}, "authentication", Status.UNKNOWN, "may not be seen"),
    ({"md5_rules": 3}, {}, "authentication", Status.WARN, "3 rules"),
])
def test_each_thing_that_breaks_is_found_and_says_what_to_do(source, upgraded, check, status, says):
    finding = by_check(judge("shop to 18", replace(SOURCE, **source), replace(UPGRADED, **upgraded)))[check]
    assert finding.status is status and says in finding.message
    assert finding.hint or status is Status.PASS


def test_md5_is_no_matter_before_the_version_that_deprecates_it():
    findings = judge("shop to 17", replace(SOURCE, md5_roles=("a",)), replace(UPGRADED, major=17))
    assert "authentication" not in by_check(findings)


def test_checks_belong_to_the_step_in_which_a_version_changed():
    always = {probe.name for probe in PROBES if probe.since == 0}
    assert {probe.name for probe in probes_for(17, 18)} == always | {"unlogged partitioned tables"}
    assert {probe.name for probe in probes_for(15, 17)} == always | {"aclitem columns"}
    assert {probe.name for probe in probes_for(13, 15)} == always | {"postfix operators", "polymorphic functions", "encoding conversions"}
    assert {probe.name for probe in probes_for(18, 19)} == always
    assert len({probe.name for probe in PROBES}) == len(PROBES)


def test_downtime_is_dump_restore_and_statistics():
    seconds = {"fetch": 100.0, "restore": 5.0, "statistics": 1.0, "verify": 50.0}
    assert judge_downtime("shop", seconds, 4.0, 10.0).status is Status.PASS
    assert judge_downtime("shop", seconds, 4.5, 10.0).status is Status.FAIL
    assert judge_downtime("shop", seconds, None, None).observed == 6.0


def test_the_plan_puts_right_what_was_found_first_and_verifies_last():
    source = replace(SOURCE, checksums=False)
    upgraded = replace(UPGRADED, extensions={"pg_trgm": "2.0"}, functions={"f()": "it calls g()"})
    steps = plan(source, upgraded, judge("shop to 18", source, upgraded))
    assert steps[0]["why"].startswith("shop to 18: f()") and "databases.inspect" in steps[-1]["step"]
    assert any("--no-data-checksums" in step["step"] for step in steps) and any("UPDATE): pg_trgm" in step["step"] for step in steps)
    assert all(step["step"] and step["why"] for step in steps)


def test_the_words_of_a_drill_become_those_of_the_area_and_defaults_are_compared():
    [finding] = of_the_drill([Finding("recovery.data", "shop", Status.PASS, "same")])
    assert finding.check == "database.upgrade_data"
    assert changed_defaults({"work_mem": "1024", "io_method": "worker", "gone": "1"}, UPGRADED) == [
        {"name": "work_mem", "was": "1024", "becomes": "4096"}]
