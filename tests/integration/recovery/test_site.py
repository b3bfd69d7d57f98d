# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The activation of a standby site as an operator runs it: real servers, a real standby, a real zone."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.postgres import connect
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import ToolMissing

from tests.conftest import missing
from tests.testbed.bind import Zone, serve_zone
from tests.testbed.postgres import installations
from tests.testbed.standby import Pair, streaming_pair

PROBES = {"name": "database takes writes", "kind": "postgresql", "host": "127.0.0.1", "query": "SELECT pg_is_in_recovery()",
          "expected": ["False"], "timeout": "1m"}


@pytest.fixture
def zone() -> Iterator[Zone]:
    try:
        with serve_zone() as served:
            yield served
    except ToolMissing:
        missing("BIND (named)")


@pytest.fixture
def pair() -> Iterator[Pair]:
    found = sorted(installations(), key=lambda one: one.major)
    if not found:
        missing("PostgreSQL")
    with streaming_pair(found[-1]) as servers:
        yield servers


@pytest.fixture
def inventory(tmp_path) -> Path:
    path = tmp_path / "hosts.yml"
    path.write_text("recovery: {hosts: {west: {ansible_connection: local, ansible_python_interpreter: "
                    '"{{ ansible_playbook_python }}"}}}\n')
    return path


@pytest.fixture
def site(pair, zone) -> dict[str, Any]:
    """The variables of an activation that is in order."""
    old, new = pair.primary_target, pair.standby_target
    return {
        "recovery_site_name": "west",
        "recovery_site_triggers": {"maintenance": {}, "region_outage": {"outage": "15m", "primary_gone": True}},
        "recovery_site_trigger": "maintenance", "recovery_site_confirm": "west", "recovery_bin_dir": pair.primary.installation.folder,
        "recovery_site_primary_endpoints": [f"127.0.0.1:{old.port}"], "recovery_site_endpoints": [f"127.0.0.1:{new.port}", zone.primary],
        "recovery_site_primary": {"login_host": "127.0.0.1", "login_port": old.port, "login_password": old.password, "connect_timeout": 2},
        "recovery_site_primary_host": "west", "recovery_site_primary_data_dir": str(pair.primary.data),
        "recovery_site_standby": {"login_host": "127.0.0.1", "login_port": new.port, "login_password": new.password},
        "recovery_site_capacity": {"memory": {"fail": 100}},
        "recovery_site_probes": [{**PROBES, "port": new.port, "user": "postgres", "password": new.password}],
        "recovery_site_public_probes": [{"name": "api leads there", "kind": "dns", "host": "api.shop.test", "resolver": zone.secondary,
                                         "expected": ["198.51.100.10"]}],
        "recovery_site_monitor_samples": 3,
        "recovery_site_dns": [{"zone": "shop.test", "rfc2136": zone.options(), "records": [
            {"name": "api", "type": "A", "values": ["198.51.100.10"], "expected": ["192.0.2.10"]}]}],
        "recovery_site_dns_timeout": "2m", "recovery_site_dns_max_ttl": "5m", "recovery_rto": "30m"}


def records(tmp_path: Path) -> list[tuple[str, str, Any]]:
    """procedure, status and body of what the ledger has, in order."""
    if not (tmp_path / "ledger.sqlite").exists():
        return []
    with sqlite3.connect(tmp_path / "ledger.sqlite") as ledger:
        return [(procedure, status, json.loads(body)) for procedure, status, body
                in ledger.execute("SELECT procedure, status, body FROM records ORDER BY id")]


def is_standby(pair: Pair) -> bool:
    with connect(pair.standby_target) as session:
        return session.value("SELECT pg_is_in_recovery()")


def test_a_site_is_planned_rehearsed_activated_and_told(playbook, inventory, tmp_path, pair, zone, site):
    name = "evenkeel.ops.recovery.activate_dr_site"
    planned = playbook(name, inventory=inventory, variables={**site, "recovery_site_confirm": "", "recovery_site_trigger": ""},
                       options=("--check", "--diff"))
    assert planned.returncode == 0, planned.stdout + planned.stderr
    assert "-api.shop.test. A 300 192.0.2.10" in planned.stdout and "+api.shop.test. A 300 198.51.100.10" in planned.stdout
    assert records(tmp_path) == [] and is_standby(pair) and zone.ask("api.shop.test") == ["192.0.2.10"]

    rehearsed = playbook(name, inventory=inventory, variables={**site, "recovery_site_rehearse": True})
    assert rehearsed.returncode == 0, rehearsed.stdout + rehearsed.stderr
    rows = records(tmp_path)
    assert [row[0] for row in rows] == [f"activate_dr_site{step}" for step in (".readiness", ".fence", ".promote", ".probe", ".dns", "")]
    told = rows[-1][2][0]["activation"]
    assert told["mode"] == "rehearse" and told["status"] == "planned" and told["left"] == [] and len(told["failback"]) == 6
    assert is_standby(pair) and zone.ask("api.shop.test") == ["192.0.2.10"]

    done = playbook(name, inventory=inventory, variables=site)
    assert done.returncode == 0, done.stdout + done.stderr
    told = records(tmp_path)[-1][2][0]["activation"]
    assert told["status"] == "pass" and [step["name"] for step in told["steps"]] == ["fence", "promote", "probe", "dns"]
    assert all(step["seconds"] > 0 for step in told["steps"])
    assert told["clients_follow_seconds"] == 300 and 300 < told["rto_seconds"] < 1800, "clients follow when the old TTL has passed"
    assert [one["step"] for one in told["back"]] == ["dns", "probe", "promote", "fence"]
    promotion = next(body for procedure, _status, body in records(tmp_path)[6:] if procedure.endswith(".promote"))[0]["promotion"]
    assert promotion["loss_seconds"] == 0 and promotion["timeline"] > promotion["timeline_before"]
    assert not is_standby(pair) and zone.ask("api.shop.test", server=zone.secondary) == ["198.51.100.10"]

    again = playbook(name, inventory=inventory, variables=site)
    assert again.returncode == 0 and "changed=0" in again.stdout, again.stdout


def test_what_stands_against_it_stops_it_before_anything_is_done(playbook, inventory, tmp_path, pair, zone, site):
    name = "evenkeel.ops.recovery.activate_dr_site"
    wrong = {**site, "recovery_site_trigger": "region_outage", "recovery_site_outage_since": "2026-01-15T11:58:00Z",
             "recovery_site_confirm": "east"}
    refused = playbook(name, inventory=inventory, variables=wrong)
    assert refused.returncode != 0
    assert "'east' was confirmed, and not this site" in refused.stdout and "it is not gone" in refused.stdout
    assert is_standby(pair) and not (pair.primary.data / "standby.signal").exists()
    told = records(tmp_path)[-1][2][0]["activation"]
    assert told["left"] == ["fence", "promote", "probe", "dns"] and told["steps"] == []
    assert told["back"] == []


def test_a_step_that_fails_stops_it_and_the_next_run_goes_on(playbook, inventory, tmp_path, pair, zone, site):
    """The names were changed by somebody else: everything but the last step is done, told, and not done twice."""
    name = "evenkeel.ops.recovery.activate_dr_site"
    bad = {**site, "recovery_site_probes": [{**site["recovery_site_probes"][0], "expected": ["True"]}]}
    failed = playbook(name, inventory=inventory, variables=bad)
    assert failed.returncode != 0, failed.stdout
    status = {procedure: status for procedure, status, _body in records(tmp_path)}
    assert status.get("activate_dr_site.promote") in ("pass", "warn") and status["activate_dr_site.probe"] == "fail", (
        failed.stdout + failed.stderr)
    told = records(tmp_path)[-1][2][0]["activation"]
    assert told["left"] == ["probe", "dns"] and told["status"] == "fail" and zone.ask("api.shop.test") == ["192.0.2.10"]
    assert "standby.signal" in told["back"][-1]["how"]
    resumed = playbook(name, inventory=inventory, variables={**site, "recovery_site_resume_from": "probe"})
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    told = records(tmp_path)[-1][2][0]["activation"]
    assert [step["name"] for step in told["steps"]] == ["probe", "dns"] and told["left"] == []
    assert zone.ask("api.shop.test") == ["198.51.100.10"]


def test_a_step_that_cannot_do_its_work_is_recorded_too(playbook, inventory, tmp_path, pair, site):
    lost = {**site, "recovery_site_primary_data_dir": str(tmp_path / "nowhere")}
    failed = playbook("evenkeel.ops.recovery.activate_dr_site", inventory=inventory, variables=lost)
    assert failed.returncode != 0 and "is no data directory" in failed.stdout, failed.stdout
    recorded = records(tmp_path)
    assert [(procedure, status) for procedure, status, _body in recorded[1:]] == [
        ("activate_dr_site.fence", "unknown"), ("activate_dr_site", "fail")], failed.stdout
    assert recorded[-1][2][0]["activation"]["left"] == ["fence", "promote", "probe", "dns"] and is_standby(pair)


def test_the_standby_region_takes_over_in_the_order_of_a_move(playbook, inventory, tmp_path, pair, zone, site):
    pair.primary.stop(immediately=True)
    gone = {**site, "recovery_site_primary_host": "", "recovery_site_trigger": "region_outage", "recovery_site_accept_loss": "1h",
            "recovery_site_outage_since": "2026-01-15T11:58:00Z"}
    done = playbook("evenkeel.ops.recovery.cross_region", inventory=inventory, variables=gone)
    assert done.returncode == 0, done.stdout + done.stderr
    told = records(tmp_path)[-1][2][0]["activation"]
    assert [step["name"] for step in told["steps"]] == ["fence", "promote", "dns", "traffic", "monitor"] and told["status"] == "pass"
    assert not is_standby(pair) and zone.ask("api.shop.test") == ["198.51.100.10"]


def test_copies_are_restored_where_there_is_no_standby_server(playbook, inventory, tmp_path, zone, run_module):
    """CR-89: the newest verified copy at the standby site, then its probes, then the names."""
    source = tmp_path / "data"
    source.mkdir()
    (source / "orders.txt").write_text("one\n")
    made = run_module("backup", {"repository": str(tmp_path / "repository"), "plan": "data", "engine": "archive", "paths": [str(source)]})
    assert not made.get("failed"), made
    site = {
        "recovery_site_name": "west", "recovery_site_triggers": {"disaster": {}}, "recovery_site_trigger": "disaster",
        "recovery_site_confirm": "west", "recovery_site_strategy": "restore", "recovery_repository": str(tmp_path / "repository"),
        "recovery_site_restores": [{"plan": "data", "path": str(tmp_path / "dr-site")}],
        "recovery_site_capacity": {"memory": {"fail": 100}},
        "recovery_site_probes": [{"name": "zone", "kind": "dns", "host": "api.shop.test", "resolver": zone.primary}],
        "recovery_site_dns": [{"zone": "shop.test", "rfc2136": zone.options(), "records": [
            {"name": "api", "type": "A", "values": ["198.51.100.10"]}]}], "recovery_site_dns_timeout": "2m"}
    unverified = playbook("evenkeel.ops.recovery.activate_dr_site", inventory=inventory, variables=site)
    assert unverified.returncode != 0 and "there is no verified backup" in unverified.stdout, unverified.stdout
    assert not (tmp_path / "dr-site").exists() and zone.ask("api.shop.test") == ["192.0.2.10"]
    verified = run_module("backup_verify", {"repository": str(tmp_path / "repository")})
    assert not verified.get("failed"), verified
    done = playbook("evenkeel.ops.recovery.activate_dr_site", inventory=inventory, variables=site)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "dr-site" / str(source).lstrip("/") / "orders.txt").read_text() == "one\n"
    assert zone.ask("api.shop.test") == ["198.51.100.10"]


def test_site_readiness_and_site_activation_say_what_makes_no_sense(run_module):
    for options, said in (({"triggers": {}}, "none is declared"), ({"triggers": {"a": {"outtage": "1m"}}}, "unknown key"),
                          ({"triggers": {"a": {"outage": "-1m"}}}, "not a duration"), ({"triggers": {"a": 5}}, "no dictionary"),
                          ({"triggers": {"a": {"primary_gone": "maybe"}}}, "neither true nor false"),
                          ({"triggers": {"a": {}}, "endpoints": ["host"]}, "no endpoint"),
                          ({"triggers": {"a": {}}, "outage_since": "noon"}, "not an instant"),
                          ({"triggers": {"a": {}}, "site": "", "confirm": ""}, "has no name")):
        answer = run_module("site_readiness", {"site": "west", "confirm": "west", **options})
        assert answer["failed"] and answer["error"] == "InvalidOption" and said in answer["msg"], (options, answer)
    for done in ([{"name": "other", "began": 1, "ended": 2}], [{"name": "dns"}]):
        answer = run_module("site_activation", {"site": "west", "steps": ["dns"], "done": done})
        assert answer["failed"] and answer["error"] == "InvalidOption", answer
