# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""postgresql_settings and the recommended settings of the role, on servers of two majors that are changed for good."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import sys

import pytest
import yaml
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.postgres import connect

from tests.conftest import ROOT
from tests.integration.databases.test_postgresql_reindex import eventually
from tests.testbed import postgres

RECOMMENDED = yaml.safe_load((ROOT / "roles/databases/defaults/main.yml").read_text(encoding="utf-8"))["databases_recommended_settings"]


@pytest.fixture(scope="module")
def own_server(installation):
    with postgres.running_server(installation) as (_server, target):
        yield target


def reach(target, **more):
    return {"login_host": target.host, "login_port": target.port, "login_user": target.user, "login_password": target.password,
            "login_db": target.database} | more


def reset(target):
    """Until the server hands out the settings that it began with: it reads its files when it gets round to it."""
    with connect(target) as session:
        before = session.value("SELECT pg_conf_load_time()")
        session.run("ALTER SYSTEM RESET ALL")
        session.value("SELECT pg_reload_conf()")
        eventually(lambda: session.value("SELECT pg_conf_load_time()") > before)


def by_name(answer):
    return {finding["subject"]: finding for finding in answer["findings"]}


def test_review_then_refuse_then_apply_then_nothing_left_to_do(run_module, own_server):
    options = reach(own_server, recommended=RECOMMENDED)
    review = run_module("postgresql_settings", options)
    assert not review["changed"] and "track_io_timing" in {one["name"] for one in review["settings"]}, review
    assert "unknown" not in {finding["status"] for finding in review["findings"]}, "an entry names what this major does not have"
    refused = run_module("postgresql_settings", {**options, "apply": True})
    assert refused["failed"] and refused["error"] == "Refused", refused
    assert "ALTER SYSTEM SET track_io_timing = 'on'" in refused["evidence"]["statements"]
    planned = run_module("postgresql_settings", {**options, "apply": True}, check=True, diff=True)
    assert planned["changed"], planned
    assert "track_io_timing = off" in planned["diff"]["before"] and "track_io_timing = on" in planned["diff"]["after"]
    with connect(own_server) as session:
        assert session.value("SELECT setting FROM pg_settings WHERE name = 'track_io_timing'") == "off"
    done = run_module("postgresql_settings", {**options, "apply": True, "confirm": True})
    assert done["changed"] and by_name(done)["track_io_timing"]["status"] == "pass", done
    due = {one["name"]: one["status"] for one in review["settings"] if one["status"] == "due"}
    assert {one["name"] for one in done["settings"] if one["status"] == "done"} == set(due)
    assert done["restart"] == ["shared_preload_libraries"]
    assert "waits for a restart" in by_name(done)["shared_preload_libraries"]["message"]
    again = run_module("postgresql_settings", {**options, "apply": True})
    assert not again.get("failed") and not again["changed"] and again["restart"] == ["shared_preload_libraries"], again
    with connect(own_server) as session:
        assert session.value("SELECT setting FROM pg_settings WHERE name = 'track_io_timing'") == "on"
    reset(own_server)


def test_a_value_that_the_server_refuses_is_a_failure_and_the_others_are_done(run_module, own_server):
    recommended = [{"name": "log_line_prefix", "value": "it's %m \\ {x} "}, {"name": "checkpoint_timeout", "value": "100d"},
                   {"name": "track_io_timing", "value": True}]
    done = run_module("postgresql_settings", reach(own_server, recommended=recommended, apply=True, confirm=True))
    assert {one["name"]: one["status"] for one in done["settings"]} == {
        "log_line_prefix": "done", "checkpoint_timeout": "failed", "track_io_timing": "done"}, done
    assert by_name(done)["checkpoint_timeout"]["status"] == "fail" and "refused" in by_name(done)["checkpoint_timeout"]["message"]
    with connect(own_server) as session:
        assert session.value("SELECT reset_val FROM pg_settings WHERE name = 'log_line_prefix'") == "it's %m \\ {x} "
    reset(own_server)


def test_a_user_who_may_not_changes_nothing_and_reads_what_everybody_may(run_module, own_server):
    with connect(own_server) as session:
        session.run("DROP ROLE IF EXISTS plain")
        session.run("CREATE ROLE plain LOGIN PASSWORD 'plain'")
    options = reach(own_server, recommended=[{"name": "track_io_timing", "value": True}], login_user="plain", login_password="plain")
    assert by_name(run_module("postgresql_settings", options))["track_io_timing"]["status"] == "warn"
    failed = run_module("postgresql_settings", {**options, "apply": True, "confirm": True})
    assert failed.get("failed") or by_name(failed)["track_io_timing"]["status"] == "fail", failed


def test_the_procedures_review_and_configure(playbook, own_server, tmp_path):
    inventory = tmp_path / "hosts.yml"
    host = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    inventory.write_text(yaml.safe_dump({"databases": {"hosts": {"this": host}}}))
    targets = [{"name": "shop", **reach(own_server)}]
    wanted = [{"name": "track_io_timing", "value": "on", "why": "slow reads are told"}]
    variables = {"databases_targets": targets, "databases_recommended_settings": wanted}
    review = playbook("evenkeel.ops.databases.review_settings", inventory=inventory, variables=variables)
    assert review.returncode == 0 and "ALTER SYSTEM SET track_io_timing" in review.stdout, review.stdout
    refused = playbook("evenkeel.ops.databases.configure_defaults", inventory=inventory, variables=variables)
    assert refused.returncode != 0 and "databases_settings_confirm=true" in refused.stdout, refused.stdout
    confirmed = {**variables, "databases_settings_confirm": True}
    done = playbook("evenkeel.ops.databases.configure_defaults", inventory=inventory, variables=confirmed)
    assert done.returncode == 0 and "changed=1" in done.stdout, done.stdout
    again = playbook("evenkeel.ops.databases.configure_defaults", inventory=inventory, variables=confirmed)
    assert again.returncode == 0 and "changed=0" in again.stdout, again.stdout
    with contextlib.closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as ledger:
        rows = ledger.execute("SELECT procedure, status, body FROM records ORDER BY id").fetchall()
    assert [row[:2] for row in rows] == [("review_settings", "warn"), ("configure_defaults", "unknown"), ("configure_defaults", "pass"),
                                         ("configure_defaults", "pass")]
    assert json.loads(rows[2][2])[0]["settings"][0]["status"] == "done"
    reset(own_server)
