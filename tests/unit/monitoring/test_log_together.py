# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Events that are counted together are counted as each alone would be."""

from __future__ import annotations

import contextlib
from datetime import datetime, timezone

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import StorageFailed
from ansible_collections.evenkeel.ops.plugins.module_utils.monitoring import log_entries
from ansible_collections.evenkeel.ops.plugins.module_utils.monitoring.log_entries import EntryReader
from ansible_collections.evenkeel.ops.plugins.module_utils.monitoring.log_instants import Instants
from ansible_collections.evenkeel.ops.plugins.module_utils.monitoring.log_judge import LogTally
from hypothesis import example, given
from hypothesis import strategies as st

NOW = datetime(2026, 1, 15, 12, tzinfo=timezone.utc)
LIKE = st.builds("{} {}{}".format, st.sampled_from(["2026-01-15T12:00:0{}Z", "2026-01-15T12:00:00.{}Z", "2026-01-15T14:00:00+0{}:00",
                                                    "Jan 15 12:00:0{}", "{}"]).flatmap(lambda form: st.integers(0, 9).map(form.format)),
                 st.sampled_from(["ERROR", "INFO no ERROR", "CRITICAL SECURITY", "INFO SECURITY", "ERROR \u00e9", '{"level": "ERROR"}']),
                 st.sampled_from(["", " order 7", " order 8", " order 42", "\n  at x\nValueError: 3"]))


@example([["2026-01-15T14:00:00+00:00 ERROR order 7", "2026-01-15T14:00:00+01:00 ERROR order 7"]], None, 1, False)
@given(st.lists(st.lists(LIKE, max_size=12), max_size=6), st.sampled_from([None, "2026-01-15T12:00:03Z", "2026-01-15T08:00:00Z"]),
       st.sampled_from([1, 300, 1 << 20]), st.booleans())
def test_events_that_are_told_together_count_as_each_alone(batches, since, together, broken):
    def told():
        yield from ([line.encode() + b"\n" for line in batch] for batch in batches)
        if broken:
            raise StorageFailed("gone", hint="h")

    start = datetime.fromisoformat(since).timestamp() if since else None
    alone, counted = LogTally(start, {}), LogTally(start, {})
    reader = EntryReader(["ERROR", "CRITICAL"], ["SECURITY"], Instants(NOW))
    alone.add(reader.entry(line.encode() + b"\n") for batch in batches for line in batch)
    with pytest.MonkeyPatch.context() as patch, contextlib.suppress(StorageFailed):
        patch.setattr(log_entries, "_TOGETHER", together)
        counted.add_alike(EntryReader(["ERROR", "CRITICAL"], ["SECURITY"], Instants(NOW)).alike(told(), start))

    def rows(tally):
        values = tally.values(compared=False)
        return {**values, "classes": sorted(values["classes"], key=str)}

    assert rows(counted) == rows(alone)
