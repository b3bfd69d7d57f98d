# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies in a second folder: whole or none, verified on their own, taken up after a kill. Buckets are in test_object_store.py."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import time

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.repository import Repository

from tests.conftest import ROOT
from tests.testbed.changing_files import files_below


@pytest.fixture
def second(tmp_path):
    return Repository(tmp_path / "second", "unnamed", "unnamed")


@pytest.fixture
def options(repository, second):
    return {"repository": str(repository.root), "copy_repository": str(second.root), "plans": {"files": {}}}


@pytest.fixture
def make(run_module, repository, tmp_path):
    """Make a backup of a folder of so many random bytes; gives its id."""
    def one(size=50_000):
        source = tmp_path / "source"
        source.mkdir(exist_ok=True)
        (source / "data").write_bytes(os.urandom(size))
        answer = run_module("backup", {"repository": str(repository.root), "plan": "files", "engine": "archive", "paths": [str(source)]})
        return answer["backup"]["id"]

    return one


def test_a_copy_is_the_same_and_is_verified_on_its_own(run_module, repository, second, options, make):
    ids = [make(), make()]
    planned = run_module("backup_copy", options, check=True)
    assert planned["changed"] and not second.root.exists() and [one["status"] for one in planned["copied"]] == ["planned"] * 2
    answer = run_module("backup_copy", options)
    assert [one["id"] for one in answer["copied"]] == ids and answer["findings"][0]["status"] == "pass"
    for id in ids:
        ours, theirs = repository.open(id), second.open(id)
        assert (theirs.folder / "manifest.json").read_bytes() == (ours.folder / "manifest.json").read_bytes()
        assert [path.read_bytes() for path in sorted(theirs.data.iterdir())] == [path.read_bytes() for path in sorted(ours.data.iterdir())]
    again = run_module("backup_copy", options)
    assert not again["changed"] and again["copied"] == []
    verified = run_module("backup_verify", {"repository": str(second.root)})
    assert {one["status"] for one in verified["verifications"]} == {"pass"}
    assert second.open(ids[0]).status == "verified" and repository.open(ids[0]).status == "created"


def test_a_damaged_backup_is_told_and_not_copied(run_module, repository, second, options, make):
    bad, good = make(), make()
    [file] = repository.open(bad).data.iterdir()
    content = bytearray(file.read_bytes())
    content[100] ^= 1
    file.write_bytes(content)
    answer = run_module("backup_copy", options)
    assert {one["id"]: one["status"] for one in answer["copied"]} == {bad: "failed", good: "copied"}
    assert [one["status"] for one in answer["findings"]] == ["fail", "pass"] and answer["findings"][0]["hint"]
    assert [backup.id for backup in second.list()] == [good]


def opened_to_be_read(path, process):
    """A FIFO, once the process reads it."""
    end = time.monotonic() + 120
    while True:
        try:
            pipe = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
            break
        except OSError as error:
            assert error.errno == errno.ENXIO and process.poll() is None and time.monotonic() < end
            time.sleep(0.02)
    os.set_blocking(pipe, True)
    return open(pipe, "wb", buffering=0)  # noqa: PTH123


def test_a_killed_run_is_taken_up_and_sends_only_what_is_missing(run_module, repository, second, options, make, tmp_path):
    id = make(40_000_000)
    arguments = {"ANSIBLE_MODULE_ARGS": {**options, "_ansible_check_mode": False, "_ansible_remote_tmp": "/tmp",
                                         "_ansible_keep_remote_files": False}}
    process = subprocess.Popen([sys.executable, "-m", "tests.testbed.module", "backup_copy"], stdin=subprocess.PIPE, text=True,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT)
    [stored] = repository.open(id).data.iterdir()
    aside = stored.rename(tmp_path / "aside")
    os.mkfifo(stored)  # gives half of the file, and then nothing
    process.stdin.write(json.dumps(arguments))
    process.stdin.close()
    with opened_to_be_read(stored, process) as pipe:
        pipe.write(aside.read_bytes()[:20_000_000])
        assert any(path.suffix == ".part" for path in files_below(second.root))
        process.kill()
        process.wait()
    aside.rename(stored)
    assert second.list() == [], "killed in the middle"
    answer = run_module("backup_copy", options)
    assert [one["status"] for one in answer["copied"]] == ["copied"] and not list(second.root.rglob("*.part"))
    # The file is whole and only the manifest is missing: nothing is sent again.
    (second.open(id).folder / "manifest.json").unlink()
    answer = run_module("backup_copy", options)
    assert [one["bytes_sent"] for one in answer["copied"]] == [0] and second.open(id)


def test_what_is_online_goes_only_when_its_copy_was_verified(run_module, repository, second, options, make):
    old, new = make(), make()
    prune = {**options, "plans": {"files": {"keep_last": 1, "archived": True}}, "max_deletions": 5}
    run_module("backup_copy", options)
    kept = run_module("backup_prune", prune)
    assert not kept["changed"] and {one["id"]: one["reason"] for one in kept["kept"]}[old].startswith("there is no verified copy")
    run_module("backup_verify", {"repository": str(second.root)})
    assert [one["id"] for one in run_module("backup_prune", prune)["deleted"]] == [old]
    assert [backup.id for backup in second.list()] == [old, new], "the archive keeps its own"
    assert run_module("backup_copy", options)["copied"] == []


@pytest.mark.parametrize("change, said", [
    ({"copy_repository": None}, "copy_repository is not given"),
    ({"plans": {"a/b": {}}}, None),
    ({"plans": {"files": {"keep_fro": "1d"}}}, "unknown key 'keep_fro'"),
    ({"copy_repository": "gs://bucket"}, "neither a folder nor in S3"),
    ({"copy_repository": "s3://Bucket_!"}, "no name of a bucket"),
    ({"copy_repository": "s3://bucket/../x"}, "cannot be a prefix"),
    ({"copy_s3": {"part_size": "1MiB"}, "copy_repository": "s3://bucket"}, "part_size"),
    ({"copy_s3": {"timeout": "-3s"}, "copy_repository": "s3://bucket"}, "not a duration"),
    ({"copy_s3": {"access_key": "a"}, "copy_repository": "s3://bucket"}, "go together"),
])
def test_what_makes_no_sense_is_refused_with_a_hint(run_module, options, make, change, said):
    answer = run_module("backup_copy", {name: value for name, value in {**options, **change}.items() if value is not None})
    if said is None:
        assert answer["findings"][0]["status"] == "unknown" and "cannot name a folder" in answer["findings"][0]["message"]
    else:
        assert answer["failed"] and said in answer["msg"] and answer["hint"]


def test_the_repository_itself_is_no_second_one(run_module, options, repository):
    answer = run_module("backup_copy", {**options, "copy_repository": str(repository.root)})
    assert answer["failed"] and "is the repository itself" in answer["msg"]


def test_the_procedure_copies_verifies_and_prunes_both(playbook, repository, second, tmp_path):
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "data").write_bytes(os.urandom(1000))
    inventory = tmp_path / "inventory"
    inventory.write_text("[backups]\nhere ansible_connection=local ansible_python_interpreter='{{ ansible_playbook_python }}'\n")

    def run(verb, copy_repository, **more):
        return playbook(f"evenkeel.ops.backups.{verb}", inventory=inventory, variables={
            "backups_repository": str(repository.root), "backups_copy_repository": copy_repository, "backups_min_free": "1MiB",
            "backups_prune_max_percent": 100, "backups_plans": [{
                "name": "files", "engine": "archive", "source": {"paths": [str(tmp_path / "source")]},
                "retention": {"keep_last": 1, "archived": True}, "copy": {"keep_last": 2}}], **more})

    for _number in range(3):
        assert run("create", "").returncode == 0
    refused = run("copy", "")
    assert refused.returncode != 0 and "backups_copy_repository is empty" in refused.stdout
    copied = run("copy", str(second.root))
    assert copied.returncode == 0, copied.stdout
    copies = [backup.id for backup in Repository(second.root, "unnamed", "unnamed").list("files")]
    assert len(copies) == 2 and {second.open(id).status for id in copies} == {"verified"}
    assert "changed=0" in run("copy", str(second.root)).stdout
    pruned = run("prune", str(second.root))
    assert pruned.returncode == 0, pruned.stdout
    assert len(repository.list("files")) == 2, "one has no copy, since two are enough there"
