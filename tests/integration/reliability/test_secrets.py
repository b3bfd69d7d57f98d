# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets stay secret: canary values looked for wherever a run could leave them, while it runs and after."""

from __future__ import annotations

import os
import shutil
import sqlite3
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.postgres import connect

from tests.conftest import missing

PROMISE = "secrets stay secret"
DATABASE, RESTIC, S3 = "canary-db-5f1c0e77", "canary-restic-5f1c0e77", "canary-s3-5f1c0e77aa"
ROWS = 200_000  # of which a dump takes most of a second: no look can miss it
INVENTORY = "[backups]\nhere ansible_connection=local ansible_python_interpreter='{{ ansible_playbook_python }}'\n"
INVENTORY += "[recovery:children]\nbackups\n[operations:children]\nbackups\n"
# What libpq programs are documented to be given: the name of a file of mode 0600 that goes away with them.
PASSFILE = ".pgpass"


class Watch:
    """Looks at every process and at the files below some folders, over and over, until it is stopped."""

    def __init__(self, canaries: dict[str, bytes], folders: list[Path], allowed: set[Path]) -> None:
        self._canaries, self._folders, self._allowed = canaries, folders, allowed
        self._over, self._threads = threading.Event(), []
        self.found: set[str] = set()
        self.looks, self.processes, self.programs, self.files = 0, set(), set(), set()
        # The servers of the test were there before the run, and were told their own secrets.
        self._servers = {one.pid for one in psutil.Process().children(recursive=True)}
        self._known: dict[str, tuple[float, int]] = {}
        self._born, self._all_again = dict[int, float](), 0.0
        self._ours = {os.getpid()}

    def __enter__(self) -> Watch:
        for work, pause in ((self._look_at_processes, 0.01), (self._look_at_files, 0.03)):
            thread = threading.Thread(target=self._repeat, args=(work, pause), daemon=True)
            thread.start()
            self._threads.append(thread)
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _repeat(self, work: Any, pause: float) -> None:
        while not self._over.wait(pause):
            work()
            self.looks += 1

    def _holds(self, content: bytes, where: str) -> None:
        self.found |= {f"{name} in {where}" for name, value in self._canaries.items() if value in content}

    def _look_at_processes(self) -> None:
        """Each at every look in its first second, when it becomes another program, then twice a second: else most of the machine
        would be busy with looking."""
        now, pids = time.monotonic(), sorted(psutil.pids())
        all_of_them = now >= self._all_again
        if all_of_them:
            self._all_again = now + 0.5
        for gone in self._born.keys() - pids:
            del self._born[gone]
            self._ours.discard(gone)
        for pid in pids:
            if now - self._born.setdefault(pid, now) > 1 and not all_of_them:
                continue
            with suppress(OSError):
                argv = Path(f"/proc/{pid}/cmdline").read_bytes()
                self._holds(argv, f"argv of {argv[:60]!r}")
                parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
                if pid not in self._servers and parent in self._ours:
                    self._ours.add(pid)
                if pid in self._ours and pid != os.getpid():
                    self._holds(Path(f"/proc/{pid}/environ").read_bytes(), f"environment of {argv[:60]!r}")
                    self.processes.add(pid)
                    self.programs.add(os.path.basename(os.fsdecode(argv.partition(b"\0")[0])))

    def _look_at_files(self) -> None:
        for top in self._folders:
            for folder, _folders, names in os.walk(top):
                for name in names:
                    path = Path(folder, name)
                    with suppress(OSError):
                        if path in self._allowed or not path.is_file() or path.is_symlink():
                            continue
                        facts = path.stat()
                        if path.name.endswith(PASSFILE):
                            if facts.st_mode & 0o077:
                                self.found.add(f"{path} can be read by others")
                            continue
                        if self._known.get(str(path)) == (facts.st_mtime, facts.st_size):
                            continue
                        self._known[str(path)] = (facts.st_mtime, facts.st_size)
                        self._holds(path.read_bytes(), str(path))
                        self.files.add(str(path))


@pytest.fixture(params=["folder", "s3"])
def place(request, tmp_path):
    """Variables of a repository of each kind; the secret of the one in S3 is a canary."""
    if request.param == "folder":
        yield {"backups_repository": str(tmp_path / "repository")}
        return
    from tests.testbed import minio

    def canary(size: int) -> str:
        return S3

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(minio.secrets, "token_hex", canary)  # the server's own way to choose its secret
        try:
            running = minio.serve_minio()
            server = running.__enter__()
        except FileNotFoundError:
            missing("minio")
    try:
        yield {"backups_repository": f"s3://{server.bucket('secrets')}/backups", "backups_s3": server.options()}
    finally:
        running.__exit__(None, None, None)


def test_no_canary_is_seen_anywhere(place, playbook, tmp_path, newest_pg, programs, keys, figure, monkeypatch):
    if not shutil.which("restic"):
        missing("restic")
    identity = Path(keys[0])
    canaries = {"database password": DATABASE.encode(), "restic password": RESTIC.encode(), "S3 secret": S3.encode(),
                "age identity": identity.read_bytes().strip()}
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    source = tmp_path / "source"
    source.mkdir()
    (source / "file").write_bytes(os.urandom(3_000_000))
    (tmp_path / "restic-password").write_text(RESTIC)
    (tmp_path / "restic-password").chmod(0o600)
    with connect(newest_pg) as session:
        session.run("DROP ROLE IF EXISTS canary")
        session.run("CREATE ROLE canary LOGIN SUPERUSER PASSWORD '" + DATABASE + "'")
        session.run("CREATE DATABASE canary_shop")
    shop = replace(newest_pg, database="canary_shop")
    with connect(shop) as session:
        session.run("CREATE TABLE public.orders AS SELECT n AS id, md5(n::text) AS token FROM generate_series(1, %s) n", (ROWS,))
    login = {"login_host": shop.host, "login_port": shop.port, "login_user": "canary", "login_password": DATABASE}
    plans = [
        {"name": "shop", "engine": "pg_dump", "source": {**login, "login_db": shop.database}},
        {"name": "files", "engine": "archive", "source": {"paths": [str(source)]}},
        {"name": "deduplicated", "engine": "restic", "encrypt": False, "source": {"paths": [str(source)]},
         "restic": {"repository": str(tmp_path / "restic"), "password_file": str(tmp_path / "restic-password"), "initialize": True}},
        {"name": "unreachable", "engine": "pg_dump", "source": {**login, "login_port": 1, "login_db": "none"}},
    ]
    (tmp_path / "inventory").write_text(INVENTORY)
    variables = {**place, "backups_plans": plans, "backups_bin_dir": programs, "backups_recipients": [keys[1]], "backups_min_free": "1MiB",
                 "backups_identity_file": str(identity), "backups_scratch": str(temporary / "scratch"),
                 "operations_report_folder": str(tmp_path / "reports"), "recovery_identity_file": str(identity),
                 "recovery_restore_plan": "shop", "recovery_restore_at_least": "created",
                 "recovery_restore_database": {**login, "database": "canary_restored"}, "recovery_bin_dir": programs}
    (temporary / "scratch").mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    # The variables as the operator gives them, the files that the secrets come from.
    allowed = {tmp_path / "extra.json", tmp_path / "restic-password", identity}
    said, ended = [], Counter()
    try:
        with Watch(canaries, [tmp_path], allowed) as watch:
            for procedure in ("backups.create", "backups.verify", "backups.list", "recovery.restore", "backups.prune", "operations.report"):
                done = playbook(f"evenkeel.ops.{procedure}", inventory=tmp_path / "inventory", variables=variables, options=("-vvvv",),
                                cold=True)
                said.append(done.stdout + done.stderr)
                ended[procedure] = done.returncode
    finally:
        with connect(newest_pg) as session:
            for name in ("canary_restored", "canary_shop"):
                session.run("DROP DATABASE IF EXISTS {name} WITH (FORCE)", names={"name": name})
            session.run("DROP OWNED BY canary CASCADE")
            session.run("DROP ROLE IF EXISTS canary")
    found = set(watch.found)
    for text in said:
        found |= {f"{name} in the log at -vvvv" for name, value in canaries.items() if value.decode() in text}
    with sqlite3.connect(tmp_path / "ledger.sqlite") as connection:
        kept = "\n".join(connection.iterdump())
    found |= {f"{name} in the ledger" for name, value in canaries.items() if value.decode() in kept}
    for path in tmp_path.rglob("*"):
        if path.is_file() and path not in allowed:
            found |= {f"{name} in {path}" for name, value in canaries.items() if value in path.read_bytes()}
    seen = ", ".join(sorted(watch.programs & {"pg_dump", "pg_restore", "restic", "tar"}))
    where = "a repository in S3" if "backups_s3" in place else "a repository in a folder"
    figure(PROMISE, f"canaries of database, restic, S3 and age in argv, environments, temporary files, logs at -vvvv, manifests, "
           f"ledger and report; {where}",
           f"found {len(found)}: {watch.looks} looks at {len(watch.processes)} processes ({seen}) and {len(watch.files)} files "
           f"of {len(ended)} procedures, {sum(map(len, said)) // 1024} KiB of logs")
    assert not found, sorted(found)[:10]
    assert ended["backups.list"] == 0 and ended["backups.verify"] == 0 and ended["backups.create"] != 0, (ended, said[1][-3000:])
    assert {"pg_dump", "restic"} <= watch.programs, watch.programs
    assert list((tmp_path / "reports").rglob("*.html")) and "unreachable" in said[0] and len(watch.processes) > 10
