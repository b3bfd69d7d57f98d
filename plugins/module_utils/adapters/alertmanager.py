# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The HTTP API of Alertmanager (v2), and its own metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..core.errors import Unreachable
from ..core.options import OptionGroup
from .prometheus import own_metrics, session
from .rest import Rest

OPTIONS = OptionGroup(
    fragment="alertmanager",
    options={
        "alertmanager": {"type": "dict", "options": {
            "url": {"type": "str", "required": True},
            "token": {"type": "str", "no_log": True},
            "ca_cert": {"type": "path"},
            "timeout": {"type": "str", "default": "30s"},
        }},
    },
)


class Alertmanager:
    """A server."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    @classmethod
    def from_options(cls, options: Mapping[str, Any] | None) -> Alertmanager:
        """The server that the options of `OPTIONS` describe.

        :raises InvalidOption: where none is described
        :raises LibraryMissing: without requests
        """
        return cls(session(options, what="Alertmanager", option="alertmanager"))

    def post(self, alerts: Sequence[Mapping[str, Any]]) -> None:
        """Alerts as Prometheus sends them."""
        self._rest.ask("POST", "/api/v2/alerts", body=list(alerts))

    def alerts(self, *matchers: str) -> list[dict[str, Any]]:
        """The alerts that it has, silenced and inhibited ones among them, each with its receivers."""
        return self._listed("/api/v2/alerts", {"filter": list(matchers)} if matchers else None)

    def silences(self) -> list[dict[str, Any]]:
        """The silences that it remembers, expired ones among them."""
        return self._listed("/api/v2/silences", None)

    def configuration(self) -> str:
        """The file that is in force, secrets blanked out by it."""
        answer = self._rest.ask("GET", "/api/v2/status")
        if not isinstance(answer, Mapping) or "config" not in answer:
            raise Unreachable(f"{self._rest.target.url} answers, but not as Alertmanager does",
                              hint="Check the port and path of the URL")
        return str(answer["config"].get("original", ""))

    def reload(self) -> None:
        """Have it read its file again."""
        self._rest.ask("POST", "/-/reload")

    def metrics(self) -> list[tuple[str, dict[str, str], float]]:
        """Its own metrics: name, labels, value."""
        return own_metrics(self._rest)

    def read_since(self) -> float | None:
        """The Unix time at which it last read its file with success."""
        wanted = "alertmanager_config_last_reload_success_timestamp_seconds"
        return next((value for name, _labels, value in self.metrics() if name == wanted), None)

    def _listed(self, path: str, query: Mapping[str, Any] | None) -> list[dict[str, Any]]:
        answer = self._rest.ask("GET", path, query=query)
        if not isinstance(answer, list):
            raise Unreachable(f"{self._rest.target.url}{path} answers, but not as Alertmanager does",
                              hint="Check the port and path of the URL")
        return answer
