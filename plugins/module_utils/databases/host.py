# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host that the server runs on. SQL tells neither its disks nor how busy it is; whoever runs on the same host may look."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from .room import Disk, Need, Room, cannot_begin, has_to_end, promises
from .session import Session

# data_directory is refused to those who may not read all settings. The view pg_settings would not do that, and takes ten times as long.
_SERVER = """
SELECT t.oid::bigint AS oid, t.spcname AS name, nullif(pg_tablespace_location(t.oid), '') AS folder,
       CASE WHEN pg_has_role('pg_read_all_settings', 'USAGE') THEN current_setting('data_directory') END AS data_directory,
       extract(epoch FROM pg_postmaster_start_time())::float8 AS started
  FROM pg_tablespace t
"""


class Free(Protocol):
    """A disk as a look at the host finds it."""

    @property
    def device(self) -> int:
        """Tells file systems apart."""

    @property
    def free(self) -> int:
        """Bytes that may still be written."""


class Look(Protocol):
    """A look at the host that we run on; `adapters.server_host.ThisHost` is one."""

    def runs(self, data_directory: str, started: float) -> bool:
        """Whether the server of that data directory, which started at that epoch, runs here."""

    def disk(self, data_directory: str, folder: str, started: float) -> Free | None:
        """The disk that has a folder of that server; None where that is not known."""

    def load(self) -> Mapping[str, float | None]:
        """By the words of the policy (`gentle.HOST_LIMITS`); None where the kernel does not tell."""


@dataclass(frozen=True)
class _Facts:
    data_directory: str | None
    started: float
    tablespaces: Mapping[int, tuple[str, str]]  # oid: name, folder


class ServerHost:
    """What a look at the server's host tells, anew each time; several threads of one run use it. Without a ``look`` nothing is known.

    What the server says of itself is asked once: it cannot change while the run's sessions hold.
    """

    def __init__(self, look: Look | None = None) -> None:
        self._look = look
        self._facts: _Facts | None = None
        self._promised: dict[Session, dict[int, int]] = {}
        self._lock = threading.Lock()

    @property
    def title(self) -> str:
        """As a finding has it: the server's data directory where that is known."""
        facts = self._facts
        return facts.data_directory if facts is not None and facts.data_directory else "server"

    def rooms(self, session: Session, tablespaces: Collection[int], *, keep: int) -> dict[int, Room]:
        """Room by tablespace: what is free beyond ``keep`` bytes.

        Whatever is planned counts all of it, and so do several tablespaces on one file system: `begin` is what looks closer.
        """
        self._ask(session, tablespaces)
        found = {}
        for oid, disk in self._disks(tablespaces).items():
            found[oid] = Room(disk.tablespace, None if disk.free is None else max(0, disk.free - keep), disk.folder)
        return found

    def begin(self, session: Session, needs: Sequence[Need]) -> str:
        """Why the session's work is not to be begun, else empty: then the room is promised to it until `end`."""
        if not needs:
            return ""
        self._ask(session, {need.tablespace for need in needs})
        with self._lock:
            disks, promised = self._disks({need.tablespace for need in needs}), {}
            for others in self._promised.values():
                for device, size in others.items():
                    promised[device] = promised.get(device, 0) + size
            short = cannot_begin(needs, disks, promised)
            if not short:
                self._promised[session] = promises(needs, disks)
            return short

    def end(self, session: Session) -> None:
        """The session's work is over: what it wrote is on the disk, and what it was promised beyond that is free again."""
        with self._lock:
            self._promised.pop(session, None)

    def squeezed(self, needs: Sequence[Need]) -> str:
        """Why work that runs has to end, empty where it goes on; asks no server."""
        return has_to_end(needs, self._disks({need.tablespace for need in needs})) if needs else ""

    def load(self, session: Session, *, told: bool | None) -> Mapping[str, float | None] | None:
        """How busy the host is; None where we are not on it. ``told``: what the operator says of that; None is to find out."""
        if self._look is None or told is False:
            return None
        if told is None:
            facts = self._ask(session, ())
            if facts.data_directory is None or not self._look.runs(facts.data_directory, facts.started):
                return None
        return self._look.load()

    def _ask(self, session: Session, tablespaces: Collection[int]) -> _Facts:
        with self._lock:
            facts = self._facts
        if facts is None or not set(tablespaces) <= facts.tablespaces.keys():
            rows = session.fetch(_SERVER)
            facts = _Facts(rows[0]["data_directory"], rows[0]["started"],
                           {row["oid"]: (row["name"], row["folder"] or row["data_directory"] or "") for row in rows})
            with self._lock:
                self._facts = facts
        return facts

    def _disks(self, tablespaces: Collection[int]) -> dict[int, Disk]:
        facts, found = self._facts, {}
        for oid in tablespaces:
            if facts is None or oid not in facts.tablespaces:
                continue
            name, folder = facts.tablespaces[oid]
            seen = None
            if self._look is not None and facts.data_directory:
                seen = self._look.disk(facts.data_directory, folder, facts.started)
            found[oid] = Disk(name, folder, seen.device if seen else -1, seen.free if seen else None)
        return found
