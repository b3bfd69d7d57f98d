# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many files and sockets this process may still open."""

from __future__ import annotations

import os
import resource
from contextlib import suppress

# The interpreter opens some of its own while it works: modules, the event loop, the answer.
_RESERVE = 32


def room() -> int:
    """Descriptors that are left, the soft limit raised to the hard one first (getrlimit(2)): that needs no privilege."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(OSError, ValueError):  # macOS refuses what sysctl does not allow; then the soft one holds
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
    if soft == resource.RLIM_INFINITY:
        return 2**20
    with suppress(OSError):
        return max(0, soft - len(os.listdir("/proc/self/fd")) - _RESERVE)
    return max(0, soft - _RESERVE)
