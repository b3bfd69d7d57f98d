# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups in their place: ``<root>/<system>/<environment>/<plan>/<id>/{data/, manifest.json, verifications/}``.

No manifest, no backup: the manifest is written last and removed first. A verification is a new small file and never
rewrites anything; the status is read off those files.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path, PurePath
from typing import Any

from ..core.clock import Clock, format_instant, parse_instant
from ..core.errors import Busy, Damaged, InvalidOption, NotFound
from ..core.finding import Status
from .folder import Folder
from .manifest import Manifest, StoredFile
from .place import Held, Place
from .seal import sealed, unsealed

__all__ = ["Backup", "Manifest", "Repository", "StoredFile", "Survey", "new_id", "record_verification"]

_ID = re.compile(r"\d{8}T\d{6}Z-(?:[0-9a-f]{3})?[0-9a-f]{6}", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
# The files beside data/ and verifications/. What retention is deleting bears its manifest under the second name until it is gone.
MANIFEST, DOOMED = "manifest.json", "doomed.json"
KINDS = ("verify", "drill", "sample")
_STAMP = "%Y%m%dT%H%M%SZ"
_RECORD = re.compile(r"(\d{8}T\d{6}Z)-(" + "|".join(KINDS) + r")-[0-9a-f]{6}\.json", re.ASCII)
# The words of findings.
PASSED, FAILED, UNKNOWN = Status.PASS.value, Status.FAIL.value, Status.UNKNOWN.value


@dataclass(frozen=True)
class Backup:
    """One finished backup: where it lies, its manifest, and what was found out about it since, oldest first.

    ``place`` may be given as the path of a folder. ``verifications`` are the records of `record_verification`.
    """

    place: Place
    manifest: Manifest
    verifications: tuple[Mapping[str, Any], ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "place", place_of(self.place))

    @property
    def id(self) -> str:
        """Sorts by time: ``20260115T120000Z-ab12cd``."""
        return self.manifest.id

    @property
    def plan(self) -> str:
        """The plan it was made by."""
        return self.manifest.plan

    @property
    def engine(self) -> str:
        """``pg_dump`` or ``archive``."""
        return self.manifest.engine

    @property
    def created_at(self) -> datetime:
        """When the run that made it began."""
        return self.manifest.created_at

    @property
    def folder(self) -> PurePath:
        """Where it lies: a Path, or, for one that is in no folder of this host, an address to be shown and compared."""
        return self.place.address

    @property
    def data(self) -> Path:
        """The folder of the stored files, for a backup that lies in a folder of this host.

        :raises InvalidOption: for any other; read it with `payload.load`
        """
        if self.place.local is None:
            raise InvalidOption(f"{self.folder} is no folder of this host", hint="Fetch the backup first")
        return self.place.local / "data"

    @property
    def status(self) -> str:
        """``created``, ``verified``, ``proven`` or ``failed``.

        The last word of each kind counts. A failed drill is answered by a drill that passes, not by a verification;
        a failed verification is answered by either. Records of status ``unknown`` decide nothing.
        """
        verify, drill = self._last("verify"), self._last("drill")
        if drill and drill["status"] == FAILED:
            return "failed"
        if verify and verify["status"] == FAILED and not (drill and drill["at"] > verify["at"]):
            return "failed"
        return "proven" if drill else "verified" if verify else "created"

    @property
    def usable(self) -> bool:
        """Whether nothing speaks against restoring it."""
        return self.status != "failed"

    @property
    def verified_at(self) -> datetime | None:
        """When it was last seen to be whole; a drill counts, since it reads everything."""
        return self._passed_at("verify", "drill")

    @property
    def proven_at(self) -> datetime | None:
        """When it was last restored with success."""
        return self._passed_at("drill")

    def _last(self, kind: str) -> Mapping[str, Any] | None:
        decided = [one for one in self.verifications if one["kind"] == kind and one["status"] in (PASSED, FAILED)]
        return decided[-1] if decided else None

    def _passed_at(self, *kinds: str) -> datetime | None:
        passed = [one["at"] for one in self.verifications if one["kind"] in kinds and one["status"] == PASSED]
        return parse_instant(max(passed)) if passed else None

    @contextmanager
    def held(self) -> Iterator[None]:
        """While this is open, retention leaves the backup alone: for whoever reads it (verification, restore, drill).

        :raises NotFound: when it was deleted in the meantime
        :raises Busy: when it is being deleted right now
        """
        with self._locked(self.place.shared(MANIFEST), "being deleted"):
            yield

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Alone with the backup: for whoever deletes it.

        :raises NotFound: when it is gone already
        :raises Busy: while somebody reads it
        """
        with self._locked(self.place.alone(MANIFEST), "being read"):
            yield

    @contextmanager
    def _locked(self, lock: AbstractContextManager[None], word: str) -> Iterator[None]:
        with ExitStack() as stack:
            try:
                stack.enter_context(lock)
            except FileNotFoundError as error:
                raise NotFound(f"Backup {self.id} was deleted", hint="List the backups again") from error
            except BlockingIOError as error:
                raise Busy(f"Backup {self.id} is {word} by another run", hint="Try again when that run has ended") from error
            yield


def place_of(where: Place | str | os.PathLike[str]) -> Place:
    """A path as the place that it is; a place as it is."""
    return Folder(where) if isinstance(where, str | os.PathLike) else where


@dataclass(frozen=True)
class Survey:
    """What is in a repository: ``backups``, oldest first by id, and for each manifest that cannot be read, why."""

    backups: tuple[Backup, ...]
    unreadable: Mapping[PurePath, str]


class Repository:
    """The backups of one environment of one system, in a folder or in another `place.Place`.

    :raises InvalidOption: for a system or environment that cannot be a folder's name
    """

    def __init__(self, root: Place | str | os.PathLike[str], system: str, environment: str) -> None:
        self.system = checked_name(system, "system")
        self.environment = checked_name(environment, "environment")
        self._root = place_of(root)
        self.place = self._root.at(self.system, self.environment)

    @property
    def root(self) -> PurePath:
        """Where the backups of all systems are; a Path for a folder of this host."""
        return self._root.address

    @property
    def folder(self) -> PurePath:
        """Where the plans are; a Path for a folder of this host."""
        return self.place.address

    @property
    def plans(self) -> list[str]:
        """The plans that have a folder, by name; none where the repository does not exist."""
        return [name for name in self.place.folders() if _NAME.fullmatch(name)]

    def plan_place(self, plan: str) -> Place:
        """The place of a plan's backups.

        :raises InvalidOption: for a plan that cannot be a folder's name
        """
        return self.place.at(checked_name(plan, "plan"))

    def plan_folder(self, plan: str) -> PurePath:
        """Where a plan's backups are; a Path for a folder of this host.

        :raises InvalidOption: for a plan that cannot be a folder's name
        """
        return self.plan_place(plan).address

    def lease(self, plan: str, clock: Clock, *, purpose: str, writes: str | None = None) -> AbstractContextManager[Held]:
        """The right to write a plan; ``writes`` is the id of the backup that will be made.

        :raises Busy: names who holds it and since when
        """
        return self.plan_place(plan).lease(clock, purpose=purpose, writes=writes)

    def survey(self, plan: str | None = None) -> Survey:
        """Every backup of a plan, or of all.

        :raises StorageFailed: when the place cannot be read
        """
        backups, unreadable = [], {}

        def look(place: Place) -> Backup | str | None:
            try:
                return read_backup(place)
            except NotFound:
                return None  # unfinished, or deleted meanwhile
            except Damaged as error:
                return error.message

        places = [self.plan_place(name).at(id) for name in (self.plans if plan is None else [plan]) for id in self.ids(name)]
        for place, found in zip(places, _side_by_side(look, places, self.place.parallel), strict=True):
            if isinstance(found, Backup):
                backups.append(found)
            elif found is not None:
                unreadable[place.address] = found
        return Survey(tuple(sorted(backups, key=lambda backup: backup.id)), unreadable)

    def list(self, plan: str | None = None) -> list[Backup]:
        """The readable backups of a plan, or of all plans, oldest first."""
        return list(self.survey(plan).backups)

    def open(self, id: str) -> Backup:
        """The backup of this id, whichever plan it belongs to.

        :raises NotFound: where there is none
        :raises Damaged: where its manifest cannot be read
        """
        if _ID.fullmatch(id):
            for plan in self.plans:
                place = self.plan_place(plan).at(id)
                if place.has(MANIFEST):
                    return read_backup(place)
        raise NotFound(f"There is no backup {id!r} in {self.folder}", hint="List the backups to see their ids")

    def ids(self, plan: str) -> Sequence[str]:
        """The names below a plan that are ids, of backups finished or not, in order."""
        return [name for name in self.plan_place(plan).folders() if _ID.fullmatch(name)]

    def copies(self, plan: str) -> Sequence[PurePath]:
        """Where the `ids` lie."""
        return [self.plan_folder(plan) / id for id in self.ids(plan)]


def _side_by_side(work: Any, things: Sequence[Any], parallel: int) -> list[Any]:
    if parallel <= 1 or len(things) <= 1:
        return [work(one) for one in things]
    with ThreadPoolExecutor(parallel) as pool:
        return list(pool.map(work, things))


def checked_name(name: str, option: str) -> str:
    """A name that is safe as a folder's name.

    :raises InvalidOption: when it is not
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidOption(f"{option}: {name!r} cannot name a folder",
                            hint="Use up to 64 letters, digits, dots, dashes and underscores, beginning with a letter or digit")
    return name


def new_id(now: datetime) -> str:
    """An id that sorts by time, also within a second (in steps of 1/4096), and is not given twice."""
    return f"{now:{_STAMP}}-{now.microsecond * 4096 // 1_000_000:03x}{secrets.token_hex(3)}"


def read_backup(place: Place) -> Backup:
    """The backup in a place.

    :raises NotFound: where there is no manifest
    :raises Damaged: where the manifest cannot be read, or belongs elsewhere
    """
    try:
        text = place.read(MANIFEST)
    except FileNotFoundError as error:
        raise NotFound(f"{place.address} holds no finished backup", hint="List the backups to see what there is") from error
    manifest = Manifest.from_json(text)
    if manifest.id != place.address.name or manifest.plan != place.address.parent.name:
        raise Damaged(f"The manifest in {place.address} is that of {manifest.plan}/{manifest.id}",
                      hint="A folder was copied or renamed by hand: put it back")
    return Backup(place, manifest, tuple(_read_verifications(place.at("verifications"))))


def _read_verifications(place: Place) -> list[dict[str, Any]]:
    """In order of their instants. One of a name that is not ours says nothing; one that is no longer as it was written counts as
    failed, since it may have said so.
    """
    records = []
    for name in place.files():
        if not name.endswith(".json") or name.startswith("."):
            continue
        try:
            record = unsealed(place.read(name))
            if record["kind"] in KINDS and record["status"] in (PASSED, FAILED, UNKNOWN):
                records.append({**record, "at": format_instant(parse_instant(record["at"]))})
        except FileNotFoundError:
            continue
        except (Damaged, ValueError, KeyError, TypeError, InvalidOption):
            if named := _RECORD.fullmatch(name):
                at = datetime.strptime(named[1], _STAMP).replace(tzinfo=timezone.utc)
                records.append({"kind": named[2], "status": FAILED, "at": format_instant(at), "evidence": {"record": name},
                                "message": f"the record {name} was altered: verify the backup again by its id"})
    return sorted(records, key=lambda record: record["at"])


def record_verification(backup: Backup, record: Mapping[str, Any]) -> PurePath:
    """Write what was found out about a backup beside it: one new file, whole or not there; nothing is rewritten.

    ``record`` has ``kind`` (``verify``, ``drill``, or ``sample`` for some of the files), ``status`` (``pass``, ``fail``, or
    ``unknown`` where one could not look) and ``at`` (an instant as text); what else it has (``message``, ``seconds``, phases …) is
    kept as it is.
    ``backup`` itself is a value and stays as it was: read it again to see the new status.

    :raises InvalidOption: for a record without these
    :raises StorageFailed: when it cannot be written
    """
    if record.get("kind") not in KINDS or record.get("status") not in (PASSED, FAILED, UNKNOWN):
        raise InvalidOption(f"A verification of kind {record.get('kind')!r} and status {record.get('status')!r} is none",
                            hint=f"kind is one of {', '.join(KINDS)}; status one of {PASSED}, {FAILED}, {UNKNOWN}")
    at = parse_instant(record["at"])
    place = backup.place.at("verifications")
    name = f"{at:{_STAMP}}-{record['kind']}-{secrets.token_hex(3)}.json"
    place.write(name, sealed({**record, "at": format_instant(at)}))
    return place.address / name
