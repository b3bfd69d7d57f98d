# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may write or read in a bucket, where no kernel takes locks back: leases that end by themselves, by the server's clock.

A lease is the object of the highest number below ``lease/``, created by a conditional request, so that one of many gets it. The
holder renews it while it lives; one that was stopped for longer has lost it, and the next holder takes away its last step: it
leaves a fence where the other's manifest would go, which is a conditional request too.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from threading import Event, Thread
from typing import Any

from ..core.clock import Clock, format_instant
from ..core.errors import AccessDenied, Busy, OpsError
from .object_store import Bucket, Taken

FENCED = {"evenkeel": "fenced"}
_DIGITS = 12


class Beat:
    """Calls ``renew`` three times within each ``seconds``, in a thread, until it is stopped."""

    def __init__(self, renew: Callable[[], None], seconds: float) -> None:
        self._renew, self._pause = renew, seconds / 3
        self._over = Event()
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._over.wait(self._pause):
            with suppress(OpsError, FileNotFoundError, Taken):  # whoever relies on it asks how old the last one is
                self._renew()

    def stop(self) -> None:
        """End it; nothing is renewed once this returns."""
        self._over.set()
        self._thread.join()


class BucketLease:
    """The right to write below ``prefix``, which ends with a slash; use it with ``with``. See `backups.place.Held`."""

    def __init__(self, bucket: Bucket, prefix: str, clock: Clock, *, purpose: str, fence: Callable[[str], None],
                 writes: str | None) -> None:
        self._bucket, self._home, self._clock, self._fence = bucket, f"{prefix}lease/", clock, fence
        self._plan = prefix.rstrip("/").rpartition("/")[2]
        self._seconds = bucket.settings.lease
        self._token, self._lost, self._since = 0, False, 0.0
        self._said = {"host": socket.gethostname(), "pid": os.getpid(), "since": format_instant(clock.now()), "purpose": purpose,
                      "writes": writes, "seconds": self._seconds, "nonce": secrets.token_hex(8), "released": False}

    def __enter__(self) -> BucketLease:
        began = self._clock.monotonic()
        last, modified, now = self._latest()
        before = self._read(last) if last else None
        if before and not before.get("released") and (now - modified).total_seconds() <= float(before.get("seconds", self._seconds)):
            raise self._busy(before)
        self._token = last + 1
        try:
            self._bucket.put(self._key(self._token), self._body(), once=True)
        except Taken as error:
            raise self._busy(self._read(self._token)) from error
        self._since = began
        if before and not before.get("released") and before.get("writes"):
            self._fence(str(before["writes"]))
        self._beat = Beat(self._renew, self._seconds)
        with suppress(OpsError):
            self._bucket.delete([self._key(number) for number in self._numbers if number < self._token])
        return self

    def __exit__(self, *exception: object) -> None:
        self._beat.stop()
        if not self._lost:
            with suppress(OpsError, FileNotFoundError, Taken):  # it ends by itself, later
                self._said["released"] = True
                self._bucket.put(self._key(self._token), self._body())

    def confirm(self) -> None:
        """See `backups.place.Held`; the server is asked.

        :raises Busy: when it ran out, or another run has it
        """
        if not self._lost and self._clock.monotonic() - self._since <= self._seconds:
            self._renew()
        else:
            self._lost = True
        if self._lost:
            raise Busy(f"Plan {self._plan}: this run was stopped for longer than its lease of {self._seconds:g} s",
                       hint="Nothing was written after that: run again; see what stopped it (a suspended machine, a frozen disk)",
                       evidence={"plan": self._plan, "token": self._token})

    def _renew(self) -> None:
        began = self._clock.monotonic()
        last, _modified, _now = self._latest()
        if last != self._token or began - self._since > self._seconds:
            self._lost = True
            return
        self._bucket.put(self._key(self._token), self._body())
        self._since = began

    def _latest(self) -> tuple[int, datetime, datetime]:
        """The highest number, 0 for none, and when it was written, and now, by the server's clock."""
        found, now = self._bucket.objects(self._home)
        numbered = {int(name): one["LastModified"] for one in found if (name := one["Key"][len(self._home):]).isdecimal()}
        self._numbers = sorted(numbered)
        last = max(numbered, default=0)
        return last, numbered.get(last, now), now

    def _key(self, number: int) -> str:
        return f"{self._home}{number:0{_DIGITS}}"

    def _read(self, number: int) -> dict[str, Any]:
        try:
            return dict(json.loads(self._bucket.get(self._key(number))[0]))
        except (ValueError, TypeError, FileNotFoundError):
            return {}

    def _body(self) -> bytes:
        return json.dumps(self._said, sort_keys=True).encode()

    def _busy(self, holder: dict[str, Any]) -> Busy:
        who = "another run that began this moment"
        if holder.get("purpose"):
            who = f"{holder['purpose']} (process {holder.get('pid')} on {holder.get('host')}) since {holder.get('since')}"
        return Busy(f"Plan {self._plan} is held by {who}", evidence={"plan": self._plan, "holder": holder},
                    hint=f"Wait until that run has ended; if it was killed, its lease ends {self._seconds:g} s later")


class Mark:
    """A sign that somebody is here: an object that is renewed while this is open, and believed for ``lease`` seconds after."""

    def __init__(self, bucket: Bucket, prefix: str, *, needed: bool) -> None:
        self._bucket, self._needed = bucket, needed
        self._key = f"{prefix}{bucket.settings.lease:g}-{secrets.token_hex(8)}"

    def __enter__(self) -> Mark:
        self._beat = None
        try:
            self._bucket.put(self._key, b"")
        except AccessDenied:
            # Who may only read cannot leave a sign. If retention deletes the backup meanwhile, reading fails, and says so.
            if self._needed:
                raise
            return self
        self._beat = Beat(lambda: self._bucket.put(self._key, b""), self._bucket.settings.lease)
        return self

    def __exit__(self, *exception: object) -> None:
        if self._beat:
            self._beat.stop()
            with suppress(OpsError):
                self._bucket.delete([self._key])


def marked(bucket: Bucket, prefix: str) -> bool:
    """Whether there is a `Mark` below this prefix that is still believed."""
    found, now = bucket.objects(prefix)
    for one in found:
        seconds = one["Key"][len(prefix):].partition("-")[0]
        try:
            believed = float(seconds)
        except ValueError:
            continue
        if (now - one["LastModified"]).total_seconds() <= believed:
            return True
    return False
