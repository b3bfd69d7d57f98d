# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers that accept and say little: nothing at all, a banner, or a banner a byte at a time."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def serve_words(words: bytes = b"", *, pause: float = 0.0) -> Iterator[int]:
    """Send ``words`` to whoever connects, each byte after ``pause`` seconds if there is one, then keep silent and open.

    Yields the port. Without words this is the server that accepts and never answers.
    """
    over = threading.Event()
    clients: list[socket.socket] = []
    listening = socket.create_server(("127.0.0.1", 0))
    listening.settimeout(0.05)

    def talk(client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            for part in ([bytes([byte]) for byte in words] if pause else [words]):
                if over.wait(pause):
                    return
                client.sendall(part)

    def accept() -> None:
        while not over.is_set():
            with contextlib.suppress(TimeoutError):
                client, _address = listening.accept()
                clients.append(client)
                threading.Thread(target=talk, args=(client,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield listening.getsockname()[1]
    finally:
        over.set()
        thread.join(5)
        for one in (*clients, listening):
            one.close()
