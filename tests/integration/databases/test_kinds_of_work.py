# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kinds of work: statistics only, TOAST left out, parallel, settings proposed; partitions, constraints, other access methods, room."""

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import OpsError

from tests.integration.databases.conftest import REINDEX, VACUUM, dead_rows, flush, login, sick_table
from tests.integration.databases.test_postgresql_reindex import invalid, leave_leftovers

OFF = "WITH (autovacuum_enabled = off, toast.autovacuum_enabled = off)"


def vacuumed(session, relation: str):
    return session.value("SELECT pg_stat_get_last_vacuum_time(%s::regclass)", (relation,))


def test_statistics_only(run_module, database, session):
    sick_table(session, "t", rows=3000)
    policy = {**VACUUM, "kinds": ["analyze"], "changed_rows": 100}
    done = run_module("postgresql_vacuum", login(database, policy={**policy, "exclude": ["pg_catalog.*"]}))
    assert [(entry["relation"], entry["action"]) for entry in done["relations"]] == [("public.t", "analyze")]
    assert vacuumed(session, "public.t") is None and dead_rows(session, "t") > 0


def test_a_large_toast_table_in_order_is_left_out(run_module, database, session):
    session.run(f"CREATE TABLE heavy (id int PRIMARY KEY, v text) {OFF}")
    session.run("ALTER TABLE heavy ALTER v SET STORAGE EXTERNAL")
    session.run("INSERT INTO heavy SELECT g, CASE WHEN g > 900 THEN repeat('x', 9000) END FROM generate_series(1, 1000) g")
    session.run("VACUUM ANALYZE heavy")
    session.run("DELETE FROM heavy WHERE id <= 600")
    flush(session)
    toast = session.value("SELECT reltoastrelid::regclass::text FROM pg_class WHERE relname = 'heavy'")
    before = vacuumed(session, toast)
    [entry] = run_module("postgresql_vacuum", login(database, policy=VACUUM))["relations"]
    assert (entry["relation"], entry["action"], entry["status"]) == ("public.heavy", "vacuum", "done")
    assert dead_rows(session, "heavy") == 0
    assert (vacuumed(session, toast) == before) is (session.server_version >= 140000)


def test_indexes_are_vacuumed_in_parallel_where_the_policy_says_so(run_module, database, session):
    sick_table(session, "t")
    [entry] = run_module("postgresql_vacuum", login(database, policy={**VACUUM, "parallel": 2}))["relations"]
    assert entry["status"] == "done" and dead_rows(session, "t") == 0


def test_proposed_settings_are_sql_that_settles_the_matter(run_module, database, session):
    name = 'we"ird; DROP TABLE t'
    session.run("CREATE TABLE {t} (id int PRIMARY KEY)", names={"t": name})
    session.run("INSERT INTO {t} SELECT generate_series(1, 20000)", names={"t": name})
    flush(session)  # else ANALYZE's count would have these rows added to it
    session.run("VACUUM (ANALYZE) {t}", names={"t": name})  # else autovacuum comes for the rows that were inserted
    policy = {**VACUUM, "dead_rows": 100, "dead_percent": 1, "propose_rows": 1000, "exclude": ["pg_catalog.*"]}

    def proposals() -> list[dict]:
        # Few enough that autovacuum itself, which comes at 20%, keeps away.
        session.run("UPDATE {t} SET id = id + 100000 WHERE id IN (SELECT id FROM {t} LIMIT 1500)", names={"t": name})
        flush(session)
        answer = run_module("postgresql_vacuum", login(database, policy=policy))
        assert [entry["status"] for entry in answer["relations"]] == ["done"], answer
        return [finding for finding in answer["findings"] if finding["check"] == "database.autovacuum_settings"]

    [finding] = proposals()
    assert finding["status"] == "warn" and finding["observed"] == 4050 and finding["limit"] == 300
    session.run(finding["hint"].partition(": ")[2])
    options = session.value("SELECT reloptions FROM pg_class WHERE relname = %s", (name,))
    assert options == ["autovacuum_vacuum_scale_factor=0.01", "autovacuum_vacuum_threshold=100"]
    session.run("ALTER TABLE {t} SET (autovacuum_enabled = off)", names={"t": name})  # it would be quicker than the next run now
    [finding] = proposals()
    assert "RESET (autovacuum_enabled)" in finding["hint"]


def test_indexes_of_partitions_are_rebuilt_one_by_one_and_stay_attached(run_module, database, session):
    session.run("CREATE TABLE parent (id int, v text, PRIMARY KEY (id)) PARTITION BY RANGE (id)")
    session.run(f"CREATE TABLE part1 PARTITION OF parent FOR VALUES FROM (0) TO (20000) {OFF}")
    session.run(f"CREATE TABLE part2 PARTITION OF parent FOR VALUES FROM (20000) TO (30000) {OFF}")
    session.run("INSERT INTO parent SELECT g, md5(g::text) FROM generate_series(0, 29999) g")
    session.run("CREATE INDEX ON parent (v)")
    session.run("DELETE FROM parent WHERE id < 20000 AND id % 5 <> 0")
    session.run("VACUUM ANALYZE parent")
    attached = "SELECT inhparent::regclass::text, inhrelid::regclass::text FROM pg_inherits ORDER BY 1, 2"
    before = session.fetch(attached)
    leave_leftovers(database, "REINDEX INDEX CONCURRENTLY public.part1_pkey")
    assert invalid(session) == ["part1_pkey_ccnew"]
    done = run_module("postgresql_reindex", login(database, policy=REINDEX))
    assert {entry["status"] for entry in done["relations"]} == {"done"}, done
    actions = {entry["relation"]: entry["action"] for entry in done["relations"]}
    assert actions.pop("public.part1_pkey_ccnew") == "drop leftover"
    assert actions and not any("part2" in relation or "parent" in relation for relation in actions)
    assert session.fetch(attached) == before and invalid(session) == []
    assert run_module("postgresql_reindex", login(database, policy=REINDEX))["changed"] is False


def test_indexes_of_constraints_are_rebuilt_and_the_constraints_hold(run_module, database, session):
    sick_table(session, "t")
    session.run("ALTER TABLE t ADD CONSTRAINT once UNIQUE (v) DEFERRABLE INITIALLY DEFERRED")
    session.run("CREATE TABLE child (id int REFERENCES t (id))")
    session.run("INSERT INTO child VALUES (5)")
    session.run("CREATE TABLE booked (during int4range, EXCLUDE USING gist (during WITH &&))")
    session.run("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'booked_during_excl'::regclass")
    session.run("DELETE FROM t WHERE id % 10 <> 5")
    session.run("VACUUM ANALYZE t")
    done = run_module("postgresql_reindex", login(database, policy=REINDEX))
    assert {entry["status"] for entry in done["relations"]} == {"done"} and "public.t" in done["relations"][0]["relation"], done
    [skipped] = done["not_done"]
    assert "exclusion constraint" in skipped["reason"] and skipped["relation"] == "public.booked_during_excl"
    for statement in ("INSERT INTO t VALUES (5, 'again')", "INSERT INTO t SELECT 1000000, v FROM t LIMIT 1", "DELETE FROM t WHERE id = 5"):
        with pytest.raises(OpsError):
            session.run(statement)


def test_other_access_methods_are_rebuilt_by_policy_as_measured(run_module, database, session):
    session.run("CREATE EXTENSION pgstattuple SCHEMA public")
    session.run(f"CREATE TABLE places (id int, at point) {OFF}")
    session.run("INSERT INTO places SELECT g, point(g % 997, g % 1009) FROM generate_series(1, 20000) g")
    session.run("CREATE INDEX places_gist ON places USING gist (at)")
    session.run("CREATE INDEX places_hash ON places USING hash (id)")
    session.run("DELETE FROM places WHERE id % 20 <> 0")
    session.run("VACUUM ANALYZE places")
    assert run_module("postgresql_reindex", login(database, policy=REINDEX))["changed"] is False
    policy = {**REINDEX, "methods": {"gist": 80, "hash": 80}}
    done = run_module("postgresql_reindex", login(database, policy=policy))
    assert {entry["relation"] for entry in done["relations"]} in ({"public.places"}, {"public.places_gist", "public.places_hash"}), done
    for entry in done["relations"]:
        assert entry["status"] == "done" and entry["after"]["bytes"] < 0.5 * entry["before"]["bytes"], entry
    assert run_module("postgresql_reindex", login(database, policy=policy))["changed"] is False


def test_room_is_looked_at_where_that_can_be_done_and_told_where_not(run_module, database, session, role):
    sick_table(session, "t")
    session.run("VACUUM ANALYZE t")
    none = run_module("postgresql_reindex", login(database, policy={**REINDEX, "free_space": "1000TiB"}))
    assert none["changed"] is False and none["relations"] == []
    said = f"beside the old one, and {session.value('SHOW data_directory')} (tablespace pg_default) has 0 B beyond the 1000.0 TiB"
    assert all(said in entry["reason"] for entry in none["not_done"])
    assert len(none["not_done"]) == 2

    owner = role("owner")  # sees no data_directory
    session.run("ALTER TABLE t OWNER TO owner")
    refused = run_module("postgresql_reindex", login(owner, policy={**REINDEX, "free_space": "1KiB", "unknown_room": "refuse"}))
    assert refused["changed"] is False and "not known" in refused["not_done"][0]["reason"]
    warned = run_module("postgresql_reindex", login(owner, policy={**REINDEX, "free_space": "1KiB"}))
    told = [finding for finding in warned["findings"] if finding["check"] == "database.room"]
    assert warned["changed"] and [(finding["subject"], finding["status"]) for finding in told] == [("pg_default", "warn")]


def test_with_room_enough_it_is_rebuilt_and_nothing_is_said(run_module, database, session):
    sick_table(session, "t")
    session.run("VACUUM ANALYZE t")
    done = run_module("postgresql_reindex", login(database, policy={**REINDEX, "free_space": "1KiB", "unknown_room": "refuse"}))
    assert done["changed"] and {finding["status"] for finding in done["findings"]} == {"pass"}, done
