# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""backup_restore on real files and real servers: what comes back, what is refused, and what a kill leaves."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from dataclasses import replace

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.postgres import connect
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.repository import Repository
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.seal import sealed
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import SystemClock
from ansible_collections.evenkeel.ops.plugins.module_utils.core.waiting import Deadline, wait_until

from tests.conftest import ROOT
from tests.integration.recovery.conftest import fill, wheel_folder
from tests.integration.recovery.test_restore_drill import server_processes

ORDERS = ("CREATE TABLE customers (id bigint PRIMARY KEY, name text NOT NULL)",
          "INSERT INTO customers SELECT g, 'customer ' || g FROM generate_series(1, 500) g",
          'CREATE TABLE "odd ""name"" %s {x}" ("a \'b" int)', 'INSERT INTO "odd ""name"" %s {x}" VALUES (1), (NULL)')


@pytest.fixture
def tree(tmp_path):
    """Files with modes, links, a hole, an extended attribute, a time, and owners where that may be set."""
    folder = tmp_path / "source"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "snow☃ \n-rf").write_text("x" * 1000)
    (folder / "script").write_text("#!/bin/sh")
    (folder / "script").chmod(0o4751)
    (folder / "hard").hardlink_to(folder / "script")
    (folder / "link").symlink_to("/etc/passwd")
    with (folder / "sparse").open("wb") as stream:
        stream.truncate(8 * 2**20)
    (folder / "deep").chmod(0o2710)
    os.utime(folder / "deep", (1_000_000_000, 1_000_000_000))
    with contextlib.suppress(OSError):
        os.setxattr(folder / "script", "user.evenkeel", b"bin\x00ary\xff")
    if os.geteuid() == 0:
        os.chown(folder / "deep" / "snow☃ \n-rf", 1234, 4321)
    return folder


@pytest.fixture
def files(run_module, tmp_path, tree):
    """A verified backup of the tree."""
    answer = run_module("backup", {"repository": str(tmp_path / "repository"), "plan": "files", "engine": "archive", "paths": [str(tree)]})
    assert answer["changed"], answer
    return answer["backup"]


@pytest.fixture
def restore(run_module, tmp_path):
    """Run the module on that repository."""

    def run(*, check=False, **options):
        return run_module("backup_restore", {"repository": str(tmp_path / "repository"), "bin_dir": wheel_folder(),
                                             "scratch_dir": str(tmp_path), **options}, check=check)

    return run


def refused(answer, kind, *words):
    assert answer.get("failed") and answer["error"] == kind and answer["hint"], answer
    assert all(word in answer["msg"] for word in words), answer["msg"]
    return answer


def facts(folder):
    found = {}
    for path in sorted(folder.rglob("*")):
        one = path.lstat()
        attributes = {name: os.getxattr(path, name, follow_symlinks=False) for name in os.listxattr(path, follow_symlinks=False)}
        found[str(path.relative_to(folder))] = (
            one.st_mode, one.st_uid, one.st_gid, one.st_size if path.is_file() else 0, one.st_nlink if path.is_file() else 0, attributes,
            int(one.st_mtime), path.readlink() if path.is_symlink() else b"" if path.is_dir() else path.read_bytes())
    return found


def test_files_come_back_as_they_were(restore, run_module, files, tree, tmp_path):
    target = tmp_path / "target"
    planned = restore(check=True, backup=files["id"], path=str(target))
    assert planned["changed"] and planned["restore"]["status"] == "planned" and str(target) in planned["summary"]
    assert not target.exists(), "check mode writes nothing"
    answer = restore(backup=files["id"], path=str(target))
    assert answer["changed"] and answer["restore"]["status"] == "restored", answer
    assert [one["status"] for one in answer["findings"]] == ["pass"] * 3
    assert answer["restore"]["compared"] > 5 and answer["restore"]["different"] == []
    there = target / str(tree).lstrip("/")
    assert facts(there) == facts(tree)
    assert there.lstat().st_mode == tree.lstat().st_mode and (there / "sparse").stat().st_blocks < 100
    assert os.listdir(target) == [str(tree).split("/")[1]] and target.stat().st_mode & 0o777 == 0o700
    listed = run_module("backup_info", {"repository": str(tmp_path / "repository")})["backups"]
    assert [one["status"] for one in listed] == ["verified"], "verify first is recorded"
    refused(restore(backup=files["id"], path=str(target)), "Refused", "not empty")
    refused(restore(backup=files["id"], path=str(target), confirm=True), "Refused", "not empty")
    assert facts(there) == facts(tree)


def test_an_empty_folder_will_do_and_keeps_its_mode(restore, files, tmp_path):
    target = tmp_path / "target"
    (target / "lost+found").mkdir(parents=True)
    target.chmod(0o755)
    assert restore(backup=files["id"], path=str(target), verify=False)["restore"]["status"] == "restored"
    assert target.stat().st_mode & 0o777 == 0o755 and (target / "lost+found").is_dir()


@pytest.mark.parametrize("options, kind, words", [
    ({"path": "relative"}, "InvalidOption", ["plain form"]),
    ({"path": "/srv/../etc"}, "InvalidOption", ["plain form"]),
    ({"path": None}, "InvalidOption", ["no path was named"]),
    ({"path": "/"}, "InvalidOption", ["within each other"]),
    ({"path": "{repository}/out"}, "InvalidOption", ["within each other"]),
    ({"path": "{tmp}/a_link"}, "InvalidOption", ["symbolic link"]),
    ({"path": "{tmp}/a_file"}, "InvalidOption", ["is a file"]),
    ({"backup": None}, "InvalidOption", ["Neither a backup nor a plan"]),
    ({"backup": None, "plan": "files", "at_least": "proven"}, "NotFound", ["no proven backup", "created"]),
    ({"backup": None, "plan": "none", "at_least": "created"}, "NotFound", ["no backup at all"]),
    ({"backup": "-rf"}, "NotFound", ["'-rf'"]),
    ({"plan": "other"}, "InvalidOption", ["is of plan files"]),
    ({"jobs": 0}, "InvalidOption", ["jobs"]),
    ({"timeout": "-1h"}, "InvalidOption", ["timeout"]),
])
def test_what_makes_no_sense_is_told_and_nothing_is_written(restore, files, tmp_path, options, kind, words):
    (tmp_path / "a_link").symlink_to(tmp_path)
    (tmp_path / "a_file").write_text("x")
    before = sorted(os.listdir(tmp_path))
    given = {key: value.format(tmp=tmp_path, repository=tmp_path / "repository") if isinstance(value, str) else value
             for key, value in {"backup": files["id"], "path": f"{tmp_path}/target", **options}.items()}
    refused(restore(**{key: value for key, value in given.items() if value is not None}), kind, *words)
    assert sorted(os.listdir(tmp_path)) == before


def test_the_newest_verified_one_is_chosen_and_a_failed_one_is_not(restore, run_module, files, tree, tmp_path):
    repository = Repository(tmp_path / "repository", "unnamed", "unnamed")
    run_module("backup_verify", {"repository": str(repository.root)})
    options = {"repository": str(repository.root), "plan": "files", "engine": "archive", "paths": [str(tree)]}
    newest = run_module("backup", options)["backup"]
    assert restore(check=True, plan="files", path="/nonexistent-target")["restore"]["backup_id"] == files["id"]
    assert restore(check=True, plan="files", at_least="created", path="/nonexistent-target")["restore"]["backup_id"] == newest["id"]
    archive = repository.plan_folder("files") / newest["id"] / "data" / "archive.tar.zst"
    content = bytearray(archive.read_bytes())
    content[20] ^= 0xff
    archive.write_bytes(content)
    target = tmp_path / "target"
    answer = restore(backup=newest["id"], path=str(target))
    assert not answer["changed"] and answer["restore"]["status"] == "failed" and not target.exists(), answer
    assert {one["check"]: one["status"] for one in answer["findings"]} == {"recovery.restored": "fail", "backup.verified": "fail"}
    refused(restore(backup=newest["id"], path=str(target)), "Refused", "failed its last verification")
    salvage = restore(backup=newest["id"], path=str(target), accept_failed=True, verify=False)
    assert salvage["restore"]["status"] == "failed" and not target.exists(), salvage


def test_an_archive_that_tries_to_get_out_is_not_restored(restore, files, tmp_path):
    """A few ways out; what tar refuses ends the restore, and nothing of it is published."""
    import hashlib
    import io

    backup = Repository(tmp_path / "repository", "unnamed", "unnamed").open(files["id"])
    outside = tmp_path / "outside"
    outside.mkdir()

    def member(name, **more):
        one = tarfile.TarInfo(name)
        for key, value in more.items():
            setattr(one, key, value)
        return one

    cases = {
        "dots": [member("../../outside/x", size=1)],
        "through a link": [member("a", type=tarfile.SYMTYPE, linkname=str(outside)), member("a/x", size=1)],
        "through a relative link": [member("b", type=tarfile.SYMTYPE, linkname="../../../outside"), member("b/x", size=1)],
        "hard link": [member("h", type=tarfile.LNKTYPE, linkname="../../../a_file")],
        "the mark": [member(".evenkeel-restore/restore.json", size=1)],
    }
    (tmp_path / "a_file").write_text("precious")
    manifest = json.loads((backup.folder / "manifest.json").read_bytes())
    for case, members in cases.items():
        made = io.BytesIO()
        with tarfile.open(fileobj=made, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for one in members:
                archive.addfile(one, io.BytesIO(b"!"))
        (backup.folder / "data" / "archive.tar").write_bytes(made.getvalue())
        size, digest = len(made.getvalue()), hashlib.sha256(made.getvalue()).hexdigest()
        (backup.folder / "manifest.json").write_bytes(sealed({
            **manifest, "source": {**manifest["source"], "members": len(members)},
            "files": [{"path": "archive.tar", "bytes": size, "plain_bytes": size, "coding": [], "sha256": digest}]}))
        answer = restore(backup=files["id"], path=f"{tmp_path}/target", verify=False)
        assert os.listdir(outside) == [] and (tmp_path / "a_file").stat().st_nlink == 1, case
        assert answer.get("failed") and not (tmp_path / "target").exists(), (case, answer)


# A tar that gets no more than the first MiB of an archive to unpack as long as the process that started it is there.
SLOW_TAR = """#!/bin/sh
case "$1" in
--extract) {{ head -c 1048576; while kill -0 $PPID; do sleep 0.1; done; }} | {tar} "$@" ;;
*) exec {tar} "$@" ;;
esac
"""


def test_a_kill_leaves_a_mark_and_the_next_run_says_how_to_go_on(restore, run_module, files, tree, tmp_path):
    (tree / "noise").write_bytes(os.urandom(4 * 2**20))
    (tmp_path / "slow").mkdir()
    (tmp_path / "slow" / "tar").write_text(SLOW_TAR.format(tar=shutil.which("tar")))
    (tmp_path / "slow" / "tar").chmod(0o755)
    backup = run_module("backup", {"repository": str(tmp_path / "repository"), "plan": "files", "engine": "archive",
                                   "paths": [str(tree)], "compression": "none"})["backup"]
    target = tmp_path / "target"
    options = {"repository": str(tmp_path / "repository"), "backup": backup["id"], "path": str(target), "verify": False}
    for how in (signal.SIGKILL, signal.SIGTERM):
        process = subprocess.Popen([sys.executable, "-m", "tests.testbed.module", "backup_restore"], stdin=subprocess.PIPE, text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT,
                                   env={**os.environ, "PATH": f"{tmp_path}/slow:{os.environ['PATH']}"})
        process.stdin.write(json.dumps({"ANSIBLE_MODULE_ARGS": {**options, "_ansible_remote_tmp": "/tmp"}}))
        process.stdin.close()
        process.stdin = None
        while not list(target.glob(".evenkeel-restore/files/*")) and process.poll() is None:
            time.sleep(0.002)
        if how is signal.SIGKILL:
            process.send_signal(signal.SIGSTOP)
            refused(restore(backup=backup["id"], path=str(target), confirm=True), "Busy", "Another run is restoring")
        process.send_signal(how)
        process.communicate()
        if how is signal.SIGTERM:
            assert not target.exists(), "a polite end takes back what it wrote"
            continue
        wait_until(lambda: not server_processes(target), deadline=Deadline(SystemClock(), 60), what="tar to see that nobody feeds it")
        assert os.listdir(target) == [".evenkeel-restore"]
        said = refused(restore(backup=backup["id"], path=str(target)), "Refused", "interrupted", backup["id"])
        assert "confirm" in said["hint"] and said["evidence"]["would_clear"] == [f"{target}/.evenkeel-restore"]
        planned = restore(check=True, backup=backup["id"], path=str(target))
        assert planned["restore"]["cleared"] == [f"{target}/.evenkeel-restore"]
        (target / "somebody's").write_text("else")
        refused(restore(backup=backup["id"], path=str(target), confirm=True), "Refused", "somebody's")
        (target / "somebody's").unlink()
        answer = restore(backup=backup["id"], path=str(target), confirm=True)
        assert answer["restore"]["status"] == "restored" and ".evenkeel-restore" not in os.listdir(target), answer
        subprocess.run(["rm", "-rf", str(target)], check=True)


@pytest.fixture
def database(newest_pg, backup):
    """A dump of a shop, and the server that it came from, which other tests have databases on too."""
    with connect(newest_pg) as session:
        others = databases_of(session)
    shop = fill(newest_pg, "shop", ORDERS)
    with connect(shop) as session:
        session.run("DROP ROLE IF EXISTS keeper")
        session.run("CREATE ROLE keeper")
        session.run("ALTER TABLE public.customers OWNER TO keeper")
    yield {"login_host": newest_pg.host, "login_port": newest_pg.port, "login_user": newest_pg.user,
           "login_password": newest_pg.password, "backup": backup(shop)["id"]}, newest_pg
    with connect(newest_pg) as session:
        for name in databases_of(session) - others | {shop.database}:
            session.run("DROP DATABASE IF EXISTS {name} WITH (FORCE)", names={"name": name})
        session.run("DROP ROLE IF EXISTS keeper")


def databases_of(session):
    return {row["name"] for row in session.fetch("SELECT datname::text AS name FROM pg_database WHERE NOT datistemplate")}


def test_a_database_comes_back_with_rows_owners_and_statistics(restore, database):
    options, server = database
    name = "re'stored \"-%☃"
    planned = restore(check=True, target_database=name, **options)
    assert planned["restore"]["status"] == "planned" and name in planned["summary"], planned
    answer = restore(target_database=name, **options)
    assert answer["restore"]["status"] == "restored" and answer["restore"]["compared"] == 2, answer
    assert {one["status"] for one in answer["findings"]} == {"pass"}, answer["findings"]
    with connect(replace(server, database=name)) as session:
        assert session.value("SELECT count(*) FROM public.customers") == 500
        assert session.value("SELECT tableowner FROM pg_tables WHERE tablename = 'customers'") == "keeper"
        assert session.value("SELECT reltuples FROM pg_class WHERE relname = 'customers'") == 500
    refused(restore(target_database=name, confirm=True, **options), "Refused", "objects of its users")
    refused(restore(target_database="postgres", **options), "InvalidOption", "give orders from")
    refused(restore(**options), "InvalidOption", "no target_database")


def test_an_empty_database_wants_a_confirmation_and_keeps_its_owner(restore, database):
    options, server = database
    with connect(server) as session:
        session.run("CREATE DATABASE waiting OWNER keeper")
    said = refused(restore(target_database="waiting", **options), "Refused", "exists and is empty")
    assert said["evidence"]["would_clear"] == ["database waiting, which is empty"]
    answer = restore(target_database="waiting", confirm=True, owners=False, **options)
    assert answer["restore"]["status"] == "restored" and answer["restore"]["cleared"], answer
    with connect(server) as session:
        assert session.value("SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'waiting'") == "keeper"
    with connect(replace(server, database="waiting")) as session:
        assert session.value("SELECT tableowner FROM pg_tables WHERE tablename = 'customers'") == server.user


def test_owners_that_are_not_there_are_told_and_the_rows_arrive(restore, database):
    options, server = database
    with connect(replace(server, database="shop")) as session:
        session.run("REASSIGN OWNED BY keeper TO CURRENT_USER")
        session.run("DROP ROLE keeper")
    answer = restore(target_database="other", **options)
    assert answer["restore"]["status"] == "restored", answer
    assert [one["status"] for one in answer["findings"] if one["check"] == "recovery.restore"] == ["warn"]
    answer = restore(target_database="another", verify=False, **options)
    assert answer["restore"]["status"] == "failed" and any("keeper" in one["message"] for one in answer["findings"]), answer
    with connect(server) as session:
        assert session.value("SELECT count(*) FROM pg_database WHERE datname IN ('another') OR datname LIKE 'evenkeel%%'", ()) == 0


def test_a_killed_restore_of_a_database_leaves_its_mark(restore, database):
    options, server = database
    with connect(server) as session:
        import hashlib

        working = f"evenkeel_restoring_{hashlib.sha256(b'next').hexdigest()[:16]}"
        session.run("CREATE DATABASE {name}", names={"name": working})
        said = refused(restore(target_database="next", **options), "Refused", "interrupted")
        assert said["evidence"]["would_clear"] == [f"database {working}"]
        assert restore(target_database="next", confirm=True, **options)["restore"]["status"] == "restored"
        assert session.value("SELECT count(*) FROM pg_database WHERE datname = %s", (working,)) == 0


def test_an_account_that_may_not_create_databases_is_told(restore, database):
    options, server = database
    with connect(server) as session:
        session.run("CREATE ROLE poor LOGIN PASSWORD 'poor'")
    try:
        refused(restore(target_database="next", **{**options, "login_user": "poor", "login_password": "poor"}), "AccessDenied", "CREATEDB")
    finally:
        with connect(server) as session:
            session.run("DROP ROLE poor")


def test_the_playbook_restores_records_and_says_where(playbook, files, tmp_path):
    inventory = tmp_path / "hosts.yml"
    inventory.write_text("recovery: {hosts: {here: {ansible_connection: local, "
                         "ansible_python_interpreter: '{{ ansible_playbook_python }}'}}}\n")
    done = playbook("evenkeel.ops.recovery.restore", inventory=inventory, variables={
        "recovery_repository": str(tmp_path / "repository"), "recovery_restore_backup": files["id"],
        "recovery_restore_path": f"{tmp_path}/target"})
    assert done.returncode == 0 and "was restored to" in done.stdout, done.stdout + done.stderr
    again = playbook("evenkeel.ops.recovery.restore", inventory=inventory, variables={
        "recovery_repository": str(tmp_path / "repository"), "recovery_restore_backup": files["id"],
        "recovery_restore_path": f"{tmp_path}/target"})
    assert again.returncode != 0 and "is not empty" in again.stdout
