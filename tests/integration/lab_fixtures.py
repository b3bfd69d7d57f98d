# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures: a lab of the tests' own, in a folder of its own, driven as a person drives it: by its command line."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.testbed.lab_home import LabHome
from tests.testbed.playbook_host import PlaybookHost


@dataclass
class LabUnderTest:
    """One lab: its home, its command line, and what its playbooks are run by."""

    home: LabHome
    playbooks: PlaybookHost

    def __call__(self, verb: str, *words: str, check: bool = True) -> subprocess.CompletedProcess:
        """Run ``python -m tests.testbed.lab VERB``; what it starts ends with the tests, whatever ends them."""
        ends_with_us = ["--while", str(os.getpid())] if verb == "up" else []
        done = subprocess.run(
            [sys.executable, "-m", "tests.testbed.lab", verb, "--home", str(self.home.folder), *ends_with_us, *words],
            cwd=ROOT, text=True, capture_output=True, timeout=180, check=False)
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    @property
    def state(self) -> dict[str, Any]:
        """What the inventory reads."""
        return json.loads(self.home.state_file.read_text(encoding="utf-8"))

    def playbook(self, name: str, *options: str, variables: dict[str, Any] | None = None) -> subprocess.CompletedProcess:
        """Run a playbook by its full name against this lab."""
        return self.playbooks.run(
            [name, "-i", str(ROOT / "inventories" / "lab"), "-e", json.dumps(variables or {}), *options], folder=ROOT, timeout=600,
            environment={**os.environ, "EVENKEEL_LAB": str(self.home.folder), "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
                         "ANSIBLE_NOCOLOR": "1"})


def _lab(playbooks: PlaybookHost) -> Iterator[LabUnderTest]:
    folder = Path(tempfile.mkdtemp(prefix="evenkeel-lab-"))
    folder.chmod(0o755)  # PostgreSQL's account passes through
    lab = LabUnderTest(LabHome(folder / "home"), playbooks)
    try:
        yield lab
    finally:
        lab("clean", check=False)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def own_lab(playbook_host: PlaybookHost) -> Iterator[LabUnderTest]:
    """A lab that is not started yet, for one test."""
    yield from _lab(playbook_host)


@pytest.fixture(scope="module")
def lab(playbook_host: PlaybookHost) -> Iterator[LabUnderTest]:
    """A running lab for all tests of a file."""
    for one in _lab(playbook_host):
        one("up")
        yield one
