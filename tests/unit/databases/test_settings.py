# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings against recommended ones, by plain values."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import InvalidOption
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.settings import Setting, plan_settings, read_recommended

from tests.conftest import ROOT


def setting(name: str, value: str, **more) -> Setting:
    row = {"unit": "", "kind": "string", "context": "sighup", "source": "default", "choices": (), "pending": False, **more}
    return Setting(name, value, **row)


SETTINGS = {one.name: one for one in (
    setting("work_mem", "4096", unit="kB", kind="integer"),
    setting("max_wal_size", "1024", unit="MB", kind="integer"),
    setting("wal_buffers", "512", unit="8kB", kind="integer", context="postmaster"),
    setting("idle_in_transaction_session_timeout", "0", unit="ms", kind="integer"),
    setting("checkpoint_timeout", "300", unit="s", kind="integer"),
    setting("checkpoint_completion_target", "0.5", kind="real"),
    setting("log_lock_waits", "off", kind="bool"),
    setting("wal_compression", "off", kind="enum", choices=("pglz", "lz4", "on", "off")),
    setting("shared_preload_libraries", "auto_explain", context="postmaster"),
    setting("fsync", "on", kind="bool", source="command line"),
)}


def planned(entry, *, major=15, settings=SETTINGS, available=("pg_stat_statements",)):
    steps, findings = plan_settings(read_recommended([entry]), settings, major, set(available))
    return (steps[0] if steps else None), [finding.status.value for finding in findings], findings


@pytest.mark.parametrize(("entry", "statement"), [
    ({"name": "work_mem", "at_least": "8MB"}, "ALTER SYSTEM SET work_mem = '8MB'"),
    ({"name": "work_mem", "at_least": "4MB"}, None), ({"name": "work_mem", "value": 4096}, None),
    ({"name": "max_wal_size", "at_least": "1GB"}, None), ({"name": "wal_buffers", "at_least": "4MB"}, None),
    ({"name": "wal_buffers", "at_least": "4097kB"}, "ALTER SYSTEM SET wal_buffers = '4097kB'"),
    ({"name": "idle_in_transaction_session_timeout", "at_most": "10min", "unlimited": 0},
     "ALTER SYSTEM SET idle_in_transaction_session_timeout = '10min'"),
    ({"name": "checkpoint_timeout", "at_least": "15min"}, "ALTER SYSTEM SET checkpoint_timeout = '15min'"),
    ({"name": "checkpoint_timeout", "at_most": "5min"}, None), ({"name": "checkpoint_timeout", "value": "300s"}, None),
    ({"name": "checkpoint_completion_target", "at_least": 0.9}, "ALTER SYSTEM SET checkpoint_completion_target = '0.9'"),
    ({"name": "log_lock_waits", "value": True}, "ALTER SYSTEM SET log_lock_waits = 'on'"),
    ({"name": "log_lock_waits", "value": "off"}, None),
    ({"name": "wal_compression", "one_of": ["zstd", "lz4", "on"]}, "ALTER SYSTEM SET wal_compression = 'lz4'"),
    ({"name": "shared_preload_libraries", "includes": "pg_stat_statements"},
     "ALTER SYSTEM SET shared_preload_libraries = 'auto_explain', 'pg_stat_statements'"),
    ({"name": "shared_preload_libraries", "includes": "auto_explain"}, None),
])
def test_units_bounds_and_lists(entry, statement):
    step, statuses, findings = planned(entry)
    assert (step.statement if step else None) == statement
    assert statuses == (["warn"] if statement else ["pass"])
    assert statement is None or statement in findings[0].hint


def test_what_a_major_does_not_have_is_passed_over_and_what_should_be_there_is_unknown():
    entry = {"name": "track_wal_io_timing", "value": "on", "since": 14}
    assert planned(entry, major=13)[1] == [] and planned({**entry, "since": 10, "until": 16}, major=17)[1] == []
    assert planned(entry, major=14)[1] == ["unknown"]


def test_what_cannot_be_set_by_alter_system_is_said_and_not_done():
    step, statuses, _findings = planned({"name": "fsync", "value": "off", "severity": "fail"})
    assert step.blocked and statuses == ["fail"]
    missing, _statuses, findings = planned({"name": "shared_preload_libraries", "includes": "pg_cron"})
    assert missing.blocked and "would then not start" in findings[0].message
    assert planned({"name": "wal_compression", "one_of": ["zstd"]})[0].blocked


def test_what_is_written_waits_for_its_restart():
    written = {"wal_buffers": setting("wal_buffers", "512", unit="8kB", kind="integer", context="postmaster", written="8MB")}
    step, statuses, findings = planned({"name": "wal_buffers", "at_least": "8MB"}, settings=written)
    assert step.waiting and statuses == ["warn"] and "Restart" in findings[0].hint


@pytest.mark.parametrize("entry", [
    "work_mem", {}, {"name": "work_mem"}, {"name": "work_mem; DROP TABLE x", "value": 1}, {"name": "work_mem", "value": 1, "at_least": 2},
    {"name": "work_mem", "value": [1, 2]}, {"name": "work_mem", "one_of": []}, {"name": "work_mem", "value": 1, "severity": "pass"},
    {"name": "work_mem", "value": 1, "since": "14"}, {"name": "work_mem", "value": 1, "unknown": 1}, {"name": "work\nmem", "value": 1},
])
def test_what_makes_no_sense_is_refused(entry):
    with pytest.raises(InvalidOption):
        read_recommended([entry])


@pytest.mark.parametrize("value", ["8 parsecs", "10min", "lots", "-"])
def test_a_value_of_another_unit_is_refused(value):
    with pytest.raises(InvalidOption):
        planned({"name": "work_mem", "at_least": value})


def test_a_quote_in_a_value_stays_one():
    step, _statuses, _findings = planned({"name": "archive", "value": "it's"}, settings={"archive": setting("archive", "")})
    assert step.statement == "ALTER SYSTEM SET archive = 'it''s'"


def test_the_recommended_settings_of_the_role_can_be_read():
    defaults = yaml.safe_load(Path(ROOT / "roles/databases/defaults/main.yml").read_text(encoding="utf-8"))
    found = read_recommended(defaults["databases_recommended_settings"])
    assert len(found) > 10 and all(one.why for one in found)
    assert len({(one.name, one.since) for one in found}) == len(found)
