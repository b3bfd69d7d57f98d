# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables that are mostly air, rewritten beside their readers and writers by the real pg_repack."""

from __future__ import annotations

import threading
import time

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters import postgres

from tests.conftest import missing
from tests.integration.databases.conftest import VACUUM, login
from tests.integration.databases.test_postgresql_reindex import eventually

REWRITE = {**VACUUM, "bloat_size": "256KiB", "dead_rows": 10**6, "rewrite": "pg_repack",
           "exclude": ["pg_catalog.*", "information_schema.*"]}
LEFT = ("SELECT (SELECT count(*) FROM pg_trigger WHERE tgname = 'repack_trigger') + (SELECT count(*) FROM pg_class "
        "WHERE relnamespace = 'repack'::regnamespace AND relname ~ '^(log|table|pk)_[0-9]+$')")
ODD = ['we"ird', "-rf", "$(touch evenkeel-executed)", "100% %s", "it's; DROP TABLE x", "数据"]


# The package pg_repack is that of the system's own PostgreSQL, which is the oldest here.
ON_THE_OLDEST = pytest.mark.parametrize("installation", ["oldest"], indirect=True)


@pytest.fixture
def repacked(installation, session):
    """A database on a server that has the extension pg_repack."""
    if not session.value("SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_repack'"):
        missing(f"postgresql-{installation.major}-repack")
    session.run("CREATE EXTENSION pg_repack")
    session.run("CREATE EXTENSION pgstattuple SCHEMA public")
    return session


def airy(session, name: str, *, rows: int = 20000, key: str = "PRIMARY KEY") -> None:
    """A table of which four fifths are free space."""
    names = {"table": name}
    session.run(f"CREATE TABLE {{table}} (id int {key}, v text) WITH (autovacuum_enabled = off)", names=names)
    session.run(f"INSERT INTO {{table}} SELECT g, md5(g::text) FROM generate_series(1, {rows}) g", names=names)
    session.run("DELETE FROM {table} WHERE id % 5 <> 0", names=names)
    session.run("VACUUM ANALYZE {table}", names=names)


@ON_THE_OLDEST
def test_air_is_given_back_while_others_write_whatever_the_names(run_module, database, repacked):
    for name in ODD:
        airy(repacked, name, rows=12000)
    options, stop, written = login(database, policy=REWRITE), threading.Event(), []

    def write() -> None:
        with postgres.connect(database) as session:
            while not stop.is_set():
                session.run("INSERT INTO {table} VALUES (%s, 'new')", (10**6 + len(written),),
                            {"table": ("public", ODD[0])})
                written.append(1)
                time.sleep(0.02)  # slowly enough that the rows fill none of the air before its turn comes

    planned = run_module("postgresql_vacuum", options, check=True)
    assert sorted(entry["action"] for entry in planned["relations"]) == ["rewrite"] * len(ODD), planned
    thread = threading.Thread(target=write)
    thread.start()
    try:
        done = run_module("postgresql_vacuum", options)
    finally:
        stop.set()
        thread.join()
    assert [(entry["action"], entry["status"]) for entry in done["relations"]] == [("rewrite", "done")] * len(ODD), done
    for entry in done["relations"]:
        assert entry["after"]["bytes"] < 0.6 * entry["before"]["bytes"], entry
    assert repacked.value("SELECT count(*) FROM {t}", names={"t": ("public", ODD[0])}) == 2400 + len(written)
    assert repacked.value(LEFT) == 0
    again = run_module("postgresql_vacuum", options)
    assert again["changed"] is False and again["not_done"] == [], again


@ON_THE_OLDEST
def test_what_it_cannot_rewrite_is_told_with_what_to_do(run_module, database, repacked, role):
    airy(repacked, "keyless", key="")
    options = login(database, policy=REWRITE)
    [skipped] = run_module("postgresql_vacuum", options)["not_done"]
    assert "not rewritten: pg_repack needs a primary key" in skipped["reason"]
    owner = role("owner")
    repacked.run("ALTER TABLE keyless OWNER TO owner")
    repacked.run("ALTER TABLE keyless ADD PRIMARY KEY (id)")
    [skipped] = run_module("postgresql_vacuum", login(owner, policy=REWRITE))["not_done"]
    assert "pg_repack works for superusers only" in skipped["reason"]


@ON_THE_OLDEST
def test_a_rewrite_gives_up_on_a_held_lock_ends_nobody_and_leaves_nothing(run_module, database, repacked):
    airy(repacked, "t")
    with postgres.connect(database, autocommit=False) as other:
        other.run("SELECT count(*) FROM public.t")
        answer = run_module("postgresql_vacuum", login(database, policy=REWRITE, lock_timeout="1s", time_budget="20s"), timeout=60)
        other.run("SELECT 1")  # still there
    assert answer["changed"] is False and answer["not_done"], answer
    assert run_module("postgresql_vacuum", login(database, policy=REWRITE))["changed"] is True
    assert repacked.value(LEFT) == 0


@ON_THE_OLDEST
def test_what_a_killed_pg_repack_left_is_cleared_by_the_next_run(run_module, database, repacked):
    airy(repacked, "t")
    oid = repacked.value("SELECT 'public.t'::regclass::oid::bigint")
    # As far as pg_repack gets before it copies: a type, its log, the trigger.
    repacked.run("CREATE TYPE repack.{pk} AS (id int)", names={"pk": f"pk_{oid}"})
    repacked.run("CREATE TABLE repack.{log} (id bigserial PRIMARY KEY, pk repack.{pk}, row public.t)",
                 names={"pk": f"pk_{oid}", "log": f"log_{oid}"})
    repacked.run("SELECT repack.disable_autovacuum(%s)", (f"repack.log_{oid}",))
    repacked.run(repacked.value("SELECT repack.get_create_trigger(%s::oid, (SELECT indexrelid FROM pg_index WHERE indrelid = %s::oid))",
                                (oid, oid)))
    assert repacked.value(LEFT) == 3
    done = run_module("postgresql_vacuum", login(database, policy=REWRITE))
    assert [(entry["action"], entry["status"]) for entry in done["relations"]] == [("drop leftover", "done"), ("rewrite", "done")], done
    assert repacked.value(LEFT) == 0


@ON_THE_OLDEST
def test_the_end_of_the_budget_ends_it_and_clears_up(run_module, database, repacked):
    airy(repacked, "t")
    with postgres.connect(database, autocommit=False) as old:  # pg_repack waits for older transactions before it copies
        old.run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        old.run("SELECT 1")
        answer = run_module("postgresql_vacuum", login(database, policy={**REWRITE, "rate": "1GiB"}, time_budget="3s", lock_timeout="60s"),
                            timeout=60)
        assert answer["changed"] is False and (answer["not_done"] or answer["relations"]), answer
        eventually(lambda: not repacked.value("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pg_repack'"))
    done = run_module("postgresql_vacuum", login(database, policy=REWRITE))
    assert done["changed"] and done["relations"][-1]["status"] == "done" and repacked.value(LEFT) == 0, done


def test_without_extension_or_package_it_is_refused_with_a_hint(run_module, database, session):
    session.run("CREATE EXTENSION pgstattuple SCHEMA public")
    airy(session, "t")
    answer = run_module("postgresql_vacuum", login(database, policy=REWRITE))
    [finding] = [finding for finding in answer["findings"] if finding["check"] == "database.bloat"]
    assert answer["changed"] is False and "not rewritten: the extension pg_repack is not installed" in finding["message"]
    assert f"postgresql-{session.server_version // 10000}-repack" in finding["hint"] and "CREATE EXTENSION pg_repack" in finding["hint"]
