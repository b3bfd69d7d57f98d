# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A database with odd names, a folder with odd files, keys, and repositories."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.postgres import PostgresTarget, connect
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.repository import Repository

from tests.testbed import postgres

ODD = ["plain", "Mixed Case", "quo\"te'", "new\nline", "-rf", "50%_%s{x}", "snow☃ü", "a" * 63]
ODD_DATABASE = "sh'op \"-%☃"


@contextlib.contextmanager
def odd_database(target: PostgresTarget, name: str) -> Iterator[PostgresTarget]:
    """A database with tables, a schema and sequences of odd names, rows in each, and a large object."""
    with connect(target) as session:
        session.run("DROP DATABASE IF EXISTS {name} WITH (FORCE)", names={"name": name})
        session.run("CREATE DATABASE {name}", names={"name": name})
    inside = replace(target, database=name)
    with connect(inside) as session:
        session.run("CREATE SCHEMA {schema}", names={"schema": "odd \"schema"})
        for table in ODD:
            for schema in ("public", "odd \"schema"):
                session.run("CREATE TABLE {table} (id serial PRIMARY KEY, {column} text, amount numeric)",
                            names={"table": (schema, table), "column": "we'ird \"-%"})
                session.run("INSERT INTO {table} ({column}, amount) SELECT md5(n::text), n / 7.0 FROM generate_series(1, 300) n",
                            names={"table": (schema, table), "column": "we'ird \"-%"})
        session.run("SELECT lo_from_bytea(0, 'large object')")
    try:
        yield inside
    finally:
        with connect(target) as session:
            session.run("DROP DATABASE IF EXISTS {name} WITH (FORCE)", names={"name": name})


@pytest.fixture(scope="session")
def shop(pg) -> Iterator[PostgresTarget]:
    """The odd database on each major."""
    with odd_database(pg, ODD_DATABASE) as target:
        yield target


@pytest.fixture(scope="session")
def new_shop(newest_pg) -> Iterator[PostgresTarget]:
    """The odd database on the newest major only."""
    with odd_database(newest_pg, ODD_DATABASE) as target:
        yield target


@pytest.fixture(scope="session")
def programs() -> str:
    """The folder of the newest installation's programs, which serve every older server too."""
    return max(postgres.installations(), key=lambda one: one.major).folder


def folder_of(target: PostgresTarget) -> str:
    """The folder of the programs of the server's own major."""
    with connect(target) as session:
        major = session.server_version // 10000
    return next(one.folder for one in postgres.installations() if one.major == major)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """An empty one."""
    return Repository(tmp_path / "repository", "unnamed", "unnamed")


@pytest.fixture
def of() -> Callable[..., dict[str, Any]]:
    """``of(repository, target)``: the options of the module backup for a database."""

    def options(repository: Repository, target: PostgresTarget, **more: Any) -> dict[str, Any]:
        return {
            "repository": str(repository.root), "plan": "shop", "engine": "pg_dump", "login_host": target.host,
            "login_port": target.port, "login_user": target.user, "login_password": target.password,
            "login_db": target.database, **more}

    return options


@pytest.fixture
def keys(tmp_path: Path) -> tuple[str, str]:
    """An identity file and its public key."""
    pyrage = pytest.importorskip("pyrage")
    identity = pyrage.x25519.Identity.generate()
    path = tmp_path / "identity"
    path.write_text(f"{identity}\n")
    return str(path), str(identity.to_public())


@pytest.fixture
def odd_files(tmp_path: Path) -> Path:
    """A folder with odd names, links, modes, an empty and a sparse file, and a link that leads out of it."""
    folder = tmp_path / "source"
    (folder / "deep" / "er").mkdir(parents=True)
    for name in (*ODD, "*.txt", "back\\slash", "trailing "):
        (folder / "deep" / name).write_text(name * 100)
    (folder / os.fsdecode(b"not-utf8-\xff")).write_bytes(b"\xff" * 10)
    (folder / "empty").touch()
    (folder / "script").write_text("#!/bin/sh")
    (folder / "script").chmod(0o4751)
    (folder / "hard").hardlink_to(folder / "script")
    (folder / "out").symlink_to("/etc/passwd")
    (folder / "dangling").symlink_to("nowhere")
    with (folder / "sparse").open("wb") as stream:
        stream.truncate(50 * 2**20)
    (folder / "deep" / "er" / "cache.tmp").write_text("left out")
    with contextlib.suppress(OSError):
        os.setxattr(folder / "script", "user.evenkeel", b"bin\x00ary\xff")
    return folder
