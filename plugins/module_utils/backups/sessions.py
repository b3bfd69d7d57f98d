# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many statements over a few sessions of a database."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Event, Lock, Thread
from typing import Any, Protocol, TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Session(Protocol):
    """The part of `adapters.postgres.PostgresSession` that is used here; ``cancel`` is called from another thread."""

    server_version: int
    fetch: Callable[..., list[dict[str, Any]]]
    value: Callable[..., Any]
    run: Callable[..., None]
    set: Callable[[str, str], None]
    cancel: Callable[[], None]
    close: Callable[[], None]


def share(work: Sequence[Item], do: Callable[[Session, Item], Answer], *, first: Session, open_session: Callable[[], Session],
          sessions: int) -> list[tuple[Item, Answer]]:
    """``do`` for every item, the first items first, over ``first`` and ``sessions - 1`` others that are opened and closed here.

    The first error ends all: no item is begun any more, statements that run are cancelled, and the error is raised.
    So does an exception in the calling thread, such as being told to stop.
    """
    pending: list[Item] = list(reversed(work))
    done: list[tuple[Item, Answer]] = []
    errors: list[BaseException] = []
    opened: list[Session] = [first]
    lock, stop = Lock(), Event()

    def end() -> None:
        stop.set()
        for session in list(opened):
            with suppress(Exception):  # it may have ended by itself; the error that came first is what counts
                session.cancel()

    def labour(session: Session | None) -> None:
        try:
            if session is None:
                session = open_session()
                opened.append(session)
            while not stop.is_set():
                with lock:
                    if not pending:
                        return
                    item = pending.pop()
                done.append((item, do(session, item)))
        except BaseException as error:
            errors.append(error)
            end()

    threads = [Thread(target=labour, args=(None,), daemon=True) for _number in range(min(sessions, len(work)) - 1)]
    try:
        for thread in threads:
            thread.start()
        labour(first)
        for thread in threads:
            thread.join()
    except BaseException:
        end()
        raise
    finally:
        for thread in threads:
            if thread.ident is not None:
                thread.join()
        for session in opened[1:]:
            session.close()
    if errors:
        raise errors[0]
    return done
