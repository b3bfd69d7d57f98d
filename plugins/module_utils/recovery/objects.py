# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The drill of exported Kubernetes objects: applied to a namespace of our own, compared field by field, removed again.

On the source's own cluster only what is inert is applied for good (`backups.objects.INERT`); all else is a dry run on the server,
which validates, admits and completes it as a real one, and starts nothing. On another API server everything is applied for good.
"""

from __future__ import annotations

import os
import secrets
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..backups.kubernetes_engine import Api, objects_of
from ..backups.objects import CRD, INERT, Object, clean, differences, name_of, relocated, written
from ..backups.payload import Codecs, create
from ..backups.repository import Backup
from ..core.clock import Clock
from ..core.errors import Damaged, NotFound, OpsError
from ..core.files import private_folder, storage_errors
from ..core.finding import Finding
from ..core.waiting import Deadline, wait_until
from .differences import Difference
from .judge import Comparison, judge_data

_LABEL = "evenkeel.ops/drill"
_HOST, _PROCESS = "evenkeel.ops/host", "evenkeel.ops/process"
_SETTLED = 20.0  # seconds for a definition to be served, and for a namespace to go
_ABANDONED = 86400.0
_FIELDS = 3


class ObjectsDrill:
    """See `drill.Subject`. ``elsewhere`` says that ``api`` is not the source's cluster."""

    def __init__(self, backup: Backup, codecs: Codecs, api: Api, clock: Clock, *, elsewhere: bool, deadline: Deadline) -> None:
        self._backup, self._codecs, self._api, self._clock = backup, codecs, api, clock
        self._elsewhere, self._deadline = elsewhere, deadline
        self._source = str(backup.manifest.source["namespace"])
        self._scratch = f"evenkeel-drill-{secrets.token_hex(4)}"
        self._objects: list[Object] = []
        self._made: list[Object] = []
        self._answers: list[tuple[Object, Object]] = []
        self.comparison: Comparison | None = None
        self.notes: list[str] = []
        self.tools: dict[str, str] = {}

    def fetch(self) -> None:
        """Check every stored byte, and read all documents."""
        self._objects = objects_of(self._backup, self._codecs)
        self.tools["kubernetes"] = self._api.version()

    def prepare(self) -> None:
        """A namespace with a name that nobody uses; those of drills that were killed are removed."""
        self._sweep()
        labels = {_LABEL: str(int(self._clock.now().timestamp()))}
        annotations = {_HOST: socket.gethostname(), _PROCESS: str(os.getpid())}
        self._make({"apiVersion": "v1", "kind": "Namespace",
                    "metadata": {"name": self._scratch, "labels": labels, "annotations": annotations}})

    def restore(self) -> None:
        """Apply one after the other; what the server refuses ends it."""
        for one in self._objects:
            self._deadline.require("applying objects")
            if one["kind"] == "Namespace":
                continue
            if one["kind"] == CRD:
                self._define(one)
                continue
            there = relocated(one, self._source, self._scratch)
            there["metadata"].pop("finalizers", None)  # nobody may be there who would ever take them off
            for_good = self._elsewhere or (one["kind"] in INERT)
            answer = self._make(there) if for_good else self._api.apply(there, dry_run=True)
            self._answers.append((one, answer))
        dry = sum(not self._elsewhere and one["kind"] not in INERT for one, _answer in self._answers)
        if dry:
            self.notes.append(f"{dry} of {len(self._answers)} objects were applied as a dry run: for good they would have started "
                              "work, or taken addresses or volumes, on the source's cluster")

    def first_query(self) -> None:
        """Ask for the first object that was applied for good."""
        if self._made:
            self._api.get(self._made[-1])

    def verify(self) -> list[Finding]:
        """Each object as the server has it now, against the copy; what is only in a dry run, as the server answered."""
        found = []
        for one, answer in self._answers:
            name = name_of(one)
            if self._elsewhere or one["kind"] in INERT:
                try:
                    answer = self._api.get(answer)
                except NotFound:
                    found.append(Difference("object", name, "different", f"{name} is not there after it was applied"))
                    continue
            expected = {**one, "metadata": {key: value for key, value in one["metadata"].items() if key != "finalizers"}}
            told = list(differences(expected, relocated(clean(answer), self._scratch, self._source)))
            if told:
                more = f" and {len(told) - _FIELDS} more" if len(told) > _FIELDS else ""
                found.append(Difference("object", name, "different", f"{name}: {'; '.join(told[:_FIELDS])}{more}"))
        self.comparison = Comparison(len(self._answers), tuple(found), of="objects")
        return judge_data(self._backup.plan, self.comparison)

    def stop(self) -> None:
        """Delete what was made, the last first; what cannot be deleted is told, and swept by the next drill."""
        left = []
        for one in reversed(self._made):
            try:
                self._api.delete(one)
            except OpsError as error:
                left.append(f"{name_of(one)} could not be deleted: {error.message}")
        namespace = next((one for one in self._made if one["kind"] == "Namespace"), None)
        if namespace and not left and not self._gone(namespace):
            left.append(f"namespace {self._scratch} is empty and still going: the cluster's namespace controller has to finish it")
        self._made = []
        self.notes += left

    def _make(self, one: Object) -> Object:
        self._made.append(one)  # before: the answer may be lost on the way
        return self._api.apply(one)

    def _define(self, one: Object) -> None:
        """A definition that is not here yet, on another server; the source's own stays as it is."""
        with suppress(NotFound):
            self._answers.append((one, self._api.get(one)))
            return
        if not self._elsewhere:
            raise Damaged(f"{name_of(one)} is not on the cluster any more", hint="Drill on a second API server (scratch_kubeconfig)")
        self._answers.append((one, self._make(one)))
        group, [version, *_others] = one["spec"]["group"], [each["name"] for each in one["spec"]["versions"] if each["served"]]
        sample = {"apiVersion": f"{group}/{version}", "kind": one["spec"]["names"]["kind"]}

        def served() -> bool:
            with suppress(NotFound):
                list(self._api.list(self._kind(sample), None))
                return True
            return False

        patience = Deadline(self._clock, min(_SETTLED, max(1.0, self._deadline.left)))
        wait_until(served, deadline=patience, what=f"the kind of {name_of(one)}")

    def _kind(self, sample: Object) -> Any:
        found = [kind for kind in self._api.kinds() if (kind.api_version, kind.name) == (sample["apiVersion"], sample["kind"])]
        if not found:
            raise NotFound(f"{sample['kind']} is not served yet", hint="Wait for it")
        return found[0]

    def _gone(self, namespace: Object) -> bool:
        """Whether a namespace goes within a few seconds; without a controller it never does, and is empty all the same."""
        deadline = Deadline(self._clock, 5.0)
        while not deadline.passed:
            try:
                self._api.get(namespace)
            except NotFound:
                return True
            except OpsError:
                return False
            self._clock.sleep(0.5)
        return False

    def _sweep(self) -> None:
        kind = self._kind({"apiVersion": "v1", "kind": "Namespace"})
        for one in list(self._api.list(kind, None, labels=_LABEL)):
            metadata = one["metadata"]
            if metadata.get("deletionTimestamp") or not self._abandoned(metadata):
                continue
            with suppress(OpsError):
                self._api.delete(one)
                self.notes.append(f"Removed the namespace {metadata['name']}, which a drill that was killed had left")

    def _abandoned(self, metadata: Object) -> bool:
        """Its process is gone, where it ran on this host; else it is a day old."""
        told = metadata.get("annotations") or {}
        with suppress(ValueError):
            if told.get(_HOST) == socket.gethostname():
                try:
                    os.kill(int(told.get(_PROCESS, "")), 0)
                except ProcessLookupError:
                    return True
                except OSError:
                    return False
            return self._clock.now().timestamp() - float(metadata["labels"][_LABEL]) > _ABANDONED
        return False


class ObjectsFile:
    """See `drill.Subject`: the objects as a file for ``kubectl apply --server-side -f``."""

    def __init__(self, backup: Backup, codecs: Codecs, folder: Path) -> None:
        self._backup, self._codecs, self._target = backup, codecs, folder / "files"
        self._objects: list[Object] = []
        self.comparison: Comparison | None = None
        self.notes: list[str] = []
        self.tools: dict[str, str] = {}

    def fetch(self) -> None:
        """Check every stored byte, and read all documents."""
        self._objects = objects_of(self._backup, self._codecs)

    def prepare(self) -> None:
        """A folder that nobody else can enter: it may come to hold secrets."""
        private_folder(self._target)

    def restore(self) -> None:
        """Write them, in the order of applying."""
        path = self._target / "objects.yaml"
        with storage_errors(path), create(path) as stream:
            for document in written(self._objects):
                stream.write(document)

    def first_query(self) -> None:
        """Read of it."""
        with storage_errors(self._target), (self._target / "objects.yaml").open("rb") as stream:
            stream.read(1)

    def verify(self) -> list[Finding]:
        """What is in the file against what was read."""
        with storage_errors(self._target):
            content = (self._target / "objects.yaml").read_bytes()
        same = content == b"".join(written(self._objects))
        told = () if same else (Difference("file", "objects.yaml", "different", "objects.yaml is not what was written"),)
        self.comparison = Comparison(len(self._objects), told, of="objects")
        return judge_data(self._backup.plan, self.comparison)

    def stop(self) -> None:
        """Nothing runs."""
