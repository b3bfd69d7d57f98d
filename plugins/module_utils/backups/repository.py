# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups on disk: ``<root>/<system>/<environment>/<plan>/<id>/{data/, manifest.json, verifications/}``.

No manifest, no backup: the manifest is written last and removed first. A verification is a new small file and never
rewrites anything; the status is read off those files.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ..core.clock import format_instant, parse_instant
from ..core.errors import Busy, Damaged, InvalidOption, NotFound, OpsError
from ..core.files import private_folder, storage_errors, write_atomically
from ..core.finding import Status
from .manifest import Manifest, StoredFile

__all__ = ["Backup", "Manifest", "Repository", "StoredFile", "Survey", "new_id", "record_verification"]

_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{6}", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
KINDS = ("verify", "drill")
# The words of findings.
PASSED, FAILED, UNKNOWN = Status.PASS.value, Status.FAIL.value, Status.UNKNOWN.value


@dataclass(frozen=True)
class Backup:
    """One finished backup: its folder, its manifest, and what was found out about it since, oldest first.

    ``verifications`` are the records of `record_verification`.
    """

    folder: Path
    manifest: Manifest
    verifications: tuple[Mapping[str, Any], ...] = ()

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
    def data(self) -> Path:
        """The folder of the stored files."""
        return self.folder / "data"

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
        with _locked(self.folder / "manifest.json", fcntl.LOCK_SH, self.id):
            yield

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Alone with the backup: for whoever deletes it.

        :raises NotFound: when it is gone already
        :raises Busy: while somebody reads it
        """
        with _locked(self.folder / "manifest.json", fcntl.LOCK_EX, self.id):
            yield


@contextmanager
def _locked(manifest: Path, how: int, name: str) -> Iterator[None]:
    try:
        descriptor = os.open(manifest, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise NotFound(f"Backup {name} was deleted", hint="List the backups again") from error
    try:
        try:
            fcntl.flock(descriptor, how | fcntl.LOCK_NB)
        except BlockingIOError as error:
            word = "being read" if how == fcntl.LOCK_EX else "being deleted"
            raise Busy(f"Backup {name} is {word} by another run", hint="Try again when that run has ended") from error
        yield
    finally:
        os.close(descriptor)


@dataclass(frozen=True)
class Survey:
    """What is in a repository: ``backups``, oldest first by id, and for each manifest that cannot be read, why."""

    backups: tuple[Backup, ...]
    unreadable: Mapping[Path, str]


class Repository:
    """The backups of one environment of one system.

    :raises InvalidOption: for a system or environment that cannot be a folder's name
    """

    def __init__(self, root: str | os.PathLike[str], system: str, environment: str) -> None:
        self.root = Path(root)
        self.system = checked_name(system, "system")
        self.environment = checked_name(environment, "environment")

    @property
    def folder(self) -> Path:
        """Where the plans are."""
        return self.root / self.system / self.environment

    @property
    def plans(self) -> list[str]:
        """The plans that have a folder, by name; none where the repository does not exist."""
        with storage_errors(self.folder):
            if not self.folder.is_dir():
                return []
            return sorted(entry.name for entry in os.scandir(self.folder)
                          if entry.is_dir(follow_symlinks=False) and _NAME.fullmatch(entry.name))

    def plan_folder(self, plan: str) -> Path:
        """Where a plan's backups are.

        :raises InvalidOption: for a plan that cannot be a folder's name
        """
        return self.folder / checked_name(plan, "plan")

    def survey(self, plan: str | None = None) -> Survey:
        """Every backup of a plan, or of all.

        :raises StorageFailed: when folders cannot be read
        """
        backups, unreadable = [], {}
        for name in self.plans if plan is None else [checked_name(plan, "plan")]:
            for folder in self.copies(name):
                try:
                    backups.append(read_backup(folder))
                except NotFound:
                    continue  # unfinished, or deleted meanwhile
                except Damaged as error:
                    unreadable[folder] = error.message
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
                folder = self.plan_folder(plan) / id
                if (folder / "manifest.json").exists():
                    return read_backup(folder)
        raise NotFound(f"There is no backup {id!r} in {self.folder}", hint="List the backups to see their ids")

    def copies(self, plan: str) -> Sequence[Path]:
        """The folders of a plan that bear an id, finished or not, by name."""
        folder = self.plan_folder(plan)
        with storage_errors(folder):
            if not folder.is_dir():
                return []
            return sorted(Path(entry.path) for entry in os.scandir(folder)
                          if _ID.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False))


def checked_name(name: str, option: str) -> str:
    """A name that is safe as a folder's name.

    :raises InvalidOption: when it is not
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidOption(f"{option}: {name!r} cannot name a folder",
                            hint="Use up to 64 letters, digits, dots, dashes and underscores, beginning with a letter or digit")
    return name


def new_id(now: datetime) -> str:
    """An id that sorts by time and is not given twice."""
    return f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


def read_backup(folder: Path) -> Backup:
    """The backup in a folder.

    :raises NotFound: where there is no manifest
    :raises Damaged: where the manifest cannot be read, or belongs elsewhere
    """
    path = folder / "manifest.json"
    with storage_errors(path):
        try:
            text = path.read_bytes()
        except FileNotFoundError as error:
            raise NotFound(f"{folder} holds no finished backup", hint="List the backups to see what there is") from error
    manifest = Manifest.from_json(text)
    if manifest.id != folder.name or manifest.plan != folder.parent.name:
        raise Damaged(f"The manifest in {folder} is that of {manifest.plan}/{manifest.id}",
                      hint="A folder was copied or renamed by hand: put it back")
    return Backup(folder, manifest, tuple(_read_verifications(folder / "verifications")))


def _read_verifications(folder: Path) -> list[dict[str, Any]]:
    """In order of their instants. A record that cannot be read says nothing, and so can only lower the status."""
    records = []
    with storage_errors(folder):
        if not folder.is_dir():
            return []
        for path in sorted(folder.glob("*.json")):
            try:
                record = json.loads(path.read_bytes())
                if record["kind"] in KINDS and record["status"] in (PASSED, FAILED, UNKNOWN):
                    records.append({**record, "at": format_instant(parse_instant(record["at"]))})
            except (ValueError, KeyError, TypeError, OpsError, FileNotFoundError):
                continue
    return sorted(records, key=lambda record: record["at"])


def record_verification(backup: Backup, record: Mapping[str, Any]) -> Path:
    """Write what was found out about a backup beside it: one new file, whole or not there; nothing is rewritten.

    ``record`` has ``kind`` (``verify`` or ``drill``), ``status`` (``pass``, ``fail``, or ``unknown`` where one could not
    look) and ``at`` (an instant as text); what else it has (``message``, ``seconds``, phases …) is kept as it is.
    ``backup`` itself is a value and stays as it was: read it again to see the new status.

    :raises InvalidOption: for a record without these
    :raises StorageFailed: when it cannot be written
    """
    if record.get("kind") not in KINDS or record.get("status") not in (PASSED, FAILED, UNKNOWN):
        raise InvalidOption(f"A verification of kind {record.get('kind')!r} and status {record.get('status')!r} is none",
                            hint=f"kind is one of {', '.join(KINDS)}; status one of {PASSED}, {FAILED}, {UNKNOWN}")
    at = parse_instant(record["at"])
    folder = private_folder(backup.folder / "verifications")
    path = folder / f"{at:%Y%m%dT%H%M%SZ}-{record['kind']}-{secrets.token_hex(3)}.json"
    write_atomically(path, json.dumps({**record, "at": format_instant(at)}, indent=1, sort_keys=True).encode() + b"\n")
    return path
