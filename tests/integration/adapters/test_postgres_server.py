# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server of our own: started, answered for, and gone with whoever started it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.command import Commands
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.postgres import PostgresTarget, connect
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.postgres_server import (
    PostgresServer,
    find_installations,
    installation_for,
)
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import SystemClock
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import CommandFailed, ToolMissing

from tests.conftest import ROOT


@pytest.fixture
def folder():
    with tempfile.TemporaryDirectory(prefix="evenkeel-test-", ignore_cleanup_errors=True) as made:
        Path(made).chmod(0o755)  # the server's account passes through
        yield Path(made)


@pytest.fixture
def server(installation, folder):
    made = PostgresServer(Commands(), installation, folder / "it's a server", SystemClock(), settings={"fsync": "off"})
    yield made
    made.remove()


def test_it_starts_answers_and_is_removed_with_all_that_it_wrote(server, installation):
    server.initialize()
    server.start()
    assert psutil.pid_exists(server.pid)
    with connect(PostgresTarget(host=server.socket_folder)) as session:
        assert session.server_major == installation.major and session.value("SHOW data_checksums") == "on"
        assert session.value("SHOW listen_addresses") == ""
    pid = server.pid
    server.stop()
    server.stop()
    assert server.pid is None and not psutil.pid_exists(pid)
    server.start()  # what was there is there again
    server.remove()
    assert not server.folder.exists()


def test_a_server_that_does_not_start_shows_its_log(server):
    server.initialize()
    server.settings["shared_buffers"] = "nonsense"
    with pytest.raises(CommandFailed) as error:
        server.start()
    assert "shared_buffers" in error.value.evidence["log"] and error.value.hint and server.pid is None


def test_two_servers_do_not_share_one_folder(server):
    server.initialize()
    server.start()
    twin = PostgresServer(Commands(), server.installation, server.folder, SystemClock())
    with pytest.raises(CommandFailed):
        twin.start()
    with connect(PostgresTarget(host=server.socket_folder)) as session:
        assert session.value("SELECT 1") == 1


def test_it_ends_when_its_starter_is_killed(installation, folder):
    code = "\n".join([
        "import sys, time, tests.conftest",
        "from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.command import Commands",
        "from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.postgres_server import Installation, PostgresServer",
        "from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import SystemClock",
        f"server = PostgresServer(Commands(), Installation({installation.folder!r}, {installation.version!r}), sys.argv[1], SystemClock())",
        "server.initialize(); server.start(); print(server.pid, flush=True); time.sleep(60)",
    ])
    with subprocess.Popen([sys.executable, "-c", code, str(folder / "server")], cwd=ROOT, stdout=subprocess.PIPE, text=True) as starter:
        postmaster = psutil.Process(int(starter.stdout.readline()))
        family = [postmaster, *postmaster.children(recursive=True)]
        starter.kill()
    gone, alive = psutil.wait_procs(family, timeout=60)
    assert len(gone) > 1 and not alive


def test_an_installation_is_found_by_major_or_the_nearest_newer_and_else_named(installation):
    commands = Commands()
    found = find_installations(commands, program="postgres", folders=[installation.folder])
    assert found[0].folder == installation.folder
    assert installation_for(commands, installation.major, program="initdb", folders=[installation.folder]).major == installation.major
    with pytest.raises(ToolMissing) as error:
        installation_for(commands, 99, program="initdb", folders=[installation.folder])
    assert error.value.hint == "Install the package postgresql-99" and str(installation.major) in error.value.message
    with pytest.raises(ToolMissing, match="has no pg_nonsense"):
        installation.program("pg_nonsense")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root hands the server to another account")
def test_as_root_it_runs_under_an_account_of_its_own(server):
    server.initialize(password="it's secret")
    server.start()
    assert psutil.Process(server.pid).username() == server.account != "root"
    assert not (server.folder / "superuser").exists()
    began = time.monotonic()
    server.stop()
    assert time.monotonic() - began < 20
