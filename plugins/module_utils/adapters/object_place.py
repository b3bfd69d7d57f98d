# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A prefix of a bucket as a place for backups. See `backups.place.Place`, whose words these are."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import PurePosixPath
from typing import Any

from ..core.clock import Clock, SystemClock
from ..core.errors import Busy
from .object_lease import FENCED, BucketLease, Mark, marked
from .object_settings import SCHEME, StoreSettings, split_url
from .object_store import Bucket, Taken, server_time
from .object_upload import ObjectReader, abort_uploads, is_whole, upload

_MANIFEST, _DOOMED = "manifest.json", "doomed.json"
_ANNOUNCED = "uploading.json"
_NOTHING = b"{}\n"
_READ, _DELETED = ".read/", ".deleted/"
# Payload bears this tag, so that a lifecycle rule moves it to an archive storage class and leaves manifests where they can be read.
TAG = ("evenkeel", "data")
# A request is accepted for 15 minutes after it was signed (Signature Version 4). After so long a fence may be lifted by one who
# would put the very same there, and after a week it is taken away.
_FENCE_HOLDS, _FENCE_STAYS = 20 * 60, 7 * 86400


class ObjectAddress(PurePosixPath):
    """``s3://bucket/prefix``: to be shown, compared and extended; no path of this host."""

    def __str__(self) -> str:
        return SCHEME + super().__str__().lstrip("/")


class ObjectPlace:
    """See `backups.place.Place`."""

    local = None

    def __init__(self, bucket: Bucket, prefix: str, clock: Clock | None = None) -> None:
        self._bucket, self._clock = bucket, clock or SystemClock()
        self._prefix = f"{prefix}/" if prefix else ""
        self.address = ObjectAddress(f"/{bucket.name}/{prefix}")
        self.parallel = bucket.settings.jobs

    @classmethod
    def from_url(cls, url: str, options: Mapping[str, Any], clock: Clock) -> ObjectPlace:
        """For ``s3://bucket/prefix`` and the option ``s3``; nothing is asked of the server yet.

        :raises InvalidOption: for what makes no sense
        """
        name, prefix = split_url(url)
        return cls(Bucket(name, StoreSettings.from_options(options)), prefix, clock)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ObjectPlace) and (other.address, other._bucket.settings) == (self.address, self._bucket.settings)

    def __hash__(self) -> int:
        return hash(self.address)

    def at(self, *names: str) -> ObjectPlace:
        """The place below."""
        return ObjectPlace(self._bucket, self._prefix + "/".join(names), self._clock)

    def folders(self) -> Sequence[str]:
        """Names that have something below them."""
        return self._bucket.level(self._prefix)[0]

    def files(self) -> Sequence[str]:
        """Names of objects directly here."""
        return self._bucket.level(self._prefix)[1]

    def has(self, name: str) -> bool:
        """Whether there is such an object, and no fence in its place."""
        try:
            return self._bucket.call("head_object", self._prefix + name).get("Metadata", {}) != FENCED
        except FileNotFoundError:
            return False

    def read(self, name: str) -> bytes:
        """A small object."""
        data, answer = self._bucket.get(self._prefix + name)
        if answer.get("Metadata", {}) == FENCED:
            raise FileNotFoundError(2, "No such object", f"{self.address}/{name}")
        return data

    def open(self, name: str) -> Any:
        """An object of any size."""
        return ObjectReader(self._bucket, self._prefix + name)

    def write(self, name: str, data: bytes) -> None:
        """A small object that is written once."""
        try:
            self._bucket.put(self._prefix + name, data, once=True, **(self._bucket.lock(self._clock.now()) if name == _MANIFEST else {}))
        except Taken as error:
            raise Busy(f"{self.address}/{name} was taken by another run, which found this one stopped for longer than its lease",
                       hint="Nothing was written: run again; see what stopped this run") from error

    def put(self, name: str, reader: Any, size: int, sha256: str) -> None:
        """An object of any size."""
        arguments = self._bucket.lock(self._clock.now()) | {"Tagging": "=".join(TAG)}
        if self._bucket.settings.storage_class:
            arguments["StorageClass"] = self._bucket.settings.storage_class
        upload(self._bucket, self._prefix + name, reader, size, sha256, **arguments)

    def holds(self, name: str, size: int, sha256: str) -> bool:
        """Whether `put` has completed it."""
        return is_whole(self._bucket, self._prefix + name, size, sha256)

    def announce(self, sizes: Mapping[str, int]) -> None:
        """Unfinished uploads show in no list of objects, and not every server lists them by a prefix."""
        large = sorted(name for name, size in sizes.items() if size > self._bucket.part_size(size))
        if large:
            self._bucket.put(self._prefix + _ANNOUNCED, json.dumps(large).encode())

    def move(self, name: str, to: str) -> None:
        """The new one first."""
        with suppress(Taken):  # a run that was killed had begun to
            self._bucket.put(self._prefix + to, self.read(name), once=True)
        self.remove(name)

    def remove(self, name: str) -> None:
        """A small object."""
        self._bucket.delete([self._prefix + name])

    def clear(self) -> None:
        """Unfinished uploads first; what names them and what is being deleted, last.

        Where there is no manifest, a fence takes its place, so that no run that is still on its way can finish this one.
        """
        manifest, doomed = self._prefix + _MANIFEST, self._prefix + _DOOMED
        found, now = self._bucket.objects(self._prefix)
        keys = {one["Key"]: one["LastModified"] for one in found}
        if manifest not in keys and doomed not in keys:
            self.fence()
        elif doomed not in keys and self.has(_MANIFEST):
            self._bucket.put(manifest, _NOTHING, Metadata=FENCED)
        elif manifest in keys and (now - keys[manifest]).total_seconds() > _FENCE_STAYS:
            self._bucket.delete([manifest])
        if self._prefix + _ANNOUNCED in keys:
            for name in self._announced():
                abort_uploads(self._bucket, self._prefix + name)
        self._bucket.delete([key for key in keys if key not in (manifest, doomed)])
        if doomed in keys:
            self._bucket.delete([doomed])

    def fence(self) -> None:
        """Leave something in the manifest's place that is none; a manifest that is there already stays."""
        with suppress(Taken):
            self._bucket.put(self._prefix + _MANIFEST, _NOTHING, once=True, Metadata=FENCED)

    def reopen(self) -> None:
        """Lift a fence that is old enough."""
        manifest = self._prefix + _MANIFEST
        try:
            answer = self._bucket.call("head_object", manifest)
        except FileNotFoundError:
            return
        if answer.get("Metadata", {}) != FENCED:
            return
        age = (server_time(answer) - answer["LastModified"]).total_seconds()
        if age <= _FENCE_HOLDS:
            raise Busy(f"{self.address} was cleared away {age:.0f} s ago after a run that may still be on its way",
                       hint=f"It can be put there again {_FENCE_HOLDS - age:.0f} s from now: run again then")
        self._bucket.delete([manifest])

    def _announced(self) -> list[str]:
        try:
            return [str(name) for name in json.loads(self.read(_ANNOUNCED))]
        except (ValueError, TypeError, FileNotFoundError):
            return []

    def lease(self, clock: Clock, *, purpose: str, writes: str | None = None) -> BucketLease:
        """The right to write here."""
        return BucketLease(self._bucket, self._prefix, clock, purpose=purpose, writes=writes, fence=lambda name: self.at(name).fence())

    @contextmanager
    def shared(self, name: str) -> Iterator[None]:
        """A sign is left, then one looks for the other's: whoever comes second sees the first."""
        self._there(name)
        with Mark(self._bucket, self._prefix + _READ, needed=False):
            if marked(self._bucket, self._prefix + _DELETED):
                raise BlockingIOError
            self._there(name)
            yield

    @contextmanager
    def alone(self, name: str) -> Iterator[None]:
        """As `shared`, the other way round."""
        self._there(name)
        with Mark(self._bucket, self._prefix + _DELETED, needed=True):
            if marked(self._bucket, self._prefix + _READ):
                raise BlockingIOError
            self._there(name)
            yield

    def _there(self, name: str) -> None:
        if not self.has(name):
            raise FileNotFoundError(2, "No such object", f"{self.address}/{name}")
