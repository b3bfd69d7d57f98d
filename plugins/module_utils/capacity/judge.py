# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is there room left? A pure judgement of a host's facts by a policy of limits."""

from __future__ import annotations

import math
import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..core.errors import InvalidOption
from ..core.finding import Finding, Status, at_most
from ..core.quantities import format_size

_RESOURCES = ("cpu", "load", "memory", "swap", "disk", "inodes", "network")


@dataclass(frozen=True)
class Limits:
    """Percent of a resource in use above which a warning or a failure is found; None is no limit."""

    warn: float | None = None
    fail: float | None = None


@dataclass(frozen=True)
class CapacityPolicy:
    """A pair of limits for each of cpu, load, memory, swap, disk, inodes and network.

    ``read_only`` are mounts whose file system may be read-only.
    """

    limits: Mapping[str, Limits]
    read_only: Collection[str] = ()

    @classmethod
    def from_options(cls, options: Mapping[str, Mapping[str, float]], *, read_only: Collection[str] = ()) -> CapacityPolicy:
        """Read ``{resource: {warn: percent, fail: percent}}``; load, in percent of one task for each core, may pass 100.

        :raises InvalidOption: for an unknown resource or key, a percentage outside 0 to 100, or warn above fail
        """
        limits = {}
        for resource, pair in options.items():
            if not isinstance(pair, Mapping):
                raise InvalidOption(f"limits.{resource}: {pair!r} is no pair of limits", hint="Write {warn: 70, fail: 80}")
            if resource not in _RESOURCES:
                raise InvalidOption(f"limits: {resource!r} is no resource", hint=f"Known are {', '.join(_RESOURCES)}")
            unknown = set(pair) - {"warn", "fail"}
            if unknown:
                raise InvalidOption(f"limits.{resource}: unknown key {sorted(unknown)[0]!r}", hint="Known are warn, fail")
            for word, percent in pair.items():
                if percent is not None and (isinstance(percent, bool) or not isinstance(percent, (int, float))
                                            or not 0 <= percent <= (math.inf if resource == "load" else 100)):
                    raise InvalidOption(f"limits.{resource}.{word}: {percent!r} is not a percentage",
                                        hint="Give a number from 0 to 100")
            found = Limits(pair.get("warn"), pair.get("fail"))
            if found.warn is not None and found.fail is not None and found.warn > found.fail:
                raise InvalidOption(f"limits.{resource}: warn ({found.warn}) is above fail ({found.fail})",
                                    hint="Swap them, or leave one out")
            limits[resource] = found
        return cls(limits, frozenset(read_only))

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
                _busiest(host, "cpu") or "See what uses it (top, pidstat), then tune it or add cores"),
        percent("capacity.memory", "memory", host["memory_percent"], "memory in use",
                _busiest(host, "memory") or "See what holds it (ps --sort=-rss), then tune it or add memory"),
    ]
    if policy.of("load") != Limits():
        findings.append(percent("capacity.load", "load", host["load_percent"], "load of five minutes per core",
                                _busiest(host, "cpu") or "Tasks wait for disks rather than for the CPU: see iostat -x, vmstat"))
    if policy.of("swap") != Limits():
        findings.append(percent("capacity.swap", "swap", host["swap_percent"], "swap in use",
                                "The host lacks memory: stop something or add memory"))
    for disk in host["disks"]:
        findings.append(percent("capacity.disk", disk["mount"], disk["used_percent"], f"space in use on {disk['mount']}",
                                _disk_hint(disk)))
        if disk.get("read_only") and disk["mount"] not in policy.read_only:
            findings.append(Finding("capacity.read_only", disk["mount"], Status.FAIL, f"the file system on {disk['mount']} is read-only",
                                    True, False, "", "See dmesg: the kernel does this after errors of the device. Save the data first; "
                                    "where it is meant to be so, list the mount in the policy"))
        if disk["inodes_percent"] is not None and policy.of("inodes") != Limits():
            findings.append(percent("capacity.inodes", disk["mount"], disk["inodes_percent"],
                                    f"inodes in use on {disk['mount']}", "Many small files: find the folder that holds them"))
    for interface in host["network"]:
        if interface["used_percent"] is not None:
            findings.append(percent("capacity.network", interface["interface"], interface["used_percent"],
                                    f"bandwidth in use on {interface['interface']}", "Find the talker (iftop, nethogs)"))
    return findings + _judge_container(host.get("container"), policy)


def _judge_container(container: Mapping[str, float | None] | None, policy: CapacityPolicy) -> list[Finding]:
    """The share of a container against the same limits, where it has a share of its own."""
    findings = []
    for check, size, used, what in (("cpu", "cpu_cores", "cpu_percent", "CPU in use"),
                                    ("memory", "memory_bytes", "memory_percent", "memory in use")):
        if container and container[size] is not None:
            limits = policy.of(check)
            findings.append(at_most(
                f"capacity.{check}", "container", container[used], warn=limits.warn, fail=limits.fail, unit="%",
                what=f"{what} of the container's share",
                hint="Raise the container's limit, or see what it runs: at the limit it is slowed down or killed"))
    return findings


def _busiest(host: Mapping[str, Any], resource: str) -> str:
    processes: Sequence[Mapping[str, Any]] = (host.get("busiest") or {}).get(resource) or ()
    named = ", ".join(f"{one['name']} (pid {one['pid']}, {one['percent']:g}%)" for one in processes)
    of = "of one core" if resource == "cpu" else "of the memory"
    return f"Most is used by {named} {of}: tune or stop it, or add {'cores' if resource == 'cpu' else 'memory'}" if named else ""


def _disk_hint(disk: Mapping[str, Any]) -> str:
    if disk["used_percent"] is None:
        return f"It does not answer: see whether its server or device is gone (dmesg), then mount {disk['mount']} anew"
    left = f"{format_size(disk['free_bytes'])} are left. " if disk.get("free_bytes") is not None else ""
    return f"{left}See what fills it (du -xh --max-depth=2 {shlex.quote(disk['mount'])}), clean up or extend the volume"
