# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Service levels as PromQL for rules and dashboards, which cannot add up errors by themselves as slo_check does. Pure."""

from __future__ import annotations

import math

from ..service_levels.objectives import Objective


def seconds(span: float) -> str:
    """A range as Prometheus reads it."""
    return f"{math.ceil(span)}s"


def figure(number: float) -> str:
    """A number in a query."""
    return f"{number:.12g}"


def quoted(text: object) -> str:
    """A string in a query, or in a matcher of Alertmanager."""
    escaped = str(text).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def with_matcher(series: str, matcher: str) -> str:
    """A selector with one matcher more: ``up{job="a"}`` and ``code=~"5.."``."""
    bare = series.strip()
    if not bare.endswith("}"):
        return f"{bare}{{{matcher}}}"
    inside = bare[:-1].rstrip().rstrip(",")
    return f"{inside}{'' if inside.endswith('{') else ','}{matcher}}}"


def error_share(objective: Objective, window: float) -> str:
    """The share of requests that went wrong, 0 to 1; 0, not nothing, before the first error."""
    settings, span = objective.settings, seconds(window)
    if objective.source == "expression":
        value = str(settings["query"]).replace("$window", span)
        return f"1 - ({value}) / 100" if objective.measure == "availability" else f"({value}) / 100"
    total = _summed(objective, str(settings["series"]), span)
    wrong = _summed(objective, with_matcher(str(settings["series"]), f"{settings['label']}=~{quoted(settings['errors'])}"), span)
    return f"({wrong} or 0 * {total}) / {total}"


def value(objective: Objective, window: float) -> str:
    """A latency in seconds or a throughput in requests per second."""
    settings, span = objective.settings, seconds(window)
    if objective.source == "expression":
        return str(settings["query"]).replace("$window", span)
    if objective.source == "histogram":
        labels = ", ".join([*settings["by"], "le"])
        return f"histogram_quantile({figure(settings['quantile'] / 100)}, sum by ({labels}) (rate({settings['series']}[{span}])))"
    return _summed(objective, str(settings["series"]), span)


def _summed(objective: Objective, series: str, span: str) -> str:
    by = f" by ({', '.join(objective.settings['by'])})" if objective.settings["by"] else ""
    return f"sum{by} (rate({series}[{span}]))"
