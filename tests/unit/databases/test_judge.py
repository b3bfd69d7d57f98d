# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judging a database is pure: facts and limits in, findings out."""

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import InvalidOption
from ansible_collections.evenkeel.ops.plugins.module_utils.core.finding import Status
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.judge import judge_database
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.limits import DatabaseLimits

FACTS = {
    "name": "shop", "version": "17.1", "sees_all": True,
    "sessions": {"used": 90, "maximum": 103, "reserved": 3},
    "statistics": {"name": "shop", "hit": 950, "read": 50, "deadlocks": 6, "seconds": 172800.0, "checksum_failures": 1, "bytes": 2 * 2**30},
    "transactions": [
        {"pid": 7, "user": "app", "database": "shop", "application": "cart", "state": "idle in transaction", "seconds": 4000.0,
         "state_seconds": 3000.0},
        {"pid": 8, "user": "app", "database": "shop", "application": "", "state": "active", "seconds": 10.0, "state_seconds": 1.0}],
    "blocked": [{"pid": 9, "user": "app", "blockers": [7], "seconds": 61.0, "query": "UPDATE"}],
    "statements": [
        {"queryid": "42", "query": "SELECT  slow", "calls": 20, "mean_seconds": 2.0, "overall_seconds": 0.08, "p95_seconds": 0.3},
        {"queryid": "43", "query": "SELECT rare", "calls": 1, "mean_seconds": 1.5, "overall_seconds": 0.08, "p95_seconds": 0.3}],
    "freeze": [{"name": "shop", "xid_age": 10, "multixact_age": 5}, {"name": "old", "xid_age": 900, "multixact_age": 1}],
    "replicas": [{"name": "b", "state": "streaming", "seconds": None, "bytes": 0}], "standby": None,
    "slots": [{"name": "it's", "type": "logical", "active": False, "wal_status": "reserved", "bytes": 3 * 2**30},
              {"name": "gone", "type": "physical", "active": False, "wal_status": "lost", "bytes": None},
              {"name": "new", "type": "physical", "active": False, "wal_status": None, "bytes": None}],
    "archiver": {"mode": "on", "archived": 5, "failed": 2, "last_failed_wal": "0001", "seconds": 9000.0, "failing": False, "backlog": 0},
    "invalid_indexes": [{"name": "public.i", "partitioned": False}],
    "settings": [{"name": "fsync", "value": "off", "place": "the server"},
                 {"name": "synchronous_commit", "value": "on", "place": "the server"},
                 {"name": "synchronous_commit", "value": "off", "place": "role app"}],
}


def judged(limits: dict, **facts) -> dict:
    found = judge_database({**FACTS, **facts}, DatabaseLimits.from_options(limits))
    return {(finding.check.removeprefix("database."), finding.subject): finding for finding in found}


@pytest.mark.parametrize("limits, key, status, said", [
    ({"connections_percent": {"warn": 80, "fail": 95}}, ("connections", "share"), "warn", "in use is 90%, over the limit of 80%"),
    ({"connections": {"fail": 100}}, ("connections", "count"), "pass", "90"),
    ({"cache_hit_percent": {"warn": 99, "fail": 90}}, ("cache_hit", "shop"), "warn", "95%, under the limit of 99%"),
    ({"cache_hit_percent": {"fail": 99}, "cache_hit_sample": 5000}, ("cache_hit", "shop"), "pass", "too few"),
    ({"deadlocks_per_day": {"fail": 2}}, ("deadlocks", "shop"), "fail", "3 per day"),
    ({"checksum_failures": {"fail": 0}}, ("checksum_failures", "all databases"), "fail", "1, over the limit of 0"),
    ({"database_size": {"warn": "1GiB"}}, ("size", "shop"), "warn", "2.0 GiB, over the limit of 1.0 GiB"),
    ({"transaction_age": {"fail": "1h"}}, ("transaction_age", "pid 7 of app"), "fail", "1h6m, over the limit of 1h"),
    ({"idle_in_transaction": {"warn": "5m"}}, ("idle_in_transaction", "pid 7 of app"), "warn", "50m, over the limit of 5m"),
    ({"lock_wait": {"fail": "1m"}}, ("locks", "pid 9 of app"), "fail", "a lock that 7 has is 1m1s"),
    ({"query_mean": {"fail": "100ms"}}, ("query_mean", "shop"), "pass", "80ms"),
    ({"query_p95": {"fail": "100ms"}}, ("query_p95", "shop"), "fail", "300ms, over the limit of 100ms"),
    ({"statement_mean": {"fail": "1s"}, "statement_calls": 10}, ("slow_statement", "query 42"), "fail", "'SELECT slow' (20 calls) is 2s"),
    ({"xid_age": {"fail": 500}}, ("xid_age", "old"), "fail", "900 transactions"),
    ({"multixact_age": {"fail": 500}}, ("multixact_age", "shop"), "pass", "5"),
    ({"replicas": {"fail": 2}}, ("replicas", "shop"), "fail", "1, under the limit of 2"),
    ({"replication_lag": {"fail": "1m"}}, ("replication_lag", "b"), "pass", "0ms"),
    ({"inactive_slot_retained": {"fail": "1GiB"}}, ("slots", "it's"), "fail", "3.0 GiB"),
    ({"inactive_slot_retained": {"fail": "1GiB"}}, ("slots", "gone"), "fail", "is gone"),
    ({"inactive_slot_retained": {"fail": "1GiB"}}, ("slots", "new"), "pass", "keeps no WAL"),
    ({"archive_age": {"fail": "1h"}}, ("archive_age", "archiver"), "pass", ""),
    ({"invalid_indexes": {"warn": 0}}, ("invalid_indexes", "shop"), "warn", "public.i is 1"),
    ({"settings": {"fail": {"fsync": True}}}, ("settings", "fsync"), "fail", "fsync is off for the server of shop, and has to be on"),
    ({"settings": {"warn": {"synchronous_commit": ["on", "local"]}}}, ("settings", "synchronous_commit"), "warn", "off for role app"),
    ({"settings": {"fail": {"no_such": "on"}}}, ("settings", "no_such"), "unknown", "no setting no_such"),
])
def test_each_thing_is_judged_by_its_own_limit(limits, key, status, said):
    finding = judged(limits)[key]
    assert finding.status is Status(status) and said in finding.message
    assert status == "pass" or finding.hint


def test_hints_name_sql_that_can_be_run_as_it_stands():
    assert "pg_drop_replication_slot('it''s');" in judged({"inactive_slot_retained": {"fail": 1}})["slots", "it's"].hint
    assert "SELECT pg_terminate_backend(7);" in judged({"lock_wait": {"fail": "1s"}})["locks", "pid 9 of app"].hint


def test_what_has_no_limits_is_not_judged():
    assert judge_database(FACTS, DatabaseLimits.from_options({})) == []


def test_a_failing_archiver_and_one_that_is_behind():
    limits = {"archive_backlog": {"fail": 10}, "archive_age": {"fail": "1h"}}
    failing = judged(limits, archiver={**FACTS["archiver"], "failing": True, "backlog": 3})
    assert failing["archiver", "archiver"].status is Status.FAIL and "0001 could not be archived" in failing["archiver", "archiver"].message
    behind = judged(limits, archiver={**FACTS["archiver"], "backlog": 11})
    assert {finding.status for finding in behind.values()} == {Status.FAIL}
    never = judged(limits, archiver={**FACTS["archiver"], "backlog": 1, "seconds": None})
    assert never["archive_age", "archiver"].status is Status.UNKNOWN


@pytest.mark.parametrize("word, statuses", [("warn", ["warn"]), ("unknown", ["unknown"]), ("ignore", [])])
def test_a_server_without_pg_stat_statements_is_the_policys_to_judge(word, statuses):
    found = judged({"query_mean": {"fail": "1s"}, "without_statements": word}, statements=None)
    assert [finding.status.value for finding in found.values()] == statuses


def test_what_could_not_be_seen_is_unknown_and_no_pass():
    hidden = judged({"transaction_age": {"fail": "1h"}, "lock_wait": {"fail": "1s"}, "query_mean": {"fail": "1s"}}, sees_all=False)
    assert {finding.status for finding in hidden.values()} == {Status.UNKNOWN} and len(hidden) == 3
    broken = judged({"xid_age": {"fail": 1}}, freeze={"error": "permission denied", "hint": ""})
    [finding] = broken.values()
    assert finding.status is Status.UNKNOWN and "permission denied" in finding.message and "GRANT pg_monitor" in finding.hint


@pytest.mark.parametrize("limits, said", [
    ({"conections": {"fail": 1}}, "unknown key 'conections'"), ({"connections": {"limit": 1}}, "unknown key 'limit'"),
    ({"connections": 5}, "is not a pair of limits"), ({"transaction_age": {"fail": "-1h"}}, "'-1h' is not a duration"),
    ({"cache_hit_percent": {"warn": 80, "fail": 90}}, "warn (80) comes after fail (90)"),
    ({"lock_wait": {"warn": "2m", "fail": "1m"}}, "warn (2m) comes after fail (1m)"),
    ({"without_statements": "pass"}, "'pass' is no answer"), ({"settings": {"pass": {}}}, "unknown key 'pass'"),
])
def test_limits_that_make_no_sense_are_refused_with_a_hint(limits, said):
    with pytest.raises(InvalidOption) as error:
        DatabaseLimits.from_options(limits)
    assert said in error.value.message and error.value.hint
