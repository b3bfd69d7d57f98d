# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Alert rules of Prometheus from policy: the alert sets, burn rates of service levels, missing data, and escalation. Pure.

Alertmanager routes an alert and knows no "after fifteen minutes tell the manager". So Prometheus has one rule for each route that
escalates: what has been firing for that long fires once more as ``Escalated``, with a label ``escalation`` that names the next level.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..core.errors import InvalidOption
from ..core.quantities import parse_duration
from ..service_levels.budget import BurnRule
from ..service_levels.judge import answers
from ..service_levels.objectives import IN_PROMETHEUS, RATIOS, Objective, shown_limit
from .queries import error_share, figure, quoted, seconds, value

# Each holds those before it.
SETS = ("minimal", "standard", "comprehensive")
ESCALATED = "Escalated"
_KEYS = ("alert", "set", "expr", "for", "severity", "summary", "description", "labels")
_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*", re.ASCII)
_SERIES = re.compile(r"\$([a-z][a-z0-9_]*)", re.ASCII)
_VALUE = re.compile(r"\$(value|labels\.[a-zA-Z_][a-zA-Z0-9_]*)", re.ASCII)


@dataclass(frozen=True)
class Escalation:
    """Alerts of ``severity`` go on to ``to`` after ``after`` seconds."""

    severity: str
    after: float
    to: str


@dataclass(frozen=True)
class SloRules:
    """How service levels become rules: the severity of a burn rule's status, and window and patience (seconds) of the other measures."""

    burn: Sequence[BurnRule]
    severities: Mapping[str, str]
    window: float
    hold: float


def filled(expression: str, series: Mapping[str, str], where: str) -> str:
    """``$requests`` replaced by the selector of that name.

    :raises InvalidOption: for a name that has no selector
    """
    def selector(match: re.Match[str]) -> str:
        if match[1] not in series:
            raise InvalidOption(f"{where}: ${match[1]} is no series", hint=f"Known are {', '.join(series) or 'none'}; add it to series")
        return str(series[match[1]])

    return _SERIES.sub(selector, expression)


def rule_groups(rules: Sequence[Any], *, alert_set: str, series: Mapping[str, str], objectives: Sequence[Objective], slo: SloRules,
                escalations: Sequence[Escalation], labels: Mapping[str, str]) -> list[dict[str, Any]]:
    """The groups of a rule file; ``labels`` are given to every alert.

    :raises InvalidOption: for a rule that cannot be read, two of one name, or an unknown alert set
    """
    if alert_set not in SETS:
        raise InvalidOption(f"alert_set: {alert_set!r} is unknown", hint=f"Known are {', '.join(SETS)}")
    wanted = SETS[: SETS.index(alert_set) + 1]
    read = [_read(entry, f"rules[{index}]", series) for index, entry in enumerate(rules)]
    names = [rule["alert"] for _set, rule in read]
    for name in names:
        if names.count(name) > 1 or name == ESCALATED:
            raise InvalidOption(f"rules: {name} is there twice", hint="Give each rule a name of its own")
    groups = [(f"evenkeel-{one}", [rule for which, rule in read if which == one]) for one in wanted]
    groups.append(("evenkeel-service-levels", [rule for objective in objectives if objective.source in IN_PROMETHEUS
                                               for rule in objective_rules(objective, slo)]))
    groups.append(("evenkeel-escalation", [_escalated(one) for one in escalations]))
    return [{"name": name, "rules": [{**rule, "labels": {**labels, **rule["labels"]}} for rule in found]}
            for name, found in groups if found]


def objective_rules(objective: Objective, slo: SloRules) -> list[dict[str, Any]]:
    """Burn rates of what has a budget, the alert or target of what has none, and that there is data at all."""
    found = []
    shown = objective.service.replace("{{", "{ {")  # labels and annotations are templates to Prometheus
    named = {"service": shown, "measure": objective.measure}
    named |= {"endpoint": objective.endpoint.replace("{{", "{ {")} if objective.endpoint else {}
    if objective.measure in RATIOS and objective.budget:
        for rule in (one for one in slo.burn if answers(objective, one)):
            limit = figure(rule.factor(objective.window) * objective.budget)
            found.append({
                "alert": "SloBudgetBurns", "labels": {**named, "severity": slo.severities[rule.status.value], "windows": rule.name},
                "expr": " and ".join(f"({error_share(objective, window)}) > {limit}" for window in (rule.long, rule.short)),
                "annotations": {"summary": f"{shown}: the error budget burns too fast",
                                "description": f"It would spend {rule.share:g}% of the budget within {rule.name.partition('/')[0]}; "
                                               "share of errors: {{ $value }}"}})
    if objective.measure not in RATIOS:
        limit = objective.alert if objective.alert is not None else objective.target
        sign = ">" if objective.measure == "latency" else "<"
        found.append({
            "alert": "SloMissed", "for": seconds(slo.hold), "labels": {**named, "severity": slo.severities["warn"]},
            "expr": f"({value(objective, slo.window)}) {sign} {figure(limit / 1000 if objective.measure == 'latency' else limit)}",
            "annotations": {"summary": f"{shown}: {objective.measure} misses {shown_limit(objective.measure, limit)}",
                            "description": "It is {{ $value }}"}})
    found.append({
        "alert": "SloDataMissing", "for": seconds(slo.hold), "labels": {**named, "severity": slo.severities["warn"]},
        "expr": f"absent({objective.settings['series']})",
        "annotations": {"summary": f"{shown}: nothing is measured",
                        "description": "Nobody would notice an outage: the series of this objective is not there"}})
    return found


def _escalated(one: Escalation) -> dict[str, Any]:
    firing = f'ALERTS{{alertname!="{ESCALATED}",alertstate="firing",severity={quoted(one.severity)}}}'
    return {
        "alert": ESCALATED, "for": seconds(one.after), "labels": {"severity": one.severity, "escalation": one.to, "alertstate": ""},
        "expr": f'label_replace({firing}, "origin", "$1", "alertname", "(.+)")',
        "annotations": {"summary": "{{ $labels.origin }} is still firing",
                        "description": f"Nobody ended or silenced it in time; it goes on to {one.to}"}}


def _read(entry: Any, where: str, series: Mapping[str, str]) -> tuple[str, dict[str, Any]]:
    if not isinstance(entry, Mapping):
        raise InvalidOption(f"{where} is no dictionary", hint=f"It has {', '.join(_KEYS)}")
    given = {key: value for key, value in entry.items() if value is not None}
    for key in given:
        if key not in _KEYS:
            raise InvalidOption(f"{where}: unknown key {key!r}", hint=f"Known are {', '.join(_KEYS)}")
    for key in ("alert", "set", "expr", "severity", "summary"):
        if not str(given.get(key) or "").strip():
            raise InvalidOption(f"{where} has no {key}", hint="Give alert, set, expr, severity and summary")
    if not _NAME.fullmatch(str(given["alert"])):
        raise InvalidOption(f"{where}.alert: {given['alert']!r} is no name", hint="Letters, digits and _, beginning with no digit")
    if given["set"] not in SETS:
        raise InvalidOption(f"{where}.set: {given['set']!r} is unknown", hint=f"Known are {', '.join(SETS)}")
    rule = {"alert": str(given["alert"]), "expr": filled(str(given["expr"]), series, f"{where}.expr"),
            "labels": {**{str(key): str(value) for key, value in (given.get("labels") or {}).items()}, "severity": str(given["severity"])},
            "annotations": {key: _VALUE.sub(r"{{ $\1 }}", str(given[key])) for key in ("summary", "description") if key in given}}
    if "for" in given:
        rule["for"] = seconds(parse_duration(given["for"], option=f"{where}.for"))
    return str(given["set"]), rule
