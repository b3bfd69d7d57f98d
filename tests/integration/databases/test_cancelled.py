# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Maintenance that somebody stops: over SSH too it says how far it is, ends on the host, and leaves nothing behind."""

from __future__ import annotations

import json
import signal
import sys

import pytest

from tests.conftest import missing
from tests.integration.databases.conftest import REINDEX, login, sick_table
from tests.integration.databases.test_postgresql_reindex import eventually, invalid, old_transaction
from tests.testbed import ssh
from tests.testbed.interruptible import begin_playbook


@pytest.fixture
def over_ssh(tmp_path):
    if not ssh.available():
        missing("An SSH server (package openssh-server)")
    with ssh.serve_ssh(tmp_path) as variables:
        yield {**variables, "ansible_python_interpreter": sys.executable, "evenkeel_progress_interval": "300ms"}


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_maintenance_that_is_cancelled_ends_on_the_host_and_leaves_nothing(over_ssh, tmp_path, database, session, how):
    sick_table(session, "t")
    session.run("VACUUM ANALYZE t")
    options = login(database, policy=REINDEX, lock_timeout="1h", time_budget="1h")
    (tmp_path / "play.json").write_text(json.dumps([{"hosts": "all", "gather_facts": False,
                                                     "tasks": [{"evenkeel.ops.postgresql_reindex": options}]}]))
    (tmp_path / "hosts.json").write_text(json.dumps({"all": {"hosts": {"db1": over_ssh}}}))
    with old_transaction(database) as old:
        run = begin_playbook("-i", tmp_path / "hosts.json", tmp_path / "play.json")
        said = []
        for line in run.stdout:
            said.append(line)
            if line.startswith("db1: maintenance, 1 of 1: reindex table public.t: for "):
                break
        else:
            raise AssertionError("".join(said))
        eventually(lambda: invalid(session))  # it is under way, and waits for the old transaction
        run.send_signal(how)
        run.communicate(timeout=180)
        eventually(lambda: not session.fetch("SELECT FROM pg_stat_activity WHERE query LIKE 'REINDEX%'"))
        old.run("SELECT 1")  # it is still what the rebuild would be waiting for
    eventually(lambda: invalid(session) == [])
