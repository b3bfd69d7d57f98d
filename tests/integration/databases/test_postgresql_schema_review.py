# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""postgresql_schema_review on real servers; what it proposes is run, and then nothing is found any more."""

from __future__ import annotations

import threading

from ansible_collections.evenkeel.ops.plugins.module_utils.adapters import postgres

from tests.integration.databases.conftest import flush, login
from tests.integration.databases.test_postgresql_reindex import eventually

POLICY = {"unused_indexes": {"after": "0s", "size": "0", "status": "warn"}, "duplicate_indexes": {"status": "fail"},
          "redundant_indexes": {"status": "warn"}, "foreign_keys": {"size": "0", "status": "fail"}, "sequences": {"warn": 70, "fail": 90},
          "without_history": "unknown"}
WITHOUT_UNUSED = {**POLICY, "unused_indexes": {"after": "0s", "status": "ignore"}}
AWKWARD = 'a "b"; DROP TABLE t; -- %s 数'


def found(answer):
    assert not answer.get("failed"), answer
    return {(finding["check"].removeprefix("database."), finding["subject"]): finding for finding in answer["findings"]}


def test_an_empty_database_passes(run_module, database):
    answer = run_module("postgresql_schema_review", login(database, policy=POLICY, name="the shop"))
    assert answer["changed"] is False and {finding["status"] for finding in answer["findings"]} == {"pass"}
    assert len(answer["findings"]) == 5 and answer["sizes"]["bytes"] > 10 ** 6 and answer["sizes"]["target"] == "the shop"


def test_what_is_proposed_settles_it(run_module, database, session):
    names = {"t": AWKWARD}
    session.run("CREATE TABLE {t} (id serial PRIMARY KEY, a int, b int, \"c D\" text)", names=names)
    session.run("CREATE INDEX one ON {t} (a, b); CREATE INDEX two ON {t} (a, b); CREATE INDEX first ON {t} (a); "
                "CREATE INDEX partial ON {t} (a) WHERE b > 5; CREATE INDEX partial_2 ON {t} (a) WHERE b > 5; "
                "CREATE INDEX lower_ ON {t} (lower(\"c D\")); CREATE INDEX lower_2 ON {t} (lower(\"c D\")); "
                "CREATE INDEX upper_ ON {t} (upper(\"c D\")); CREATE UNIQUE INDEX twice ON {t} (id)", names=names)
    session.run("CREATE TABLE child (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, \"t Id\" int REFERENCES {t}, "
                "other int REFERENCES {t})", names=names)
    session.run("CREATE INDEX ON child (other, id)")
    seen = found(run_module("postgresql_schema_review", login(database, policy=WITHOUT_UNUSED)))
    assert {subject for check, subject in seen if check == "duplicate_index"} == {
        "public.two", "public.partial_2", "public.lower_2", "public.twice"}
    assert {subject for check, subject in seen if check == "redundant_index"} == {"public.first"}
    [key] = [finding for (check, _subject), finding in seen.items() if check == "foreign_key_index"]
    assert key["status"] == "fail" and '"t Id"' in key["hint"]
    for finding in seen.values():
        if finding["status"] != "pass":
            session.run(finding["hint"].removeprefix("Run: "))
    again = run_module("postgresql_schema_review", login(database, policy=WITHOUT_UNUSED))
    assert {finding["status"] for finding in again["findings"]} == {"pass"}


def test_unused_indexes_by_use(run_module, database, session):
    session.run("CREATE TABLE t AS SELECT g AS a, g AS b FROM generate_series(1, 5000) g")
    session.run("CREATE INDEX used ON t (a); CREATE INDEX idle ON t (b); ANALYZE t")
    session.fetch("SELECT b FROM t WHERE a = 7")
    flush(session)
    options = login(database, policy={**POLICY, "unused_indexes": {"after": "1ms", "size": "8KiB", "status": "warn"}})
    seen = found(run_module("postgresql_schema_review", options))
    assert seen["unused_index", "public.idle"]["hint"] == "Run: DROP INDEX CONCURRENTLY public.idle;"
    if session.server_version >= 160000:  # there the time of the last use is known
        assert ("unused_index", "public.used") in seen
    else:
        assert ("unused_index", "public.used") not in seen
    options["policy"]["unused_indexes"]["after"] = "30d"
    seen = found(run_module("postgresql_schema_review", options))
    finding = seen["unused_index", database.database]
    assert finding["status"] == "unknown" and "only counted for" in finding["message"]


def test_partitioned_indexes_are_one(run_module, database, session):
    session.run("CREATE TABLE p (a int, b int) PARTITION BY RANGE (a); CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10); "
                "CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (20); CREATE INDEX pi ON p (b); CREATE INDEX pj ON p (b); "
                "CREATE INDEX own ON p1 (a)")
    seen = found(run_module("postgresql_schema_review", login(database, policy=POLICY)))
    assert {subject for check, subject in seen if check == "duplicate_index"} == {"public.pj"}
    assert seen["duplicate_index", "public.pj"]["hint"] == "Run: DROP INDEX public.pj;"
    assert {subject for check, subject in seen if check == "unused_index"} == {"public.pi", "public.pj", "public.own"}


def test_sequences_end_with_their_columns(run_module, database, session, role):
    session.run("CREATE TABLE t (a serial, b smallint DEFAULT 1, c bigserial); CREATE SEQUENCE far; "
                "ALTER TABLE t ALTER b SET DEFAULT nextval('far'); SELECT setval('t_a_seq', 2000000000); "
                "SELECT setval('far', 25000); SELECT setval('t_c_seq', 2000000000)")
    answer = run_module("postgresql_schema_review", login(database, policy=POLICY))
    seen = found(answer)
    worst, next_ = seen["sequence", "public.t_a_seq"], seen["sequence", "public.far"]
    assert worst["status"] == "fail" and "public.t.a (integer)" in worst["message"]
    assert next_["status"] == "warn" and "public.t.b (smallint)" in next_["message"]
    assert ("sequence", "public.t_c_seq") not in seen
    assert answer["schema"]["sequences"][0]["name"] == "public.t_a_seq"
    stranger = run_module("postgresql_schema_review", login(role("stranger"), policy=POLICY))
    assert found(stranger)["sequence", database.database]["status"] == "unknown"


def test_a_table_that_somebody_has_for_himself_is_left_out_and_not_waited_for(run_module, database, session):
    session.run("CREATE TABLE free AS SELECT 1 AS v; CREATE TABLE held AS SELECT 1 AS v")
    with postgres.connect(database, autocommit=False) as holder, postgres.connect(database) as waiter:
        holder.run("LOCK TABLE public.held")
        thread = threading.Thread(target=lambda: waiter.run("SELECT * FROM public.held"))
        thread.start()
        eventually(lambda: holder.value("SELECT count(*) FROM pg_locks WHERE pid = %s AND NOT granted", (waiter.backend_pid,)))
        answer = run_module("postgresql_schema_review", login(database, policy=POLICY), timeout=60)
        holder.run("ROLLBACK")
        thread.join()
    assert [one["relation"] for one in answer["sizes"]["relations"]] == ["public.free"]


def test_unknown_policies_are_refused(run_module, database):
    answer = run_module("postgresql_schema_review", login(database, policy={"unused": {}}))
    assert answer["error"] == "InvalidOption" and "Known are" in answer["hint"]
