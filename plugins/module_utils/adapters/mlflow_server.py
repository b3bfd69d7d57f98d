# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server of MLflow for a while, on a socket in a folder that only its starter can enter."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

from ..core.clock import Clock
from ..core.errors import CommandFailed, InvalidOption, OpsError
from ..core.files import private_folder
from ..core.waiting import Deadline, wait_until
from .command import Commands, end_group
from .rest import Rest, RestTarget

PROGRAM = "mlflow"
# Importing MLflow takes seconds, its database's migrations some more.
_TIMEOUT = 180.0
_LONGEST_SOCKET = 107  # unix(7)
_SOCKET = "mlflow.sock"


class MlflowServer:
    """SQLite and a folder for files, both below ``folder``. It forks workers: the whole process group is ended.

    :raises ToolMissing: without the program
    """

    def __init__(self, commands: Commands, clock: Clock, *, program: str | None = None) -> None:
        self._commands = commands
        self._clock = clock
        self.program = program or commands.find(PROGRAM, package="mlflow (with pip, 3.4 or newer), in an environment of its own")
        self._process: subprocess.Popen | None = None

    def check_folder(self, folder: str) -> None:
        """:raises InvalidOption: for a path that is too long for a socket"""
        if len(f"{folder}/evenkeel-drill-12345678/mlflow/{_SOCKET}".encode()) > _LONGEST_SOCKET:
            raise InvalidOption(f"scratch_dir: {folder!r} is too long a path for a server's socket", hint="Choose a shorter one")

    def start(self, folder: Path, deadline: Deadline, *, port: int | None = None) -> RestTarget:
        """Start and wait until it answers; how to reach it. With ``port`` it listens on the loopback in place of the socket.

        :raises CommandFailed: when it ends instead; evidence has the end of its log
        :raises TimedOut: when it does not answer in time
        """
        private_folder(folder)
        argv = [self.program, "server", "--host", "127.0.0.1", "--port", str(port or 5000), "--workers", "1",
                "--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", str(folder / "artifacts")]
        if port is None:
            argv += ["--uvicorn-opts", f"--uds {_SOCKET}"]
        environment = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
                       "HOME": str(folder), "TMPDIR": str(private_folder(folder / "tmp"))}
        log = folder / "server.log"
        with log.open("ab") as stream:
            self._process = self._commands.start(argv, env=environment, cwd=str(folder), stdout=stream.fileno(),
                                                 stderr=subprocess.STDOUT, text=False)
        target = RestTarget(f"http://127.0.0.1:{port or 5000}", unix_socket=None if port else str(folder / _SOCKET))
        rest = Rest(target, what="MLflow")
        try:
            wait_until(lambda: self._ready(rest, log), deadline=Deadline(self._clock, min(_TIMEOUT, max(1.0, deadline.left))),
                       what="the scratch server of MLflow", interval=0.2)
        except BaseException:
            self.stop()
            raise
        finally:
            rest.close()
        return target

    def _ready(self, rest: Rest, log: Path) -> bool:
        if self._process.poll() is not None:
            raise CommandFailed("The scratch server of MLflow did not start", hint="See its log in the evidence",
                                evidence={"log": log.read_text(encoding="utf-8", errors="replace")[-2000:]})
        try:
            with rest.download("/health") as stream:
                return stream.read(2) == b"OK"
        except OpsError:
            return False

    def stop(self) -> None:
        """End it and its workers; does nothing when it does not run."""
        if self._process is not None:
            with suppress(ProcessLookupError):  # at once: what it holds is thrown away
                os.killpg(self._process.pid, signal.SIGKILL)
            end_group(self._process)
            self._process = None
