# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Metrics written for the textfile collector of node_exporter, and pushed to a Pushgateway, through prometheus_client."""

from __future__ import annotations

import http.client
import socket
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Mapping
from typing import Any

from ..core.errors import AccessDenied, CommandFailed, InvalidOption, LibraryMissing, TimedOut, Unreachable
from .blocking_sockets import connect

# name -> (help, label names, [(label values, value)])
Families = Mapping[str, tuple[str, tuple[str, ...], Iterable[tuple[tuple[str, ...], float]]]]


class Exposition:
    """Families of gauges, all at once.

    :raises LibraryMissing: without prometheus_client
    """

    def __init__(self, families: Families) -> None:
        try:
            import prometheus_client
            from prometheus_client import exposition
        except ImportError as error:
            raise LibraryMissing("prometheus-client") from error
        self._exposition = exposition
        self._registry = prometheus_client.CollectorRegistry()
        for name, (told, labels, rows) in families.items():
            gauge = prometheus_client.Gauge(name, told, labels, registry=self._registry)
            for values, number in rows:
                (gauge.labels(*values) if labels else gauge).set(number)

    def text(self) -> bytes:
        """The format of node_exporter's textfile collector (Prometheus text format 0.0.4)."""
        return self._exposition.generate_latest(self._registry)

    def openmetrics(self) -> bytes:
        """OpenMetrics 1.0."""
        from prometheus_client.openmetrics import exposition

        return exposition.generate_latest(self._registry)

    def push(self, url: str, *, job: str, grouping: Mapping[str, str], timeout: float) -> None:
        """Replace what the group had.

        :raises OpsError: where it does not take them
        """
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
            raise InvalidOption(f"pushgateway: {url!r} is no address", hint="Write it as http://pushgateway.example.com:9091")
        try:
            self._exposition.push_to_gateway(url, job=job, registry=self._registry, grouping_key=dict(grouping), timeout=timeout,
                                             handler=_handler)
        except urllib.error.HTTPError as error:
            said = error.read()[:300].decode("utf-8", "replace").strip()
            kind = AccessDenied if error.code in (401, 403) else CommandFailed
            raise kind(f"The Pushgateway answers {error.code}: {said}", hint="Its log says more") from error
        except TimeoutError as error:
            raise TimedOut("The Pushgateway gave no answer in time", hint="See that it runs, or allow it more time") from error
        except OSError as error:
            raise Unreachable(f"The Pushgateway does not answer: {getattr(error, 'reason', error)}",
                              hint="Check address and port, and that it runs") from error


def _handler(url: str, method: str, timeout: float | None, headers: Any, data: bytes) -> Any:
    """As prometheus_client's own, without the environment's proxies, and to no address that `core.addresses` refuses. urllib
    follows no redirect of a PUT.
    """
    def send() -> None:
        request = urllib.request.Request(url, data=data, method=method, headers=dict(headers))
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _Plain, _Secure)
        with opener.open(request, timeout=timeout) as answer:
            answer.read()

    return send


class _Plain(urllib.request.HTTPHandler):
    def http_open(self, req: Any) -> Any:
        return self.do_open(_judged(http.client.HTTPConnection), req)


class _Secure(urllib.request.HTTPSHandler):
    def https_open(self, req: Any) -> Any:
        return self.do_open(_judged(http.client.HTTPSConnection), req, context=self._context)


def _judged(kind: Any) -> Any:
    def make(*arguments: Any, **named: Any) -> Any:
        made = kind(*arguments, **named)
        made._create_connection = _connected
        return made

    return make


def _connected(place: tuple[str, int], timeout: float, _source: Any = None) -> socket.socket:
    opened = connect(*place, end=time.monotonic() + timeout)
    opened.settimeout(timeout)
    return opened
