# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each area's playbook, alone, finds in the lab what is sick there, and mends what is its to mend."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.ledger import RECORDS, Ledger
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.postgres import PostgresTarget, connect

from tests.conftest import ROOT
from tests.integration.lab_fixtures import LabUnderTest


class Recorded:
    """What the newest run of a procedure left in the ledger."""

    def __init__(self, lab: LabUnderTest, procedure: str, done: subprocess.CompletedProcess) -> None:
        area, _dot, verb = procedure.partition(".")
        with sa.create_engine(lab.state["ledger"]).connect() as connection:
            run = connection.execute(sa.select(RECORDS.c.run).where(RECORDS.c.area == area, RECORDS.c.procedure == verb)
                                     .order_by(RECORDS.c.id.desc()).limit(1)).scalar_one()
        [self.record] = [one for one in Ledger(lab.state["ledger"]).records(run) if one["procedure"] == verb]
        self.changed: bool = self.record["changed"]
        self.findings: list[dict[str, Any]] = self.record["findings"]
        self.console = done.stdout
        self.returncode = done.returncode

    def not_well(self) -> set[tuple[str, str]]:
        """Check and subject of every finding that is not a pass."""
        return {(one["check"], one["subject"]) for one in self.findings if one["status"] != "pass"}

    def values(self, key: str) -> list[Any]:
        """All that the procedure's modules returned under a key, lists joined."""
        found = [body[key] for body in self.record["body"] if key in body]
        return [entry for one in found for entry in (one if isinstance(one, list) else [one])]


def play(lab: LabUnderTest, procedure: str, *options: str) -> Recorded:
    """Run one procedure's playbook and read its record."""
    done = lab.playbook(f"evenkeel.ops.{procedure}", *options)
    assert "The gate is closed" in done.stdout if done.returncode else True, done.stdout[-4000:] + done.stderr[-2000:]
    return Recorded(lab, procedure, done)


def test_health_finds_the_late_the_failing_and_the_absent(lab):
    seen = play(lab, "health.check")
    targets = {target["name"]: target["status"] for target in seen.values("targets")}
    assert {name for name, status in targets.items() if status == "fail"} == {
        "template-management-api", "ai-integration-service", "billing-gateway"}
    assert targets["shop database"] != "unknown" and targets["queue"] != "unknown"
    assert ("health.availability", "ai-integration-service") in seen.not_well()
    assert seen.returncode == 2


def test_certificates_finds_every_sick_one_and_no_other(lab):
    seen = play(lab, "certificates.check")
    folder = lab.state["tls"]["folder"]
    assert seen.not_well() == {
        ("certificate.expiry", "template-management-api"),
        ("certificate.host_name", "observability-service"),
        ("certificate.expiry", f"certificate store: {folder}/old.crt"),
        ("certificate.expiry", f"certificate store: {folder}/shop, expiring.crt"),
        ("certificate.self_signed", f"certificate store: {folder}/self-signed.crt"),
        ("certificate.key", f"certificate store: {folder}/weak.crt"),
    }


def test_backups_are_made_once_verified_and_proven_one_of_them_encrypted(lab):
    first = play(lab, "backups.create")
    made = {entry["plan"]: entry for entry in first.values("backup")}
    assert {plan: entry["encrypted"] for plan, entry in made.items()} == {"shop": True, "application-data": False}
    assert first.changed and not play(lab, "backups.create").changed
    stored = [path for path in (Path(made["shop"]["path"]) / "data").rglob("*") if path.is_file()]
    assert stored and all(path.read_bytes().startswith(b"age-encryption.org/v1") for path in stored)

    verified = {entry["plan"]: entry["status"] for entry in play(lab, "backups.verify").values("verifications")}
    assert verified == {"shop": "pass", "application-data": "pass"}
    drills = {entry["plan"]: entry for entry in play(lab, "recovery.drill").values("drill")}
    assert {plan: entry["status"] for plan, entry in drills.items()} == {"shop": "pass", "application-data": "pass"}
    assert drills["shop"]["tables_compared"] == 11 and drills["shop"]["tables_different"] == []
    assert not play(lab, "backups.prune").changed


def test_maintenance_mends_what_inspection_finds_and_then_rests(lab):
    before = play(lab, "databases.inspect")
    assert "database.invalid_indexes" in {check for check, _subject in before.not_well()}
    mended = play(lab, "databases.maintain")
    assert mended.changed
    done = {entry["relation"] for entry in mended.values("relations") if entry["status"] == "done"}
    words = " ".join(done)
    for relation in ("carts", "visits_by_visitor", "customers_phone_key", "orders_by_total_ccnew"):
        assert relation in words, done
    after = play(lab, "databases.inspect")
    assert "database.invalid_indexes" not in {check for check, _subject in after.not_well()}
    assert not play(lab, "databases.maintain").changed

    told = lab.state["postgres"]
    with connect(PostgresTarget(**{name: told[name] for name in ("host", "port", "user", "password", "database")})) as session:
        assert session.value("SELECT count(*) FROM pg_index WHERE NOT indisvalid") == 0
        assert session.value("SELECT count(*) FROM pg_class WHERE relname = 'orders_by_total'") == 1
        assert session.value("SELECT count(*) FROM shop.carts") == 20000
        assert session.value("SELECT pg_relation_size('shop.visits_by_visitor')") < 2 * 2**20


def test_capacity_looks_at_this_machine(lab):
    seen = play(lab, "capacity.check")
    assert {"capacity.cpu", "capacity.memory", "capacity.disk"} <= {one["check"] for one in seen.findings}


def test_housekeeping_cleans_what_is_stale_and_nothing_else(lab):
    files = lab.home / "files"
    data = {path.relative_to(files): path.stat().st_size for path in (files / "data").rglob("*") if path.is_file()}
    fresh = len(list((files / "cache" / "downloads").iterdir()))
    planned = lab.playbook("evenkeel.ops.housekeeping.clean", "--check")
    assert planned.returncode == 0, planned.stdout
    assert (files / "cache" / "sessions" / "odd names" / "-rf").exists(), "a dry run removes nothing"

    seen = play(lab, "housekeeping.clean")
    assert seen.changed and len(seen.values("removed")) == 223
    assert not any(path.is_file() for name in ("sessions", "thumbnails") for path in (files / "cache" / name).rglob("*"))
    assert len(list((files / "cache" / "downloads").iterdir())) == fresh
    assert {path.relative_to(files): path.stat().st_size for path in (files / "data").rglob("*") if path.is_file()} == data
    rotated = {path.name for path in (files / "logs").glob("*.1*")}
    assert rotated == {"api.log.1.gz", "worker with spaces.log.1.gz"}
    assert not play(lab, "housekeeping.clean").changed

    lab("down")
    lab("up")
    assert not play(lab, "housekeeping.clean").changed, "a lab that is started again has not aged its files again"


def test_every_area_with_playbooks_is_a_group_of_the_lab(lab):
    listed = json.loads(subprocess.run(
        [str(Path(sys.executable).with_name("ansible-inventory")), "-i", str(ROOT / "inventories" / "lab"), "--list"],
        cwd=ROOT, text=True, capture_output=True, timeout=60, check=True).stdout)
    areas = {path.name for path in (ROOT / "playbooks").iterdir()}
    assert areas
    assert {area for area in areas if listed.get(area, {}).get("hosts") != ["localhost"]} == set()


def test_another_home_leaves_the_link_of_the_checkout_alone(lab):
    link = ROOT / ".lab"
    assert not link.is_symlink() or link.readlink() != lab.home.folder
