# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m tests.benchmarks [AREA …] [--write]``: run the benchmarks of all areas or of those named, print one table.

``--write`` puts it into docs/performance.md; lines of areas that did not run stay there as they are.
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone

import tests.benchmarks
import tests.conftest
from tests.benchmarks.harness import Row
from tests.conftest import ROOT

_MARK = "<!-- table -->"
_HEAD = "| area | work | against | reach | measured | seconds, for orientation | run |\n|---|---|---|---|---|---|---|"


def line(area: str, row: Row, date: str) -> str:
    """A line of the table."""
    reach = "printed" if row.reach is None else f"≥ {row.reach:g}× faster" if row.faster else f"≤ {row.reach:g}×"
    mark = {True: "", False: " (missed)", None: ""}[row.met]
    return f"| {area} | {row.work} | {row.against} | {reach} | {row.ratio:.2f}×{mark} | {row.detail} | {date} |"


def rendered(page: str, measured: Mapping[str, Sequence[str]]) -> str:
    """The page with these lines, by area, in its table."""
    head, _mark, table = page.partition(_MARK)
    lines: dict[str, list[str]] = {}
    for one in table.splitlines():
        if one.startswith("| ") and one not in _HEAD:
            lines.setdefault(one.split(" | ")[0].removeprefix("| "), []).append(one)
    lines |= {area: list(found) for area, found in measured.items()}
    return f"{head}{_MARK}\n\n{_HEAD}\n" + "\n".join(one for area in sorted(lines) for one in lines[area]) + "\n"


def main() -> int:
    """Exit status 1 where a reach was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("areas", nargs="*")
    parser.add_argument("--write", action="store_true", help="put the table into docs/performance.md")
    options = parser.parse_args()
    names = [module.name for module in pkgutil.iter_modules(tests.benchmarks.__path__) if module.name.startswith("bench_")]
    date = f"{datetime.now(timezone.utc):%Y-%m-%d}"
    rows: list[Row] = []
    measured: dict[str, list[str]] = {}
    for name in sorted(names):
        area = name.removeprefix("bench_")
        if options.areas and area not in options.areas:
            continue
        measured[area] = []
        for row in importlib.import_module(f"tests.benchmarks.{name}").rows():
            print(f"{row.work} | {row.against}: {row.ratio:.2f}x  {row.detail}", file=sys.stderr, flush=True)
            rows.append(row)
            measured[area].append(line(area, row, date))
    print(rendered("", measured))
    if options.write:
        page = ROOT / "docs" / "performance.md"
        page.write_text(rendered(page.read_text(encoding="utf-8"), measured), encoding="utf-8")
    missed = [row for row in rows if row.met is False]
    print(f"\n{len(rows) - len(missed)} passed, {len(missed)} failed")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
