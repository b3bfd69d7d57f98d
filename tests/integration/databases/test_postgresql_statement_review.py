# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""postgresql_statement_review on real servers: plans without executing anything, and what may not be done."""

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters import postgres

from tests.integration.databases.conftest import login

POLICY = {"statements": 50, "explain": "unless_superuser", "without_statements": "unknown", "without_plans": "warn"}


@pytest.fixture
def monitor(session, role):
    """A role that may see and plan, and is no superuser; pg_stat_statements is there and empty."""
    session.run("CREATE EXTENSION pg_stat_statements")
    target = role("monitor")
    session.run("GRANT pg_monitor, pg_read_all_data TO monitor")
    session.run("SELECT pg_stat_statements_reset()")
    return target


def reviewed(run_module, target, **policy):
    answer = run_module("postgresql_statement_review", login(target, policy={**POLICY, **policy}))
    assert not answer.get("failed"), answer
    return answer, {one["text"]: one for one in answer["statements"]["top"]}, {
        finding["check"].removeprefix("database."): finding for finding in answer["findings"]}


def test_plans_of_statements_whatever_their_parameters(run_module, session, monitor):
    session.run("CREATE TABLE t AS SELECT g AS id, md5(g::text) AS hidden FROM generate_series(1, 5000) g")
    session.run("CREATE UNIQUE INDEX t_id ON t (id)")
    session.run("ANALYZE t")
    session.fetch("SELECT count(*) FROM t WHERE hidden = 'hunter2'")
    session.fetch("SELECT hidden FROM t WHERE id = %s", (7,))
    session.run("CREATE TABLE made (v int)")
    answer, top, found = reviewed(run_module, monitor)
    assert found["plans"]["status"] == "pass" and found["statements"]["status"] == "pass", answer["findings"]
    assert top["SELECT hidden FROM t WHERE id = $1"]["plan"]["shape"] == "Index Scan using t_id on t"
    assert top["SELECT count(*) FROM t WHERE hidden = $1"]["plan"]["shape"] == "Aggregate(Seq Scan on t)"
    assert top["CREATE TABLE made (v int)"]["plan"] is None and "hunter2" not in str(answer)
    assert answer["statements"]["calls"] >= 5 and answer["statements"]["reset_at"]


def test_names_are_looked_up_as_for_who_ran_it(run_module, database, session, monitor, role):
    session.run("CREATE SCHEMA app; CREATE TABLE app.only_there (v int)")
    app = role("app user")
    session.run('GRANT ALL ON SCHEMA app TO "app user"; GRANT ALL ON app.only_there TO "app user"; '
                'ALTER ROLE "app user" IN DATABASE {name} SET search_path = app', names={"name": database.database})
    with postgres.connect(app) as own:
        own.set("search_path", "app")
        own.fetch("SELECT v FROM only_there WHERE v = %s", (1,))
    _answer, top, _found = reviewed(run_module, monitor)
    assert top["SELECT v FROM only_there WHERE v = $1"]["plan"]["shape"] == "Seq Scan on only_there"


def test_nothing_is_executed_and_what_is_refused_is_counted(run_module, session, monitor):
    session.run("CREATE TABLE t (v int); CREATE SEQUENCE s")
    session.fetch("INSERT INTO t SELECT nextval('s') RETURNING v")
    session.fetch("DELETE FROM t WHERE v = %s", (5,))
    answer, top, found = reviewed(run_module, monitor)
    assert top["DELETE FROM t WHERE v = $1"]["plan"] is None and set(answer["statements"]["refused"]) == {"42501"}
    session.run("GRANT pg_write_all_data TO monitor; GRANT ALL ON SEQUENCE s TO monitor")
    _answer, top, found = reviewed(run_module, monitor)
    assert top["DELETE FROM t WHERE v = $1"]["plan"]["shape"] == "ModifyTable on t(Seq Scan on t)" and found["plans"]["status"] == "pass"
    assert session.value("SELECT last_value FROM s") == 1 and session.value("SELECT count(*) FROM t") == 1


def test_a_trap_in_an_immutable_function_is_not_sprung_for_a_superuser(run_module, database, session, monitor):
    session.run("CREATE TABLE caught (who text); CREATE FUNCTION trap() RETURNS int IMMUTABLE LANGUAGE plpgsql AS "
                "$$ BEGIN PERFORM pg_notify('caught', current_user); RETURN 1; END $$")
    with postgres.connect(database) as listener:
        listener.run("LISTEN caught")
        session.fetch("SELECT public.trap()")
        _answer, _top, found = reviewed(run_module, database)
        assert found["plans"]["status"] == "warn" and "not looked at as superuser" in found["plans"]["message"]
        caught = list(listener._connection.notifies(timeout=0.5))
        assert [note.payload for note in caught] == ["postgres"], "only the call of this test itself"
    _answer, top, _found = reviewed(run_module, database, explain="always")
    assert top["SELECT public.trap()"]["plan"]["shape"] == "Result"


def test_a_text_with_two_statements_stays_one(run_module, session, monitor):
    """The text of a statement is another user's: it is never sent where it could end and another begin."""
    session.run("CREATE TABLE victim (v int)")
    with pytest.raises(postgres.StatementFailed) as refused:
        session.generic_plan("SELECT 1; DROP TABLE victim; --", search_path="public")
    assert refused.value.sqlstate == "42601" and session.value("SELECT count(*) FROM victim") == 0
    assert session.generic_plan("SELECT * FROM victim WHERE v = $1", search_path="public")["Node Type"] == "Seq Scan"


def test_what_is_missing_or_hidden(run_module, database, session, role):
    _answer, top, found = reviewed(run_module, database)
    assert found["statements"]["status"] == "unknown" and "CREATE EXTENSION" in found["statements"]["hint"] and top == {}
    session.run("CREATE EXTENSION pg_stat_statements")
    _answer, _top, found = reviewed(run_module, role("stranger"))
    assert found["statements"]["status"] == "unknown" and "GRANT pg_monitor" in found["statements"]["hint"]


def test_unknown_policies_are_refused(run_module, database):
    answer = run_module("postgresql_statement_review", login(database, policy={**POLICY, "explain": "yes"}))
    assert answer["error"] == "InvalidOption" and "unless_superuser" in answer["hint"]
