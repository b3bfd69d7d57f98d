# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the ledger knows, as samples of metrics. Pure: the newest record of each host's procedure in, samples out.

    evenkeel_findings{host, area, procedure, status}    findings of the newest run, by status; all four are always there
    evenkeel_finding{host, area, check, subject}        3 fail, 2 unknown, 1 warn; what passes has no series
    evenkeel_run_timestamp_seconds{host, area, procedure}   when it ran last
    evenkeel_backup_timestamp_seconds{host, plan}   when the newest copy of a plan was made
    evenkeel_certificate_not_after_timestamp_seconds{host, source, subject}
    evenkeel_maintenance_debt{host}                     relations that are due and were left undone
    evenkeel_objective_budget_left_ratio{service, endpoint, measure}   1 is all of it
    evenkeel_export_timestamp_seconds                   when this was exported

Instants rather than ages: an age is right at one moment only, and a file that is no longer written would stay young for ever.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..core.clock import parse_instant
from ..core.errors import InvalidOption
from ..core.finding import Status

PREFIX = "evenkeel_"
HELP = {
    "findings": "Findings of the newest run of a procedure, by status",
    "finding": "A finding that did not pass: 3 fail, 2 unknown, 1 warn",
    "run_timestamp_seconds": "When a procedure was recorded last",
    "backup_timestamp_seconds": "When the newest copy of a plan was made",
    "certificate_not_after_timestamp_seconds": "Last instant of validity",
    "maintenance_debt": "Relations that were due for maintenance and left undone",
    "objective_budget_left_ratio": "Share of the error budget that is left",
    "export_timestamp_seconds": "When these metrics were exported",
}
# Longer texts make series that nobody can read; the ledger has them whole.
_LONGEST = 200


@dataclass(frozen=True)
class Sample:
    """One sample: the name without its prefix."""

    name: str
    labels: Mapping[str, str]
    value: float


def samples(records: Sequence[Mapping[str, Any]], now: datetime) -> list[Sample]:
    """All of them; ``records`` are as `Ledger.newest_records` gives them. Of two with the same labels the newer one is kept."""
    found = [Sample("export_timestamp_seconds", {}, now.timestamp())]
    for record in records:
        found += _of_record(record)
    kept = {(one.name, *sorted(one.labels.items())): one for one in found}
    return list(kept.values())


def _of_record(record: Mapping[str, Any]) -> Iterable[Sample]:
    host, area, procedure = (_label(record[key]) for key in ("host", "area", "procedure"))
    run = {"host": host, "area": area, "procedure": procedure}
    yield Sample("run_timestamp_seconds", run, parse_instant(record["at"]).timestamp())
    statuses = [Status(one["status"]) for one in record["findings"]]
    for status in Status:
        yield Sample("findings", {**run, "status": status.value}, statuses.count(status))
    for one in record["findings"]:
        if one["status"] != Status.PASS.value:
            labels = {"host": host, "area": area, "check": _label(one["check"]), "subject": _label(one["subject"])}
            yield Sample("finding", labels, Status(one["status"]).rank)
    for values in record["body"]:
        yield from _of_values(host, values)
    if (record["area"], record["procedure"]) == ("databases", "maintain"):
        yield Sample("maintenance_debt", {"host": host}, sum(len(_rows(values, "not_done")) for values in record["body"]))


def _of_values(host: str, values: Mapping[str, Any]) -> Iterable[Sample]:
    copies = [*_rows(values, "backups"), *_rows(values, "backup")]
    newest_copy: dict[str, Mapping[str, Any]] = {}
    for row in copies:
        if row.get("created_at") and row.get("status") != "failed":
            known = newest_copy.get(str(row.get("plan")))
            if known is None or row["created_at"] > known["created_at"]:
                newest_copy[str(row.get("plan"))] = row
    for plan, row in newest_copy.items():
        yield from _instant("backup_timestamp_seconds", {"host": host, "plan": _label(plan)}, row["created_at"])
    for row in _rows(values, "certificates"):
        labels = {"host": host, "source": _label(row.get("source")), "subject": _label(row.get("subject"))}
        yield from _instant("certificate_not_after_timestamp_seconds", labels, row.get("not_after"))
    for row in _rows(values, "objectives"):
        if isinstance(row.get("budget_left_percent"), (int, float)) and not row.get("period"):
            labels = {"service": _label(row.get("service")), "endpoint": _label(row.get("endpoint")), "measure": _label(row.get("measure"))}
            yield Sample("objective_budget_left_ratio", labels, row["budget_left_percent"] / 100)


def _rows(values: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    value = values.get(key)
    rows = value if isinstance(value, list) else [value] if isinstance(value, Mapping) else []
    return [row for row in rows if isinstance(row, Mapping)]


def _instant(name: str, labels: Mapping[str, str], text: Any) -> Iterable[Sample]:
    try:
        yield Sample(name, labels, parse_instant(str(text)).timestamp())
    except InvalidOption:  # not known is no sample: what is absent can be alerted on, what is wrong cannot
        return


def _label(value: Any) -> str:
    text = str(value if value is not None else "")
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "\u2026"


Family = tuple[str, tuple[str, ...], list[tuple[tuple[str, ...], float]]]


def families(found: Sequence[Sample], where: Mapping[str, str]) -> dict[str, Family]:
    """By full name: help, names of labels, rows; every sample has the labels of ``where`` too (system and environment)."""
    result: dict[str, Family] = {}
    for one in found:
        labels = {**{key: _label(value) for key, value in where.items()}, **one.labels}
        family = result.setdefault(PREFIX + one.name, (HELP[one.name], tuple(labels), []))
        family[2].append((tuple(labels[name] for name in family[1]), float(one.value)))
    return result
