# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine ``configuration``, put together: archives, restored and drilled as those of ``archive``."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

from ..adapters.command import Commands
from ..adapters.git import Blob, History
from ..adapters.tar import Tar
from ..adapters.tar_compare import compare_with_tar
from ..backups.archive_engine import ArchivePolicy
from ..backups.configuration_engine import ConfigurationEngine, ConfigurationReader, KeepingPolicy, checked_history
from ..backups.engine import Engine, Reader
from ..backups.payload import Codecs
from ..backups.repository import Backup, Repository
from ..core.edge import Request
from ..core.errors import InvalidOption
from ..core.quantities import parse_duration, parse_size
from ..core.waiting import Deadline
from ..recovery.configuration import ConfigurationDrill
from ..recovery.drill import Subject
from ..recovery.policy import DrillPolicy
from .archive import ArchiveKit


class ConfigurationKit(ArchiveKit):
    """See `engines.Kit`."""

    def engine(self, request: Request, repository: Repository) -> Engine:
        """An archive and a commit for each change."""
        if request["compression"] not in ("auto", "zstd", "none"):
            raise InvalidOption(f"compression: an archive is not compressed with {request['compression']}",
                                hint="Choose auto, zstd or none")
        told = request["configuration"]
        timeout = parse_duration(request["timeout"], option="timeout")
        policy = ArchivePolicy(tuple(request["paths"]), tuple(request["exclude"]), compress=request["compression"] != "none",
                               timeout=timeout)
        keeping = KeepingPolicy(tuple(told["secret_names"]), archive_secrets=told["secrets"] == "archive",
                                largest=parse_size(told["largest"], option="configuration.largest"))
        if keeping.archive_secrets and not request["recipients"]:
            raise InvalidOption("configuration.secrets: archive takes an encrypted backup", hint="Give recipients, or leave_out")
        commands = Commands()
        history = History(commands, checked_history(told["history"]), timeout=timeout)
        return ConfigurationEngine(Tar(commands), policy, keeping, history, request.clock, repository=os.fspath(repository.root),
                                   host=socket.gethostname(), make_blob=Blob)

    def reader(self, request: Request) -> Reader:
        """tar reads it, and the content is compared."""
        return ConfigurationReader(Tar(Commands()), timeout=parse_duration(request["timeout"], option="timeout"))

    def drill(self, request: Request, backup: Backup, codecs: Codecs, policy: DrillPolicy,
              deadline: Deadline) -> Callable[[Path], Subject]:
        """Unpacked into a folder, and compared."""
        commands = Commands()
        tar = Tar(commands)
        reader = ConfigurationReader(tar, timeout=max(1.0, deadline.left))
        return lambda folder: ConfigurationDrill(
            backup, codecs, tar, lambda feed, target: compare_with_tar(commands, tar.program, feed, target), folder,
            jobs=request.count("jobs"), deadline=deadline, reader=reader)
