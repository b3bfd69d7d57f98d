# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Retention keeps proof: ten thousand random histories, with a clock that lies by an hour and by a year."""

from __future__ import annotations

from tests.integration.reliability.figures import scaled
from tests.unit.backups.test_retention_histories import run_histories

HISTORIES = scaled(10_000, 1_000)


def test_retention_keeps_proof(figure):
    seen = run_histories(HISTORIES)
    figure("retention keeps proof", "random histories of a plan: made in chains, verified, drilled, copied, pruned (hypothesis)",
           f"{seen['histories']} histories, {seen['prunes']} prunes, {seen['deletions']} deletions: last proven copy deleted "
           f"{seen['last proven deleted']}, last verified {seen['last verified deleted']}, links of kept chains "
           f"{seen['links of kept chains deleted']}")
    figure("the clock may lie", "the same histories, each pruned with the clock off by 1 hour or 1 year too",
           f"{seen['prunes']} prunes: wrong deletions {seen['wrong deletions under a lie']}")
    assert seen["deletions"] > HISTORIES, "the histories must have something to delete"
    for word in ("last proven deleted", "last verified deleted", "links of kept chains deleted", "wrong deletions under a lie"):
        assert seen[word] == 0
