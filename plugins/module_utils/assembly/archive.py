# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine ``archive``, put together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..adapters import storage
from ..adapters.command import Commands
from ..adapters.tar import Tar
from ..adapters.tar_compare import compare_with_tar
from ..backups.archive_engine import ArchiveEngine, ArchivePolicy, ArchiveReader
from ..backups.engine import Engine, Reader
from ..backups.payload import Codecs
from ..backups.repository import Backup, Repository
from ..core.edge import Request
from ..core.errors import InvalidOption
from ..core.quantities import parse_duration
from ..core.waiting import Deadline
from ..recovery.drill import Subject
from ..recovery.files import FilesDrill
from ..recovery.folder_target import FolderDestination
from ..recovery.policy import DrillPolicy
from ..recovery.restore import Restoration


class ArchiveKit:
    """See `engines.Kit`."""

    def engine(self, request: Request, repository: Repository) -> Engine:
        """Files and folders as one tar stream."""
        if request["compression"] not in ("auto", "zstd", "none"):
            raise InvalidOption(f"compression: an archive is not compressed with {request['compression']}",
                                hint="Choose auto, zstd or none")
        policy = ArchivePolicy(tuple(request["paths"]), tuple(request["exclude"]), compress=request["compression"] != "none",
                               timeout=parse_duration(request["timeout"], option="timeout"))
        return ArchiveEngine(Tar(Commands()), policy, request.clock, storage.tree_bytes, repository.root)

    def reader(self, request: Request) -> Reader:
        """tar reads it."""
        return ArchiveReader(Tar(Commands()), timeout=parse_duration(request["timeout"], option="timeout"))

    def drill(self, request: Request, backup: Backup, codecs: Codecs, policy: DrillPolicy,
              deadline: Deadline) -> Callable[[Path], Subject]:
        """Unpacked into a folder, and compared."""
        commands = Commands()
        tar = Tar(commands)
        return lambda folder: FilesDrill(
            backup, codecs, tar, lambda feed, target: compare_with_tar(commands, tar.program, feed, target), folder,
            jobs=request.count("jobs"), deadline=deadline)

    def restore(self, request: Request, repository: Repository, backup: Backup, codecs: Codecs, deadline: Deadline) -> Restoration:
        """Unpacked into a folder, and compared as in a drill."""
        if not request["path"]:
            raise InvalidOption(f"Backup {backup.id} holds files, and no path was named", hint="Name the folder to restore to")
        commands = Commands()
        tar = Tar(commands)
        return Restoration(
            FolderDestination(request["path"], repository.root, request.clock, storage.free_bytes),
            lambda folder: FilesDrill(backup, codecs, tar, lambda feed, target: compare_with_tar(commands, tar.program, feed, target),
                                      folder, jobs=request.count("jobs"), deadline=deadline))

    def eraser(self, request: Request) -> None:
        """Everything lies in our repository."""
