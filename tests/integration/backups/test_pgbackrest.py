# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""pgbackrest_stanza, and the engine pgbackrest in backup, backup_verify and backup_prune, on a real server."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.command import Commands
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.pgbackrest import PgBackRest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.postgres import connect
from ansible_collections.evenkeel.ops.plugins.module_utils.core import progress

from tests.conftest import missing
from tests.testbed.stanza import StanzaServer, installation, stanza_server

CANARY = "canary-9f3c-passphrase"


@pytest.fixture(scope="module")
def bare() -> Iterator[StanzaServer]:
    """A server that nobody has prepared."""
    if installation() is None:
        missing("pgBackRest, or a PostgreSQL that it knows")
    with stanza_server() as server:
        yield server


@pytest.fixture(scope="module")
def shop(bare) -> StanzaServer:
    """The same once it was prepared: the first test of this file does that."""
    assert bare.config.exists()
    return bare


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("store")


@pytest.fixture
def make(run_module, shop, store):
    def run(**options: Any) -> dict[str, Any]:
        return run_module("backup", shop.backup(store, **options))

    return run


def manifest(answer: dict[str, Any]) -> dict[str, Any]:
    assert not answer.get("failed"), answer
    return json.loads((Path(answer["backup"]["path"]) / "manifest.json").read_text())


def labels(server: StanzaServer) -> list[str]:
    account = server.server.account
    become = ["setpriv", f"--reuid={account}", f"--regid={account}", "--clear-groups"] if account else []
    told = subprocess.run([*become, "pgbackrest", f"--config={server.config}", "--stanza=shop", "info", "--output=json"],
                          capture_output=True, text=True, check=True, cwd="/").stdout
    return [one["label"] for one in json.JSONDecoder().raw_decode(told)[0][0]["backup"]]


def test_a_server_is_prepared_without_being_restarted_and_is_ready_once_it_was(bare, run_module):
    options = bare.stanza(cipher_pass=CANARY)
    planned = run_module("pgbackrest_stanza", options, check=True, diff=True)
    assert planned["actions"] == ["write the configuration", "create the stanza", "set archive_command", "set archive_mode",
                                  "set archive_timeout"], planned
    assert planned["changed"] and not bare.config.exists() and planned["restart_required"] == ["archive_mode"]
    assert "pgbackrest" in planned["diff"]["after"] and CANARY not in json.dumps(planned)

    done = run_module("pgbackrest_stanza", options)
    assert done["actions"] == planned["actions"] and done["restart_required"] == ["archive_mode"] and not done["ready"], done
    assert [finding["status"] for finding in done["findings"]] == ["warn"]
    found = bare.config.stat()
    assert stat.S_IMODE(found.st_mode) == 0o640 and found.st_uid == os.stat(bare.server.data).st_uid
    assert CANARY in bare.config.read_text()
    again = run_module("pgbackrest_stanza", options)
    assert not again["changed"] and again["restart_required"] == ["archive_mode"], again

    pid = bare.server.pid
    bare.server.stop()
    bare.server.start()
    assert bare.server.pid != pid
    ready = run_module("pgbackrest_stanza", options)
    assert ready["ready"] and not ready["changed"] and not ready["restart_required"], ready
    assert {finding["check"]: finding["status"] for finding in ready["findings"]} == {
        "backup.wal_archive": "pass", "backup.stanza": "pass"}
    with connect(bare.target) as session:
        assert session.value("SHOW archive_timeout") == "10min"
        assert CANARY not in session.value("SHOW archive_command")


def test_a_file_that_was_altered_by_hand_is_put_right(shop, run_module):
    text = shop.config.read_text()
    shop.config.write_text(text.replace("start-fast=y", "start-fast=n"))
    shop.config.chmod(0o644)
    answer = run_module("pgbackrest_stanza", shop.stanza(cipher_pass=CANARY), diff=True)
    assert answer["actions"] == ["write the configuration"], answer
    assert "start-fast=n" in answer["diff"]["before"] and CANARY not in json.dumps(answer)
    assert shop.config.read_text() == text and stat.S_IMODE(shop.config.stat().st_mode) == 0o640


@pytest.mark.parametrize(("options", "said"), [
    ({"archive_timeout": "15m"}, "does not keep archive_age"), ({"stanza": "--help"}, "cannot name a stanza"),
    ({"settings": {"repo1-host": "a\n[global]\nrepo1-path=/"}}, "cannot stand in pgBackRest's configuration"),
])
def test_bad_options_are_refused_before_anything_is_done(shop, run_module, options, said):
    answer = run_module("pgbackrest_stanza", shop.stanza(cipher_pass=CANARY, **options))
    assert answer["failed"] and said in answer["msg"] and answer["hint"], answer


def test_copies_rest_on_each_other_and_the_first_of_a_chain_is_full(shop, make):
    first = manifest(make())
    assert first["native"]["type"] == "full" and first["parent"] is None and first["encryption"] == {"method": "aes-256-cbc"}
    second, third = manifest(make()), manifest(make(type="diff"))
    assert (second["native"]["type"], second["parent"]) == ("incr", first["id"])
    assert (third["native"]["type"], third["parent"]) == ("diff", first["id"])
    assert second["native"]["bytes"] < first["native"]["bytes"] / 20
    due = manifest(make(full_every="1ms"))
    assert due["native"]["type"] == "full" and due["parent"] is None
    assert CANARY not in json.dumps([first, second, third, due])
    assert labels(shop) == [one["native"]["name"] for one in (first, second, third, due)]


def test_a_copy_made_by_another_hand_is_not_built_on(shop, make, store):
    newest = max((store / "unnamed" / "unnamed" / "shop").glob("*/manifest.json"))
    newest.unlink()
    assert manifest(make())["native"]["type"] == "full"
    before = labels(shop)
    assert make(max_age="1h")["changed"] is False and labels(shop) == before


def test_whole_copies_are_verified_and_a_damaged_file_and_a_missing_segment_are_named(shop, run_module, store):
    options = {"repository": str(store)}
    answer = run_module("backup_verify", options)
    assert {one["status"] for one in answer["verifications"]} == {"pass"} and len(answer["verifications"]) >= 4, answer
    newest = max(answer["verifications"], key=lambda one: one["id"])["id"]
    native = json.loads((store / "unnamed" / "unnamed" / "shop" / newest / "manifest.json").read_text())["native"]

    files = shop.repo / "backup" / "shop" / native["name"] / "pg_data" / "base"
    victim = max(files.rglob("*.zst"), key=lambda path: path.stat().st_size)
    whole = victim.read_bytes()
    victim.write_bytes(b"")
    damaged = run_module("backup_verify", {**options, "id": newest})["verifications"][0]
    assert damaged["status"] == "fail" and native["name"] in damaged["message"], damaged
    victim.write_bytes(whole)

    [segment] = (shop.repo / "archive" / "shop").rglob(f"{native['wal_start']}-*")
    segment.rename(shop.folder / "aside")
    gone = run_module("backup_verify", {**options, "id": newest})["verifications"][0]
    assert gone["status"] == "fail" and native["wal_start"] in gone["message"], gone
    (shop.folder / "aside").rename(segment)
    assert run_module("backup_verify", {**options, "id": newest})["verifications"][0]["status"] == "pass"


def test_retention_deletes_in_pgbackrest_too_and_what_a_kept_copy_rests_on_stays(shop, make, run_module, store):
    newest = max((store / "unnamed" / "unnamed" / "shop").glob("*/manifest.json"))
    kept = [json.loads(newest.read_text()), manifest(make())]
    assert kept[1]["parent"] == kept[0]["id"]
    answer = run_module("backup_prune", {"repository": str(store), "plans": {"shop": {"keep_last": 1}}})
    assert not answer.get("failed") and answer["deleted"], answer
    there = labels(shop)
    assert {one["native"]["name"] for one in kept} <= set(there)
    ids = {entry["id"] for entry in answer["kept"]}
    assert {one["id"] for one in kept} <= ids
    deleted = {entry["id"] for entry in answer["deleted"]}
    assert not deleted & {path.name for path in (store / "unnamed" / "unnamed" / "shop").iterdir()}
    assert len(there) <= len(ids) + 1  # the copy of another hand is not ours to delete


def test_a_log_that_is_not_archived_is_a_failure(shop, run_module, store):
    with connect(shop.target) as session:
        good = session.value("SHOW archive_command")
        session.run("ALTER SYSTEM SET archive_command = 'false pgbackrest'")
        session.run("ALTER SYSTEM SET archive_timeout = '1h'")
        session.value("SELECT pg_reload_conf()")
    try:
        def failing() -> list[str]:
            with connect(shop.target) as session:  # each time: the archiver may learn of the new command after a segment
                session.value("SELECT pg_logical_emit_message(false, 'noise', 'x')")
                session.value("SELECT pg_switch_wal()")
            answer = run_module("backup", shop.backup(store, max_age="1h"))
            return [one["message"] for one in answer["findings"] if one["check"] == "backup.wal_archive" and one["status"] == "fail"]

        for _attempt in range(20):
            if len(failing()) == 2:
                break
        said = failing()
        assert any("archive_timeout is 1h" in one for one in said) and any("could not be archived" in one for one in said), said
    finally:
        with connect(shop.target) as session:
            quoted = session.value("SELECT quote_literal(%s)", (good,))
            session.run(f"ALTER SYSTEM SET archive_command = {quoted}")
            session.run("ALTER SYSTEM SET archive_timeout = '10min'")
            session.value("SELECT pg_reload_conf()")
    answer = run_module("pgbackrest_stanza", shop.stanza(cipher_pass=CANARY))
    assert answer["ready"] and not answer["changed"], answer


@pytest.mark.parametrize(("native", "said"), [
    ({"stanza": "nowhere"}, "There is no stanza nowhere"), ({"config": "/nonexistent.conf"}, "nonexistent.conf"),
])
def test_a_stanza_that_is_not_there_is_told(shop, run_module, store, native, said):
    options = shop.backup(store)
    answer = run_module("backup", {**options, "pgbackrest": {**options["pgbackrest"], **native}})
    assert answer["failed"] and said in answer["msg"] and answer["hint"], answer


def test_the_playbooks_prepare_and_create_by_plan(shop, playbook, tmp_path):
    inventory = tmp_path / "hosts.yml"
    inventory.write_text("backups: {hosts: {database: {ansible_connection: local, ansible_python_interpreter: "
                         '"{{ ansible_playbook_python }}"}}}\n')
    variables = {
        "backups_repository": str(tmp_path / "store"), "backups_min_free": "0", "backups_pgbackrest_repo_path": str(shop.repo),
        "backups_pgbackrest_cipher_pass": CANARY,
        "backups_pgbackrest_settings": {"log-path": str(shop.folder / "log"), "lock-path": str(shop.folder / "lock")},
        "backups_plans": [{"name": "shop", "engine": "pgbackrest", "pgbackrest": {"stanza": "shop", "config": str(shop.config)},
                           "source": {**shop.login}}]}
    for name, changed in (("prepare", "changed=0"), ("create", "changed=1")):
        done = playbook(f"evenkeel.ops.backups.{name}", inventory=inventory, variables=variables)
        assert done.returncode == 0 and changed in done.stdout, done.stdout[-3000:]
        assert CANARY not in done.stdout


def test_how_far_it_is_is_told_while_it_works(shop, told):
    programs = PgBackRest(Commands(), config=str(shop.config), stanza="shop", account=shop.server.account)
    progress.begin("copy", 1000)
    assert programs.backup("full", jobs=1, timeout=300) == []
    assert told(900).total == 1000, "the last file is nearly all of it"
    assert labels(shop)[-1].endswith("F")
