# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Weaviate server for a while, on the loopback, behind a key that only its starter knows."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import subprocess
from pathlib import Path

from ..core.clock import Clock
from ..core.errors import CommandFailed
from ..core.files import private_folder
from ..core.waiting import Deadline, wait_until
from .command import Commands, end_group
from .rest import Rest, RestTarget, answers

PROGRAM = "weaviate-server"
_TIMEOUT = 60.0


class WeaviateServer:
    """A single node below ``folder``; it ends with this process.

    :raises ToolMissing: without the program
    """

    def __init__(self, commands: Commands, clock: Clock, *, program: str | None = None) -> None:
        self._commands = commands
        self._clock = clock
        self.program = program or commands.find(PROGRAM, package="weaviate (its container image or its Go module have the program)")
        self._process: subprocess.Popen | None = None
        self._key = secrets.token_hex(16)
        self.target: RestTarget | None = None

    def start(self, folder: Path, deadline: Deadline) -> RestTarget:
        """Start on free ports and wait until it is ready; how to reach it.

        :raises CommandFailed: when it ends instead; evidence has the end of its log
        :raises TimedOut: when it does not get ready in time
        """
        private_folder(folder)
        http, grpc, gossip, data, raft, raft_rpc = _free_ports(6)
        environment = {
            "PERSISTENCE_DATA_PATH": str(folder / "data"), "CLUSTER_HOSTNAME": "node1", "CLUSTER_ADVERTISE_ADDR": "127.0.0.1",
            "CLUSTER_BIND_ADDR": "127.0.0.1", "CLUSTER_GOSSIP_BIND_PORT": gossip, "CLUSTER_DATA_BIND_PORT": data,
            "RAFT_BOOTSTRAP_EXPECT": "1", "RAFT_PORT": raft, "RAFT_INTERNAL_RPC_PORT": raft_rpc, "GRPC_PORT": grpc,
            "DEFAULT_VECTORIZER_MODULE": "none", "ENABLE_MODULES": "", "DISABLE_TELEMETRY": "true", "GO_PROFILING_DISABLE": "true",
            "AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED": "false", "AUTHENTICATION_APIKEY_ENABLED": "true",
            "AUTHENTICATION_APIKEY_ALLOWED_KEYS": self._key, "AUTHENTICATION_APIKEY_USERS": "drill",
            "CLUSTER_BASIC_AUTH_USERNAME": "drill", "CLUSTER_BASIC_AUTH_PASSWORD": self._key,
            "AUTHORIZATION_ADMINLIST_ENABLED": "true", "AUTHORIZATION_ADMINLIST_USERS": "drill", "LOG_LEVEL": "warning",
        }
        log = folder / "server.log"
        with log.open("ab") as stream:
            self._process = self._commands.start(
                [self.program, "--host", "127.0.0.1", "--port", http, "--scheme", "http"], env=environment, cwd=str(folder),
                stdout=stream.fileno(), stderr=subprocess.STDOUT, text=False)
        self.target = RestTarget(f"http://127.0.0.1:{http}", headers={"Authorization": f"Bearer {self._key}"})
        rest = Rest(self.target, what="Weaviate")
        try:
            wait_until(lambda: self._ready(rest, log), deadline=Deadline(self._clock, min(_TIMEOUT, max(1.0, deadline.left))),
                       what="the scratch server of Weaviate", interval=0.1)
        except BaseException:
            self.stop()
            raise
        finally:
            rest.close()
        return self.target

    def _ready(self, rest: Rest, log: Path) -> bool:
        if self._process.poll() is not None:
            raise CommandFailed("The scratch server of Weaviate did not start", hint="See its log in the evidence",
                                evidence={"log": log.read_text(encoding="utf-8", errors="replace")[-2000:]})
        return answers(rest, "/v1/.well-known/ready") and answers(rest, "/v1/schema")

    def stop(self) -> None:
        """End it; does nothing when it does not run."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):  # at once: what it holds is thrown away
                os.killpg(self._process.pid, signal.SIGKILL)
            end_group(self._process)
            self._process = None


def _free_ports(number: int) -> list[str]:
    """Ports of the loopback that nothing listens on just now, all different."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _number in range(number)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [str(probe.getsockname()[1]) for probe in probes]
