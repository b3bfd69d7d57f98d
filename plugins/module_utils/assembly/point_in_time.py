# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Point-in-time recovery, put together from the kits whose engines copy whole clusters."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

from ..adapters.scratch_cluster import ScratchCluster
from ..backups.payload import Codecs
from ..backups.repository import Backup, Repository
from ..core.edge import Request
from ..core.errors import InvalidOption
from ..core.waiting import Deadline
from ..recovery.physical import Copy, PhysicalDrill, Target
from ..recovery.point_in_time import DURABLE, claimed
from ..recovery.policy import DrillPolicy
from ..recovery.recovery_point import RecoveryPoint, base_for
from ..recovery.scratch import scratch_folder, sweep
from .engines import KITS


class PhysicalKit(Protocol):
    """A kit whose engine copies whole clusters."""

    def physical(self, request: Request, backup: Backup, codecs: Codecs, cluster: ScratchCluster) -> Copy:
        """A backup on its way into a data directory."""


def physical_engines() -> dict[str, PhysicalKit]:
    """The engines whose backups a log can be replayed on, by name."""
    return {name: kit for name, make in KITS.items() if hasattr(kit := make(), "physical")}


def chosen_backup(repository: Repository, point: RecoveryPoint, *, plan: str | None, id: str | None) -> Backup:
    """The backup of this id, or the one that the point is recovered from.

    :raises InvalidOption: for a backup that no log can be replayed on
    :raises NotFound: where there is none
    """
    known = physical_engines()
    if id:
        backup = repository.open(id)
        if backup.engine not in known:
            raise InvalidOption(f"Backup {id} was made by the engine {backup.engine}, on which no log can be replayed",
                                hint=f"Choose one of {', '.join(sorted(known))}")
        return backup
    if not plan:
        raise InvalidOption("Neither plan nor backup is given", hint="Name the plan, or one backup by its id")
    return base_for(point, [backup for backup in repository.list(plan) if backup.engine in known])


@contextmanager
def recovery_into(data: Path, request: Request, backup: Backup, codecs: Codecs, cluster: ScratchCluster, policy: DrillPolicy,
                  point: RecoveryPoint, deadline: Deadline) -> Iterator[PhysicalDrill]:
    """What recovers into ``data``, while that is ours and the backup is held; see `point_in_time.claimed`."""
    copy = physical_engines()[backup.engine].physical(request, backup, codecs, cluster)
    for parent in sorted({data.parent, Path(request["scratch_dir"])}):
        sweep(parent, request.clock)  # what killed runs have left, their servers among it
    with ExitStack() as stack:
        stack.enter_context(backup.held())
        stack.enter_context(claimed(data, remove_remains=request["confirm"]))
        parts = stack.enter_context(scratch_folder(data.parent))
        room = stack.enter_context(scratch_folder(Path(request["scratch_dir"])))
        yield PhysicalDrill(backup, copy, cluster, policy, room, point=point, jobs=request.count("jobs"), deadline=deadline,
                            target=Target(data, parts / "fetched", DURABLE))
