# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a lab lives: its folder, its state file, its ports, and which processes are its own.

    <home>/state.json      how to reach everything; there while the lab runs, and what the inventory reads
    <home>/supervisor.json the process that holds it: pid, start in clock ticks since boot, boot id
    <home>/secrets.json    passwords, made once
    <home>/ports.json      the ports of the last run, taken again where they are free
    <home>/seeded.json     the version of the seeds that the data was made from
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import random
import secrets
import socket
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import OpsError
from ansible_collections.evenkeel.ops.plugins.module_utils.core.files import storage_errors, write_atomically

from tests.testbed import CHECKOUT

# Below Linux's ephemeral range (32768 and up), so that no outgoing connection takes a lab's port between two runs.
_PORTS = range(20000, 32000)
_SOCKET_PATH_LIMIT = 107  # sun_path of unix(7), less its NUL
_PROGRAMS = {"postgres", "redis-server"}


def default_home() -> Path:
    """``$EVENKEEL_LAB``, or a cache folder of this user and this checkout."""
    if os.environ.get("EVENKEEL_LAB"):
        return Path(os.environ["EVENKEEL_LAB"]).absolute()
    return standard_home()


def standard_home() -> Path:
    """Below ``tools/cache-home``: a cache folder of this user, and in it one of this checkout."""
    if os.environ.get("EVENKEEL_CACHE"):
        cache = Path(os.environ["EVENKEEL_CACHE"]).absolute()
    elif os.geteuid() == 0:
        cache = Path("/var/cache/evenkeel")
    else:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "evenkeel"
    return cache / "lab" / hashlib.sha256(os.fsencode(CHECKOUT)).hexdigest()[:12]


@dataclass(frozen=True)
class ProcessMark:
    """A process and nothing that later takes its number: its pid, its start, and the boot in which that was."""

    pid: int
    started: int
    boot: str

    @classmethod
    def of(cls, pid: int) -> ProcessMark | None:
        """The mark of a living process; None where there is none, or only its zombie."""
        try:
            fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
            boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        except OSError:
            return None
        return None if fields[0] in "ZX" else cls(pid, int(fields[19]), boot)

    @property
    def alive(self) -> bool:
        """Whether that very process still runs."""
        return ProcessMark.of(self.pid) == self


class LabHome:
    """The folder of one lab and the files that say how it is."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state_file = folder / "state.json"
        self.supervisor_file = folder / "supervisor.json"
        self.log = folder / "lab.log"

    def __truediv__(self, name: str) -> Path:
        return self.folder / name

    def exists(self) -> bool:
        """Whether a lab was ever made there."""
        return (self.folder / "lock").is_file()

    def prepare(self) -> None:
        """Make the folder; as root others may pass through it, since PostgreSQL's account must reach its data.

        :raises StorageFailed: when it cannot be made
        :raises OpsError: when it is in use for something else, its path is too long, or PostgreSQL's account cannot pass
        """
        if self.folder.is_dir() and not self.exists() and any(self.folder.iterdir()):
            raise OpsError(f"{self.folder} has other things in it", hint="Give an empty or a new folder with --home")
        if len(os.fsencode(self.folder / "postgres" / ".s.PGSQL.65535")) > _SOCKET_PATH_LIMIT:
            raise OpsError(f"The path {self.folder} is too long for a socket below it", hint="Give a shorter one with --home")
        as_root = os.geteuid() == 0
        closed = [part for part in self.folder.parents if part.exists() and not part.stat().st_mode & 0o001]
        if as_root and closed:
            raise OpsError(f"PostgreSQL's account cannot pass through {closed[0]}", hint="Give another folder with --home")
        with storage_errors(self.folder):
            for part in reversed([part for part in (self.folder, *self.folder.parents) if not part.exists()]):
                part.mkdir(exist_ok=True)
                part.chmod(0o755)
            self.folder.chmod(0o711 if as_root else 0o700)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """One command at a time on this lab; waits for the other."""
        with (self.folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def read(self, name: str) -> Any:
        """The JSON of one of its files; None where it is not there or not whole."""
        try:
            return json.loads((self.folder / name).read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return None

    def write(self, name: str, value: Any) -> None:
        """Write one of its files, whole or not at all, mode 0600."""
        write_atomically(self.folder / name, json.dumps(value, indent=2, ensure_ascii=False).encode() + b"\n")

    def supervisor(self) -> ProcessMark | None:
        """The mark of the process that holds this lab, while it lives."""
        written = self.read(self.supervisor_file.name)
        mark = ProcessMark(**written) if written else None
        return mark if mark and mark.alive else None

    def claim(self) -> None:
        """Write down that this process holds the lab."""
        self.write(self.supervisor_file.name, asdict(ProcessMark.of(os.getpid())))

    def running(self) -> dict[str, Any] | None:
        """The state of the lab where it is up and ready."""
        return self.read(self.state_file.name) if self.supervisor() else None

    def secret(self, name: str) -> str:
        """A password, made at its first use and kept."""
        known = self.read("secrets.json") or {}
        if name not in known:
            known[name] = secrets.token_hex(18)
            self.write("secrets.json", known)
        return known[name]

    def port(self, name: str) -> int:
        """The port that ``name`` had in the last run where it is free, otherwise another, which is remembered."""
        known: dict[str, int] = self.read("ports.json") or {}
        remembered = [known[name]] if name in known else []
        taken = set(known.values())
        for candidate in (*remembered, *(port for port in random.sample(_PORTS, 200) if port not in taken)):
            if _is_free(candidate):
                if known.get(name) != candidate:
                    self.write("ports.json", {**known, name: candidate})
                return candidate
        raise OpsError("No free TCP port was found on the loopback", hint="See what listens there: ss -ltn")

    def leftovers(self) -> list[psutil.Process]:
        """Server processes that work inside this home, whoever started them."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if process.name() in _PROGRAMS and Path(process.cwd()).is_relative_to(self.folder.resolve()) \
                        and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do; a listener still refuses it
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
