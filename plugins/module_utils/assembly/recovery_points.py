# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a physical backup is recovered to, and in which cluster, by the options of the module that asks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..adapters.command import Commands
from ..adapters.scratch_cluster import ScratchCluster
from ..backups.repository import Backup
from ..core.edge import Request
from ..recovery.physical import source_of
from ..recovery.recovery_point import RecoveryPoint, random_point


def scratch_cluster(request: Request, backup: Backup) -> ScratchCluster:
    """A cluster of the source's major version, for a while.

    :raises ToolMissing: names the package
    """
    major, superuser, database = source_of(backup)
    return ScratchCluster(Commands(), request.clock, major=major, superuser=superuser, database=database,
                          folders=[request["bin_dir"]] if request["bin_dir"] else [])


def chosen_point(request: Request, segments: Callable[[], Sequence[str]], lsn_stop: str,
                 segment_bytes: int) -> tuple[RecoveryPoint, dict[str, Any]]:
    """The newest point, or a random one between the copy and the end of its log; with what is to be recorded of the choice."""
    if request.options.get("point") != "random":
        return RecoveryPoint(), {"point": "newest"}
    seed = request.options.get("seed")
    if seed is None:
        seed = int(request.clock.now().timestamp())
    return random_point(seed, segments(), lsn_stop, segment_bytes), {"point": "random", "seed": seed}
