# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documents that arrive after their time was read: which were counted already, in bounded memory, and how many nobody counted. Pure.

From ``begin`` on every document that was counted is remembered by its id, so that this time can be asked for again. Before it, only how
many there were from ``older_from`` on: where there are more by now, so many came too late. Instants are milliseconds since 1970.
"""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Mapping
from typing import Any

MOST = 100_000  # documents that are remembered; some 2 MB where they are kept
ID = 8  # bytes of an id: one run of two billion, each with so many new documents, takes one of them for another
_ROW = struct.Struct(f">q{ID}s")


class Arrivals:
    """What is known of the documents of one question. ``until`` is up to when they were read before, None before the first time; ``late``
    are those that came since with an earlier instant, ``earliest`` is the earliest of these.
    """

    def __init__(self, since: int, *, most: int = MOST) -> None:
        self.begin, self.until, self.older_from, self.older = since, None, since, 0
        self.late, self.earliest = 0, since
        self._most, self._found = most, 0
        self._known: dict[bytes, int] = {}
        self._seen: dict[bytes, int] = {}

    @classmethod
    def load(cls, kept: Any, until: int, question: str, *, most: int = MOST) -> Arrivals:
        """From what `kept` gave; where that is of another question, or makes no sense, nothing before ``until`` is asked for again."""
        new = cls(until, most=most)
        new.until = until
        try:
            if kept["question"] == question:
                begin, older_from, older = (int(kept[key]) for key in ("begin", "older_from", "older"))
                known = {one: at for at, one in _ROW.iter_unpack(base64.b64decode(kept["documents"], validate=True))}
                if older_from <= begin <= until and older >= 0:
                    new.begin, new.older_from, new.older, new._known = begin, older_from, older, known
        except (KeyError, TypeError, ValueError, binascii.Error, struct.error):
            pass
        return new

    def is_new(self, document: bytes, said: int | None, until: int) -> bool:
        """Whether a document is to be counted, which is asked of each from ``begin`` to ``until``, once. One that ``said`` no instant, or
        one beyond, too, is remembered with the newest.
        """
        at = until - 1 if said is None else min(said, until - 1)
        self._found += 1
        self._seen[document] = at
        if len(self._seen) > self._most:
            self._forget(sorted(self._seen.values())[self._most // 10] + 1)
        if document in self._known:
            return False
        if self.until is not None and at < self.until:
            self.late += 1
            self.earliest = min(self.earliest, at) if self.late > 1 else at
        return True

    def missed(self, older: int, moved: int, older_from: int) -> int:
        """How many came too late to be counted. ``older`` are the documents from ``older_from`` to ``begin`` by now; from then on they are
        counted from the given instant on, which spares the first ``moved`` of them.
        """
        missed = max(0, older - self.older)
        self.older, self.older_from = older - moved, older_from
        return missed

    def read_to(self, until: int, keep: int) -> None:
        """All up to ``until`` was read: documents of the last ``keep`` milliseconds stay remembered, as many as there is room for."""
        self._forget(until - keep)
        hidden = self._hidden()  # those of a shard that is away may come back
        over = len(self._seen) + len(hidden) - self._most
        if over > 0:
            self._forget(sorted([*self._seen.values(), *hidden.values()])[over - 1] + 1)
            hidden = self._hidden()
        self.older += self._found - len(self._seen)
        self._known = {**hidden, **self._seen}
        self._seen, self._found, self.until = {}, 0, until

    def kept(self, question: str) -> Mapping[str, Any]:
        """As JSON has it."""
        rows = b"".join(_ROW.pack(at, one) for one, at in self._known.items())
        return {"question": question, "begin": self.begin, "older_from": self.older_from, "older": self.older,
                "documents": base64.b64encode(rows).decode()}

    def _forget(self, begin: int) -> None:
        self.begin = max(self.begin, begin)
        self._seen = {one: at for one, at in self._seen.items() if at >= self.begin}

    def _hidden(self) -> dict[bytes, int]:
        return {one: at for one, at in self._known.items() if at >= self.begin and one not in self._seen}
