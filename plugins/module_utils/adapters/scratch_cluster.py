# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A restored cluster, started for a while in isolation: a socket in a folder of its own, no archiving, no replication, no
subscriptions, and none of the source's own configuration, which may name what is not here.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path

from ..core.clock import Clock
from ..core.errors import CommandFailed, Damaged, OpsError, ToolMissing
from ..core.files import storage_errors
from ..core.waiting import Deadline
from .command import Commands
from .postgres import PostgresSession, PostgresTarget, connect
from .postgres_server import Installation, PostgresServer, check_scratch_folder, installation_for, server_account

PORT = 54399  # in the socket's name only: nothing listens on the network
# sun_path holds 107 bytes and a NUL (unix(7)).
_LONGEST_FOLDER = 107 - len(f"/.s.PGSQL.{PORT}")
# Given on the command line, these win over postgresql.auto.conf, which a physical copy brings along.
_ISOLATED = {
    "archive_mode": "off", "archive_command": "", "restore_command": "", "listen_addresses": "", "ssl": "off", "primary_conninfo": "",
    "primary_slot_name": "", "synchronous_standby_names": "", "max_wal_senders": "0", "max_logical_replication_workers": "0",
    "shared_preload_libraries": "", "session_preload_libraries": "", "local_preload_libraries": "", "logging_collector": "off",
    "log_destination": "stderr", "external_pid_file": "", "hot_standby": "off", "autovacuum": "off", "jit": "off", "fsync": "off",
    "synchronous_commit": "off", "full_page_writes": "off", "wal_level": "replica", "shared_buffers": "256MB",
    "maintenance_work_mem": "256MB", "max_wal_size": "8GB", "checkpoint_timeout": "1h", "huge_pages": "off", "log_min_messages": "log",
    "recovery_target_action": "promote", "data_sync_retry": "off", "event_source": "PostgreSQL", "cluster_name": "",
}
# What the control file has of the primary, and a server that replays its log must not be below.
_FROM_CONTROL = {"max_connections": "max_connections", "max_worker_processes": "max_worker_processes",
                 "max_prepared_xacts": "max_prepared_transactions", "max_locks_per_xact": "max_locks_per_transaction"}
_FATAL = re.compile(r"(?:FATAL|PANIC):\s+(.*)")
_ENDED = re.compile(r"LOG:  (recovery stopping (?:before|after) .*|redo done at .*|last completed transaction was at log time .*)")


class ScratchCluster:
    """Programs are chosen on creation, so that a missing one is told before anything is begun: a data directory can only be run
    by its own major version.

    ``account`` runs the server and owns the data, None where this process is it.

    :raises ToolMissing: names the package
    """

    def __init__(self, commands: Commands, clock: Clock, *, major: int, superuser: str, folders: list[str],
                 database: str = "postgres") -> None:
        self._commands, self._clock = commands, clock
        self.installation: Installation = installation_for(commands, major, program="postgres", folders=folders)
        if self.installation.major != major:
            raise ToolMissing(f"A data directory of PostgreSQL {major} can only be run by PostgreSQL {major}; "
                              f"the nearest here is {self.installation.major}", hint=f"Install the package postgresql-{major}")
        self.installation.program("pg_controldata")
        self.account = server_account()
        self.superuser, self.database = superuser, database
        self._server: PostgresServer | None = None

    @property
    def tools(self) -> dict[str, str]:
        """Programs and their versions."""
        return {"postgres": ".".join(map(str, self.installation.version))}

    def check_folder(self, folder: str | os.PathLike[str]) -> None:
        """As `postgres_server.check_scratch_folder`."""
        check_scratch_folder(self._commands, folder, account=self.account, longest=_LONGEST_FOLDER)

    def make_folder(self, folder: Path) -> Path:
        """A folder of the account that nobody else can enter; one that is there already becomes so.

        :raises StorageFailed: when it cannot be made
        """
        with storage_errors(folder):
            folder.mkdir(mode=0o700, exist_ok=True)
            folder.chmod(0o700)
            if self.account:
                shutil.chown(folder, self.account)
        return folder

    def start(self, data: Path, room: Path, settings: Mapping[str, str], deadline: Deadline) -> None:
        """Start the server on ``data``, a restored data directory, and wait until its recovery has ended; its socket, log and
        configuration lie in ``room``. ``settings`` are those of the recovery, and win over ours.

        :raises CommandFailed: when it ends instead, with what its log says
        :raises TimedOut: after the deadline
        """
        own = self.make_folder(room / "configuration")
        for name, text in (("postgresql.conf", ""), ("pg_hba.conf", "local all all trust\n"), ("pg_ident.conf", "")):
            with storage_errors(own):
                (own / name).write_text(text, encoding="utf-8")
                (own / name).chmod(0o644)
        control = self.control(data)
        copied = {ours: str(max(int(control.get(f"{theirs} setting", "0")), 64)) for theirs, ours in _FROM_CONTROL.items()}
        files = {f"{kind}_file": str(own / name)
                 for kind, name in (("config", "postgresql.conf"), ("hba", "pg_hba.conf"), ("ident", "pg_ident.conf"))}
        server = PostgresServer(self._commands, self.installation, room, self._clock, port=PORT, superuser=self.superuser,
                                settings={**_ISOLATED, **copied, **files, **settings})
        server.data = data
        self._server = server
        try:
            server.start(timeout=max(1.0, deadline.left))
        except CommandFailed as error:
            said = str(error.evidence.get("log", ""))
            fatal = [match[1] for match in _FATAL.finditer(said) if "is starting up" not in match[1]]
            hint = "The log ends before the point: choose an earlier one, or see whether its segments are archived" \
                if any("before configured recovery target" in line for line in fatal) else "See the end of its log in the evidence"
            raise CommandFailed(f"The restored cluster did not come up: {fatal[-1] if fatal else error.message}", hint=hint,
                                evidence={"stderr": said}) from error

    def ended(self) -> list[str]:
        """What the server's log says of the end of its recovery."""
        with storage_errors(self._running().log):
            return _ENDED.findall(self._running().log.read_text(encoding="utf-8", errors="replace"))

    def control(self, data: Path) -> dict[str, str]:
        """What pg_controldata prints, by its labels.

        :raises Damaged: where the control file cannot be read
        """
        try:
            printed = self._commands.run([self.installation.program("pg_controldata"), "-D", str(data)], timeout=60, user=self.account,
                                         cwd="/").stdout
        except CommandFailed as error:
            raise Damaged(f"The control file of the restored cluster cannot be read: {error.message}", hint="Restore another backup",
                          evidence=error.evidence) from error
        pairs = (line.partition(":") for line in printed.splitlines())
        return {label.strip(): value.strip() for label, _colon, value in pairs}

    def check_pages(self, data: Path, *, timeout: float) -> str | None:
        """Have pg_checksums read every page of a cluster that was shut down: what it says is wrong, empty where nothing is, None
        where the cluster has no checksums.
        """
        if self.control(data).get("Data page checksum version", "0") == "0":
            return None
        done = self._commands.run([self.installation.program("pg_checksums"), "--check", "-D", str(data)], timeout=timeout,
                                  user=self.account, cwd="/", check=False)
        return "" if done.returncode == 0 else done.stderr.strip() or done.stdout.strip()

    def session(self, *, database: str | None = None, statement_timeout: float | None = None) -> PostgresSession:
        """A session of the cluster's superuser.

        :raises OpsError: as `connect`
        """
        server = self._running()
        target = PostgresTarget(host=server.socket_folder, port=server.port, user=self.superuser, database=database or self.database,
                                ssl_mode="disable")
        return connect(target, statement_timeout=statement_timeout, application_name="evenkeel.ops drill")

    def stop(self, *, cleanly: bool = False) -> None:
        """End the server; ``cleanly`` with a checkpoint. Does nothing when there is none."""
        if self._server is not None:
            self._server.stop(immediately=not cleanly)

    def _running(self) -> PostgresServer:
        if self._server is None:
            raise OpsError("The scratch server was not started")
        return self._server

    def start_for_good(self, data: Path, *, config_file: str | None, log: Path, timeout: float) -> None:
        """Start the server of a recovered data directory with its own configuration, by pg_ctl, and leave it running.

        :raises CommandFailed: when it does not come up; its log says why
        """
        options = ["-o", f"-c config_file={shlex.quote(config_file)}"] if config_file else []
        self._commands.run([self.installation.program("pg_ctl"), "start", "--wait", f"--timeout={max(1, int(timeout))}", "-D", str(data),
                            "-l", str(log), *options], timeout=timeout + 10, user=self.account, cwd="/")
