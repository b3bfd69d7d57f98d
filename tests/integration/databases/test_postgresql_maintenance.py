# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one plan of all maintenance, on real servers: check mode shows it, a run does exactly that, and what is left is owed."""

from __future__ import annotations

import contextlib
from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters import postgres
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import format_instant
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import OpsError
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.maintenance_history import gather

from tests.integration.databases.conftest import REINDEX, VACUUM, dead_rows, flush, login, sick_table

FORECAST = {"margin_percent": 25, "first_margin_percent": 100, "samples": 5, "patience": 2, "forced_within": "1d"}
# A new database's catalogs may be due by themselves.
OURS = {"vacuum": {**VACUUM, "exclude": ["pg_catalog.*", "information_schema.*", "pg_toast.*"]}, "reindex": REINDEX, "forecast": FORECAST}
HOSTILE = 'in valid"; DROP TABLE old; --\n%s {0}'


def shape(answer) -> list[tuple]:
    return [(step["order"], step["relation"], step["action"], step["statement"], step["stage"]) for step in answer["steps"]]


def named(answer, status: str) -> list[str]:
    return [step["relation"] for step in answer["steps"] if step["status"] == status]


def invalid(session) -> int:
    return session.value("SELECT count(*) FROM pg_index WHERE NOT indisvalid")


@pytest.fixture
def everything_due(session):
    """A table near wraparound, one of dead rows whose index will be bloated, one whose index is invalid, one never analyzed."""
    session.run("CREATE TABLE old (id int)")
    session.run("INSERT INTO old VALUES (1)")
    session.run("DO $$BEGIN FOR i IN 1..3000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END$$")
    sick_table(session, "sick")
    session.run("CREATE TABLE {name} (v int)", names={"name": HOSTILE})
    session.run("INSERT INTO {name} VALUES (1), (1)", names={"name": HOSTILE})
    with contextlib.suppress(OpsError):
        session.run("CREATE UNIQUE INDEX CONCURRENTLY {index} ON {name} (v)", names={"name": HOSTILE, "index": "i" + HOSTILE})
    session.run("DELETE FROM {name} WHERE ctid = (SELECT min(ctid) FROM {name})", names={"name": HOSTILE})
    flush(session)
    return {**OURS, "vacuum": {**OURS["vacuum"], "freeze_age": 2500}}


def test_a_run_does_exactly_the_plan_that_check_mode_shows(run_module, database, session, everything_due):
    options = login(database, **everything_due)
    planned = run_module("postgresql_maintenance", options, check=True)
    assert planned["changed"] and set(named(planned, "planned")) >= {"public.old", "public.sick"}, planned
    assert [step["stage"] for step in planned["steps"]] == sorted(
        (step["stage"] for step in planned["steps"]), key=("wraparound", "due", "foreseen").index)
    assert planned["steps"][0]["relation"] == "public.old" and "freeze" in planned["steps"][0]["action"]
    told = " ".join(line for line, _status in planned["console"])
    for word in ("public.sick", "dead rows", "SHARE UPDATE EXCLUSIVE", 'VACUUM (FREEZE', "REINDEX", "by its size", "MiB"):
        assert word in told, told
    assert dead_rows(session, "sick") > 0 and invalid(session) == 1

    done = run_module("postgresql_maintenance", options)
    assert shape(done) == shape(planned) and named(done, "done") == named(planned, "planned"), done
    assert done["debt"] == [] and dead_rows(session, "sick") == 0 and invalid(session) == 0
    assert {row["relation"] for row in done["relations"]} == {step["relation"] for step in planned["steps"]}
    assert session.value("SELECT age(relfrozenxid) FROM pg_class WHERE oid = 'public.old'::regclass") < 100
    again = run_module("postgresql_maintenance", options)
    assert again["changed"] is False and again["steps"] == [] and again["findings"][0]["message"] == "Nothing was due", again


def test_each_statement_of_the_plan_is_one_that_can_be_run_by_hand(run_module, database, session, everything_due):
    planned = run_module("postgresql_maintenance", login(database, **everything_due), check=True)
    for step in planned["steps"]:
        session.run(step["statement"])
    assert dead_rows(session, "sick") == 0 and invalid(session) == 0 and session.value("SELECT count(*) FROM old") == 1


def test_what_does_not_fit_is_owed_with_a_forecast_and_comes_first_when_it_has_waited_long_enough(run_module, database, session):
    sick_table(session, "worse")
    sick_table(session, "less", rows=2000)
    slow = {**OURS, "vacuum": {**OURS["vacuum"], "rate": "1MiB"}, "reindex": {**REINDEX, "bloat_size": "1GiB"}}
    planned = run_module("postgresql_maintenance", login(database, **slow), check=True)
    needs = {step["relation"]: 2 * step["predicted_seconds"] for step in planned["steps"]}
    window = f"{needs['public.worse'] * 1.3:.1f}s"  # with its reserves: for the worse one, and for no other after it
    records = []
    for runs in (1, 2):
        answer = run_module("postgresql_maintenance", login(database, **slow, time_budget="0s", history=gather(records, samples=5)))
        assert answer["changed"] is False and dead_rows(session, "worse") > 0
        [debt] = [debt for debt in answer["debt"] if debt["relation"] == "public.less"]
        assert debt["runs"] == runs and debt["since"] == (records or [answer])[0]["maintenance"]["at"]
        [finding] = [finding for finding in answer["findings"] if finding["subject"] == "public.less"]
        assert finding["check"] == "database.debt" and finding["hint"], finding
        session.run("DO $$BEGIN FOR i IN 1..50 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END$$")
        records.append(answer)
    # Some 200 million transactions at some a second: years. Of the first run nothing could be told.
    assert records[0]["debt"][0]["forced_seconds"] is None and "two runs will tell" in records[0]["debt"][0]["forced"]
    assert records[1]["debt"][0]["forced_seconds"] > 86400 and "anti-wraparound vacuum in" in records[1]["findings"][0]["message"]

    history = gather(records, samples=5)
    waiting = next(iter(history.values()))
    waiting["waiting"] = [one for one in waiting["waiting"] if one["relation"] == "public.less"]
    turned = run_module("postgresql_maintenance", login(database, **slow, time_budget=window, history=history), check=True)
    assert [step["relation"] for step in turned["steps"]] == ["public.less", "public.worse"], turned
    assert [step["relation"] for step in planned["steps"]] == ["public.worse", "public.less"], planned


@pytest.mark.parametrize("unit, setting", [("transactions", "autovacuum_freeze_max_age"),
                                           ("multixacts", "autovacuum_multixact_freeze_max_age")])
def test_a_table_that_the_server_will_soon_vacuum_unasked_is_a_failure_when_it_is_left(run_module, database, session, unit, setting):
    sick_table(session, "t")
    session.run(f"ALTER TABLE t SET ({setting} = 100000)")
    first = run_module("postgresql_maintenance", login(database, **OURS, time_budget="0s"))
    about = first["maintenance"]
    # As if it had been at work for an hour with a rate at which 100000 transactions last for less than a day.
    hour_ago = {**first, "maintenance": {**about, unit: about[unit] - 10000,
                                         "at": format_instant(datetime.now(timezone.utc) - timedelta(hours=1))}}
    left = run_module("postgresql_maintenance", login(database, **OURS, time_budget="0s", history=gather([hour_ago], samples=5)))
    [finding] = [finding for finding in left["findings"] if "forces an anti-wraparound vacuum in" in finding["message"]]
    assert finding["subject"] == "public.t" and finding["status"] == "fail" and f"the rate of {unit} in" in finding["message"], left
    assert 0 < left["debt"][0]["forced_seconds"] < 86400


def test_durations_are_predicted_from_what_the_relation_took_before(run_module, database, session):
    records = []
    for number in range(3):
        sick_table(session, "t") if number == 0 else session.run("DELETE FROM t WHERE id % 2 = 0")
        session.run("INSERT INTO t SELECT g, md5(g::text) FROM generate_series(100000, 110000) g ON CONFLICT DO NOTHING")
        session.run("DELETE FROM t WHERE id >= 100000")
        flush(session)
        records.append(run_module("postgresql_maintenance", login(database, **OURS, history=gather(records, samples=5))))
        assert records[-1]["steps"], records[-1]
    first, last = records[0]["steps"][0], records[-1]["steps"][0]
    assert first["basis"].startswith("its size") and last["basis"] == "its last runs (2)"
    row = next(row for row in records[-1]["relations"] if row["relation"] == "public.t")
    assert row["predicted_seconds"] == last["predicted_seconds"] and row["bytes"] > 0


@pytest.mark.parametrize("left, share, done", [(-60, 1, False), (120, 1, True), (120, 10**6, False)])
def test_a_deadline_bounds_the_run_whatever_its_budget_is(run_module, database, session, left, share, done):
    sick_table(session, "t", rows=5000)
    end = format_instant(datetime.now(timezone.utc) + timedelta(seconds=left))
    answer = run_module("postgresql_maintenance", login(database, **OURS, time_budget="4h", deadline=end, share=share))
    assert (dead_rows(session, "t") == 0) is answer["changed"] is done, answer
    assert bool(answer["debt"]) is not done and answer["maintenance"]["window_seconds"] <= max(left, 0)


def test_what_the_end_of_the_window_cancels_is_cleared_up_and_taken_to_need_longer(run_module, database, session):
    slow = "CREATE OR REPLACE FUNCTION slow(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN {} RETURN $1; END'"
    session.run(slow.format(""))
    session.run("CREATE TABLE t (id int) WITH (autovacuum_enabled = off)")  # it would be at it for as long as the index takes
    session.run("INSERT INTO t SELECT generate_series(1, 20000)")
    session.run("CREATE INDEX t_slow ON t (slow(id))")
    session.run("VACUUM ANALYZE t")
    session.run("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 't_slow'::regclass")
    session.run(slow.format("PERFORM pg_sleep(0.001);"))
    options = login(database, **OURS, lock_timeout="30s", connection_budget=1)
    answer = run_module("postgresql_maintenance", {**options, "time_budget": "6s"})
    assert answer["changed"] is False and answer["debt"], answer
    first = answer["debt"][0]
    assert "cancelled after" in first["reason"] and first["tried_seconds"] > 1 and invalid(session) == 1, answer
    wiser = run_module("postgresql_maintenance", {**options, "time_budget": "3s", "history": gather([answer], samples=5)}, check=True)
    [step] = [step for step in wiser["steps"] if step["relation"] == first["relation"]]
    assert step["predicted_seconds"] >= 2 * first["tried_seconds"] and step["status"] == "left"
    session.run(slow.format(""))
    assert run_module("postgresql_maintenance", options)["changed"] and invalid(session) == 0


def test_a_rebuild_that_was_foreseen_is_spared_where_the_vacuum_leaves_no_bloat(run_module, database, session):
    sick_table(session, "t")
    with postgres.connect(database, autocommit=False) as old:
        old.run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        old.run("SELECT count(*) FROM public.t")  # the dead rows stay, and their entries in the indexes with them
        session.run("DELETE FROM t WHERE id % 7 = 0")
        flush(session)
        answer = run_module("postgresql_maintenance", login(database, **OURS))
    status = {step["stage"]: step["status"] for step in answer["steps"]}
    assert status["due"] == "failed" and set(status) == {"due", "foreseen"} and status["foreseen"] == "spared", answer
    assert [row["action"] for row in answer["relations"]] == ["vacuum"] and answer["debt"] == [] and invalid(session) == 0


def test_an_ordinary_owner_may_plan_and_work(run_module, database, session, role):
    owner = role("owner", "")
    session.run("GRANT CREATE ON SCHEMA public TO owner")
    with postgres.connect(owner) as own:
        own.set("search_path", "public")
        sick_table(own, "mine")
    answer = run_module("postgresql_maintenance", login(owner, **OURS))
    assert answer["changed"] and answer["maintenance"]["server"] and dead_rows(session, "mine") == 0, answer


@pytest.mark.parametrize("change, said", [
    ({"history": {"x/y": 1}}, None), ({"deadline": "soon"}, "is not an instant"), ({"deadline": "2026-01-01T00:00:00"}, "has no time zone"),
    ({"share": 0}, "cannot share a window"), ({"time_budget": "-1h"}, "time_budget"),
    ({"forecast": {**FORECAST, "forced_within": "soon"}}, "forecast.forced_within"),
    ({"vacuum": {**VACUUM, "dead": 1}}, "unknown key 'dead'"), ({"reindex": {}}, "is missing"),
])
def test_what_cannot_be_used_is_refused_with_a_hint(run_module, newest_pg, change, said):
    answer = run_module("postgresql_maintenance", {**login(newest_pg, **OURS), **change}, check=True)
    if said is None:  # another database's history is none of ours
        assert not answer.get("failed"), answer
    else:
        assert answer["failed"] and said in answer["msg"] and answer["hint"], answer
