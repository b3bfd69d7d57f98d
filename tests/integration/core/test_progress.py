# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines on the console while a module works, over a local and an SSH connection; and what a cancelled run leaves: nothing."""

from __future__ import annotations

import json
import os
import re
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import missing
from tests.testbed import ssh
from tests.testbed.changing_files import files_below
from tests.testbed.interruptible import begin_playbook

PLAN = f"big-{secrets.token_hex(4)}"  # of this run alone, for others on this machine may be the same test
PLAY = """
- hosts: all
  gather_facts: false
  tasks:
    - evenkeel.ops.backup:
        {{repository: {home}/repository, plan: {plan}, engine: archive, paths: [{home}/source], compression_level: {level}}}
      no_log: {hidden}
      register: made
    - ansible.builtin.debug: {{msg: "found {{{{ made.summary }}}}"}}
"""


@pytest.fixture(scope="module", params=["local", "ssh"])
def host(request, tmp_path_factory) -> Iterator[dict[str, Any]]:
    """Inventory variables."""
    interpreter = {"ansible_python_interpreter": sys.executable}
    if request.param == "local":
        yield {"ansible_connection": "local", **interpreter}
        return
    if not ssh.available():
        missing("An SSH server (package openssh-server)")
    home = tmp_path_factory.mktemp("ssh")
    if request.param == "slow":
        (home / "slow").write_text('#!/bin/sh\nsleep 1\nexec ssh "$@"\n')
        (home / "slow").chmod(0o755)
        interpreter["ansible_ssh_executable"] = str(home / "slow")
    with ssh.serve_ssh(home) as variables:
        yield {**variables, **interpreter}


@pytest.fixture
def begin(host, tmp_path):
    """Start a run that takes some seconds."""
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "noise").write_bytes(os.urandom(40 * 2**20).hex().encode())

    def run(*, level: int = 13, hidden: bool = False, interval: str = "300ms", options: tuple[str, ...] = ()) -> subprocess.Popen:
        (tmp_path / "play.yml").write_text(PLAY.format(home=tmp_path, plan=PLAN, level=level, hidden=str(hidden).lower()))
        hosts = {"hosts": {"db1": host}, "vars": {"evenkeel_progress_interval": interval}}
        (tmp_path / "hosts.json").write_text(json.dumps({"all": hosts}))
        return begin_playbook(tmp_path / "play.yml", "-i", tmp_path / "hosts.json", *options)

    return run


def left(tmp_path: Path) -> list[Path]:
    """Progress files of this plan, for others may be at work here, and what is in the repository."""
    return [path for folder in ("/tmp", "/var/tmp") for path in Path(folder).glob("evenkeel-progress-*") if _ours(path)] + [
        path for path in files_below(tmp_path / "repository") if path.name == "manifest.json"]


def _ours(path: Path) -> bool:
    try:
        return f"backup of {PLAN}".encode() in path.read_bytes()
    except FileNotFoundError:
        return False


def test_lines_come_while_it_works_and_the_result_is_the_modules_own(begin, tmp_path):
    process = begin()
    seen: list[tuple[float, str]] = []
    began = time.monotonic()
    for line in process.stdout:
        if line.startswith(f"db1: backup of {PLAN}"):
            seen.append((time.monotonic() - began, line))
        last = line
    assert process.wait() == 0, last
    ended = time.monotonic() - began
    told = [int(found[1]) for _at, line in seen if (found := re.search(r" (\d+)%, .* of 8\d\.\d MiB, .*/s, ", line))]
    assert told and told == sorted(told), seen
    assert seen[0][0] < ended - 0.5, "not only at its end"
    assert len(left(tmp_path)) == 1, "the manifest, and no progress file"


def test_nothing_is_shown_where_nothing_is_to_be_shown(begin, tmp_path):
    for variant in ({"hidden": True}, {"interval": "0"}, {"options": ("--check",)}):
        said, _errors = begin(level=3, **variant).communicate()
        assert f"backup of {PLAN}" not in said and "found " in said, said
    said, _errors = begin(interval="soon").communicate()
    assert "evenkeel_progress_interval" in said and "is not a duration" in said


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("host", ["local", "ssh", "slow"], indirect=True)
def test_a_run_that_is_cancelled_ends_the_module_too(begin, tmp_path, how):
    process = begin(level=19)
    for line in process.stdout:
        if line.startswith(f"db1: backup of {PLAN}"):
            break
    [worker] = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    process.send_signal(how)
    with suppress(ProcessLookupError):  # as ansible-playbook does, more or less often
        for _time in range(3):
            time.sleep(0.1)
            os.kill(int(worker), signal.SIGTERM)
    process.communicate(timeout=180)
    deadline = time.monotonic() + 60
    while left(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert left(tmp_path) == [], "the module took back what it began, and removed its progress file"
    assert list(tmp_path.glob("repository/**/data/*")) == []
