# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Work that blocks, in a thread that nobody waits for longer than for the deadline."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")


async def in_thread(work: Callable[[], Value], *, abandon: Callable[[], None] = lambda: None) -> Value:
    """What ``work`` returns or raises. A cancelled wait calls ``abandon``, which makes the work end by itself, as by shutting
    its socket down; the thread dies with the process at the latest.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Value] = loop.create_future()

    def settle(value: Value | None, error: BaseException | None) -> None:
        if answer.done():
            return
        if error is None:
            answer.set_result(value)  # type: ignore[arg-type]
        else:
            answer.set_exception(error)

    def run() -> None:
        try:
            value, error = work(), None
        except BaseException as raised:  # it is raised where the work is waited for
            value, error = None, raised
        with contextlib.suppress(RuntimeError):  # the run is over already
            loop.call_soon_threadsafe(settle, value, error)

    # The loop's own executor would be waited for at the end of the run.
    threading.Thread(target=run, daemon=True).start()
    try:
        return await answer
    except asyncio.CancelledError:
        abandon()
        raise
