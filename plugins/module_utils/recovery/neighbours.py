# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The true neighbours of a few vectors, found by looking at every member, to hold an index's answers against. Pure.

Recall at k, as in the literature on approximate nearest neighbours (Aumüller, Bernhardsson, Faithfull: ANN-Benchmarks, 2018):
the share of answers no farther away than the k-th true neighbour. By distance and not by id, so that ties do no harm.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import mul, ne, sub

Vector = Sequence[float]
# An index computes in 32 bits, this in 64.
_RELATIVE, _ABSOLUTE = 1e-4, 1e-5


def _cosine(one: Vector, other: Vector) -> float:
    """Both of length 1: the square of their distance is twice the cosine distance."""
    return math.dist(one, other) ** 2 / 2


def unit(vector: Vector) -> Vector:
    """The vector at length 1; one of length 0 as it is."""
    length = math.hypot(*vector)
    return [coordinate / length for coordinate in vector] if length else vector


# Weaviate's names (its documentation, "Distance metrics"); each with what is done to vectors first.
DISTANCES: Mapping[str, tuple[Callable[[Vector, Vector], float], Callable[[Vector], Vector]]] = {
    "cosine": (_cosine, unit),
    "l2-squared": (lambda one, other: math.dist(one, other) ** 2, lambda vector: vector),
    "dot": (lambda one, other: -sum(map(mul, one, other)), lambda vector: vector),
    "manhattan": (lambda one, other: sum(map(abs, map(sub, one, other))), lambda vector: vector),
    "hamming": (lambda one, other: float(sum(map(ne, one, other))), lambda vector: vector),
}


@dataclass(frozen=True)
class Recall:
    """What an index found of the true neighbours: ``share`` of them at ``at``, over ``queries``; None where it was not measured,
    and ``why``. ``unusable`` says that the index gave no answer although it should.
    """

    index: str
    at: int
    queries: int
    share: float | None
    why: str = ""
    unusable: bool = False


class Nearest:
    """The ``count`` nearest of each query, over all members that are shown."""

    def __init__(self, queries: Sequence[Vector], distance: str, count: int) -> None:
        self._distance, self._prepare = DISTANCES[distance]
        self._queries = [self._prepare(query) for query in queries]
        self._count = count
        self._found: list[list[float]] = [[] for _query in queries]  # heaps, the farthest first

    def see(self, vector: Vector) -> None:
        """A member."""
        prepared = self._prepare(vector)
        for query, found in zip(self._queries, self._found, strict=True):
            if len(query) != len(prepared):
                continue
            distance = -self._distance(query, prepared)
            if len(found) < self._count:
                heapq.heappush(found, distance)
            elif distance > found[0]:
                heapq.heapreplace(found, distance)

    def distances(self) -> list[list[float]]:
        """For each query the distances of its true neighbours, the nearest first."""
        return [sorted(-distance for distance in found) for found in self._found]


def share_found(true: Iterable[Sequence[float]], answered: Iterable[Sequence[float]]) -> float | None:
    """Recall over all queries, each given as distances; None where there are no true neighbours at all."""
    hits = total = 0
    for expected, found in zip(true, answered, strict=True):
        if expected:
            bound = expected[-1] + _ABSOLUTE + _RELATIVE * abs(expected[-1])
            total += len(expected)
            hits += min(len(expected), sum(distance <= bound for distance in found))
    return hits / total if total else None
