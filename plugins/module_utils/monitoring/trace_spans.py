# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Traces as Jaeger's API gives them, as plain values: how long, whose, where the time went. Pure.

Self time is what a span took itself: its duration without the time in which any of its children ran, which may overlap.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Span:
    """Times in seconds, ``begin`` since 1970; ``parent`` is empty for a root."""

    id: str
    parent: str
    service: str
    operation: str
    begin: float
    seconds: float
    error: bool

    @property
    def end(self) -> float:
        """When it was over."""
        return self.begin + self.seconds


@dataclass(frozen=True)
class Trace:
    """``root`` is the first span that has no parent here; ``incomplete`` where a parent that is named is missing."""

    id: str
    spans: Sequence[Span]
    root: Span
    incomplete: bool

    @property
    def seconds(self) -> float:
        """From the beginning of its first span to the end of its last."""
        return max(span.end for span in self.spans) - min(span.begin for span in self.spans)

    @property
    def slowest(self) -> tuple[Span, float]:
        """The span with most self time, and that."""
        return max(((span, self_seconds(span, self.spans)) for span in self.spans), key=lambda pair: pair[1])


def read_trace(raw: Mapping[str, Any]) -> Trace | None:
    """A trace; None for one that has no span that can be read."""
    processes = raw.get("processes") or {}
    spans = []
    for one in raw.get("spans") or []:
        try:
            spans.append(_span(one, processes))
        except (KeyError, TypeError, ValueError, AttributeError):
            continue
    if not spans:
        return None
    known = {span.id for span in spans}
    roots = [span for span in spans if span.parent not in known]
    root = min(roots or spans, key=lambda span: (bool(span.parent), span.begin))
    return Trace(str(raw.get("traceID", "")), spans, root, any(span.parent and span.parent not in known for span in spans))


def self_seconds(span: Span, spans: Iterable[Span]) -> float:
    """Its duration without the union of its children's."""
    taken, until = 0.0, span.begin
    for child in sorted((one for one in spans if one.parent == span.id and one.id != span.id), key=lambda one: one.begin):
        begin, end = max(child.begin, until), min(child.end, span.end)
        if end > begin:
            taken, until = taken + end - begin, end
    return max(0.0, span.seconds - taken)


def _span(one: Mapping[str, Any], processes: Mapping[str, Any]) -> Span:
    parent = next((str(reference["spanID"]) for reference in one.get("references") or []
                   if reference.get("refType") == "CHILD_OF" and reference.get("traceID", one["traceID"]) == one["traceID"]), "")
    tags = {str(tag.get("key")): tag.get("value") for tag in one.get("tags") or []}
    failed = str(tags.get("error", "")).lower() in ("true", "1") or tags.get("otel.status_code") == "ERROR"
    service = str((processes.get(one.get("processID")) or one.get("process") or {}).get("serviceName", "unknown"))
    return Span(str(one["spanID"]), parent, service, str(one.get("operationName", "")), int(one["startTime"]) / 1e6,
                max(0, int(one["duration"])) / 1e6, failed)
