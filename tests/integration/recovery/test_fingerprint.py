# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fingerprints of real databases: the same data gives the same on every major, other data never."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.postgres import PostgresTarget, connect
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.fingerprint import read_sequences, take_fingerprint
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import SystemClock
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import OpsError, TimedOut
from ansible_collections.evenkeel.ops.plugins.module_utils.core.waiting import Deadline, wait_until
from ansible_collections.evenkeel.ops.plugins.module_utils.recovery.differences import compare_fingerprints

from tests.conftest import missing
from tests.integration.recovery.conftest import SHOP, fill
from tests.testbed import postgres

EVERYTHING = (
    "CREATE TYPE mood AS ENUM ('sad', 'ok')",
    "CREATE TYPE pair AS (a int, b text)",
    "CREATE DOMAIN percent AS numeric CHECK (VALUE BETWEEN 0 AND 100)",
    """CREATE TABLE everything (
        id int PRIMARY KEY, j json, jb jsonb, ia int[], ta text[][], f4 real, f8 double precision, n numeric, tz timestamptz, ts timestamp,
        d date, t time, ttz timetz, iv interval, b bytea, m mood, p pair, pp pair[], r int4range, tr tstzrange, mr int4multirange, ip inet,
        net cidr, mac macaddr, u uuid, x xml, bits bit varying, c char(5), vc varchar, money money, pt point, poly polygon,
        tsv tsvector, lsn pg_lsn, pc percent, reg regclass, g int GENERATED ALWAYS AS (id * 2) STORED)""",
    """INSERT INTO everything (id, j, jb, ia, ta, f4, f8, n, tz, ts, d, t, ttz, iv, b, m, p, pp, r, tr, mr, ip, net, mac, u, x, bits, c, vc,
        money, pt, poly, tsv, lsn, pc, reg) SELECT g,
        '{"b": 1,  "a": [1, null]}', '{"b": 1, "a": [1, null, "é"]}', ARRAY[1, NULL, g],
        '{{a,"b c"},{NULL,"x\\"y"}}', 1.0 / g, pi() * g, 1.10,
        '2026-03-29 02:30:00+02', '2026-01-01 00:00:00.123456', '0044-03-15 BC', '23:59:59.999999', '12:00+05:30',
        '1 year -2 mons 3 days -04:05:06.7', decode('00ff5c27', 'hex'), 'ok', ROW(g, 'it''s, "q"')::pair,
        ARRAY[ROW(1, NULL)::pair], '[1,5)',
        '[2026-01-01 00:00+00,)', '{[1,2),[5,9)}', '10.0.0.1/8', '10.0.0.0/8', '08:00:2b:01:02:03',
        'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '<a b="c">é</a>', B'1011', 'ab', '', '12.34', '(1.5,-2)', '((0,0),(1,1),(1,0))',
        'fat:2A cat', '16/B374D848', 99.5, 'everything' FROM generate_series(1, 50) g""",
    "INSERT INTO everything (id) SELECT g FROM generate_series(51, 60) g",
    "INSERT INTO everything (id, f8, n, tz, d) VALUES (61, 'NaN', 'NaN', 'infinity', '-infinity'), (62, '-0', 'Infinity', NULL, NULL)",
    'CREATE TABLE parent (a int, own text)',
    "CREATE TABLE child (b int) INHERITS (parent)",
    "ALTER TABLE parent ADD COLUMN later text",
    "ALTER TABLE parent DROP COLUMN own",
    "INSERT INTO child (a, b, later) VALUES (1, 2, 'x'), (NULL, NULL, NULL), (NULL, NULL, '')",
    "CREATE TABLE by_hash (m mood, v int) PARTITION BY HASH (m)",
    "CREATE TABLE by_hash_0 PARTITION OF by_hash FOR VALUES WITH (MODULUS 2, REMAINDER 0)",
    "CREATE TABLE by_hash_1 PARTITION OF by_hash FOR VALUES WITH (MODULUS 2, REMAINDER 1)",
    "INSERT INTO by_hash SELECT CASE WHEN g % 2 = 0 THEN 'sad' ELSE 'ok' END::mood, g FROM generate_series(1, 100) g",
    "CREATE TABLE nothing ()", "INSERT INTO nothing DEFAULT VALUES",
    "CREATE MATERIALIZED VIEW stale AS SELECT count(*) FROM parent",
    "SELECT lo_from_bytea(0, '\\x0102')",
    *SHOP,
)
BIG = (
    "CREATE TABLE big (id uuid PRIMARY KEY, v text)",
    "INSERT INTO big SELECT md5(g::text)::uuid, repeat(md5(g::text), 6) FROM generate_series(1, 150000) g",
    "CREATE TABLE keyless AS SELECT v FROM big ORDER BY v LIMIT 90000",
)


def opener(target: PostgresTarget) -> Callable[[], Any]:
    return lambda: connect(target, statement_timeout=60)


@pytest.fixture(scope="module")
def two_majors() -> Iterator[list[PostgresTarget]]:
    """A server of the oldest and one of the newest major at once."""
    found = sorted(postgres.installations(), key=lambda one: one.major)
    if len(found) < 2:
        missing("A second major version of PostgreSQL")
    with postgres.running_server(found[0]) as (_old, old), postgres.running_server(
            found[-1], settings={"timezone": "Asia/Kolkata", "datestyle": "German", "intervalstyle": "iso_8601",
                                 "extra_float_digits": "-5", "bytea_output": "escape"}) as (_new, new):
        yield [old, new]


@pytest.mark.parametrize("mode", ["full", "sampled"])
def test_the_same_data_gives_the_same_on_both_majors_whatever_the_settings(two_majors, mode):
    old, new = (take_fingerprint(opener(fill(target, "everything", EVERYTHING)), mode=mode, parallel=2) for target in two_majors)
    assert {one.verdict for one in compare_fingerprints(old, new)} <= {"notice"}, compare_fingerprints(old, new)
    assert old["tables"] == new["tables"] and old["large_objects"] == new["large_objects"] == 1
    assert old["tables"]["public.by_hash"]["rows"] == 100 and "public.by_hash_0" not in old["tables"]
    assert 'public."odd ""name"" %s {x}"' in old["tables"] and "public.stale" not in old["tables"]


@pytest.mark.parametrize("statement", [
    "UPDATE everything SET vc = NULL WHERE id = 7",
    "UPDATE everything SET f8 = f8 * (1 + 1e-15) WHERE id = 7",
    "UPDATE everything SET b = '\\x00ff5c28' WHERE id = 7",
    "UPDATE everything SET n = 1.1 WHERE id = 7",
    "DELETE FROM child WHERE later = ''",
    "INSERT INTO nothing DEFAULT VALUES",
    "ALTER TABLE child RENAME COLUMN b TO z",
])
def test_the_smallest_change_is_seen(newest_pg, statement):
    target = fill(newest_pg, "everything", EVERYTHING)
    before = take_fingerprint(opener(target), mode="full")
    with connect(target) as session:
        session.set("search_path", "public")
        session.run(statement)
    differences = compare_fingerprints(before, take_fingerprint(opener(target), mode="full"))
    assert [(one.kind, one.verdict) for one in differences] == [("table", "different")]


def test_the_order_of_rows_is_of_no_account_but_their_number_is(newest_pg):
    def fingerprint(*statements: str) -> dict[str, Any]:
        return take_fingerprint(opener(fill(newest_pg, "sorted", statements)), mode="full")

    before = fingerprint("CREATE TABLE t AS SELECT g FROM generate_series(1, 9) g")
    assert compare_fingerprints(before, fingerprint("CREATE TABLE t AS SELECT g FROM generate_series(9, 1, -1) g")) == []
    twice = fingerprint("CREATE TABLE t AS SELECT g FROM generate_series(1, 9) g", "INSERT INTO t VALUES (1), (1)")
    assert compare_fingerprints(before, twice)


def test_sampling_chooses_the_same_rows_in_a_copy_and_says_how(newest_pg):
    target = fill(newest_pg, "big", BIG)
    sampled = take_fingerprint(opener(target), mode="sampled", parallel=2)
    assert sampled["tables"]["public.big"]["sample"] == {"modulus": 8, "key": ["id"]}
    assert sampled["tables"]["public.keyless"]["sample"] is None
    copy = fill(newest_pg, "copy", (BIG[0], BIG[1] + " ORDER BY md5(g::text)", BIG[2]))
    assert compare_fingerprints(sampled, take_fingerprint(opener(copy), mode="sampled", parallel=2, like=sampled)) == []
    with connect(copy) as session:
        session.run("ALTER TABLE public.big DROP CONSTRAINT big_pkey")
    [difference] = compare_fingerprints(sampled, take_fingerprint(opener(copy), mode="sampled", like=sampled))
    assert difference.verdict == "unknown" and difference.name == "public.big"


def test_parts_of_a_large_table_add_up(newest_pg, monkeypatch):
    from ansible_collections.evenkeel.ops.plugins.module_utils.backups import fingerprint

    target = fill(newest_pg, "big", BIG)
    whole = take_fingerprint(opener(target), mode="full")
    monkeypatch.setattr(fingerprint, "_CHUNK_PAGES", 100)
    assert take_fingerprint(opener(target), mode="full", parallel=3) == whole


def test_it_sees_the_snapshot_and_not_what_came_after(newest_pg):
    target = fill(newest_pg, "shop", SHOP)
    with connect(target) as exporting:
        exporting.run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        snapshot = exporting.value("SELECT pg_export_snapshot()")
        before = take_fingerprint(opener(target), mode="full", parallel=2, snapshot=snapshot)
        with connect(target) as writing:
            writing.run("DELETE FROM public.customers WHERE id > 1990 AND id NOT IN (SELECT customer_id FROM public.orders)")
            writing.run("INSERT INTO public.customers VALUES (99999, 'new')")
        assert take_fingerprint(opener(target), mode="full", parallel=2, snapshot=snapshot) == before
    assert take_fingerprint(opener(target), mode="full") != before


def test_rows_that_a_policy_hides_are_an_error_and_no_gap(newest_pg):
    from dataclasses import replace

    target = fill(newest_pg, "hidden", ("CREATE TABLE t (g int)", "ALTER TABLE t ENABLE ROW LEVEL SECURITY"))
    with connect(target) as session:
        session.run("DROP ROLE IF EXISTS peeper")
        session.run("CREATE ROLE peeper LOGIN PASSWORD 'peeper' IN ROLE pg_read_all_data")
    with pytest.raises(OpsError, match="row-level security"):
        take_fingerprint(opener(replace(target, user="peeper", password="peeper")), mode="full")


def test_an_error_in_one_session_ends_them_all(newest_pg):
    target = fill(newest_pg, "big", BIG)
    before, both = threading.active_count(), threading.Barrier(2)  # what one session finds must not keep the other from its work

    def impatient() -> Any:
        session = connect(target, statement_timeout=60)
        fetch = session.fetch

        def hurried(query: str, *values: Any, **names: Any) -> list[dict[str, Any]]:
            if query.startswith("SELECT count(*) AS rows"):
                both.wait(60)
                session.set("statement_timeout", "10ms")
            return fetch(query, *values, **names)

        session.fetch = hurried
        return session

    with pytest.raises(TimedOut):
        take_fingerprint(impatient, mode="full", parallel=2)
    assert threading.active_count() == before
    with connect(target) as session:  # the server ends a session some time after its client did
        wait_until(lambda: session.value("SELECT count(*) FROM pg_stat_activity WHERE datname = 'big' AND backend_type = 'client backend'"
                                         " AND pid <> pg_backend_pid()") == 0,
                   deadline=Deadline(SystemClock(), 60), what="the sessions to end")


def test_sequences_are_read_with_their_direction(newest_pg):
    target = fill(newest_pg, "shop", SHOP)
    with connect(target) as session:
        found = read_sequences(session)
    assert found["public.invoice"] == {"last_value": -3, "is_called": True, "increment": -2}
