# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What earlier maintenance tells: durations, what was left, the transactions. Pure: recorded values in, a database's history out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ..core.clock import parse_instant
from ..core.errors import InvalidOption, OpsError
from .forecast import Sample
from .plan import Waiting, waiting_key


@dataclass(frozen=True)
class Count:
    """The next transaction id (64 bits) and the next multixact (32 bits, None where it was not recorded) of a server at an instant."""

    at: datetime
    transactions: int
    multixacts: int | None = None


@dataclass(frozen=True)
class History:
    """Of one database, oldest first. ``waiting``: what the newest run left, by `plan.waiting_key`."""

    samples: tuple[Sample, ...] = ()
    waiting: Mapping[tuple[str, str], Waiting] = field(default_factory=dict)
    counts: tuple[Count, ...] = ()

    @classmethod
    def from_option(cls, option: Mapping[str, Any] | None, key: str) -> History:
        """A database's part of what `gather` made; an empty one where it has none.

        :raises InvalidOption: for what `gather` does not make
        """
        try:
            told = (option or {}).get(key) or {}
            return cls(
                tuple(Sample(str(one["relation"]), str(one["action"]), int(one["bytes"]), float(one["seconds"]))
                      for one in told.get("samples") or ()),
                {waiting_key(str(one["relation"]), str(one["action"])): Waiting(
                    int(one["runs"]), str(one["since"]), float(one.get("tried_seconds") or 0)) for one in told.get("waiting") or ()},
                tuple(Count(parse_instant(one["at"]), int(one["transactions"]), None if one.get("multixacts") is None
                            else int(one["multixacts"])) for one in told.get("counts") or ()))
        except (KeyError, TypeError, ValueError, AttributeError, IndexError, OpsError) as error:
            raise InvalidOption(f"history: {type(error).__name__}: {error}",
                                hint="Give what evenkeel.ops.postgresql_history returned, or leave it out") from error

    def rate(self, at: datetime, value: int, *, of: str = "transactions") -> tuple[float, float] | None:
        """Transactions (or ``multixacts``) per second since the oldest count, and the seconds since then; None without one.

        Counts that are ahead of a later one are of another life of this server (it was restored; multixacts also begin anew after
        4 billion), and say nothing.
        """
        oldest, after = None, value
        for count in reversed([count for count in self.counts if count.at < at and getattr(count, of) is not None]):
            if getattr(count, of) > after:
                break
            oldest, after = count, getattr(count, of)
        if oldest is None:
            return None
        seconds = (at - oldest.at).total_seconds()
        return (value - getattr(oldest, of)) / seconds, seconds


def gather(records: Iterable[Mapping[str, Any]], *, samples: int) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """The option ``history`` from what postgresql_maintenance returned in earlier runs, oldest first.

    By ``<system identifier of the server>/<database>``: ``samples`` (the newest so many of each piece of work), ``waiting`` and
    ``counts``, as `History.from_option` reads them. What another version recorded in another shape is passed over.
    """
    databases: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for values in records:
        about = values.get("maintenance")
        if not isinstance(about, Mapping) or not {"server", "database", "at", "transactions"} <= about.keys():
            continue
        found = databases.setdefault(f"{about['server']}/{about['database']}", {"samples": [], "waiting": [], "counts": []})
        found["samples"] += [{key: row[key] for key in ("relation", "action", "bytes", "seconds")} for row in values.get("relations") or ()
                             if row.get("status") == "done" and {"relation", "action", "bytes", "seconds"} <= row.keys()]
        found["waiting"] = [{key: row[key] for key in ("relation", "action", "runs", "since", "tried_seconds")}
                            for row in values.get("debt") or ()]
        found["counts"].append({key: about[key] for key in ("at", "transactions", "multixacts") if key in about})
    for found in databases.values():
        found["samples"] = _newest(found["samples"], samples)
    return databases


def _newest(rows: Sequence[dict[str, Any]], most: int) -> list[dict[str, Any]]:
    """The last so many of each relation's action, in the order that they have."""
    seen: Counter[tuple[str, str]] = Counter()
    kept = []
    for row in reversed(rows):
        key = row["relation"], row["action"]
        seen[key] += 1
        if seen[key] <= most:
            kept.append(row)
    return kept[::-1]
