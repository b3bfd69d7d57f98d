# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fixture `figure`, whose figures are printed at the end of the run, and what the tests of reliability share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from typing import Any

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.postgres import connect

from tests.conftest import ROOT
from tests.integration.backups.conftest import keys, programs
from tests.integration.reliability.figures import Figure, write

__all__ = ["keys", "programs"]

_counted: list[Figure] = []


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Callable[[str, str, str], None]:
    """``figure(promise, how, figure)``: say what was counted, before it is asserted."""

    def count(promise: str, how: str, figure: str) -> None:
        request.node.user_properties.append(("figure", (promise, how, figure)))

    return count


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Runs where the report is put together, whichever process ran the test."""
    if report.when == "call":
        _counted.extend(Figure(*value) for name, value in report.user_properties if name == "figure")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print them, and put them into the page where that is asked for."""
    if not _counted:
        return
    terminalreporter.section("reliability")
    for one in _counted:
        terminalreporter.write_line(f"{one.promise}: {one.figure} ({one.how})")
    if os.environ.get("EVENKEEL_RELIABILITY") == "write":
        write(ROOT / "docs" / "reliability.md", _counted, f"{datetime.now(timezone.utc):%Y-%m-%d}")


@pytest.fixture(scope="session")
def small_shop(newest_pg) -> Iterator[Any]:
    """A small database, of which a dump is made in a moment."""
    from dataclasses import replace

    with connect(newest_pg) as session:
        session.run("CREATE DATABASE small_shop")
    target = replace(newest_pg, database="small_shop")
    with connect(target) as session:
        for name in ("customers", "orders", "items"):
            session.run("CREATE TABLE {name} AS SELECT n AS id, md5(n::text) AS token FROM generate_series(1, 3000) n",
                        names={"name": ("public", name)})
    try:
        yield target
    finally:
        with connect(newest_pg) as session:
            session.run("DROP DATABASE IF EXISTS small_shop WITH (FORCE)")
