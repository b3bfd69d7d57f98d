# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""maintenance.run makes a backup before anything else, on the host that makes backups."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import sys
from datetime import datetime, timedelta, timezone

import yaml


def test_a_full_backup_comes_first_and_without_it_nothing_is_begun(playbook, tmp_path):
    now = datetime.now(timezone.utc)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "orders").write_text("1")
    (tmp_path / "repository").mkdir()
    work = tmp_path / "work.yml"
    work.write_text(yaml.safe_dump([{"name": "Work", "ansible.builtin.copy": {
        "content": "{{ inventory_hostname }}", "dest": str(tmp_path / "worked"), "mode": "0600"}}]))
    inventory = tmp_path / "hosts.yml"
    host = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    inventory.write_text(yaml.safe_dump({"maintenance": {"hosts": {"web": host}}, "backups": {"hosts": {"store": host}}}))
    begins, ends = now - timedelta(hours=1), now + timedelta(hours=3)
    variables = {
        "maintenance_windows": [{"name": "night", "when": f"{begins:%Y-%m-%d %H:%M} to {ends:%Y-%m-%d %H:%M}"}],
        "maintenance_change": "CHG-8", "maintenance_by": "A. Hopper", "maintenance_rollback": "restore the copy",
        "maintenance_health": False,
        "maintenance_backup_host": "store", "maintenance_work": [{"name": "patches", "tasks": str(work)}],
        "backups_repository": str(tmp_path / "repository"), "backups_min_free": "1MiB",
        "backups_plans": [{"name": "data", "engine": "archive", "encrypt": False, "max_age": "23h",
                           "source": {"paths": [str(tmp_path / "data")]}}],
    }
    for expected in (1, 2):  # full, however young the last one is
        done = playbook("evenkeel.ops.maintenance.run", inventory=inventory, variables=variables)
        assert done.returncode == 0, done.stdout
        assert len(list((tmp_path / "repository").rglob("manifest.json"))) == expected
    assert (tmp_path / "worked").read_text() == "web"
    (tmp_path / "worked").unlink()
    lost = {**variables, "backups_plans": [{**variables["backups_plans"][0], "source": {"paths": [str(tmp_path / "nothing")]}}]}
    refused = playbook("evenkeel.ops.maintenance.run", inventory=inventory, variables=lost)
    assert refused.returncode != 0 and not (tmp_path / "worked").exists(), refused.stdout
    with contextlib.closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as ledger:
        body = json.loads(ledger.execute("SELECT body FROM records WHERE procedure = 'run' ORDER BY id DESC LIMIT 1").fetchone()[0])
    [came] = [value["maintenance"] for value in body if "maintenance" in value]
    assert [(step["name"], step["status"]) for step in came["steps"]] == [("backup", "fail")] and came["status"] == "fail"
