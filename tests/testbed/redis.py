# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real Redis servers on the loopback, without persistence."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.command import Commands, end_group
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import SystemClock
from ansible_collections.evenkeel.ops.plugins.module_utils.core.waiting import Deadline, wait_until

from tests.testbed.postgres import free_port


@contextlib.contextmanager
def serve_redis(*, password: str | None = None, tls: tuple[Path, Path, Path] | None = None) -> Iterator[int]:
    """A redis-server of the machine until the block ends; yields its port.

    A ``password`` has no quotes. ``tls`` is the files of certificate, key and authority; the server speaks nothing but TLS then.

    :raises ToolMissing: without redis-server
    """
    commands = Commands()
    program = commands.find("redis-server", package="redis-server")
    port = free_port()
    folder = Path(tempfile.mkdtemp(prefix="evenkeel-redis-"))
    settings = {"bind": "127.0.0.1", "port": "0" if tls else str(port), "dir": str(folder), "save": "", "daemonize": "no",
                "appendonly": "no"}
    if password:
        settings["requirepass"] = password
    if tls:
        settings |= {"tls-port": str(port), "tls-cert-file": str(tls[0]), "tls-key-file": str(tls[1]),
                     "tls-ca-cert-file": str(tls[2]), "tls-auth-clients": "no"}
    configuration = folder / "redis.conf"
    configuration.touch(mode=0o600)
    configuration.write_text("".join(f'{name} "{value}"\n' for name, value in settings.items()))
    process = commands.start([program, str(configuration)], stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: _listens(port), deadline=Deadline(SystemClock(), 60), what=f"redis-server on port {port}")
        yield port
    finally:
        end_group(process)
        shutil.rmtree(folder, ignore_errors=True)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
