# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine under us, through psutil."""

from __future__ import annotations

import contextlib
import os
import threading
from typing import Any

from ..core.clock import Clock
from ..core.errors import LibraryMissing
from . import cgroup

try:
    import psutil
except ImportError:  # told when a reading is asked for
    psutil = None

# File systems that hold no data of their own, and images that are full by design.
_NOT_STORAGE = {"squashfs", "iso9660", "tmpfs", "devtmpfs", "overlay", "autofs", "proc", "sysfs"}
# Network file systems: psutil leaves them out with the kernel's own, and they hold data.
_REMOTE = {"nfs", "nfs4", "cifs", "smb3", "ceph", "glusterfs", "fuse.glusterfs", "fuse.sshfs", "9p", "virtiofs"}
_STATVFS_SECONDS = 5.0  # a mount whose server is gone would keep statvfs(2) for ever


def read_host(clock: Clock, *, interval: float) -> dict[str, Any]:
    """Facts of this host, rates measured over ``interval`` seconds.

    Shape: ``cpu_percent`` (mean of all cores), ``cpu_count``, ``load1``, ``load5``, ``load_percent`` (load5 per core, 100 is
    one task for each core), ``memory_percent`` (not available / total), ``memory_bytes``, ``swap_percent``, ``uptime_seconds``,
    ``disks`` (list of ``mount``, ``device``, ``type``, ``read_only`` (the file system itself, not a mount of it),
    ``used_percent`` as df counts it, ``inodes_percent``, ``free_bytes``, ``total_bytes``; None where it does not answer),
    ``network`` (list of ``interface``, ``receive_bytes_per_second``, ``transmit_bytes_per_second``, ``errors``,
    ``speed_bits_per_second`` or None, ``used_percent`` or None where the speed is not known), ``container`` (what
    `adapters.cgroup` reads, with ``cpu_percent`` and ``memory_percent`` of the limits; None where there are none), ``busiest``
    (``cpu`` and ``memory``: up to three of ``pid``, ``name``, ``percent``; of one core, of the host's memory).

    :raises LibraryMissing: without psutil
    """
    if psutil is None:
        raise LibraryMissing("psutil")
    processes = [process for process in psutil.process_iter() if _cpu_seconds(process) is not None]
    spent = {process: _cpu_seconds(process) for process in processes}
    before, usage_before, began = psutil.net_io_counters(pernic=True), cgroup.cpu_seconds(), clock.monotonic()
    psutil.cpu_percent()
    clock.sleep(interval)
    cpu, after, usage_after = psutil.cpu_percent(), psutil.net_io_counters(pernic=True), cgroup.cpu_seconds()
    seconds = max(clock.monotonic() - began, 1e-3)
    memory, swap, cores, loads = psutil.virtual_memory(), psutil.swap_memory(), psutil.cpu_count() or 1, psutil.getloadavg()
    return {
        "cpu_percent": cpu,
        "cpu_count": cores,
        "load1": loads[0],
        "load5": loads[1],
        "load_percent": round(100 * loads[1] / cores, 1),
        "memory_percent": round(100 * (1 - memory.available / memory.total), 1),
        "memory_bytes": memory.total,
        "swap_percent": swap.percent,
        "uptime_seconds": round(clock.now().timestamp() - psutil.boot_time()),
        "disks": _disks(),
        "network": [
            _interface(name, before[name], after[name], seconds) for name in sorted(after) if name in before and name != "lo"
        ],
        "container": cgroup.limits(usage_before, usage_after, seconds),
        "busiest": _busiest(spent, seconds, memory.total),
    }


def _cpu_seconds(process: Any) -> float | None:
    try:
        times = process.cpu_times()
    except psutil.Error:  # it ended, or is hidden from this account
        return None
    return times.user + times.system


def _busiest(spent: dict[Any, float], seconds: float, memory_total: int) -> dict[str, list[dict[str, Any]]]:
    """Names only: a command line may hold secrets."""
    by_cpu, by_memory = [], []
    for process, before in spent.items():
        now = _cpu_seconds(process)
        if now is None:
            continue
        try:
            with process.oneshot():
                who = {"pid": process.pid, "name": ascii(process.name())[1:-1]}
                by_memory.append({**who, "percent": round(100 * process.memory_info().rss / memory_total, 1)})
        except psutil.Error:
            continue
        by_cpu.append({**who, "percent": round(100 * (now - before) / seconds, 1)})

    def top(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return sorted((one for one in found if one["percent"] >= 1), key=lambda one: -one["percent"])[:3]

    return {"cpu": top(by_cpu), "memory": top(by_memory)}


def _disks() -> list[dict[str, Any]]:
    """One entry per device, at its shortest mount point that is a folder: containers bind single files of a disk."""
    disks: dict[str, dict[str, Any]] = {}
    local = {part.mountpoint for part in psutil.disk_partitions(all=False) if part.fstype not in _NOT_STORAGE}
    parts = [part for part in psutil.disk_partitions(all=True) if part.mountpoint in local or part.fstype in _REMOTE]
    read_only = _read_only_devices()
    for part in sorted(parts, key=lambda part: (len(part.mountpoint), part.mountpoint)):
        if part.device in disks or (part.fstype not in _REMOTE and not os.path.isdir(part.mountpoint)):
            continue
        found = _statvfs(part.mountpoint)
        disk = {"mount": part.mountpoint, "device": part.device, "type": part.fstype, "read_only": part.device in read_only,
                "used_percent": None, "inodes_percent": None, "free_bytes": None, "total_bytes": None}
        if found is not None:
            used, usable = found.f_blocks - found.f_bfree, found.f_blocks - found.f_bfree + found.f_bavail
            disk |= {"used_percent": round(100 * used / usable, 1) if usable else None,
                     "inodes_percent": round(100 * (1 - found.f_favail / found.f_files), 1) if found.f_files else None,
                     "free_bytes": found.f_bavail * found.f_frsize, "total_bytes": found.f_blocks * found.f_frsize}
        disks[part.device] = disk
    return sorted(disks.values(), key=lambda disk: disk["mount"])


def _statvfs(mount: str) -> os.statvfs_result | None:
    answers: list[os.statvfs_result] = []

    def ask() -> None:
        with contextlib.suppress(OSError):
            answers.append(os.statvfs(mount))

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(_STATVFS_SECONDS)
    return answers[0] if answers else None


def _read_only_devices() -> set[str]:
    """Devices whose file system is read-only itself, as after an error; a read-only mount of a writable one is none.

    The options after the dash are those of the file system (proc(5), mountinfo).
    """
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as lines:  # noqa: PTH123
            fields = [line.split(" - ", 1)[1].split() for line in lines if " - " in line]
    except OSError:
        return {part.device for part in psutil.disk_partitions(all=False) if "ro" in part.opts.split(",")}
    return {device for _type, device, options in (field[:3] for field in fields if len(field) >= 3) if "ro" in options.split(",")}


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
