# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import CommandFailed, Interrupted, OpsError
from ansible_collections.evenkeel.ops.plugins.module_utils.recovery.policy import Assertion
from ansible_collections.evenkeel.ops.plugins.module_utils.recovery.questions import ask


class Broken:
    """A session whose query ends with an error."""

    def __init__(self, error: OpsError) -> None:
        self.error, self.closed = error, False

    def set(self, name: str, value: str) -> None:
        pass

    def run(self, statement: str) -> None:
        pass

    def value(self, query: str) -> None:
        raise self.error

    def close(self) -> None:
        self.closed = True


def test_a_query_that_fails_is_unknown(clock):
    session = Broken(CommandFailed("no such table"))
    [finding] = ask("shop", Assertion("rows", "SELECT 1"), lambda: session, clock)
    assert finding.status == "unknown" and session.closed


def test_a_run_that_is_told_to_stop_stops(clock):
    session = Broken(Interrupted("The run was ended by SIGTERM"))
    with pytest.raises(Interrupted):
        ask("shop", Assertion("rows", "SELECT 1"), lambda: session, clock)
    assert session.closed
