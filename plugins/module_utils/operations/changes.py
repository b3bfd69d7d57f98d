# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is new since the run before, what became worse and what was mended. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..core.finding import Status

Key = tuple[str, str, str]


def compare(rows: Sequence[Mapping[str, Any]], earlier: Sequence[Mapping[str, Any]]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """This run's findings against those of the newest earlier record of the same host's procedure.

    ``rows`` are this run's findings with host, area and procedure, ``earlier`` records of the ledger. Given back are the rows, each with
    ``since`` (``new``: did not need attention before; ``worse``; empty: as before or better, or nothing to compare with), and
    ``compared`` (how many rows there was an earlier record for), ``until`` (the newest instant of these records, empty without any),
    ``new``, ``worse`` (numbers), ``mended`` (rows that needed attention and pass now, as they were) and ``gone`` (as they were, of what
    was not looked at any more).
    """
    procedures = set(map(_procedure, rows))
    known = [record for record in earlier if _procedure(record) in procedures]
    before: dict[Key, dict[str, Any]] = {}
    for record in known:
        for finding in record["findings"]:
            own = {**finding, "host": record["host"], "area": record["area"], "procedure": record["procedure"]}
            if _rank(own) >= _rank(before.get(_key(own))):
                before[_key(own)] = own
    now: dict[Key, int] = {}
    for row in rows:
        now[_key(row)] = max(now.get(_key(row), 0), _rank(row))
    comparable = set(map(_procedure, known))
    told = [{**row, "since": _since(row, before) if _procedure(row) in comparable else ""} for row in rows]
    were = [row for key, row in sorted(before.items()) if _rank(row) and not now.get(key)]
    return told, {
        "compared": sum(_procedure(row) in comparable for row in rows),
        "until": max((record["at"] for record in known), default=""),
        "new": sum(row["since"] == "new" for row in told), "worse": sum(row["since"] == "worse" for row in told),
        "mended": [row for row in were if _key(row) in now], "gone": [row for row in were if _key(row) not in now]}


def _since(row: Mapping[str, Any], before: Mapping[Key, Mapping[str, Any]]) -> str:
    was = _rank(before.get(_key(row)))
    return "" if _rank(row) <= was else "worse" if was else "new"


def _rank(row: Mapping[str, Any] | None) -> int:
    return Status(row["status"]).rank if row else 0


def _procedure(row: Mapping[str, Any]) -> Key:
    return row["host"], row["area"], row["procedure"]


def _key(row: Mapping[str, Any]) -> Key:
    return str(row["host"]), str(row["check"]), str(row["subject"])
