# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The repository that a request names, and the codecs for what is in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..adapters import storage
from ..adapters.compression import Zstd
from ..adapters.encryption import AgeCipher
from ..adapters.object_settings import SCHEME
from ..backups.payload import Codecs
from ..backups.repository import Repository
from ..core.clock import Clock
from ..core.edge import Request
from ..core.errors import InvalidOption

# Where a backup that lies in no folder of this host is gathered and read, unless the operator names a folder.
_SPOOL = Path("/var/tmp")


def open_repository(request: Request) -> Repository:
    """For the options of `adapters.storage.OPTIONS`.

    :raises StorageFailed: where a mount is asked for and nothing is mounted
    :raises InvalidOption: for a system or environment that cannot be a folder's name, and for a bucket that makes no sense
    """
    return repository_at(request["repository"], request.options.get("s3"), request["system"], request["environment"], request.clock,
                         require_mount=request["require_mount"])


def repository_at(where: str, s3: Mapping[str, Any] | None, system: str, environment: str, clock: Clock, *,
                  require_mount: bool = False) -> Repository:
    """As `open_repository`, for the second repository of a module that has two."""
    if where.startswith(SCHEME):
        if require_mount:
            raise InvalidOption(f"require_mount: {where} is no folder", hint="Leave it out")
        from ..adapters.object_place import ObjectPlace  # most repositories are folders

        return Repository(ObjectPlace.from_url(where, s3 or {}, clock), system, environment)
    if "://" in where:
        raise InvalidOption(f"repository: {where} is neither a folder nor in S3", hint="Write it as /srv/backups or s3://bucket/prefix")
    return Repository(storage.checked_repository(where, require_mount=require_mount), system, environment)


def second_repository(request: Request, first: Repository) -> Repository | None:
    """For the options of `adapters.storage.SECOND`; None where there is none.

    :raises InvalidOption: as `open_repository`, and where it is ``first``
    """
    where = request["copy_repository"]
    if not where:
        return None
    second = repository_at(where, request["copy_s3"], request["system"], request["environment"], request.clock)
    if second.place == first.place:
        raise InvalidOption(f"copy_repository: {where} is the repository itself", hint="Name another place, in another region")
    return second


def scratch_for(request: Request, repository: Repository) -> Path | None:
    """The folder of the option ``scratch``. Without it, None for a repository in a folder of this host, where a private folder in
    the repository will do; for any other the host's own folder for large temporary files.
    """
    if request["scratch"]:
        return Path(request["scratch"])
    return _SPOOL if repository.place.local is None else None


def writing_codecs(recipients: Sequence[str], *, level: int, threads: int) -> Codecs:
    """Compress, and encrypt for these public keys."""
    return Codecs(Zstd(level=level, threads=threads), AgeCipher(recipients))


def reading_codecs(identity_file: str | None) -> Codecs:
    """Decompress, and decrypt where there is a private key."""
    return Codecs(Zstd(), AgeCipher(identity_file=identity_file))
