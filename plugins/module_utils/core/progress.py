# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a long piece of work is, for whoever watches: a small file that is rewritten once a second.

Work says `begin`, then `add` for what it has read or written, or `reach` where it knows the whole. A module is one process with one
piece of work, so there is one progress in it. Nobody watches unless the environment names a file, and then nothing is counted:
the functions do nothing. Progress never ends the work: what cannot be written is not written.
"""

from __future__ import annotations

import json
import os
from collections.abc import MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from threading import Event, Lock, Thread

from .clock import Clock
from .quantities import format_duration, format_size

VARIABLE = "EVENKEEL_PROGRESS"
_EVERY = 1.0
_LENGTH = 512  # bytes; written at once and never in part


@dataclass(frozen=True)
class Reading:
    """What the file said: ``what`` is done, ``done`` of ``total`` bytes (None: not known) after ``seconds``, by process ``pid``. Before
    anything is begun ``what`` is empty.
    """

    pid: int
    what: str
    done: int
    total: int | None
    seconds: float

    @property
    def line(self) -> str:
        """For a person: ``backup of shop: 42%, 1.2 GiB of 2.8 GiB, 210.0 MiB/s, about 8s left``."""
        rate = self.done / self.seconds if self.seconds > 0 else 0.0
        if not self.total or not self.done:
            parts = ([format_size(self.done), f"{format_size(rate)}/s"] if self.done else []) + [f"for {format_duration(self.seconds)}"]
            return f"{self.what}: {', '.join(parts)}"
        done = min(self.done, self.total)  # the total is an estimate
        parts = [f"{100 * done // self.total}%", f"{format_size(done)} of {format_size(self.total)}", f"{format_size(rate)}/s"]
        if rate:
            parts.append(f"about {format_duration(round((self.total - done) / rate))} left" if done < self.total else "nearly done")
        return f"{self.what}: {', '.join(parts)}"


def read(content: bytes) -> Reading | None:
    """What such a file says; None for anything else. A name in it may hold what a terminal would obey: that is not repeated."""
    try:
        data = json.loads(content)
        what = "".join(sign if sign.isprintable() else "?" for sign in str(data["what"]))
        total = None if data["total"] is None else int(data["total"])
        return Reading(int(data["pid"]), what, int(data["done"]), total, float(data["seconds"]))
    except (ValueError, KeyError, TypeError):
        return None


class _Progress:
    """Writes to a new file that anybody may read: it says nothing that is secret. A thread does, so that time goes on in it while
    the work is deep in a compressor or a program, and the work itself only counts.
    """

    def __init__(self, path: str, clock: Clock) -> None:
        self._clock, self._path = clock, path
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        os.fchmod(self._file, 0o644)
        self._lock = Lock()
        self._what, self._total, self._done, self._reached = "", None, 0, False
        self._began = clock.monotonic()
        self._over = Event()
        self._thread = Thread(target=self._follow, daemon=True)
        self._thread.start()
        self.tell()  # whom to end

    def begin(self, what: str, total: int | None, reached: bool) -> None:
        with self._lock:
            self._what, self._total, self._done, self._reached = what, total, 0, reached
            self._began = self._clock.monotonic()
        self.tell()

    def describe(self, what: str) -> None:
        with self._lock:
            self._what = what
        self.tell()

    def add(self, size: int) -> None:
        if not self._reached:
            with self._lock:
                self._done += size

    def reach(self, done: int) -> None:
        with self._lock:
            self._done = max(done, self._done)

    def reach_share(self, share: float, total: int | None) -> None:
        with self._lock:
            self._total = total or self._total
            if self._total:
                self._reached, self._done = True, max(int(share * self._total), self._done)

    def close(self) -> None:
        self._over.set()
        self._thread.join()
        with suppress(OSError):
            os.close(self._file)
            os.unlink(self._path)

    def _follow(self) -> None:
        while not self._over.wait(_EVERY):
            self.tell()

    def tell(self) -> None:
        """Write how far it is."""
        with self._lock:
            text = json.dumps({"pid": os.getpid(), "what": self._what[:100], "done": self._done, "total": self._total,
                               "seconds": round(self._clock.monotonic() - self._began, 3)})
            if len(text) <= _LENGTH:
                with suppress(OSError):
                    os.pwrite(self._file, text.ljust(_LENGTH).encode(), 0)


_progress: _Progress | None = None


def watched() -> bool:
    """Whether anybody watches: for work that would have to do something extra to know how far it is."""
    return _progress is not None


def begin(what: str, total: int | None = None, *, reached: bool = False) -> None:
    """A new piece of work of ``total`` bytes, as far as is known; where ``reached``, only `reach` counts and `add` does not."""
    if _progress is not None:
        _progress.begin(what, total, reached)


def describe(what: str) -> None:
    """The same piece of work in other words, such as how far it is; its time goes on."""
    if _progress is not None:
        _progress.describe(what)


def add(size: int) -> None:
    """So many more bytes are done."""
    if _progress is not None:
        _progress.add(size)


def reach(done: int) -> None:
    """So many bytes are done in all."""
    if _progress is not None:
        _progress.reach(done)


def reach_share(share: float, total: int | None = None) -> None:
    """So much of the whole is done, from 0 to 1; `add` counts no more. ``total`` is the whole in bytes where that is known only now;
    nothing is told where it never is.
    """
    if _progress is not None:
        _progress.reach_share(share, total)


def start(environment: MutableMapping[str, str], clock: Clock) -> None:
    """Write to the file that the environment names, if it names one; programs that are started later do not inherit the name."""
    global _progress
    path = environment.pop(VARIABLE, None)
    if path:
        with suppress(OSError):
            _progress = _Progress(path, clock)


def finish() -> None:
    """Remove the file."""
    global _progress
    if _progress is not None:
        _progress.close()
        _progress = None
