# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which run, and of which version."""

from __future__ import annotations

import yaml
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.run import collection_version, run_id

from tests.conftest import ROOT


def test_a_checkout_says_the_version_of_its_galaxy_file():
    assert collection_version() == str(yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))["version"])


def test_a_run_may_be_named_from_outside(monkeypatch):
    monkeypatch.setenv("EVENKEEL_RUN_ID", "awx-4711")
    assert run_id() == "awx-4711"
