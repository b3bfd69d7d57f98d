# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Any damage is seen: every byte altered, every length cut, every file missing, every two files swapped."""

from __future__ import annotations

import itertools
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters import pg_dump
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.command import Commands
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.tar import Tar
from ansible_collections.evenkeel.ops.plugins.module_utils.assembly.repositories import reading_codecs
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.archive_engine import ArchiveReader
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.dump_engine import DumpReader
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.repository import Repository
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.verify import verify_backup
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import SystemClock

from tests.integration.reliability.figures import FULL, scaled

PROMISE = "any damage is seen"
MASKS = (0x01, 0x20, 0x80, 0xFF)


class Copies:
    """One archive and one dump in a repository, each verified once, and what says whether a copy is good."""

    def __init__(self, run_module, home: Path, shop, programs: str, identity: str, recipient: str) -> None:
        self.repository, self._scratch = Repository(home / "repository", "unnamed", "unnamed"), home / "scratch"
        source = home / "source"
        source.mkdir()
        (source / "one").write_bytes(os.urandom(700))
        (source / "two").write_text("the same again\n" * 50)
        base = {"repository": str(home / "repository")}
        archive = {**base, "plan": "files", "engine": "archive", "paths": [str(source)], "recipients": [recipient]}
        dump = {**base, "plan": "shop", "engine": "pg_dump", "bin_dir": programs, "login_host": shop.host, "login_port": shop.port,
                "login_user": shop.user, "login_password": shop.password, "login_db": shop.database}
        made = [run_module("backup", options) for options in (archive, archive, dump)]
        assert all(one.get("changed") for one in made), made
        self.ids = {"files": made[0]["backup"]["id"], "other": made[1]["backup"]["id"], "shop": made[2]["backup"]["id"]}
        said = run_module("backup_verify", {**base, "bin_dir": programs, "identity_file": identity})
        assert [one["status"] for one in said["verifications"]] == ["pass"] * 3, said
        self._codecs = reading_codecs(identity)
        self._readers = {"archive": ArchiveReader(Tar(Commands()), timeout=60),
                         "pg_dump": DumpReader(pg_dump.DumpPrograms(Commands(), [programs]), jobs=2, timeout=60)}

    def folder(self, name: str) -> Path:
        return Path(self.repository.open(self.ids[name]).folder)

    def good(self, name: str) -> bool:
        """Whether the copy is listed as usable, and a full verification passes; leaves no record."""
        listed = {backup.id: backup for backup in self.repository.list()}
        backup = listed.get(self.ids[name])
        if backup is None or not backup.usable:
            return False
        before = set((backup.folder / "verifications").iterdir())
        verified = verify_backup(backup, self._readers.__getitem__, self._codecs, SystemClock(), scratch=self._scratch)
        for record in set((backup.folder / "verifications").iterdir()) - before:
            record.unlink()
        return verified is not None and verified.status == "pass"


@pytest.fixture(scope="module")
def copies(tmp_path_factory, small_shop, module_host):
    """Made by the modules, as everybody's are."""
    import json
    import os

    import pyrage

    from tests.conftest import ROOT
    from tests.testbed import postgres

    home = tmp_path_factory.mktemp("damage")
    identity = pyrage.x25519.Identity.generate()
    (home / "identity").write_text(f"{identity}\n")

    def run(name, options):
        stdout, _stderr = module_host.run(name, json.dumps({"ANSIBLE_MODULE_ARGS": options}), environment=dict(os.environ), folder=ROOT,
                                          timeout=300)
        return json.loads([line for line in stdout.splitlines() if line.startswith("{")][-1])

    programs = max(postgres.installations(), key=lambda one: one.major).folder
    return Copies(run, home, small_shop, programs, str(home / "identity"), str(identity.to_public()))


@contextmanager
def altered(path: Path, content: bytes | None) -> Iterator[None]:
    """The file with another content, or gone; as it was afterwards."""
    before = path.read_bytes()
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    try:
        yield
    finally:
        path.write_bytes(before)


def every(length: int, stride: int) -> list[int]:
    """Every so many, and always the first and the last."""
    return sorted({*range(0, length, stride), length - 1}) if length else []


def told(seen: Counter, tried: Counter) -> str:
    share = "" if FULL else " (a sample; all in the full run)"
    return f"seen {seen.total()} of {tried.total()}{share}: " + ", ".join(f"{word} {seen[word]} of {tried[word]}" for word in tried)


def missed(path: Path, what: str) -> str:
    return f"{path.name}: {what}"


@pytest.mark.parametrize("name, stride", [("files", scaled(1, 40)), ("shop", scaled(31, 800))])
def test_no_byte_of_the_payload_is_altered_or_cut_unseen(copies, figure, name, stride):
    seen, tried, unseen = Counter(), Counter(), []
    assert copies.good(name)
    for path in sorted((copies.folder(name) / "data").iterdir()):
        whole = path.read_bytes()
        harms = [("byte", at, whole[:at] + bytes([whole[at] ^ MASKS[at % 4]]) + whole[at + 1:]) for at in every(len(whole), stride)]
        harms += [("cut", at, whole[:at]) for at in every(len(whole), stride * 3)]
        harms += [("missing", 0, None), ("longer", 0, whole + b"\0")]
        for word, at, content in harms:
            with altered(path, content):
                tried[word] += 1
                if copies.good(name):
                    unseen.append(missed(path, f"{word} {at}"))
                else:
                    seen[word] += 1
    figure(PROMISE, {"files": "payload of a backup of files, zstd and age: each byte altered, cut at each length",
                     "shop": f"payload of a pg_dump backup: every {stride}th byte altered"}[name], told(seen, tried))
    assert copies.good(name) and not unseen, unseen[:5]


def test_no_byte_of_a_manifest_or_a_record_is_altered_or_cut_unseen(copies, figure):
    seen, tried, unseen = Counter(), Counter(), []
    folder = copies.folder("files")
    [record] = (folder / "verifications").glob("*.json")
    for path in (folder / "manifest.json", record):
        whole = path.read_bytes()
        harms = [("byte", at, whole[:at] + bytes([whole[at] ^ mask]) + whole[at + 1:])
                 for at in every(len(whole), scaled(1, 3)) for mask in (MASKS if FULL else MASKS[:2])]
        harms += [("cut", at, whole[:at]) for at in every(len(whole), scaled(1, 5))]
        for word, at, content in harms:
            with altered(path, content):
                tried[word] += 1
                # An altered record may have said that the copy failed: the copy is not good until it is verified again.
                usable = any(backup.id == folder.name and backup.usable for backup in copies.repository.list("files"))
                if usable:
                    unseen.append(missed(path, f"{word} {at}"))
                else:
                    seen[word] += 1
    figure(PROMISE, "manifest and record of a verification: each byte altered in four ways, cut at each length", told(seen, tried))
    assert copies.good("files") and not unseen, unseen[:5]


def test_no_file_is_missing_or_swapped_unseen(copies, figure):
    seen, tried, unseen = Counter(), Counter(), []

    def look(word: str, name: str, what: str) -> None:
        tried[word] += 1
        if copies.good(name):
            unseen.append(what)
        else:
            seen[word] += 1

    shop = sorted((copies.folder("shop") / "data").iterdir())
    for one, other in itertools.combinations(shop, 2):
        first, second = one.read_bytes(), other.read_bytes()
        if first == second:
            continue
        with altered(one, second), altered(other, first):
            look("files swapped", "shop", f"{one.name} {other.name}")
    for path in [*shop, copies.folder("shop") / "manifest.json"]:
        with altered(path, None):
            look("file missing", "shop", path.name)
    mine, theirs = copies.folder("files"), copies.folder("other")
    for file in ("data/archive.tar.zst.age", "manifest.json"):
        first, second = (mine / file).read_bytes(), (theirs / file).read_bytes()
        with altered(mine / file, second), altered(theirs / file, first):
            look("swapped with another backup", "files", file)
            look("swapped with another backup", "other", file)
    spare = mine.with_name("spare")
    shutil.move(mine, spare)
    shutil.move(theirs, mine)
    look("swapped with another backup", "files", "folders")
    shutil.move(mine, theirs)
    shutil.move(spare, mine)
    figure(PROMISE, "each file missing, each two files of a backup swapped, files and folders of two backups swapped", told(seen, tried))
    assert copies.good("shop") and copies.good("files") and not unseen, unseen
