# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real MariaDB server on the loopback, in a folder of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.command import Commands, end_group
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import SystemClock
from ansible_collections.evenkeel.ops.plugins.module_utils.core.waiting import Deadline, wait_until

from tests.testbed.directory import listens
from tests.testbed.postgres import free_port
from tests.testbed.tls import Identity

USER, PASSWORD, DATABASE = "monitor", "op3n s3same", "shop"


@contextlib.contextmanager
def serve_mariadb(identity: Identity) -> Iterator[int]:
    """mariadbd until the block ends, with a database, a table in it, and an account that may read; yields its port. It has TLS.

    :raises ToolMissing: without mariadb-server
    """
    commands = Commands()
    install, server = (commands.find(program, package="mariadb-server") for program in ("mariadb-install-db", "mariadbd"))
    folder = Path(tempfile.mkdtemp(prefix="evenkeel-mariadb-"))
    certificate, key = identity.write(folder)
    (folder / "init.sql").write_text(
        f"CREATE DATABASE {DATABASE};\nCREATE TABLE {DATABASE}.orders (id INT);\nINSERT INTO {DATABASE}.orders VALUES (1), (2);\n"
        f"CREATE USER '{USER}'@'%' IDENTIFIED BY '{PASSWORD}';\nGRANT ALL ON {DATABASE}.* TO '{USER}'@'%';\n")
    account = ["--user=root"] if os.geteuid() == 0 else []
    process = None
    try:
        commands.run([install, "--no-defaults", f"--datadir={folder}/data", "--auth-root-authentication-method=normal", "--skip-test-db",
                      "--skip-name-resolve", *account], timeout=300)
        port = free_port()
        with (folder / "server.log").open("wb") as log:
            process = commands.start(
                [server, "--no-defaults", f"--datadir={folder}/data", f"--port={port}", "--bind-address=127.0.0.1", f"--socket={folder}/s",
                 f"--pid-file={folder}/pid", f"--ssl-cert={certificate}", f"--ssl-key={key}", f"--init-file={folder}/init.sql",
                 "--innodb-buffer-pool-size=16M", "--innodb-log-file-size=4M", "--innodb-flush-log-at-trx-commit=0", *account],
                stdout=log.fileno(), stderr=subprocess.STDOUT)
        wait_until(lambda: listens(port), deadline=Deadline(SystemClock(), 180), what="mariadbd", interval=0.1)
        yield port
    finally:
        if process:
            end_group(process)
        shutil.rmtree(folder, ignore_errors=True)
