# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups made of plain values, for what is pure."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.manifest import Manifest, StoredFile
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.repository import Backup
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import format_instant


def manifest(created_at: datetime, *, plan: str = "shop", number: int = 0, **changes: Any) -> Manifest:
    values = {
        "id": f"{created_at:%Y%m%dT%H%M%SZ}-{number:06x}", "system": "unnamed", "environment": "unnamed", "plan": plan,
        "engine": "pg_dump", "created_at": created_at, "data_at": created_at, "tools": {"pg_dump": "17.2"},
        "files": (StoredFile("toc.dat", 3, "0" * 64, 3),), "source": {"host": "db", "port": 5432, "database": "shop"},
    }
    return Manifest(**{**values, **changes})


@pytest.fixture
def backup() -> Callable[..., Backup]:
    """``backup(created_at, verified=True, proven=False, failed=False)``: a value, not a folder."""

    def make(created_at: datetime, *, verified: bool = False, proven: bool = False, failed: bool = False, **changes: Any) -> Backup:
        at = format_instant(created_at)
        records = [{"kind": kind, "status": status, "at": at} for kind, status, wanted in (
            ("verify", "pass", verified), ("drill", "pass", proven), ("verify", "fail", failed)) if wanted]
        one = manifest(created_at, **changes)
        return Backup(Path("/nowhere") / one.plan / one.id, one, tuple(records))

    return make
