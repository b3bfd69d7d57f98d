# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Counting what there may be any number of kinds of, in constant memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from typing import Any

_KEYS = 4000


class Top:
    """Counts the most frequent of any number of keys in constant memory: the rarest are let go where there are too many."""

    def __init__(self) -> None:
        self._counts: Counter[Hashable] = Counter()
        self.forgotten = 0

    def add(self, key: Hashable, number: float = 1) -> None:
        """Count a key."""
        self._counts[key] += number
        if len(self._counts) > _KEYS:
            kept = self._counts.most_common(_KEYS // 2)
            self.forgotten += len(self._counts) - len(kept)
            self._counts = Counter(dict(kept))

    def largest(self, number: int) -> list[tuple[Any, float]]:
        """Those with most, with their counts."""
        return self._counts.most_common(number)

    def __getitem__(self, key: Hashable) -> float:
        return self._counts[key]
