# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""amcheck on real relations, sound and not."""

from __future__ import annotations

from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.postgres import connect
from ansible_collections.evenkeel.ops.plugins.module_utils.recovery.amcheck import check_relations

from tests.integration.recovery.conftest import SHOP, fill


def test_sound_relations_are_checked_all(pg):
    target = fill(pg, "sound", SHOP)
    seen = check_relations(lambda: connect(target), parallel=2)
    assert seen.corrupt == {} and seen.not_checked == "" and seen.checked > 100


def test_an_index_that_lacks_entries_is_named(pg):
    """A function that is not as immutable as it says is the common way to such an index."""
    target = fill(pg, "corrupt", (
        "CREATE FUNCTION turned(g int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN g; END'",
        "CREATE TABLE t AS SELECT g FROM generate_series(1, 1000) g",
        'CREATE INDEX "turned idx" ON t (turned(g))',
        "CREATE OR REPLACE FUNCTION turned(g int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN -g; END'"))
    seen = check_relations(lambda: connect(target), parallel=2)
    assert list(seen.corrupt) == ['public."turned idx"']
    assert "lacks matching index tuple" in seen.corrupt['public."turned idx"']
