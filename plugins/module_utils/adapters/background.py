# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Work that goes on when the module has answered: a process of its own, of which there is one for each lock file.

The exception to "children end with their parent": it is there for the case that whoever started it is gone.
"""

from __future__ import annotations

import fcntl
import os
import signal
from collections.abc import Callable
from contextlib import suppress

from ..core.files import storage_errors


def leave_behind(lock: str, work: Callable[[], None]) -> bool:
    """Do ``work`` in a process that outlives this one, without terminal, input and output; False where one with this lock is at work.

    What ``work`` needs must be imported already: the files of the module are gone by then.

    :raises StorageFailed: where the lock file cannot be opened
    """
    with storage_errors(lock):
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return False
    child = os.fork()
    if child:
        os.close(descriptor)  # the lock stays with the copy that the other process has (flock(2))
        os.waitpid(child, 0)
        return True
    try:
        os.setsid()
        if not os.fork():
            _alone(descriptor)
            work()
    finally:
        os._exit(0)


def _alone(kept: int) -> None:
    os.chdir("/")
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)
    for found in [int(name) for name in os.listdir("/proc/self/fd")]:
        if found > 2 and found != kept:
            with suppress(OSError):
                os.close(found)
