# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Room on the server's disks for what is built beside the old. SQL does not tell it; whoever runs on the same host may look."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from ..core.errors import InvalidOption
from .session import Session

# Free bytes below a folder of the server whose data directory and start (epoch) are given; None where this is not its host.
FreeSpace = Callable[[str, str, float], "int | None"]
UNKNOWN_ROOM = ("warn", "refuse", "ignore")
# data_directory is refused to those who may not read all settings. The view pg_settings would not do that, and takes ten times as long.
_TABLESPACES = """
SELECT t.oid::bigint AS oid, t.spcname AS name, nullif(pg_tablespace_location(t.oid), '') AS folder,
       CASE WHEN pg_has_role('pg_read_all_settings', 'USAGE') THEN current_setting('data_directory') END AS data_directory,
       extract(epoch FROM pg_postmaster_start_time())::float8 AS started
  FROM pg_tablespace t WHERE t.oid = ANY(%s::oid[])
"""


@dataclass(frozen=True)
class Room:
    """A tablespace and the bytes that each session may fill of it; None where nobody knows."""

    tablespace: str
    bytes: int | None


def observe_room(session: Session, tablespaces: Collection[int], free_space: FreeSpace | None, *, keep: int,
                 sessions: int) -> dict[int, Room]:
    """Room by tablespace: what is free beyond ``keep`` bytes, shared out among so many ``sessions`` that build at once.

    Several tablespaces on one file system each count all of it: who has that gives ``keep`` accordingly.
    """
    rooms = {}
    for row in session.fetch(_TABLESPACES, (sorted(tablespaces),)) if tablespaces else ():
        free = None
        if free_space is not None and row["data_directory"]:
            free = free_space(row["data_directory"], row["folder"] or row["data_directory"], row["started"])
        rooms[row["oid"]] = Room(row["name"], None if free is None else max(0, free - keep) // max(sessions, 1))
    return rooms


def unknown_room(value: Any, option: str) -> str:
    """What is done where the room is not known.

    :raises InvalidOption: for a word that is none of `UNKNOWN_ROOM`
    """
    if value not in UNKNOWN_ROOM:
        raise InvalidOption(f"{option}: {value!r} is no answer", hint=f"Known are {', '.join(UNKNOWN_ROOM)}")
    return value
