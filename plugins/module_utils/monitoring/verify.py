# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Would we notice? What Prometheus, Alertmanager and dashboards say of themselves, judged. Pure.

What was meant to be there and is not is a failure; what was not asked, or could not be, is unknown.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..core.finding import Finding, Status
from ..core.quantities import format_duration, parse_duration

_SHOWN = 5
_DEFAULT_RETENTION = 15 * 86400.0  # of Prometheus 2


def judge_targets(jobs: Sequence[str], targets: Sequence[Mapping[str, Any]]) -> list[Finding]:
    """``monitoring.targets`` for each job that is meant to be scraped, and for each that is down."""
    found = []
    known = {str(one.get("scrapePool") or one.get("labels", {}).get("job")) for one in targets}
    for job in sorted({*jobs, *known}):
        own = [one for one in targets if str(one.get("scrapePool") or one.get("labels", {}).get("job")) == job]
        down = [one for one in own if one.get("health") == "down"]
        waiting = [one for one in own if one.get("health") not in ("up", "down")]
        if not own:
            found.append(Finding("monitoring.targets", job, Status.FAIL, f"Prometheus does not scrape {job}", 0, 1, "targets",
                                 "Run monitoring.configure, and see that Prometheus reads its files"))
        elif down:
            told = "; ".join(f"{one.get('scrapeUrl')}: {one.get('lastError') or 'no reason given'}" for one in down[:_SHOWN])
            found.append(Finding("monitoring.targets", job, Status.FAIL, f"{len(down)} of {len(own)} targets are down: {told}",
                                 len(own) - len(down), len(own), "targets", "See that it runs, and that Prometheus may reach it"))
        elif waiting:
            found.append(Finding("monitoring.targets", job, Status.UNKNOWN, f"{len(waiting)} of {len(own)} targets were not scraped yet",
                                 len(own) - len(waiting), len(own), "targets", "Ask again after a scrape interval"))
        else:
            found.append(Finding("monitoring.targets", job, Status.PASS, f"all {len(own)} targets are up", len(own), len(own), "targets"))
    return found or [Finding("monitoring.targets", "all jobs", Status.UNKNOWN, "no job is meant to be scraped, and none is",
                             hint="Give jobs")]


def judge_rules(wanted: Sequence[str], groups: Sequence[Mapping[str, Any]]) -> list[Finding]:
    """``monitoring.rules``: the alerts that are meant are there, and each rule is evaluated without an error."""
    rules = [(group, rule) for group in groups for rule in group.get("rules") or []]
    present = {rule.get("name") for _group, rule in rules}
    absent = sorted(set(wanted) - present)
    found = []
    if absent:
        found.append(Finding("monitoring.rules", "alerts", Status.FAIL,
                             f"{len(absent)} alerts are not loaded: {', '.join(absent[:_SHOWN])}", len(set(wanted)) - len(absent),
                             len(set(wanted)), "alerts", "Run monitoring.configure, and see that Prometheus reads its files"))
    failing = [(group, rule) for group, rule in rules if rule.get("health") == "err"]
    found += [Finding("monitoring.rules", f"{group.get('name')}: {rule.get('name')}", Status.FAIL,
                      f"it cannot be evaluated: {rule.get('lastError')}", hint="Correct its query") for group, rule in failing]
    fresh = [rule for _group, rule in rules if rule.get("health") not in ("ok", "err")]
    if fresh:
        found.append(Finding("monitoring.rules", "evaluation", Status.UNKNOWN, f"{len(fresh)} of {len(rules)} rules were not evaluated yet",
                             hint="Ask again after an evaluation interval"))
    if not rules and not wanted:
        found.append(Finding("monitoring.rules", "alerts", Status.UNKNOWN, "there is no rule, and none is wanted: nothing would be noticed",
                             hint="Give alerts"))
    return found or [Finding("monitoring.rules", "alerts", Status.PASS, f"all {len(rules)} rules are loaded and evaluated", len(rules),
                             len(rules), "rules")]


def judge_link(addresses: Sequence[str]) -> Finding:
    """``monitoring.link``: Prometheus has somebody to send alerts to."""
    if addresses:
        return Finding("monitoring.link", "Prometheus", Status.PASS, f"it sends alerts to {', '.join(addresses)}", len(addresses), 1)
    return Finding("monitoring.link", "Prometheus", Status.FAIL, "it knows no Alertmanager: alerts fire and nobody is told", 0, 1,
                   hint="Give alertmanagers to monitoring.configure")


def judge_watchdog(name: str, alerts: Sequence[Mapping[str, Any]]) -> Finding:
    """``monitoring.link``: the alert that always fires has come from Prometheus to Alertmanager."""
    if any(one.get("labels", {}).get("alertname") == name for one in alerts):
        return Finding("monitoring.link", name, Status.PASS, "the alert that always fires is in Alertmanager")
    return Finding("monitoring.link", name, Status.FAIL, "the alert that always fires is not in Alertmanager",
                   hint="See prometheus_notifications_dropped_total and Prometheus' log")


def judge_retention(wanted: str, flags: Mapping[str, str]) -> Finding:
    """``monitoring.retention``: metrics are kept as long as is asked for."""
    seconds, told = parse_duration(wanted, option="retention"), flags.get("storage.tsdb.retention.time", "")
    by_default = told in ("", "0s") and flags.get("storage.tsdb.retention.size", "0B") == "0B"
    kept = prometheus_duration(told) or (_DEFAULT_RETENTION if by_default else None)
    if kept is None:
        return Finding("monitoring.retention", "Prometheus", Status.UNKNOWN, f"how long metrics are kept is not known ({told!r})", None,
                       seconds, "s", "Start it with --storage.tsdb.retention.time")
    hint = "" if kept >= seconds else f"Start Prometheus with --storage.tsdb.retention.time={math.ceil(seconds / 86400)}d"
    return Finding("monitoring.retention", "Prometheus", Status.FAIL if hint else Status.PASS,
                   f"metrics are kept for {format_duration(kept)}, {format_duration(seconds)} are asked for", kept, seconds, "s", hint)


@dataclass(frozen=True)
class Delivery:
    """A canary alert: the labels it was sent with, who was meant to get it, who did by the routes, how many notifications went out and
    failed meanwhile, and how long it took (None where it did not in time). ``error`` is why it could not be sent.
    """

    labels: Mapping[str, str]
    expected: str
    receivers: Sequence[str] = ()
    integrations: int = 0
    sent: float = 0
    failed: float = 0
    seconds: float | None = None
    patience: float = 0
    error: str = ""


def judge_delivery(one: Delivery) -> Finding:
    """``monitoring.delivery``: an alert with these labels reaches its receiver."""
    subject = ", ".join(f"{key}={value}" for key, value in sorted(one.labels.items()))
    check, hint = "monitoring.delivery", "Run monitoring.configure; amtool config routes test says which route an alert takes"
    if one.error:
        return Finding(check, subject, Status.UNKNOWN, f"no canary could be sent: {one.error}", hint="See that Alertmanager answers")
    if one.expected not in one.receivers:
        return Finding(check, subject, Status.FAIL, f"it goes to {', '.join(one.receivers) or 'nobody'} instead of {one.expected}",
                       list(one.receivers), one.expected, "", hint)
    if not one.integrations:
        return Finding(check, subject, Status.FAIL, f"{one.expected} tells nobody: it has no integration", 0, 1, "",
                       "Give the receiver webhook_configs, email_configs or another")
    if one.failed:
        return Finding(check, subject, Status.FAIL, f"{one.failed:g} notifications to {one.expected} failed", one.failed, 0, "",
                       "Alertmanager's log says why: address, credentials, the network between")
    if one.seconds is None:
        return Finding(check, subject, Status.FAIL, f"no notification went to {one.expected} within {format_duration(one.patience)}", None,
                       one.patience, "s", "See group_wait, silences and Alertmanager's log")
    return Finding(check, subject, Status.PASS, f"{one.expected} was told after {one.seconds:.1f} s", round(one.seconds, 3), one.patience,
                   "s")


def judge_dashboard(title: str, panels: Sequence[tuple[str, str]]) -> Finding:
    """``monitoring.dashboard``; ``panels`` are titles and what is wrong with their queries, empty where they return data."""
    wrong = [(panel, why) for panel, why in panels if why]
    if not panels:
        return Finding("monitoring.dashboard", title, Status.FAIL, "it has no query", 0, 1, "queries", "Run monitoring.configure")
    if wrong:
        told = "; ".join([f"{panel}: {why}" for panel, why in wrong[:_SHOWN]]
                         + ([f"and {len(wrong) - _SHOWN} more"] if len(wrong) > _SHOWN else []))
        return Finding("monitoring.dashboard", title, Status.FAIL, f"{len(wrong)} of {len(panels)} queries show nothing: {told}",
                       len(panels) - len(wrong), len(panels), "queries", "See that what they ask for is scraped and has this name")
    return Finding("monitoring.dashboard", title, Status.PASS, f"all {len(panels)} queries return data", len(panels), len(panels),
                   "queries")


_PROMETHEUS_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400, "y": 365 * 86400}


def prometheus_duration(text: str) -> float | None:
    """``30d``, ``1y2w`` as seconds; None for what is none, and for 0."""
    parts = re.findall(r"(\d+)(ms|[smhdwy])", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    return sum(int(number) * _PROMETHEUS_UNITS[unit] for number, unit in parts) or None
