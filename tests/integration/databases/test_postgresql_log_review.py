# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""postgresql_log_review on logs that real servers write, in all three formats."""

from __future__ import annotations

import json
import threading
from dataclasses import replace

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters import postgres
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import SystemClock
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import OpsError
from ansible_collections.evenkeel.ops.plugins.module_utils.core.waiting import Deadline, wait_until

from tests.testbed.postgres import running_server

PREFIX = "%m [%p] %q%u@%d %h %e "
SETTINGS = {
    "logging_collector": "on", "log_destination": "stderr,csvlog,jsonlog", "log_directory": "log", "log_filename": "pg.log",
    "log_line_prefix": PREFIX, "log_min_duration_statement": "250ms", "log_temp_files": "0", "log_lock_waits": "on",
    "deadlock_timeout": "200ms", "log_checkpoints": "on", "max_wal_size": "32MB", "checkpoint_warning": "300s", "log_connections": "on",
    "log_truncate_on_rotation": "off",
}
LIMITS = {
    "errors_per_day": {"fail": 0}, "fatal_per_day": {"fail": 0}, "crashes": {"fail": 0}, "classes": {"23": {"fail": 0}, "53": {"fail": 0}},
    "failed_logins_per_day": {"warn": 0}, "failed_logins_per_source": {"fail": 1}, "frequent_checkpoints_per_day": {"warn": 0},
    "temporary_files_per_day": {"fail": 0}, "temporary_size_per_day": {"fail": "1GiB"}, "deadlocks_per_day": {"fail": 0},
    "lock_waits_per_day": {"warn": 0}, "slow_statements_per_day": {"warn": 0}, "unread_percent": {"fail": 0},
}
FORMATS = {"stderr": "pg.log", "csvlog": "pg.csv", "jsonlog": "pg.json"}
SECRETS = ("hunter2", "ann@example.com", "4111111111111111", "typed as a name")


@pytest.fixture(scope="module")
def logged(installation):
    """A server of its own on which something of everything has happened, and the folder of its logs."""
    with running_server(installation, settings=SETTINGS) as (server, target):
        _misbehave(target)
        yield server.data / "log", target


def _misbehave(target):
    def refused(statement, session):
        with pytest.raises(OpsError):
            session.run(statement)

    with postgres.connect(target) as session:
        session.run("CREATE TABLE public.users (id int PRIMARY KEY, email text UNIQUE); "
                    "INSERT INTO public.users VALUES (1, 'ann@example.com'), (2, 'b')")
        refused("INSERT INTO public.users VALUES (9, 'ann@example.com')", session)
        refused("ALTER ROLE postgres PASSWORT 'hunter2'", session)
        refused("SELECT '4111111111111111x'::bigint", session)
        refused("SELECT *\nFROM nowhere\nWHERE email = 'ann@example.com'", session)
        session.run("SELECT pg_sleep(0.3), 'hunter2'")
        session.run("SET work_mem = '64kB'")
        session.run("SELECT count(*) FROM (SELECT g FROM generate_series(1, 100000) g ORDER BY g DESC) s")
        for _time in range(4):
            session.run("CREATE TABLE IF NOT EXISTS public.wal (v int); INSERT INTO public.wal VALUES (1)")
            session.run("SELECT pg_switch_wal()")
        _deadlock(target)
        _wait_for_a_lock(target)
        session.run("CHECKPOINT")  # one that is under way takes its time, and is not in the log before it ends
    for change in ({"password": "wrong"}, {"password": "wrong"}, {"user": "typed as a name"}):
        with pytest.raises(OpsError):
            postgres.connect(replace(target, **change))


def _deadlock(target):
    barrier = threading.Barrier(2)

    def lock(first, second):
        with postgres.connect(target, autocommit=False) as one:
            one.fetch("SELECT 1 FROM public.users WHERE id = %s FOR UPDATE", (first,))
            barrier.wait()
            try:
                one.fetch("SELECT 1 FROM public.users WHERE id = %s FOR UPDATE", (second,))
            except postgres.StatementFailed as error:
                assert error.sqlstate == "40P01"

    threads = [threading.Thread(target=lock, args=order) for order in ((1, 2), (2, 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _wait_for_a_lock(target):
    with postgres.connect(target, autocommit=False) as holder, postgres.connect(target) as waiter:
        holder.run("LOCK TABLE public.users")
        thread = threading.Thread(target=waiter.fetch, args=("SELECT 1 FROM public.users",))
        thread.start()
        waited = "SELECT count(*) FROM pg_locks WHERE NOT granted AND waitstart < clock_timestamp() - interval '400 ms'"
        wait_until(lambda: holder.value(waited), deadline=Deadline(SystemClock(), 60), what="a session that waits", interval=0.05)
        holder.run("ROLLBACK")
        thread.join()


def options(folder, state, form, **change):
    return {"paths": [str(folder / FORMATS[form])], "line_prefix": PREFIX, "state": str(state), "limits": LIMITS, **change}


def found(answer):
    assert not answer.get("failed"), answer
    return {finding["check"].removeprefix("database.log_"): finding for finding in answer["findings"]}


def settled(run_module, logged, tmp_path, form):
    """A review once the collector and the checkpointer have written what they will."""
    folder, _target = logged

    def whole():
        answers[:] = [run_module("postgresql_log_review", options(folder, tmp_path / "first", form), check=True)]
        log = answers[0].get("log", {})
        return log and log["checkpoints"]["too_frequent"] and log["checkpoints"]["number"] and sum(
            one["count"] for one in log["failed_logins"] if one["address"] == "127.0.0.1") == 3

    answers: list = []
    wait_until(whole, deadline=Deadline(SystemClock(), 60), what="the server's log", interval=0.5)
    return answers[0]


@pytest.mark.parametrize("form", FORMATS)
def test_everything_that_happened_is_counted_and_no_secret_is_kept(run_module, logged, tmp_path, form):
    answer = settled(run_module, logged, tmp_path, form)
    seen, log = found(answer), answer["log"]
    assert log["unread"] == 0 and log["files"] == 1
    # pg_isready asked as whoever runs these tests while the server started.
    states = {state: number for state, number in log["states"].items() if state not in ("57P03", "28000")}
    assert states == {"23505": 1, "42601": 1, "22P02": 1, "42P01": 1, "40P01": 1, "28P01": 3}
    assert {(one["user"], one["address"]): one["count"] for one in log["failed_logins"] if one["address"] == "127.0.0.1"} == {
        ("postgres", "127.0.0.1"): 2, ("(no such role)", "127.0.0.1"): 1}
    assert log["deadlocks"] == 1 and log["temporary_files"]["number"] >= 1 and log["lock_waits"]["number"] >= 1
    assert any(one["statement"] == "SELECT pg_sleep(?), ?" for one in log["slow_statements"]["worst"])
    assert {seen[check]["status"] for check in ("errors", "fatal", "deadlocks", "temporary_files")} == {"fail"}
    assert {seen[check]["status"] for check in ("checkpoints", "lock_waits", "slow_statements")} == {"warn"}
    assert seen["crashes"]["status"] == "pass" and any('users_email_key' in one["message"] for one in log["errors"])
    by_subject = {finding["subject"]: finding["status"] for finding in answer["findings"]}
    assert by_subject["log: postgres from 127.0.0.1"] == "fail" and by_subject["log: 23"] == "fail" and by_subject["log: 53"] == "pass"
    assert not [secret for secret in SECRETS if secret in json.dumps({key: answer[key] for key in ("log", "findings", "summary")})]


def test_each_message_is_read_once_across_rotation(run_module, logged, tmp_path):
    folder, target = logged
    settled(run_module, logged, tmp_path, "csvlog")
    given = options(folder, tmp_path / "state", "csvlog", paths=[str(folder / "pg.csv*")])
    first = run_module("postgresql_log_review", given)
    assert first["changed"] is False and first["log"]["states"]["40P01"] == 1
    with postgres.connect(target) as session:
        with pytest.raises(OpsError):
            session.run("SELECT 1/0")
        (folder / "pg.csv").rename(folder / "pg.csv.1")
        session.run("SELECT pg_rotate_logfile()")
        wait_until((folder / "pg.csv").exists, deadline=Deadline(SystemClock(), 60), what="the rotated log", interval=0.05)
        with pytest.raises(OpsError):
            session.run("SELECT sqrt(-1)")
    seen: dict = {}

    def both():
        for state, number in run_module("postgresql_log_review", given)["log"]["states"].items():
            seen[state] = seen.get(state, 0) + number
        return {"22012", "2201F"} <= set(seen)

    wait_until(both, deadline=Deadline(SystemClock(), 60), what="both errors", interval=0.3)
    assert seen["22012"] == seen["2201F"] == 1 and "40P01" not in seen


def test_a_limit_leaves_the_rest_for_the_next_run(run_module, logged, tmp_path):
    folder, _target = logged
    written = folder / "pg.csv.1" if (folder / "pg.csv.1").exists() else folder / "pg.csv"
    log = tmp_path / "copy.csv"
    log.write_bytes(written.read_bytes())
    given = {"paths": [str(log)], "state": str(tmp_path / "state"), "limits": {"unfinished": "warn"}, "read_limit": "2000"}
    events, rounds, answer = 0, 0, {}
    while not rounds or answer["log"]["left"]:
        answer, rounds = run_module("postgresql_log_review", given), rounds + 1
        events += answer["log"]["events"]
        assert answer["log"]["unread"] == 0 and answer["log"]["bytes"] < 40000
        assert bool(answer["log"]["left"]) == (answer["findings"][0]["status"] == "warn")
        given["read_limit"] = "20000" if rounds > 1 else given["read_limit"]
    whole = run_module("postgresql_log_review", {**given, "state": str(tmp_path / "other"), "read_limit": "1GiB"})
    assert events == whole["log"]["events"] and rounds > 1


def test_another_format_is_unknown_and_no_file_is_an_error(run_module, tmp_path):
    (tmp_path / "other.log").write_text("one\ntwo\n")
    answer = run_module("postgresql_log_review", {"paths": [str(tmp_path / "*.log")], "state": str(tmp_path / "s"), "limits": LIMITS})
    [finding] = answer["findings"]
    assert finding["status"] == "unknown" and "SHOW log_line_prefix" in finding["hint"]
    none = run_module("postgresql_log_review", {"paths": [str(tmp_path / "*.csv")], "state": str(tmp_path / "s"), "limits": LIMITS})
    assert none["error"] == "NotFound" and "log_directory" in none["hint"]
