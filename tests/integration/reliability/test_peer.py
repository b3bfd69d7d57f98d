# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A failure that the peer is known for (issues 39412 and 40424 of ansible): the compressor of a dump fails, the module says changed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks.bench_backups import module
from tests.conftest import ROOT, missing
from tests.integration.reliability.figures import scaled

PROMISE = "the peer's known failure does not happen here"
TRIES = scaled(20, 3)
_SCRIPT = """
import json, subprocess, sys
from pathlib import Path
from tests.testbed.module import main
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k,mode=0700", "tmpfs", sys.argv[2]], check=True)
sys.argv = [sys.argv[0], sys.argv[1]]
main()
"""


def test_a_compressor_that_fails_is_a_failure(tmp_path, small_shop, programs, figure, monkeypatch):
    pytest.importorskip("ansible_collections.community.postgresql")
    login = {"login_host": small_shop.host, "login_port": small_shop.port, "login_user": small_shop.user,
             "login_password": small_shop.password}
    theirs, ours, told = 0, 0, set()
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    for number in range(TRIES):
        target = tmp_path / f"dump-{number}.sql.gz"
        target.symlink_to("/dev/full")
        try:
            said, _peak = module("postgresql_db", {**login, "name": small_shop.database, "state": "dump", "target": str(target)},
                                 package="community.postgresql")
            theirs += bool(said.get("changed"))
        except RuntimeError:
            pass  # it told
        answer = on_a_full_disk("backup", tmp_path / f"disk-{number}", {
            **login, "login_db": small_shop.database, "engine": "pg_dump", "plan": "shop", "bin_dir": programs, "compression": "zstd"})
        if answer.get("failed"):
            told.add(answer["error"])
        else:
            ours += 1
    figure(PROMISE, "a dump whose compressor cannot write, `community.postgresql.postgresql_db` to /dev/full beside ours to a full disk",
           f"false successes: theirs {theirs} of {TRIES}, ours {ours} of {TRIES} ({', '.join(sorted(told))})")
    assert ours == 0


def on_a_full_disk(name: str, folder: Path, options: dict) -> dict:
    """Run a module with a repository on a file system of one page, in a mount namespace of its own."""
    import json

    folder.mkdir()
    rooted = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    arguments = {"ANSIBLE_MODULE_ARGS": {**options, "repository": str(folder), "min_free": "0", "_ansible_remote_tmp": "/tmp"}}
    done = subprocess.run(["unshare", "--mount", *rooted, "--propagation", "private", sys.executable, "-c", _SCRIPT, name, str(folder)],
                          input=json.dumps(arguments), text=True, capture_output=True, cwd=ROOT, check=False, timeout=120)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if not lines:
        missing(f"A mount namespace ({done.stderr[-300:]})")
    return json.loads(lines[-1])
