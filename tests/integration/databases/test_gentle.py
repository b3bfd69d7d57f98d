# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Maintenance that stays out of the way: of standbys, of load, of whoever waits for it; and whom it may end."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import replace

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters import postgres
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import OpsError

from tests.integration.databases.conftest import REINDEX, VACUUM, dead_rows, flush, login, sick_table
from tests.integration.databases.test_postgresql_reindex import eventually, invalid, old_transaction
from tests.testbed.postgres import installations
from tests.testbed.standby import streaming_pair

REBUILDING = "SELECT phase FROM pg_stat_progress_create_index WHERE phase = %s"


@pytest.fixture(scope="module")
def pair():
    with streaming_pair(max(installations(), key=lambda one: one.major)) as pair:
        yield pair


def test_nothing_is_begun_while_a_standby_is_behind(run_module, pair):
    with postgres.connect(pair.primary_target) as session, postgres.connect(pair.standby_target) as standby:
        session.set("search_path", "public")
        sick_table(session, "t", rows=3000)
        options = login(pair.primary_target, policy=VACUUM, gentle={"replication_lag_size": "2MiB", "patience": "1s"})
        pair.wait_for_replay()
        standby.run("SELECT pg_wal_replay_pause()")
        session.run("CREATE TABLE behind WITH (autovacuum_enabled = off) AS SELECT g, repeat('x', 100) FROM generate_series(1, 30000) g")
        eventually(lambda: session.value("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn) > 2 * 2^20 FROM pg_stat_replication"))
        held = run_module("postgresql_vacuum", options)
        assert held["changed"] is False and dead_rows(session, "t") > 0
        assert "behind, over the limit of 2.0 MiB" in held["not_done"][0]["reason"], held
        # What is urgent waits for nobody.
        session.run("CREATE TABLE old (id int)")
        session.run("DO $$BEGIN FOR i IN 1..60 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END$$")
        urgent = {**VACUUM, "freeze_age": 20, "urgent_age": 30, "exclude": ["pg_catalog.*", "information_schema.*", "public.[a-np-z]*"]}
        done = run_module("postgresql_vacuum", {**options, "policy": urgent})
        assert [entry["status"] for entry in done["relations"]] == ["done"], done

        # It waits for as long as its patience lasts, and goes on when the standby is there again.
        threading.Timer(1.0, lambda: standby.run("SELECT pg_wal_replay_resume()")).start()
        done = run_module("postgresql_vacuum", {**options, "gentle": {**options["gentle"], "patience": "60s"}})
        assert "public.t" in [entry["relation"] for entry in done["relations"]] and dead_rows(session, "t") == 0, done


def test_a_standby_whose_lag_is_hidden_is_no_standby_that_keeps_up(run_module, pair):
    with postgres.connect(pair.primary_target) as session:
        session.set("search_path", "public")
        session.run("CREATE ROLE owner LOGIN PASSWORD 'secret'")
        sick_table(session, "owned", rows=3000)
        session.run("ALTER TABLE owned OWNER TO owner")
    owner = replace(pair.primary_target, user="owner", password="secret")
    held = run_module("postgresql_vacuum", login(owner, policy=VACUUM, gentle={"replication_lag": "1h"}))
    [reason] = [entry["reason"] for entry in held["not_done"] if entry["relation"] == "public.owned"]
    assert held["changed"] is False and "is hidden from this user" in reason
    assert any("pg_monitor" in finding["hint"] for finding in held["findings"])


@contextlib.contextmanager
def busy(target, statement: str):
    """A session that runs a statement for a long time."""
    with postgres.connect(target, application_name="busy") as session:

        def work():
            with contextlib.suppress(OpsError):
                session.run(statement)

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield session
        finally:
            with contextlib.suppress(OpsError):
                session.cancel()
            thread.join(10)


def test_it_backs_off_from_load_also_where_that_is_hidden(run_module, database, session, role):
    sick_table(session, "t", rows=3000)
    owner = role("owner")
    session.run("ALTER TABLE t OWNER TO owner")
    gentle = {"active_sessions": 0, "patience": "0s"}
    with busy(database, "SELECT pg_sleep(600)"):
        eventually(lambda: session.value("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)' AND state = 'active'"))
        for target in (database, owner):
            held = run_module("postgresql_vacuum", login(target, policy=VACUUM, gentle=gentle))
            assert held["changed"] is False and "sessions were running a statement" in held["not_done"][0]["reason"], held
    eventually(lambda: not session.value("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid() "
                                         "AND backend_type = 'client backend'"))
    assert run_module("postgresql_vacuum", login(owner, policy=VACUUM, gentle={**gentle, "patience": "30s"}))["changed"] is True


def test_it_backs_off_where_sessions_are_blocked(run_module, database, session):
    sick_table(session, "t", rows=3000)
    session.run("CREATE TABLE other (id int)")
    options = login(database, policy=VACUUM, gentle={"blocked_sessions": 0, "patience": "0s"})
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    if session.server_version >= 140000:
        waiting += " AND waitstart < clock_timestamp() - interval '1.2 s'"
    with postgres.connect(database, autocommit=False) as holder:
        holder.run("LOCK TABLE public.other")
        with busy(database, "SELECT count(*) FROM public.other"):
            eventually(lambda: session.value(waiting))
            held = run_module("postgresql_vacuum", options)
    assert held["changed"] is False and "1 sessions were waiting for a lock" in held["not_done"][0]["reason"], held
    eventually(lambda: not session.value("SELECT count(*) FROM pg_locks WHERE NOT granted"))
    assert run_module("postgresql_vacuum", options)["changed"] is True


def test_a_rebuild_gives_way_to_whoever_waits_for_it(run_module, database, session):
    sick_table(session, "t")
    session.run("VACUUM ANALYZE t")
    options = login(database, policy=REINDEX, lock_timeout="3m", time_budget="4m", gentle={"give_way": "1s"})
    with old_transaction(database) as old, postgres.connect(database) as migration:

        def alter():
            eventually(lambda: migration.fetch(REBUILDING, ("waiting for old snapshots",)))
            migration.run("SET statement_timeout = '60s'")
            migration.run("ALTER TABLE public.t ADD COLUMN more int")
            old.run("ROLLBACK")  # what it left behind can be dropped now

        thread = threading.Thread(target=alter)
        thread.start()
        answer = run_module("postgresql_reindex", options)
        thread.join()
    assert answer["changed"] is False and "gave way" in answer["not_done"][0]["reason"], answer
    assert session.value("SELECT count(*) FROM pg_attribute WHERE attrelid = 'public.t'::regclass AND attname = 'more'") == 1
    done = run_module("postgresql_reindex", options)
    assert done["changed"] and invalid(session) == []


@pytest.mark.parametrize("who, gentle", [("superuser", {}), ("owner", {"give_way": "10m"})])
def test_nobody_elses_statement_dies_of_a_deadlock_with_a_rebuild(run_module, database, session, role, who, gentle):
    """The statement waits for the rebuild, which at its end waits for whoever was there before: the server ends one of the two."""
    sick_table(session, "t")
    session.run("VACUUM ANALYZE t")
    target = database if who == "superuser" else role("owner")
    if who == "owner":
        session.run("ALTER TABLE t OWNER TO owner")
    session.run("ALTER DATABASE {name} SET deadlock_timeout = '60s'", names={"name": database.database})
    options = login(target, policy=REINDEX, lock_timeout="3m", time_budget="4m", gentle=gentle)
    failed = []
    with postgres.connect(database, autocommit=False) as writer, postgres.connect(database) as migration:
        migration.run("SET statement_timeout = '120s'")
        migration.run("SET deadlock_timeout = '10s'")
        writer.run("LOCK TABLE public.t IN ROW EXCLUSIVE MODE")

        def alter():
            try:
                migration.run("ALTER TABLE public.t ADD COLUMN more int")
            except OpsError as error:
                failed.append(error.message)

        def work():
            eventually(lambda: session.fetch(REBUILDING, ("waiting for writers before build",)))
            altering = threading.Thread(target=alter)
            altering.start()
            eventually(lambda: session.value("SELECT count(*) FROM pg_locks WHERE pid = %s AND NOT granted", (migration.backend_pid,)))
            writer.run("ROLLBACK")
            altering.join()

        thread = threading.Thread(target=work)
        thread.start()
        answer = run_module("postgresql_reindex", options)
        thread.join()
    assert failed == []
    assert answer["changed"] is False and "waited for each other, and it gave way" in answer["not_done"][0]["reason"], answer
    done = run_module("postgresql_reindex", options)
    assert done["changed"], done
    if who == "owner":  # who may make an index of TOAST, and not drop it: told with what to do, and done once that is done
        [failure] = [finding for finding in done["findings"] if finding["status"] == "fail"]
        assert failure["hint"] == "GRANT USAGE ON SCHEMA pg_toast to it" and "pg_toast" in failure["subject"]
        session.run("GRANT USAGE ON SCHEMA pg_toast TO owner")
        assert run_module("postgresql_reindex", options)["changed"]
    assert invalid(session) == []


def test_nobody_is_ended_unless_told_and_then_only_who_is_in_the_way(run_module, database, session):
    sick_table(session, "t", rows=3000)
    options = login(database, policy=VACUUM, lock_timeout="2s")
    with postgres.connect(database, autocommit=False, application_name="report") as idle, \
            postgres.connect(database, autocommit=False) as bystander:
        idle.run("LOCK TABLE public.t IN SHARE ROW EXCLUSIVE MODE")
        bystander.run("SELECT 1")
        untold = run_module("postgresql_vacuum", options)
        assert untold["changed"] is False and "held a lock" in untold["not_done"][0]["reason"]
        idle.run("SELECT 1")  # still there
        flush(session)

        told = {**options, "lock_timeout": "20s", "gentle": {"end_idle_transactions": "1s"}}
        eventually(lambda: session.value("SELECT clock_timestamp() - state_change > '1 s' FROM pg_stat_activity WHERE pid = %s",
                                         (idle.backend_pid,)))
        planned = run_module("postgresql_vacuum", told, check=True)
        assert any(f"session {idle.backend_pid} of postgres (report), idle in a transaction" in str(warning)
                   and "would be ended" in str(warning) for warning in planned["warnings"]), planned
        idle.run("SELECT 1")
        done = run_module("postgresql_vacuum", told)
        assert done["changed"] and f"session {idle.backend_pid} of postgres (report)" in done["relations"][0]["message"], done
        assert any("Ended session" in str(warning) for warning in done["warnings"])
        with pytest.raises(OpsError):
            idle.run("SELECT 1")
        bystander.run("SELECT 1")


def test_the_servers_own_brake_is_on(run_module, database, session):
    sick_table(session, "slow")
    options = login(database, policy={**VACUUM, "rate": "100GiB"}, time_budget="5s", gentle={"cost_delay": "100ms", "cost_limit": 1})
    answer = run_module("postgresql_vacuum", options)
    assert answer["changed"] is False and "cancelled after" in answer["not_done"][0]["reason"], answer


@pytest.mark.parametrize("gentle, said", [({"cost_delay": "1s"}, "longer than the server takes"), ({"load": 5}, "unknown key 'load'")])
def test_bad_gentleness_is_told_with_a_hint(run_module, database, gentle, said):
    for module, policy in (("postgresql_vacuum", VACUUM), ("postgresql_reindex", REINDEX)):
        answer = run_module(module, login(database, policy=policy, gentle=gentle))
        assert answer["failed"] and answer["error"] == "InvalidOption" and said in answer["msg"] and answer["hint"]
