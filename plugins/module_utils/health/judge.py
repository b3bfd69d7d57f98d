# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""From samples to figures and findings. Pure.

A percentile is the nearest rank: the smallest measured value that at least p percent of all values do not exceed (the
inverse of the empirical distribution function, type 1 of Hyndman and Fan, "Sample Quantiles in Statistical Packages",
1996). It is always a latency that was really seen. Taken over the samples that were answered well: what is not answered
has no latency, and shows in availability and error rate.

    availability   samples answered well, retries included, of all samples, in percent
    error rate     attempts not answered well of all attempts, in percent: an error that a retry mended counts here
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..core.errors import InvalidOption
from ..core.finding import Finding, Status, at_least, at_most, worst
from ..core.quantities import parse_duration
from .expectations import shown
from .probe import Sample
from .targets import Target

_MEASURES = ("availability", "error_rate", "p95")
ALL_SERVICES = "*"
_SLOW = "See what slows it down: load, its database, the network between"


def percentile(values: Iterable[float], percent: float) -> float | None:
    """The nearest-rank percentile; None of no values."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)] if ordered else None


@dataclass(frozen=True)
class ServiceLimits:
    """``{service: {measure: (warn, fail)}}``, p95 in milliseconds, the others in percent; ``*`` stands for all services."""

    services: Mapping[str, Mapping[str, tuple[float | None, float | None]]]

    @classmethod
    def from_options(cls, options: Mapping[str, Any] | None) -> ServiceLimits:
        """Read ``{service or *: {availability: {warn, fail}, error_rate: {…}, p95: {warn: 200ms, fail: 500ms}}}``.

        :raises InvalidOption: for an unknown measure or key, a value that is none, or warn beyond fail
        """
        services = {}
        for service, measures in (options or {}).items():
            where = f"limits.{shown(str(service))}"
            services[str(service)] = {
                measure: read_pair(pair, f"{where}.{shown(str(measure))}", _milliseconds_of if measure == "p95" else read_percentage,
                                   at_least=measure == "availability")
                for measure, pair in _mapping(measures, where).items() if _known(measure, _MEASURES, where)}
        return cls(services)

    def of(self, service: str) -> Mapping[str, tuple[float | None, float | None]]:
        """The limits of a service: its own measures, then those of ``*``."""
        return {**self.services.get(ALL_SERVICES, {}), **self.services.get(service, {})}


def _mapping(value: Any, where: str) -> Mapping[Any, Any]:
    if not isinstance(value, Mapping):
        raise InvalidOption(f"{where}: {shown(value)} is no dictionary", hint="Write {availability: {warn: 99.9, fail: 99.5}}")
    return value


def _known(word: Any, known: Sequence[str], where: str) -> bool:
    if word not in known:
        raise InvalidOption(f"{where}: unknown key {shown(str(word))!r}", hint=f"Known are {', '.join(known)}")
    return True


def read_pair(pair: Any, where: str, read: Callable[[Any, str], float], *, at_least: bool = False) -> tuple[float | None, float | None]:
    """The limits of ``{warn, fail}``, each read by ``read(value, option)``; ``at_least`` where less is worse.

    :raises InvalidOption: for another key, a value that cannot be read, and where fail is met before warn
    """
    limits: dict[str, float | None] = {"warn": None, "fail": None}
    for word, value in _mapping(pair, where).items():
        if _known(word, ("warn", "fail"), where) and value is not None:
            limits[word] = read(value, f"{where}.{word}")
    warn, fail = limits["warn"], limits["fail"]
    if warn is not None and fail is not None and (warn < fail if at_least else warn > fail):
        raise InvalidOption(f"{where}: fail ({pair['fail']}) is met before warn ({pair['warn']})",
                            hint="Swap them, or leave one out")
    return warn, fail


def read_number(value: Any, option: str) -> float:
    """A finite number from 0 up.

    :raises InvalidOption: for anything else
    """
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not 0 <= number < math.inf:
        raise InvalidOption(f"{option}: {shown(value)} is no number from 0 up", hint="Give a number such as 20")
    return number


def read_percentage(value: Any, option: str) -> float:
    """A number from 0 to 100.

    :raises InvalidOption: for anything else
    """
    try:
        number = read_number(value, option)
    except InvalidOption:
        number = math.inf
    if number > 100:
        raise InvalidOption(f"{option}: {shown(value)} is not a percentage", hint="Give a number from 0 to 100")
    return number


def _milliseconds_of(value: Any, option: str) -> float:
    return 1000 * parse_duration(value, option=option)


def judge_targets(targets: Sequence[Target], taken: Mapping[str, Sequence[Sample]], *,
                  allowed: int = 0) -> tuple[list[dict[str, Any]], list[Finding]]:
    """Per target its row of the result (see docs/architecture.md) and its finding ``health.probe``.

    A target's latency is the nearest-rank P95 of its samples that were answered well; of one sample, that sample.
    So many bad samples as are ``allowed`` are a warning. Where every address was asked, the row has the verdict of each.
    """
    rows, findings = [], []
    for target in targets:
        samples = taken[target.name]
        finding, verdict = _verdict(target, samples, allowed)
        findings.append(finding)
        rows.append({
            "name": target.name, "service": target.service, "kind": target.kind, "address": target.address, **verdict,
            "attempts": sum(sample.attempts for sample in samples),
            **({"addresses": _each_address(target, samples, allowed)} if target.every_address else {}),
        })
    return rows, findings


def _verdict(target: Target, samples: Sequence[Sample], allowed: int) -> tuple[Finding, dict[str, Any]]:
    latency = percentile((sample.latency for sample in samples if sample.good), 95)
    finding = _judge_target(target, samples, latency, allowed)
    return finding, {
        "status": finding.status.value, "latency_ms": _milliseconds(latency), "message": finding.message,
        "samples": sum(not sample.blind for sample in samples), "failed": sum(not (sample.good or sample.blind) for sample in samples)}


def _each_address(target: Target, samples: Sequence[Sample], allowed: int) -> list[dict[str, Any]]:
    """Each address that the name had in any of the samples, judged as the target is."""
    said: dict[str, list[Sample]] = {}
    for one in (one for sample in samples for one in sample.each):
        said.setdefault(one.address, []).append(Sample(one.latency, 1, int(one.latency is None), one.complaints))
    return [{"address": address, **_verdict(replace(target, address=address), own, allowed)[1]} for address, own in said.items()]


def _judge_target(target: Target, samples: Sequence[Sample], latency: float | None, allowed: int) -> Finding:
    bad = [sample for sample in samples if not sample.good and not sample.blind]
    blind = [sample for sample in samples if sample.blind]
    if not samples:
        return Finding("health.probe", target.name, Status.UNKNOWN, f"{target.address}: nothing was seen of it before the end",
                       hint="Run it again, and let it come to its end")
    if len(bad) > allowed:
        return _complaint(target, samples, bad, Status.FAIL if target.critical else Status.WARN)
    if blind:
        return _complaint(target, samples, blind, Status.UNKNOWN)
    slow = _judge_latency(target, latency) if latency is not None else None
    if bad and (slow is None or slow.status is not Status.FAIL):
        return _complaint(target, samples, bad, Status.WARN)
    return slow


def _complaint(target: Target, samples: Sequence[Sample], bad: Sequence[Sample], status: Status) -> Finding:
    complaint, *others = bad[0].complaints
    attempts = sum(sample.attempts for sample in samples)
    told = "; ".join(one.message for one in (complaint, *others[:2])) + ("; and more" if len(others) > 2 else "")
    share = f" ({len(bad)} of {len(samples)} samples)" if len(samples) > 1 else f" ({attempts} attempts)" if attempts > 1 else ""
    where = "" if told.startswith(target.address) else f"{target.address}: "
    return Finding("health.probe", target.name, status, f"{where}{told}{share}", complaint.observed, complaint.limit, "", complaint.hint)


def _judge_latency(target: Target, latency: float) -> Finding:
    worst_here = Status.FAIL if target.critical else Status.WARN
    milliseconds = _milliseconds(latency)
    for status, limit in ((Status.FAIL, target.latency_fail), (Status.WARN, target.latency_warn)):
        if limit is not None and latency > limit:
            return Finding(
                "health.probe", target.name, min(status, worst_here, key=lambda one: one.rank),
                f"{target.address} answers in {milliseconds:.1f} ms, over the limit of {1000 * limit:g} ms", milliseconds,
                round(1000 * limit, 3), "ms", _SLOW)
    limit = target.latency_fail if target.latency_fail is not None else target.latency_warn
    return Finding("health.probe", target.name, Status.PASS, f"{target.address} answers in {milliseconds:.1f} ms", milliseconds,
                   round(1000 * limit, 3) if limit is not None else None, "ms")


def judge_services(targets: Sequence[Target], taken: Mapping[str, Sequence[Sample]], probed: Sequence[Finding],
                   limits: ServiceLimits) -> tuple[list[dict[str, Any]], list[Finding]]:
    """Per service its row of the result and its findings, where there are limits; ``probed`` is what `judge_targets` found.

    Samples that this side could not take count neither as good nor as bad. A service that has limits and no target is
    ``unknown``: nobody looked.
    """
    rows, findings = [], []
    by_service: dict[str, list[int]] = {}
    for index, target in enumerate(targets):
        by_service.setdefault(target.service, []).append(index)
    for service, members in by_service.items():
        samples = [sample for index in members for sample in taken[targets[index].name] if not sample.blind]
        row = {"service": service, **_figures(samples)}
        own = _judge_service(service, row, limits.of(service))
        findings += own
        rows.append({**row, "status": worst([*own, *(probed[index] for index in members)]).value})
    for service in limits.services:
        if service not in by_service and service != ALL_SERVICES:
            findings.append(Finding("health.availability", service, Status.UNKNOWN, f"{shown(service)} has limits and no target",
                                    hint="Add a target of this service, correct its name, or take its limits out"))
    return rows, findings


def availability(total: int, failed: int) -> float | None:
    """Percent of samples that were answered well, to three places; None of none."""
    return round(100 * (total - failed) / total, 3) if total else None


def _figures(samples: Sequence[Sample]) -> dict[str, Any]:
    total, attempts = len(samples), sum(sample.attempts for sample in samples)
    failed = sum(not sample.good for sample in samples)
    latencies = sorted(sample.latency for sample in samples if sample.good)
    return {
        "total": total, "failed": failed,
        "availability": availability(total, failed),
        "error_rate": round(100 * sum(sample.failed_attempts for sample in samples) / attempts, 3) if attempts else None,
        **{f"p{percent}_ms": _milliseconds(percentile(latencies, percent)) for percent in (50, 95, 99)},
    }


def _judge_service(service: str, row: Mapping[str, Any],
                   limits: Mapping[str, tuple[float | None, float | None]]) -> list[Finding]:
    findings = []
    for measure, (warn, fail) in limits.items():
        if measure == "availability":
            findings.append(at_least("health.availability", service, row["availability"], warn=warn, fail=fail, unit="%",
                                     what="availability", hint="See the targets of this service that fail"))
        elif measure == "error_rate":
            findings.append(at_most("health.error_rate", service, row["error_rate"], warn=warn, fail=fail, unit="%",
                                    what="error rate", hint="See the service's log, and its targets that fail"))
        # Where nothing was answered well there is no latency; the findings of its targets fail, which says it once.
        elif row["p95_ms"] is not None:
            findings.append(at_most("health.latency", service, row["p95_ms"], warn=warn, fail=fail, unit="ms",
                                    what="P95 of the latency", hint=_SLOW))
    return findings


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(1000 * seconds, 3)
