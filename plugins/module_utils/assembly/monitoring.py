# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of monitoring that several modules put together in the same way."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..adapters.alertmanager import Alertmanager
from ..adapters.prometheus import Prometheus
from ..adapters.promtool import ConfigurationCheck
from ..adapters.yaml_files import to_yaml
from ..core.options import OptionGroup
from ..core.quantities import parse_duration
from ..monitoring.dashboards import Dashboard, expressions, folder_name, providers
from ..monitoring.files import Server
from ..monitoring.routing import escalations
from ..monitoring.rules import SloRules, rule_groups
from ..monitoring.scraping import configuration
from ..service_levels.budget import read_burn_rules
from ..service_levels.objectives import Objective, read_objectives

# What makes rules, and with them what is to be found on a server; documented in plugins/doc_fragments/slo_rules.py.
RULES = OptionGroup(
    fragment="slo_rules",
    options={
        "objectives": {"type": "list", "elements": "dict", "default": []},
        "tiers": {"type": "dict", "default": {}},
        "window": {"type": "str", "default": "30d"},
        "series": {"type": "dict", "default": {}},
    },
)


def objectives_of(options: Mapping[str, Any]) -> list[Objective]:
    """The objectives of the options of `RULES`."""
    return read_objectives(options["objectives"], tiers=options["tiers"], window=options["window"])


def groups_of(options: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The groups of rules that a policy wants."""
    slo = SloRules(read_burn_rules(options["burn_rates"]), {"warn": "warning", "fail": "critical", **options["severities"]},
                   parse_duration(options["slo_window"], option="slo_window"), parse_duration(options["slo_hold"], option="slo_hold"))
    return rule_groups(
        options["rules"], alert_set=options["alert_set"], series=options["series"], objectives=objectives_of(options), slo=slo,
        escalations=escalations(options["routes"]), labels={str(key): str(value) for key, value in options["labels"].items()})


def prometheus_files(options: Mapping[str, Any], groups: Sequence[Mapping[str, Any]], path: Path, rules: Path) -> list[tuple[Path, str]]:
    """The rule file and the configuration that names it, in the order in which they are written."""
    document = configuration(
        options["jobs"], interval=options["scrape_interval"], evaluation=options["evaluation_interval"], labels=options["labels"],
        alertmanagers=options["alertmanagers"], rule_files=[str(rules)])
    return [(rules, to_yaml({"groups": list(groups)})), (path, to_yaml(document))]


def check_prometheus(folder: Path) -> None:
    """What promtool says of `prometheus_files` in a folder."""
    ConfigurationCheck().prometheus(folder / "prometheus.yml")


def prometheus_server(options: Mapping[str, Any] | None, groups: Sequence[Mapping[str, Any]]) -> Server | None:
    """The server that reads them, None where none is given; settled once it has every rule of the groups and no other of ours."""
    if not options:
        return None
    server = Prometheus.from_options(options)
    wanted = {(group["name"], rule["alert"]) for group in groups for rule in group["rules"]}

    def settled() -> bool:
        return {(group["name"], rule["name"]) for group in server.rules() for rule in group["rules"]} >= wanted

    return Server(server.reload, server.read_since, settled)


def alertmanager_server(options: Mapping[str, Any] | None) -> Server | None:
    """The server that reads alertmanager.yml, None where none is given; it answers a reload when it is done."""
    if not options:
        return None
    server = Alertmanager.from_options(options)
    return Server(server.reload, server.read_since, lambda: True)


def dashboard_files(found: Sequence[Dashboard], folder: Path, provisioning: Path | None) -> list[tuple[Path, str]]:
    """A file for each dashboard below its folder of Grafana, and the one that names the folders."""
    files = [(folder / folder_name(one.folder) / one.file, json.dumps(one.document, indent=2, ensure_ascii=False) + "\n") for one in found]
    return files + ([(provisioning, to_yaml(providers(str(folder), found)))] if provisioning else [])


def check_queries(found: Sequence[Dashboard]) -> Any:
    """What ``checked`` of monitoring/files.py wants: each query of each panel as a recording rule, for promtool to read."""
    def build(folder: Path) -> list[tuple[Path, str]]:
        rules = [{"record": f"panel:{number}", "expr": query} for number, (_title, query) in enumerate(
            pair for one in found for pair in expressions(one.document))]
        return [(folder / "panels.yml", to_yaml({"groups": [{"name": "panels", "rules": rules}]}))]

    return build, lambda folder: ConfigurationCheck().rules(folder / "panels.yml")
