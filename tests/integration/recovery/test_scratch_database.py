# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The scratch database takes over the source's encoding and locale where the host can."""

from __future__ import annotations

import shutil

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.command import Commands
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.scratch_database import ScratchDatabase
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import SystemClock
from ansible_collections.evenkeel.ops.plugins.module_utils.core.waiting import Deadline


@pytest.mark.parametrize("locale, encoding, collate, noted", [
    ({}, "UTF8", "C", False),
    ({"encoding": "LATIN1", "collate": "C", "ctype": "C", "provider": "c", "locale": None}, "LATIN1", "C", False),
    ({"encoding": "UTF8", "collate": "C.UTF-8", "ctype": "C.UTF-8", "provider": "c", "locale": None}, "UTF8", "C.UTF-8", False),
    ({"encoding": "UTF8", "collate": "kl'{i}%n_GON", "ctype": "C", "provider": "c", "locale": None}, "UTF8", "C", True),
])
def test_encoding_and_locale(installation, scratch, locale, encoding, collate, noted):
    database = ScratchDatabase(Commands(), SystemClock(), major=installation.major, folders=[installation.folder])
    try:
        database.prepare(scratch / "server", Deadline(SystemClock(), 60))
        notes = database.create(locale)
        with database.session() as session:
            assert session.fetch("SELECT pg_encoding_to_char(encoding)::text AS encoding, datcollate::text AS collate"
                                 " FROM pg_database WHERE datname = current_database()") == [
                {"encoding": encoding, "collate": collate}]
            assert session.value("SHOW listen_addresses") == ""
        assert bool(notes) is noted
    finally:
        database.stop()
        shutil.rmtree(scratch / "server")
