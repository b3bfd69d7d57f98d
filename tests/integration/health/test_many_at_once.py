# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""More targets at once than this process may open files: it bounds itself and says so, and nothing is lost."""

from __future__ import annotations

import json
import resource
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tests.testbed.http import serve_http

_FEW = 100


@pytest.mark.parametrize("hard, bounded", [(_FEW, True), (resource.getrlimit(resource.RLIMIT_NOFILE)[1], False)])
def test_as_many_as_may_be_open_are_probed_at_once(hard, bounded):
    """A low soft limit is raised as far as the hard one allows; that one bounds."""
    with serve_http() as web:
        arguments = {"ANSIBLE_MODULE_ARGS": {
            "targets": [{"name": f"target {number}", "url": f"{web.url}/slow?ms=50&n={number}"} for number in range(300)],
            "concurrency": 300, "_ansible_remote_tmp": "/tmp", "_ansible_keep_remote_files": False}}
        done = subprocess.run(
            [sys.executable, "-m", "tests.testbed.module", "health_probe"], input=json.dumps(arguments), text=True, capture_output=True,
            timeout=100, cwd=ROOT, check=False, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (_FEW, hard)))
    answer = json.loads([line for line in done.stdout.splitlines() if line.startswith("{")][-1])
    assert {finding["status"] for finding in answer["findings"]} == {"pass"}, answer
    assert ("may open no more files" in str(answer.get("warnings"))) == bounded
