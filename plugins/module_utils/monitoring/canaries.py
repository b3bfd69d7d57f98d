# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A canary alert for each destination: sent, followed through its route to a notification, and ended again.

Alertmanager does not say which alert a notification was for. So the routes' answer is exact (the receivers of this very alert), and the
delivery is read off its counters by integration. A new group is told of after its group_wait and never before: what the counters count
until then is somebody else's. What another alert's notification by the same integration adds in the moment after it is not told apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Protocol

from ..core.clock import Clock, format_instant
from ..core.errors import OpsError
from ..core.waiting import Deadline
from .verify import Delivery, prometheus_duration

CANARY = "EvenkeelCanary"
_LASTS = timedelta(minutes=15)
_LOOK_EVERY = 0.5
_GROUP_WAIT = 30.0  # what Alertmanager takes where its file says nothing


class AlertServer(Protocol):
    """Alertmanager, as far as it is wanted."""

    def post(self, alerts: Sequence[Mapping[str, Any]]) -> None:
        """Take alerts."""

    def alerts(self, *matchers: str) -> list[dict[str, Any]]:
        """Those that match."""

    def metrics(self) -> list[tuple[str, dict[str, str], float]]:
        """Its counters."""


def integrations(configuration: Any, receiver: str) -> dict[str, int]:
    """How many of each integration a receiver has, by the names that the counters have."""
    for one in (configuration or {}).get("receivers") or []:
        if one.get("name") == receiver:
            return {key.removesuffix("_configs"): len(value or []) for key, value in one.items() if key.endswith("_configs") and value}
    return {}


def follow(server: AlertServer, configuration: Any, destinations: Sequence[tuple[Mapping[str, str], str]], clock: Clock, *, canary: str,
           patience: float) -> list[Delivery]:
    """One after the other, so that the counters tell them apart, and ended only after the last, since receivers are told of an end too.
    ``canary`` is a word that no other run has.
    """
    wait, found, sent = group_wait(configuration), [], []
    try:
        for number, (labels, expected) in enumerate(destinations):
            alert = _alert(labels, f"{canary}-{number}", clock)
            sent.append(alert)
            found.append(_follow(server, alert, integrations(configuration, expected), dict(labels), expected, clock, wait, patience))
    finally:
        _end(server, sent, clock)
    return found


def group_wait(configuration: Any) -> float:
    """The shortest time (seconds) after which any route tells of a new group."""
    def waits(route: Mapping[str, Any], inherited: float) -> list[float]:
        own = prometheus_duration(str(route["group_wait"])) or 0.0 if "group_wait" in route else inherited
        return [own, *(one for child in route.get("routes") or [] for one in waits(child, own))]

    return min(waits((configuration or {}).get("route") or {}, _GROUP_WAIT))


def _alert(labels: Mapping[str, str], canary: str, clock: Clock) -> dict[str, Any]:
    """It begins when it arrives, by Alertmanager's clock; its service is its own, so that it makes a new group of the usual groupings."""
    return {"labels": {**labels, "alertname": CANARY, "canary": canary, "service": canary}, "endsAt": format_instant(clock.now() + _LASTS),
            "annotations": {"summary": "A test of evenkeel.ops: nothing is wrong",
                            "description": "monitoring.verify follows it to its receiver"}}


def _follow(server: AlertServer, alert: Mapping[str, Any], has: Mapping[str, int], labels: dict[str, str], expected: str, clock: Clock,
            wait: float, patience: float) -> Delivery:
    began, deadline, canary = clock.monotonic(), Deadline(clock, patience), alert["labels"]["canary"]
    receivers: list[str] = []
    sent = failed = 0.0
    seconds = None
    try:
        before = _counters(server)
        server.post([alert])
        while True:
            listed = server.alerts(f'canary="{canary}"')
            receivers = [one["name"] for entry in listed for one in entry.get("receivers") or []] or receivers
            now = _counters(server)
            if clock.monotonic() - began < wait:
                before = now  # not ours yet
            sent = sum(min(now.get(("sent", kind), 0) - before.get(("sent", kind), 0), number) for kind, number in has.items())
            failed = sum(now.get(("failed", kind), 0) - before.get(("failed", kind), 0) for kind in has)
            if receivers and (expected not in receivers or not has):
                break
            if failed or sent - failed >= sum(has.values()) > 0:
                seconds = None if failed else clock.monotonic() - began
                break
            if deadline.passed:
                break
            clock.sleep(min(_LOOK_EVERY, deadline.left))
    except OpsError as error:
        return Delivery(labels, expected, error=error.message)
    return Delivery(labels, expected, receivers, sum(has.values()), sent, failed, seconds, patience)


def _end(server: AlertServer, alerts: Sequence[Mapping[str, Any]], clock: Clock) -> None:
    try:
        server.post([{**alert, "endsAt": format_instant(clock.now())} for alert in alerts])
    except OpsError:
        return  # they end by themselves


def _counters(server: AlertServer) -> dict[tuple[str, str], float]:
    """Requests of notifications that were answered and that failed, by integration. (alertmanager_notifications_total counts one before it
    is tried.)
    """
    names = {"alertmanager_notification_requests_total": "sent", "alertmanager_notification_requests_failed_total": "failed"}
    found: dict[tuple[str, str], float] = {}
    for name, labels, value in server.metrics():
        if name in names:
            key = (names[name], labels.get("integration", ""))
            found[key] = found.get(key, 0.0) + value
    return found
