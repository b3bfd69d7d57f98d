# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules of a run returned, by the report's own keys: one list for each, each entry with the host it came from. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Row = dict[str, Any]


@dataclass(frozen=True)
class Source:
    """Where a list of the report comes from: the key of the modules' return values, of which area (any where it is empty), which of its
    entries, and in which order (as recorded where there is none).
    """

    key: str
    area: str = ""
    when: Callable[[Row], bool] | None = None
    order: Callable[[Row], Any] | None = None


def _worst_first(name: str, *good: str) -> Callable[[Row], Any]:
    return lambda row: (row.get("status") in (good or ("pass",)), str(row.get(name)))


def _soonest(row: Row) -> Any:
    return row.get("days_left") is None, row.get("days_left") or 0, str(row.get("source"))


def _objective(row: Row) -> Any:
    return str(row.get("service")), str(row.get("endpoint")), str(row.get("measure")), row.get("window_seconds") or 0


SOURCES: dict[str, Source] = {
    "services": Source("services", order=_worst_first("service")),
    "targets": Source("targets"),
    "watches": Source("watch", "health"),
    "histories": Source("histories", "health", when=lambda row: bool(row.get("news") or row.get("flapping") or row.get("gone")),
                        order=lambda row: (not row.get("flapping"), not row.get("news"), str(row.get("name")))),
    "objectives": Source("objectives", when=lambda row: not row.get("period"),
                         order=lambda row: (row.get("status") == "pass", *_objective(row))),
    "compliance": Source("objectives", when=lambda row: bool(row.get("period")), order=_objective),
    "reliability": Source("reliability", order=lambda row: (not row.get("down_now"), -(row.get("outages") or 0), str(row.get("service")))),
    "deliveries": Source("deliveries", order=lambda row: (row.get("seconds") is not None, str(row.get("labels")))),
    "alerts": Source("alerts", "monitoring", order=lambda row: (not row.get("firing_now"), -(row.get("episodes") or 0),
                                                                str(row.get("alert")))),
    "files": Source("files", "monitoring"),
    "coverage": Source("coverage", order=lambda row: (row.get("confidence_percent") or 0, str(row.get("plan")))),
    "copied": Source("copied", order=_worst_first("plan", "copied")),
    "drills": Source("drill"),
    "restores": Source("restore"),
    "recoveries": Source("recovery"),
    "disasters": Source("disaster"),
    "activations": Source("activation"),
    "exercises": Source("exercise"),
    "actions": Source("actions", "continuity", order=lambda row: str(row.get("due"))),
    "windows": Source("", "maintenance"),
    "notices": Source("notice", "maintenance", when=lambda row: bool(row.get("announced_at"))),
    "approvals": Source("approvals", "maintenance"),
    "approved": Source("approval", "maintenance"),
    "modes": Source("mode", "maintenance"),
    "outcomes": Source("maintenance", "maintenance", when=lambda row: "change" in row),
    "debt": Source("debt", "databases", order=lambda row: (not row.get("forced"), -(row.get("runs") or 0), str(row.get("relation")))),
    "relations": Source("relations", "databases"),
    "not_done": Source("not_done"),
    "databases": Source("database"),
    "growth": Source("growth"),
    "regressions": Source("regressions"),
    "poolers": Source("pooler"),
    "log_reviews": Source("log", "databases"),
    "log_scans": Source("log", "monitoring", order=lambda row: (-(row.get("new_classes") or 0), str(row.get("name")))),
    "traces": Source("traces", "monitoring"),
    "baselines": Source("baselines"),
    "migrations": Source("migration"),
    "upgrades": Source("upgrade"),
    "settings": Source("settings", "databases", when=lambda row: row.get("status") != "done"),
    "certificates": Source("certificates", order=_soonest),
    "renewals": Source("renewals", order=_worst_first("name", "current", "renewed")),
    "hosts": Source("host"),
    "removed": Source("removed"),
    "logs": Source("logs"),
    "deleted": Source("deleted"),
}


def gather(records: Sequence[Mapping[str, Any]]) -> dict[str, list[Row]]:
    """All of `SOURCES`; ``records`` as `adapters.ledger.Ledger.records` gives them."""
    return {name: windows(records) if name == "windows" else gathered(records, source) for name, source in SOURCES.items()}


def gathered(records: Iterable[Mapping[str, Any]], source: Source) -> list[Row]:
    """The entries of one source. A module may call something else by the same word: what is no dictionary is left out."""
    found = [{"on": record["host"], **row} for record in records if source.area in ("", record["area"])
             for values in record["body"] for row in _rows(values.get(source.key))]
    if source.when:
        found = [row for row in found if source.when(row)]
    return sorted(found, key=source.order) if source.order else found


def windows(records: Iterable[Mapping[str, Any]]) -> list[Row]:
    """What `maintenance_window` says of each host: its values are the row."""
    return [{"on": record["host"], **values} for record in records if record["area"] == "maintenance"
            for values in record["body"] if "remaining_seconds" in values and "open" in values]


def _rows(value: Any) -> list[Row]:
    return [row for row in (value if isinstance(value, list) else [value]) if isinstance(row, dict)]
