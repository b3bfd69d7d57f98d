# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Making a backup when one is due: look, take the lease, make room, produce, and write the manifest last."""

from __future__ import annotations

import os
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path, PurePath
from typing import Any

from ..core import progress
from ..core.clock import Clock, format_instant
from ..core.errors import InvalidOption, OpsError, StorageFailed
from ..core.files import private_folder, storage_errors, sync_folder
from ..core.finding import Finding, Status
from ..core.quantities import format_duration, format_size
from .engine import Engine, Product, Source, identity_of
from .lease import clear_scratch, scratch_folder
from .manifest import Manifest, StoredFile
from .payload import Codecs, for_each
from .place import Held, Place
from .repository import DOOMED, MANIFEST, Backup, Repository, new_id, read_backup


@dataclass(frozen=True)
class CreationPolicy:
    """``max_age`` seconds within which a backup need not be made anew (None: always make one); ``min_free`` bytes that must
    be left on the repository afterwards; ``scratch`` where files are in clear meanwhile (None: in the repository, which has to be
    a folder of this host then), and where a backup is gathered that goes elsewhere.
    """

    max_age: float | None = None
    min_free: int = 0
    tags: tuple[str, ...] = ()
    scratch: Path | None = None


@dataclass(frozen=True)
class Creation:
    """``backup`` is the one that was made, or the one that is young enough, or None where one would be made."""

    made: bool
    backup: Backup | None
    reason: str
    seconds: float = 0.0
    findings: tuple[Finding, ...] = ()
    diff: Mapping[str, Any] | None = None


def newest_usable(backups: Sequence[Backup]) -> Backup | None:
    """The youngest backup that nothing speaks against."""
    usable = [backup for backup in backups if backup.usable]
    return max(usable, key=lambda backup: backup.created_at, default=None)


def why_due(newest: Backup | None, source: Source, policy: CreationPolicy, *, encrypt: bool, now: datetime) -> str | None:
    """The reason to make a backup now; None where the newest one will do. One that is made on change needs no age to be."""
    if newest is None:
        return "there is no usable backup yet"
    if source.content is not None and source.content != newest.manifest.source.get("content"):
        return "the content changed"
    if policy.max_age is None and source.content is None:
        return "a new one was asked for"
    age = (now - newest.created_at).total_seconds()
    if age < 0:
        return f"the newest, {newest.id}, is from the future: a clock is wrong"
    if policy.max_age is not None and age >= policy.max_age:
        return f"the newest is {format_duration(age)} old, over {format_duration(policy.max_age)}"
    if identity_of(newest.manifest.source) != source.identity:
        return "the newest is of another source"
    if encrypt and not newest.manifest.encrypted:
        return "the newest is not encrypted"
    return None


def create_backup(repository: Repository, plan: str, engine: Engine, codecs: Codecs, policy: CreationPolicy, clock: Clock, *,
                  free_bytes: Callable[[Path], int], check_mode: bool = False) -> Creation:
    """Make a backup of ``plan`` where one is due.

    :raises Busy: when another run writes this plan
    :raises OpsError: when no good backup came about: what was written of it is removed, earlier ones are kept
    """
    repository.plan_place(plan)  # a name that cannot be one is refused before anything is looked at
    if repository.place.local is None and policy.scratch is None:
        raise InvalidOption(f"scratch: {repository.folder} is no folder of this host", hint="Name a local folder to gather backups in")
    encrypt = bool(codecs.cipher.recipients)
    source = engine.inspect()
    reason = _due(repository, plan, source, policy, encrypt, clock)
    if isinstance(reason, Backup):
        return Creation(False, reason, _why_kept(source), findings=(_told(reason, clock.now()), *source.findings))
    if check_mode:
        _check_room(repository, plan, source, policy, encrypt, free_bytes)
        return Creation(True, None, reason, findings=source.findings, diff=source.diff)
    id = new_id(clock.now())
    with repository.lease(plan, clock, purpose="backup", writes=id) as held:
        reason = _due(repository, plan, source, policy, encrypt, clock)  # another run may just have made one
        if isinstance(reason, Backup):
            return Creation(False, reason, _why_kept(source), findings=(_told(reason, clock.now()), *source.findings))
        clear_leftovers(repository, plan)
        _check_room(repository, plan, source, policy, encrypt, free_bytes)
        progress.begin(f"backup of {plan}", source.bytes)
        return replace(_make(repository, plan, id, engine, codecs, policy, clock, encrypt, reason, held), diff=source.diff)


def clear_leftovers(repository: Repository, plan: str, *, keep: Container[str] = ()) -> list[PurePath]:
    """Remove what runs that were killed left of unfinished backups; only for the holder of the lease.

    What retention was deleting is left to `prune.prune_plan`, since the engine's own copy may have to go with it; ``keep`` are
    ids that are about to be completed.
    """
    left = []
    for id in repository.ids(plan):
        place = repository.plan_place(plan).at(id)
        if id not in keep and not place.has(MANIFEST) and not place.has(DOOMED):
            place.clear()
            left.append(place.address)
    if repository.place.local is not None:
        clear_scratch(repository.place.local)
    return left


def _due(repository: Repository, plan: str, source: Source, policy: CreationPolicy, encrypt: bool, clock: Clock) -> str | Backup:
    newest = newest_usable(repository.list(plan))
    reason = why_due(newest, source, policy, encrypt=encrypt, now=clock.now())
    return reason if reason or newest is None else newest


def _why_kept(source: Source) -> str:
    return "the newest is young enough" if source.content is None else "the content is as it was"


def _check_room(repository: Repository, plan: str, source: Source, policy: CreationPolicy, encrypt: bool,
                free_bytes: Callable[[Path], int]) -> None:
    like_it = [backup for backup in repository.list(plan) if identity_of(backup.manifest.source) == source.identity]
    newest = newest_usable(like_it)
    expected = newest.manifest.bytes if newest else source.bytes or 0
    staged = 0
    if source.stages_coding or (source.stages_encryption and encrypt):
        staged = sum(file.plain_bytes for file in newest.manifest.files) if newest else source.bytes or 0
    if policy.scratch is None or repository.place.local is None:  # both lie on one file system
        expected += staged
    elif (free := free_bytes(policy.scratch)) < staged:
        raise _no_room(policy.scratch, staged, free)
    where = repository.place.local or policy.scratch
    free = free_bytes(where)
    if free < expected + policy.min_free:
        raise _no_room(where, expected + policy.min_free, free)


def _no_room(folder: PurePath, needed: int, free: int) -> StorageFailed:
    return StorageFailed(
        f"{folder} has {format_size(free)} free, and about {format_size(needed)} are needed",
        hint="Nothing was written and earlier backups are kept: free space there, extend the volume, or prune",
        evidence={"path": str(folder), "free_bytes": free, "needed_bytes": needed})


def _make(repository: Repository, plan: str, id: str, engine: Engine, codecs: Codecs, policy: CreationPolicy, clock: Clock,
          encrypt: bool, reason: str, held: Held) -> Creation:
    created_at, began = clock.now(), clock.monotonic()
    place = repository.plan_place(plan).at(id)
    try:
        product, timings = _produce(place, engine, codecs, policy, clock, encrypt, repository)
        manifest = Manifest(
            id=id, system=repository.system, environment=repository.environment, plan=plan, engine=engine.name,
            created_at=created_at, data_at=product.data_at, files=product.files, source_bytes=product.source_bytes,
            tags=policy.tags, source=product.source, compression=product.compression, fingerprint=product.fingerprint,
            encryption=product.encryption or ({"method": "age", "recipients": list(codecs.cipher.recipients)} if encrypt else None),
            parent=product.parent, native=product.native,
            tools=product.tools, timings={**product.timings, **timings, "total": round(clock.monotonic() - began, 3)})
        held.confirm()
        place.write(MANIFEST, manifest.to_json())
    except BaseException as error:
        _discard(place, error)
        raise
    backup = read_backup(place)
    seconds = clock.monotonic() - began
    made = Finding("backup.created", plan, Status.PASS,
                   f"backup {id} of {format_size(backup.manifest.bytes)} was made in {format_duration(seconds)}: {reason}",
                   backup.manifest.bytes, unit="B")
    return Creation(True, backup, reason, seconds, (made, *product.findings))


def _produce(place: Place, engine: Engine, codecs: Codecs, policy: CreationPolicy, clock: Clock, encrypt: bool,
             repository: Repository) -> tuple[Product, dict[str, float]]:
    """Have the engine write where the backup is to lie; or, where that is no folder of this host, gather it and send it there."""
    if place.local is not None and repository.place.local is not None:
        folder = private_folder(place.local)
        with scratch_folder(policy.scratch or repository.place.local) as staging:
            product = engine.produce(folder / "data", staging, codecs, encrypt=encrypt)
        _settle(folder / "data")
        return product, {}
    if policy.scratch is None:  # asked for by `create_backup` already
        raise InvalidOption("scratch: a repository that is no folder of this host needs one", hint="Name a folder with room for a backup")
    with scratch_folder(policy.scratch) as room:
        data = room / "data"
        product = engine.produce(data, private_folder(room / "staging"), codecs, encrypt=encrypt)
        began = clock.monotonic()
        place.announce({f"data/{file.path}": file.bytes for file in product.files})

        def send(file: StoredFile) -> None:
            with storage_errors(data / file.path), (data / file.path).open("rb") as stream:
                place.put(f"data/{file.path}", stream, file.bytes, file.sha256)

        for_each(product.files, send, jobs=place.parallel)
        return product, {"send": round(clock.monotonic() - began, 3)}


def _settle(data: Path) -> None:
    """Folders private, their entries durable; files are already."""
    with storage_errors(data):
        for folder, _folders, _files in os.walk(data):
            Path(folder).chmod(0o700)
            sync_folder(folder)
    sync_folder(data.parent)


def _discard(place: Place, error: BaseException) -> None:
    """Remove an unfinished backup; where that fails too, the next run does it, and this one says what it was ended by."""
    try:
        place.clear()
    except OpsError as second:
        error.add_note(f"{second}; the next run removes it")


def _told(backup: Backup, now: datetime) -> Finding:
    age = (now - backup.created_at).total_seconds()
    return Finding("backup.created", backup.plan, Status.PASS,
                   f"backup {backup.id} is {format_duration(age)} old and will do", age, unit="s")


def describe(backup: Backup, now: datetime, *, seconds: float | None = None) -> dict[str, Any]:
    """The shape of ``backup`` in docs/architecture.md, and of the entries of ``backups``."""
    manifest = backup.manifest

    def told(instant: datetime | None) -> str | None:
        return format_instant(instant) if instant else None

    timings: Mapping[str, float] = manifest.timings
    return {
        "id": backup.id, "plan": backup.plan, "engine": backup.engine, "path": str(backup.folder),
        "created_at": format_instant(backup.created_at), "data_at": format_instant(manifest.data_at), "bytes": manifest.bytes,
        "source_bytes": manifest.source_bytes, "seconds": round(seconds if seconds else timings.get("total", 0.0), 3),
        "status": backup.status, "encrypted": manifest.encrypted, "compression": manifest.compression,
        "age_seconds": round((now - backup.created_at).total_seconds(), 3), "tags": list(manifest.tags),
        "verified_at": told(backup.verified_at), "proven_at": told(backup.proven_at),
        "fingerprint": (manifest.fingerprint or {}).get("mode", "off"),
    }
