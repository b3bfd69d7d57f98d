# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs modules each in a process of its own, forked from one that has imported Ansible already.

What a module does is a fraction of a second; Python's start and Ansible's imports are as much again, hundreds of times in a test
session. ``python -m tests.testbed.module_host SOCKET`` listens until its stdin closes. A request is one connection: three open files
(the module's stdout and stderr, and the request as JSON: ``module``, ``arguments``, ``environment``, ``folder``) are passed over it; the
module's process answers with its id, and closes the connection by ending.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

_START_SECONDS = 60


class ModuleHost:
    """The side of the tests."""

    def __init__(self, address: str) -> None:
        self._address = address

    def run(self, module: str, arguments: str, *, environment: dict[str, str], folder: Path, timeout: float) -> tuple[str, str]:
        """What the module wrote to stdout and stderr.

        :raises subprocess.TimeoutExpired: where it takes longer; it is killed then
        """
        with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr, tempfile.TemporaryFile() as request, \
                socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            request.write(json.dumps({"module": module, "arguments": arguments, "environment": environment,
                                      "folder": str(folder)}).encode())
            request.seek(0)
            connection.settimeout(timeout)
            connection.connect(self._address)
            socket.send_fds(connection, [b"."], [stdout.fileno(), stderr.fileno(), request.fileno()])
            process = 0
            try:
                process = int(connection.recv(32))
                connection.recv(1)  # nothing: the process has ended
            except TimeoutError as error:
                if process:
                    os.kill(process, signal.SIGKILL)
                raise subprocess.TimeoutExpired(module, timeout) from error
            return tuple(_text(file) for file in (stdout, stderr))


def _text(file) -> str:
    file.seek(0)
    return file.read().decode("utf-8", "replace")


@contextlib.contextmanager
def running_host(folder: Path) -> Iterator[ModuleHost]:
    """A host that ends with this process; its socket is in ``folder``."""
    address = folder / "modules"
    with subprocess.Popen([sys.executable, "-m", __name__, str(address)], stdin=subprocess.PIPE,
                          cwd=Path(__file__).parents[2]) as process:
        try:
            end = time.monotonic() + _START_SECONDS
            while not address.exists():
                assert process.poll() is None and time.monotonic() < end, "the host of modules did not start"
                time.sleep(0.01)
            yield ModuleHost(str(address))
        finally:
            process.stdin.close()
            process.wait(10)


def main() -> None:
    """Listen; fork for each request."""
    module = importlib.import_module("tests.testbed.module")
    importlib.import_module("ansible_collections.evenkeel.ops.plugins.module_utils.core.edge")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(f"{sys.argv[1]}.new")
        listener.listen(64)
        os.rename(f"{sys.argv[1]}.new", sys.argv[1])
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
            _become(module, connection)


def _become(module, connection: socket.socket) -> None:
    """Turn into the module's process."""
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
    sys.argv = ["module", request["module"]]
    connection.sendall(str(os.getpid()).encode())
    module.run(request["module"], request["arguments"])


if __name__ == "__main__":
    main()
