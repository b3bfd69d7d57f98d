# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real primary with a real streaming standby, on the loopback."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.command import Commands
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.postgres import PostgresTarget, connect
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.postgres_server import Installation, PostgresServer
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import SystemClock
from ansible_collections.evenkeel.ops.plugins.module_utils.core.waiting import Deadline, wait_until

from tests.testbed.postgres import free_port, running_server


@dataclass
class Pair:
    """Both servers, and how to reach them."""

    primary: PostgresServer
    primary_target: PostgresTarget
    standby: PostgresServer
    standby_target: PostgresTarget

    def options(self) -> dict[str, object]:
        """Those of postgresql_promote that say where the two are."""
        old = self.primary_target
        return {"login_host": "127.0.0.1", "login_port": self.standby.port, "login_password": self.standby_target.password,
                "primary": {"login_host": "127.0.0.1", "login_port": old.port, "login_password": old.password, "connect_timeout": 2}}

    def wait_for_replay(self) -> None:
        """Until the standby has replayed what the primary has written by now."""
        with connect(self.primary_target) as session:
            written = session.value("SELECT pg_current_wal_flush_lsn()::text")
        with connect(self.standby_target) as session:
            wait_until(lambda: session.value("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", (written,)),
                       deadline=Deadline(SystemClock(), 120), what="replay", interval=0.05)


@contextlib.contextmanager
def streaming_pair(installation: Installation) -> Iterator[Pair]:
    """A primary with one table (``works``, one row) and its standby, until the block ends."""
    with running_server(installation, settings={"wal_level": "replica", "max_wal_senders": "5"}) as (primary, target):
        with connect(target) as session:
            session.run("CREATE TABLE public.works (at timestamptz DEFAULT clock_timestamp())")
            session.run("INSERT INTO public.works DEFAULT VALUES")
        folder = Path(tempfile.mkdtemp(prefix="evenkeel-pg-"))
        folder.chmod(0o755)
        commands = Commands()
        standby = PostgresServer(commands, installation, folder / "server", SystemClock(), port=free_port(),
                                 settings={"listen_addresses": "127.0.0.1", "fsync": "off"})
        try:
            standby.prepare()
            commands.run([installation.program("pg_basebackup"), "-h", primary.socket_folder, "-p", str(primary.port), "-U", "postgres",
                          "-D", str(standby.data), "-R", "-X", "stream", "-c", "fast", "--no-sync"], timeout=300, user=standby.account,
                         cwd=str(standby.folder))
            standby.start()
            pair = Pair(primary, target, standby, replace(target, port=standby.port))
            with connect(pair.standby_target) as session:
                wait_until(lambda: session.value("SELECT status FROM pg_stat_wal_receiver") == "streaming",
                           deadline=Deadline(SystemClock(), 120), what="streaming", interval=0.05)
            with connect(target) as session:
                session.run("INSERT INTO public.works DEFAULT VALUES")
            pair.wait_for_replay()
            yield pair
        finally:
            standby.stop(immediately=True)
            shutil.rmtree(folder, ignore_errors=True)
