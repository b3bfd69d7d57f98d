# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the handbooks ask of a standby site and of the continuity plan, read from them a second time."""

from __future__ import annotations

from ansible_collections.evenkeel.ops.plugins.module_utils.assembly.zones import read_records
from ansible_collections.evenkeel.ops.plugins.module_utils.continuity.judge import read_intervals
from ansible_collections.evenkeel.ops.plugins.module_utils.core.quantities import DAY, parse_duration
from ansible_collections.evenkeel.ops.plugins.module_utils.recovery.site import read_triggers

from tests.unit.inventories.policies import ROOT, written
from tests.unit.inventories.test_values import policy


def test_the_reasons_to_activate_a_site_are_those_of_the_handbooks():
    cronos = read_triggers(policy("cronos_ai/production")["recovery_site_triggers"])
    assert set(cronos) == {"data_center_failure", "catastrophic_system_failure", "security_breach", "natural_disaster"}  # CR-87
    skafu = read_triggers(policy("skafu/production")["recovery_site_triggers"])
    assert set(skafu) == {"region_outage"}  # SK-91


def test_the_newest_verified_copy_of_every_plan_is_restored_below_dr_site():
    cronos, connection = policy("cronos_ai/production"), written(ROOT / "inventories/cronos_ai/shared/connection.yml")
    assert cronos["recovery_site_strategy"] == "restore" and cronos["recovery_site_at_least"] == "verified"  # CR-89
    assert {one["plan"] for one in cronos["recovery_site_restores"]} == set(cronos["recovery_plans"])
    assert connection["evenkeel_standby_path"] == "/dr-site"  # CR-89
    assert cronos["recovery_site_probes"]  # CR-90


def test_names_are_pointed_at_the_other_site_under_a_condition():
    for system in ("cronos_ai", "skafu"):  # CR-91, SK-91
        [zone] = written(ROOT / f"inventories/{system}/shared/connection.yml")["evenkeel_standby_dns"]
        for wanted in read_records("example.com", zone["records"]):
            assert wanted.record.values and wanted.expected, system


def test_drills_and_exercises_are_as_often_as_asked():
    assert parse_duration(policy("cronos_ai/production")["recovery_disaster_every"]) <= 31 * DAY  # CR-108, CR-92, CR-113
    assert parse_duration(policy("skafu/production")["recovery_disaster_every"]) <= 31 * DAY  # SK-57, SK-80
    assert parse_duration(policy("neuron/production")["recovery_disaster_every"]) <= 92 * DAY  # NE-47, NE-48
    intervals = read_intervals(policy("neuron/production")["continuity_intervals"])
    assert intervals == {"full": 182 * DAY, "plan_review": 91 * DAY, "plan_update": 365 * DAY}  # NE-71, NE-70, NE-72
