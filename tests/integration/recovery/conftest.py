# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Databases worth restoring, backups of them, and a folder that a scratch server's account can pass through."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.postgres import PostgresTarget, connect

SHOP = (
    "CREATE TABLE customers (id bigint PRIMARY KEY, name text NOT NULL, note text)",
    "INSERT INTO customers SELECT g, 'customer ' || g, nullif(g % 3, 0)::text FROM generate_series(1, 2000) g",
    "CREATE TABLE orders (id bigserial PRIMARY KEY, customer_id bigint REFERENCES customers, total numeric(12,2), placed timestamptz)"
    " PARTITION BY RANGE (placed)".replace("PRIMARY KEY,", "NOT NULL,", 1),
    "CREATE TABLE orders_2025 PARTITION OF orders FOR VALUES FROM ('2025-01-01 00:00+00') TO ('2026-01-01 00:00+00')",
    "CREATE TABLE orders_2026 PARTITION OF orders FOR VALUES FROM ('2026-01-01 00:00+00') TO ('2027-01-01 00:00+00')",
    "INSERT INTO orders (customer_id, total, placed)"
    " SELECT 1 + g % 2000, g / 7.0, timestamptz '2025-06-01 00:00+00' + g * interval '1 hour' FROM generate_series(1, 8000) g",
    "CREATE INDEX ON orders (customer_id)",
    'CREATE TABLE "odd ""name"" %s {x}" ("a \'b" int, "sel%ect" text)',
    'INSERT INTO "odd ""name"" %s {x}" VALUES (1, NULL), (2, \'\'), (NULL, NULL)',
    "CREATE SEQUENCE invoice INCREMENT -2",
    "SELECT nextval('invoice'), nextval('invoice')",
)


def fill(target: PostgresTarget, name: str, statements: tuple[str, ...]) -> PostgresTarget:
    """A fresh database of this name with what the statements put into it."""
    with connect(target) as session:
        session.run("DROP DATABASE IF EXISTS {name} WITH (FORCE)", names={"name": name})
        session.run("CREATE DATABASE {name} TEMPLATE template0", names={"name": name})
    target = replace(target, database=name)
    with connect(target) as session:
        session.set("search_path", "public")
        for statement in statements:
            session.run(statement)
    return target


@pytest.fixture
def shop(pg) -> PostgresTarget:
    """A small shop, on both majors."""
    return fill(pg, "shop", SHOP)


@pytest.fixture
def newest_shop(newest_pg) -> PostgresTarget:
    """The same on the newest major only."""
    return fill(newest_pg, "shop", SHOP)


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A short path that every account can pass through; must be empty at the end."""
    folder = Path(tempfile.mkdtemp(prefix="drill-"))
    folder.chmod(0o755)
    yield folder
    left = os.listdir(folder)
    shutil.rmtree(folder)
    assert left == []


@pytest.fixture
def backup(run_module, tmp_path) -> Callable[..., dict[str, Any]]:
    """Make a backup with the module; gives its answer's ``backup``."""

    def make(target: PostgresTarget, **options: Any) -> dict[str, Any]:
        answer = run_module("backup", {
            "repository": str(tmp_path / "repository"), "plan": "shop", "engine": "pg_dump", "login_host": target.host,
            "login_port": target.port, "login_password": target.password, "login_db": target.database,
            "bin_dir": _programs_of(target), **options})
        assert not answer.get("failed"), answer
        return answer["backup"]

    return make


@pytest.fixture
def drill(run_module, tmp_path, scratch) -> Callable[..., dict[str, Any]]:
    """Run the module on that repository."""

    def run(*, check: bool = False, env: dict[str, str] | None = None, **options: Any) -> dict[str, Any]:
        return run_module("restore_drill", {"repository": str(tmp_path / "repository"), "scratch_dir": str(scratch),
                                            "bin_dir": wheel_folder(), **options}, check=check, env=env)

    return run


def wheel_folder() -> str:
    """The programs of the newest major here, which may be no place where the module looks by itself."""
    from tests.testbed import postgres

    return max(postgres.installations(), key=lambda one: one.major).folder


def _programs_of(target: PostgresTarget) -> str:
    """The client programs of the server's own major."""
    from tests.testbed import postgres

    with connect(target) as session:
        return next(one.folder for one in postgres.installations() if one.major == session.server_major)


def status_of(run_module, repository: Path, id: str) -> str:
    """The status that the repository gives a backup."""
    answer = run_module("backup_info", {"repository": str(repository)})
    return next(one["status"] for one in answer["backups"] if one["id"] == id)
