# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ends a rebuild or a rewrite, or keeps it from being begun: the room on a real disk, the load of the real host, who is blocked."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters import postgres
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.postgres_server import server_account
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.server_host import ThisHost

from tests.conftest import ROOT, missing
from tests.integration.databases.conftest import REINDEX, VACUUM, login, sick_table
from tests.integration.databases.test_gentle import busy
from tests.integration.databases.test_postgresql_reindex import eventually, invalid, old_transaction
from tests.integration.databases.test_rewrite import LEFT, ON_THE_OLDEST, REWRITE, airy, repacked

__all__ = ["repacked"]  # a fixture of tests below
MIB = 2**20
FORECAST = {"margin_percent": 25, "first_margin_percent": 100, "samples": 5, "patience": 3, "forced_within": "7d"}
AT_WORK = "SELECT count(*) FROM pg_trigger WHERE tgname = 'repack_trigger'"


@pytest.fixture
def small(pg, session) -> Iterator[Path]:
    """A disk of 24 MiB with the tablespace ``small``."""
    if os.geteuid() != 0:
        missing("The right to mount a small file system")
    mount = Path(tempfile.mkdtemp(prefix="evenkeel-small-"))
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m,mode=0700", "tmpfs", str(mount)], check=False).returncode:
        missing("The right to mount a small file system")
    try:
        mount.chmod(0o755)
        (mount / "space").mkdir()
        shutil.chown(mount / "space", server_account())
        session.run(f"CREATE TABLESPACE small LOCATION '{mount}/space'")
        yield mount
        for table in session.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"):
            session.run("DROP TABLE {t}", names={"t": table["tablename"]})
        session.run("DROP TABLESPACE small")
    finally:
        subprocess.run(["umount", "-l", str(mount)], check=True)
        mount.rmdir()


def fill(mount: Path, *, leave: int) -> Path:
    """Somebody else writes until so many bytes are free."""
    room, path = os.statvfs(mount), mount / "others"
    with path.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, room.f_bavail * room.f_frsize - leave)
    return path


def test_room_that_goes_while_it_works_ends_a_rebuild_and_keeps_the_next_from_being_begun(run_module, database, session, small):
    session.run("CREATE EXTENSION pgstattuple SCHEMA public")
    session.run("SET default_tablespace = small")
    for name, rows in (("t", 20000), ("u", 12000)):
        sick_table(session, name, rows=rows)
    session.run("VACUUM ANALYZE t, u")
    options = login(database, vacuum={**VACUUM, "exclude": ["*.*"]}, reindex={**REINDEX, "free_space": "4MiB", "unknown_room": "refuse"},
                    forecast=FORECAST, lock_timeout="30s", time_budget="60s", connection_budget=1)
    answers: list[dict] = []
    with old_transaction(database) as old:
        thread = threading.Thread(target=lambda: answers.append(run_module("postgresql_maintenance", options, timeout=90)))
        thread.start()
        eventually(lambda: invalid(session))  # the first is under way, and waits for the old transaction
        others = fill(small, leave=3 * MIB)
        eventually(lambda: not session.value("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'REINDEX%' AND state = 'active'"))
        old.run("ROLLBACK")  # what it left behind can be dropped now
        thread.join()
    [answer] = answers
    first, second = answer["debt"]
    assert answer["changed"] is False and first["relation"] == "public.t" and second["relation"] == "public.u", answer
    assert "it was cancelled after" in first["reason"] and "where 4.0 MiB have to stay free" in first["reason"]
    assert f"left on {small}/space (tablespace small)" in first["reason"]
    assert re.search(rf"it needs [0-9.]+ KiB beside the old one, and {small}/space \(tablespace small\) has 3\.[0-9] MiB free, of which "
                     "4.0 MiB have to stay free", second["reason"]), second
    assert {finding["status"] for finding in answer["findings"] if finding["check"] == "database.debt"} == {"warn"}
    assert all("Make room on that disk" in finding["hint"] for finding in answer["findings"])
    assert "left behind" not in first["reason"] and invalid(session) == []

    others.unlink()
    done = run_module("postgresql_maintenance", options)
    assert done["changed"] and done["debt"] == [] and invalid(session) == [], done


@ON_THE_OLDEST
def test_room_that_goes_ends_a_rewrite_and_without_room_none_is_planned(run_module, database, repacked, small):
    repacked.run("SET default_tablespace = small")
    airy(repacked, "t")
    options = login(database, policy={**REWRITE, "free_space": "4MiB", "unknown_room": "refuse"}, time_budget="60s", lock_timeout="30s")
    with rewriting(run_module, database, repacked, options) as answers:
        others = fill(small, leave=3 * MIB)
    [answer] = answers
    [left] = answer["not_done"]
    assert "it was cancelled after" in left["reason"] and f"left on {small}/space (tablespace small)" in left["reason"], answer
    assert "left behind" not in left["reason"] and repacked.value(LEFT) == 0
    [left] = run_module("postgresql_vacuum", options)["not_done"]
    assert f"beside the old one, and {small}/space (tablespace small) has 0 B beyond the 4.0 MiB" in left["reason"]
    others.unlink()
    done = run_module("postgresql_vacuum", options)
    assert done["changed"] and repacked.value(LEFT) == 0, done


@contextlib.contextmanager
def rewriting(run_module, database, session, options) -> Iterator[list[dict]]:
    """A pg_repack that has made its log and its trigger, and cannot copy as long as an older transaction runs: till it is ended."""
    answers: list[dict] = []
    with old_transaction(database):
        thread = threading.Thread(target=lambda: answers.append(run_module("postgresql_vacuum", options, timeout=90)))
        thread.start()
        eventually(lambda: session.value(AT_WORK))
        yield answers
        thread.join()
    assert answers


@ON_THE_OLDEST
def test_a_rewrite_ends_where_too_many_are_blocked_for_too_long(run_module, database, repacked):
    airy(repacked, "t")
    repacked.run("CREATE TABLE other (id int)")
    options = login(database, policy=REWRITE, time_budget="60s", lock_timeout="30s",
                    gentle={"blocked_sessions": 0, "patience": "0s", "cancel_after": "1s"})
    with rewriting(run_module, database, repacked, options) as answers, postgres.connect(database, autocommit=False) as holder:
        holder.run("LOCK TABLE public.other")
        with busy(database, "SELECT count(*) FROM public.other"):
            eventually(lambda: answers)
    [left] = answers[0]["not_done"]
    assert "1 sessions were waiting for a lock, over the limit of 0, for " in left["reason"], answers
    assert "it has no brake" in left["reason"]
    assert "left behind" not in left["reason"] and repacked.value(LEFT) == 0
    eventually(lambda: not repacked.value("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pg_repack'"))
    assert run_module("postgresql_vacuum", options)["changed"] is True


@ON_THE_OLDEST
def test_what_a_killed_run_left_of_a_real_rewrite_is_gone_after_the_next(run_module, database, repacked):
    airy(repacked, "t")
    options = login(database, policy=REWRITE, time_budget="60s")
    with old_transaction(database):
        process = subprocess.Popen([sys.executable, "-m", "tests.testbed.module", "postgresql_vacuum"], cwd=ROOT, stdin=subprocess.PIPE,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.stdin.write(json.dumps({"ANSIBLE_MODULE_ARGS": {**options, "_ansible_remote_tmp": "/tmp"}}).encode())
            process.stdin.close()
            eventually(lambda: repacked.value(AT_WORK))
        finally:
            process.kill()
            process.wait()
        eventually(lambda: not repacked.value("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pg_repack'"))
    assert repacked.value(LEFT) > 0
    done = run_module("postgresql_vacuum", options)
    assert [(entry["action"], entry["status"]) for entry in done["relations"]] == [("drop leftover", "done"), ("rewrite", "done")], done
    assert repacked.value(LEFT) == 0


@pytest.fixture
def loaded() -> Iterator[None]:
    """A host whose processors are wanted by more than there are, so that every figure of its load is above nothing."""
    nice = "import os; os.nice(19)\nwhile True: pass"  # out of the way of what is tested
    burners = [subprocess.Popen([sys.executable, "-c", nice]) for _number in range(2 * (os.cpu_count() or 1))]
    try:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            load = ThisHost().load()
            if load["load_per_core"] and load["cpu_pressure"] != 0:
                break
            time.sleep(0.2)
        yield
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()


@pytest.mark.parametrize("installation", ["newest"], indirect=True)
def test_the_load_of_the_host_is_waited_for_and_told_where_nobody_sees_it(run_module, database, session, role, loaded):
    sick_table(session, "t", rows=3000)
    measured = [word for word, figure in ThisHost().load().items() if figure]
    assert "load_per_core" in measured
    for word in measured[-2:]:
        held = run_module("postgresql_vacuum", login(database, policy=VACUUM, gentle={word: 0, "patience": "0s"}))
        assert held["changed"] is False and "over the limit of 0" in held["not_done"][0]["reason"], held
        assert f"({word}; maintenance itself counts in it)" in held["not_done"][0]["reason"]

    owner = role("owner")  # sees no data_directory
    session.run("ALTER TABLE t OWNER TO owner")
    gentle = {"load_per_core": 0, "patience": "0s"}
    refused = run_module("postgresql_vacuum", login(owner, policy=VACUUM, gentle={**gentle, "unknown_load": "refuse"}))
    assert refused["changed"] is False and "load_per_core of the server's host is not known" in refused["not_done"][0]["reason"], refused
    held = run_module("postgresql_vacuum", login(owner, policy=VACUUM, gentle={**gentle, "on_host": True}))
    assert held["changed"] is False and "for each processor, over the limit of 0" in held["not_done"][0]["reason"]
    warned = run_module("postgresql_vacuum", login(owner, policy=VACUUM, gentle=gentle))
    told = [finding for finding in warned["findings"] if finding["check"] == "database.load"]
    assert warned["changed"] and [finding["status"] for finding in told] == ["warn"] and "cannot be told" in told[0]["message"]


def test_with_load_within_its_limits_it_works_and_says_nothing(run_module, database, session):
    sick_table(session, "t", rows=3000)
    done = run_module("postgresql_vacuum", login(database, policy=VACUUM, gentle={"load_per_core": 10**6, "patience": "0s"}))
    assert done["changed"] and not [finding for finding in done["findings"] if finding["check"] == "database.load"]
