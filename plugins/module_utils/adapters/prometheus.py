# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The HTTP API of Prometheus (v1), and of what speaks it: Thanos, Mimir, VictoriaMetrics."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..core.errors import CommandFailed, InvalidOption, Unreachable
from ..core.options import OptionGroup
from ..core.quantities import parse_duration
from .rest import Rest, RestTarget

OPTIONS = OptionGroup(
    fragment="prometheus",
    options={
        "prometheus": {"type": "dict", "options": {
            "url": {"type": "str", "required": True},
            "token": {"type": "str", "no_log": True},
            "ca_cert": {"type": "path"},
            "timeout": {"type": "str", "default": "30s"},
        }},
    },
)
_SAMPLE = re.compile(r'^(\w+)(?:\{(.*)\})? ([^ ]+)$')
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


class Prometheus:
    """A server. What it answers with warnings, as a partial answer of Thanos, is an error: a part is not the whole."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    @classmethod
    def from_options(cls, options: Mapping[str, Any] | None, *, option: str = "prometheus") -> Prometheus:
        """The server that the options of `OPTIONS` describe.

        :raises InvalidOption: where none is described
        :raises LibraryMissing: without requests
        """
        return cls(session(options, what="Prometheus", option=option))

    def query(self, expression: str, at: float) -> list[tuple[Mapping[str, str], float]]:
        """An instant vector at a Unix time; a scalar is one without labels."""
        data = self.ask("/api/v1/query", {"query": expression, "time": f"{at:.3f}"})
        result = data.get("result") or []
        if data.get("resultType") == "scalar":
            return [({}, _number(result[1]))]
        if data.get("resultType") != "vector":
            raise InvalidOption(f"{expression!r} gives a {data.get('resultType')}", hint="Write a query that gives numbers at an instant")
        return [(row["metric"], _number(row["value"][1])) for row in result]

    def query_range(self, expression: str, start: float, end: float,
                    step: float) -> list[tuple[Mapping[str, str], list[tuple[float, float]]]]:
        """A matrix of the series at every step from start to end."""
        data = self.ask("/api/v1/query_range", {"query": expression, "start": f"{start:.3f}", "end": f"{end:.3f}", "step": f"{step:.3f}"})
        return [(row["metric"], [(float(at), _number(value)) for at, value in row["values"]]) for row in data.get("result") or []]

    def ask(self, path: str, query: Mapping[str, Any] | None = None) -> Any:
        """The data of an answer.

        :raises OpsError: as `Rest.ask`, with Prometheus' own words for what it does not like
        """
        answer = _asked(self._rest, path, query)
        if not isinstance(answer, Mapping) or answer.get("status") != "success":
            raise Unreachable(f"{self._rest.target.url}{path} answers, but not as Prometheus does",
                              hint="Check the port and path of the URL")
        if answer.get("warnings"):
            raise CommandFailed(f"the answer is partial: {'; '.join(map(str, answer['warnings']))[:300]}",
                                hint="See which of its stores does not answer")
        return answer["data"]

    def rules(self) -> list[Mapping[str, Any]]:
        """The groups of rules that are in force, each with its rules, their health and last error."""
        return self.ask("/api/v1/rules").get("groups") or []

    def targets(self) -> list[Mapping[str, Any]]:
        """The targets that it scrapes."""
        return self.ask("/api/v1/targets", {"state": "active"}).get("activeTargets") or []

    def alertmanagers(self) -> list[str]:
        """The addresses that it sends alerts to."""
        return [str(one.get("url")) for one in self.ask("/api/v1/alertmanagers").get("activeAlertmanagers") or []]

    def flags(self) -> Mapping[str, str]:
        """What it was started with."""
        return self.ask("/api/v1/status/flags")

    def read_since(self) -> float | None:
        """The Unix time at which it last read its files with success."""
        # Not of /api/v1/status/runtimeinfo, which tells whole seconds only.
        told = {name: value for name, _labels, value in own_metrics(self._rest)}
        return told.get("prometheus_config_last_reload_success_timestamp_seconds")

    def reload(self) -> None:
        """Have it read its files again; wants --web.enable-lifecycle.

        :raises OpsError: where it will not, with what it said
        """
        self._rest.ask("POST", "/-/reload")


def session(options: Mapping[str, Any] | None, *, what: str, option: str) -> Rest:
    """A session with a service of Prometheus' family.

    :raises InvalidOption: where none is described
    """
    if not options:
        raise InvalidOption(f"{option} says no address", hint=f"Give {option}: {{url: http://127.0.0.1:9090}}")
    headers = {"Authorization": f"Bearer {options['token']}"} if options.get("token") else {}
    return Rest(RestTarget(str(options["url"]).rstrip("/"), headers=headers, ca_cert=options.get("ca_cert"),
                           timeout=parse_duration(options["timeout"], option=f"{option}.timeout")), what=what)


def own_metrics(rest: Rest) -> list[tuple[str, dict[str, str], float]]:
    """What a server tells of itself below /metrics: name, labels, value."""
    with rest.download("/metrics") as body:
        text = body.read().decode("utf-8", "replace")
    return [(match[1], dict(_LABEL.findall(match[2] or "")), _number(match[3])) for match in map(_SAMPLE.match, text.splitlines()) if match]


def _asked(rest: Rest, path: str, query: Mapping[str, Any] | None) -> Any:
    try:
        return rest.ask("GET", path, query=query)
    except CommandFailed as error:  # 400 and 422 carry the reason as JSON
        said = error.evidence.get("said", "")
        reason = said.partition('"error":"')[2].rpartition('"')[0] or said
        raise CommandFailed(f"Prometheus says no: {reason[:300]}", hint="Run the query by hand in its own page",
                            evidence=error.evidence) from error


def _number(text: Any) -> float:
    try:
        return float(text)
    except (TypeError, ValueError) as error:
        raise Unreachable(f"Prometheus answers {text!r} where a number belongs", hint="See what listens there") from error
