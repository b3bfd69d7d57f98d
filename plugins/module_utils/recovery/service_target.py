# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A service that is there (a vector store, a model registry), as the destination of a restore.

It has no names to hide a half restored state behind, so a mark stands in it from before the first write until all was compared:
one thing more of its own kind, whose note names what is being restored. While the mark is there, the service is not restored.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from ..backups.repository import Backup
from ..core.errors import OpsError
from ..core.finding import Finding
from .restore import Seen, State
from .scratch import scratch_folder

_NAMED = 5


class Service(Protocol):
    """`adapters.weaviate_target.WeaviateTarget`, `adapters.mlflow_target.MlflowTarget`."""

    url: str

    def names(self) -> list[str]:
        """What is there, by name, but for the mark."""

    def note(self) -> str | None:
        """What the mark says; None where there is none."""

    def mark(self, note: str) -> None:
        """Leave the mark; an error where there is one."""

    def unmark(self) -> None:
        """Take it away; none is no error."""

    def remove(self, name: str) -> None:
        """Delete something; what is gone already is no error."""


class ServiceDestination:
    """See `restore.Destination`. ``brings`` are the names that the backup will bring, ``scratch`` is where it may be decoded."""

    def __init__(self, service: Service, brings: Sequence[str], scratch: Path) -> None:
        self._service, self._brings, self._scratch = service, tuple(brings), scratch
        self.name = service.url

    def observe(self) -> Seen:
        """See `restore.Destination`."""
        names, note = self._service.names(), self._note()
        if note is None:
            return Seen(State.TAKEN, f"it holds {_listed(names)}") if names else Seen(State.FREE, "it is empty")
        backup, ours = note
        strangers = [name for name in names if name not in ours]
        if strangers:
            return Seen(State.TAKEN, f"beside what an interrupted restore left there is {_listed(strangers)}")
        return Seen(State.CONFIRM, f"a restore of {backup} is under way, or was interrupted: what is there is not whole",
                    tuple(names) or ("the mark of that restore",))

    def free_bytes(self) -> int | None:
        """The service knows."""
        return None

    @contextmanager
    def opened(self, backup: Backup) -> Iterator[Path]:
        """See `restore.Destination`. Of two runs at once the second cannot leave its mark, and ends."""
        if (left := self._note()) is not None:
            self._clear(left[1])
        self._service.mark(json.dumps({"backup": backup.id, "names": list(self._brings)}))
        try:
            with scratch_folder(self._scratch) as folder:
                yield folder
        except BaseException as error:
            try:
                self._clear(self._brings)
            except OpsError as second:
                error.add_note(f"{second}; what was restored to {self.name} stays behind with its mark, and the next run clears it")
            raise

    def remarks(self) -> list[Finding]:
        """Whatever the service does not like ends it."""
        return []

    def publish(self) -> None:
        """See `restore.Destination`: the mark goes."""
        self._service.unmark()

    def _clear(self, ours: Sequence[str]) -> None:
        """Delete what a restore brought, the mark last."""
        for name in self._service.names():
            if name in ours:
                self._service.remove(name)
        self._service.unmark()

    def _note(self) -> tuple[str, list[str]] | None:
        """Backup and names of the mark; one that cannot be read names nothing that may be cleared."""
        text = self._service.note()
        if text is None:
            return None
        try:
            note = json.loads(text)
            return str(note["backup"]), [str(name) for name in note["names"]]
        except (ValueError, KeyError, TypeError):
            return "a backup", []


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
