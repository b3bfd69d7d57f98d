# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server of Weaviate that is restored into: what it holds, and the mark of a restore that is not over."""

from __future__ import annotations

from ..core.errors import Busy, CommandFailed
from .weaviate import Weaviate

MARK = "EvenkeelRestoring"


class WeaviateTarget:
    """The mark is a collection without objects whose description is the note."""

    def __init__(self, store: Weaviate) -> None:
        self._store = store
        self.url = store.url

    def names(self) -> list[str]:
        """The collections."""
        return [one["class"] for one in self._store.collections() if one["class"] != MARK]

    def note(self) -> str | None:
        """What the mark says; None where there is none."""
        return next((str(one.get("description") or "") for one in self._store.collections() if one["class"] == MARK), None)

    def mark(self, note: str) -> None:
        """:raises Busy: where there is one"""
        try:
            self._store.create({"class": MARK, "description": note, "vectorizer": "none"})
        except CommandFailed as error:
            if "already exists" not in str(error.evidence.get("said")):
                raise
            raise Busy(f"Another run is restoring to {self.url}", hint="Wait until it has ended") from error

    def unmark(self) -> None:
        """Take it away; none is no error."""
        self._store.delete(MARK)

    def remove(self, name: str) -> None:
        """Delete a collection; one that is gone is no error."""
        self._store.delete(name)
