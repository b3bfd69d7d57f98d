# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What monitoring_verify asks of whom. A server that does not answer makes its questions unknown, not the others."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from ..adapters.alertmanager import Alertmanager
from ..adapters.elasticsearch import Elasticsearch
from ..adapters.jaeger import Jaeger
from ..adapters.prometheus import Prometheus
from ..adapters.server_logs import append_line, ends_with
from ..adapters.yaml_files import from_yaml
from ..core.clock import Clock
from ..core.errors import CommandFailed, InvalidOption, LibraryMissing, NotFound, OpsError
from ..core.files import storage_errors
from ..core.finding import Finding, Status
from ..core.quantities import parse_duration
from ..monitoring import pipelines, verify
from ..monitoring.canaries import follow
from ..monitoring.dashboards import expressions
from ..monitoring.routing import destinations

_NOT_YET = 503  # what Elasticsearch says of an index whose shards are starting
# What Grafana puts into a query by itself.
_MACROS = {"$__rate_interval": "5m", "$__interval": "1m", "$__range": "6h"}


def look_at_prometheus(options: Mapping[str, Any]) -> list[Finding]:
    """Targets, rules, the way to Alertmanager, retention, and the alert that always fires."""
    server = Prometheus.from_options(options["prometheus"])
    wanted = [*options["alerts"], *(_alerts_of(options["rules_path"]) if options["rules_path"] else [])]
    asked: list[tuple[str, Callable[[], Sequence[Finding]]]] = [
        ("targets", lambda: verify.judge_targets(options["jobs"], server.targets())),
        ("rules", lambda: verify.judge_rules(wanted, server.rules())),
        ("link", lambda: [verify.judge_link(server.alertmanagers())]),
    ]
    if options["retention"]:
        asked.append(("retention", lambda: [verify.judge_retention(options["retention"], server.flags())]))
    if options["watchdog"]:
        name = options["watchdog"]
        asked.append(("link", lambda: [verify.judge_watchdog(name, Alertmanager.from_options(options["alertmanager"]).alerts())]))
    found: list[Finding] = []
    for question, answer in asked:
        try:
            found += answer()
        except (InvalidOption, LibraryMissing):
            raise
        except OpsError as error:
            found.append(Finding(f"monitoring.{question}", "server", Status.UNKNOWN, error.message, hint=error.hint))
    return found


def send_canaries(options: Mapping[str, Any], clock: Clock, *, canary: str) -> list[verify.Delivery]:
    """One to each destination of the routes."""
    wanted, patience = destinations(options["routes"]), parse_duration(options["patience"], option="patience")
    if not wanted:
        return []
    server = Alertmanager.from_options(options["alertmanager"])
    try:
        configuration = from_yaml(server.configuration(), what="the configuration of Alertmanager")
    except (InvalidOption, LibraryMissing):
        raise
    except OpsError as error:
        return [verify.Delivery(labels, expected, error=error.message) for labels, expected in wanted]
    return follow(server, configuration, wanted, clock, canary=canary, patience=patience)


def send_log_canaries(options: Mapping[str, Any], clock: Clock, *, canary: str) -> list[pipelines.Arrival]:
    """A line in each log, looked for where it is to arrive; what arrived in Elasticsearch is deleted there again, where that is allowed."""
    patience = parse_duration(options["patience"], option="patience")
    return [_log_canary(one, f"{canary}{number}", clock, patience) for number, one in enumerate(options["log_canaries"])]


def _log_canary(one: Mapping[str, Any], canary: str, clock: Clock, patience: float) -> pipelines.Arrival:
    def send() -> None:
        append_line(one["path"], pipelines.log_line(canary, clock.now(), json=one["json"]))

    if one["elasticsearch"] is None:
        return pipelines.follow("log", one["name"], canary, send, lambda: ends_with(one["arrives_in"], canary), clock, patience=patience)
    server, found = Elasticsearch.from_options(one["elasticsearch"]), f'"{canary}"'
    since = clock.now().timestamp() - patience  # the index may take the shipper's time
    arrival = pipelines.follow("log", one["name"], canary, send, lambda: _found(server, found, since, clock), clock, patience=patience)
    if arrival.seconds is not None:
        with contextlib.suppress(OpsError):
            server.delete(found)
    return arrival


def _found(server: Elasticsearch, query: str, since: float, clock: Clock) -> bool:
    try:
        return server.count(query, since, clock.now().timestamp() + 60) > 0
    except NotFound:  # the index of the day may come with this very line
        return False
    except CommandFailed as error:
        if error.evidence.get("status") == _NOT_YET or "shards" in error.evidence:
            return False
        raise


def send_trace_canary(options: Mapping[str, Any], clock: Clock, *, canary: str) -> list[pipelines.Arrival]:
    """A span to the collector, looked for in Jaeger, where it stays."""
    if not options["trace_canary"]:
        return []
    server = Jaeger.from_options(options["jaeger"])
    return [pipelines.follow(
        "trace", pipelines.SERVICE, canary, lambda: server.send([pipelines.canary_span(canary, clock.now())], pipelines.SERVICE),
        lambda: server.trace(canary) is not None, clock, patience=parse_duration(options["patience"], option="patience"))]


def look_at_dashboards(options: Mapping[str, Any], now: datetime) -> list[Finding]:
    """Every query of every dashboard, asked once."""
    if not options["dashboards_path"]:
        return []
    folder, server = Path(options["dashboards_path"]), Prometheus.from_options(options["prometheus"])
    with storage_errors(folder):
        files = sorted(folder.rglob("*.json"))
    if not files:
        return [Finding("monitoring.dashboard", str(folder), Status.FAIL, "there is no dashboard", 0, 1, "dashboards",
                        "Run monitoring.configure")]
    return [_dashboard(path, server, now.timestamp()) for path in files]


def _dashboard(path: Path, server: Prometheus, at: float) -> Finding:
    try:
        with storage_errors(path):
            document = json.loads(path.read_text(encoding="utf-8"))
        panels = expressions(document)
        title = str(document.get("title") or path.name)
    except (ValueError, AttributeError, TypeError, OpsError) as error:
        return Finding("monitoring.dashboard", path.name, Status.UNKNOWN, f"the file cannot be read: {error}", hint="See who wrote it")
    asked = []
    for panel, query in panels:
        try:
            asked.append((panel, "" if server.query(_plain(query), at) else "no data"))
        except OpsError as error:
            asked.append((panel, error.message))
    return verify.judge_dashboard(title, asked)


def _plain(query: str) -> str:
    for macro, value in _MACROS.items():
        query = query.replace(macro, value)
    return query


def _alerts_of(path: str) -> list[str]:
    with storage_errors(path):
        document = from_yaml(Path(path).read_text(encoding="utf-8"), what=path)
    return [str(rule["alert"]) for group in (document or {}).get("groups") or [] for rule in group.get("rules") or [] if "alert" in rule]
