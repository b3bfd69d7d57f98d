# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine configuration: an archive and a commit for each change, none without one, and no secret in either."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.seal import sealed, unsealed

HEAD = "-----BEGIN {}PRIVATE KEY-----\nMIIE\n"


class Plan:
    """A plan with its history, and the modules called for it."""

    def __init__(self, run_module: Callable[..., dict[str, Any]], home: Path) -> None:
        self._run, self.home, self.etc, self.history = run_module, home, home / "etc", home / "history.git"
        self.repository = str(home / "repository")

    def backup(self, *, check: bool = False, **more: Any) -> dict[str, Any]:
        told = {"history": str(self.history), **more.pop("configuration", {})}
        return self._run("backup", {"repository": self.repository, "plan": "configuration", "engine": "configuration",
                                    "paths": [str(self.etc)], "configuration": told, **more}, check=check, diff=True)

    def git(self, *arguments: str, text: bool = True) -> Any:
        return subprocess.run(["git", f"--git-dir={self.history}", *arguments], text=text, capture_output=True, check=True).stdout

    def subjects(self) -> list[str]:
        return self.git("log", "--format=%s").splitlines()


@pytest.fixture
def plan(run_module, tmp_path) -> Plan:
    made = Plan(run_module, tmp_path)
    made.etc.mkdir()
    (made.etc / "hosts").write_text("one\ntwo\n")
    (made.etc / "run").write_text("#!/bin/sh\n")
    (made.etc / "run").chmod(0o755)
    (made.etc / "link").symlink_to("hosts")
    (made.etc / "empty").mkdir()
    return made


def test_a_copy_and_a_commit_for_each_change_and_none_without(plan):
    first = plan.backup()
    assert first["changed"], first
    again = plan.backup()
    assert not again["changed"] and again["reason"] == "the content is as it was"
    assert again["backup"]["id"] == first["backup"]["id"]
    os.utime(plan.etc / "hosts", (1, 1))  # a time is no content
    assert not plan.backup()["changed"]
    (plan.etc / "hosts").write_text("one\n2\n")
    (plan.etc / "run").unlink()
    (plan.etc / "new").write_text("new")
    assert plan.backup()["reason"] == "the content changed"
    (plan.etc / "hosts").chmod(0o600)
    assert plan.backup()["reason"] == "the content changed"
    host = os.uname().nodename
    assert plan.subjects() == [f"1 with another type, mode or owner on {host}", f"1 changed, 1 added, 1 removed on {host}",
                               f"5 added on {host}"]
    message = plan.git("log", "-1", "--skip=1", "--format=%B")
    inside = str(plan.etc)[1:]
    assert f"M {inside}/hosts\nA {inside}/new\nD {inside}/run\n" in message and "Content: sha256:" in message
    assert plan.git("show", f"HEAD~1:{inside}/hosts") == "one\n2\n"
    assert plan.git("fsck", "--strict") == ""


def test_an_age_makes_a_copy_without_a_change_and_no_commit(plan):
    plan.backup()
    time.sleep(0.02)
    assert plan.backup(max_age="10ms")["changed"]
    assert len(plan.subjects()) == 1


def test_check_mode_shows_the_change_and_writes_nothing(plan):
    plan.backup()
    (plan.etc / "hosts").write_text("one\n2\n")
    (plan.etc / "binary").write_bytes(b"\0")
    answer = plan.backup(check=True)
    assert answer["changed"] and answer["backup"] == {}
    assert "-two\n+2\n" in answer["diff"]["prepared"] and f"A {str(plan.etc)[1:]}/binary" in answer["diff"]["prepared"]
    assert len(plan.subjects()) == 1


def test_secrets_are_in_neither_archive_nor_history(plan):
    (plan.etc / "server.key").write_text("canary-one")
    (plan.etc / "innocent.conf").write_text(HEAD.format("RSA ") + "canary-two")
    (plan.etc / "ssl/private").mkdir(parents=True)
    (plan.etc / "ssl/private/x").write_text("canary-three")
    answer = plan.backup(compression="none")
    [finding] = [one for one in answer["findings"] if one["check"] == "backup.secrets"]
    assert finding["observed"] == 4, finding
    for path in [*Path(plan.repository).rglob("*"), *plan.history.rglob("*")]:
        assert not path.is_file() or b"canary" not in path.read_bytes(), path
    everything = plan.git("log", "-p", "--all").encode() + plan.git("cat-file", "--batch-all-objects", "--batch", text=False)
    assert b"canary" not in everything and b"server.key" not in everything


def test_secrets_may_be_archived_where_that_is_encrypted_and_never_come_into_the_history(plan, keys, run_module):
    (plan.etc / "server.key").write_text("canary-one")
    told = {"secrets": "archive"}
    refused = plan.backup(configuration=told)
    assert refused["error"] == "InvalidOption"
    answer = plan.backup(configuration=told, recipients=[keys[1]])
    assert answer["changed"], answer
    assert "server.key" not in plan.git("log", "-p", "--all")
    (plan.etc / "server.key").write_text("canary-two")
    assert plan.backup(configuration=told, recipients=[keys[1]])["reason"] == "the content changed"
    assert len(plan.subjects()) == 1
    drilled = run_module("restore_drill", {"repository": plan.repository, "plan": "configuration", "identity_file": keys[0]})
    assert drilled["drill"]["status"] == "pass", drilled


def test_every_version_is_verified_drilled_and_restored(plan, run_module, tmp_path):
    ids = [plan.backup()["backup"]["id"]]
    (plan.etc / "hosts").write_text("later\n")
    ids.append(plan.backup()["backup"]["id"])
    verified = run_module("backup_verify", {"repository": plan.repository})
    assert [one["status"] for one in verified["verifications"]] == ["pass", "pass"], verified
    for number, id in enumerate(ids):
        drilled = run_module("restore_drill", {"repository": plan.repository, "backup": id})
        assert drilled["drill"]["status"] == "pass", drilled
        target = tmp_path / f"restored-{number}"
        answer = run_module("backup_restore", {"repository": plan.repository, "backup": id, "path": str(target)})
        assert not answer.get("failed"), answer
    assert Path(f"{tmp_path}/restored-0{plan.etc}/hosts").read_text() == "one\ntwo\n"
    assert Path(f"{tmp_path}/restored-1{plan.etc}/hosts").read_text() == "later\n"


def test_a_content_that_is_not_the_recorded_one_is_damaged(plan, run_module):
    made = plan.backup()["backup"]
    manifest = Path(made["path"], "manifest.json")
    told = unsealed(manifest.read_bytes())
    told["source"]["content"] = "sha256:" + "0" * 64
    manifest.write_bytes(sealed(told))
    [one] = run_module("backup_verify", {"repository": plan.repository})["verifications"]
    assert one["status"] == "fail" and "not the one that was recorded" in one["message"]


def test_a_history_of_somebody_else_is_left_alone(plan):
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(plan.history)], check=True)
    tree = plan.git("hash-object", "-w", "-t", "tree", "/dev/null").strip()
    commit = plan.git("-c", "user.name=x", "-c", "user.email=x", "commit-tree", tree, "-m", "theirs")
    plan.git("update-ref", "refs/heads/main", commit.strip())
    answer = plan.backup()
    assert answer["error"] == "Damaged" and "somebody else" in answer["msg"]
    assert plan.subjects() == ["theirs"]
