# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of reliability count, and the table of docs/reliability.md that it becomes."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

Value = TypeVar("Value")
# ``make reliability`` runs everything in full; ``make test`` takes fewer kills, and every so many bytes.
FULL = os.environ.get("EVENKEEL_RELIABILITY_SCALE") == "1"
_MARK = "<!-- table -->"
_HEAD = "| promise | test | figure | run |\n|---|---|---|---|"


def scaled(full: Value, small: Value) -> Value:
    """The one for a full run, or the one for every day."""
    return full if FULL else small


@dataclass(frozen=True)
class Figure:
    """One line of the table: what is promised, how it was tested, what was counted, and which run counted it."""

    promise: str
    how: str
    figure: str
    run: str = ""

    @property
    def line(self) -> str:
        """As a line of the table."""
        return f"| {' | '.join(cell.replace('|', '/') for cell in (self.promise, self.how, self.figure, self.run))} |"


def stamp(date: str) -> str:
    """Of this run."""
    return f"{'full' if FULL else 'small'}, {date}, Python {platform.python_version()}"


def rendered(page: str, figures: Iterable[Figure], date: str) -> str:
    """The page with these figures in its table; lines of what this run did not count stay as they are."""
    head, _mark, table = page.partition(_MARK)
    lines = {tuple(line.split(" | ")[:2]): line for line in table.splitlines() if line.startswith("| ") and line not in _HEAD}
    for figure in figures:
        line = Figure(figure.promise, figure.how, figure.figure, stamp(date)).line
        lines[tuple(line.split(" | ")[:2])] = line
    promises = list(dict.fromkeys(promise for promise, _how in lines))
    ordered = sorted(lines.values(), key=lambda line: promises.index(line.split(" | ")[0]))
    return f"{head}{_MARK}\n\n{_HEAD}\n" + "\n".join(ordered) + "\n"


def write(page: Path, figures: Iterable[Figure], date: str) -> None:
    """Put the figures into the page."""
    page.write_text(rendered(page.read_text(encoding="utf-8"), figures, date), encoding="utf-8")
