# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""postgresql_reindex on real indexes."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters import postgres
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import OpsError
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.indexes import observe_indexes

from tests.conftest import ROOT
from tests.integration.databases.conftest import REINDEX, login, sick_table
from tests.testbed.postgres import running_server

INVALID = "SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE NOT i.indisvalid ORDER BY 1"


def invalid(session) -> list[str]:
    return [row["relname"] for row in session.fetch(INVALID)]


def eventually(predicate, seconds: float = 60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if answer := predicate():
            return answer
        time.sleep(0.05)
    raise AssertionError("it never came true")


@contextlib.contextmanager
def old_transaction(target):
    """A transaction that has read a table's rows: a concurrent rebuild has to wait for it."""
    with postgres.connect(target, autocommit=False) as old:
        old.run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        old.run("SELECT count(*) FROM pg_class")
        yield old


@contextlib.contextmanager
def module_process(options: dict):
    """The module in a process of its own, as Ansible runs it."""
    process = subprocess.Popen([sys.executable, "-m", "tests.testbed.module", "postgresql_reindex"], cwd=ROOT, text=True,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdin.write(json.dumps({"ANSIBLE_MODULE_ARGS": {**options, "_ansible_remote_tmp": "/tmp"}}))
    process.stdin.close()
    process.stdin = None
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("extension", [True, False])
def test_bloat_shows_after_a_vacuum_and_is_gone_after_the_rebuild(run_module, database, session, extension):
    if extension:
        session.run("CREATE SCHEMA tools")
        session.run("CREATE EXTENSION pgstattuple SCHEMA tools")
    for name in ('we"ird', "100% %s", "-rf"):
        sick_table(session, name)
    session.run("CREATE TABLE well (id int PRIMARY KEY)")
    session.run("INSERT INTO well SELECT generate_series(1, 20000)")
    options = login(database, policy=REINDEX)
    assert run_module("postgresql_reindex", options)["changed"] is False  # the dead rows still have their entries
    session.run("VACUUM ANALYZE")

    planned = run_module("postgresql_reindex", options, check=True)
    assert [entry["status"] for entry in planned["relations"]] == ["planned"] * 3 and planned["changed"], planned
    done = run_module("postgresql_reindex", options)
    assert len(done["relations"]) == 3 and done["not_done"] == []
    for entry in done["relations"]:
        assert entry["status"] == "done" and entry["after"]["bytes"] < 0.4 * entry["before"]["bytes"], entry
        assert entry["action"] == "reindex table" and entry["reason"].count("as measured" if extension else "by estimate") == 2
    assert not any("well" in entry["relation"] for entry in done["relations"])
    assert any("CREATE EXTENSION pgstattuple" in str(warning) for warning in done.get("warnings", [])) is not extension

    again = run_module("postgresql_reindex", options)
    assert again["changed"] is False and again["summary"] == "Nothing was due"
    assert invalid(session) == []


def test_a_single_index_of_a_table_is_rebuilt_alone(run_module, database, session):
    sick_table(session, "t")
    session.run("VACUUM ANALYZE t")
    session.run("REINDEX INDEX t_pkey")
    done = run_module("postgresql_reindex", login(database, policy=REINDEX))
    assert [(entry["relation"], entry["action"]) for entry in done["relations"]] == [("public.t_v_idx", "reindex")]
    assert run_module("postgresql_reindex", login(database, policy=REINDEX))["changed"] is False


def test_the_estimate_is_what_the_server_builds(session, role):
    session.run("CREATE TABLE shapes (id int, tenth int, word text, maybe int, big numeric)")
    session.run("INSERT INTO shapes SELECT g, g % 10, md5(g::text), nullif(g % 2, 0) * g, g::numeric * 1e20 "
                "FROM generate_series(1, 200000) g")
    for columns in ("id", "tenth", "word", "maybe", "id, word", "upper(word)", "(tenth) WITH (deduplicate_items = off)"):
        session.run(f"CREATE INDEX ON shapes {columns if columns.startswith('(tenth)') else '(' + columns + ')'}")
    session.run("CREATE INDEX ON shapes (id) WITH (fillfactor = 50)")
    session.run("VACUUM ANALYZE shapes")
    seen = {index.name: index for index in observe_indexes(session, min_bytes=8192) if index.schema == "public"}
    owner = role("owner")
    session.run("GRANT SELECT ON shapes TO owner")
    with postgres.connect(owner) as ordinary:  # sees the view, not the table behind it
        same = {index.name: index for index in observe_indexes(ordinary, min_bytes=8192) if index.schema == "public"}
    assert {name: index.key_bytes for name, index in same.items() if "upper" not in name} == {
        name: index.key_bytes for name, index in seen.items() if "upper" not in name}
    assert len(seen) == 8
    for index in seen.values():
        assert index.needed_pages(deduplicate=True) == pytest.approx(index.pages, rel=0.12), index
        assert index.needed_pages(deduplicate=False) >= 0.88 * index.pages, index


def leave_leftovers(target, statement: str) -> None:
    """Break a concurrent rebuild off while it waits for an old transaction."""
    with old_transaction(target), postgres.connect(target) as session, postgres.connect(target) as watcher:

        def rebuild() -> None:
            with contextlib.suppress(OpsError):
                session.run(statement)

        thread = threading.Thread(target=rebuild)
        thread.start()
        # It has built by then: nobody else has a lock on the table, so that the old transaction is the first that it waits for.
        eventually(lambda: watcher.value("SELECT count(*) FROM pg_locks WHERE pid = %s AND NOT granted", (session.backend_pid,)))
        session.cancel()
        thread.join()


def test_leftovers_are_dropped_also_of_toast_and_what_only_looks_like_one_is_kept(run_module, database, session):
    session.run('CREATE TABLE "odd ""t" (id int PRIMARY KEY, v text)')
    session.run("""INSERT INTO "odd ""t" SELECT g, 'x' FROM generate_series(1, 10) g""")
    session.run('CREATE UNIQUE INDEX mine_ccnew ON "odd ""t" (v, id)')
    leave_leftovers(database, 'REINDEX TABLE CONCURRENTLY public."odd ""t"')
    left = invalid(session)
    assert any("toast" in name for name in left) and any(name.startswith('odd "t_pkey_ccnew') for name in left), left

    done = run_module("postgresql_reindex", login(database, policy=REINDEX))
    assert {entry["action"] for entry in done["relations"]} == {"drop leftover"} and len(done["relations"]) == len(left), done
    assert invalid(session) == []
    assert session.value("SELECT count(*) FROM pg_class WHERE relname = 'mine_ccnew'") == 1
    assert run_module("postgresql_reindex", login(database, policy=REINDEX))["changed"] is False


def test_an_invalid_index_is_rebuilt_and_one_that_cannot_be_is_told_each_time(run_module, database, session):
    session.run("CREATE TABLE t (v int)")
    session.run("INSERT INTO t VALUES (1), (1)")
    with contextlib.suppress(OpsError):
        session.run("CREATE UNIQUE INDEX CONCURRENTLY twice ON t (v)")
    assert invalid(session) == ["twice"]
    failed = run_module("postgresql_reindex", login(database, policy=REINDEX))
    assert failed["changed"] is False and failed["findings"][0]["status"] == "fail"
    assert "(v)=(1) is duplicated" in failed["findings"][0]["message"]
    assert invalid(session) == ["twice"]  # and no copy of it
    session.run("DELETE FROM t WHERE ctid = (SELECT min(ctid) FROM t)")
    assert run_module("postgresql_reindex", login(database, policy=REINDEX))["changed"] is True
    assert invalid(session) == []


def test_at_the_end_of_the_budget_it_cancels_and_clears_up(run_module, database, session):
    for name in ("t", "u"):
        sick_table(session, name)
    session.run("VACUUM ANALYZE")
    with old_transaction(database):
        answer = run_module("postgresql_reindex", login(database, policy=REINDEX, time_budget="5s", lock_timeout="30s",
                                                        connection_budget=1))
    assert answer["changed"] is False and len(answer["not_done"]) == 2, answer
    assert "cancelled after" in answer["not_done"][0]["reason"] and "of the time budget of 5s are left" in answer["not_done"][1]["reason"]
    # What could be dropped is dropped; what the old transaction kept from being dropped is named.
    assert all(name in answer["not_done"][0]["reason"] for name in invalid(session))
    done = run_module("postgresql_reindex", login(database, policy=REINDEX))
    assert done["changed"] and invalid(session) == []


def test_a_held_lock_leaves_the_index_for_the_next_run(run_module, database, session):
    sick_table(session, "t")
    session.run("VACUUM ANALYZE t")
    with postgres.connect(database, autocommit=False) as other:
        other.run("LOCK TABLE public.t IN SHARE ROW EXCLUSIVE MODE")
        pid = other.backend_pid
        answer = run_module("postgresql_reindex", login(database, policy=REINDEX, lock_timeout="300ms"), timeout=30)
    [reason] = {re.sub("of [0-9.]+m?s$", "", entry["reason"]) for entry in answer["not_done"]}
    assert answer["changed"] is False and reason == (
        f"another session held a lock for longer than 0.3s: session {pid} of postgres (evenkeel.ops, idle in transaction) "
        "has ShareRowExclusiveLock in a transaction ")
    assert all(f"pg_terminate_backend({pid})" in finding["hint"] for finding in answer["findings"])
    assert invalid(session) == []


def test_an_index_that_another_session_is_building_is_left_alone(run_module, database, session):
    session.run("CREATE TABLE t (v int)")
    with postgres.connect(database) as builder:
        thread = threading.Thread(target=lambda: builder.run("CREATE INDEX CONCURRENTLY slow_ccnew ON public.t (v)"))
        with old_transaction(database):
            thread.start()
            eventually(lambda: "slow_ccnew" in invalid(session))
            answer = run_module("postgresql_reindex", login(database, policy=REINDEX))
            assert answer["changed"] is False and "another session is building" in answer["not_done"][0]["reason"]
        thread.join()
    assert invalid(session) == []


def test_a_run_that_is_told_to_stop_clears_up_first(database, session):
    sick_table(session, "t")
    session.run("VACUUM ANALYZE t")
    with old_transaction(database) as old, module_process(login(database, policy=REINDEX, lock_timeout="30s")) as process:
        eventually(lambda: invalid(session))
        old.run("ROLLBACK AND CHAIN")  # no longer in the way of the clearing up
        old.run("SELECT 1")
        process.send_signal(signal.SIGTERM)
        out, _err = process.communicate(timeout=120)
    answer = json.loads(out.splitlines()[-1])
    assert answer.get("error") == "Interrupted" or not answer.get("failed")  # it may have finished in that moment
    assert invalid(session) == []


def test_a_killed_run_stops_on_the_server_too_and_the_next_one_repairs(run_module, database, session):
    sick_table(session, "t")
    session.run("VACUUM ANALYZE t")
    # Neither limit ends it sooner than the server sees that nobody is there.
    with old_transaction(database), module_process(login(database, policy=REINDEX, lock_timeout="1h", time_budget="1h")) as process:
        eventually(lambda: invalid(session))
        process.kill()
        if session.server_version >= 140000:
            eventually(lambda: not session.fetch("SELECT 1 FROM pg_stat_activity WHERE query LIKE 'REINDEX%'"))
    assert invalid(session)
    done = run_module("postgresql_reindex", login(database, policy=REINDEX))
    assert done["changed"] and "drop leftover" in {entry["action"] for entry in done["relations"]} and invalid(session) == []


def test_a_server_killed_in_the_middle_is_told_and_the_next_run_repairs(run_module, installation):
    with running_server(installation, settings={"autovacuum": "off"}) as (server, target):
        with postgres.connect(target) as session:
            session.set("search_path", "public")
            sick_table(session, "t")
            session.run("VACUUM ANALYZE t")
            with contextlib.suppress(OpsError), old_transaction(target), \
                    module_process(login(target, policy=REINDEX, lock_timeout="30s")) as process:
                eventually(lambda: invalid(session))
                os.kill(server.pid, signal.SIGQUIT)  # immediate shutdown: no cleaning up, as after a crash
                out, _err = process.communicate(timeout=120)
        answer = json.loads(out.splitlines()[-1])
        assert answer["failed"] and answer["error"] == "Unreachable" and answer["hint"] and answer["evidence"]["done"] == []
        server.stop()
        server.start()
        done = run_module("postgresql_reindex", login(target, policy=REINDEX))
        # The leftover shows only where its commit had reached the disk: maintenance does not wait for that.
        assert done["relations"][0]["action"] in ("drop leftover", "reindex table"), done
        assert {entry["status"] for entry in done["relations"]} == {"done"}
        with postgres.connect(target) as session:
            assert invalid(session) == []
