# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine ``model_registry``, put together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..adapters.command import Commands
from ..adapters.mlflow import Mlflow, target_from
from ..adapters.mlflow_server import MlflowServer
from ..adapters.mlflow_target import MlflowTarget
from ..backups.engine import Engine, Reader
from ..backups.model_registry_engine import ModelRegistryEngine, ModelRegistryReader
from ..backups.payload import Codecs
from ..backups.repository import Backup, Repository
from ..core.edge import Request
from ..core.errors import InvalidOption
from ..core.waiting import Deadline
from ..recovery.drill import Subject
from ..recovery.model_registry import ModelRegistryDrill, Server, models_of
from ..recovery.policy import DrillPolicy
from ..recovery.restore import Restoration
from ..recovery.service_target import ServiceDestination


class ModelRegistryKit:
    """See `engines.RestoringKit`."""

    def engine(self, request: Request, repository: Repository) -> Engine:
        """Records and files of a server."""
        if request["compression"] not in ("auto", "zstd", "none"):
            raise InvalidOption(f"compression: files of models are not compressed with {request['compression']}",
                                hint="Choose auto, zstd or none")
        return ModelRegistryEngine(Mlflow(target_from(request["model_registry"])), request.clock, compress=request["compression"] != "none")

    def reader(self, request: Request) -> Reader:
        """Read here."""
        return ModelRegistryReader()

    def drill(self, request: Request, backup: Backup, codecs: Codecs, policy: DrillPolicy,
              deadline: Deadline) -> Callable[[Path], Subject]:
        """Into a server of its own."""
        server = MlflowServer(Commands(), request.clock, program=request["model_registry"]["program"])
        server.check_folder(request["scratch_dir"])

        def subject(folder: Path) -> Subject:
            scratch = Server(lambda: Mlflow(server.start(folder / "mlflow", deadline)), server.stop)
            return ModelRegistryDrill(backup, codecs, scratch, folder, jobs=request.count("jobs"), deadline=deadline)

        return subject

    def restore(self, request: Request, repository: Repository, backup: Backup, codecs: Codecs, deadline: Deadline) -> Restoration:
        """Into a server that is there, and compared as in a drill."""
        registry = Mlflow(target_from(request["model_registry"]))
        reached = Server(lambda: registry, lambda: None)
        return Restoration(
            ServiceDestination(MlflowTarget(registry), models_of(backup), Path(request["scratch_dir"])),
            lambda folder: ModelRegistryDrill(backup, codecs, reached, folder, jobs=request.count("jobs"), deadline=deadline))

    def eraser(self, request: Request) -> None:
        """Everything lies in our repository."""
