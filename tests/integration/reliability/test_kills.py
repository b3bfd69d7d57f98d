# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A kill never makes a bad copy look good: SIGKILL at random moments of create, verify, prune and restore."""

from __future__ import annotations

import filecmp
import os
import random
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters import pg_dump
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.command import Commands
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.postgres import connect
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.tar import Tar
from ansible_collections.evenkeel.ops.plugins.module_utils.assembly.repositories import reading_codecs, repository_at
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.archive_engine import ArchiveReader
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.dump_engine import DumpReader
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.lease import scratch_folder
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import SystemClock
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import OpsError

from tests.integration.reliability.figures import scaled
from tests.integration.reliability.workers import answer_in, begin, to_end

PROMISE = "a kill never makes a bad copy look good"
KILLS = scaled(300, 24)
SEED = 20260115
WORK = ("backup", "backup_verify", "backup_prune", "backup_restore")


class Plan:
    """One plan in one repository, its runs, and what is true of it when nobody runs."""

    name = ""

    def __init__(self, home: Path, repository: str, s3: dict[str, Any] | None = None) -> None:
        self.home, self.answer = home, home / "answer"
        self.base: dict[str, Any] = {"repository": repository, **({"s3": s3} if s3 else {})}
        self.repository = repository_at(repository, s3, "unnamed", "unnamed", SystemClock())
        self.codecs = reading_codecs(None)
        self.lengths: dict[str, float] = {}
        self.target = home / "restored"

    def options(self, work: str) -> dict[str, Any]:
        return {
            "backup": {**self.base, "plan": self.name, **self.source},
            "backup_verify": {**self.base, "plans": [self.name], "max_age": "0s", **self.tools},
            "backup_prune": {**self.base, "plans": {self.name: {"keep_last": 2}}},
            "backup_restore": {**self.base, "plan": self.name, "at_least": "created", "confirm": True, **self.tools, **self.destination},
        }[work]

    def doomed(self, work: str) -> dict[str, Any]:
        """Of a run that will be killed: its lease is soon over. One that runs to its end would lose such a lease on a busy machine."""
        options = self.options(work)
        return {**options, "s3": {**options["s3"], "lease": "3s"}} if "s3" in options else options

    def run(self, work: str) -> dict[str, Any]:
        """To its end; while what was killed is still being buried by the kernel, or by its lease, again."""
        deadline = time.monotonic() + 60
        while True:
            began = time.monotonic()
            said = to_end(work, self.options(work), self.answer)
            # Retention goes on with the next plan where one is busy, and says so in a finding.
            busy = said.get("error") == "Busy" or "not looked after" in said.get("summary", "")
            if not busy or time.monotonic() > deadline:
                self.lengths[work] = 0.5 * self.lengths.get(work, 0) + 0.5 * (time.monotonic() - began)
                return said
            time.sleep(0.2)

    def bad_copies(self) -> list[str]:
        """What is listed as usable and cannot be read in full."""
        bad = []
        for backup in self.repository.list(self.name):
            if not backup.usable:
                continue
            try:
                with scratch_folder(self.home / "reading") as folder:
                    self.reader.read_in_full(backup, self.codecs, folder)
            except OpsError as error:
                bad.append(f"{backup.id}: {error}")
        return bad

    def looks_restored(self) -> bool:
        raise NotImplementedError

    def restored(self) -> bool:
        raise NotImplementedError

    def clear_target(self) -> None:
        raise NotImplementedError


class Files(Plan):
    """Some files, among them one that takes a moment."""

    name = "files"

    def __init__(self, home: Path, repository: str, s3: dict[str, Any] | None = None) -> None:
        super().__init__(home, repository, s3)
        self.folder = home / "source"
        self.folder.mkdir(parents=True)
        for number in range(60):
            (self.folder / f"file-{number}").write_bytes(random.Random(number).randbytes(50_000))
        self.source = {"engine": "archive", "paths": [str(self.folder)]}
        self.tools: dict[str, Any] = {}
        self.destination = {"path": str(self.target)}
        self.reader = ArchiveReader(Tar(Commands()), timeout=60)

    def looks_restored(self) -> bool:
        return self.target.is_dir() and bool(os.listdir(self.target)) and not (self.target / ".evenkeel-restore").exists()

    def restored(self) -> bool:
        back = Path(f"{self.target}{self.folder}")
        filecmp.clear_cache()  # it believes a file of the same size and time to be what it was the last time
        names = sorted(os.listdir(self.folder))
        return back.is_dir() and filecmp.cmpfiles(self.folder, back, names, shallow=False) == (names, [], [])

    def clear_target(self) -> None:
        import shutil

        shutil.rmtree(self.target, ignore_errors=True)


class Shop(Plan):
    """A small database."""

    name = "shop"
    copy = "small_shop_restored"

    def __init__(self, home: Path, repository: str, shop: Any, programs: str) -> None:
        super().__init__(home, repository)
        home.mkdir(parents=True, exist_ok=True)
        self.server = replace(shop, database="postgres")
        login = {"login_host": shop.host, "login_port": shop.port, "login_user": shop.user, "login_password": shop.password}
        self.tools = {"bin_dir": programs}
        self.source = {"engine": "pg_dump", **self.tools, **login, "login_db": shop.database}
        self.destination = {**login, "login_db": "postgres", "target_database": self.copy}
        self.reader = DumpReader(pg_dump.DumpPrograms(Commands(), [programs]), jobs=2, timeout=60)

    def looks_restored(self) -> bool:
        with connect(self.server) as session:
            return bool(session.value("SELECT count(*) FROM pg_database WHERE datname = %s", (self.copy,)))

    def restored(self) -> bool:
        if not self.looks_restored():
            return False
        with connect(replace(self.server, database=self.copy)) as session:
            return session.value("SELECT sum(n) FROM (SELECT count(*) n FROM public.customers UNION ALL SELECT count(*) FROM public.orders "
                                 "UNION ALL SELECT count(*) FROM public.items) t") == 9000

    def clear_target(self) -> None:
        with connect(self.server) as session:
            session.run("DROP DATABASE IF EXISTS {name} WITH (FORCE)", names={"name": self.copy})


def left_behind(plan: Plan) -> set[str]:
    """Ids of which there is something and that are no backup. In S3 a fence stays for a week where a killed run's manifest would go."""
    unlisted = set(plan.repository.ids(plan.name)) - {backup.id for backup in plan.repository.list(plan.name)}
    if plan.repository.place.local is not None:
        return unlisted
    return {id for id in unlisted if plan.repository.plan_place(plan.name).at(id, "data").files()}


def good(plan: Plan, work: str, said: dict[str, Any], before: set[str]) -> bool:
    """Whether the run that came next did all of it, and left nothing of the killed one."""
    if not said or said.get("failed"):
        return False
    listed = {backup.id for backup in plan.repository.list(plan.name)}
    if work == "backup":
        scratch = plan.repository.place.local / ".scratch" if plan.repository.place.local else None
        return said["changed"] and before < listed and not left_behind(plan) and (
            scratch is None or not scratch.is_dir() or not list(scratch.iterdir()))
    if work == "backup_verify":
        return all(backup.status == "verified" for backup in plan.repository.list(plan.name))
    if work == "backup_prune":
        return len(listed) <= 3 and not left_behind(plan)
    return plan.restored()


def torment(plan: Plan, kills: int, dice: random.Random) -> tuple[Counter, list[str]]:
    """Kill runs of the plan at moments drawn from their usual length; counts, and what went wrong."""
    seen: Counter = Counter()
    wrong = []
    for work in ("backup", "backup", "backup_verify", "backup_restore"):
        said = plan.run(work)
        assert said and not said.get("failed"), (work, said)
    plan.lengths["backup_prune"] = plan.lengths["backup_verify"] / 2
    for number in range(kills):
        work = WORK[number % len(WORK)]
        if work == "backup_prune":  # so that there is something to delete
            plan.run("backup")
        if work == "backup_restore":
            plan.clear_target()
        before = {backup.id for backup in plan.repository.list(plan.name)}
        process = begin(work, plan.doomed(work), plan.answer)
        time.sleep(dice.uniform(0, plan.lengths[work]))
        process.kill()
        process.join(30)
        ended = bool(answer_in(plan.answer))
        seen["kills"] += 1
        seen["too late"] += ended
        bad = plan.bad_copies()
        if work == "backup_restore" and plan.looks_restored() and not plan.restored():
            bad.append("the target of a restore")
        if work in ("backup", "backup_verify") and not before <= {backup.id for backup in plan.repository.list(plan.name)}:
            bad.append("an earlier copy is gone")
        seen["bad"] += len(bad)
        wrong += [f"{work} {number}: {one}" for one in bad]
        if work == "backup_restore" and plan.looks_restored():  # it was killed after its work
            plan.clear_target()
        before = {backup.id for backup in plan.repository.list(plan.name)}
        said = plan.run(work)
        if good(plan, work, said, before):
            seen["repaired"] += 1
        else:
            wrong.append(f"{work} {number}: not repaired: {said.get('msg') or said.get('summary')}")
    return seen, wrong


@pytest.fixture
def plan(request, tmp_path, small_shop, programs):
    """The engine and repository of this name."""
    if request.param == "archive":
        yield Files(tmp_path / "home", str(tmp_path / "repository"))
    elif request.param == "pg_dump":
        made = Shop(tmp_path / "home", str(tmp_path / "repository"), small_shop, programs)
        yield made
        made.clear_target()
    else:
        from tests.conftest import missing
        from tests.testbed.minio import serve_minio

        try:
            with serve_minio() as server:
                bucket = server.bucket("kills")
                yield Files(tmp_path / "home", f"s3://{bucket}/backups", server.options())
        except FileNotFoundError:
            missing("minio")


@pytest.mark.parametrize("plan, share", [("archive", 0.45), ("pg_dump", 0.45), ("s3", 0.1)], indirect=["plan"])
def test_a_kill_leaves_no_bad_copy_that_looks_good_and_the_next_run_repairs(request, plan, share, figure):
    seen, wrong = torment(plan, max(4, round(KILLS * share / 4) * 4), random.Random(SEED))
    where = request.node.callspec.id.partition("-")[0]
    figure(PROMISE, {"archive": "create, verify, prune and restore of files, in a folder",
                     "pg_dump": "create, verify, prune and restore of a database, in a folder",
                     "s3": "create, verify, prune and restore of files, in S3 (MinIO)"}[where],
           f"{seen['kills']} kills ({seen['too late']} of them after the work was done): bad copies marked good {seen['bad']}, "
           f"next run repairs {seen['repaired']} of {seen['kills']}")
    assert not wrong, wrong[:5]
