# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What several servers are told alike is said alike: Ansible merges fragments at their top level only, so none can share suboptions."""

from __future__ import annotations

import importlib

import pytest
import yaml

from tests.architecture.test_plugins import PACKAGE

# What speaks to a server of monitoring over HTTP.
SERVERS = ("alertmanager", "elasticsearch", "jaeger", "prometheus")


@pytest.mark.parametrize("option", ["ca_cert", "timeout", "token"])
def test_options_of_a_connection_read_the_same_in_each_fragment(option):
    said = {}
    for fragment in SERVERS:
        twin = importlib.import_module(f"{PACKAGE}.doc_fragments.{fragment}")
        [group] = yaml.safe_load(twin.ModuleDocFragment.DOCUMENTATION)["options"].values()
        if option in group["suboptions"]:
            said[fragment] = group["suboptions"][option]
    assert len(said) >= 3
    first = next(iter(said))
    assert {name for name in said if said[name] != said[first]} == set(), f"not as in {first}"
