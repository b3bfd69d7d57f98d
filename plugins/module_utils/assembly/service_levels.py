# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sources of service levels, opened as far as objectives use them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..adapters.cloudwatch import CloudWatch
from ..adapters.prometheus import Prometheus
from ..adapters.rest import Rest, RestTarget
from ..core.errors import InvalidOption
from ..core.files import storage_errors
from ..service_levels.evaluate import FromPoints, Policy, Source
from ..service_levels.objectives import IN_PROMETHEUS
from ..service_levels.points import FromDocument, FromMetrics
from ..service_levels.promql import FromPrometheus

_DOCUMENT_SECONDS = 30.0


def sources_of(policy: Policy, options: Mapping[str, Any]) -> dict[str, Source]:
    """The sources that a host can ask.

    :raises InvalidOption: for objectives whose source is not described, and for those that only the controller can judge
    """
    wanted = {one.source for one in policy.objectives}
    if "history" in wanted:
        raise InvalidOption("Objectives of the source history are judged on the controller, where the ledger is",
                            hint="Run evenkeel.ops.slo_check as a task, not as a module of an ad hoc wrapper")
    sources: dict[str, Source] = {}
    if wanted & IN_PROMETHEUS:
        sources["prometheus"] = FromPrometheus(Prometheus.from_options(options["prometheus"]))
    if "cloudwatch" in wanted:
        sources["cloudwatch"] = FromPoints(FromMetrics(CloudWatch(options["cloudwatch"])))
    if "json" in wanted:
        sources["json"] = FromPoints(FromDocument(_load))
    return sources


def _load(settings: Mapping[str, Any]) -> str:
    if "file" in settings:
        with storage_errors(settings["file"]):
            return Path(settings["file"]).read_text(encoding="utf-8", errors="replace")
    import json

    rest = Rest(RestTarget(str(settings["url"]), timeout=_DOCUMENT_SECONDS), what="the document")
    return json.dumps(rest.ask("GET", ""))
