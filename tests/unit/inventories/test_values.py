# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The figures of the handbooks, read from them a second time: what the inventories of production say is what was asked for.

Where a decision stands between the two (docs/decisions.md), the value is the decision's, and the row names it.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.documents import read
from tests.unit.inventories.policies import INVENTORIES, ROOT, files_of, written

SYSTEM = {"AN-O": "aeon_nova", "AN-D": "aeon_nova", "CR": "cronos_ai", "NE": "neuron", "SK": "skafu"}
# (requirement, decision or nothing, where, value); a part of a path in [] picks the entry of that name from a list.
ASKED_FOR = [
    ("AN-O-02", "D-58", "health_layers", ["global", "regional", "service"]),
    ("AN-O-03", "D-16", "backups_plans.[databases].retention.daily", 30),
    ("AN-O-03", "D-13", "backups_plans.[model_registry].max_age", "23h"),
    ("AN-O-03", "", "backups_plans.[monitoring].retention.keep_for", "30d"),
    ("AN-O-05", "", "maintenance_windows.[weekly].when", "Sunday 02:00-04:00"),
    ("AN-O-05", "", "maintenance_duration", "2h"),
    ("AN-O-15", "", "housekeeping_logs.[aeon-nova].frequency", "daily"),
    ("AN-O-29", "D-13", "backups_plans.[databases].max_age", "55m"),
    ("AN-O-29", "", "backups_plans.[databases].retention.keep_for", "7d"),
    ("AN-O-30", "D-13", "backups_plans.[vectors].max_age", "23h"),
    ("AN-O-30", "", "backups_plans.[vectors].retention.keep_for", "30d"),
    ("AN-O-31", "D-13", "backups_plans.[configurations].max_age", "23h"),
    ("AN-O-31", "", "backups_plans.[configurations].retention.keep_for", "90d"),
    ("AN-O-32", "D-26", "recovery_drill_every", "28d"),
    ("AN-O-37", "", "certificates_policy.max_age", "365d"),
    ("AN-O-37", "", "certificates_rotate_after", "365d"),
    ("AN-D-33", "D-9", "health_defaults.status", ["200"]),
    ("AN-D-34", "D-9", "health_defaults.status", ["200"]),
    ("AN-D-36", "", "health_limits.*.p95.fail", "500ms"),
    ("AN-D-36", "", "health_limits.*.error_rate.fail", 1),
    ("AN-D-36", "", "capacity_limits.cpu.fail", 80),
    ("CR-18", "", "health_watch.for", "15m"),
    ("CR-18", "", "health_watch.every", "30s"),
    ("CR-30", "", "health_limits.*.availability.fail", 99.9),
    ("CR-31", "", "health_limits.*.p95.fail", "500ms"),
    ("CR-32", "", "health_limits.*.error_rate.fail", 1),
    ("CR-34", "", "capacity_limits.cpu.fail", 80),
    ("CR-34", "", "capacity_limits.memory.fail", 85),
    ("CR-34", "D-30", "capacity_limits.disk.fail", 100 - 20),
    ("CR-34", "", "capacity_limits.network.fail", 80),
    ("CR-51", "D-16", "backups_plans.[database].retention.daily", 30),
    ("CR-51", "D-13", "backups_plans.[data].max_age", "23h"),
    ("CR-51", "", "backups_plans.[data].retention.keep_for", "30d"),
    ("CR-52", "D-13", "backups_plans.[database].max_age", "55m"),
    ("CR-52", "", "backups_plans.[database].retention.keep_for", "7d"),
    ("CR-53", "D-19", "databases_limits.archive_age.fail", "15m"),
    ("CR-54", "D-21", "backups_plans.[configuration].engine", "configuration"),
    ("CR-54", "", "backups_plans.[configuration].retention.keep_for", "90d"),
    ("CR-55", "", "backups_plans.[data].tags", ["environment:{{ evenkeel_environment }}"]),
    ("CR-66", "D-29", "certificates_policy.fail_days", 7),
    ("CR-76", "D-51", "maintenance_windows.[low traffic].notice", "48h"),
    ("CR-76", "", "maintenance_rollback_required", True),
    ("CR-77", "", "maintenance_backup_type", "full"),
    ("CR-85", "", "recovery_rto", "4h"),
    ("CR-86", "", "recovery_rpo", "15m"),
    ("CR-92", "D-26", "recovery_drill_every", "28d"),
    ("CR-101", "", "health_limits.*.error_rate.fail", 1),
    ("CR-102", "", "capacity_limits.memory.fail", 85),
    ("CR-108", "D-26", "recovery_drill_every", "28d"),
    ("NE-04", "", "health_limits.api.availability.fail", 99.9),
    ("NE-05", "", "health_limits.status_page.availability.fail", 99.5),
    ("NE-07", "D-6", "health_limits.api.p95.warn", "200ms"),
    ("NE-07", "D-6", "health_limits.api.p95.fail", "500ms"),
    ("NE-08", "D-28", "databases_limits.query_p95.fail", "100ms"),
    ("NE-09", "", "health_limits.web.p95.fail", "3s"),
    ("NE-10", "", "health_limits.search.p95.fail", "1s"),
    ("NE-16", "D-18", "backups_plans.[database].retention.monthly", 12),
    ("NE-17", "", "recovery_rto", "4h"),
    ("NE-18", "", "recovery_rpo", "1h"),
    ("NE-29", "", "maintenance_windows.[production].when", "Tuesday/Thursday 10:00-14:00"),
    ("NE-36", "", "capacity_limits.cpu", {"warn": 70, "fail": 90}),
    ("NE-37", "", "capacity_limits.memory", {"warn": 80, "fail": 95}),
    ("NE-38", "", "capacity_limits.disk", {"warn": 70, "fail": 85}),
    ("NE-42", "D-17", "backups_plans.[database].retention.daily", 30),
    ("NE-42", "", "backups_plans.[database].encrypt", True),
    ("NE-43", "D-13", "backups_plans.[files].max_age", "55m"),
    ("NE-43", "", "backups_plans.[files].engine", "restic"),
    ("NE-43", "", "backups_plans.[files].retention.keep_for", "7d"),
    ("NE-44", "D-21", "backups_plans.[configuration].engine", "configuration"),
    ("NE-44", "", "backups_plans.[configuration].retention.keep_for", "90d"),
    ("NE-46", "D-26", "recovery_drill_every", "28d"),
    ("NE-69", "D-26", "recovery_drill_every", "28d"),
    ("SK-03", "", "health_limits.*.p95.warn", "200ms"),
    ("SK-94", "", "health_limits.*.p95.fail", "500ms"),
    ("SK-04", "", "databases_limits.query_mean.fail", "100ms"),
    ("SK-06", "", "health_limits.*.error_rate.warn", 1),
    ("SK-96", "", "health_limits.*.error_rate.fail", 2),
    ("SK-97", "", "health_limits.*.availability", {"warn": 99.9, "fail": 99.5}),
    ("SK-07", "", "capacity_limits.cpu.fail", 80),
    ("SK-07", "", "capacity_limits.memory.fail", 80),
    ("SK-18", "", "operations_verdict", {"healthy": 95, "degraded": 80}),
    ("SK-38", "D-51", "maintenance_windows.[production]", {
        "name": "production", "when": "first Sunday 02:00-06:00", "notice": "7d"}),
    ("SK-40", "", "maintenance_approvals", ["change request", "technical review", "business impact assessment", "stakeholder approval",
                                            "communication planning"]),
    ("SK-46", "", "housekeeping_logs.[skafu-database].frequency", "daily"),
    ("SK-53", "D-20", "backups_plans.[database].engine", "pg_dump"),
    ("SK-57", "D-26", "recovery_drill_every", "28d"),
    ("SK-80", "D-26", "recovery_drill_every", "28d"),
    ("SK-83", "D-13", "backups_plans.[database].max_age", "3h50m"),
    ("SK-83", "", "backups_plans.[database].retention.keep_for", "30d"),
    ("SK-84", "D-20", "databases_limits.archive_age.fail", "15m"),
    ("SK-85", "D-26", "recovery_drill_every", "28d"),
    ("SK-86", "D-35", "backups_plans.[application].on_request", True),
    ("SK-86", "", "backups_plans.[application].retention.keep_last", 10),
    ("SK-88", "D-13", "backups_plans.[configuration].max_age", "23h"),
    ("SK-88", "", "backups_plans.[configuration].retention.keep_for", "90d"),
    ("SK-104", "", "capacity_limits.cpu", {"warn": 70, "fail": 80}),
    ("SK-105", "D-34", "databases_limits.connections.fail", 100),
]
SERVICES_OF_SKAFU = {"project-management-api", "template-management-api", "ai-integration-service", "github-integration-service",
                     "observability-service"}


def policy(inventory: str) -> dict[str, Any]:
    return {name: value for path in files_of(inventory) if path.name == "policy.yml" for name, value in written(path).items()}


def at(values: Any, path: str) -> Any:
    for part in path.split("."):
        values = next(entry for entry in values if entry["name"] == part[1:-1]) if part.startswith("[") else values[part]
    return values


@pytest.mark.parametrize(("requirement", "decision", "path", "value"), ASKED_FOR, ids=lambda part: part if isinstance(part, str) else "")
def test_the_value_is_the_one_asked_for(requirement: str, decision: str, path: str, value: Any) -> None:
    found = at(policy(f"{SYSTEM[requirement.rpartition('-')[0]]}/production"), path)
    assert found == value, f"{requirement} {decision}"


def test_a_requirement_that_names_this_table_is_in_it() -> None:
    rows = read(ROOT / "docs/requirements.yml")
    naming = {name for name, row in rows.items() if any("::test_the_value_is_the_one_asked_for" in test for test in row.get("test", ()))}
    assert naming == {requirement for requirement, *_rest in ASKED_FOR}


@pytest.mark.parametrize("inventory", INVENTORIES)
def test_staging_and_development_have_the_policy_of_production(inventory: str) -> None:
    """But for what ends a run, when it may be worked on and who approves that, and what a handbook sets for an environment."""
    system = inventory.split("/")[0]
    own, of_production = policy(inventory), policy(f"{system}/production")
    different = {name for name in own | of_production if own.get(name) != of_production.get(name)}
    own_windows = {"maintenance_windows", "maintenance_approvals", "maintenance_approvers"}  # NE-29 to NE-31, SK-38 to SK-42
    # NE-06; AN-D-15, AN-D-19, AN-D-23
    of_one = {"neuron": {"health_limits"} if inventory == "neuron/development" else set(),
              "aeon_nova": {"monitoring_alert_set", "monitoring_retention"}}.get(system, set())
    allowed = {"evenkeel_environment", "operations_fail_on"} | own_windows | of_one
    assert different <= allowed
    assert policy("neuron/development")["health_limits"]["*"]["availability"] == {"fail": 99.0}


def test_the_components_that_have_probes_are_probed() -> None:
    def paths(system: str, service: str) -> set[str]:
        return {target["url"].rpartition("}}")[2] for target in policy(f"{system}/production")["health_targets"]
                if target["service"] == service}

    assert paths("aeon_nova", "api") == {"/health", "/metrics"}  # AN-O-42
    assert paths("aeon_nova", "vector_store") == {"/health", "/metrics", "/status"}  # AN-O-27
    assert paths("aeon_nova", "model_registry") == {"/health", "/readiness", "/liveness"}  # AN-O-28
    assert paths("aeon_nova", "monitoring_stack") == {"/-/healthy", "/-/ready", "/api/health"}  # AN-O-04, D-10
    assert paths("cronos_ai", "cronos-ai") == {"/health", "/metrics"}  # CR-15, CR-16
    assert {target["service"] for target in policy("skafu/production")["health_targets"]} >= SERVICES_OF_SKAFU  # SK-17
