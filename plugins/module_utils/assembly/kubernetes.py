# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine ``kubernetes``, put together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..adapters import storage
from ..adapters.kubernetes import open_cluster
from ..backups.engine import Engine, Reader
from ..backups.kubernetes_engine import ExportPolicy, KubernetesEngine, KubernetesReader
from ..backups.payload import Codecs
from ..backups.repository import Backup, Repository
from ..core.edge import Request
from ..core.errors import InvalidOption
from ..core.waiting import Deadline
from ..recovery.drill import Subject
from ..recovery.folder_target import FolderDestination
from ..recovery.objects import ObjectsDrill, ObjectsFile
from ..recovery.policy import DrillPolicy
from ..recovery.restore import Restoration

_REMEMBERED = ("kubeconfig", "context", "scratch_kubeconfig", "scratch_context")


class KubernetesKit:
    """See `engines.Kit`."""

    def engine(self, request: Request, repository: Repository) -> Engine:
        """The objects of one namespace."""
        if request["compression"] not in ("auto", "zstd", "none"):
            raise InvalidOption(f"compression: an export is not compressed with {request['compression']}",
                                hint="Choose auto, zstd or none")
        told = request["kubernetes"]
        if told["include_secrets"] and not request["recipients"]:
            raise InvalidOption("kubernetes.include_secrets takes an encrypted backup", hint="Give recipients, or leave secrets out")
        policy = ExportPolicy(
            told["namespace"] or "", include_secrets=told["include_secrets"], exclude_kinds=tuple(told["exclude_kinds"]),
            compress=request["compression"] != "none", remembered={key: told[key] for key in _REMEMBERED if told[key]})
        return KubernetesEngine(open_cluster(told), policy, request.clock)

    def reader(self, request: Request) -> Reader:
        """It is read here: no cluster is asked."""
        return KubernetesReader()

    def drill(self, request: Request, backup: Backup, codecs: Codecs, policy: DrillPolicy,
              deadline: Deadline) -> Callable[[Path], Subject]:
        """Applied to a scratch namespace, or to a second API server, and compared."""
        told, remembered = _told(request), backup.manifest.source.get("remembered") or {}
        api = open_cluster(told, remembered, scratch=True)
        elsewhere = bool(told.get("scratch_kubeconfig") or remembered.get("scratch_kubeconfig"))
        if elsewhere and api.host == backup.manifest.source["host"]:
            raise InvalidOption(f"kubernetes.scratch_kubeconfig: it is the source's own API server, {api.host}",
                                hint="Name another one, or none for a scratch namespace on the source's cluster")
        return lambda _folder: ObjectsDrill(backup, codecs, api, request.clock, elsewhere=elsewhere, deadline=deadline)

    def restore(self, request: Request, repository: Repository, backup: Backup, codecs: Codecs, deadline: Deadline) -> Restoration:
        """Written to a folder, for ``kubectl apply --server-side -f objects.yaml``."""
        if not request["path"]:
            raise InvalidOption(f"Backup {backup.id} holds objects, and no path was named", hint="Name the folder to write them to")
        return Restoration(FolderDestination(request["path"], Path(repository.root), request.clock, storage.free_bytes),
                           lambda folder: ObjectsFile(backup, codecs, folder))

    def eraser(self, request: Request) -> None:
        """Everything lies in our repository."""


def _told(request: Request) -> dict[str, Any]:
    return request.options.get("kubernetes") or {}
