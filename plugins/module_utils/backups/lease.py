# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may write: one run per plan, and folders that are cleared away when the run that made them is gone.

Both rest on flock(2), which the kernel releases when the holder ends, however it ends.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..core.clock import Clock, format_instant
from ..core.errors import Busy
from ..core.files import private_folder, storage_errors

_SCRATCH = ".scratch"


@contextmanager
def lease(plan_folder: Path, clock: Clock, *, purpose: str) -> Iterator[None]:
    """The right to write below a plan's folder, for as long as this is open.

    :raises Busy: names who holds it and since when
    :raises StorageFailed: when the lease file cannot be made
    """
    path = private_folder(plan_folder) / "lease"
    with storage_errors(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with storage_errors(path):
            os.fchmod(descriptor, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise _busy(plan_folder.name, path) from error
            holder = {"host": socket.gethostname(), "pid": os.getpid(), "since": format_instant(clock.now()), "purpose": purpose}
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps(holder).encode(), 0)
        try:
            yield
        finally:
            with suppress(OSError):
                os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def _busy(plan: str, path: Path) -> Busy:
    try:
        holder = json.loads(path.read_bytes())
        who = f"{holder['purpose']} (process {holder['pid']} on {holder['host']}) since {holder['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        holder, who = {}, "another run that began this moment"
    return Busy(f"Plan {plan} is held by {who}", hint="Wait until that run has ended; the lease ends with it, however it ends",
                evidence={"plan": plan, "holder": holder})


@contextmanager
def scratch_folder(parent: Path) -> Iterator[Path]:
    """A private folder below ``parent/.scratch``, removed at the end; those of runs that were killed are removed first.

    :raises StorageFailed: when it cannot be made
    """
    home = private_folder(parent / _SCRATCH)
    clear_scratch(parent)
    folder = home / secrets.token_hex(8)
    lock = home / f"{folder.name}.lock"
    fresh = home / f"{folder.name}.new"  # nobody looks for this name, so it is locked before it can be taken for a dead one
    with storage_errors(folder):
        descriptor = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with storage_errors(folder):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            fresh.rename(lock)
        yield private_folder(folder)
    finally:
        remove_tree(folder)
        lock.unlink(missing_ok=True)
        os.close(descriptor)


def clear_scratch(parent: Path) -> None:
    """Remove scratch folders below ``parent/.scratch`` whose run is gone."""
    for lock in sorted((parent / _SCRATCH).glob("*.lock")):
        try:
            descriptor = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove_tree(lock.with_suffix(""))
            lock.unlink(missing_ok=True)
        except BlockingIOError:
            continue
        finally:
            os.close(descriptor)


def remove_tree(folder: Path) -> None:
    """Delete a folder and what is below it; a file that vanishes meanwhile is no error, one that stays is.

    :raises StorageFailed: when something cannot be deleted
    """
    with storage_errors(folder):
        for _attempt in range(3):  # a program that was just ended may have added a file behind our back
            try:
                shutil.rmtree(folder)
            except FileNotFoundError:
                if not folder.exists():
                    return
                continue
            except OSError:
                if _attempt == 2:
                    raise
                continue
            return
