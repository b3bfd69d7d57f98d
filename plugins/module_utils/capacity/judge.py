# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is there room left? A pure judgement of a host's facts by a policy of limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..core.errors import InvalidOption
from ..core.finding import Finding, at_most

_RESOURCES = ("cpu", "memory", "swap", "disk", "inodes", "network")


@dataclass(frozen=True)
class Limits:
    """Percent of a resource in use above which a warning or a failure is found; None is no limit."""

    warn: float | None = None
    fail: float | None = None


@dataclass(frozen=True)
class CapacityPolicy:
    """A pair of limits for each of cpu, memory, swap, disk, inodes and network."""

    limits: Mapping[str, Limits]

    @classmethod
    def from_options(cls, options: Mapping[str, Mapping[str, float]]) -> CapacityPolicy:
        """Read ``{resource: {warn: percent, fail: percent}}``.

        :raises InvalidOption: for an unknown resource or key, a percentage outside 0 to 100, or warn above fail
        """
        limits = {}
        for resource, pair in options.items():
            if resource not in _RESOURCES:
                raise InvalidOption(f"limits: {resource!r} is no resource", hint=f"Known are {', '.join(_RESOURCES)}")
            unknown = set(pair) - {"warn", "fail"}
            if unknown:
                raise InvalidOption(f"limits.{resource}: unknown key {sorted(unknown)[0]!r}", hint="Known are warn, fail")
            for word, percent in pair.items():
                if percent is not None and (isinstance(percent, bool) or not isinstance(percent, (int, float))
                                            or not 0 <= percent <= 100):
                    raise InvalidOption(f"limits.{resource}.{word}: {percent!r} is not a percentage",
                                        hint="Give a number from 0 to 100")
            found = Limits(pair.get("warn"), pair.get("fail"))
            if found.warn is not None and found.fail is not None and found.warn > found.fail:
                raise InvalidOption(f"limits.{resource}: warn ({found.warn}) is above fail ({found.fail})",
                                    hint="Swap them, or leave one out")
            limits[resource] = found
        return cls(limits)

    def of(self, resource: str) -> Limits:
        """The limits of a resource; none where the policy is silent."""
        return self.limits.get(resource, Limits())


def judge_host(host: Mapping[str, Any], policy: CapacityPolicy) -> list[Finding]:
    """One finding per resource, disk and interface; ``host`` has the shape of `adapters.system.read_host`."""

    def percent(check: str, subject: str, observed: float | None, what: str, hint: str) -> Finding:
        limits = policy.of(check.removeprefix("capacity."))
        return at_most(check, subject, observed, warn=limits.warn, fail=limits.fail, unit="%", what=what, hint=hint)

    findings = [
        percent("capacity.cpu", "cpu", host["cpu_percent"], "CPU in use",
                "See what uses it (top, pidstat), then tune it or add cores"),
        percent("capacity.memory", "memory", host["memory_percent"], "memory in use",
                "See what holds it (ps --sort=-rss), then tune it or add memory"),
    ]
    if policy.of("swap") != Limits():
        findings.append(percent("capacity.swap", "swap", host["swap_percent"], "swap in use",
                                "The host lacks memory: stop something or add memory"))
    for disk in host["disks"]:
        findings.append(percent("capacity.disk", disk["mount"], disk["used_percent"], f"space in use on {disk['mount']}",
                                f"See what fills it (du -xh {disk['mount']}), clean up or extend the volume"))
        if disk["inodes_percent"] is not None and policy.of("inodes") != Limits():
            findings.append(percent("capacity.inodes", disk["mount"], disk["inodes_percent"],
                                    f"inodes in use on {disk['mount']}", "Many small files: find the folder that holds them"))
    for interface in host["network"]:
        if interface["used_percent"] is not None:
            findings.append(percent("capacity.network", interface["interface"], interface["used_percent"],
                                    f"bandwidth in use on {interface['interface']}", "Find the talker (iftop, nethogs)"))
    return findings
