# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of autovacuum, proposed for single tables from what was seen of them; nothing is changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..core.finding import Finding, Status
from .session import Session
from .tables import Table
from .vacuum_plan import VacuumPolicy
from .work import Plan

_CHECK = "database.autovacuum_settings"
_OPTIONS = """
SELECT c.oid::bigint AS oid, coalesce(c.reloptions, '{}') AS own, coalesce(t.reloptions, '{}') AS toast
  FROM pg_class c LEFT JOIN pg_class t ON t.oid = c.reltoastrelid WHERE c.oid = ANY(%s::oid[])
"""
_SETTINGS = "SELECT name, setting FROM pg_settings WHERE name LIKE 'autovacuum%'"


@dataclass(frozen=True)
class Autovacuum:
    """The server's settings by name, and by table what is set for it and for its TOAST table."""

    server: Mapping[str, str]
    own: Mapping[int, Mapping[str, str]] = field(default_factory=dict)
    toast: Mapping[int, Mapping[str, str]] = field(default_factory=dict)

    def limit(self, table: Mapping[str, str], work: str, rows: float) -> float:
        """How many rows bring autovacuum to a table (PostgreSQL documentation, The Autovacuum Daemon); ``work`` is vacuum or analyze."""

        def of(name: str) -> float:
            return float(table.get(f"autovacuum_{work}_{name}", self.server.get(f"autovacuum_{work}_{name}", "nan")))

        limit = of("threshold") + of("scale_factor") * max(rows, 0)
        most = of("max_threshold")  # from PostgreSQL 18 on, for vacuum; less than 0 is off
        return min(limit, most) if most >= 0 else limit


def observe_autovacuum(session: Session, oids: Sequence[int]) -> Autovacuum:
    """What is set for the server and for these tables."""
    server = {row["name"]: row["setting"] for row in session.fetch(_SETTINGS)}
    rows = session.fetch(_OPTIONS, (list(oids),))
    return Autovacuum(server, {row["oid"]: _read(row["own"]) for row in rows}, {row["oid"]: _read(row["toast"]) for row in rows})


def candidates(tables: Sequence[Table], plan: Plan, policy: VacuumPolicy) -> list[Table]:
    """Those that are due for their dead or changed rows, are large enough, and whose settings a user may change."""
    if policy.propose_rows is None:
        return []
    due = {work.oid for work in plan.work}
    return [table for table in tables if table.oid in due and not table.partitioned and table.live_rows >= policy.propose_rows
            and table.schema not in ("pg_catalog", "information_schema")]


def propose_settings(tables: Sequence[Table], autovacuum: Autovacuum, policy: VacuumPolicy) -> list[Finding]:
    """A finding with its SQL for each table to which autovacuum comes later than the policy wants it, or not at all."""
    if tables and autovacuum.server.get("autovacuum") == "off":
        said = f"Autovacuum is off for the whole server, and {len(tables)} large tables were due"
        return [Finding(_CHECK, "autovacuum", Status.WARN, said, observed="off", limit="on",
                        hint="ALTER SYSTEM SET autovacuum = on; SELECT pg_reload_conf();")]
    found = []
    for table in tables:
        own, toast = autovacuum.own.get(table.oid, {}), autovacuum.toast.get(table.oid, {})
        if own.get("autovacuum_enabled") in ("off", "false", "no", "0"):
            found.append(Finding(_CHECK, table.title, Status.WARN, "It was due, and autovacuum is off for it", observed="off", limit="on",
                                 hint=f"Let it work again: ALTER TABLE {table.title} RESET (autovacuum_enabled);"))
            continue
        for rows, live, limit, options, work, prefix, what in (
                (table.dead_rows, table.live_rows, policy.dead_limit, own, "vacuum", "", "dead rows"),
                (table.toast_dead_rows, table.toast_live_rows, policy.dead_limit, toast, "vacuum", "toast.", "dead TOAST rows"),
                (table.changed_rows, table.live_rows, policy.changed_limit, own, "analyze", "", "changed rows")):
            wanted, comes = limit(live), autovacuum.limit(options, work, live)
            if rows > wanted and comes > wanted:
                factor, threshold = policy.dead_percent, policy.dead_rows
                if work == "analyze":
                    factor, threshold = policy.changed_percent, policy.changed_rows
                found.append(Finding(
                    _CHECK, table.title, Status.WARN,
                    f"It had {rows} {what}; autovacuum comes at {comes:.0f}, the policy at {wanted:.0f}", observed=round(comes),
                    limit=round(wanted), unit="rows",
                    hint=f"Let it come as early: ALTER TABLE {table.title} SET ({prefix}autovacuum_{work}_scale_factor = {factor / 100:g}, "
                         f"{prefix}autovacuum_{work}_threshold = {threshold:.0f});"))
    return found


def _read(options: Sequence[str]) -> dict[str, str]:
    return dict(option.partition("=")[::2] for option in options)
