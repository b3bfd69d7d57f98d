# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of autovacuum are proposed where it comes later than the policy, and nowhere else."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.proposals import Autovacuum, candidates, propose_settings
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.tables import Table
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.vacuum_plan import VacuumPolicy, plan_vacuum

POLICY = VacuumPolicy.from_options({
    "dead_rows": 1000, "dead_percent": 5, "changed_rows": 1000, "changed_percent": 2, "freeze_age": 10**8, "multixact_age": 10**8,
    "urgent_age": 10**9, "bloat_percent": 50, "bloat_size": "100MiB", "rate": "50MiB", "propose_rows": 100_000})
SERVER = {"autovacuum": "on", "autovacuum_vacuum_threshold": "50", "autovacuum_vacuum_scale_factor": "0.2",
          "autovacuum_analyze_threshold": "50", "autovacuum_analyze_scale_factor": "0.1"}
LARGE = 1_000_000


def table(**facts) -> Table:
    return Table(1, facts.pop("schema", "public"), "T x", 'public."T x"', **{"root": 1, "rows": LARGE, "live_rows": LARGE, **facts})


def proposed(one: Table, server=None, own=None, toast=None) -> list:
    return propose_settings([one], Autovacuum(server or SERVER, {1: own or {}}, {1: toast or {}}), POLICY)


def test_a_table_to_which_autovacuum_comes_too_late_gets_the_policys_own_figures():
    [finding] = proposed(table(dead_rows=100_000))
    assert finding.check == "database.autovacuum_settings" and finding.status == "warn"
    assert (finding.observed, finding.limit) == (200_050, 51_000) and "It had 100000 dead rows" in finding.message
    assert finding.hint.endswith(
        'ALTER TABLE public."T x" SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000);')


def test_statistics_and_toast_have_settings_of_their_own():
    [finding] = proposed(table(changed_rows=50_000))
    assert "(autovacuum_analyze_scale_factor = 0.02, autovacuum_analyze_threshold = 1000)" in finding.hint
    [finding] = proposed(table(toast_dead_rows=100_000, toast_live_rows=LARGE))
    assert "(toast.autovacuum_vacuum_scale_factor = 0.05, toast.autovacuum_vacuum_threshold = 1000)" in finding.hint


@pytest.mark.parametrize("facts, own", [
    ({"dead_rows": 51_000}, {}),  # the policy is not over its limit
    ({"dead_rows": 100_000}, {"autovacuum_vacuum_scale_factor": "0.01"}),  # it comes early enough, and is only behind
    ({"dead_rows": 0, "xid_age": 10**9}, {}),
])
def test_what_is_set_well_is_left_alone(facts, own):
    assert proposed(table(**facts), own=own) == []


def test_after_the_proposal_nothing_is_proposed():
    own = {"autovacuum_vacuum_scale_factor": "0.05", "autovacuum_vacuum_threshold": "1000"}
    assert proposed(table(dead_rows=500_000), own=own) == []


def test_the_upper_bound_of_newer_servers_counts():
    assert proposed(table(dead_rows=100_000), {**SERVER, "autovacuum_vacuum_max_threshold": "40000"}) == []
    assert len(proposed(table(dead_rows=100_000), {**SERVER, "autovacuum_vacuum_max_threshold": "-1"})) == 1


def test_where_it_is_off_that_is_told_instead():
    [finding] = proposed(table(dead_rows=100_000), own={"autovacuum_enabled": "false"})
    assert "RESET (autovacuum_enabled)" in finding.hint
    [finding] = proposed(table(dead_rows=100_000), {**SERVER, "autovacuum": "off"})
    assert finding.subject == "autovacuum" and "ALTER SYSTEM SET autovacuum = on" in finding.hint


def test_only_large_tables_of_the_user_that_were_due_are_looked_at():
    def chosen(one, policy=POLICY):
        return candidates([one], plan_vacuum([one], policy), policy)

    assert len(chosen(table(dead_rows=100_000))) == 1
    assert chosen(table(dead_rows=0)) == [] and chosen(table(dead_rows=100_000, live_rows=99_999)) == []
    assert chosen(table(dead_rows=100_000, schema="pg_catalog")) == []
    assert candidates([table(dead_rows=100_000)], plan_vacuum([table(dead_rows=100_000)], POLICY), replace(POLICY, propose_rows=None)) == []
