# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the handbooks promise, read from them a second time, and that slo_check reads it."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.service_levels.evaluate import Policy

from tests.unit.inventories.test_values import policy

# system, service, measure, target, alert
PROMISED = [
    ("AN-D-36", "aeon_nova", "api", "latency", "500ms", None),
    ("AN-D-36", "aeon_nova", "api", "error_rate", 1, 5),
    ("CR-30", "cronos_ai", "cronos-ai", "availability", 99.9, None),
    ("CR-31", "cronos_ai", "cronos-ai", "latency", "500ms", None),
    ("CR-32", "cronos_ai", "cronos-ai", "error_rate", 1, None),
    ("CR-33", "cronos_ai", "cronos-ai", "throughput", 1000, None),
    ("NE-07", "neuron", "api", "latency", "200ms", "500ms"),
    ("NE-09", "neuron", "web", "latency", "3s", None),
    ("NE-10", "neuron", "search", "latency", "1s", None),
    ("SK-02", "skafu", "lambda", "error_rate", 1, 2),
    ("SK-05", "skafu", "lambda", "latency", "30s", None),
    ("SK-94", "skafu", "api", "latency", "200ms", "500ms"),
    ("SK-95", "skafu", "api", "throughput", 1000, 500),
    ("SK-96", "skafu", "api", "error_rate", 1, 2),
    ("SK-97", "skafu", "platform", "availability", 99.9, 99.5),
]


@pytest.mark.parametrize(("requirement", "system", "service", "measure", "target", "alert"), PROMISED)
def test_the_promise_is_the_one_of_the_handbook(requirement, system, service, measure, target, alert):
    [one] = [entry for entry in policy(f"{system}/production")["service_levels_objectives"]
             if (entry["service"], entry["measure"]) == (service, measure)]
    assert (one.get("target"), one.get("alert")) == (target, alert), requirement


def test_the_table_of_tiers():
    """NE-04, NE-05, NE-06: 8.76, 43.8 and 87.6 hours a year."""
    tiers = policy("neuron/production")["service_levels_tiers"]
    assert {name: round(8760 * (100 - value) / 100, 2) for name, value in tiers.items()} == {
        "critical": 8.76, "standard": 43.8, "development": 87.6}


def test_reports_are_weekly_and_quarterly():
    """CR-103, CR-104, CR-115, CR-121."""
    values = policy("cronos_ai/production")
    assert values["service_levels_periods"] == {"weekly": "7d", "quarterly": "91d"} and values["service_levels_outage_period"] == "91d"


def test_objectives_can_be_read_as_they_stand(resolved: dict[str, tuple[list[str], dict[str, Any]]]):
    for host, (groups, values) in resolved.items():
        if "service_levels" in groups:
            read = Policy.from_options({
                "objectives": values["service_levels_objectives"], "tiers": values.get("service_levels_tiers", {}), "window": "30d",
                "periods": values.get("service_levels_periods", {}), "burn_rates": [], "budget": {}, "coverage": 90})
            assert read.objectives, host
