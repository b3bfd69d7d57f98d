# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which run, and of which version."""

from __future__ import annotations

import getpass
import platform

import yaml
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.run import collection_version, run_by, run_id

from tests.conftest import ROOT


def test_a_checkout_says_the_version_of_its_galaxy_file():
    assert collection_version() == str(yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))["version"])


def test_a_run_may_be_named_from_outside(monkeypatch):
    monkeypatch.setenv("EVENKEEL_RUN_ID", "awx-4711")
    assert run_id() == "awx-4711"


def test_a_person_is_named_beside_the_account():
    account = f"{getpass.getuser()} on {platform.node()}"
    assert run_by() == run_by(getpass.getuser()) == account and run_by("G. Lovelace") == f"G. Lovelace ({account})"
    assert len(run_by("x" * 5000)) <= 256, "a record has room for no more"
