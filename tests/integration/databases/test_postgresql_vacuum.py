# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""postgresql_vacuum on real tables."""

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters import postgres

from tests.integration.databases.conftest import VACUUM, dead_rows, flush, login, sick_table

ODD = ['we"ird', "new\nline", "-rf", "100% %s", "数据", "{brace}", "it's"]


def titles(answer: dict) -> list[str]:
    return sorted(entry["relation"] for entry in answer["relations"])


def test_it_repairs_what_needs_it_whatever_its_name_and_nothing_else(run_module, database, session):
    for name in ODD:
        sick_table(session, name, rows=2000)
    session.run("CREATE TABLE well (id int) WITH (autovacuum_enabled = off)")
    session.run("INSERT INTO well SELECT generate_series(1, 5000)")
    flush(session)
    options = login(database, policy=VACUUM)

    planned = run_module("postgresql_vacuum", options, check=True, diff=True)
    assert not planned.get("failed"), planned
    assert planned["changed"] and len(planned["relations"]) == len(ODD)
    assert {entry["status"] for entry in planned["relations"]} == {"planned"} and dead_rows(session, "-rf") == 1600

    done = run_module("postgresql_vacuum", options, diff=True)
    assert done["changed"] and titles(done) == titles(planned) and done["not_done"] == []
    for entry in done["relations"]:
        assert entry["status"] == "done" and entry["before"]["dead_rows"] == 1600 and entry["after"]["dead_rows"] == 0, entry
    assert {finding["status"] for finding in done["findings"]} == {"pass"}
    assert "dead_rows 1600" in done["diff"]["before"] and "dead_rows 0" in done["diff"]["after"]
    assert session.value("SELECT pg_stat_get_last_vacuum_time('public.well'::regclass)") is None

    again = run_module("postgresql_vacuum", options)
    assert again["changed"] is False and again["relations"] == [] and again["summary"] == "Nothing was due"
    assert [finding["status"] for finding in again["findings"]] == ["pass"]


def test_partitions_and_toast(run_module, database, session):
    off = "WITH (autovacuum_enabled = off, toast.autovacuum_enabled = off)"
    session.run("CREATE TABLE parent (id int, v text) PARTITION BY RANGE (id)")
    session.run(f"CREATE TABLE part1 PARTITION OF parent FOR VALUES FROM (0) TO (5000) {off}")
    session.run(f"CREATE TABLE part2 PARTITION OF parent FOR VALUES FROM (5000) TO (10000) {off}")
    session.run("INSERT INTO parent SELECT g, 'x' FROM generate_series(0, 9999) g")
    session.run("DELETE FROM parent WHERE id < 4000")
    session.run(f"CREATE TABLE wide (id int, v text) {off}")
    session.run("ALTER TABLE wide ALTER v SET STORAGE EXTERNAL")
    session.run("INSERT INTO wide SELECT g, repeat('x', 9000) FROM generate_series(1, 50) g")
    session.run("UPDATE wide SET v = v || 'y'")
    flush(session)
    policy = {**VACUUM, "changed_rows": 1000, "dead_rows": 150}
    done = run_module("postgresql_vacuum", login(database, policy=policy))
    assert not done.get("failed"), done
    actions = {entry["relation"]: entry["action"] for entry in done["relations"]}
    assert actions.pop("public.wide") == "vacuum toast"
    assert actions.pop("public.part1") == "vacuum analyze"
    assert actions.pop("public.part2") == "analyze"
    assert actions.pop("public.parent", "analyze") == "analyze" and actions == {}
    assert session.value("SELECT reltuples FROM pg_class WHERE relname = 'parent'") == 6000
    assert run_module("postgresql_vacuum", login(database, policy=policy))["changed"] is False


def test_rows_that_an_old_transaction_holds_are_told_with_it_and_not_vacuumed_in_vain(run_module, database, session):
    sick_table(session, "held")
    session.run("VACUUM held")
    with postgres.connect(database, autocommit=False, application_name="report") as old:
        old.run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        old.run("SELECT 1")
        session.run("DELETE FROM public.held")
        flush(session)
        options = login(database, policy=VACUUM)
        first = run_module("postgresql_vacuum", options)
        assert first["changed"] is False, first
        [entry] = first["relations"]
        assert entry["status"] == "failed"
        assert f"kept by session {old.backend_pid} of postgres (report, idle in transaction)" in entry["message"]
        [finding] = first["findings"]
        assert finding["status"] == "fail" and finding["hint"] == f"End it: SELECT pg_terminate_backend({old.backend_pid});"
        stamp = session.value("SELECT pg_stat_get_last_vacuum_time('public.held'::regclass)")

        second = run_module("postgresql_vacuum", options)
        assert second["changed"] is False and second["relations"] == []
        assert f"session {old.backend_pid}" in second["not_done"][0]["reason"] and second["findings"][0]["status"] == "warn"
        assert session.value("SELECT pg_stat_get_last_vacuum_time('public.held'::regclass)") == stamp
    third = run_module("postgresql_vacuum", options)
    assert third["changed"] is True and dead_rows(session, "held") == 0


def test_statistics_of_the_statistics_are_not_asked_for(run_module, database, session):
    session.run("CREATE TABLE t AS SELECT g AS a, g AS b, g AS c FROM generate_series(1, 1000) g")
    for _number in range(8):
        session.run("ANALYZE")  # rewrites pg_statistic, which ANALYZE itself passes over
    flush(session)
    assert session.value("SELECT pg_stat_get_mod_since_analyze('pg_statistic'::regclass)") > 1000
    done = run_module("postgresql_vacuum", login(database, policy={**VACUUM, "changed_rows": 100, "dead_rows": 10**6}))
    assert "pg_catalog.pg_statistic" not in titles(done) and {entry["status"] for entry in done["relations"]} <= {"done"}, done


def test_an_old_table_is_frozen_before_others_and_is_young_afterwards(run_module, database, session):
    session.run("CREATE TABLE old (id int)")
    session.run("INSERT INTO old VALUES (1)")
    sick_table(session, "dead", rows=2000)
    session.run("DO $$BEGIN FOR i IN 1..3000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END$$")
    age = session.value("SELECT age(relfrozenxid) FROM pg_class WHERE relname = 'old'")
    policy = {**VACUUM, "freeze_age": 2500, "exclude": ["pg_catalog.*", "information_schema.*"]}
    done = run_module("postgresql_vacuum", login(database, policy=policy, connection_budget=1))  # two would end in any order
    assert done["relations"][0]["relation"] == "public.old"
    frozen = {entry["relation"]: entry for entry in done["relations"]}
    assert "freeze" in frozen["public.old"]["action"] and frozen["public.old"]["before"]["xid_age"] >= age > 3000
    assert frozen["public.old"]["after"]["xid_age"] < 100 and frozen["public.dead"]["after"]["dead_rows"] == 0
    assert run_module("postgresql_vacuum", login(database, policy=policy))["changed"] is False


def test_a_locked_table_is_left_for_the_next_run_and_the_others_are_done(run_module, database, session):
    sick_table(session, "locked")
    sick_table(session, "free")
    with postgres.connect(database, autocommit=False) as other:
        other.run("LOCK TABLE public.locked IN ACCESS EXCLUSIVE MODE")
        pid = other.backend_pid
        answer = run_module("postgresql_vacuum", login(database, policy=VACUUM, lock_timeout="300ms"), timeout=30)
    assert [entry["relation"] for entry in answer["relations"]] == ["public.free"] and answer["changed"]
    [skipped] = answer["not_done"]
    assert skipped["relation"] == "public.locked" and skipped["reason"].startswith(
        f"another session held a lock for longer than 0.3s: session {pid} of postgres (evenkeel.ops, idle in transaction) "
        "has AccessExclusiveLock in a transaction of ")
    assert [finding["status"] for finding in answer["findings"] if finding["subject"] == "public.locked"] == ["warn"]


def test_nothing_is_begun_that_does_not_fit(run_module, database, session):
    sick_table(session, "big")
    answer = run_module("postgresql_vacuum", login(database, policy={**VACUUM, "rate": "1KiB"}, time_budget="10s"))
    assert answer["changed"] is False and answer["relations"] == [] and dead_rows(session, "big") > 0
    assert "of the time budget of 10s are left" in answer["not_done"][0]["reason"]
    assert run_module("postgresql_vacuum", login(database, policy=VACUUM, time_budget="0s"))["changed"] is False


def test_what_runs_at_the_end_of_the_budget_is_cancelled(run_module, database, session):
    sick_table(session, "slow")
    session.run("ALTER DATABASE {name} SET vacuum_cost_delay = '100ms'", names={"name": database.database})
    session.run("ALTER DATABASE {name} SET vacuum_cost_limit = 1", names={"name": database.database})
    answer = run_module("postgresql_vacuum", login(database, policy={**VACUUM, "rate": "100GiB"}, time_budget="5s"))
    assert answer["changed"] is False and "cancelled after" in answer["not_done"][0]["reason"], answer
    assert session.value("SELECT count(*) FROM pg_stat_progress_vacuum WHERE relid = 'public.slow'::regclass") == 0


def test_without_the_right_it_says_so_where_the_server_only_warns(run_module, session, role):
    sick_table(session, "guarded")
    answer = run_module("postgresql_vacuum", login(role("guest"), policy=VACUUM))
    assert answer["changed"] is False and "may not vacuum it" in answer["not_done"][0]["reason"], answer
    assert dead_rows(session, "guarded") > 0


def test_the_connection_budget_shrinks_to_what_the_server_gives(run_module, session, role):
    owner = role("owner", "CONNECTION LIMIT 1")
    for name in ("a", "b", "c"):
        sick_table(session, name, rows=2000)
        session.run("ALTER TABLE {name} OWNER TO owner", names={"name": name})
    answer = run_module("postgresql_vacuum", login(owner, policy=VACUUM, connection_budget=3))
    assert titles(answer) == ["public.a", "public.b", "public.c"] and {entry["status"] for entry in answer["relations"]} == {"done"}
    assert any("fewer sessions" in str(warning) for warning in answer["warnings"]), answer["warnings"]


@pytest.mark.parametrize("change, said, hint", [
    ({"connection_budget": 0}, "0 sessions can do nothing", "Give 1 or more"),
    ({"time_budget": "-5m"}, "'-5m' is not a duration", "15m"),
    ({"lock_timeout": "soon"}, "'soon' is not a duration", "15m"),
    ({"policy": {**VACUUM, "dead": 1}}, "unknown key 'dead'", "Known are"),
])
def test_bad_options_are_told_with_a_hint(run_module, database, change, said, hint):
    answer = run_module("postgresql_vacuum", {**login(database, policy=VACUUM), **change})
    assert answer["failed"] and answer["error"] == "InvalidOption" and said in answer["msg"] and hint in answer["hint"]
