# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Traces of services, read from Jaeger into a tally. A service that cannot be read whole is told by name; the others go on."""

from __future__ import annotations

from collections.abc import Sequence

from ..adapters.jaeger import Jaeger
from ..core.errors import OpsError
from ..monitoring.trace_judge import TraceTally
from ..monitoring.trace_spans import read_trace

_EVERY = "all services"


def read_traces(server: Jaeger, tally: TraceTally, services: Sequence[str], ignored: Sequence[str], begin: float, end: float, *, page: int,
                most: int) -> tuple[list[str], dict[str, tuple[str, str]], list[str]]:
    """The services that were asked for, what kept us from reading some, with a hint, and all that are known."""
    try:
        known = server.services()
    except OpsError as error:
        wanted = list(services) or [_EVERY]
        return wanted, dict.fromkeys(wanted, (error.message, error.hint)), []
    unread: dict[str, tuple[str, str]] = {}
    wanted = list(dict.fromkeys(services)) or [name for name in known if name not in ignored]
    for service in wanted:
        if service not in known:
            continue  # it never sent a span, which the judge sees
        try:
            for raw in server.every_trace(service, begin, end, page=page):
                tally.add([read_trace(raw)])
                if len(tally) >= most:
                    unread[service] = (f"it was not read whole: {most} traces were read in all", "Raise most, or ask for a shorter period")
                    break
        except OpsError as error:
            unread[service] = (error.message, error.hint)
    return wanted, unread, known
