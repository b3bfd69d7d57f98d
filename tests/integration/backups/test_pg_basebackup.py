# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine pg_basebackup: full on two majors, incremental on the newest; verified, drilled, pruned."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.command import Commands, end_group
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.postgres import connect
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.server_progress import CopyProgress
from ansible_collections.evenkeel.ops.plugins.module_utils.core import progress

from tests.conftest import missing
from tests.testbed import postgres


@pytest.fixture(scope="module")
def newest() -> Iterator[tuple[Any, Any, Path]]:
    """A server that keeps summaries of its log, archives it by cp, and has a tablespace; with a folder for all of it."""
    found = max(postgres.installations(), key=lambda one: one.major, default=None)
    if found is None or found.major < 17:
        missing("PostgreSQL 17")
    folder = Path(tempfile.mkdtemp(prefix="base-"))
    folder.chmod(0o755)
    for name in ("wal", "space", "scratch"):
        (folder / name).mkdir()
        (folder / name).chmod(0o755)
    settings = {"summarize_wal": "on", "archive_mode": "on", "archive_command": f"cp %p {folder}/wal/%f"}
    try:
        with postgres.running_server(found, settings=settings) as (server, target):
            if server.account:
                shutil.chown(folder / "wal", server.account)
                shutil.chown(folder / "space", server.account)
            with connect(target) as session:
                session.run(f"CREATE TABLESPACE fast LOCATION '{folder}/space'")
                session.run("CREATE TABLE public.here AS SELECT g, md5(g::text) FROM generate_series(1, 20000) g")
                session.run("CREATE TABLE public.there TABLESPACE fast AS SELECT g FROM generate_series(1, 5000) g")
            yield server, target, folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def options(target: Any, programs: str, store: Path, **more: Any) -> dict[str, Any]:
    native = {key: more.pop(key) for key in ("type", "full_every", "level") if key in more}
    return {"repository": str(store), "plan": "whole", "engine": "pg_basebackup", "login_host": target.host, "login_port": target.port,
            "login_password": target.password, "bin_dir": programs, "pg_basebackup": native, **more}


@pytest.fixture
def make(newest, run_module, tmp_path) -> Callable[..., dict[str, Any]]:
    server, target, _folder = newest

    def run(**more: Any) -> dict[str, Any]:
        answer = run_module("backup", options(target, server.installation.folder, tmp_path / "store", type="incr", **more))
        assert not answer.get("failed"), answer
        return json.loads((Path(answer["backup"]["path"]) / "manifest.json").read_text())

    return run


def test_a_whole_cluster_is_copied_verified_and_a_flipped_byte_is_seen(pg, installation, run_module, tmp_path):
    store = tmp_path / "store"
    answer = run_module("backup", options(pg, installation.folder, store))
    assert not answer.get("failed"), answer
    manifest = json.loads((Path(answer["backup"]["path"]) / "manifest.json").read_text())
    names = {file["path"]: file for file in manifest["files"]}
    assert {"base.tar.zst", "backup_manifest", "pg_wal.tar.zst"} <= set(names) and names["base.tar.zst"]["coding"] == []
    assert manifest["source"]["system_identifier"] and manifest["source"]["superuser"] == "postgres" and manifest["parent"] is None
    verify = {"repository": str(store), "bin_dir": installation.folder}
    assert [one["status"] for one in run_module("backup_verify", verify)["verifications"]] == ["pass"]
    victim = Path(answer["backup"]["path"]) / "data" / "base.tar.zst"
    whole = bytearray(victim.read_bytes())
    whole[len(whole) // 2] ^= 1
    victim.write_bytes(whole)
    damaged = run_module("backup_verify", {**verify, "id": manifest["id"]})["verifications"][0]
    assert damaged["status"] == "fail" and "base.tar.zst" in damaged["message"], damaged


def test_an_incremental_chain_is_drilled_on_beyond_its_end_and_its_links_are_kept(newest, make, run_module, tmp_path):
    server, target, folder = newest
    full = make()
    with connect(target) as session:
        session.run("UPDATE public.here SET md5 = 'changed' WHERE g = 1")
        session.run("INSERT INTO public.there VALUES (5001)")
    links = [full, make(), make()]
    assert [one["parent"] for one in links] == [None, full["id"], links[1]["id"]]
    sizes = [sum(file["bytes"] for file in one["files"]) for one in links]
    assert sizes[1] < sizes[0] / 3
    with connect(target) as session:
        session.run("INSERT INTO public.there VALUES (5002)")
        session.value("SELECT pg_switch_wal()")
        for _attempt in range(600):
            if not session.value("SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'"):
                break
            time.sleep(0.1)
    answer = run_module("restore_drill", {
        "repository": str(tmp_path / "store"), "plan": "whole", "scratch_dir": str(folder / "scratch"), "amcheck": False,
        "bin_dir": server.installation.folder, "pg_basebackup": {"wal_dir": str(folder / "wal")}, "rpo": "1h", "assertions": [
            {"name": "changed", "sql": "SELECT md5 FROM here WHERE g = 1", "expected": "changed"},
            {"name": "after the copy", "sql": "SELECT max(g) FROM there", "expected": 5002}]})
    assert not answer.get("failed") and answer["drill"]["status"] == "pass", answer
    assert answer["drill"]["recovery_point"]["last_transaction_at"]
    assert list((folder / "scratch").iterdir()) == []

    kept = run_module("backup_prune", {"repository": str(tmp_path / "store"), "plans": {"whole": {"keep_last": 1}}})
    assert {entry["id"] for entry in kept["kept"]} == {one["id"] for one in links} and kept["deleted"] == []
    shutil.rmtree(tmp_path / "store" / "unnamed" / "unnamed" / "whole" / links[1]["id"])
    broken = run_module("restore_drill", {"repository": str(tmp_path / "store"), "plan": "whole", "scratch_dir": str(folder / "scratch"),
                                          "bin_dir": server.installation.folder})
    assert broken["failed"] and "rests on one that is gone" in broken["msg"], broken
    assert make()["parent"] is None


def test_encrypted_copies_can_be_built_on_by_a_host_that_cannot_read_them(newest, make, run_module, tmp_path):
    pyrage = pytest.importorskip("pyrage")
    identity = pyrage.x25519.Identity.generate()
    (tmp_path / "identity").write_text(f"{identity}\n")
    first, second = (make(recipients=[str(identity.to_public())]) for _time in range(2))
    assert second["parent"] == first["id"]
    coded = {file["path"]: file["coding"] for file in second["files"]}
    assert coded["base.tar.zst.age"] == ["age"] and coded["backup_manifest.zst"] == ["zstd"], "nothing is compressed twice"
    read = run_module("backup_verify", {"repository": str(tmp_path / "store"), "bin_dir": newest[0].installation.folder,
                                        "identity_file": str(tmp_path / "identity")})
    assert [(one["status"], one["depth"]) for one in read["verifications"]] == [("pass", "full")] * 2, read


@pytest.mark.parametrize(("more", "said"), [
    ({"login_password": "wrong"}, "refuses user"), ({"login_port": 1}, "No PostgreSQL server answers"),
    ({"level": 99}, "is no level of zstd"), ({"full_every": "often"}, "is not a duration"), ({"jobs": 0}, "is no number of jobs"),
])
def test_bad_options_are_told_and_nothing_is_written(newest, run_module, tmp_path, more, said):
    server, target, _folder = newest
    answer = run_module("backup", {**options(target, server.installation.folder, tmp_path / "store", **more),
                                   **{key: value for key, value in more.items() if key.startswith("login")}})
    assert answer["failed"] and said in answer["msg"] and answer["hint"], answer
    assert not list((tmp_path / "store").rglob("manifest.json"))


def test_incremental_copies_take_what_the_server_has_to_have(newest_pg, run_module, tmp_path, programs):
    answer = run_module("backup", options(newest_pg, programs, tmp_path / "store", type="incr"))
    assert answer["failed"] and "summarize_wal" in answer["msg"] and "ALTER SYSTEM" in answer["hint"], answer


def test_how_far_it_is_is_told_while_it_works(newest, tmp_path, told):
    server, target, _folder = newest
    far = CopyProgress(lambda: connect(target))
    progress.begin("copy")
    with target.client_environment() as environment:
        copying = Commands().start(
            [server.installation.program("pg_basebackup"), "--pgdata", str(tmp_path / "copy"), "--format=tar", "--max-rate=4M",
             "--checkpoint=fast", "--no-password"], env=environment)
        try:
            while copying.poll() is None and not progress.read((tmp_path / "progress").read_bytes()).done:
                far.look()
                time.sleep(0.1)
            reading = told()
        finally:
            end_group(copying)
            far.close()
    assert 0 < reading.done < reading.total
