# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Traces counted by service and operation, and judged: slow ones, errors, the 95th percentile of each operation. Pure."""

from __future__ import annotations

import heapq
from array import array
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any
from urllib.parse import quote

from ..core.clock import format_instant
from ..core.errors import InvalidOption
from ..core.finding import Finding, Status, at_most
from ..core.policy import Limits, duration, number, pair, percentage, read_policy, status_word
from ..core.quantities import format_duration
from ..core.redaction import printable
from ..service_levels.readings import nearest_rank
from .trace_spans import Trace

_ROWS = 20
_NAME = 120
_TOLD = 400  # signs of a list in a hint


@dataclass(frozen=True)
class TracePolicy:
    """Pairs of limits for each service: ``slow_traces`` (a number), ``slow_percent``, ``error_percent`` and ``incomplete_percent``; ``p95``
    (seconds) by ``service operation``, by ``service``, or ``*`` for every other. ``silent`` is the status of a service without a trace.
    """

    pairs: Mapping[str, Limits] = field(default_factory=dict)
    p95: Mapping[str, Limits] = field(default_factory=dict)
    silent: str = "unknown"

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> TracePolicy:
        """:raises InvalidOption: for an unknown key or a value of the wrong kind"""
        percents = dict.fromkeys(("slow_percent", "error_percent", "incomplete_percent"), pair(percentage))
        read = read_policy(options, {"slow_traces": pair(number), **percents, "p95": _by_operation, "silent": status_word}, option="limits")
        pairs = {key: value for key, value in read.items() if isinstance(value, Limits)}
        return cls(pairs, read.get("p95", {}), read.get("silent", "unknown"))

    def p95_of(self, service: str, operation: str) -> Limits:
        """The nearest limits of an operation."""
        return self.p95.get(f"{service} {operation}") or self.p95.get(service) or self.p95.get("*") or Limits()


def _by_operation(value: Any, option: str) -> dict[str, Limits]:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise InvalidOption(f"{option}: {value!r} is no dictionary of limits", hint="Write it as {shop: {warn: 500ms, fail: 1s}}")
    return {key: pair(duration)(limits, f"{option}.{key}") for key, limits in value.items()}


class TraceTally:
    """Counts traces; each once, whichever services' questions bring it. ``examples`` has by ``failed`` or ``incomplete`` and a service the
    id of such a trace, ``longest`` by service and operation the seconds of the longest span, and its trace.
    """

    def __init__(self, slow_after: float) -> None:
        self.slow_after = slow_after
        self.traces: Counter[str] = Counter()
        self.slow: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self.incomplete: Counter[str] = Counter()
        self.seconds: dict[tuple[str, str], array[float]] = {}
        self.errors: Counter[tuple[str, str]] = Counter()
        self.longest: dict[tuple[str, str], tuple[float, str]] = {}
        self.examples: dict[tuple[str, str], str] = {}
        self._seen: set[str] = set()
        self._slowest: list[tuple[float, str, dict[str, Any]]] = []

    def __len__(self) -> int:
        return len(self._seen)

    def add(self, traces: Iterable[Trace | None]) -> None:
        """Count them."""
        for trace in traces:
            if trace is None or trace.id in self._seen:
                continue
            self._seen.add(trace.id)
            services = {span.service for span in trace.spans}
            self.traces.update(services)
            failed = {span.service for span in trace.spans if span.error}
            self.failed.update(failed)
            self.examples.update({("failed", service): trace.id for service in failed})
            self.examples.update({("incomplete", service): trace.id for service in services} if trace.incomplete else {})
            self.incomplete.update(services if trace.incomplete else ())
            for span in trace.spans:
                key = (span.service, span.operation)
                self.seconds.setdefault(key, array("d")).append(span.seconds)
                self.errors[key] += span.error
                self.longest[key] = max(self.longest.get(key, (0.0, trace.id)), (span.seconds, trace.id))
            if trace.seconds > self.slow_after:
                self.slow[trace.root.service] += 1
                heapq.heappush(self._slowest, (trace.seconds, trace.id, _row(trace)))
                if len(self._slowest) > 10 * _ROWS:
                    self._slowest = heapq.nlargest(5 * _ROWS, self._slowest)
                    heapq.heapify(self._slowest)

    def slowest(self, service: str = "") -> list[dict[str, Any]]:
        """Rows of the slowest traces, of those that began in a service."""
        return [row for _seconds, _id, row in sorted(self._slowest, reverse=True) if service in ("", row["service"])]

    def operations(self) -> list[dict[str, Any]]:
        """Rows of operations, the slowest first."""
        rows = [{"service": service, "operation": operation, "spans": len(taken), "p50_ms": _ms(nearest_rank(taken, 50) or 0),
                 "p95_ms": _ms(nearest_rank(taken, 95) or 0), "slowest_ms": _ms(max(taken)), "errors": self.errors[service, operation]}
                for (service, operation), taken in self.seconds.items()]
        return sorted(rows, key=lambda row: (-row["p95_ms"], row["service"], row["operation"]))

    def values(self) -> dict[str, Any]:
        """For the ledger and the report."""
        return {"services": [{"service": service, "traces": count, "slow": self.slow[service], "failed": self.failed[service],
                              "incomplete": self.incomplete[service]} for service, count in sorted(self.traces.items())],
                "operations": self.operations()[:5 * _ROWS], "slowest": self.slowest()[:_ROWS]}


def judge(tally: TraceTally, policy: TracePolicy, services: Sequence[str], unread: Mapping[str, tuple[str, str]], period: float, *,
          known: Collection[str] = (), address: str = "") -> list[Finding]:
    """``monitoring.traces`` of each service, and ``monitoring.trace_slow``, ``…_errors``, ``…_incomplete``, ``…_p95``. ``unread`` has by
    service what kept us from asking, and a hint: of such a service nothing else is said, since a part is not the whole. ``known`` are the
    services that were ever seen, ``address`` is where people look at traces.
    """
    findings: list[Finding] = []
    span = format_duration(period)
    for service in services:
        if service in unread:
            message, hint = unread[service]
            findings.append(Finding("monitoring.traces", service, Status.UNKNOWN, message, hint=hint))
        elif not tally.traces[service]:
            if policy.silent != "ignore":
                findings.append(Finding("monitoring.traces", service, Status(policy.silent), f"there is no trace of it in the last {span}",
                                        0, 1, "traces", _why_silent(service, known)))
        else:
            findings += [Finding("monitoring.traces", service, Status.PASS, f"{tally.traces[service]} traces in the last {span}",
                                 tally.traces[service], None, "traces"), *_of_service(tally, policy, service, address)]
    return findings or [Finding("monitoring.traces", "all services", Status.UNKNOWN, "there is no service to ask for",
                                hint="See whether anything sends spans, or name services")]


def _why_silent(service: str, known: Collection[str]) -> str:
    if not known or service in known:
        return "See whether it is called at all, whether it sends spans, and how many it samples"
    some = ", ".join(printable(one, length=_NAME) for one in sorted(known)[:_ROWS])
    return f"Jaeger has never had a span of it. See how it is spelled and whether it sends spans; known are {some}"


def _opened(trace: str, address: str) -> str:
    return f"Open {address}/trace/{quote(trace, safe='')}" if address else f"Open trace {printable(trace, length=64)}"


def _of_service(tally: TraceTally, policy: TracePolicy, service: str, address: str) -> list[Finding]:
    traces, rows = tally.traces[service], tally.slowest(service)
    worst = rows[0] if rows else None
    told = "" if worst is None else (
        f"The slowest: {worst['operation']} took {worst['seconds']:.3g} s, {worst['self_seconds']:.3g} s of it in "
        f"{worst['slowest_service']}: {worst['slowest_operation']}. {_opened(worst['trace'], address)}")
    failing = "; ".join(f"{times}× {printable(operation, length=_NAME)}" for (owner, operation), times in tally.errors.most_common()
                        if times and owner == service)[:_TOLD]
    slow = f"traces over {format_duration(tally.slow_after)}"
    asked = [
        ("trace_slow", "slow_traces", tally.slow[service], "traces", f"the number of {slow}", told),
        ("trace_slow", "slow_percent", tally.slow[service], "%", f"the share of {slow}", told),
        ("trace_errors", "error_percent", tally.failed[service], "%", "the share of traces with an error in it",
         f"Errors: {failing}. {_opened(tally.examples.get(('failed', service), ''), address)}"),
        ("trace_incomplete", "incomplete_percent", tally.incomplete[service], "%",
         "the share of traces with a span whose parent is missing", "See which service does not send its spans or passes no context on. "
         + _opened(tally.examples.get(("incomplete", service), ""), address))]
    findings = []
    for check, key, counted, unit, what, hint in asked:
        limits = policy.pairs.get(key)
        if limits:
            value, of = (_percent(counted, traces), f" ({counted} of {traces})") if unit == "%" else (counted, "")
            findings.append(at_most(f"monitoring.{check}", service, value, warn=limits.warn, fail=limits.fail, unit=unit, what=what + of,
                                    hint=hint))
    for (owner, operation), taken in tally.seconds.items():
        limits = policy.p95_of(service, operation)
        if owner == service and limits:
            seconds = round(nearest_rank(taken, 95) or 0, 6)
            longest, trace = tally.longest[owner, operation]
            findings.append(at_most("monitoring.trace_p95", f"{service}: {printable(operation, length=_NAME)}", seconds, warn=limits.warn,
                                    fail=limits.fail, unit="s", what=f"the 95th percentile of {len(taken)} spans",
                                    hint=f"See where the self time of its longest span ({longest:.3g} s) is. {_opened(trace, address)}"))
    return findings


def _row(trace: Trace) -> dict[str, Any]:
    span, alone = trace.slowest
    begin = min(one.begin for one in trace.spans)
    return {"trace": printable(trace.id, length=64), "service": trace.root.service,
            "operation": printable(trace.root.operation, length=_NAME), "at": _instant(begin), "seconds": round(trace.seconds, 6),
            "spans": len(trace.spans), "slowest_service": span.service, "slowest_operation": printable(span.operation, length=_NAME),
            "self_seconds": round(alone, 6), "errors": sum(one.error for one in trace.spans)}


def _percent(part: int, whole: int) -> float:
    return round(100 * part / whole, 3)


def _ms(seconds: float) -> float:
    return round(1000 * seconds, 3)


def _instant(at: float) -> str:
    try:
        return format_instant(datetime.fromtimestamp(at, timezone.utc))
    except (ValueError, OverflowError, OSError):
        return ""
