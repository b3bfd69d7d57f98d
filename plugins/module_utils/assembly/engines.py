# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every engine that there is, by the name that manifests and plans call it by.

An engine comes as a `Kit`: one file here that puts its part of ``backups`` and ``recovery`` together with its adapters. To
add one, write that file and a function in `KITS` that loads it; the modules know no engine by name.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ..adapters import engine_options, vector_stores
from ..backups.engine import Engine, Reader
from ..backups.payload import Codecs
from ..backups.repository import Backup, Repository
from ..core.edge import Request
from ..core.errors import InvalidOption, NotFound
from ..core.waiting import Deadline

if TYPE_CHECKING:
    from ..recovery.drill import Subject
    from ..recovery.policy import DrillPolicy
    from ..recovery.restore import Restoration


class Kit(Protocol):
    """What the modules ask of an engine. ``request`` has the options of the module that asks, always with ``jobs``, ``timeout``
    and ``bin_dir``.
    """

    def engine(self, request: Request, repository: Repository) -> Engine:
        """What makes backups, for the module `backup`.

        :raises InvalidOption: for options that this engine does not take
        """

    def reader(self, request: Request) -> Reader:
        """What reads backups in full, for the module `backup_verify`."""

    def drill(self, request: Request, backup: Backup, codecs: Codecs, policy: DrillPolicy,
              deadline: Deadline) -> Callable[[Path], Subject]:
        """What makes the drill of a backup in a folder; programs and folders are looked at here, before anything is begun.

        :raises OpsError: where something that a drill needs is missing
        """

    def eraser(self, request: Request) -> Callable[[Backup], None] | None:
        """What deletes a copy from the engine's own repository, after its manifest is gone; None where there is no such thing.

        A copy that is gone already is no error, for the run before may have been killed in between.
        """


class RestoringKit(Kit, Protocol):
    """A kit whose engine's backups can be restored for good, by the module `backup_restore`."""

    def restore(self, request: Request, repository: Repository, backup: Backup, codecs: Codecs, deadline: Deadline) -> Restoration:
        """Where to, and what does it; programs and options are looked at here, before anything is begun.

        ``request`` has, beside what every kit's has, ``path``, ``target_database``, ``owners``, ``scratch_dir`` and the options of
        `adapters.postgres`.

        :raises OpsError: where something is missing
        """


# A run needs one engine, and loads that one: each import is inside the function that makes the kit.


def _pg_dump() -> Kit:
    from .pg_dump import PgDumpKit
    return PgDumpKit()


def _pgbackrest() -> Kit:
    from .pgbackrest import PgBackRestKit
    return PgBackRestKit()


def _pg_basebackup() -> Kit:
    from .pg_basebackup import PgBasebackupKit
    return PgBasebackupKit()


def _archive() -> Kit:
    from .archive import ArchiveKit
    return ArchiveKit()


def _restic() -> Kit:
    from .restic import ResticKit
    return ResticKit()


def _configuration() -> Kit:
    from .configuration import ConfigurationKit
    return ConfigurationKit()


def _kubernetes() -> Kit:
    from .kubernetes import KubernetesKit
    return KubernetesKit()


def _vector_store() -> Kit:
    from .vector_store import VectorStoreKit
    return VectorStoreKit()


def _model_registry() -> Kit:
    from .model_registry import ModelRegistryKit
    return ModelRegistryKit()


KITS: dict[str, Callable[[], Kit]] = {
    "pg_dump": _pg_dump, "pgbackrest": _pgbackrest, "pg_basebackup": _pg_basebackup, "archive": _archive, "restic": _restic,
    "configuration": _configuration, "kubernetes": _kubernetes, "vector_store": _vector_store, "model_registry": _model_registry,
}

# What engines are told beside the options that all share: one option for each, of the engine's name, a dictionary. Every module
# that calls a kit takes them.
OPTIONS = (
    engine_options.RESTIC + engine_options.PGBACKREST + engine_options.PG_BASEBACKUP + engine_options.CONFIGURATION + vector_stores.OPTIONS
    + engine_options.MODEL_REGISTRY + engine_options.KUBERNETES
)


def kit_for(engine: str) -> Kit:
    """The kit of an engine.

    :raises NotFound: where this version has none of that name
    """
    if engine not in KITS:
        raise NotFound(f"There is no engine {engine!r}",
                       hint=f"Known are {', '.join(sorted(KITS))}; a newer version of evenkeel.ops may have it")
    return KITS[engine]()


def readers(request: Request) -> Callable[[str], Reader]:
    """The reader of each engine by its name, made once.

    :raises NotFound: from it, as `kit_for`
    """
    return cache(lambda engine: kit_for(engine).reader(request))


def restoring_kit_for(engine: str) -> RestoringKit:
    """The kit of an engine, where it restores for good.

    :raises NotFound: where this version has none of that name
    :raises InvalidOption: where its backups are not restored by `backup_restore`
    """
    kit = kit_for(engine)
    if not hasattr(kit, "restore"):
        able = ", ".join(sorted(name for name, make in KITS.items() if hasattr(make(), "restore")))
        raise InvalidOption(f"Backups of the engine {engine} are not restored by this module",
                            hint=f"It restores those of {able}; see docs/recovery.md for this engine's own way")
    return kit
