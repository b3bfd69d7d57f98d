# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a watch shows beside the samples themselves: how it ended, errors in a row, latency that drifts. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ..core.finding import Finding, Status, at_most
from ..core.quantities import format_duration
from .expectations import shown
from .judge import percentile
from .layers import Foundations
from .probe import Sample
from .targets import Target
from .watch import FEWEST_IN_A_THIRD, Watched

_ALL = "all targets"
_AGAIN = "Run it again: a watch that was broken off is no watch"


def judge_watch(seen: Watched, targets: Sequence[Target], each: int, foundations: Foundations) -> tuple[dict[str, Any], list[Finding]]:
    """The value ``watch`` (see docs/architecture.md), and the findings.

    ``health.watch`` says how it ended; ``health.burst`` and ``health.drift`` are there for targets that break a limit, or whose
    drift was to be told and cannot be. ``each`` is how many samples of a target a round takes.
    """
    rows = [_row(target, seen.taken[target.name], seen, each) for target in targets]
    findings = [_ending(seen, targets, foundations)]
    for target, row in zip(targets, rows, strict=True):
        found = [finding for finding in (_burst(row, seen), _drift(row, seen)) if finding.status is not Status.PASS]
        findings += found if target.critical else [
            replace(finding, status=Status.WARN) if finding.status is Status.FAIL else finding for finding in found]
    total, bad = seen.counts
    return {
        "end": seen.end, "why": seen.why, "seconds": round(seen.seconds, 3), "planned_seconds": seen.policy.length,
        "every_seconds": seen.policy.every, "rounds": len(seen.rounds), "planned_rounds": seen.policy.rounds, "fell_out": seen.fell_out,
        "samples": total, "bad": bad, "targets": rows,
    }, findings


def _row(target: Target, samples: Sequence[Sample], seen: Watched, each: int) -> dict[str, Any]:
    length, first, last = _longest_run(samples)
    third = len(samples) // each // 3 * each
    medians = [percentile(good, 50) if len(good) >= FEWEST_IN_A_THIRD else None
               for good in ([one.latency for one in part if one.good] for part in (samples[:third], samples[len(samples) - third:]))]
    drift = None
    if None not in medians:
        growth = medians[1] - medians[0]
        drift = round(100 * growth / medians[0], 1) if abs(growth) > seen.policy.drift_floor and medians[0] else 0.0
    return {
        "name": target.name, "samples": sum(not one.blind for one in samples),
        "bad": sum(not (one.good or one.blind) for one in samples), "allowed": seen.allowed,
        "burst": length, "burst_began_seconds": round(seen.rounds[first // each], 3) if length else None,
        "burst_seconds": round(seen.rounds[last // each] - seen.rounds[first // each], 3) if length else None,
        "first_ms": _milliseconds(medians[0]), "last_ms": _milliseconds(medians[1]), "drift_percent": drift,
    }


def _longest_run(samples: Sequence[Sample]) -> tuple[int, int, int]:
    """Length, first and last index of the first longest run of bad samples; what could not be looked at neither ends nor lengthens one."""
    best, run, began = (0, 0, 0), 0, 0
    for index, sample in enumerate(samples):
        if sample.good:
            run = 0
        elif not sample.blind:
            began = index if run == 0 else began
            run += 1
            best = max(best, (run, began, index), key=lambda one: one[0])
    return best


def _ending(seen: Watched, targets: Sequence[Target], foundations: Foundations) -> Finding:
    policy = seen.policy
    total, bad = seen.counts
    so_far = f"{format_duration(seen.seconds)} of {format_duration(policy.length)} ({len(seen.rounds)} of {policy.rounds} rounds)"
    counted = f"{bad} of {total} samples bad"
    if seen.overdrawn:
        following = foundations.followers(name for name in seen.overdrawn if name in foundations.below)
        begun_here = [name for name in seen.overdrawn if name not in following]
        named = ", ".join(shown(name) for name in begun_here[:3]) + (f" and {len(begun_here) - 3} more" if len(begun_here) > 3 else "")
        return Finding(
            "health.watch", _ALL, Status.FAIL, f"ended after {so_far}: {named} had more bad samples than a pass allows; {counted}", bad,
            seen.allowed, "", "See what these targets say, mend it or roll back, and watch again")
    if seen.end == "interrupted":
        return Finding("health.watch", _ALL, Status.UNKNOWN, f"{seen.why} after {so_far}; what was seen until then is kept; {counted}",
                       hint=_AGAIN)
    if seen.fell_out:
        return Finding(
            "health.watch", _ALL, Status.WARN, f"{seen.fell_out} of {policy.rounds} rounds fell out, since probing took longer than "
            f"{format_duration(policy.every)}; {counted}", seen.fell_out, 0, "",
            "Watch less often, probe more at once, or lower timeouts and retries")
    early = ", early as pass_after allows" if seen.end == "passed" else ""
    return Finding("health.watch", _ALL, Status.PASS, f"watched for {so_far}{early}: {counted}", bad, seen.allowed)


def _burst(row: dict[str, Any], seen: Watched) -> Finding:
    warn, fail = seen.policy.burst
    finding = at_most("health.burst", row["name"], row["burst"], warn=warn, fail=fail, what="longest run of bad samples",
                      hint="See what happened at that time: a deployment, a failover, a job")
    if finding.status is Status.PASS or not row["burst_seconds"]:
        return finding
    return replace(finding, message=f"{finding.message}; it began {format_duration(row['burst_began_seconds'])} after the start "
                                    f"and lasted at least {format_duration(row['burst_seconds'])}")


def _drift(row: dict[str, Any], seen: Watched) -> Finding:
    warn, fail = seen.policy.drift
    if row["drift_percent"] is None and (seen.end != "whole" or (warn, fail) == (None, None)):
        return Finding("health.drift", row["name"], Status.PASS, "not asked for")
    what = "drift of the latency" if row["drift_percent"] is None else \
        f"growth of the median latency from {row['first_ms']:.1f} ms in the first third to {row['last_ms']:.1f} ms in the last"
    return at_most("health.drift", row["name"], row["drift_percent"], warn=warn, fail=fail, unit="%", what=what,
                   hint="Look for what fills up: memory, connections, queues, disks")


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(1000 * seconds, 3)
