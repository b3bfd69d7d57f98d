# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The limits of the container we run in: the root of our control group namespace (cgroups(7)), version 2 or 1.

Inside a container /proc shows the whole machine; what counts is the container's share. On a host the root group has no limits.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

ROOT = Path("/sys/fs/cgroup")
_NO_LIMIT = 1 << 60  # version 1 writes a number near 2**63 for none


def cpu_seconds(root: Path = ROOT) -> float | None:
    """Seconds of CPU that the group has used; None where it is not told."""
    stat = _text(root / "cpu.stat")
    if stat and "usage_usec" in stat:
        return int(stat.split("usage_usec", 1)[1].split()[0]) / 10**6
    usage = _number(root / "cpuacct" / "cpuacct.usage")
    return None if usage is None else usage / 10**9


def limits(usage_before: float | None, usage_after: float | None, seconds: float, root: Path = ROOT) -> dict[str, Any] | None:
    """``cpu_cores``, ``cpu_percent``, ``memory_bytes``, ``memory_percent``, each None where there is no such limit.

    Memory in use is what cannot be dropped at once: the working set, without pages of files that were not used lately.
    None where the group has no limit at all.
    """
    cores, memory = _cores(root), _memory(root)
    if cores is None and memory is None:
        return None
    spent = None if usage_before is None or usage_after is None else (usage_after - usage_before) / seconds
    return {
        "cpu_cores": cores, "cpu_percent": round(100 * spent / cores, 1) if cores and spent is not None else None,
        "memory_bytes": memory[0] if memory else None,
        "memory_percent": round(100 * memory[1] / memory[0], 1) if memory and memory[1] is not None else None,
    }


def _cores(root: Path) -> float | None:
    quota, period = [*(_text(root / "cpu.max") or "").split(), "", ""][:2]
    if not quota:
        quota, period = _text(root / "cpu" / "cpu.cfs_quota_us") or "", _text(root / "cpu" / "cpu.cfs_period_us") or ""
    if not quota.isdigit() or not period.isdigit() or not int(period):  # "max" and -1 are no limit
        return None
    return int(quota) / int(period)


def _memory(root: Path) -> tuple[int, int | None] | None:
    for limit_file, used_file, stat_file, idle in (
            ("memory.max", "memory.current", "memory.stat", "inactive_file"),
            ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat", "total_inactive_file")):
        limit, used = _number(root / limit_file), _number(root / used_file)
        if not limit or limit >= _NO_LIMIT:
            continue
        stats = dict(line.split(maxsplit=1) for line in (_text(root / stat_file) or "").splitlines() if " " in line)
        return limit, None if used is None else max(0, used - int(stats.get(idle, 0)))
    return None


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return None


def _number(path: Path) -> int | None:
    text = _text(path)
    return int(text) if text and text.isdigit() else None
