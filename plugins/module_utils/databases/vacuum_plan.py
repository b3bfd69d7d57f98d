# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which tables need VACUUM or ANALYZE, in which order: a pure judgement."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..core.errors import InvalidOption
from ..core.policy import number, percentage, read_policy, size, words
from ..core.quantities import format_size
from .room import unknown_room
from .tables import Holder, Table
from .work import Plan, Skip, Work

KINDS = ("freeze", "vacuum", "analyze")
REWRITES = ("never", "pg_repack")
# The first version whose VACUUM can leave the TOAST table out (PostgreSQL 14 release notes).
_CAN_LEAVE_TOAST = 140000
# PostgreSQL source, MAX_PARALLEL_WORKER_LIMIT.
_MOST_WORKERS = 1024


@dataclass(frozen=True)
class VacuumPolicy:
    """When a table is due.

    Dead rows: more than ``dead_rows + dead_percent`` of its live rows, the shape of autovacuum's own formula (PostgreSQL
    documentation, The Autovacuum Daemon); changed rows since the last ANALYZE likewise. Ages are in transactions. Bloat is
    looked at where more than ``bloat_size`` and ``bloat_percent`` of a table seem to be air. ``rate``: bytes per second that a
    vacuum is expected to get through. ``exclude``: patterns of schema.table that are left alone.

    ``kinds``: which of `KINDS` are done at all. ``parallel``: workers that vacuum a table's indexes at once, as far as the
    server has them; 0 is none, None as the server likes. ``propose_rows``: from so many rows on, settings of autovacuum are
    proposed for a table that was due; None is never. ``rewrite``: what a table that is mostly air is rewritten by, `REWRITES`.

    ``free_space``: bytes that stay free on the disks of its
    tablespaces while the copy lies beside it; ``unknown_room``: what is done where the room cannot be told, of `room.UNKNOWN_ROOM`.
    """

    dead_rows: float
    dead_percent: float
    changed_rows: float
    changed_percent: float
    freeze_age: float
    multixact_age: float
    urgent_age: float
    bloat_percent: float
    bloat_size: int
    rate: int
    exclude: tuple[str, ...] = ()
    kinds: tuple[str, ...] = KINDS
    parallel: float | None = None
    propose_rows: float | None = None
    rewrite: str = "never"
    free_space: int | None = None
    unknown_room: str = "warn"

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> VacuumPolicy:
        """Read the policy; ``exclude`` and what comes after it may be left out.

        :raises InvalidOption: for a missing or unknown key, or a value that cannot be used
        """
        readers = {
            "dead_rows": number, "dead_percent": percentage, "changed_rows": number, "changed_percent": percentage,
            "freeze_age": number, "multixact_age": number, "urgent_age": number, "bloat_percent": percentage,
            "bloat_size": size, "rate": size, "exclude": words, "kinds": _kinds, "parallel": _workers, "propose_rows": number,
            "rewrite": _rewrite, "free_space": size, "unknown_room": unknown_room,
        }
        return cls(**read_policy(options, readers, option="policy", optional=(
            "exclude", "kinds", "parallel", "propose_rows", "rewrite", "free_space", "unknown_room")))

    def dead_limit(self, live_rows: float) -> float:
        """Dead rows above which so many live rows need a VACUUM."""
        return self.dead_rows + self.dead_percent / 100 * max(live_rows, 0)

    def changed_limit(self, rows: float) -> float:
        """Changed rows above which so many rows need an ANALYZE."""
        return self.changed_rows + self.changed_percent / 100 * max(rows, 0)

    def freeze_due(self, table: Table) -> bool:
        """Whether its oldest transaction or multixact is older than the policy has it."""
        xid_age, multixact_age = table.oldest
        return xid_age > self.freeze_age or multixact_age > self.multixact_age

    def excludes(self, relation: str) -> bool:
        """Whether a pattern matches this schema.name."""
        return any(fnmatch.fnmatchcase(relation, pattern) for pattern in self.exclude)

    def seems_bloated(self, table: Table) -> bool:
        """Whether the catalog alone makes it look as if too much of it were air."""
        air = table.bytes - table.needed_bytes
        return bool(table.needed_bytes) and air > self.bloat_size and 100 * air > self.bloat_percent * table.bytes

    def toast_is_bloated(self, table: Table) -> bool:
        """Whether too much of its TOAST table is air, even if each of its rows were as large as can be."""
        air = table.toast_bytes - table.toast_needed_bytes
        return bool(table.toast_needed_bytes) and air > self.bloat_size and 100 * air > self.bloat_percent * table.toast_bytes


def plan_vacuum(tables: Sequence[Table], policy: VacuumPolicy, holder: Holder | None = None, *, server_version: int = 0) -> Plan:
    """The tables that are due: wraparound first, by age; then dead rows, by how far they are over; then mere ANALYZE.

    ``holder`` is who keeps dead rows from being removed: a table that was vacuumed since then would be vacuumed in vain. What the
    server of ``server_version`` (150008 is 15.8) cannot do yet is not asked of it.
    """
    due: list[tuple[tuple, Work]] = []
    skipped: list[Skip] = []
    for table in tables:
        if policy.excludes(f"{table.schema}.{table.name}"):
            continue
        found = _partitioned(table, policy) if table.partitioned else _due(table, policy, holder, server_version)
        if isinstance(found, Skip):
            skipped.append(found)
        elif found and not table.allowed:
            skipped.append(Skip(table.title, f"this user may not vacuum it ({found[1].reason})",
                                f"Run as its owner, or from PostgreSQL 17 on: GRANT MAINTAIN ON {table.title} TO …;", found[1].urgent))
        elif found:
            due.append(found)
    due.sort(key=lambda entry: entry[0])
    # ANALYZE of a partitioned table reads all its partitions: it waits for their own work, in the same session.
    partitioned = {table.oid for table in tables if table.partitioned}
    parents = {work.oid for _key, work in due if work.oid in partitioned}
    roots = {table.oid: table.root for table in tables}
    grouped = [_in_group(work, roots.get(work.oid, work.oid), parents) for _key, work in due]
    return Plan(tuple(grouped), tuple(skipped))


def _in_group(work: Work, root: int, parents: set[int]) -> Work:
    return replace(work, group=root) if root in parents else work


def _due(table: Table, policy: VacuumPolicy, holder: Holder | None, server_version: int) -> tuple[tuple, Work] | Skip | None:
    reasons, (xid_age, multixact_age) = [], table.oldest
    freeze = "freeze" in policy.kinds and policy.freeze_due(table)
    if freeze:
        # VACUUM can freeze up to the oldest running transaction; where that is as old as the table, nothing is won.
        if holder and holder.xid_age > 0.9 * xid_age and multixact_age <= policy.multixact_age:
            return _held(table, holder, f"its oldest transaction is {xid_age} back", urgent=xid_age > policy.urgent_age)
        reasons.append(f"oldest transaction {xid_age} back, oldest multixact {multixact_age}")
    dead = "vacuum" in policy.kinds
    over = table.dead_rows / max(policy.dead_limit(table.live_rows), 1) if dead else 0
    toast_over = table.toast_dead_rows / max(policy.dead_limit(table.toast_live_rows), 1) if dead else 0
    unknown = _statistics_lost(table, policy)
    measured_dead = dead and table.measured is not None and table.measured[0] > max(policy.dead_percent, 1)
    main = over > 1 or measured_dead or (dead and unknown)
    if over > 1:
        reasons.append(f"{table.dead_rows} dead rows beside {table.live_rows} live ones")
    elif measured_dead:
        reasons.append(f"{table.measured[0]:.0f}% of it is dead rows, as measured")
    if toast_over > 1:
        reasons.append(f"{table.toast_dead_rows} dead rows in its TOAST table")
    if unknown and (main or "analyze" in policy.kinds):
        reasons.append("it has rows and no statistics: not counted yet, or lost in a crash")
    vacuum = freeze or main or toast_over > 1
    if vacuum and not freeze and holder and _in_vain(table, holder, main=main, toast=toast_over > 1):
        return _held(table, holder, reasons[0])
    analyze = "analyze" in policy.kinds and (table.changed_rows > policy.changed_limit(table.live_rows) or unknown)
    if analyze and not unknown:
        reasons.append(f"{table.changed_rows} rows changed since its last ANALYZE")
    if vacuum:
        toast_only = not freeze and not main and not analyze
        # A TOAST table that is larger than its table and in order would cost most of the time.
        without_toast = not (freeze or unknown or toast_over > 1) and table.toast_bytes > table.bytes and server_version >= _CAN_LEAVE_TOAST
        words = ["FREEZE"] * freeze + ["ANALYZE"] * analyze
        name = ("pg_toast", table.toast_name) if toast_only else (table.schema, table.name)
        weight = table.toast_bytes if toast_only else table.bytes + table.index_bytes + table.toast_bytes * (not without_toast)
        workers = [f"{policy.parallel:g}"] if policy.parallel is not None and not toast_only and table.indexes > 1 else []
        options = words + ["PROCESS_TOAST FALSE"] * without_toast + [f"PARALLEL {number}" for number in workers]
        work = Work(table.title, "vacuum" + "".join(f" {word.lower()}" for word in words) + (" toast" if toast_only else ""),
                    "; ".join(reasons), f"VACUUM ({', '.join(options)}) {{relation}}" if options else "VACUUM {relation}",
                    {"relation": name}, table.oid, table.oid, weight,
                    freeze and max(xid_age, multixact_age) > policy.urgent_age, table.state(),
                    settings={"max_parallel_maintenance_workers": workers[0]} if workers and policy.parallel else {})
        return ((0, -max(xid_age, multixact_age)) if freeze else (1, -max(over, toast_over))), work
    if analyze:
        # ANALYZE reads a sample of the pages; a tenth is more than it does on all but small tables.
        return (2, -table.changed_rows), Work(table.title, "analyze", "; ".join(reasons), "ANALYZE {relation}",
                                              {"relation": (table.schema, table.name)}, table.oid, table.oid, table.bytes // 10,
                                              before=table.state())
    return _air(table, policy) if dead else None


def _partitioned(table: Table, policy: VacuumPolicy) -> tuple[tuple, Work] | None:
    # Autovacuum never analyzes a partitioned table, and its own count of changes is always 0.
    if "analyze" not in policy.kinds or table.partitions_rows is None:
        return None
    if abs(table.partitions_rows - max(table.rows, 0)) <= policy.changed_limit(table.rows):
        return None
    known = max(table.rows, 0)
    reason = f"its partitions have {table.partitions_rows:.0f} rows, its statistics know {known:.0f}"
    return (3, -table.partitions_rows), Work(table.title, "analyze", reason, "ANALYZE {relation}", {"relation": (table.schema, table.name)},
                                             table.oid, table.oid, 0, before=table.state())


def _statistics_lost(table: Table, policy: VacuumPolicy) -> bool:
    """After a crash or pg_stat_reset() a table of some size has rows in the catalog and nothing in the statistics."""
    blank = not (table.live_rows or table.dead_rows or table.changed_rows or table.last_vacuum or table.last_analyze)
    return blank and table.rows > 0 and table.bytes >= policy.bloat_size


def _in_vain(table: Table, holder: Holder, *, main: bool, toast: bool) -> bool:
    """What is dead now and was not removed by a VACUUM after the holder's view was taken cannot be removed by another."""
    if holder.since is None:
        return False
    stamps = [stamp for stamp, concerned in ((table.last_vacuum, main), (table.toast_last_vacuum, toast)) if concerned]
    return all(stamp is not None and stamp > holder.since for stamp in stamps)


def _held(table: Table, holder: Holder, what: str, *, urgent: bool = False) -> Skip:
    return Skip(table.title, f"{what}, kept by {holder.who}, which is {holder.xid_age} transactions old",
                f"End it: {holder.remedy}", urgent)


def _air(table: Table, policy: VacuumPolicy) -> Skip | None:
    share = _free_share(table, policy)
    if share is None and policy.toast_is_bloated(table):
        free = 100 - 100 * table.toast_needed_bytes / table.toast_bytes
        share = f"an estimated {free:.0f}% or more of its TOAST table's {format_size(table.toast_bytes)} is free space"
    if share is None:
        return None
    return Skip(table.title, f"{share}, which VACUUM reuses and does not give back",
                f"Rewrite it with pg_repack, or in a maintenance window: VACUUM (FULL, ANALYZE) {table.title};",
                check="database.bloat", oid=table.oid)


def _free_share(table: Table, policy: VacuumPolicy) -> str | None:
    if not policy.seems_bloated(table):
        return None
    if table.measured is None:
        free = 100 - 100 * table.needed_bytes / table.bytes
        return f"an estimated {free:.0f}% of its {format_size(table.bytes)} is free space"
    free = table.measured[1]
    if free <= policy.bloat_percent or free / 100 * table.bytes <= policy.bloat_size:
        return None
    return f"{free:.0f}% of its {format_size(table.bytes)} is free space"


def _kinds(value: Any, option: str) -> tuple[str, ...]:
    kinds = words(value, option)
    if not kinds or not set(kinds) <= set(KINDS):
        raise InvalidOption(f"{option}: {value!r} is no list of kinds of work", hint=f"Give one or more of {', '.join(KINDS)}")
    return kinds


def _workers(value: Any, option: str) -> float:
    workers = number(value, option)
    if workers != int(workers) or workers > _MOST_WORKERS:
        raise InvalidOption(f"{option}: {value!r} is no number of workers", hint=f"Give a whole number from 0 to {_MOST_WORKERS}")
    return workers


def _rewrite(value: Any, option: str) -> str:
    if value not in REWRITES:
        raise InvalidOption(f"{option}: {value!r} rewrites nothing", hint=f"Known are {', '.join(REWRITES)}")
    return value
