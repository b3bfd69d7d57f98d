# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A database on a server that is there, as the destination of a restore."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from ..backups.repository import Backup
from ..core.errors import Busy, OpsError, Refused
from ..core.finding import Finding
from ..core.waiting import Deadline
from .judge import judge_restore
from .restore import Seen, State
from .scratch import scratch_folder


class Messages(Protocol):
    """`adapters.pg_restore.Restored`."""

    error_count: int
    errors: Sequence[str]


class Target(Protocol):
    """`adapters.target_database.TargetDatabase`."""

    name: str
    database: str
    working: str
    restored: Messages | None

    def check_rights(self) -> None:
        """May it be created?"""

    def objects(self) -> int | None:
        """What is in the database of that name."""

    def left_behind(self) -> bool:
        """What a restore that was broken off left."""

    def orders(self) -> Any:
        """A session, as a context manager."""

    def claim(self, session: Any) -> bool:
        """The right to restore it."""

    def discard(self, session: Any) -> None:
        """Drop what is being restored."""

    def publish(self, *, timeout: float) -> None:
        """Give it its name."""


class DatabaseDestination:
    """See `restore.Destination`. ``scratch`` is where a dump is decoded that pg_restore cannot read as it is stored."""

    def __init__(self, target: Target, scratch: Path, deadline: Deadline) -> None:
        self._target, self._scratch, self._deadline = target, scratch, deadline
        self.name = f"database {target.name}"
        self._plan = ""

    def observe(self) -> Seen:
        """See `restore.Destination`."""
        target = self._target
        target.check_rights()
        objects = target.objects()
        if objects:
            return Seen(State.TAKEN, f"it holds {objects} objects of its users")
        clears, words = [], []
        if target.left_behind():
            clears.append(f"database {target.working}")
            words.append("a restore was interrupted, and what it left is not whole")
        if objects == 0:
            clears.append(f"database {target.database}, which is empty")
            words.append("it exists and is empty: it would be dropped with its own settings and grants, and made anew with its owner")
        if clears:
            return Seen(State.CONFIRM, "; ".join(words), tuple(clears))
        return Seen(State.FREE, "it does not exist")

    def free_bytes(self) -> int | None:
        """The server knows."""
        return None

    @contextmanager
    def opened(self, backup: Backup) -> Iterator[Path]:
        """See `restore.Destination`. The mark is the name of the database that is being restored."""
        self._plan = backup.plan
        with self._target.orders() as session:
            if not self._target.claim(session):
                raise Busy(f"Another run is restoring {self.name}", hint="Wait until it has ended, or restore elsewhere")
            self._target.discard(session)
            try:
                with scratch_folder(self._scratch) as folder:
                    yield folder
            except BaseException as error:
                try:
                    self._target.discard(session)
                except OpsError as second:
                    error.add_note(f"{second}; database {self._target.working} stays behind, and the next run clears it")
                raise

    def remarks(self) -> list[Finding]:
        """pg_restore's errors, none of which is explained where nothing was compared."""
        said = self._target.restored
        return judge_restore(self._plan, said.errors, said.error_count, None) if said else []

    def publish(self) -> None:
        """See `restore.Destination`.

        :raises Refused: where something was made in the empty database meanwhile
        """
        if self._target.objects():
            raise Refused(f"{self.name} is not empty any more", hint="See who works there; restore to another name")
        self._target.publish(timeout=max(1.0, self._deadline.left))
