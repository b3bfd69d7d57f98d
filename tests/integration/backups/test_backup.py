# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module backup on real servers and real files: what it makes, when it makes nothing, and what it says of bad input."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import threading

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.command import Commands
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.compression import Zstd
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.encryption import AgeCipher
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.postgres import connect
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.tar import Tar
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.archive_engine import extract
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.lease import lease
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.payload import Codecs, materialize
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import SystemClock

from tests.conftest import missing
from tests.integration.backups.conftest import ODD, folder_of


def made(answer):
    assert not answer.get("failed"), answer
    assert answer["changed"], answer
    return answer["backup"]


def failed(answer, kind, *words):
    assert answer.get("failed"), answer
    assert answer["error"] == kind and answer["hint"], answer
    for word in words:
        assert word in answer["msg"], answer
    return answer


def nothing_is_left(repository, plan="shop"):
    assert repository.list(plan) == [] and list(repository.copies(plan)) == []
    scratch = repository.folder / ".scratch"
    assert not scratch.exists() or list(scratch.iterdir()) == []


@pytest.mark.parametrize("options", [
    {}, {"compression": "gzip"}, {"compression": "none", "fingerprint": "off"}, {"fingerprint": "sampled", "jobs": 1},
], ids=lambda options: options.get("compression", options.get("fingerprint", "default")))
def test_a_dump_is_whole_and_its_program_can_read_it(run_module, repository, shop, of, tmp_path, options):
    folder = folder_of(shop)
    backup = made(run_module("backup", of(repository, shop, bin_dir=folder, tags=["release"], **options)))
    [stored] = repository.list("shop")
    assert backup["id"] == stored.id and backup["status"] == "created" and backup["bytes"] == stored.manifest.bytes > 0
    assert stored.manifest.tags == ("release",) and stored.manifest.source["database"] == shop.database
    assert backup["source_bytes"] > 0 and not backup["encrypted"]
    dump = materialize(stored, tmp_path / "dump", Codecs(Zstd(), AgeCipher()))
    listed = Commands().run([f"{folder}/pg_restore", "--list", str(dump)], timeout=30).stdout
    assert listed.count("TABLE DATA") == 2 * len(ODD)
    script = Commands().run([f"{folder}/pg_restore", "--file=-", str(dump)], timeout=30).stdout
    assert script.count("COPY ") == 2 * len(ODD) and "lo_create" in script
    fingerprint = stored.manifest.fingerprint
    if options.get("fingerprint") == "off":
        assert fingerprint is None
    else:
        assert len(fingerprint["tables"]) == 2 * len(ODD) and all(one["rows"] == 300 for one in fingerprint["tables"].values())


def test_what_is_stored_is_private_whatever_the_umask(run_module, repository, new_shop, of, programs, keys):
    before = os.umask(0)
    try:
        made(run_module("backup", of(repository, new_shop, bin_dir=programs)))
        made(run_module("backup", of(repository, new_shop, bin_dir=programs, recipients=[keys[1]])))
    finally:
        os.umask(before)
    for folder, folders, files in os.walk(repository.root):
        assert os.stat(folder).st_mode & 0o077 == 0, folder
        for name in [*folders, *files]:
            assert os.stat(os.path.join(folder, name)).st_mode & 0o077 == 0, name


def test_the_fingerprint_is_of_the_snapshot_that_was_dumped(run_module, repository, new_shop, of, programs, tmp_path):
    over = threading.Event()

    def write():
        with connect(new_shop) as session:
            while not over.is_set():
                session.run("INSERT INTO public.plain (amount) VALUES (1)")
    writer = threading.Thread(target=write)
    writer.start()
    try:
        made(run_module("backup", of(repository, new_shop, bin_dir=programs)))
    finally:
        over.set()
        writer.join()
    [stored] = repository.list("shop")
    dump = materialize(stored, tmp_path / "dump", Codecs(Zstd(), AgeCipher()))
    script = Commands().run([f"{programs}/pg_restore", "--file=-", "--table=plain", "--schema=public", "--data-only", str(dump)],
                            timeout=60).stdout
    rows = script.partition("FROM stdin;\n")[2].partition("\n\\.")[0].splitlines()
    assert stored.manifest.fingerprint["tables"]["public.plain"]["rows"] == len(rows) >= 300


def test_a_young_backup_will_do_and_check_mode_writes_nothing(run_module, repository, new_shop, of, programs):
    options = of(repository, new_shop, bin_dir=programs, max_age="1h")
    answer = run_module("backup", options, check=True)
    assert answer["changed"] and answer["backup"] == {} and not repository.root.exists()
    first = made(run_module("backup", options))
    answer = run_module("backup", options)
    assert not answer["changed"] and answer["backup"]["id"] == first["id"] and len(repository.list()) == 1
    assert not run_module("backup", options, check=True)["changed"]
    assert made(run_module("backup", {**options, "max_age": "0s"}))["id"] != first["id"]


def test_encrypted_for_a_public_key_and_read_with_the_private_one(run_module, repository, shop, of, keys, tmp_path):
    identity, public = keys
    folder = folder_of(shop)
    assert made(run_module("backup", of(repository, shop, bin_dir=folder, recipients=[public])))["encrypted"]
    [stored] = repository.list("shop")
    assert {file.path.endswith(".age") for file in stored.manifest.files} == {True}
    assert not any(b'quo"te' in path.read_bytes() for path in stored.data.rglob("*") if path.is_file())
    dump = materialize(stored, tmp_path / "dump", Codecs(Zstd(), AgeCipher(identity_file=identity)))
    assert Commands().run([f"{folder}/pg_restore", "--list", str(dump)], timeout=30).stdout.count("TABLE DATA") == 2 * len(ODD)


def test_files_come_back_as_they_were(run_module, repository, odd_files, keys, tmp_path):
    identity, public = keys
    backup = made(run_module("backup", {
        "repository": str(repository.root), "plan": "files", "engine": "archive", "paths": [str(odd_files)],
        "exclude": ["*.tmp"], "recipients": [public]}))
    assert backup["bytes"] < 1024 * 1024, "holes are not stored"
    target = tmp_path / "restored"
    target.mkdir()
    extract(repository.open(backup["id"]), target, Codecs(Zstd(), AgeCipher(identity_file=identity)), Tar(Commands()), timeout=60)
    restored = target / odd_files.relative_to("/")
    seen = {path.relative_to(odd_files): path for path in odd_files.rglob("*") if path.name != "cache.tmp"}
    assert {path.relative_to(restored) for path in restored.rglob("*")} == set(seen)
    for name, path in seen.items():
        there, copy = path.lstat(), (restored / name).lstat()
        assert (there.st_mode, there.st_uid, there.st_gid, there.st_size) == (copy.st_mode, copy.st_uid, copy.st_gid, copy.st_size)
        assert int(there.st_mtime) == int(copy.st_mtime)
        if path.is_symlink():
            assert (restored / name).readlink() == path.readlink()
        elif path.is_file():
            assert (restored / name).read_bytes() == path.read_bytes()
            assert os.listxattr(path) == os.listxattr(restored / name)
    assert (restored / "hard").samefile(restored / "script")
    assert (restored / "sparse").stat().st_blocks < 2048


def test_the_repository_is_not_archived_into_itself(run_module, repository, tmp_path):
    (tmp_path / "data").write_text("x")
    options = {"repository": str(repository.root), "plan": "files", "engine": "archive", "paths": [str(tmp_path)]}
    made(run_module("backup", options))
    second = repository.open(made(run_module("backup", options))["id"])
    assert second.manifest.source["members"] == 2
    failed(run_module("backup", {**options, "paths": [str(repository.folder)]}), "InvalidOption", "within the repository")


def test_a_file_that_grows_while_it_is_read_is_told(run_module, repository, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    (source / "large").write_bytes(os.urandom(200 * 2**20))
    over = threading.Event()

    def grow():
        with (source / "large").open("ab") as stream:
            while not over.is_set():
                stream.write(b"x")
                stream.flush()
    writer = threading.Thread(target=grow)
    writer.start()
    try:
        answer = run_module("backup", {"repository": str(repository.root), "plan": "files", "engine": "archive", "paths": [str(source)]})
    finally:
        over.set()
        writer.join()
    made(answer)
    [finding] = [one for one in answer["findings"] if one["check"] == "backup.complete"]
    assert finding["status"] == "warn" and "large" in finding["message"] and "changed" in finding["message"]


def test_a_folder_that_is_empty_is_remarked_on(run_module, repository, tmp_path):
    (tmp_path / "mount").mkdir()
    answer = run_module("backup", {"repository": str(repository.root), "plan": "files", "engine": "archive",
                                   "paths": [str(tmp_path / "mount")]})
    made(answer)
    assert ("warn", "the folders are empty") in [(one["status"], one["message"]) for one in answer["findings"]]


@pytest.mark.parametrize("change, kind, words", [
    ({"login_port": 1}, "Unreachable", ["127.0.0.1:1"]),
    ({"login_host": "nowhere.invalid"}, "Unreachable", ["nowhere.invalid"]),
    ({"login_password": "wr'ong%"}, "AccessDenied", ["postgres"]),
    ({"login_db": "no such \"db"}, "NotFound", ["no such \"db"]),
    ({"max_age": "-1h"}, "InvalidOption", ["max_age", "'-1h' is not a duration"]),
    ({"max_age": "soon"}, "InvalidOption", ["'soon' is not a duration"]),
    ({"timeout": "4 bananas"}, "InvalidOption", ["timeout"]),
    ({"min_free": "-1GiB"}, "InvalidOption", ["min_free"]),
    ({"min_free": "900TiB"}, "StorageFailed", ["free", "are needed"]),
    ({"plan": "../../etc"}, "InvalidOption", ["plan: '../../etc' cannot name a folder"]),
    ({"plan": "-rf"}, "InvalidOption", ["plan"]),
    ({"recipients": ["age1nonsense"]}, "InvalidOption", ["no public key"]),
    ({"jobs": 0}, "InvalidOption", ["jobs"]),
], ids=lambda value: next(iter(value)) if isinstance(value, dict) else None)
def test_bad_input_is_told_and_leaves_nothing(run_module, repository, new_shop, of, programs, change, kind, words):
    failed(run_module("backup", of(repository, new_shop, **{"bin_dir": programs, **change})), kind, *words)
    nothing_is_left(repository)


def major_of(target):
    with connect(target) as session:
        return session.server_version // 10000


@pytest.mark.parametrize("change, kind, words", [
    ({"paths": []}, "InvalidOption", ["nothing to archive"]),
    ({"paths": ["relative"]}, "InvalidOption", ["'relative'"]),
    ({"paths": ["/srv/../etc"]}, "InvalidOption", ["plain form"]),
    ({"paths": ["/nonexistent/☃"]}, "NotFound", ["/nonexistent/☃ does not exist"]),
    ({"compression": "gzip"}, "InvalidOption", ["gzip"]),
    ({"require_mount": True}, "StorageFailed", ["Nothing is mounted"]),
])
def test_bad_input_for_files_is_told(run_module, repository, odd_files, change, kind, words):
    options = {"repository": str(repository.root), "plan": "files", "engine": "archive", "paths": [str(odd_files)]}
    failed(run_module("backup", {**options, **change}), kind, *words)
    nothing_is_left(repository, "files")


def test_a_path_that_is_a_link_is_refused_and_says_where_it_leads(run_module, repository, odd_files, tmp_path):
    (tmp_path / "current").symlink_to(odd_files)
    failed(run_module("backup", {"repository": str(repository.root), "plan": "files", "engine": "archive",
                                 "paths": [str(tmp_path / "current")]}), "InvalidOption", "symbolic link", str(odd_files))


def test_a_server_that_accepts_and_never_answers_is_given_up(run_module, repository, new_shop, of, programs):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        options = of(repository, new_shop, bin_dir=programs, login_port=silent.getsockname()[1], connect_timeout=2)
        failed(run_module("backup", options, timeout=60), "TimedOut", "within 2s")
    nothing_is_left(repository)


def test_a_locked_table_is_waited_for_no_longer_than_allowed(run_module, repository, new_shop, of, programs):
    with connect(new_shop, autocommit=False) as session:
        session.run("LOCK TABLE public.plain IN ACCESS EXCLUSIVE MODE")
        failed(run_module("backup", of(repository, new_shop, bin_dir=programs, lock_timeout="1s", fingerprint="off")), "TimedOut")
        answer = run_module("backup", of(repository, new_shop, bin_dir=programs, timeout="3s"))
        failed(answer, "TimedOut")
    nothing_is_left(repository)


def test_a_client_that_is_too_old_is_named_with_its_package(run_module, repository, new_shop, of, tmp_path):
    folder = tmp_path / "old"
    folder.mkdir()
    (folder / "pg_dump").write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 9.6.24'\n")
    (folder / "pg_dump").chmod(0o755)
    if major_of(new_shop) <= 15:
        missing("A server that is newer than the machine's own client")
    failed(run_module("backup", of(repository, new_shop, bin_dir=str(folder))), "ToolMissing", "9.6.24", "postgresql-client-")


def test_a_client_that_is_newer_does_and_is_told(pg, programs):
    """Where the server's own client is missing; here it is not, so the engine is handed the newer one."""
    from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.pg_dump import DumpPrograms
    from ansible_collections.evenkeel.ops.plugins.module_utils.backups.dump_engine import Database, DumpEngine, DumpPolicy

    class NewestOnly(DumpPrograms):
        def client_for(self, major):
            return super().client_for(max(17, major))

    engine = DumpEngine(Database(lambda: connect(pg), pg.client_environment, pg.host, pg.port, pg.database),
                        NewestOnly(Commands(), [programs]), DumpPolicy(), SystemClock(), closed=lambda path: False)
    findings = engine.inspect().findings
    if major_of(pg) >= 17:
        assert findings == ()
    else:
        assert findings[0].status.value == "warn" and "postgresql-client-15" in findings[0].hint


def test_a_repository_that_cannot_be_written_is_told(run_module, repository, new_shop, of, programs, tmp_path):
    (tmp_path / "file").write_text("in the way")
    failed(run_module("backup", {**of(repository, new_shop, bin_dir=programs), "repository": str(tmp_path / "file")}),
           "StorageFailed")


@contextlib.contextmanager
def small_disk(tmp_path, size):
    if os.geteuid() != 0:
        missing("The right to mount a small file system")
    mount = tmp_path / "small"
    mount.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(mount)], check=False).returncode:
        missing("The right to mount a small file system")
    try:
        yield mount
    finally:
        subprocess.run(["umount", "-l", str(mount)], check=True)


@contextlib.contextmanager
def growing_table(target):
    """Gives a function that makes it large; what is in it cannot be compressed away."""
    with connect(target) as session:
        session.run("CREATE TABLE public.filler AS SELECT 'x'::text AS noise")
        try:
            yield lambda: session.run("INSERT INTO public.filler SELECT encode(sha512(n::text::bytea), 'base64') "
                                      "FROM generate_series(1, 150000) n")
        finally:
            session.run("DROP TABLE public.filler")


@pytest.mark.parametrize("encrypt", [False, True])
@pytest.mark.parametrize("compression", ["auto", "none"])
def test_a_disk_that_fills_up_is_told_and_keeps_what_was_there(run_module, repository, new_shop, of, programs, tmp_path, keys,
                                                               encrypt, compression):
    with growing_table(new_shop) as grow, small_disk(tmp_path, "6m") as mount:
        options = {**of(repository, new_shop, bin_dir=programs, compression=compression, fingerprint="off",
                        recipients=[keys[1]] if encrypt else []), "repository": str(mount)}
        room = failed(run_module("backup", options), "StorageFailed", "are needed")
        assert room["evidence"]["needed_bytes"] > room["evidence"]["free_bytes"]
        subprocess.run(["mount", "-o", "remount,size=60m", str(mount)], check=True)
        first = made(run_module("backup", options))
        subprocess.run(["mount", "-o", "remount,size=6m", str(mount)], check=True)
        grow()  # the earlier backup makes the estimate small, so that the disk fills up under the dump itself
        failed(run_module("backup", options), "StorageFailed", "No space left on device")
        assert [one["id"] for one in run_module("backup_info", {"repository": str(mount)})["backups"]] == [first["id"]]
        plan = mount / "unnamed" / "unnamed" / "shop"
        assert {path.name for path in plan.iterdir()} == {"lease", first["id"]}
        assert list((plan.parent / ".scratch").iterdir()) == []
        [verified] = run_module("backup_verify", {"repository": str(mount), "bin_dir": programs})["verifications"]
        assert verified["status"] == "pass"


def test_a_mount_is_seen(run_module, tmp_path, odd_files):
    with small_disk(tmp_path, "8m") as mount:
        options = {"repository": str(mount / "backups"), "plan": "files", "engine": "archive", "paths": [str(odd_files)],
                   "require_mount": True}
        made(run_module("backup", options))
    failed(run_module("backup", options), "StorageFailed", "Nothing is mounted")


def test_a_second_run_of_a_plan_is_told_who_holds_it(run_module, repository, new_shop, of, programs):
    with lease(repository.plan_folder("shop"), SystemClock(), purpose="backup"):
        failed(run_module("backup", of(repository, new_shop, bin_dir=programs)), "Busy", f"process {os.getpid()}", "since ")
        made(run_module("backup", of(repository, new_shop, bin_dir=programs, plan="other")))


def test_the_password_is_nowhere(run_module, repository, new_shop, of, programs):
    answer = run_module("backup", of(repository, new_shop, bin_dir=programs))
    assert new_shop.password not in str({key: value for key, value in answer.items() if key != "invocation"})
    for path in repository.root.rglob("*"):
        if path.is_file():
            assert new_shop.password.encode() not in path.read_bytes()
