# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is a restored vector store what was backed up, and do its indexes find what is there? Pure comparison and judgement."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..backups.vector_tally import decoded
from ..core.errors import InvalidOption
from ..core.finding import Finding, Status, at_least
from .differences import Difference
from .neighbours import Recall

_NAMED = 10


@dataclass(frozen=True)
class VectorPolicy:
    """``tolerance`` of a coordinate (0: bit by bit), neighbours asked for, queries of each index, and the lowest recall (None: told
    and not judged); ``ef_search`` and ``probes`` of pgvector's queries, ``page`` objects written at once.
    """

    tolerance: float = 0.0
    recall_at: int = 10
    recall_queries: int = 10
    recall_minimum: float | None = None
    ef_search: int | None = None
    probes: int | None = None
    page: int = 200

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> VectorPolicy:
        """Read the suboptions of ``vector_store``.

        :raises InvalidOption: for a number that makes no sense
        """
        for name, low, high in (("recall_at", 1, 1000), ("recall_queries", 1, 1000), ("page", 1, 10_000), ("ef_search", 1, 1000),
                                ("probes", 1, 32768), ("recall_minimum", 0, 1), ("tolerance", 0, float("inf"))):
            value = options.get(name)
            if value is not None and not low <= value <= high:
                raise InvalidOption(f"vector_store.{name}: {value} makes no sense", hint=f"Give {low} to {high}")
        return cls(**{name: options[name] for name in ("tolerance", "recall_at", "recall_queries", "recall_minimum", "ef_search",
                                                       "probes", "page") if options.get(name) is not None})


@dataclass(frozen=True)
class Sampled:
    """Vectors that were compared: how many, how many bit by bit the same, and the largest deviation of a coordinate.

    ``all_same`` says that the digests over every vector are the same, those beyond the sample among them.
    """

    compared: int = 0
    bitwise: int = 0
    deviation: float = 0.0
    all_same: bool = False
    differences: tuple[Difference, ...] = ()


def compare_collections(expected: Mapping[str, Any], actual: Mapping[str, Any]) -> list[Difference]:
    """Which collections are not the same: number, ids, contents, definition. Vectors are for `compare_samples`."""
    found = []
    for name, was in expected.items():
        now = actual.get(name)
        if now is None:
            found.append(_different(name, f"collection {name} is missing; it had {was['count']} objects"))
            continue
        if now["count"] != was["count"]:
            found.append(_different(name, f"collection {name} has {now['count']} objects, had {was['count']}"))
        elif now["ids"] != was["ids"]:
            found.append(_different(name, f"collection {name} has as many objects, but not the same ids"))
        elif now["content"] != was["content"]:
            found.append(_different(name, f"the objects of collection {name} have not the same properties"))
        changed = lacking(was["schema"], now["schema"])
        if changed:
            found.append(_different(name, f"collection {name} is defined otherwise: {', '.join(changed[:_NAMED])}"))
    found += [_different(name, f"collection {name} was not in the backup") for name in actual.keys() - expected.keys()]
    return found


def compare_samples(expected: Mapping[str, Any], actual: Mapping[str, Any], *, tolerance: float) -> Sampled:
    """The vectors that the manifest keeps against those of the restored copy; without a tolerance the digests over all too."""
    compared = bitwise = 0
    deviation, found, other = 0.0, [], []
    for name, was in expected.items():
        if was["vectors"] != (actual.get(name) or {}).get("vectors"):
            other.append(name)
        there = (actual.get(name) or {}).get("sample", {})
        for id, vectors in was["sample"].items():
            for vector, code in vectors.items():
                compared += 1
                now = (there.get(id) or {}).get(vector)
                if now == code:
                    bitwise += 1
                    continue
                far = _deviation(code, now)
                if far is None:
                    found.append(_different(name, f"{name}: the vector {vector or 'of'} {id} is missing or of another size"))
                    continue
                deviation = max(deviation, far)
                if not far <= tolerance:
                    found.append(_different(name, f"{name}: the vector {vector or 'of'} {id} deviates by {far:.3g}"))
    if not tolerance:
        found += [_different(name, f"the vectors of {name} are not bit by bit as they were") for name in other]
    return Sampled(compared, bitwise, deviation, not other, tuple(found))


def judge_samples(subject: str, sampled: Sampled, *, tolerance: float) -> Finding:
    """``recovery.vectors``."""
    check = "recovery.vectors"
    if sampled.differences:
        more = f" and {len(sampled.differences) - _NAMED} more" if len(sampled.differences) > _NAMED else ""
        return Finding(check, subject, Status.FAIL, "; ".join(one.message for one in sampled.differences[:_NAMED]) + more,
                       sampled.deviation, tolerance,
                       hint="Do not count on this backup; where the store quantizes vectors, allow a tolerance")
    if not sampled.compared:
        return Finding(check, subject, Status.UNKNOWN, "the backup has no vectors to compare", None, tolerance,
                       hint="See whether the collections should hold vectors")
    if sampled.bitwise == sampled.compared and sampled.all_same:
        return Finding(check, subject, Status.PASS, f"all vectors are bit by bit as they were, {sampled.compared} sampled ones and the "
                       "digests over every one", 0.0, tolerance)
    return Finding(check, subject, Status.PASS, f"{sampled.bitwise} of {sampled.compared} sampled vectors are bit by bit as they were, the "
                   f"others deviate by {sampled.deviation:.3g} at the most", sampled.deviation, tolerance)


def judge_indexes(subject: str, expected: Iterable[str], seen: Mapping[str, str]) -> Finding:
    """``recovery.index``; ``seen`` maps an index to what is wrong with it, empty where nothing is."""
    check, wanted = "recovery.index", list(expected)
    wrong = [f"{name} is missing" for name in wanted if name not in seen] + [f"{name} {said}" for name, said in seen.items() if said]
    if wrong:
        return Finding(check, subject, Status.FAIL, "; ".join(wrong[:_NAMED]), len(wrong), 0, "indexes",
                       "Look at the log of the server that was restored into; build the index anew before it is used")
    if not seen:
        return Finding(check, subject, Status.WARN, "there is no index for neighbours: every query is a scan", 0, unit="indexes",
                       hint="Create one where queries are to be fast; it will be in the next backup")
    return Finding(check, subject, Status.PASS, f"all {len(seen)} indexes for neighbours are there and valid", 0, 0, "indexes")


def judge_recall(subject: str, measured: Sequence[Recall], minimum: float | None) -> list[Finding]:
    """``recovery.recall`` of each index."""
    findings = []
    for one in measured:
        name = f"{subject}: {one.index}"
        if one.unusable:
            findings.append(Finding("recovery.recall", name, Status.FAIL, one.why, None, minimum,
                                    hint="Build the index anew (REINDEX), or see why it is not used"))
        elif one.share is None:
            findings.append(Finding("recovery.recall", name, Status.UNKNOWN, f"recall was not measured: {one.why}", None, minimum,
                                    hint="Ask the application's own queries of the restored store"))
        else:
            findings.append(at_least(
                "recovery.recall", name, round(one.share, 4), fail=minimum, what=f"recall at {one.at} over {one.queries} queries",
                hint="Drill again; where the source finds no more, tune the index (ef, probes) or the limit"))
    return findings


def lacking(expected: Any, actual: Any, path: str = "") -> list[str]:
    """Where a definition is not as it was; what the server has beyond (a newer version's settings) is no difference."""
    if isinstance(expected, Mapping):
        if not isinstance(actual, Mapping):
            return [path or "all"]
        return [one for key, value in expected.items() for one in lacking(value, actual.get(key), f"{path}.{key}".lstrip("."))]
    if isinstance(expected, list) and isinstance(actual, list) and len(expected) == len(actual):
        return [one for place, value in enumerate(expected) for one in lacking(value, actual[place], f"{path}[{place}]")]
    return [] if expected == actual or (not expected and not actual) else [path or "all"]


def _deviation(code: str, now: str | None) -> float | None:
    was, there = decoded(code), decoded(now) if now is not None else None
    if was is None or there is None or len(was) != len(there):
        return None
    apart = [abs(one - other) for one, other in zip(was, there, strict=True)]
    return math.inf if any(map(math.isnan, apart)) else max(apart, default=0.0)


def _different(name: str, message: str) -> Difference:
    return Difference("collection", name, "different", message)
