# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that start at once: forked from a process that has imported already what they begin with.

A host is ``python -m MODULE SOCKET``, whose ``main`` imports and calls `serve`; it listens until its stdin closes. A request is one
connection: three open files (stdout, stderr, and the request as JSON with at least ``environment`` and ``folder``) are passed over it; the
process that is forked for it answers with its id, a line, and closes the connection by ending. A line before that is its exit status.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

_START_SECONDS = 60


class Host:
    """The side of the tests."""

    def __init__(self, address: str) -> None:
        self._address = address

    def ask(self, what: str, request: Mapping[str, Any], *, timeout: float) -> tuple[int, str, str]:
        """Exit status (0 where none was told), stdout and stderr. ``what`` is who it is, in the error.

        :raises subprocess.TimeoutExpired: where it takes longer; it is killed then
        """
        with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr, tempfile.TemporaryFile() as asked, \
                socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            asked.write(json.dumps({**request, "umask": _umask()}).encode())
            asked.seek(0)
            connection.settimeout(timeout)
            connection.connect(self._address)
            socket.send_fds(connection, [b"."], [stdout.fileno(), stderr.fileno(), asked.fileno()])
            process = 0
            try:
                with connection.makefile() as answer:
                    process = int(answer.readline())
                    status = int(answer.readline() or 0)
            except TimeoutError as error:
                if process:
                    os.kill(process, signal.SIGKILL)
                raise subprocess.TimeoutExpired(what, timeout) from error
            return status, _text(stdout), _text(stderr)


def _umask() -> int:
    """Of this process, for the one that is forked elsewhere; to ask for it otherwise is to alter it (umask(2))."""
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("Umask:")), 8)


def _text(file: Any) -> str:
    file.seek(0)
    return file.read().decode("utf-8", "replace")


@contextlib.contextmanager
def running(module: str, folder: Path, *, python: str = sys.executable, environment: Mapping[str, str] | None = None) -> Iterator[str]:
    """The address of a host that ends with this process; its socket is in ``folder``."""
    address = folder / module.rpartition(".")[2]
    with subprocess.Popen([python, "-m", module, str(address)], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                          cwd=Path(__file__).parents[2], env=environment) as process:
        try:
            end = time.monotonic() + _START_SECONDS
            while not address.exists():
                assert process.poll() is None and time.monotonic() < end, f"{module} did not start"
                time.sleep(0.01)
            yield str(address)
        finally:
            process.stdin.close()
            process.wait(10)


def serve(address: str, become: Callable[[dict[str, Any], Callable[[int], None]], None]) -> None:
    """Fork for each request until stdin closes. ``become`` ends its process; it calls what it is handed with the id to tell, once."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(f"{address}.new")
        listener.listen(64)
        os.rename(f"{address}.new", address)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
        while True:
            readable, _writable, _other = select.select([listener, sys.stdin], [], [])
            if sys.stdin in readable:
                return
            connection, _address = listener.accept()
            if os.fork():
                connection.close()
                continue
            listener.close()
            become(_taken_over(connection), lambda number, to=connection: to.sendall(f"{number}\n".encode()))


def _taken_over(connection: socket.socket) -> dict[str, Any]:
    """The request, with its files, environment, folder and umask made this process's own."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _dot, [stdout, stderr, file], _flags, _address = socket.recv_fds(connection, 1, 3)
    with os.fdopen(file, encoding="utf-8") as opened:
        request = json.load(opened)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, own in enumerate((nothing, stdout, stderr)):
        os.dup2(own, number)
        os.close(own)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    os.umask(request["umask"])
    return request
