# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""restore_drill on backups that the module ``backup`` made of real databases and files."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.command import Commands
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.compression import Zstd
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.encryption import AgeCipher
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.pg_dump import DumpClient
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.postgres import connect
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.create import CreationPolicy, create_backup
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.dump_engine import Database, DumpEngine, DumpPolicy
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.payload import Codecs
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.repository import Repository
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.seal import sealed
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import SystemClock
from ansible_collections.evenkeel.ops.plugins.module_utils.core.waiting import Deadline, wait_until

from tests.conftest import ROOT
from tests.integration.recovery.conftest import SHOP, fill, status_of, wheel_folder
from tests.testbed import postgres


def by_check(answer: dict) -> dict[str, list[dict]]:
    found: dict[str, list[dict]] = {}
    for finding in answer["findings"]:
        found.setdefault(finding["check"], []).append(finding)
    return found


def statuses(answer: dict) -> dict[str, str]:
    return {check: findings[0]["status"] for check, findings in by_check(answer).items()}


def server_processes(folder: Path) -> list[int]:
    """Processes that work below a folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                cwd = os.readlink(entry / "cwd")
            except OSError:
                continue
            if cwd.startswith(str(folder)):
                found.append(int(entry.name))
    return found


def asking(folder: Path) -> bool:
    """Whether a server that works below a folder carries out a query, by the names that PostgreSQL gives its processes."""
    for process in server_processes(folder):
        with contextlib.suppress(OSError):
            if Path(f"/proc/{process}/cmdline").read_bytes().rstrip(b"\0 ").endswith(b" SELECT"):
                return True
    return False


def test_a_good_backup_is_proven_on_both_majors(shop, installation, backup, drill, run_module, tmp_path, scratch):
    made = backup(shop)
    answer = drill(plan="shop", rto="1h", rpo="1h", assertions=[
        {"name": "all customers", "sql": "SELECT count(*) FROM customers", "expected": 2000},
        {"name": "none without a customer", "sql": "SELECT NOT EXISTS (SELECT FROM orders WHERE customer_id IS NULL)"}])
    assert not answer.get("failed"), answer
    assert {finding["status"] for finding in answer["findings"]} == {"pass"}, answer["findings"]
    assert set(by_check(answer)) == {"recovery.restore", "recovery.data", "recovery.amcheck", "recovery.assertion",
                                     "recovery.rto", "recovery.rpo"}
    said = answer["drill"]
    assert answer["changed"] and said["status"] == "pass" and said["backup_id"] == made["id"]
    assert [phase["name"] for phase in said["phases"]] == ["fetch", "prepare", "restore", "first_query", "verify"]
    assert said["rto_seconds"] == pytest.approx(sum(phase["seconds"] for phase in said["phases"][:4]), abs=0.01)
    assert said["tables_compared"] == 4 and said["tables_different"] == []
    assert said["tools"]["postgres"].split(".")[0] == str(installation.major)
    assert status_of(run_module, tmp_path / "repository", made["id"]) == "proven"
    assert server_processes(scratch) == []


def test_a_drill_that_is_young_enough_will_do_and_gives_its_result(newest_shop, backup, drill):
    made = backup(newest_shop)
    first = drill(plan="shop")
    second = drill(plan="shop", drill_every="30d", rto="1ms", rpo="30d")
    assert second["changed"] is False
    assert second["drill"]["backup_id"] == made["id"] and second["drill"]["phases"] == first["drill"]["phases"]
    assert statuses(second) == {"recovery.drill": "pass", "recovery.rto": "fail", "recovery.rpo": "pass"}
    assert drill(plan="shop", drill_every="1ms", amcheck=False)["changed"] is True


def test_check_mode_tells_the_backup_and_writes_nothing(newest_shop, backup, drill, tmp_path):
    made = backup(newest_shop)
    before = sorted(str(path) for path in (tmp_path / "repository").rglob("*"))
    answer = drill(plan="shop", check=True)
    assert answer["changed"] and answer["drill"]["status"] == "planned" and answer["drill"]["backup_id"] == made["id"]
    assert made["id"] in answer["summary"]
    assert sorted(str(path) for path in (tmp_path / "repository").rglob("*")) == before


def test_an_assertion_that_does_not_hold_fails_the_drill_and_one_that_cannot_be_asked_is_unknown(
        newest_shop, backup, drill, run_module, tmp_path):
    made = backup(newest_shop)
    answer = drill(plan="shop", amcheck=False, assertion_timeout="5s", assertions=[
        {"name": "wrong", "sql": "SELECT count(*) FROM customers", "expected": 7},
        {"name": "no such table", "sql": "SELECT 1 FROM nowhere"},
        {"name": "writes", "sql": "DELETE FROM customers RETURNING true"},
        {"name": "endless", "sql": "SELECT pg_sleep(60)"}])
    found = {finding["subject"]: finding for finding in by_check(answer)["recovery.assertion"]}
    assert {name: finding["status"] for name, finding in found.items()} == {
        "shop: wrong": "fail", "shop: no such table": "unknown", "shop: writes": "unknown", "shop: endless": "unknown"}
    assert found["shop: wrong"]["observed"] == 2000 and found["shop: wrong"]["limit"] == 7
    assert answer["drill"]["status"] == "fail"
    assert status_of(run_module, tmp_path / "repository", made["id"]) == "failed"


def test_performance_and_security_of_what_was_restored_are_judged(newest_shop, backup, drill, run_module, tmp_path):
    made = backup(newest_shop)
    answer = drill(plan="shop", amcheck=False, assertions=[
        {"name": "quick", "sql": "SELECT count(*) FROM customers", "expected": 2000, "within": "1h"},
        {"name": "slow", "sql": "SELECT pg_sleep(1.1) IS NOT NULL", "within": "1s"},
        {"name": "no rights of owners", "sql": "SELECT count(*) FROM pg_proc WHERE prosecdef", "expected": 0, "of": "security"}])
    found = by_check(answer)
    assert {one["subject"]: one["status"] for one in found["recovery.performance"]} == {"shop: quick": "pass", "shop: slow": "fail"}
    [slow] = [one for one in found["recovery.performance"] if one["status"] == "fail"]
    assert slow["observed"] > slow["limit"] == 1 and slow["hint"]
    [secure] = found["recovery.security"]
    assert secure["status"] == "pass" and secure["subject"] == "shop: no rights of owners"
    assert answer["drill"]["status"] == "pass", "a slow answer says nothing against the backup"
    assert status_of(run_module, tmp_path / "repository", made["id"]) == "proven"


def test_a_damaged_file_fails_the_drill_and_the_backup_is_not_proven(newest_shop, backup, drill, run_module, tmp_path):
    made = backup(newest_shop)
    largest = max((path for path in Path(made["path"], "data").iterdir()), key=lambda path: path.stat().st_size)
    content = bytearray(largest.read_bytes())
    content[len(content) // 2] ^= 0xFF
    largest.write_bytes(content)
    answer = drill(plan="shop", rto="1h")
    [data] = by_check(answer)["recovery.data"]
    assert data["status"] == "fail" and largest.name in data["message"] and data["hint"]
    assert answer["drill"]["status"] == "fail" and answer["drill"]["rto_seconds"] is None
    assert statuses(answer)["recovery.rto"] == "unknown"
    assert status_of(run_module, tmp_path / "repository", made["id"]) == "failed"


@pytest.mark.parametrize("key, value, said", [
    ("rows", 1999, "table public.customers has 2000 rows, had 1999"),
    ("hash", "1", "table public.customers has as many rows, but not the same values"),
])
def test_a_table_that_comes_back_otherwise_is_named(newest_shop, backup, drill, key, value, said):
    made = backup(newest_shop)
    manifest = Path(made["path"], "manifest.json")
    content = json.loads(manifest.read_text())
    content["fingerprint"]["tables"]["public.customers"][key] = value
    manifest.write_bytes(sealed(content))
    answer = drill(plan="shop", amcheck=False)
    [data] = by_check(answer)["recovery.data"]
    assert data["status"] == "fail" and data["message"] == said
    assert answer["drill"]["tables_different"] == ["public.customers"]


def test_without_a_fingerprint_nothing_is_proven(newest_shop, backup, drill, run_module, tmp_path):
    made = backup(newest_shop, fingerprint="off")
    assert statuses(drill(plan="shop", amcheck=False))["recovery.data"] == "unknown"
    assert status_of(run_module, tmp_path / "repository", made["id"]) == "created"


def test_an_encrypted_backup_takes_its_own_key(newest_shop, backup, drill, run_module, tmp_path):
    import pyrage

    right, wrong = pyrage.x25519.Identity.generate(), pyrage.x25519.Identity.generate()
    for name, key in (("right", right), ("wrong", wrong)):
        (tmp_path / name).write_text(f"{key}\n")
    made = backup(newest_shop, recipients=[str(right.to_public())])
    for options in ({}, {"identity_file": str(tmp_path / "wrong")}):
        answer = drill(plan="shop", **options)
        assert answer["failed"] and answer["error"] == "AccessDenied" and answer["hint"]
        assert status_of(run_module, tmp_path / "repository", made["id"]) == "created"
    assert drill(plan="shop", identity_file=str(tmp_path / "right"))["drill"]["status"] == "pass"
    assert status_of(run_module, tmp_path / "repository", made["id"]) == "proven"


def test_a_missing_server_is_told_with_its_package(newest_shop, backup, run_module, tmp_path, scratch):
    made = backup(newest_shop)
    manifest = Path(made["path"], "manifest.json")
    content = json.loads(manifest.read_text())
    content["source"]["server_version"] = 990001
    manifest.write_bytes(sealed(content))
    answer = run_module("restore_drill", {"repository": str(tmp_path / "repository"), "plan": "shop", "scratch_dir": str(scratch)})
    assert answer["failed"] and answer["error"] == "ToolMissing" and "postgresql-99" in answer["hint"]


def test_a_dump_of_a_newer_client_proves_the_rows_although_pg_restore_complains(pg, installation, drill, tmp_path):
    """pg_dump 17 of a 15 server writes that transaction_timeout be set, which 15 does not know."""
    newest = max(postgres.installations(), key=lambda one: one.major)
    if installation.major == newest.major:
        pytest.skip("needs a client that is newer than the server")

    class Newest:
        def client_for(self, major: int) -> DumpClient:
            return DumpClient(Commands(), newest)

    target = fill(pg, "shop", SHOP)
    engine = DumpEngine(Database(lambda: connect(target), target.client_environment, target.host, target.port, "shop"), Newest(),
                        DumpPolicy(), SystemClock(), lambda path: False)
    create_backup(Repository(tmp_path / "repository", "unnamed", "unnamed"), "shop", engine, Codecs(Zstd(), AgeCipher()),
                  CreationPolicy(), SystemClock(), free_bytes=lambda folder: 2**40)
    answer = drill(plan="shop", amcheck=False)
    [restore] = by_check(answer)["recovery.restore"]
    assert answer["drill"]["tools"]["postgres"].startswith(f"{installation.major}.")
    assert answer["drill"]["tools"]["pg_restore"].startswith(f"{newest.major}.")
    assert restore["status"] == "pass" and "transaction_timeout" in restore["message"] and restore["observed"] >= 1
    assert answer["drill"]["status"] == "pass"


def test_rules_for_roles_that_are_not_here_are_a_warning(newest_shop, backup, drill):
    with connect(newest_shop) as session:
        session.set("search_path", "public")
        session.run("CREATE ROLE clerk")
        session.run("CREATE POLICY only_clerks ON customers TO clerk USING (true)")
        try:
            backup(newest_shop)
        finally:
            session.run("DROP POLICY only_clerks ON customers")
            session.run("DROP ROLE clerk")
    answer = drill(plan="shop", amcheck=False)
    [restore] = by_check(answer)["recovery.restore"]
    assert restore["status"] == "warn" and 'role "clerk" does not exist' in restore["message"]
    assert answer["drill"]["status"] == "pass"


def test_what_cannot_be_made_anew_fails_the_drill_though_all_rows_arrive(newest_shop, backup, drill, run_module, tmp_path):
    """An index over a function that stopped being of one mind with the data: pg_restore loads rows, the index fails."""
    with connect(newest_shop) as session:
        session.set("search_path", "public")
        session.run("CREATE FUNCTION whole(note text) RETURNS int LANGUAGE plpgsql IMMUTABLE AS"
                    " $$ BEGIN RETURN length(note); END $$")
        session.run("CREATE INDEX by_note ON customers (whole(note))")
        session.run("CREATE OR REPLACE FUNCTION whole(note text) RETURNS int LANGUAGE plpgsql IMMUTABLE AS"
                    " $$ BEGIN RETURN 1 / (length(note) - 1); END $$")
    made = backup(newest_shop)
    answer = drill(plan="shop", amcheck=False)
    assert statuses(answer)["recovery.restore"] == "fail" and statuses(answer)["recovery.data"] == "pass"
    assert "division by zero" in by_check(answer)["recovery.restore"][0]["message"]
    assert status_of(run_module, tmp_path / "repository", made["id"]) == "failed"


def test_a_killed_drill_leaves_no_server_and_the_next_one_sweeps(newest_shop, backup, drill, tmp_path, scratch):
    backup(newest_shop)
    options = {"repository": str(tmp_path / "repository"), "plan": "shop", "scratch_dir": str(scratch), "bin_dir": wheel_folder(),
               "assertions": [{"name": "slow", "sql": "SELECT pg_sleep(60) IS NULL"}], "amcheck": False}
    process = subprocess.Popen([sys.executable, "-m", "tests.testbed.module", "restore_drill"], stdin=subprocess.PIPE, text=True,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT)
    process.stdin.write(json.dumps({"ANSIBLE_MODULE_ARGS": options}))
    process.stdin.close()
    wait_until(lambda: asking(scratch), deadline=Deadline(SystemClock(), 120), what="the drill to ask its server", interval=0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert [name for name in os.listdir(scratch) if name.startswith("evenkeel-drill-")]
    answer = drill(plan="shop", amcheck=False)
    assert answer["drill"]["status"] == "pass"
    assert any("Removed what a drill that was killed had left" in str(warning) for warning in answer["warnings"])
    assert server_processes(scratch) == []


def test_a_drill_that_is_told_to_stop_tears_down_before_it_ends(newest_shop, backup, tmp_path, scratch, run_module):
    made = backup(newest_shop)
    options = {"repository": str(tmp_path / "repository"), "plan": "shop", "scratch_dir": str(scratch), "bin_dir": wheel_folder(),
               "assertions": [{"name": "slow", "sql": "SELECT pg_sleep(60) IS NULL"}], "amcheck": False}
    process = subprocess.Popen([sys.executable, "-m", "tests.testbed.module", "restore_drill"], stdin=subprocess.PIPE, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT)
    process.stdin.write(json.dumps({"ANSIBLE_MODULE_ARGS": options}))
    process.stdin.close()
    wait_until(lambda: asking(scratch), deadline=Deadline(SystemClock(), 120), what="the drill to ask its server", interval=0.05)
    process.send_signal(signal.SIGTERM)
    said = json.loads(process.stdout.read())
    process.wait(timeout=60)
    assert said["failed"] and said["error"] == "Interrupted"
    assert os.listdir(scratch) == [] and server_processes(scratch) == []
    assert status_of(run_module, tmp_path / "repository", made["id"]) == "created"


def test_a_scratch_folder_that_the_server_cannot_reach_is_told(newest_shop, backup, drill, scratch):
    if os.geteuid() != 0:
        pytest.skip("a normal user's server runs as that user")
    backup(newest_shop)
    closed = scratch / "closed"
    closed.mkdir(mode=0o700)
    answer = drill(plan="shop", scratch_dir=str(closed))
    closed.rmdir()
    assert answer["failed"] and answer["error"] == "AccessDenied" and "cannot pass through" in answer["msg"]
    assert "chmod o+x" in answer["hint"]


@pytest.mark.parametrize("options, said", [
    ({"plan": "nowhere"}, "There is no backup of nowhere"),
    ({"backup": "20260115T120000Z-ab12cd"}, "There is no backup '20260115T120000Z-ab12cd'"),
    ({"rto": "-4h"}, "rto: '-4h' is not a duration"),
    ({"rpo": "0"}, "rpo: an objective of nothing is never met"),
    ({"jobs": 0}, "jobs: 0 is no number of jobs"),
    ({"scratch_dir": "/var/tmp/" + "x" * 90}, "too long a path"),
])
def test_bad_input_gets_a_clear_error_with_a_hint(newest_shop, backup, drill, options, said):
    backup(newest_shop)
    answer = drill(**options)
    assert answer["failed"] and said in answer["msg"] and answer["hint"], answer
