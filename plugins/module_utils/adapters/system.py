# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine under us, through psutil."""

from __future__ import annotations

import contextlib
import os
from typing import Any

from ..core.clock import Clock
from ..core.errors import LibraryMissing

try:
    import psutil
except ImportError:  # told when a reading is asked for
    psutil = None

# File systems that hold no data of their own, and images that are full by design.
_NOT_STORAGE = {"squashfs", "iso9660", "tmpfs", "devtmpfs", "overlay", "autofs", "proc", "sysfs"}


def read_host(clock: Clock, *, interval: float) -> dict[str, Any]:
    """Facts of this host, rates measured over ``interval`` seconds.

    Shape: ``cpu_percent`` (mean of all cores), ``cpu_count``, ``load1``, ``memory_percent`` (not available / total),
    ``memory_bytes``, ``swap_percent``, ``uptime_seconds``, ``disks`` (list of ``mount``, ``device``, ``used_percent``
    as df counts it, ``inodes_percent``, ``free_bytes``, ``total_bytes``), ``network`` (list of ``interface``,
    ``receive_bytes_per_second``, ``transmit_bytes_per_second``, ``errors``, ``speed_bits_per_second`` or None,
    ``used_percent`` or None where the speed is not known).

    :raises LibraryMissing: without psutil
    """
    if psutil is None:
        raise LibraryMissing("psutil")
    before, began = psutil.net_io_counters(pernic=True), clock.monotonic()
    psutil.cpu_percent()
    clock.sleep(interval)
    cpu, after = psutil.cpu_percent(), psutil.net_io_counters(pernic=True)
    seconds = max(clock.monotonic() - began, 1e-3)
    memory, swap = psutil.virtual_memory(), psutil.swap_memory()
    return {
        "cpu_percent": cpu,
        "cpu_count": psutil.cpu_count() or 1,
        "load1": psutil.getloadavg()[0],
        "memory_percent": round(100 * (1 - memory.available / memory.total), 1),
        "memory_bytes": memory.total,
        "swap_percent": swap.percent,
        "uptime_seconds": round(clock.now().timestamp() - psutil.boot_time()),
        "disks": _disks(),
        "network": [
            _interface(name, before[name], after[name], seconds) for name in sorted(after) if name in before and name != "lo"
        ],
    }


def _disks() -> list[dict[str, Any]]:
    disks, seen = [], set()
    for part in psutil.disk_partitions(all=False):
        if part.fstype in _NOT_STORAGE or part.device in seen:
            continue
        seen.add(part.device)
        try:
            usage, inodes = psutil.disk_usage(part.mountpoint), os.statvfs(part.mountpoint)
        except OSError:  # a stale mount; said as such by having no figures
            disks.append({"mount": part.mountpoint, "device": part.device, "used_percent": None,
                          "inodes_percent": None, "free_bytes": None, "total_bytes": None})
            continue
        disks.append({
            "mount": part.mountpoint, "device": part.device, "used_percent": usage.percent,
            "inodes_percent": round(100 * (1 - inodes.f_favail / inodes.f_files), 1) if inodes.f_files else None,
            "free_bytes": usage.free, "total_bytes": usage.total,
        })
    return disks


def _interface(name: str, before: Any, after: Any, seconds: float) -> dict[str, Any]:
    stats = psutil.net_if_stats().get(name)
    speed = stats.speed * 10**6 if stats and stats.speed else None
    received = (after.bytes_recv - before.bytes_recv) / seconds
    sent = (after.bytes_sent - before.bytes_sent) / seconds
    return {
        "interface": name, "receive_bytes_per_second": round(received), "transmit_bytes_per_second": round(sent),
        "errors": after.errin + after.errout - before.errin - before.errout, "speed_bits_per_second": speed,
        # Full duplex: the busier direction is what saturates.
        "used_percent": round(800 * max(received, sent) / speed, 1) if speed else None,
    }


def open_files() -> tuple[frozenset[tuple[int, int]], bool]:
    """The (device, inode) of every file that a process holds open or mapped, from proc(5), and whether all could be read.

    Other accounts' processes are hidden from all but root; then, and without /proc, the answer is not complete.
    """
    held: set[tuple[int, int]] = set()
    complete = os.path.isdir("/proc/self/fd")
    for process in os.listdir("/proc") if complete else ():
        if not process.isdigit():
            continue
        try:
            with os.scandir(f"/proc/{process}/fd") as descriptors:
                for descriptor in descriptors:
                    with contextlib.suppress(FileNotFoundError):  # closed meanwhile
                        found = os.stat(descriptor.path)
                        held.add((found.st_dev, found.st_ino))
            with open(f"/proc/{process}/maps", "rb") as maps:  # noqa: PTH123  thousands of them, and no Path needed
                for line in maps:
                    fields = line.split(maxsplit=5)
                    if len(fields) > 5 and fields[4] != b"0":
                        major, minor = fields[3].split(b":")
                        held.add((os.makedev(int(major, 16), int(minor, 16)), int(fields[4])))
        except (FileNotFoundError, ProcessLookupError):  # the process ended
            continue
        except PermissionError:
            complete = False
    return frozenset(held), complete
