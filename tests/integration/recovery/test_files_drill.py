# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""restore_drill on archives of files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.integration.recovery.conftest import status_of


@pytest.fixture
def archived(run_module, tmp_path):
    """A folder with files of every awkward sort, and a backup of it."""
    source = tmp_path / "source"
    (source / "deep" / "er").mkdir(parents=True)
    (source / "plain").write_bytes(os.urandom(300_000))
    (source / "empty").touch()
    (source / "deep" / "new\nline 'quoted' -x %s é").write_text("odd")
    (source / "-leading").write_text("dash")
    (source / "link").symlink_to("plain")
    os.link(source / "plain", source / "hard")
    answer = run_module("backup", {"repository": str(tmp_path / "repository"), "plan": "files", "engine": "archive",
                                   "paths": [str(source)]})
    assert not answer.get("failed"), answer
    return answer["backup"]


def test_an_archive_is_restored_compared_and_proven(archived, drill, run_module, tmp_path, scratch):
    answer = drill(plan="files", rto="1h")
    assert not answer.get("failed"), answer
    assert {finding["status"] for finding in answer["findings"]} == {"pass"}, answer["findings"]
    assert answer["drill"]["tables_compared"] == 9
    assert status_of(run_module, tmp_path / "repository", archived["id"]) == "proven"
    assert os.listdir(scratch) == []


def test_an_archive_that_was_altered_fails(archived, drill, run_module, tmp_path):
    [stored] = Path(archived["path"], "data").iterdir()
    content = bytearray(stored.read_bytes())
    content[-5] ^= 1
    stored.write_bytes(content)
    answer = drill(plan="files")
    [data] = [finding for finding in answer["findings"] if finding["check"] == "recovery.data"]
    assert data["status"] == "fail" and stored.name in data["message"]
    assert status_of(run_module, tmp_path / "repository", archived["id"]) == "failed"


def test_an_archive_cannot_write_outside_of_the_scratch_folder(archived, drill, tmp_path):
    """Whoever can write the repository could forge both archive and manifest; the folder still holds."""
    import hashlib
    import io
    import json
    import tarfile

    import zstandard

    outside = tmp_path / "outside"
    outside.mkdir()
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        def add(name: str, **attributes) -> None:
            member = tarfile.TarInfo(name)
            for key, value in attributes.items():
                setattr(member, key, value)
            member.size = 4 if member.isreg() else 0
            archive.addfile(member, io.BytesIO(b"evil"))

        add("../../evil")
        add(str(outside / "absolute"))
        add("way", type=tarfile.SYMTYPE, linkname=str(outside))
        add("way/through")
    content = zstandard.compress(made.getvalue())
    [stored] = Path(archived["path"], "data").iterdir()
    stored.write_bytes(content)
    manifest = Path(archived["path"], "manifest.json")
    data = json.loads(manifest.read_text())
    data["files"][0] |= {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    if "plain_bytes" in data["files"][0]:
        data["files"][0]["plain_bytes"] = len(made.getvalue())
    data["source"]["members"] = 4
    manifest.write_text(json.dumps(data))
    answer = drill(plan="files")
    assert answer.get("failed") or answer["drill"]["status"] != "pass", answer
    assert list(outside.iterdir()) == []


def test_a_file_that_comes_back_otherwise_is_named(archived, tmp_path):
    """What the comparison is worth: files that are changed after extraction are found."""
    from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.command import Commands
    from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.compression import Zstd
    from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.encryption import AgeCipher
    from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.tar import Tar
    from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.tar_compare import compare_with_tar
    from ansible_collections.evenkeel.ops.plugins.module_utils.backups.archive_engine import extract
    from ansible_collections.evenkeel.ops.plugins.module_utils.backups.payload import Codecs, pour
    from ansible_collections.evenkeel.ops.plugins.module_utils.backups.repository import Repository

    backup = Repository(tmp_path / "repository", "unnamed", "unnamed").open(archived["id"])
    codecs, target, tar = Codecs(Zstd(), AgeCipher()), tmp_path / "target", Tar(Commands())
    target.mkdir()
    extract(backup, target, codecs, tar, timeout=60)

    def compare():
        return compare_with_tar(Commands(), tar.program, lambda stream: pour(backup, stream, codecs), str(target))

    assert compare() == ()
    restored = Path(f"{target}{tmp_path}/source")
    with (restored / "plain").open("r+b") as stream:
        stream.write(b"other")
    (restored / "-leading").unlink()
    told = "\n".join(compare())
    assert "/hard: Contents differ" in told and "/-leading: " in told  # the first name of a linked file carries its contents
