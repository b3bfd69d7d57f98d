# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the combined maintenance answers, from plain steps and results."""

from __future__ import annotations

import json
from datetime import datetime, timezone

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.core.finding import Status
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.crew import Result
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.debt import Server
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.forecast import Prediction
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.maintenance_history import History
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.plan import Stage, Step, Waiting
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.plan_report import Combined, lock_of, statement_of
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.work import Skip, Work

NOW = datetime(2026, 1, 15, 12, tzinfo=timezone.utc)
HOSTILE = ('pub"lic', "-x'; DROP\n%s {0}")


def step(name: str, action: str = "vacuum", *, starts: float | None = 0.0, needs: float = 25.0) -> Step:
    work = Work(f"public.{name}", action, "12 dead rows", "VACUUM {relation}", {"relation": ("public", name)}, 1, 1, 8192,
                before={"dead_rows": 12})
    return Step(work, Stage.DUE, 1, 2.0, Prediction(20.0, needs, "its size"), needs, Waiting(0), starts=starts)


def combined(*steps: Step, results=(), check_mode: bool = False, seconds: float = 60.0, cannot=()) -> Combined:
    return Combined(steps, cannot, (), results, Server("7", "shop", 1000), History(), {}, seconds, NOW, 86400.0, (), check_mode)


def test_the_plan_is_a_table_and_data_that_say_the_same_of_each_step():
    plan = combined(step("a"), step("b", starts=None), check_mode=True)
    values = plan.values()
    assert plan.changed and [one["status"] for one in values["steps"]] == ["planned", "left"]
    assert values["steps"][0]["statement"] == 'VACUUM "public"."a"' and values["steps"][0]["lock"] == "SHARE UPDATE EXCLUSIVE"
    told = [line for line, _status in values["console"]]
    assert told[1] == "shop: 1 of 2 steps, which need 25s of the 1m of the window"
    assert "~20s    8.0 KiB  vacuum public.a" in told[3] and "12 dead rows" in told[4] and told[3].lstrip().startswith("1      +0s")
    assert values["console"][6][1] == "warn" and " left " in told[6]
    json.dumps(values, allow_nan=False)


def test_nothing_due_is_no_plan():
    done = combined(check_mode=True)
    assert not done.changed and done.summary() == "Nothing is due" and "console" not in done.values()
    assert [finding.status for finding in done.findings("shop")] == [Status.PASS]


def test_what_became_of_each_step_is_told_and_what_is_left_is_debt():
    steps = [step(name) for name in "abcde"] + [step("f", starts=None, needs=99.0), step("g", starts=None)]
    results = [Result(steps[0].work, "done", 1.5, after={"dead_rows": 0}),
               Result(steps[1].work, "skipped", 5.0, "a lock", "see who", out_of_time=False),
               Result(steps[2].work, "skipped", 40.0, "cancelled", "raise it", out_of_time=True, left_behind="x_ccnew"),
               Result(steps[3].work, "spared"), Result(steps[4].work, "failed", 1.0, "disk full")]
    done = combined(*steps, results=results, cannot=[Skip("public.z", "held")])
    values = done.values()
    assert [one["status"] for one in values["steps"]] == ["done", "skipped", "skipped", "spared", "failed", "left", "left"]
    assert [(one["relation"], one["tried_seconds"]) for one in values["debt"]] == [
        ("public.b", 0), ("public.c", 40.0), ("public.f", 0), ("public.g", 0)]
    assert "left behind for the next run: x_ccnew" in values["debt"][1]["reason"]
    assert "is too short for it" in values["debt"][2]["reason"] and "had no more room for it" in values["debt"][3]["reason"]
    assert [row["relation"] for row in values["relations"]] == ["public.a", "public.e"]
    assert values["relations"][0]["predicted_seconds"] == 20 and values["relations"][0]["bytes"] == 8192
    checks = {finding.subject: (finding.check, finding.status) for finding in done.findings("shop")}
    assert checks["public.a"] == ("database.maintenance", Status.PASS) and checks["public.e"] == ("database.maintenance", Status.FAIL)
    assert all(checks[f"public.{name}"] == ("database.debt", Status.WARN) for name in "bcfg") and "public.d" not in checks
    assert "skipped" not in values  # Ansible would take the whole task for skipped
    assert done.summary() == "1 done, 1 failed, 5 due and not done"


def test_a_plan_that_the_run_did_not_come_to_is_not_taken_for_done():
    [debt] = combined(step("a")).values()["debt"]
    assert debt["reason"] == "the run ended before its turn" and debt["runs"] == 1


@pytest.mark.parametrize("work, statement, lock", [
    (Work("t", "vacuum", "", "VACUUM (FREEZE) {relation}", {"relation": HOSTILE}, 1, 1, 0),
     'VACUUM (FREEZE) "pub""lic"."-x\'; DROP\n%s {0}"', "SHARE UPDATE EXCLUSIVE"),
    (Work("public.\"it's\"", "rewrite", "", "", {}, 1, 1, 0), "pg_repack --table='public.\"it'\"'\"'s\"'",
     "SHARE UPDATE EXCLUSIVE, ACCESS EXCLUSIVE for a moment"),
    (Work("public.t", "drop leftover", "", "", {}, 1, 1, 0), "drop leftover of public.t",
     "SHARE UPDATE EXCLUSIVE, ACCESS EXCLUSIVE for a moment"),
])
def test_statements_and_commands_are_quoted_whatever_the_name(work, statement, lock):
    assert statement_of(work) == statement and lock_of(work) == lock
