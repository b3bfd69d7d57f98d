# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pages of metrics in the text format of Prometheus, and in OpenMetrics, read by prometheus_client."""

from __future__ import annotations

from collections.abc import Mapping

from ..core.errors import LibraryMissing, Unreachable
from ..core.redaction import printable


def series(page: str, *, openmetrics: bool) -> list[tuple[str, Mapping[str, str], float, float | None]]:
    """Name, labels, value, and seconds since the epoch where the page dates it, of every series.

    :raises LibraryMissing: without prometheus_client
    :raises Unreachable: for what is no such page
    """
    try:
        from prometheus_client.openmetrics import parser as strict
        from prometheus_client.parser import text_string_to_metric_families
    except ImportError as error:
        raise LibraryMissing("prometheus-client") from error
    # In the text format the words TYPE and HELP change no value, and make the library rename counters without _total.
    text = page if openmetrics else "".join(line + "\n" for line in page.splitlines() if line.strip() and not line.lstrip().startswith("#"))
    read = strict.text_string_to_metric_families if openmetrics else text_string_to_metric_families
    try:
        return [(sample.name, sample.labels, float(sample.value), None if sample.timestamp is None else float(sample.timestamp))
                for family in read(text) for sample in family.samples]
    except Exception as error:  # the library lets errors of many kinds out of what is no page of metrics
        raise Unreachable(f"what it answers is no page of metrics: {printable(str(error), length=120) or type(error).__name__}",
                          hint="See the page itself; check the path") from error
