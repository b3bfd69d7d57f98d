# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a dump or a copy is, seen from the server: only while somebody watches, and never in the way of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from ..core import progress
from ..core.errors import OpsError


class _Onlooker:
    """A session of its own, which it has only while somebody watches."""

    _session: Any = None

    def close(self) -> None:
        """End the session."""
        if self._session is not None:
            self._session.close()
            self._session = None


class DumpProgress(_Onlooker):
    """``look`` asks the server, which knows what each COPY has read (PostgreSQL 14 or newer, pg_stat_progress_copy)."""

    def __init__(self, open_session: Callable[[], Any], database: str) -> None:
        self._sizes: dict[int, int] = {}
        if not progress.watched():
            return
        try:
            self._session = open_session()
            if self._session.server_version >= 140000:
                self._sizes = {row["oid"]: row["bytes"] for row in self._session.fetch(
                    "SELECT oid::int8 AS oid, pg_table_size(oid)::int8 AS bytes FROM pg_class"
                    " WHERE relkind = 'r' AND relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)")}
        except OpsError:
            self.close()
        progress.begin(f"dump of {database}", sum(self._sizes.values()) or None, reached=True)

    def look(self) -> None:
        """Tell how far it is; where the server does not answer, nothing is told any more."""
        if self._session is None or not self._sizes:
            return
        try:
            running = {row["relid"]: row["bytes"] for row in self._session.fetch(
                "SELECT relid::int8 AS relid, bytes_processed AS bytes FROM pg_stat_progress_copy"
                " WHERE datname = current_database() AND command = 'COPY TO'")}
        except OpsError:
            self.close()
            return
        if running:
            progress.reach(dumped_bytes(self._sizes, running))


class CopyProgress(_Onlooker):
    """``look`` asks the server how far its copies by pg_basebackup are (PostgreSQL 13 or newer, pg_stat_progress_basebackup)."""

    def __init__(self, open_session: Callable[[], Any]) -> None:
        if progress.watched():
            with suppress(OpsError):
                self._session = open_session()

    def look(self) -> None:
        """Tell how far it is. Where the server does not answer, or two copies run, nothing is told."""
        if self._session is None or self._session.server_version < 130000:
            return
        try:
            running = self._session.fetch("SELECT backup_streamed AS done, backup_total AS total FROM pg_stat_progress_basebackup"
                                          " WHERE phase = 'streaming database files'")
        except OpsError:
            self.close()
            return
        if len(running) == 1 and running[0]["total"]:
            progress.reach_share(min(1.0, running[0]["done"] / running[0]["total"]), running[0]["total"])


def dumped_bytes(sizes: Mapping[int, int], running: Mapping[int, int]) -> int:
    """How many bytes of tables are dumped, given each table's size and, for those that are being read, how much was read of it.

    pg_dump takes the largest tables first (its source, sortDumpableObjects), so what is larger than the smallest that it reads is
    done.
    """
    active = {table: read for table, read in running.items() if table in sizes}
    if not active:
        return 0
    smallest = min(sizes[table] for table in active)
    finished = sum(size for table, size in sizes.items() if table not in active and size > smallest)
    return finished + sum(min(read, sizes[table]) for table, read in active.items())
