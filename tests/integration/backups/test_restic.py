# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine restic on real repositories: backup, backup_verify, restore_drill, backup_prune."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.command import Commands
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.restic import Restic, ResticTarget
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.listing import Exclusion, walk
from ansible_collections.evenkeel.ops.plugins.module_utils.core import progress
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import SystemClock

from tests.conftest import ROOT, missing
from tests.testbed.minio import Minio, serve_minio
from tests.testbed.postgres import free_port

PASSWORD = "canary-8f2b51c0"


@pytest.fixture(scope="session")
def program() -> str:
    found = shutil.which("restic")
    if not found:
        missing("restic")
    return str(found)


@pytest.fixture(scope="session")
def fresh(program, tmp_path_factory) -> Path:
    """A repository as restic makes it, to be copied: key derivation makes each init slow."""
    home = tmp_path_factory.mktemp("restic")
    (home / "password").write_text(PASSWORD)
    subprocess.run([program, "init", "-r", str(home / "repository"), "-p", str(home / "password")], check=True, capture_output=True)
    return home


class Plan:
    """A plan in a repository of its own, and the modules called for it."""

    def __init__(self, run_module: Callable[..., dict[str, Any]], home: Path, fresh: Path, program: str) -> None:
        self._run, self.home, self._program = run_module, home, program
        shutil.copytree(fresh / "repository", home / "restic")
        shutil.copy(fresh / "password", home / "password")
        (home / "password").chmod(0o600)
        self.source = home / "source"
        self.options: dict[str, Any] = {"repository": str(home / "ours"), "plan": "files"}
        self.restic: dict[str, Any] = {"repository": str(home / "restic"), "password_file": str(home / "password")}

    def backup(self, **more: Any) -> dict[str, Any]:
        return self._run("backup", {**self.options, "engine": "restic", "paths": [str(self.source)], "restic": self.restic, **more})

    def verify(self, **restic: Any) -> dict[str, Any]:
        answer = self._run("backup_verify", {"repository": self.options["repository"], "max_age": "0s", "restic": restic})
        return answer["verifications"][-1]

    def drill(self, **more: Any) -> dict[str, Any]:
        scratch = self.home / "scratch"
        scratch.mkdir(exist_ok=True)
        answer = self._run("restore_drill", {**self.options, "scratch_dir": str(scratch), **more})
        assert os.listdir(scratch) == []
        return answer

    def prune(self, **policy: Any) -> dict[str, Any]:
        return self._run("backup_prune", {"repository": self.options["repository"], "plans": {"files": policy}})

    def bare(self, *arguments: str, **options: Any) -> subprocess.Popen:
        return subprocess.Popen([self._program, "-r", self.restic["repository"], "-p", self.restic["password_file"], *arguments],
                                text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)

    def snapshots(self) -> list[str]:
        said, _errors = self.bare("snapshots", "--json", "--no-lock").communicate()
        return [one["id"] for one in json.loads(said) or []]


@pytest.fixture
def plan(run_module, tmp_path, fresh, program) -> Plan:
    (tmp_path / "home").mkdir()
    made = Plan(run_module, tmp_path / "home", fresh, program)
    made.source.mkdir()
    (made.source / "one").write_bytes(os.urandom(200_000))
    (made.source / "two").write_text("two")
    return made


def status_of(finding_of: dict[str, Any], check: str) -> str:
    return next(one["status"] for one in finding_of["findings"] if one["check"] == check)


def test_odd_files_come_back_with_owners_modes_links_and_attributes(plan, odd_files):
    plan.source = odd_files
    if os.geteuid() == 0:
        os.chown(odd_files / "script", 1234, 4321)
    (odd_files / "script").chmod(0o4751)
    os.mkfifo(odd_files / "pipe")
    made = plan.backup(exclude=["*.tmp"])
    assert made.get("changed"), made
    assert made["backup"]["encrypted"] and made["backup"]["fingerprint"] == "full"
    assert {one["status"] for one in made["findings"]} == {"pass"}, made["findings"]
    assert plan.verify()["status"] == "pass"
    answer = plan.drill()
    assert answer["drill"]["status"] == "pass", answer
    assert answer["drill"]["tables_compared"] > 15


def test_the_second_backup_adds_little_and_hashes_only_what_changed(plan):
    first = plan.backup()
    (plan.source / "three").write_text("three")
    second = plan.backup()
    assert second["backup"]["bytes"] < first["backup"]["bytes"] / 10
    assert len(plan.snapshots()) == 2
    assert plan.backup(max_age="1h")["changed"] is False
    assert plan.drill()["drill"]["tables_compared"] == 4


def test_every_part_of_the_repository_has_its_turn(plan):
    plan.backup()
    seen = [plan.verify(verify_parts=3)["depth"] for _turn in range(3)]
    assert sorted(one.split(" of ")[0] for one in seen) == ["part 1", "part 2", "part 3"], seen
    assert plan.verify(verify_parts=1)["depth"] == "full"


def flip(folder: Path) -> None:
    """Alter one byte in the largest pack."""
    pack = max((path for path in (folder / "data").rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    pack.chmod(0o600)
    content = bytearray(pack.read_bytes())
    content[1000] ^= 1
    pack.write_bytes(content)


def test_damage_in_the_repository_is_seen_by_a_verification_and_by_a_drill(plan):
    plan.backup()
    flip(plan.home / "restic")
    assert plan.verify(verify_parts=1)["status"] == "fail"
    answer = plan.drill()
    assert status_of(answer, "recovery.data") == "fail", answer


@pytest.mark.parametrize("part", ["index", "snapshots", "keys", "config"])
def test_what_this_host_has_in_its_cache_does_not_stand_for_what_was_altered(plan, part):
    plan.backup()
    place = plan.home / "restic" / part
    [path] = [place] if place.is_file() else place.iterdir()
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.chmod(0o600)
    path.write_bytes(content)
    assert plan.verify(verify_parts=1)["status"] == "fail"
    answer = plan.drill()
    assert answer["drill"]["status"] == "fail", answer


def test_a_snapshot_that_is_gone_is_seen(plan):
    plan.backup()
    plan.bare("forget", plan.snapshots()[0]).communicate()
    told = plan.verify()
    assert told["status"] == "fail" and "does not have the snapshot" in told["message"]


def test_restics_word_alone_is_no_proof(plan):
    """A snapshot that restic finds whole, and that is not what the source was: the list says so."""
    made = plan.backup()["backup"]
    id = plan.snapshots()[0]
    copy = json.loads(Path(made["path"], "manifest.json").read_text())["native"]["copy"]
    plan.bare("forget", id).communicate()
    (plan.source / "two").write_text("owt")
    os.utime(plan.source / "two", ns=(1, 1))
    plan.bare("backup", "-q", f"--tag=copy={copy}", str(plan.source)).communicate()
    assert plan.verify()["status"] == "pass"  # the names are there
    answer = plan.drill()
    assert str(plan.source / "two") in answer["drill"]["tables_different"], answer
    assert status_of(answer, "recovery.data") == "fail"


def test_a_wrong_password_is_unknown_and_no_failure_of_the_backup(plan, tmp_path):
    plan.backup()
    wrong = tmp_path / "wrong"
    wrong.write_text("wrong")
    told = plan.verify(password_file=str(wrong))
    assert told["status"] == "unknown" and "wrong password" in told["message"]


def test_a_file_that_cannot_be_read_makes_the_backup_fail_and_leaves_nothing(plan):
    """restic ends with 3 and makes an incomplete snapshot."""
    (plan.source / "secret").write_text("x")
    (plan.source / "secret").chmod(0)
    argv = [sys.executable, "-m", "tests.testbed.module", "backup"]
    if os.geteuid() == 0:
        os.chown(plan.source / "secret", 1234, 1234)
        argv = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", *argv]
    arguments = {"ANSIBLE_MODULE_ARGS": {**plan.options, "engine": "restic", "paths": [str(plan.source)], "restic": plan.restic,
                                         "_ansible_remote_tmp": "/tmp", "_ansible_keep_remote_files": False}}
    done = subprocess.run(argv, input=json.dumps(arguments), text=True, capture_output=True, cwd=ROOT, check=False)
    answer = json.loads([line for line in done.stdout.splitlines() if line.startswith("{")][-1])
    assert answer.get("failed"), answer
    assert answer["evidence"]["unread"] == [str(plan.source / "secret")]
    assert plan.snapshots() == []
    assert list(Path(plan.options["repository"]).rglob("manifest.json")) == []


def test_a_repository_is_made_only_when_asked_for_and_never_instead_of_a_lost_one(plan):
    plan.backup()
    (plan.home / "restic").rename(plan.home / "lost")
    answer = plan.backup()
    assert answer["error"] == "NotFound" and "initialize" in answer["hint"]
    plan.restic["initialize"] = True
    assert plan.backup()["error"] == "Refused"
    answer = plan.backup(plan="other")
    assert answer["changed"], answer


@pytest.fixture
def holder(plan) -> Iterator[subprocess.Popen]:
    """A restic that is stopped while it holds the repository's exclusive lock, to read slowly what is in it."""
    plan.backup()
    process = plan.bare("check", "--read-data", "--limit-download=2")
    deadline = time.monotonic() + 60
    while not [name for name in os.listdir(plan.home / "restic/locks") if len(name) == 64] and time.monotonic() < deadline:
        time.sleep(0.002)
    process.send_signal(signal.SIGSTOP)
    yield process
    process.kill()
    process.communicate()


def test_a_lock_is_waited_for_and_removed_only_when_its_process_is_dead(plan, holder):
    old = time.time() - 3600
    plan.restic["lock_timeout"] = "1s"
    [lock] = (plan.home / "restic/locks").iterdir()
    os.utime(lock, (old, old))
    answer = plan.backup()
    assert answer["error"] == "Busy" and str(holder.pid) in answer["msg"], answer
    assert lock.exists()
    holder.kill()
    holder.wait()
    answer = plan.backup()
    assert answer.get("changed"), answer
    assert not lock.exists()


def test_pruning_forgets_the_snapshots_too(plan):
    ids = [plan.backup()["backup"]["id"] for _turn in range(3)]
    answer = plan.prune(keep_last=1)
    assert sorted(one["id"] for one in answer["deleted"]) == ids[:2], answer
    assert len(plan.snapshots()) == 1
    assert plan.drill()["drill"]["status"] == "pass"


def test_the_password_is_in_no_argument_environment_or_manifest(plan):
    """A program in restic's place writes down what it was given, then becomes restic."""
    spy = plan.home / "programs/restic"
    spy.parent.mkdir()
    spy.write_text(f'#!/bin/sh\n{{ printf "%s\\n" "$@"; env; }} >>{plan.home}/seen\nexec {shutil.which("restic")} "$@"\n')
    spy.chmod(0o755)
    answer = plan.backup(bin_dir=str(spy.parent))
    assert answer["changed"]
    assert "backup" in (plan.home / "seen").read_text()
    assert PASSWORD not in (plan.home / "seen").read_text() + json.dumps(answer)
    for path in Path(plan.options["repository"]).rglob("*"):
        assert not path.is_file() or PASSWORD.encode() not in path.read_bytes()


@pytest.fixture(scope="module")
def store() -> Iterator[Minio]:
    """A MinIO with a bucket."""
    try:
        running = serve_minio()
        server = running.__enter__()
    except FileNotFoundError as error:
        missing(str(error))
    try:
        server.bucket("restic")
        yield server
    finally:
        running.__exit__(None, None, None)


def test_a_repository_in_s3(plan, store, tmp_path):
    """Made, written, verified, drilled and pruned; the keys are in a file, and a wrong one is told."""
    credentials = tmp_path / "credentials"
    credentials.write_text(f"[default]\naws_access_key_id = {store.access_key}\naws_secret_access_key = {store.secret_key}\n")
    plan.restic = {"repository": f"s3:http://127.0.0.1:{store.port}/restic/app", "password_file": plan.restic["password_file"],
                   "credentials_file": str(credentials)}
    assert plan.backup()["error"] == "NotFound"
    plan.restic["initialize"] = True
    made = plan.backup()
    assert made.get("changed"), made
    (plan.source / "three").write_text("three")
    assert plan.backup()["backup"]["bytes"] < made["backup"]["bytes"] / 10
    assert plan.verify(verify_parts=1)["status"] == "pass"
    assert plan.drill()["drill"]["status"] == "pass"
    pruned = plan.prune(keep_last=1)
    assert [one["id"] for one in pruned["deleted"]] == [made["backup"]["id"]], pruned
    assert plan.drill()["drill"]["status"] == "pass"
    for path in Path(plan.options["repository"]).rglob("*"):
        assert not path.is_file() or store.secret_key.encode() not in path.read_bytes()
    credentials.write_text("[default]\naws_access_key_id = somebody\naws_secret_access_key = else\n")
    assert plan.backup()["error"] == "AccessDenied"
    plan.restic["repository"] = f"s3:http://127.0.0.1:{free_port()}/restic/app"
    assert plan.backup(timeout="5s")["error"] in ("Unreachable", "TimedOut")


@pytest.mark.parametrize("patterns", [["*.tmp"], ["cache"], ["deep/*.log", "b?"], ["{root}/cache"], ["{root}/[a-c]*"],
                                      ["{root}/[^a-m]*"], ["\\*"], ["{root}/*/x"]], ids=str)
def test_patterns_leave_out_what_restic_leaves_out(plan, patterns):
    """The list is taken by our reading of restic's patterns: both must come to the same names."""
    root = plan.source
    for name in ("a.tmp", "bx", "by", "cache", "zeta", "*", "deep/one.log", "deep/x", "deep/cache/x", "deep/er/b2/c", "deep/er/d.tmp/e"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("x")
    chosen = [one.replace("{root}", str(root)) for one in patterns]
    exclusion = Exclusion(chosen)
    ours = {entry.path for entry in walk([str(root)], exclusion.matches)}
    restic = Restic(Commands(), ResticTarget.from_options(plan.restic), SystemClock())
    snapshot = restic.backup([str(root)], chosen, [], timeout=60)
    theirs = {one["path"] for one in restic.names(snapshot.id, timeout=60) if one["path"].startswith(str(root))}
    assert ours == theirs


def test_how_far_it_is_is_told_while_it_works(plan, told):
    for number in range(8):
        (plan.source / f"noise-{number}").write_bytes(os.urandom(30 * 2**20))
    restic = Restic(Commands(), ResticTarget.from_options(plan.restic), SystemClock())
    progress.begin("backup of files")
    made = restic.backup([str(plan.source)], [], ["files"], timeout=300)
    assert made.bytes > 240 * 2**20
    reading = told()
    assert 0 < reading.done <= reading.total <= made.bytes
