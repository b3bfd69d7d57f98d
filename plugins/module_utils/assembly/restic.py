# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine ``restic``, put together."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..adapters import storage
from ..adapters.command import Commands
from ..adapters.restic import Restic, ResticTarget
from ..backups.archive_engine import ArchivePolicy
from ..backups.engine import Engine, Reader
from ..backups.payload import Codecs
from ..backups.repository import Backup, Repository
from ..backups.restic_engine import ResticEngine, ResticPolicy, ResticReader, erase
from ..core.edge import Request
from ..core.errors import InvalidOption
from ..core.quantities import parse_duration
from ..core.waiting import Deadline
from ..recovery.drill import Subject
from ..recovery.folder_target import FolderDestination
from ..recovery.policy import DrillPolicy
from ..recovery.restore import Restoration
from ..recovery.snapshot import SnapshotDrill


class ResticKit:
    """See `engines.Kit`."""

    def engine(self, request: Request, repository: Repository) -> Engine:
        """Files and folders as a snapshot."""
        if request["compression"] != "auto":
            raise InvalidOption(f"compression: restic compresses as its repository says, not with {request['compression']}",
                                hint="Leave it out")
        files = ArchivePolicy(tuple(request["paths"]), tuple(request["exclude"]))  # the same paths make sense
        target = ResticTarget.from_options(request["restic"])
        policy = ResticPolicy(
            files.paths, files.exclude, list=request["fingerprint"], initialize=request["restic"]["initialize"], jobs=request.count("jobs"),
            tags=(f"plan={repository.system}/{repository.environment}/{request['plan']}",), timeout=_timeout(request))
        without = [os.fspath(repository.root), *([os.path.realpath(target.repository)] if target.is_local else [])]
        return ResticEngine(_open(request, target), policy, request.clock, lambda: repository.list(request["plan"]), without)

    def reader(self, request: Request) -> Reader:
        """restic reads it."""
        return ResticReader(lambda backup: _of(request, backup), parts=_told(request).get("verify_parts", 10), timeout=_timeout(request))

    def drill(self, request: Request, backup: Backup, codecs: Codecs, policy: DrillPolicy,
              deadline: Deadline) -> Callable[[Path], Subject]:
        """Restored into a folder, and compared; with nothing from this host's cache, which would stand for what is lost or altered."""
        _of(request, backup)  # tells bad options first
        return lambda folder: SnapshotDrill(backup, codecs, _of(request, backup, cache=folder / "cache"), folder,
                                            jobs=request.count("jobs"), deadline=deadline)

    def restore(self, request: Request, repository: Repository, backup: Backup, codecs: Codecs, deadline: Deadline) -> Restoration:
        """Restored into a folder, and compared as in a drill."""
        if not request["path"]:
            raise InvalidOption(f"Backup {backup.id} holds files, and no path was named", hint="Name the folder to restore to")
        restic = _of(request, backup)
        return Restoration(
            FolderDestination(request["path"], Path(repository.root), request.clock, storage.free_bytes),
            lambda folder: SnapshotDrill(backup, codecs, restic, folder, jobs=request.count("jobs"), deadline=deadline))

    def eraser(self, request: Request) -> Callable[[Backup], None]:
        """The snapshot is forgotten, and data that no other needs is deleted."""
        return lambda backup: erase(_of(request, backup), backup, timeout=_timeout(request))


def _of(request: Request, backup: Backup, *, cache: Path | None = None) -> Restic:
    """The repository of a backup; the request's files come before those that the backup remembers."""
    target = ResticTarget.from_options(_told(request), backup.manifest.native or {})
    return _open(request, target if cache is None else replace(target, cache=os.fspath(cache)))


def _open(request: Request, target: ResticTarget) -> Restic:
    folder = request.options.get("bin_dir")
    return Restic(Commands(), target, request.clock, [folder] if folder else [])


def _told(request: Request) -> dict[str, Any]:
    return request.options.get("restic") or {}


def _timeout(request: Request) -> float:
    return parse_duration(request.options.get("timeout") or "4h", option="timeout")
