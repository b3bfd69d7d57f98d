# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A log set's configuration is a pure function of the set; so is its judgement."""

from __future__ import annotations

import shlex

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.logrotate import parse_state
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import InvalidOption
from ansible_collections.evenkeel.ops.plugins.module_utils.core.finding import Status
from ansible_collections.evenkeel.ops.plugins.module_utils.housekeeping.logs import (
    HEADER,
    LogSet,
    fixed_folder,
    judge_log,
    read_sets,
)
from ansible_collections.evenkeel.ops.plugins.module_utils.housekeeping.roots import CleaningRoots
from hypothesis import given
from hypothesis import strategies as st

ROOTS = CleaningRoots(["/var/log"])


def log_set(**options):
    return LogSet.from_options({"name": "shop", "paths": ["/var/log/shop/*.log"], **options}, ROOTS)


def directives(**options):
    return [line.strip() for line in log_set(**options).render().splitlines()]


def test_every_directive_is_spelt_out_so_that_no_default_of_the_machine_counts():
    assert log_set(frequency="weekly", keep=4, max_age="30d").render() == HEADER + "\n".join([
        '"/var/log/shop/*.log" {', "    weekly", "    rotate 4", "    maxage 30", "    missingok", "    notifempty", "    compress",
        "    nodelaycompress", "    nodateext", "    noolddir", "    nomail", "    nocopytruncate", "    create", "}", ""])


def test_options_become_directives():
    assert "size 1048576" in directives(frequency="size", size="1MiB") and "daily" not in directives(frequency="size", size="1MiB")
    assert "create 0640 shop adm" in directives(create={"mode": "0640", "owner": "shop", "group": "adm"})
    assert "su shop adm" in directives(su={"user": "shop", "group": "adm"})
    assert {"copytruncate", "nocreate", "nocompress"} <= set(directives(copytruncate=True, compress=False))


def test_a_signal_without_a_pid_is_not_sent_and_its_path_is_quoted():
    [line] = [line for line in directives(signal={"name": "SIGHUP", "pid_file": "/run/it's.pid"}) if "kill" in line]
    quoted = shlex.quote("/run/it's.pid")
    assert line == f'test ! -s {quoted} || kill -s HUP "$(cat {quoted})" || exit 1'


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=0, max_size=12), max_size=5))
def test_a_command_comes_out_of_the_script_word_by_word(words):
    argv = ["/usr/bin/tell", *(word for word in words if word.isprintable())]
    lines = directives(after=[argv])
    script = lines[lines.index("postrotate") + 1:lines.index("endscript")]
    assert len(script) == 1 and shlex.split(script[0]) == [*argv, "||", "exit", "1"]


@pytest.mark.parametrize("pattern, folder", [("/var/log/a/b.log", "/var/log/a"), ("/var/log/*/b.log", "/var/log"),
                                             ("/var/log/a[bc]/x", "/var/log"), ("/var/log/a?.log", "/var/log")])
def test_the_fixed_part_of_a_pattern(pattern, folder):
    assert fixed_folder(pattern) == folder


def test_a_wildcard_right_after_the_root_cannot_reach_beside_it():
    with pytest.raises(Exception, match="outside of the declared roots"):
        LogSet.from_options({"name": "x", "paths": ["/var/log*/x.log"]}, ROOTS)


def test_two_sets_of_one_name_are_refused():
    with pytest.raises(InvalidOption, match="two sets are named shop"):
        read_sets([{"name": "shop", "paths": ["/var/log/a.log"]}, {"name": "Shop", "paths": ["/var/log/b.log"]}], ROOTS)


def test_size_and_rotation_are_judged_against_their_limits():
    policy = log_set(size_limit="1kB", rotation_limit="2d")
    assert [f.status for f in judge_log("/x", size=1000, rotated_at=0, log_set=policy, now=2 * 86400)] == [Status.PASS, Status.PASS]
    late = judge_log("/x", size=1001, rotated_at=0, log_set=policy, now=2 * 86400 + 1)
    assert [f.status for f in late] == [Status.FAIL, Status.FAIL] and all(f.hint for f in late)
    [_size, unknown] = judge_log("/x", size=1, rotated_at=None, log_set=policy, now=0)
    assert unknown.status is Status.UNKNOWN
    assert judge_log("/x", size=1, rotated_at=None, log_set=log_set(), now=0) == []


def test_the_state_is_read_with_its_quoting_and_nonsense_is_left_out(monkeypatch):
    import time

    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    state = parse_state('logrotate state -- version 2\n"/var/log/a \\"q\\" b\\\\c" 2026-11-21-12:33:49\n'
                        '"/old" 2026-1-2\n"/bad" 2026-13-40-1:2:3\nnonsense\n')
    monkeypatch.undo()
    time.tzset()
    assert state == {'/var/log/a "q" b\\c': 1795264429.0, "/old": 1767312000.0}
