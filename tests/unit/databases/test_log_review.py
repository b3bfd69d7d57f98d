# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines of logs to events, events to counts, counts to findings. Pure."""

from __future__ import annotations

import json

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import InvalidOption
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.log_events import Reader, detect, prefix_pattern
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.log_judge import LogLimits, judge_log
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.log_review import Tally
from hypothesis import given
from hypothesis import strategies as st

DEBIAN = "%m [%p] %q%u@%d "
STDERR = """\
\trest of a message of the last run
2026-07-01 10:00:00.123 UTC [7] LOG:  checkpoints are occurring too frequently (9 seconds apart)
2026-07-01 10:00:00.123 UTC [7] HINT:  Consider increasing the configuration parameter "max_wal_size".
2026-07-01 10:00:01.000 UTC [8] app@shop ERROR:  duplicate key value violates unique constraint "users_email_key"
2026-07-01 10:00:01.000 UTC [8] app@shop DETAIL:  Key (email)=(ann@example.com) already exists.
2026-07-01 10:00:01.000 UTC [8] app@shop STATEMENT:  INSERT INTO users VALUES (1,
\t\t'ann@example.com');
2026-07-01 10:00:02.000 UTC [9] [unknown]@[unknown] LOG:  connection received: host=10.9.8.7 port=5
2026-07-01 10:00:02.000 UTC [9] eve@shop FATAL:  password authentication failed for user "eve"
2026-07-01 10:00:02.500 UTC [9] hunter2@shop FATAL:  password authentication failed for user "hunter2"
2026-07-01 10:00:02.500 UTC [9] hunter2@shop DETAIL:  Role "hunter2" does not exist.
2026-07-01 10:00:03.000 UTC [8] app@shop LOG:  duration: 1500.500 ms  statement: SELECT *
\tFROM users WHERE email = 'ann@example.com'
2026-07-01 10:00:04.000 UTC [8] app@shop LOG:  duration: 500.500 ms  execute <unnamed>: SELECT * FROM users WHERE email = 'bob@example.com'
2026-07-03 10:00:05.000 UTC [8] app@shop LOG:  temporary file: path "base/pgsql_tmp/pgsql_tmp8.0", size 1048576
2026-07-03 10:00:06.000 UTC [8] app@shop LOG:  process 8 still waiting for ShareLock on transaction 5 after 1000.1 ms
2026-07-03 10:00:06.000 UTC [8] app@shop LOG:  process 8 acquired ShareLock on transaction 5 after 2500.0 ms
2026-07-03 10:00:06.000 UTC [7] LOG:  checkpoint starting: wal
2026-07-03 10:00:06.000 UTC [7] LOG:  checkpoint complete: wrote 1 buffers (0.0%); write=1.0 s, sync=0.1 s, total=1.25 s; sync files=1
2026-07-03 10:00:07.000 UTC [1] LOG:  server process (PID 8) was terminated by signal 9: Killed
2026-07-03 10:00:07.000 UTC [1] LOG:  all server processes terminated; reinitializing
2026-07-03 10:00:08.000 UTC [8] app@shop ERROR:  invalid input syntax for type integer: "4111111111111111"
"""


def read(text, form="stderr", prefix=DEBIAN):
    reader, tally = Reader(form, prefix_pattern(prefix)), Tally()
    tally.add(reader.events(text.encode().splitlines(keepends=True)))
    return reader, tally


def judged(tally, limits, **figures):
    found = judge_log(tally, LogLimits.from_options(limits), "log", **{"lines": 20, "unread": 0, "left": 0, **figures})
    return {(finding.check.removeprefix("database."), finding.subject): finding for finding in found}


def test_a_log_of_stderr_is_counted():
    reader, tally = read(STDERR)
    values = tally.values()
    assert reader.unread == 0 and values["events"] == 15 and tally.days == pytest.approx(2.0, abs=0.001)
    assert values["states"] == {"28P01": 2, "23505": 1, "22P02": 1}
    assert {(one["user"], one["address"]): one["count"] for one in values["failed_logins"]} == {
        ("eve", "10.9.8.7"): 1, ("(no such role)", "10.9.8.7"): 1}
    assert values["checkpoints"] == {"number": 1, "requested": 1, "too_frequent": 1, "longest_seconds": 1.25}
    assert values["temporary_files"] == {"number": 1, "bytes": 1 << 20, "largest": 1 << 20} and values["crashes"] == 1
    assert values["lock_waits"] == {"number": 1, "longest_seconds": 2.5}
    assert values["slow_statements"]["worst"] == [{"statement": "SELECT * FROM users WHERE email = ?", "count": 2, "seconds": 2.001,
                                                   "slowest": 1.5}]


def test_nothing_of_a_value_is_kept():
    values = json.dumps(read(STDERR)[1].values())
    for secret in ("ann@", "bob@", "hunter2", "4111", "Key (email)"):
        assert secret not in values
    assert "users_email_key" in values


CSV = ('2026-07-01 10:00:00.123 UTC,"app","shop",8,"10.0.0.1:5000",6.1,1,"INSERT",2026-07-01 09:00:00 UTC,3/4,0,ERROR,23505,'
       '"duplicate key, ""really""\nsecond line",,,,,,"INSERT INTO t\nVALUES (\'x\')",,,"cart","client backend",,0\n')
JSON = json.dumps({"timestamp": "2026-07-01 10:00:00.123 UTC", "user": "app", "dbname": "shop", "pid": 8, "remote_host": "10.0.0.1",
                   "remote_port": 5000, "error_severity": "ERROR", "state_code": "40P01", "message": "deadlock detected"}) + "\n"


def test_csvlog_and_jsonlog():
    reader, _tally = read(CSV, "csvlog")
    [event] = Reader("csvlog", prefix_pattern("")).events(CSV.encode().splitlines(keepends=True))
    assert reader.unread == 0 and (event.severity, event.sqlstate, event.address, event.message) == (
        "ERROR", "23505", "10.0.0.1", 'duplicate key, "really"\nsecond line')
    [event] = Reader("jsonlog", prefix_pattern("")).events([JSON.encode()])
    assert (event.sqlstate, event.user, event.address, event.at) == ("40P01", "app", "10.0.0.1", "2026-07-01 10:00:00")
    assert [detect("x", text.splitlines()[0]) for text in (CSV, JSON, STDERR[38:])] == ["csvlog", "jsonlog", "stderr"]


def test_a_record_without_its_end_waits_and_a_broken_one_is_passed_over():
    reader = Reader("csvlog", prefix_pattern(""))
    half = CSV.encode().splitlines(keepends=True)[:1]
    assert list(reader.events(half)) == [] and reader.begun == len(half[0])
    broken, tally = read('2026-07-01 10:00:00.123 UTC,"app\n' + "x" * (1 << 20) + "\n" + "y\n" + CSV, "csvlog")
    assert tally.states["23505"] == 1 and broken.unread == 3 and broken.begun == 0
    garbage, tally = read("{\n[1]\nnull\n" + JSON, "jsonlog")
    assert garbage.unread == 3 and tally.states["40P01"] == 1


@pytest.mark.parametrize("prefix, line", [
    ("%t:%r:%u@%d:[%p]: ", "2026-07-01 10:00:00 UTC:10.1.1.1(500):app@shop:[8]: "), ("", ""),
    ("%m %q%a %h %e %-10u| ", "2026-07-01 10:00:00.1 CEST psql 10.1.1.1 28P01 app       | "),
    ("%% %n %c %l %v %x %i %b ", "% 1780000000.12 6a.b 3 2/3 0 SELECT client "),
    ("%m %s %m ", "2026-07-01 10:00:00.1 UTC 2026-07-01 09:00:00 UTC 2026-07-01 10:00:00.1 UTC ")])
def test_prefixes(prefix, line):
    match = prefix_pattern(prefix).match(line + 'FATAL:  password authentication failed for user "app"\n')
    assert match and match["severity"] == "FATAL"
    _reader, tally = read(line + 'FATAL:  password authentication failed for user "app"\n', prefix=prefix)
    [login] = tally.values()["failed_logins"]
    assert login["user"] == "app" and login["address"] in ("", "10.1.1.1")


def test_limits_are_per_day_and_by_class():
    _reader, tally = read(STDERR)
    found = judged(tally, {"crashes": {"fail": 0}, "failed_logins_per_day": {"warn": 0.5},
                           "classes": {"23": {"fail": 0.4}, "53": {"fail": 0}}, "errors_per_day": {"warn": 5},
                           "temporary_size_per_day": {"warn": "512KiB"}, "deadlocks_per_day": {"fail": 0},
                           "failed_logins_per_source": {"fail": 0.4}, "slow_statements_per_day": {"warn": 0}})
    assert found["log_crashes", "log"].status == "fail" and found["log_failed_logins", "log"].observed == pytest.approx(1.0, abs=0.01)
    assert found["log_class", "log: 23"].status == "fail" and "users_email_key" in found["log_class", "log: 23"].message
    assert found["log_class", "log: 53"].status == "pass" and found["log_deadlocks", "log"].status == "pass"
    assert found["log_temporary_size", "log"].status in ("pass", "warn") and found["log_slow_statements", "log"].status == "warn"
    assert found["log_failed_logins", "log: eve from 10.9.8.7"].status == "fail"


def test_what_could_not_be_understood_is_unknown_and_what_is_left_is_told():
    assert judged(Tally(), {"unread_percent": {"fail": 5}, "crashes": {"fail": 0}}, unread=2)["log", "log"].status == "unknown"
    assert judged(Tally(), {"unread_percent": {"fail": 10}}, unread=2)["log", "log"].status == "pass"
    assert judged(Tally(), {"unfinished": "fail"}, left=9)["log", "log"].status == "fail"


def test_memory_does_not_grow_with_the_number_of_different_messages():
    _reader, tally = read("".join(
        f"2026-07-01 10:00:00.000 UTC [8] u@d LOG:  duration: 1.0 ms  statement: SELECT c{'abcdefghij'[n % 10]}{n:x}z FROM t\n"
        f'2026-07-01 10:00:00.000 UTC [8] u@d FATAL:  password authentication failed for user "u{n:x}"\n' for n in range(12000)))
    assert len(tally.logins._counts) <= 4000 and len(tally.slowest) <= 4001 and tally.states["28P01"] == 12000


@given(st.binary(max_size=400), st.sampled_from(["stderr", "csvlog", "jsonlog"]))
def test_any_bytes_are_read(content, form):
    reader, tally = Reader(form, prefix_pattern(DEBIAN)), Tally()
    tally.add(reader.events(content.splitlines(keepends=True)))
    json.dumps(tally.values())


@pytest.mark.parametrize("limits", [{"errors": {"warn": 1}}, {"classes": {53: {"fail": 0}}}, {"classes": {"5": {"fail": 0}}},
                                    {"unfinished": "pass"}, {"temporary_size_per_day": {"warn": "-1"}}])
def test_what_cannot_be_meant_is_refused(limits):
    with pytest.raises(InvalidOption):
        LogLimits.from_options(limits)
    with pytest.raises(InvalidOption):
        prefix_pattern("%y ")
