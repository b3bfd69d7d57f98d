# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jaeger's query API, and spans sent by OTLP over HTTP."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from ..core.errors import InvalidOption, NotFound, Unreachable
from ..core.options import OptionGroup
from ..core.quantities import parse_duration
from .rest import Rest, RestTarget

OPTIONS = OptionGroup(
    fragment="jaeger",
    options={
        "jaeger": {"type": "dict", "options": {
            "url": {"type": "str", "required": True},
            "token": {"type": "str", "no_log": True},
            "ca_cert": {"type": "path"},
            "timeout": {"type": "str", "default": "30s"},
            "otlp_url": {"type": "str"},
        }},
    },
)


class Jaeger:
    """The query service, and where one is given, the collector that takes spans."""

    def __init__(self, rest: Rest, otlp: Rest | None) -> None:
        self._rest, self._otlp = rest, otlp

    @classmethod
    def from_options(cls, options: Mapping[str, Any] | None) -> Jaeger:
        """:raises InvalidOption: where no address is given
        :raises LibraryMissing: without requests
        """
        if not options:
            raise InvalidOption("jaeger says no address", hint="Give jaeger: {url: http://127.0.0.1:16686}")
        headers = {"Authorization": f"Bearer {options['token']}"} if options.get("token") else {}
        timeout = parse_duration(options["timeout"], option="jaeger.timeout")

        def session(url: str, what: str) -> Rest:
            return Rest(RestTarget(url.rstrip("/"), headers=headers, ca_cert=options.get("ca_cert"), timeout=timeout), what=what)

        return cls(session(str(options["url"]), "Jaeger"), session(str(options["otlp_url"]), "The collector") if options.get("otlp_url")
                   else None)

    def services(self) -> list[str]:
        """The services that it has spans of."""
        return sorted(map(str, self._data("/api/services", None) or []))

    def traces(self, service: str, begin: float, end: float, *, limit: int) -> list[dict[str, Any]]:
        """The newest traces of a service between two Unix times, ``limit`` at the most."""
        return list(self._data("/api/traces", {"service": service, "start": int(begin * 1e6), "end": int(end * 1e6), "limit": limit}) or [])

    def every_trace(self, service: str, begin: float, end: float, *, page: int, shortest: float = 0.001) -> Iterator[dict[str, Any]]:
        """All of them, part by part of the time, since Jaeger gives no more than a number of the newest; the same one may come twice.

        :raises Unreachable: where one ``shortest`` part (seconds) has more than ``page`` traces
        """
        parts = [(begin, end)]
        while parts:
            first, last = parts.pop()
            found = self.traces(service, first, last, limit=page)
            if len(found) < page:
                yield from found
            elif last - first <= shortest:
                raise Unreachable(f"there are {page} traces of {service} and more within {shortest * 1000:g} ms", hint="Raise page")
            else:
                middle = (first + last) / 2
                parts += [(first, middle), (middle, last)]

    def trace(self, identity: str) -> dict[str, Any] | None:
        """One trace; None where it has none of this id."""
        try:
            return next(iter(self._data(f"/api/traces/{quote(identity, safe='')}", None) or []), None)
        except NotFound:
            return None

    def send(self, spans: Sequence[Mapping[str, Any]], service: str) -> None:
        """Spans in the words of OTLP's JSON.

        :raises InvalidOption: where no collector is given
        :raises OpsError: where it does not take them
        """
        if self._otlp is None:
            raise InvalidOption("jaeger.otlp_url says no address", hint="Give that of the collector: http://127.0.0.1:4318")
        self._otlp.ask("POST", "/v1/traces", body={"resourceSpans": [{
            "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]},
            "scopeSpans": [{"scope": {"name": "evenkeel.ops"}, "spans": list(spans)}]}]})

    def _data(self, path: str, query: Mapping[str, Any] | None) -> Any:
        answer = self._rest.ask("GET", path, query=query)
        if not isinstance(answer, Mapping) or "data" not in answer or not isinstance(answer["data"], (list, type(None))):
            raise Unreachable(f"{self._rest.target.url}{path} answers, but not as Jaeger does", hint="Check the port and path of the URL")
        return answer["data"]
