# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A database of its own for each test, with an awkward name, on each major of PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters import postgres
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.postgres import PostgresSession, PostgresTarget

NAME = 'shop "x" 100% 数'
VACUUM = {"dead_rows": 100, "dead_percent": 10, "changed_rows": 1000000, "changed_percent": 10, "freeze_age": 150000000,
          "multixact_age": 300000000, "urgent_age": 1000000000, "bloat_percent": 50, "bloat_size": "100MiB", "rate": "50MiB"}
REINDEX = {"bloat_percent": 40, "estimated_percent": 60, "bloat_size": "128KiB", "rate": "20MiB"}


@pytest.fixture
def database(pg: PostgresTarget) -> Iterator[PostgresTarget]:
    """An empty database, dropped afterwards with whoever is in it."""
    with postgres.connect(pg) as session:
        session.run("CREATE DATABASE {name}", names={"name": NAME})
        yield replace(pg, database=NAME)
        session.run("DROP DATABASE {name} WITH (FORCE)", names={"name": NAME})


@pytest.fixture
def session(database: PostgresTarget) -> Iterator[PostgresSession]:
    """A session on it that finds tables in the schema public."""
    with postgres.connect(database) as session:
        session.set("search_path", "public")
        yield session


@pytest.fixture
def role(database: PostgresTarget, session: PostgresSession) -> Iterator[Callable[..., PostgresTarget]]:
    """Makes a role that may log in; gives the target with it."""
    made = []

    def make(name: str, attributes: str = "") -> PostgresTarget:
        session.run(f"CREATE ROLE {{name}} LOGIN PASSWORD 'secret' {attributes}", names={"name": name})
        made.append(name)
        return replace(database, user=name, password="secret")

    yield make
    for name in made:
        session.run("DROP OWNED BY {name}", names={"name": name})
        session.run("DROP ROLE {name}", names={"name": name})


def login(target: PostgresTarget, **options: Any) -> dict[str, Any]:
    """The module's options that lead to a target."""
    return {"login_host": target.host, "login_port": target.port, "login_user": target.user, "login_password": target.password,
            "login_db": target.database, **options}


def sick_table(session: PostgresSession, name: str, *, rows: int = 20000) -> None:
    """A table of which four rows of five are dead, with an index beside its key; autovacuum keeps away."""
    names = {"table": name}
    session.run("CREATE TABLE {table} (id int PRIMARY KEY, v text) WITH (autovacuum_enabled = off, toast.autovacuum_enabled = off)",
                names=names)
    session.run(f"INSERT INTO {{table}} SELECT g, md5(g::text) FROM generate_series(1, {rows}) g", names=names)
    session.run("CREATE INDEX ON {table} (v)", names=names)
    session.run("ANALYZE {table}", names=names)
    session.run("DELETE FROM {table} WHERE id % 5 <> 0", names=names)
    flush(session)


def flush(session: PostgresSession) -> None:
    """Make the statistics of this session's work visible: from PostgreSQL 15 on at once, before within a second."""
    if session.server_version >= 150000:
        session.run("SELECT pg_stat_force_next_flush()")
        session.run("SELECT 1")
    else:
        session.run("SELECT pg_sleep(1.1)")


def dead_rows(session: PostgresSession, name: str) -> int:
    """As the statistics have it."""
    return session.value("SELECT pg_stat_get_dead_tuples(c.oid) FROM pg_class c WHERE relname = %s", (name,))
