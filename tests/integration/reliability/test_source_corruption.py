# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Promise: damage of the source is named when it is backed up, page by page, and no backup counts that holds it."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.postgres import connect

from tests.conftest import missing
from tests.testbed.stanza import StanzaServer, call, installation, stanza_server

PAGES, TABLES, PAGE = 20, 10, 8192


def damage(server: Any, target: Any) -> set[tuple[str, int]]:
    """Alter a few bytes in 20 random pages of the tables, on disk; gives (file, page)."""
    with connect(target) as session:
        for number in range(TABLES):
            session.run("CREATE TABLE {name} AS SELECT g, repeat(md5(g::text), 8) FROM generate_series(1, 3000) g",
                        names={"name": ("public", f"t{number}")})
        session.run("CHECKPOINT")
        files = [(session.value("SELECT pg_relation_filepath(%s)", (f"public.t{number}",))) for number in range(TABLES)]
    chooser = random.Random(20)
    pages = [(file, page) for file in files for page in range((server.data / file).stat().st_size // PAGE)]
    chosen = chooser.sample(pages, PAGES)
    assert max(sum(1 for other, _page in chosen if other == file) for file in files) <= 5, "pg_basebackup names five of a file"
    for file, page in chosen:
        with (server.data / file).open("r+b") as stream:
            stream.seek(page * PAGE + chooser.randrange(200, PAGE - 8))
            stream.write(b"\xde\xad\xbe\xef")
    return set(chosen)


def expanded(pages: str) -> Iterator[int]:
    """``3, 7-9`` is 3, 7, 8, 9."""
    for part in pages.split(","):
        first, _dash, last = part.strip().partition("-")
        yield from range(int(first), int(last or first) + 1)


def relative(file: str) -> str:
    return re.search(r"base/\d+/\d+", file)[0]


@pytest.fixture(scope="module")
def corrupt() -> Iterator[tuple[StanzaServer, set[tuple[str, int]]]]:
    """A server with page checksums, prepared for pgBackRest, with 20 damaged pages."""
    if installation() is None:
        missing("pgBackRest, or a PostgreSQL that it knows")
    with stanza_server({"autovacuum": "off"}) as made:  # which would write whole pages over damaged ones
        call("pgbackrest_stanza", made.stanza())
        made.server.stop()
        made.server.start()
        yield made, damage(made.server, made.target)


def told(engine: str, named: set[tuple[str, int]], damaged: set[tuple[str, int]], figure) -> None:
    figure("source corruption is named", f"pages of a cluster with checksums damaged, backed up by {engine}",
           f"named {len(named & damaged)} of {len(damaged)}, {len(named - damaged)} others")


def test_pgbackrest_names_every_damaged_page(corrupt, run_module, tmp_path, figure):
    made, damaged = corrupt
    answer = run_module("backup", made.backup(tmp_path / "store"))
    assert answer["failed"] and answer["error"] == "Damaged", answer
    named = {(relative(file), page) for file, pages in answer["evidence"]["pages"] for page in expanded(pages)}
    told("pgbackrest", named, damaged, figure)
    assert named == damaged
    assert not list((tmp_path / "store").rglob("manifest.json"))


def test_pg_basebackup_names_every_damaged_page(corrupt, run_module, tmp_path, figure):
    made, damaged = corrupt
    answer = run_module("backup", {**made.login, "repository": str(tmp_path / "store"), "plan": "shop", "engine": "pg_basebackup",
                                   "bin_dir": made.server.installation.folder})
    assert answer["failed"] and answer["error"] == "Damaged", answer
    named = {(relative(file), int(page)) for file, page in answer["evidence"]["pages"]}
    told("pg_basebackup", named, damaged, figure)
    assert named == damaged
    assert not list((tmp_path / "store").rglob("manifest.json"))
