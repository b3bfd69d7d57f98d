# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A network that fails at a chosen request: a TCP proxy on the loopback that reads the heads of HTTP requests as they pass."""

from __future__ import annotations

import contextlib
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator

# Before anything of the request is passed on; after part of it; after all of it, when the answer comes; after part of the answer;
# never answered.
BEFORE, WITHIN, ANSWER, WITHIN_ANSWER, SILENCE = "before", "within", "answer", "within answer", "silence"
_PART_OF_ANSWER = 2**20
_HEAD = re.compile(rb"(GET|HEAD|PUT|POST|DELETE) (\S+) HTTP/1\.1\r\n")
_RESET = struct.pack("ii", 1, 0)


class Cuts:
    """``decide`` is asked at each request, with its number from 0, method and path, and names the fault, or None."""

    def __init__(self, target: int, decide: Callable[[int, str, str], str | None]) -> None:
        self._target, self.decide = target, decide
        self.requests: list[str] = []
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._open: list[socket.socket] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        self._listening.settimeout(0.05)
        while not self._over.is_set():
            with contextlib.suppress(TimeoutError):
                client, _address = self._listening.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            server = socket.create_connection(("127.0.0.1", self._target), 5)
            server.settimeout(None)
            client.settimeout(None)
            self._open += [client, server]
            fault = {"now": None}
            threading.Thread(target=self._back, args=(server, client, fault), daemon=True).start()
            while data := client.recv(65536):
                if head := _HEAD.match(data):
                    with self._lock:
                        number = len(self.requests)
                        self.requests.append(f"{head[1].decode()} {head[2].decode()}")
                        fault["now"] = self.decide(number, head[1].decode(), head[2].decode())
                if fault["now"] == BEFORE:
                    return self._cut(client, server)
                if fault["now"] == WITHIN:
                    server.sendall(data[:len(data) // 2])
                    return self._cut(client, server)
                if fault["now"] != SILENCE:
                    server.sendall(data)
            server.shutdown(socket.SHUT_WR)

    def _back(self, server: socket.socket, client: socket.socket, fault: dict[str, str | None]) -> None:
        with contextlib.suppress(OSError):
            passed = 0
            while data := server.recv(65536):
                passed += len(data)
                if fault["now"] == ANSWER and not data.startswith(b"HTTP/1.1 100"):
                    return self._cut(client, server)
                if fault["now"] == WITHIN_ANSWER and passed > _PART_OF_ANSWER:
                    return self._cut(client, server)
                if fault["now"] != SILENCE:
                    client.sendall(data)
            if fault["now"] != SILENCE:
                client.shutdown(socket.SHUT_WR)

    @staticmethod
    def _cut(*ends: socket.socket) -> None:
        for end in ends:
            with contextlib.suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                end.shutdown(socket.SHUT_RD)
            with contextlib.suppress(OSError):
                end.close()

    def stop(self) -> None:
        """Cut everything."""
        self._over.set()
        self._thread.join(5)
        self._cut(self._listening, *self._open)


@contextlib.contextmanager
def cuts(target: int, decide: Callable[[int, str, str], str | None] = lambda number, method, path: None) -> Iterator[Cuts]:
    """A proxy to a port of the loopback until the block ends."""
    proxy = Cuts(target, decide)
    try:
        yield proxy
    finally:
        proxy.stop()
