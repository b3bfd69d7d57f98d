# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a chapter of the report is made of, without any markup: the page, its PDF and tests read the same values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Row = Mapping[str, Any]
# How a cell is shown; those of NUMBERS stand on the right.
KINDS = ("text", "name", "told", "status", "size", "duration", "percent", "ms", "number", "count", "figure", "days", "when", "bar",
         "phases", "change", "range")
# Which of the four statuses a word means that modules use for what became of their work; any other is unknown.
MEANING = {
    **dict.fromkeys(("pass", "verified", "proven", "done", "restored", "healthy", "copied", "current", "renewed", "migrated", "rehearsed",
                     "nothing", "met"), "pass"),
    **dict.fromkeys(("warn", "created", "planned", "degraded", "due", "waiting", "left", "unchanged", "partly", "rolled_back", "skipped"),
                    "warn"),
    **dict.fromkeys(("fail", "failed", "unhealthy", "half", "blocked", "missed"), "fail"),
}
NUMBERS = frozenset({"size", "duration", "percent", "ms", "number", "count", "figure", "days"})


@dataclass(frozen=True)
class Column:
    """``of`` gives a row's value: of a ``name`` and of what is ``told`` a text or (text, what is said below it), of a ``bar`` a `Bar`, of
    ``phases`` a list of ``{name, seconds}``, of a ``change`` a list of (what, value, unit), of a ``range`` (least, most, unit), of ``when``
    an instant, of a ``count`` a number that is not shown where it is 0, else the value itself or None, which is shown as unknown. ``wide``
    columns are left out on a narrow screen.
    """

    title: str
    kind: str
    of: Callable[[Row], Any]
    wide: bool = False

    @property
    def numeric(self) -> bool:
        """Whether it is read as numbers."""
        return self.kind in NUMBERS


@dataclass(frozen=True)
class Bar:
    """A share of a whole: ``percent`` of it is filled, ``mark`` percent is where the limit is, ``text`` says the value."""

    percent: float | None
    status: str
    text: str
    mark: float | None = None


@dataclass(frozen=True)
class Table:
    """Rows under columns; those after the first ``most`` are folded away on the page. ``left`` says which are not here, and where."""

    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Any]]
    note: str = ""
    most: int = 12
    left: str = ""


@dataclass(frozen=True)
class Chapter:
    """A section of the report: tables, then the measures that are plotted, then sentences."""

    name: str
    title: str
    note: str = ""
    tables: Sequence[Table] = ()
    plots: Sequence[str] = ()
    sentences: Sequence[str] = field(default=())


def column(title: str, kind: str, of: str | Callable[[Row], Any], *, wide: bool = False) -> Column:
    """A column; ``of`` may be the key of the row."""
    return Column(title, kind, (lambda row: row.get(of)) if isinstance(of, str) else of, wide)


def table(title: str, rows: Sequence[Row], *columns: Column, note: str = "", most: int = 12) -> list[Table]:
    """The table of these rows; nothing where there are none. A column in which every row is empty is left out, but for the first."""
    if not rows:
        return []
    alone = len({row.get("on") for row in rows}) == 1
    cells = [[one.of({**row, "alone": alone}) for one in columns] for row in rows]
    kept = [index for index in range(len(columns)) if not index or any(row[index] not in (None, "", [], ()) for row in cells)]
    return [Table(title, [columns[index] for index in kept], [[row[index] for index in kept] for row in cells], note, most)]


def with_host(row: Row, name: Any, small: Any = "") -> tuple[str, str]:
    """A name with what is said below it and, where a table has several, the host that it was seen on."""
    text, on = str(name if name is not None else ""), "" if row.get("alone") else str(row.get("on") or "")
    return text, ", ".join(str(part) for part in (small, on if on not in ("localhost", text) else "") if part)


def steps_of(row: Row) -> str:
    """The steps of a procedure, each with what became of it."""
    return ", ".join(f"{step.get('name') or step.get('step')} {step.get('status')}" for step in rows_of(row.get("steps")))


def took(row: Row) -> float | None:
    """Seconds of all phases; None where there are none."""
    phases = rows_of(row.get("phases"))
    return sum(phase.get("seconds") or 0 for phase in phases) if phases else None


def minute(instant: Any) -> str:
    """An instant as people write it, to the minute; a dash where there is none."""
    return str(instant)[:16].replace("T", " ") if instant else "–"


def rows_of(value: Any) -> list[dict[str, Any]]:
    """The dictionaries of a list; what could not be read is no list."""
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []
