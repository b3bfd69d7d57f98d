# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host of a PostgreSQL server, where that is the very host that we run on: its disks, and how busy it is."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import StorageFailed
from .storage import free_bytes

# The line of postmaster.pid that has the epoch of the server's start (PostgreSQL source, src/include/utils/pidfile.h).
_START_LINE = 2
# postmaster.pid is written a moment before the server takes down the time of its start.
_APART = 5.0
_PROC = Path("/proc")


@dataclass(frozen=True)
class HostDisk:
    """``device`` tells file systems apart; ``free`` is what may still be written, in bytes."""

    device: int
    free: int


class ThisHost:
    """Answers nothing of a server that does not surely run here, or whose data directory may not be read by us.

    A server is known by its start: through a tunnel or in a container, the same path may lead to another one.
    """

    def __init__(self, proc: Path = _PROC) -> None:
        self._proc = proc

    def runs(self, data_directory: str, started: float) -> bool:
        """Whether the server of that data directory, which started at that epoch, runs here."""
        try:
            lines = (Path(data_directory) / "postmaster.pid").read_text(encoding="ascii", errors="replace").splitlines()
            return abs(float(lines[_START_LINE]) - started) <= _APART
        except (OSError, ValueError, IndexError):
            return False

    def disk(self, data_directory: str, folder: str, started: float) -> HostDisk | None:
        """The disk that has ``folder``, a folder of that server; None where that is not known."""
        try:
            if not self.runs(data_directory, started) or not Path(folder).is_dir():
                return None
            return HostDisk(os.stat(folder).st_dev, free_bytes(Path(folder)))
        except (OSError, StorageFailed):
            return None

    def load(self) -> dict[str, float | None]:
        """``io_pressure`` and ``cpu_pressure``: the percentage of the last ten seconds in which some task waited for a disk, or for
        a processor (Linux, PSI: Documentation/accounting/psi.rst); ``load_per_core``: the load average of a minute by processor
        (proc(5), loadavg: tasks that run, or wait for a processor or a disk). None where the kernel does not tell.

        All are of the whole machine, in a container too.
        """
        return {"io_pressure": self._pressure("io"), "cpu_pressure": self._pressure("cpu"), "load_per_core": self._load_per_core()}

    def _pressure(self, resource: str) -> float | None:
        try:
            lines = (self._proc / "pressure" / resource).read_text(encoding="ascii").splitlines()
            some = dict(field.split("=") for line in lines if line.startswith("some ") for field in line.split()[1:])
            return float(some["avg10"])
        except (OSError, ValueError, KeyError):  # a kernel without it, or one that was started with psi=0
            return None

    def _load_per_core(self) -> float | None:
        try:
            return float((self._proc / "loadavg").read_text(encoding="ascii").split()[0]) / (os.cpu_count() or 1)
        except (OSError, ValueError, IndexError):
            return None
