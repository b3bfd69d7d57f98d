# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verification finds what was altered, whatever was altered, and says which file and why."""

from __future__ import annotations

import json

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.seal import sealed

from tests.integration.backups.conftest import folder_of


@pytest.fixture
def verify(run_module, repository, programs):
    def run(**options):
        answer = run_module("backup_verify", {"repository": str(repository.root), "bin_dir": programs, **options})
        assert not answer.get("failed"), answer
        return answer

    return run


@pytest.fixture(params=["plain", "encrypted"])
def dumped(request, run_module, repository, shop, of, keys):
    """A dump with the client of the server's major: as pg_dump wrote it or, of the older one, compressed by us."""
    answer = run_module("backup", of(repository, shop, bin_dir=folder_of(shop),
                                     recipients=[keys[1]] if request.param == "encrypted" else []))
    assert answer["changed"], answer
    return repository.open(answer["backup"]["id"])


def harm(path, how):
    data = bytearray(path.read_bytes())
    if how == "flipped":
        data[len(data) // 2] ^= 1
    elif how == "cut":
        data = data[:-1]
    elif how == "emptied":
        data = bytearray()
    else:
        data += b"x"
    path.write_bytes(data)


def test_a_good_backup_is_verified_once(verify, repository, dumped, keys):
    manifest = (dumped.folder / "manifest.json").read_bytes()
    answer = verify(identity_file=keys[0])
    assert answer["changed"]
    [one] = answer["verifications"]
    assert (one["id"], one["status"], one["depth"]) == (dumped.id, "pass", "full")
    assert one["bytes_read"] == dumped.manifest.bytes
    assert repository.open(dumped.id).status == "verified" and (dumped.folder / "manifest.json").read_bytes() == manifest
    again = verify(identity_file=keys[0])
    assert not again["changed"] and again["verifications"] == []
    assert [finding["status"] for finding in again["findings"]] == ["pass"]
    assert verify(identity_file=keys[0], max_age="0s")["changed"]
    assert list((repository.folder / ".scratch").iterdir()) == []


def test_check_mode_lists_and_writes_nothing(run_module, repository, dumped):
    answer = run_module("backup_verify", {"repository": str(repository.root)}, check=True)
    assert answer["changed"] and [one["status"] for one in answer["verifications"]] == ["due"]
    assert repository.open(dumped.id).verifications == ()


@pytest.mark.parametrize("how", ["flipped", "cut", "lengthened"])
@pytest.mark.parametrize("which", ["largest", "toc"])
def test_what_was_altered_is_found_with_and_without_the_key(verify, repository, dumped, keys, how, which):
    files = dumped.manifest.files
    file = max(files, key=lambda one: one.bytes) if which == "largest" else \
        next(one for one in files if one.plain_path == "toc.dat")
    harm(dumped.data / file.path, how)
    for options in ({}, {"identity_file": keys[0], "id": dumped.id}):
        answer = verify(**options)
        [one] = answer["verifications"]
        assert one["status"] == "fail" and file.path in one["message"], answer
        assert answer["findings"][0]["status"] == "fail" and answer["findings"][0]["hint"]
    assert repository.open(dumped.id).status == "failed"
    later = verify()
    assert later["verifications"] == [] and [finding["status"] for finding in later["findings"]] == ["fail"]


def test_what_its_program_cannot_read_is_found_though_the_hashes_agree(verify, repository, new_shop, run_module, of, programs):
    """A manifest forged to fit altered data: only reading it as PostgreSQL does shows it."""
    import hashlib

    answer = run_module("backup", of(repository, new_shop, bin_dir=programs))
    backup = repository.open(answer["backup"]["id"])
    data = json.loads((backup.folder / "manifest.json").read_bytes())
    entry = max(data["files"], key=lambda one: one["bytes"])
    if not entry["path"].endswith(".zst"):
        entry = next(one for one in data["files"] if one["path"] == "toc.dat")
    harm(backup.data / entry["path"], "cut")
    content = (backup.data / entry["path"]).read_bytes()
    entry |= {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest(), "plain_bytes": len(content)}
    (backup.folder / "manifest.json").write_bytes(sealed(data))
    [one] = verify()["verifications"]
    assert one["status"] == "fail" and "pg_restore" in one["message"], one


def test_a_missing_file_and_a_damaged_manifest_are_found(verify, repository, dumped):
    (dumped.data / dumped.manifest.files[0].path).unlink()
    [one] = verify()["verifications"]
    assert one["status"] == "fail" and "is missing" in one["message"]
    (dumped.folder / "manifest.json").write_text("{")
    answer = verify()
    assert [(one["check"], one["status"]) for one in answer["findings"]] == [("backup.manifest", "fail")]


def test_without_the_key_hashes_are_verified_and_with_it_all(verify, run_module, repository, new_shop, of, programs, keys):
    run_module("backup", of(repository, new_shop, bin_dir=programs, recipients=[keys[1]]))
    answer = verify()
    assert [one["depth"] for one in answer["verifications"]] == ["hashes"]
    assert "takes the private key" in answer["findings"][0]["message"]
    assert verify()["verifications"] == []
    assert [one["depth"] for one in verify(identity_file=keys[0])["verifications"]] == ["full"]
    assert verify(identity_file=keys[0])["verifications"] == []


def test_a_key_that_does_not_fit_is_unknown_and_no_damage(verify, run_module, repository, new_shop, of, programs, keys, tmp_path):
    pyrage = pytest.importorskip("pyrage")
    run_module("backup", of(repository, new_shop, bin_dir=programs, recipients=[keys[1]]))
    other = tmp_path / "other"
    other.write_text(str(pyrage.x25519.Identity.generate()))
    answer = verify(identity_file=str(other))
    assert [one["status"] for one in answer["findings"]] == ["unknown"]
    assert repository.list()[0].status == "created"


@pytest.mark.parametrize("encrypted", [False, True])
def test_an_archive_is_read_in_full_and_an_altered_one_found(verify, run_module, repository, odd_files, keys, encrypted):
    answer = run_module("backup", {
        "repository": str(repository.root), "plan": "files", "engine": "archive", "paths": [str(odd_files)],
        "recipients": [keys[1]] if encrypted else []})
    backup = repository.open(answer["backup"]["id"])
    assert [one["status"] for one in verify(identity_file=keys[0])["verifications"]] == ["pass"]
    [file] = backup.manifest.files
    whole = (backup.data / file.path).read_bytes()
    for how in ("flipped", "cut", "emptied", "lengthened"):
        harm(backup.data / file.path, how)
        [one] = verify(identity_file=keys[0], id=backup.id)["verifications"]
        assert one["status"] == "fail" and file.path in one["message"], (how, one)
        (backup.data / file.path).write_bytes(whole)
    [one] = verify(identity_file=keys[0], id=backup.id)["verifications"]
    assert one["status"] == "pass" and repository.open(backup.id).status == "verified"


def test_an_id_that_is_none_is_told(run_module, repository):
    for id in ("20260115T120000Z-ab12cd", "../../etc", "-rf"):
        answer = run_module("backup_verify", {"repository": str(repository.root), "id": id})
        assert answer["failed"] and answer["error"] == "NotFound" and answer["hint"]


def test_old_copies_are_read_again_by_rotating_samples(run_module, verify, repository, new_shop, of, programs):
    for _number in range(2):
        run_module("backup", of(repository, new_shop, bin_dir=programs, compression="none", fingerprint="off"))
    verify()
    policy = {"sample_share": 40, "sample_every": "0s"}
    planned = run_module("backup_verify", {"repository": str(repository.root), **policy}, check=True)
    assert [(one["status"], one["depth"]) for one in planned["verifications"]] == [("due", "sample")]
    assert all(len(backup.verifications) == 1 for backup in repository.list()), "check mode writes nothing"
    files = {(backup.id, file.path) for backup in repository.list() for file in backup.manifest.files}
    read, rounds = set(), 0
    while read != files:
        answer = verify(**policy)
        assert {one["depth"] for one in answer["verifications"]} == {"sample"} and answer["changed"]
        samples = [(backup.id, record) for backup in repository.list() for record in backup.verifications if record["kind"] == "sample"]
        assert read < {(id, path) for id, record in samples for path in record["files"]}, "each run reads what was not read yet"
        read = {(id, path) for id, record in samples for path in record["files"]}
        rounds += 1
        assert rounds < 8
    assert verify(sample_share=40)["verifications"] == [], "a sample was taken a moment ago"
    [coverage] = answer["coverage"]
    assert coverage["files_read"] == coverage["files"] == len(files) and coverage["confidence_percent"] == 100
    assert [one["status"] for one in answer["findings"] if one["check"] == "backup.coverage"] == ["pass"]
    victim = repository.list()[0]
    harm(victim.data / max(victim.manifest.files, key=lambda one: one.bytes).path, "flipped")
    damaged = verify(sample_share=100, sample_every="0s")
    assert [one["status"] for one in damaged["verifications"] if one["id"] == victim.id] == ["fail"]
    assert repository.open(victim.id).status == "failed" and "altered" in damaged["findings"][0]["message"] + str(damaged["findings"])
    assert verify(id=victim.id)["verifications"][0]["status"] == "fail"
