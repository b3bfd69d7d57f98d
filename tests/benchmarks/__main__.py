# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m tests.benchmarks [AREA …] [--write]``: run the benchmarks of all areas or of those named, print one table."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import platform
import sys
from datetime import datetime, timezone

import tests.benchmarks
import tests.conftest
from tests.benchmarks.harness import Row
from tests.conftest import ROOT


def table(rows: list[Row]) -> str:
    """Markdown."""
    lines = ["| work | against | reach | measured | seconds, for orientation |", "|---|---|---|---|---|"]
    for row in rows:
        reach = "printed" if row.reach is None else f"≥ {row.reach:g}× faster" if row.faster else f"≤ {row.reach:g}×"
        mark = {True: "", False: " (missed)", None: ""}[row.met]
        lines.append(f"| {row.work} | {row.against} | {reach} | {row.ratio:.2f}×{mark} | {row.detail} |")
    return "\n".join(lines)


def main() -> int:
    """Exit status 1 where a reach was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("areas", nargs="*")
    parser.add_argument("--write", action="store_true", help="put the table into docs/performance.md")
    options = parser.parse_args()
    names = [module.name for module in pkgutil.iter_modules(tests.benchmarks.__path__) if module.name.startswith("bench_")]
    rows: list[Row] = []
    for name in sorted(names):
        if options.areas and name.removeprefix("bench_") not in options.areas:
            continue
        for row in importlib.import_module(f"tests.benchmarks.{name}").rows():
            print(f"{row.work} | {row.against}: {row.ratio:.2f}x  {row.detail}", file=sys.stderr, flush=True)
            rows.append(row)
    print(table(rows))
    if options.write:
        page = ROOT / "docs" / "performance.md"
        head = page.read_text(encoding="utf-8").partition("<!-- table -->")[0]
        stamp = f"Run of {datetime.now(timezone.utc):%Y-%m-%d}, Python {platform.python_version()}, 2 cores."
        page.write_text(f"{head}<!-- table -->\n\n{stamp}\n\n{table(rows)}\n", encoding="utf-8")
    missed = [row for row in rows if row.met is False]
    print(f"\n{len(rows) - len(missed)} passed, {len(missed)} failed")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
