# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a migration is read, planned and judged by, with plain values."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.command import Completed
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import Damaged, Refused
from ansible_collections.evenkeel.ops.plugins.module_utils.core.finding import Status
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.alembic_tool import outstanding, read_current, read_history
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.destructive import destructive
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.migration_journal import Entry, Journal
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.migration_policy import Copy, restore_command
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.migration_tool import said
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.rehearsal import Contents, Rehearsed, judge_rehearsal, taken
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.schema_objects import compare, read_schema
from hypothesis import given
from hypothesis import strategies as st

HISTORY = """Rev: d4 (head) (mergepoint)
Merges: b2, c3
Path: /app/versions/d4.py

    merge the two

    Revision ID: d4

Rev: c3
Parent: a1
Path: /app/versions/c3.py

    second branch

Rev: b2
Parent: a1
Also depends on: e5
Path: /app/versions/b2.py

    first branch

Rev: a1 (branchpoint)
Parent: <base>
Branches into: b2, c3
Path: /app/versions/a1.py

    the beginning

Rev: e5 (head)
Parent: <base>
Path: /app/versions/e5.py

    of another base
"""


def test_what_is_outstanding_is_what_the_wanted_rests_on_and_the_current_does_not():
    scripts = read_history(HISTORY)
    assert list(scripts) == ["e5", "a1", "b2", "c3", "d4"] and scripts["d4"].above == ("b2", "c3") and scripts["d4"].head
    assert scripts["a1"].above == () and scripts["b2"].above == ("a1", "e5") and scripts["c3"].message == "second branch"
    assert [one.name for one in outstanding(scripts, [], ["d4"])] == ["e5", "a1", "b2", "c3", "d4"]
    assert [one.name for one in outstanding(scripts, ["c3"], ["d4"])] == ["e5", "b2", "d4"]
    assert [one.name for one in outstanding(scripts, ["d4"], ["d4"])] == []
    assert [one.name for one in outstanding(scripts, ["d4"], ["a1"])] == [], "what is behind is not pending"
    with pytest.raises(Refused) as refused:
        outstanding(scripts, ["z9"], ["d4"])
    assert "z9" in str(refused.value) and refused.value.hint


@pytest.mark.parametrize(("printed", "current"), [
    ("", ()), ("b2 (head)\n", ("b2",)), ("c3\nb2 (head) (mergepoint)\n", ("b2", "c3")), ("Loading settings of the shop ...\nb2\n", ("b2",)),
])
def test_current_revisions_are_read_and_other_talk_is_passed_over(printed, current):
    assert read_current(printed) == current


@pytest.mark.parametrize(("sql", "what"), [
    ("DROP TABLE orders;", ["drops: DROP TABLE orders"]),
    ("ALTER TABLE orders\n  DROP COLUMN note, ADD b int;", ["drops a column: ALTER TABLE orders DROP COLUMN note, ADD b int"]),
    ("ALTER TABLE orders DROP note", ["drops a column: ALTER TABLE orders DROP note"]),
    ("ALTER TABLE orders DROP CONSTRAINT c; ALTER TABLE o ALTER a DROP NOT NULL; ALTER TABLE o ALTER a DROP DEFAULT", []),
    ("TRUNCATE a; truncate b", ["empties: TRUNCATE a", "empties: truncate b"]),
    ("WITH old AS (SELECT 1) DELETE FROM a", ["deletes rows: WITH old AS (SELECT 1) DELETE FROM a"]),
    ("DO $$ BEGIN DROP TABLE a; END $$", ["runs a block that cannot be looked into: DO ''"]),
    ("-- DROP TABLE a;\n/* DROP TABLE b; */ INSERT INTO t VALUES ('; DROP TABLE c; --', $x$ DROP TABLE d; $x$)", []),
    ("COMMENT ON TABLE a IS 'it''s; DROP TABLE b'; CREATE TABLE \"DROP TABLE; c\" (id int)", []),
    ("DROP TABLE \"odd;name\"", ['drops: DROP TABLE "odd;name"']),
    ("UPDATE alembic_version SET version_num='b2'; DELETE FROM alembic_version WHERE version_num = 'a1'; DROP TABLE alembic_version", []),
    ("DELETE FROM alembic_version_of_mine", ["deletes rows: DELETE FROM alembic_version_of_mine"]),
    ("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ DELETE FROM a; SELECT 1 $$", []),
])
def test_statements_that_take_data_away_are_found(sql, what):
    assert destructive(sql, version_table="alembic_version") == what


@pytest.mark.parametrize(("stderr", "last"), [
    ("Traceback\nsqlalchemy.exc.DataError: (psycopg.errors.DivisionByZero) division by zero\n[SQL: SELECT 1 / 0]\n(Background at: x)",
     "sqlalchemy.exc.DataError: (psycopg.errors.DivisionByZero) division by zero"),
    ("one\ntwo\n", "two"), ("", "it printed nothing"), ("psql: ERROR:  no\nLINE 1: x", "psql: ERROR:  no"),
])
def test_of_what_a_command_said_the_line_that_names_the_error_is_told(stderr, last):
    assert said(Completed(["x"], 1, "", stderr, 0.1)) == last


@given(st.text(max_size=200))
def test_no_text_makes_the_reading_of_sql_fail(text):
    destructive(text)
    assert destructive(f"DROP TABLE a; {text}")[0].startswith("drops: DROP TABLE a")


DUMP = """--
-- PostgreSQL database dump
--

\\restrict {word}

SET statement_timeout = 0;

--
-- Name: orders; Type: TABLE; Schema: public; Owner: shop
--

CREATE TABLE public.orders (
    id integer NOT NULL{more}
);


--
-- Name: by_id; Type: INDEX; Schema: public; Owner: shop
--

CREATE INDEX by_id ON public.orders USING btree (id);


--
-- Name: citext; Type: EXTENSION; Schema: -; Owner: -
--

CREATE EXTENSION IF NOT EXISTS citext WITH SCHEMA public;

\\unrestrict {word}
"""


def test_a_schema_is_compared_object_by_object_and_random_words_are_no_change():
    before = read_schema(DUMP.format(word="abc", more=""))
    assert sorted(before.objects) == ["EXTENSION citext", "INDEX public.by_id", "TABLE public.orders"]
    assert not compare(before, read_schema(DUMP.format(word="xyz", more="")))
    changes = compare(before, read_schema(DUMP.format(word="abc", more=",\n    note text").replace("by_id", "by_number")))
    assert (changes.added, changes.removed) == (("INDEX public.by_number",), ("INDEX public.by_id",))
    assert changes.changed == ("TABLE public.orders",)
    assert "note text" in changes.after and "note text" not in changes.before and "citext" not in changes.after
    assert changes.sentence() == "1 added, 1 changed, 1 removed (INDEX public.by_id, TABLE public.orders, INDEX public.by_number)"


@given(st.text(max_size=300), st.text(max_size=300))
def test_two_schemas_are_the_same_just_when_their_digests_are(one, other):
    first, second = (read_schema(f"-- Name: a; Type: T; Schema: s; Owner: o\n{text}") for text in (one, other))
    assert bool(compare(first, second)) == (first.digest != second.digest)


def test_what_a_copy_lost_is_named():
    before = Contents(frozenset({"a.t.id", "a.t.note", "a.gone.id"}), {"a.t": 10, "a.gone": 5, "a.same": 3})
    after = Contents(frozenset({"a.t.id", "a.t.more"}), {"a.t": 4, "a.same": 3, "a.new": 0})
    assert taken(before, after) == ["table a.gone with 5 rows", "column a.t.note", "6 of 10 rows of table a.t"]
    assert taken(before, before) == []


@pytest.mark.parametrize(("done", "limit", "statuses"), [
    (Rehearsed(5, back=""), 10, [Status.PASS, Status.PASS]), (Rehearsed(5), 10, [Status.PASS, Status.WARN]),
    (Rehearsed(5, back="it leaves another schema"), 10, [Status.PASS, Status.WARN]), (Rehearsed(11, back=""), 10, [Status.FAIL]),
    (Rehearsed(11, back=""), 0, [Status.PASS, Status.PASS]), (Rehearsed(1, "no"), 10, [Status.FAIL]),
])
def test_a_rehearsal_is_judged(done, limit, statuses):
    findings = judge_rehearsal("shop", done, limit)
    assert [finding.status for finding in findings] == statuses
    assert all(finding.hint for finding in findings if finding.status is not Status.PASS)


def test_what_was_written_down_is_read_again_and_what_cannot_be_read_is_no_entry(tmp_path: Path):
    journal = Journal(tmp_path, "shop on db:5432")
    assert journal.read() is None
    journal.clear()
    entry = Entry("shop on db:5432", "alembic", "2026-01-15T12:00:00Z", (), ("b2",), ("a1", "b2"), "digest", "20260115T120000Z-ab12cd")
    journal.write(entry)
    assert journal.read() == entry and Journal(tmp_path, "other on db:5432").read() is None
    assert journal.path.stat().st_mode & 0o777 == 0o600
    for text in ("", "[]", "{}", '{"format": 2}', '{"format": 1, "database": "x"}'):
        journal.path.write_text(text)
        with pytest.raises(Damaged) as damaged:
            journal.read()
        assert damaged.value.hint
    journal.clear()
    assert journal.read() is None


def test_a_hostile_name_is_quoted_in_the_command_that_restores():
    command = restore_command(Copy("20260115T120000Z-ab12cd", "shop", "verified", 1), 'a\'; rm -rf / "%s" 数')
    assert "\"'\"'" in command and '\\"%s\\" 数_restored' in command
