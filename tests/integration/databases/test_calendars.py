# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""databases.daily, weekly, monthly and quarterly as a scheduler runs them: every step is run and recorded, whatever another found."""

from __future__ import annotations

import contextlib
import sqlite3
import sys

import pytest
import yaml
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.postgres import connect

GROUPS = ("databases", "backups", "housekeeping", "capacity", "recovery", "operations")
STEPS = {
    "daily": ["databases.inspect", "databases.review_logs", "backups.verify", "housekeeping.clean", "capacity.check", "operations.report"],
    "weekly": ["databases.maintain", "databases.inspect", "operations.report"],
    "monthly": ["backups.create", "databases.review_settings", "databases.inspect", "capacity.check", "recovery.drill",
                "operations.report"],
    "quarterly": ["databases.rehearse_upgrade", "databases.inspect", "databases.review_baseline", "operations.report"],
}


@pytest.fixture
def variables(newest_pg, tmp_path):
    with connect(newest_pg) as session:
        session.run("DROP DATABASE IF EXISTS calendars WITH (FORCE)")
        session.run("CREATE DATABASE calendars")
    for name in ("data", "repository"):
        (tmp_path / name).mkdir()
    (tmp_path / "data" / "orders").write_text("1")
    yield {
        "databases_targets": [{"name": "shop", "login_host": newest_pg.host, "login_port": newest_pg.port, "login_user": newest_pg.user,
                               "login_password": newest_pg.password, "login_db": "calendars"}],
        "backups_repository": str(tmp_path / "repository"), "backups_min_free": "1MiB", "recovery_repository": str(tmp_path / "repository"),
        "backups_plans": [{"name": "data", "engine": "archive", "encrypt": False, "source": {"paths": [str(tmp_path / "data")]}}],
        "recovery_plans": ["data"], "capacity_limits": {"disk": {"fail": 100}}, "operations_report_folder": str(tmp_path / "reports"),
    }
    with connect(newest_pg) as session:
        session.run("DROP DATABASE calendars WITH (FORCE)")


@pytest.mark.parametrize("calendar", sorted(STEPS))
def test_every_step_is_run_and_recorded(playbook, variables, tmp_path, calendar):
    inventory = tmp_path / "hosts.yml"
    host = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    inventory.write_text(yaml.safe_dump({group: {"hosts": {"this": host}} for group in GROUPS}))
    done = playbook(f"evenkeel.ops.databases.{calendar}", inventory=inventory, variables=variables)
    with contextlib.closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as ledger:
        rows = ledger.execute("SELECT area || '.' || procedure FROM records ORDER BY id").fetchall()
    asked = [row[0] for row in rows if row[0] in STEPS[calendar]]
    assert asked == STEPS[calendar], done.stdout
    assert list((tmp_path / "reports").glob("*")), "the last step writes the report"
    if calendar == "monthly":
        assert len(list((tmp_path / "repository").rglob("manifest.json"))) == 1, "a full backup"
