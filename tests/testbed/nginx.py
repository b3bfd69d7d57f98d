# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real nginx on the loopback, reloaded as operators reload it."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.command import Commands, end_group
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import SystemClock
from ansible_collections.evenkeel.ops.plugins.module_utils.core.waiting import Deadline, wait_until


@dataclass(frozen=True)
class Nginx:
    """``test`` and ``reload`` are its commands, as lists."""

    test: list[str]
    reload: list[str]


@contextlib.contextmanager
def serve_nginx(folder: Path, servers: Sequence[str], *, port: int, host: str = "127.0.0.1") -> Iterator[Nginx]:
    """With ``servers``, the text of its server blocks, until the block ends; ``port`` is one of them, to see that it answers.

    :raises ToolMissing: without nginx
    """
    commands = Commands()
    program = commands.find("nginx", package="nginx-light")
    configuration = folder / "nginx.conf"
    configuration.write_text("\n".join([
        "worker_processes 1; error_log stderr notice;", f"pid {folder}/nginx.pid;", "user root;" if os.geteuid() == 0 else "",
        "events { worker_connections 512; }", "http { access_log off;",
        *(f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")), *servers, "}"]))
    base = [program, "-c", str(configuration), "-p", str(folder), "-e", str(folder / "nginx.log")]
    with (folder / "nginx.out").open("wb") as log:
        process = commands.start([*base, "-g", "daemon off;"], stdout=log.fileno(), stderr=subprocess.STDOUT, text=False)
    try:
        def answers() -> bool:
            if process.poll() is not None:
                raise RuntimeError(f"nginx ended: {(folder / 'nginx.out').read_text(errors='replace')[-2000:]}")
            with contextlib.suppress(OSError), socket.create_connection((host, port), 1):
                return True
            return False

        wait_until(answers, deadline=Deadline(SystemClock(), 60), what="nginx to answer", interval=0.05)
        yield Nginx([*base, "-t"], [*base, "-s", "reload"])
    finally:
        end_group(process)
