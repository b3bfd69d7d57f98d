# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Room on the server's disks for what is built beside the old: whether there is enough to begin, and still enough to go on. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..core.errors import InvalidOption
from ..core.finding import Finding, Status
from ..core.quantities import format_size

UNKNOWN_ROOM = ("warn", "refuse", "ignore")
WHERE_KNOWN = "Run this on the server's own host as root or as its account, or see to the room and set unknown_room to ignore"


@dataclass(frozen=True)
class Room:
    """A tablespace, its folder, and the bytes of its disk that may be filled; None where nobody knows."""

    tablespace: str
    bytes: int | None
    folder: str = ""

    def lacks(self, needed: int, keep: int) -> str:
        """How a sentence says that it is too small for what is needed."""
        return (f"it needs {format_size(needed)} beside the old one, and {self.folder} (tablespace {self.tablespace}) has "
                f"{format_size(self.bytes or 0)} beyond the {format_size(keep)} that have to stay free")


@dataclass(frozen=True)
class Need:
    """What a piece of work writes beside what is there: ``bytes`` in a tablespace (its oid), on whose disk ``keep`` bytes stay free.
    ``unknown``: what is done where nobody can tell, of `UNKNOWN_ROOM`.
    """

    tablespace: int
    bytes: int
    keep: int
    unknown: str = "warn"


@dataclass(frozen=True)
class Disk:
    """The disk below a tablespace, as it is just now. Several tablespaces may be on one ``device``; ``free`` is None where nobody knows."""

    tablespace: str
    folder: str
    device: int
    free: int | None

    @property
    def title(self) -> str:
        """As a sentence has it."""
        return f"{self.folder} (tablespace {self.tablespace})" if self.folder else f"tablespace {self.tablespace}"


def cannot_begin(needs: Sequence[Need], disks: Mapping[int, Disk], promised: Mapping[int, int]) -> str:
    """Why work with these needs is not begun, empty where there is room: on each device what it needs, beside what is ``promised`` (by
    device) to what runs already and what has to stay free.
    """
    for device, share in _by_device(needs, disks).items():
        disk, needed, keep = share
        if disk.free is None or disk.free - promised.get(device, 0) - needed >= keep:
            continue
        beside = f", and {format_size(promised[device])} are promised to what runs already" if promised.get(device) else ""
        return (f"it needs {format_size(needed)} beside the old one, and {disk.title} has {format_size(disk.free)} free, of which "
                f"{format_size(keep)} have to stay free{beside}")
    for need in needs:
        disk = disks.get(need.tablespace)
        if need.unknown == "refuse" and (disk is None or disk.free is None):
            return f"whether there is room for {format_size(need.bytes)} beside the old one is not known"
    return ""


def has_to_end(needs: Sequence[Need], disks: Mapping[int, Disk]) -> str:
    """Why work that runs is ended, empty where it goes on: less is free on a disk that it writes to than has to stay free."""
    for disk, _needed, keep in _by_device(needs, disks).values():
        if disk.free is not None and disk.free < keep:
            return f"only {format_size(disk.free)} were left on {disk.title}, where {format_size(keep)} have to stay free"
    return ""


def promises(needs: Sequence[Need], disks: Mapping[int, Disk]) -> dict[int, int]:
    """The bytes of the needs by device."""
    return {device: needed for device, (_disk, needed, _keep) in _by_device(needs, disks).items()}


def room_unknown(rooms: Collection[Room], keep: int) -> list[Finding]:
    """One finding for each tablespace into which is built without knowing whether there is room."""
    unknown = sorted({room.tablespace for room in rooms if room.bytes is None})
    return [Finding("database.room", tablespace, Status.WARN, "Whether there is room for what is built beside the old is not known",
                    limit=keep, unit="bytes", hint=WHERE_KNOWN) for tablespace in unknown]


def unknown_room(value: Any, option: str) -> str:
    """What is done where something is not known.

    :raises InvalidOption: for a word that is none of `UNKNOWN_ROOM`
    """
    if value not in UNKNOWN_ROOM:
        raise InvalidOption(f"{option}: {value!r} is no answer", hint=f"Known are {', '.join(UNKNOWN_ROOM)}")
    return value


def _by_device(needs: Sequence[Need], disks: Mapping[int, Disk]) -> dict[int, tuple[Disk, int, int]]:
    """Of each device one of its disks, the bytes that are needed there in all, and the most of what has to stay free."""
    found: dict[int, tuple[Disk, int, int]] = {}
    for need in needs:
        disk = disks.get(need.tablespace)
        if disk is None or disk.free is None:
            continue
        first, needed, keep = found.get(disk.device, (disk, 0, 0))
        found[disk.device] = first, needed + need.bytes, max(keep, need.keep)
    return found
