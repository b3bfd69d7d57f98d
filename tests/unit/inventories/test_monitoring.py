# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the handbooks ask of monitoring, read from them a second time, and that it makes rules, routes and dashboards."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.assembly.monitoring import groups_of, objectives_of
from ansible_collections.evenkeel.ops.plugins.module_utils.monitoring import routing, scraping
from ansible_collections.evenkeel.ops.plugins.module_utils.monitoring.dashboards import dashboards

from tests.documents import read
from tests.unit.inventories.policies import ROOT
from tests.unit.inventories.test_values import policy

DEFAULTS = read(ROOT / "roles/monitoring/defaults/main.yml")
ENVIRONMENTS = {"AN-D-15": ("development", "minimal", "7d"), "AN-D-19": ("staging", "standard", "15d"),
                "AN-D-23": ("production", "comprehensive", "30d")}


@pytest.mark.parametrize(("requirement", "asked"), ENVIRONMENTS.items())
def test_alert_set_and_retention_of_an_environment(requirement, asked):
    values = policy(f"aeon_nova/{asked[0]}")
    assert (values["monitoring_alert_set"], values["monitoring_retention"]) == asked[1:], requirement


def test_what_rules_and_dashboards_ask_for_is_scraped(resolved):
    """A rule about a job that nobody scrapes never fires, and nothing says so."""
    for groups, values in resolved.values():
        if "monitoring" in groups:
            jobs = values["monitoring_scrape_jobs"]
            given = {("job", job["name"]) for job in jobs} | {label for job in jobs for label in (job.get("labels") or {}).items()}
            asked = {label for selector in values["monitoring_series"].values() for label in re.findall(r'\b(job|app)="([^"]+)"', selector)}
            assert asked <= given, values["evenkeel_system"]


def test_the_policy_is_the_one_of_the_handbook(resolved):
    """The systems and environments as they are resolved; each is met once in twelve."""
    for groups, values in resolved.values():
        if "monitoring" not in groups:
            continue
        system, place = values["evenkeel_system"], values["evenkeel_environment"]
        rules = {rule["alert"]: rule for rule in values.get("monitoring_system_rules", [])}
        shown = {one["name"]: one for one in values["monitoring_dashboards"]}
        routes = {route["severity"]: route for route in values["monitoring_routes"]}
        if system == "aeon_nova":
            short = {"development": "dev", "staging": "staging", "production": "prod"}[place]
            job = values["monitoring_scrape_jobs"][0]
            assert (job["name"], job["interval"], job["targets"]) == (f"{short}-library-agent", "15s", ["localhost:9090"])  # AN-D-31
            assert values["monitoring_scrape_interval"] == "15s"  # AN-D-45
            overview = shown["overview"]
            assert (overview["title"], overview["folder"], overview["refresh"]) == (f"{short} Overview", "Library Agent", "1m")  # AN-D-32
            assert "[5m]" in rules["DeploymentFailure"]["expr"] and rules["DeploymentFailure"]["expr"].endswith(">= 1")  # AN-D-46
            assert "[5m]" in rules["HighErrorRate"]["expr"] and rules["HighErrorRate"]["expr"].endswith("> 0.05")  # AN-D-47
            assert (routes["critical"]["escalate_after"], routes["critical"]["escalate_to"]) == ("15m", "manager")  # AN-D-48
            assert (routes["warning"]["escalate_after"], routes["warning"]["escalate_to"]) == ("1h", "team-lead")  # AN-D-49
            both = next(one for one in values["monitoring_receivers"] if one["name"] == routes["critical"]["receiver"])
            assert both["slack_configs"][0]["channel"] == f"#alerts-{place}" and both["email_configs"][0]["to"] == "ops-team@aeonova.com"
        elif system == "cronos_ai":
            assert {one["uid"] for one in shown.values()} == {"slo-dashboard", "infrastructure", "application", "security"}  # CR-36
            assert values["monitoring_review_period"] == "12h"  # CR-98
            queries = [one["elasticsearch"]["query"] for one in values["monitoring_logs"]]
            assert queries == ["namespace:production AND level:ERROR", "namespace:production AND SECURITY"]  # CR-38, CR-63
            assert values["monitoring_trace_slow_after"] == "1s" and "jaeger" in values["monitoring_jaeger"]["url"]  # CR-39
        elif system == "neuron":
            errors, slow = rules["HighErrorRate"], rules["HighResponseTime"]
            assert (errors["for"], errors["severity"], errors["summary"]) == ("5m", "critical", "High error rate detected")  # NE-58
            assert "[5m]" in errors["expr"] and errors["expr"].endswith("> 0.1") and "$value" in errors["description"]
            assert (slow["for"], slow["severity"], slow["summary"]) == ("10m", "warning", "High response time detected")  # NE-59
            assert "0.95" in slow["expr"] and slow["expr"].endswith("> 0.5") and "$value" in slow["description"]
            assert set(shown) == {"executive", "operations", "application", "security"}  # NE-60
            assert [one["name"] for one in values["monitoring_logs"]] == ["errors", "security"]  # NE-57, NE-54
            assert all("elasticsearch" in one for one in values["monitoring_logs"])


def test_it_makes_rules_routes_and_dashboards(resolved: dict[str, tuple[list[str], dict[str, Any]]]):
    for host, (groups, given) in resolved.items():
        if "monitoring" not in groups:
            continue
        values = {name.removeprefix("monitoring_"): value for name, value in {**DEFAULTS, **given}.items()
                  if name.startswith("monitoring_")}
        options = {**values, "rules": values["alert_rules"] + values["system_rules"], "window": values["objectives_window"], "labels": {}}
        assert groups_of(options), host
        assert scraping.configuration(values["scrape_jobs"], interval="15s", evaluation="15s", alertmanagers=values["alertmanagers"],
                                      rule_files=[], labels={})["scrape_configs"]
        assert routing.configuration(values["receivers"], values["routes"], default=values["default_receiver"],
                                     grouping=values["grouping"], settings={})["route"]["routes"]
        assert dashboards(values["dashboards"], catalog=values["panels"], series=values["series"], objectives=objectives_of(options),
                          system=given["evenkeel_system"], environment=given["evenkeel_environment"])
