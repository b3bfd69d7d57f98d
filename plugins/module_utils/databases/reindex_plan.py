# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which indexes need a rebuild, which are leftovers of a broken one: a pure judgement."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..core.finding import Finding
from ..core.policy import percentage, read_policy, size, words
from ..core.quantities import format_size
from .indexes import MEASURED, Estimate, Index
from .room import WHERE_KNOWN, Need, room_unknown, unknown_room
from .work import Plan, Skip, Work

# The order of work.
_LEFTOVER, _INVALID, _BLOATED = range(3)
# Above this a rebuild takes so much longer than its waiting that nothing is won by rebuilding a table's indexes at once, and a
# cancellation would cost more.
_TOGETHER_BYTES = 64 * 2**20


@dataclass(frozen=True)
class ReindexPolicy:
    """When an index is due.

    ``bloat_percent``: share of it that a rebuild would give back, where pgstatindex can say so; ``estimated_percent``: the
    same where only the catalog's estimate is to be had. Either way it has to be ``bloat_size`` at least. ``rate``: bytes of
    index per second that a rebuild is expected to get through. ``exclude``: patterns of schema.index that are left alone.

    ``methods``: the same for other access methods that can be measured, by their names (`indexes.MEASURED`): the share of an
    index that is free space. ``free_space``: bytes that stay free on the disk of a tablespace while a rebuild has the new index beside the
    old one, None is not looked at; ``unknown_room``: what is done where the room cannot be told, of `room.UNKNOWN_ROOM`.
    """

    bloat_percent: float
    estimated_percent: float
    bloat_size: int
    rate: int
    exclude: tuple[str, ...] = ()
    methods: Mapping[str, float] = field(default_factory=dict)
    free_space: int | None = None
    unknown_room: str = "warn"

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> ReindexPolicy:
        """Read the policy; ``exclude`` and what comes after it may be left out.

        :raises InvalidOption: for a missing or unknown key, or a value that cannot be used
        """
        readers = {"bloat_percent": percentage, "estimated_percent": percentage, "bloat_size": size, "rate": size, "exclude": words,
                   "methods": _methods, "free_space": size, "unknown_room": unknown_room}
        return cls(**read_policy(options, readers, option="policy", optional=("exclude", "methods", "free_space", "unknown_room")))

    def excludes(self, index: Index) -> bool:
        """Whether a pattern matches its schema.name."""
        return any(fnmatch.fnmatchcase(f"{index.schema}.{index.name}", pattern) for pattern in self.exclude)

    def worth_a_look(self, estimate: Estimate) -> bool:
        """Whether, of what the catalog tells of its size alone, it could be due or suspicious, or it is invalid."""
        if estimate.valid and estimate.method != "btree":
            return estimate.method in self.methods and estimate.bytes >= self.bloat_size
        percent = estimate.bloat_percent(deduplicate=True) if estimate.valid else None
        return percent is None or self._over(percent, min(self.bloat_percent, self.estimated_percent), estimate)

    def suspicious(self, index: Index) -> bool:
        """Whether it is worth measuring: by estimate it is bloated, or nothing can be estimated."""
        if not index.valid or index.partitioned or index.exclusion or self.excludes(index):
            return False
        if index.method != "btree":
            return index.method in self.methods and index.bytes >= self.bloat_size
        percent = index.bloat_percent(deduplicate=True)
        return index.bytes >= self.bloat_size and (percent is None or self._over(percent, self.bloat_percent, index))

    def bloat(self, index: Index) -> float | None:
        """The percent for which it has to be rebuilt, None where it has not."""
        if index.measured_percent is not None:
            percent, limit = index.measured_percent, self.methods.get(index.method, self.bloat_percent)
        else:
            percent, limit = index.bloat_percent(deduplicate=False), self.estimated_percent
        return percent if percent is not None and self._over(percent, limit, index) else None

    def _over(self, percent: float, limit: float, index: Estimate) -> bool:
        return percent > limit and percent / 100 * index.bytes >= self.bloat_size


def plan_reindex(indexes: Sequence[Index], policy: ReindexPolicy) -> Plan:
    """Leftovers first (they cost every write and help no read), then invalid indexes, then bloat by bytes to be won.

    Works on one table are one group: two REINDEX CONCURRENTLY on one table wait for each other until one is killed.
    """
    due: list[tuple[tuple, Work]] = []
    skipped: list[Skip] = []
    for index in indexes:
        found = None if policy.excludes(index) else _due(index, policy)
        if isinstance(found, tuple) and not index.allowed:
            found = Skip(index.title, f"this user may not maintain it ({found[1].reason})",
                         "Run as the owner of its table, or from PostgreSQL 17 on grant MAINTAIN on it")
        if isinstance(found, Skip):
            skipped.append(found)
        elif found:
            due.append(found)
    known = {index.oid: index for index in indexes}
    due = [(key, replace(work, room=_needs(work, known, policy))) for key, work in _together(due, known)]
    due.sort(key=lambda entry: entry[0])
    return Plan(tuple(work for _key, work in due), tuple(skipped), _unknown_room(due, known, policy))


def _needs(work: Work, indexes: Mapping[int, Index], policy: ReindexPolicy) -> tuple[Need, ...]:
    """A rebuild has the new index beside the old one, which may turn out as large."""
    if policy.free_space is None or work.action.startswith("drop"):
        return ()
    return tuple(Need(index.tablespace, index.bytes, policy.free_space, policy.unknown_room)
                 for index in (indexes[oid] for oid in work.oids))


def _unknown_room(due: Sequence[tuple[tuple, Work]], indexes: Mapping[int, Index], policy: ReindexPolicy) -> tuple[Finding, ...]:
    """See `room.room_unknown`, of what the works build."""
    if policy.free_space is None or policy.unknown_room != "warn":
        return ()
    rooms = {indexes[oid].room for key, work in due if key[0] != _LEFTOVER for oid in work.oids}
    return tuple(room_unknown(rooms - {None}, policy.free_space))


def _together(due: Sequence[tuple[tuple, Work]], indexes: Mapping[int, Index]) -> list[tuple[tuple, Work]]:
    """Where all indexes of a table are bloated and none is large, one statement rebuilds them and waits only once."""
    tables: dict[int, list[tuple[tuple, Work]]] = {}
    alone = []
    for key, work in due:
        index = indexes[work.oid]
        small = key[0] == _BLOATED and index.siblings > 1 and index.schema != "pg_toast"
        (tables.setdefault(index.indexed_oid, []) if small else alone).append((key, work))
    for entries in tables.values():
        index, weight = indexes[entries[0][1].oid], sum(work.bytes for _key, work in entries)
        tight = index.room is not None and index.room.bytes is not None and weight > index.room.bytes
        if len(entries) < index.siblings or weight > _TOGETHER_BYTES or tight:
            alone += entries
            continue
        works = [work for _key, work in entries]
        won = sum(key[1] for key, _work in entries)
        before = {"bytes": weight, "valid": True, "bloat_percent": _rounded(-won / max(weight, 1))}
        alone.append(((_BLOATED, won), Work(
            index.table_title, "reindex table", "; ".join(f"{work.relation}: {work.reason}" for work in works),
            "REINDEX TABLE CONCURRENTLY {table}", {"table": (index.table_schema, index.table_name)}, index.indexed_oid,
            index.table_oid, weight, before=before, parts=tuple(work.oid for work in works))))
    return alone


def _due(index: Index, policy: ReindexPolicy) -> tuple[tuple, Work] | Skip | None:
    state = {"bytes": index.bytes, "valid": index.valid,
             "bloat_percent": _rounded(index.measured_percent if index.measured_percent is not None
                                       else index.bloat_percent(deduplicate=False))}

    def work(rank: int, action: str, reason: str, statement: str, weight: int, won: float = 0) -> tuple[tuple, Work]:
        return (rank, -won), Work(index.title, action, reason, statement, {"index": (index.schema, index.name)}, index.oid,
                                  index.table_oid, weight, before=state)

    if not index.valid:
        if index.building:
            return Skip(index.title, "another session is building an index on its table just now",
                        "SELECT * FROM pg_stat_progress_create_index; shows how far it is")
        if index.partitioned:
            return Skip(index.title, "it is invalid: not all partitions have their part of it",
                        f"Create the missing ones and attach them: ALTER INDEX {index.title} ATTACH PARTITION …;")
        if index.has_twin:
            return work(_LEFTOVER, "drop leftover", "left invalid by a REINDEX CONCURRENTLY that was broken off",
                        "DROP INDEX CONCURRENTLY IF EXISTS {index}", 0)
        if index.exclusion:
            return Skip(index.title, "it is invalid and holds an exclusion constraint, which cannot be rebuilt concurrently",
                        f"In a maintenance window: REINDEX INDEX {index.title};")
        return _obstacle(index, "it is invalid", policy) or work(
            _INVALID, "reindex", "it is invalid", "REINDEX INDEX CONCURRENTLY {index}", index.bytes)
    if index.partitioned or index.exclusion:
        return None
    percent = policy.bloat(index)
    if percent is None:
        return None
    how = "as measured" if index.measured_percent is not None else "by estimate"
    reason = f"{percent:.0f}% of its {format_size(index.bytes)} is bloat, {how}"
    return _obstacle(index, reason, policy) or work(
        _BLOATED, "reindex", reason, "REINDEX INDEX CONCURRENTLY {index}", index.bytes, percent * index.bytes)


def _obstacle(index: Index, reason: str, policy: ReindexPolicy) -> Skip | None:
    """What keeps an index that is due from being rebuilt here and now."""
    if index.unsafe:
        return Skip(index.title, f"{index.unsafe} ({reason})", "Update the server, then look at its indexes with amcheck (bt_index_check)")
    if policy.free_space is None or index.room is None:
        return None
    if index.room.bytes is None:
        said = f"whether there is room for it beside the old one is not known ({reason})"
        return Skip(index.title, said, WHERE_KNOWN) if policy.unknown_room == "refuse" else None
    if index.bytes <= index.room.bytes:
        return None
    return Skip(index.title, f"{index.room.lacks(index.bytes, policy.free_space)} ({reason})",
                "Make room on that disk, or lower free_space")


def _methods(value: Any, option: str) -> dict[str, float]:
    return read_policy(value, dict.fromkeys(sorted(MEASURED), percentage), option=option)


def _rounded(percent: float | None) -> float | None:
    return None if percent is None else round(percent, 1)
