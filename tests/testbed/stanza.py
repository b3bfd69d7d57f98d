# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real server whose log pgBackRest archives."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.postgres import PostgresTarget
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.postgres_server import PostgresServer

from tests.testbed import CHECKOUT, postgres

# The newest major that pgBackRest 2.45, Debian 12's, knows.
NEWEST = 15


@dataclass(frozen=True)
class StanzaServer:
    """A server, how to reach it, and the folder that pgBackRest's configuration, repository, logs and locks are in."""

    server: PostgresServer
    target: PostgresTarget
    folder: Path

    @property
    def login(self) -> dict[str, Any]:
        """Options of a module that logs in."""
        return {"login_host": self.target.host, "login_port": self.target.port, "login_password": self.target.password}

    @property
    def config(self) -> Path:
        """pgBackRest's configuration."""
        return self.folder / "etc" / "pgbackrest.conf"

    @property
    def repo(self) -> Path:
        """pgBackRest's repository."""
        return self.folder / "repo"

    def stanza(self, **more: Any) -> dict[str, Any]:
        """Options of the module pgbackrest_stanza."""
        return {**self.login, "stanza": "shop", "config": str(self.config), "repo_path": str(self.repo),
                "log_path": str(self.folder / "log"), "lock_path": str(self.folder / "lock"), **more}

    def backup(self, repository: Path, **more: Any) -> dict[str, Any]:
        """Options of the module backup; ``type`` and ``full_every`` go to pgBackRest."""
        native = {key: more.pop(key) for key in ("type", "full_every", "archive_age") if key in more}
        return {**self.login, "repository": str(repository), "plan": "shop", "engine": "pgbackrest",
                "pgbackrest": {"stanza": "shop", "config": str(self.config), **native}, **more}


def call(module: str, options: dict[str, Any]) -> dict[str, Any]:
    """A module's answer, for fixtures that live longer than a test.

    :raises AssertionError: where it failed
    """
    arguments = {"ANSIBLE_MODULE_ARGS": {**options, "_ansible_remote_tmp": "/tmp", "_ansible_keep_remote_files": False}}
    done = subprocess.run([sys.executable, "-m", "tests.testbed.module", module], input=json.dumps(arguments), text=True,
                          capture_output=True, timeout=300, cwd=CHECKOUT, check=False)
    answer = json.loads([line for line in done.stdout.splitlines() if line.startswith("{")][-1])
    if answer.get("failed"):
        raise AssertionError(answer)
    return answer


def installation() -> Any:
    """What such a server can be made of; None where this machine has it not."""
    found = [one for one in postgres.installations() if one.major <= NEWEST]
    return max(found, key=lambda one: one.major) if found and shutil.which("pgbackrest") else None


@contextlib.contextmanager
def stanza_server(settings: dict[str, str] | None = None) -> Iterator[StanzaServer]:
    """A fresh server, not prepared yet; all of it is removed afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="stanza-"))
    folder.chmod(0o755)  # the server's account passes through
    try:
        with postgres.running_server(installation(), settings=settings) as (server, target):
            yield StanzaServer(server, target, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
