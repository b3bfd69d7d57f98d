# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Prometheus, a real Alertmanager, a service to be scraped and receivers that remember what they were told, all on the loopback."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import SystemClock
from ansible_collections.evenkeel.ops.plugins.module_utils.core.waiting import Deadline, wait_until

from tests.conftest import missing
from tests.testbed import prometheus as servers
from tests.testbed.http import HttpServer, Response, serve_http
from tests.testbed.postgres import free_port


@dataclass
class Stack:
    """The servers, and what each receiver was told: (path, arrival, alert)."""

    prometheus: servers.Running
    alertmanager: servers.Running
    receivers: HttpServer
    folder: Path
    told: list[tuple[str, float, dict[str, Any]]] = field(default_factory=list)
    port: int = field(default_factory=free_port)

    @contextlib.contextmanager
    def service(self) -> Iterator[None]:
        """The service that is scraped, as long as the block lasts."""
        began = time.time()

        def metrics(_request):
            count = (time.time() - began) * 10
            return Response(body=f'http_requests_total{{code="200"}} {count}\nhttp_requests_total{{code="500"}} 0\n')

        with serve_http({"/metrics": metrics}, port=self.port):
            yield

    def arrival(self, path: str, alertname: str, seconds: float = 90) -> float:
        """When a receiver was told of an alert."""
        return wait_until(lambda: next((at for where, at, alert in self.told if where == path and alert["status"] == "firing"
                                        and alert["labels"]["alertname"] == alertname), None),
                          deadline=Deadline(SystemClock(), seconds), what=f"{alertname} at {path}")

    def prometheus_options(self, **more: Any) -> dict[str, Any]:
        """The options of prometheus_config; quick, so that a test need not wait long."""
        return {
            "path": str(self.prometheus.configuration), "rules_path": str(self.prometheus.folder / "rules" / "evenkeel.yml"),
            "prometheus": {"url": self.prometheus.url}, "scrape_interval": "1s", "evaluation_interval": "1s",
            "alertmanagers": [self.alertmanager.url.removeprefix("http://")], "labels": {"system": "shop"},
            "jobs": [{"name": "shop", "targets": [f"127.0.0.1:{self.port}"]}], "alert_set": "minimal",
            "rules": [
                {"alert": "Watchdog", "set": "minimal", "expr": "vector(1)", "severity": "heartbeat", "summary": "always"},
                {"alert": "TargetDown", "set": "minimal", "expr": "up == 0", "for": "1s", "severity": "critical",
                 "summary": "$labels.instance is down", "description": "up is $value"},
                {"alert": "Later", "set": "comprehensive", "expr": "vector(1)", "severity": "critical", "summary": "not in this set"}],
            "routes": self.routes, **more}

    @property
    def routes(self) -> list[dict[str, Any]]:
        """Critical alerts escalate after three seconds."""
        return [{"severity": "critical", "receiver": "on-call", "escalate_after": "3s", "escalate_to": "manager"},
                {"severity": "warning", "receiver": "team"}, {"severity": "heartbeat", "receiver": "nobody", "silent": True}]

    def alertmanager_options(self, **more: Any) -> dict[str, Any]:
        """The options of alertmanager_config."""
        def hook(name):
            return {"name": name, "webhook_configs": [{"url": f"{self.receivers.url}/{name}", "send_resolved": True}]}

        return {"path": str(self.alertmanager.configuration), "alertmanager": {"url": self.alertmanager.url},
                "receivers": [hook("on-call"), hook("manager"), hook("team"), {"name": "nobody"}], "routes": self.routes,
                "default_receiver": "team", **more,
                "grouping": {"by": ["alertname", "canary"], "wait": "1s", "interval": "2s", "repeat": "1h"}}


@pytest.fixture(scope="module")
def stack(tmp_path_factory) -> Iterator[Stack]:
    """As started: nothing is configured yet."""
    if not servers.installed():
        missing("Prometheus (the packages prometheus, prometheus-alertmanager and prometheus-pushgateway)")
    told: list[tuple[str, float, dict[str, Any]]] = []

    def receive(request):
        told.extend((request.path, time.monotonic(), alert) for alert in json.loads(request.body)["alerts"])
        return Response()

    with serve_http({f"/{name}": receive for name in ("on-call", "manager", "team")}) as receivers, \
            servers.serve_alertmanager() as alertmanager, servers.serve_prometheus(options=servers.IMPATIENT) as server:
        yield Stack(server, alertmanager, receivers, tmp_path_factory.mktemp("stack"), told)
