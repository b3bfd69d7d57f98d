# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a collection of vectors holds, in one pass and a few hundred bytes: the part of a fingerprint that is one collection's.

A fingerprint of a vector store is plain JSON; ``vector_collections`` maps a collection's name to::

    {"count": int, "ids": digest, "content": digest | None, "vectors": digest, "dimensions": {vector name: [lowest, highest]},
     "sample": {id: {vector name: coded vector}}, "schema": definition | None, "indexes": {name: definition}}

A digest is the sum, modulo 2^256, of the SHA-256 of each member: it does not depend on their order, and counts a member that is
there twice twice. The sample is of the ids whose SHA-256 is lowest, so that a restored copy chooses the same. A vector is coded as
base64 of its coordinates as IEEE 754 binary32, little-endian, which is what the stores keep; one that is no list of numbers (a
multi-vector, a sparse one) is kept as text after ``text:``.
"""

from __future__ import annotations

import base64
import hashlib
import heapq
import json
import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..core.errors import Damaged

_WIDTH = 2**256
_TEXT = "text:"


def coded(vector: Any) -> str:
    """A vector as a fingerprint keeps it.

    :raises Damaged: for a number that no binary32 holds
    """
    if isinstance(vector, str) or (vector and isinstance(vector[0], (list, tuple))):
        return _TEXT + (vector if isinstance(vector, str) else json.dumps(vector, separators=(",", ":")))
    try:
        return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode("ascii")
    except (struct.error, OverflowError, TypeError) as error:
        raise Damaged(f"A vector has a coordinate that is no 32-bit number: {error}", hint="See what the store holds there") from error


def decoded(text: str) -> list[float] | None:
    """The coordinates of `coded`; None for what is kept as text.

    :raises ValueError: for what is neither
    """
    if text.startswith(_TEXT):
        return None
    data = base64.b64decode(text, validate=True)
    return list(struct.unpack(f"<{len(data) // 4}f", data)) if len(data) % 4 == 0 else _fail(text)


def _fail(text: str) -> list[float]:
    raise ValueError(f"{text[:20]!r} is no vector")


def digest(members: Iterable[bytes]) -> str:
    """See the head of this file; 64 hexadecimal digits."""
    return _hex(sum(_number(member) for member in members))


def lowest(ids: Iterable[str], count: int) -> list[str]:
    """The ids of a sample."""
    return heapq.nsmallest(count, ids, key=lambda id: _number(id.encode()))


class Tally:
    """Sees each member of a collection once; constant memory, the sample aside."""

    def __init__(self, sample: int) -> None:
        self._size = sample
        self._ids = self._content = self._vectors = 0
        self._sample: list[tuple[int, str, dict[str, str]]] = []  # a heap, the highest hash first
        self._dimensions: dict[str, list[int]] = {}
        self.count = 0

    def see(self, id: str, content: Any, vectors: Mapping[str, Sequence[Any]]) -> None:
        """A member: its id, what it has beside vectors (plain JSON), and its vectors by name (empty for the only one)."""
        self.count += 1
        rank = _number(id.encode())
        self._ids += rank
        self._content += _number(json.dumps([id, content], sort_keys=True).encode())
        codes = {name: coded(vector) for name, vector in sorted(vectors.items())}
        for name, code in codes.items():
            self._vectors += _number(f"{id}\0{name}\0{code}".encode())
            size = len(vectors[name])
            known = self._dimensions.setdefault(name, [size, size])
            known[0], known[1] = min(known[0], size), max(known[1], size)
        if codes:
            self._keep(rank, id, codes)

    def _keep(self, rank: int, id: str, codes: dict[str, str]) -> None:
        if len(self._sample) < self._size:
            heapq.heappush(self._sample, (-rank, id, codes))
        elif self._sample and rank < -self._sample[0][0]:
            heapq.heapreplace(self._sample, (-rank, id, codes))

    def result(self) -> dict[str, Any]:
        """The entry of a fingerprint, but for ``schema`` and ``indexes``."""
        return {"count": self.count, "ids": _hex(self._ids), "content": _hex(self._content), "vectors": _hex(self._vectors),
                "dimensions": dict(self._dimensions), "sample": {id: codes for _rank, id, codes in sorted(self._sample, reverse=True)}}


def _number(member: bytes) -> int:
    return int.from_bytes(hashlib.sha256(member).digest(), "big")


def _hex(total: int) -> str:
    return f"{total % _WIDTH:064x}"
