# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each system's production policy, untouched, against the lab's services: only how things are reached is replaced."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT
from tests.integration.operations.test_daily import STEPS, Day
from tests.testbed.http import Response, serve_http

# A figure of each handbook that must be seen to judge: check, status apart, and the limit that the finding carries.
FIGURES = {
    "aeon_nova": [("capacity.cpu", 80)],  # AN-D-36
    "cronos_ai": [("capacity.memory", 85), ("capacity.cpu", 80), ("recovery.rto", 14400), ("recovery.rpo", 900)],  # CR-34, CR-85, CR-86
    "neuron": [("capacity.cpu", 90), ("recovery.rto", 14400), ("recovery.rpo", 3600)],  # NE-36, NE-17, NE-18
    "skafu": [("capacity.cpu", 80), ("capacity.memory", 80)],  # SK-07
}
# The lab has no Prometheus.
UNSEEN = ("service_levels", "monitoring")
METRICS = Response(body="# TYPE cronos_ai_up gauge\ncronos_ai_up 1\ncache_hit_rate 0.93\n")
WELL = ("/", "/health", "/status", "/readiness", "/liveness", "/-/healthy", "/-/ready", "/api/health", "/search", "/health.txt", "/ready")


@pytest.fixture(scope="module")
def web() -> Iterator[str]:
    """A server that answers every path that the policies ask for."""
    with serve_http({**{path: Response(body='{"database": "ok", "status": "ok"}') for path in WELL}, "/metrics": METRICS}) as server:
        yield server.url


def connection(lab: Any, web: str, folder: Path, system: str) -> dict[str, Any]:
    """Every name of the system's connection.yml, pointing at the lab."""
    names = {}
    for path in (ROOT / "inventories" / system).glob("**/connection.yml"):
        names |= yaml.safe_load(path.read_text(encoding="utf-8"))
    state = lab.state
    database = state["postgres"]
    known = {
        "evenkeel_database_host": database["host"], "evenkeel_database_port": database["port"],
        "evenkeel_database_user": database["user"], "evenkeel_database_password": database["password"],
        "evenkeel_database_name": database["database"], "evenkeel_database_ssl_mode": "prefer", "evenkeel_database_ca_cert": "",
        "evenkeel_backup_repository": str(folder / "backups"), "evenkeel_backup_recipients": [state["age"]["recipient"]],
        "evenkeel_backup_identity_file": state["age"]["identity_file"],
        "evenkeel_restic_repository": str(folder / "restic"), "evenkeel_restic_key_file": str(folder / "restic.password"),
        "evenkeel_certificate_sources": [
            {"endpoint": f"127.0.0.1:{state['tls']['endpoints']['valid']['port']}", "server_name": "localhost",
             "ca_cert": state["tls"]["ca"]}],
        "evenkeel_kubeconfig": str(folder / "no-cluster"), "evenkeel_certificate_renewals": [],
    }
    (folder / "restic.password").write_text("not to be guessed")
    # The lab has neither of them: a folder of files stands for each, as for a store without an engine of its own.
    for name, option in (("vector_store", {"driver": "weaviate"}), ("model_registry", {"url": web})):
        place = folder / name
        place.mkdir(exist_ok=True)
        (place / "some.file").write_text("some data\n" * 1000)
        known |= {f"evenkeel_{name}": {"engine": "archive", name: option, "source": {"paths": [str(place)]}},
                  f"evenkeel_{name}_target": {}, f"evenkeel_{name}_target_probes": []}
    given: dict[str, Any] = {}
    for name in names:
        if name in known:
            given[name] = known[name]
        elif name.endswith("_url"):
            given[name] = web + ("/search?q=health" if "search" in name else "")
        elif name.endswith("_path"):
            place = folder / name.removeprefix("evenkeel_")
            place.mkdir(parents=True, exist_ok=True)
            for file in ("some.file", "some.log"):
                (place / file).write_text("some data\n" * 1000)
            given[name] = str(place)
    # What a day has no part of: the standby site, the second repository, migrations, maintenance mode, monitoring and service levels.
    elsewhere = {name for name in names if name.startswith((
        "evenkeel_standby_", "evenkeel_primary_", "evenkeel_backup_copy_", "evenkeel_alembic_", "evenkeel_maintenance_",
        "evenkeel_alertmanagers", "evenkeel_logs_", "evenkeel_receivers", "evenkeel_series", "evenkeel_scrape_jobs",
        "evenkeel_library_agent_targets", "evenkeel_api_targets",
        "evenkeel_pushgateway_targets", "evenkeel_request_counter", "evenkeel_latency_histogram", "evenkeel_region",
        "evenkeel_api_latency", "evenkeel_api_requests", "evenkeel_load_balancer_requests", "evenkeel_lambda_"))}
    of_all = {"evenkeel_domain", "evenkeel_environment", "evenkeel_environment_name"}
    assert set(names) - set(given) - elsewhere <= of_all, sorted(set(names) - set(given))
    return given


@pytest.mark.parametrize("system", sorted(FIGURES))
def test_a_day_under_the_production_policy(system, lab, web, tmp_path, playbook_host):
    given = connection(lab, web, tmp_path, system) | {
        "ansible_connection": "local", "ansible_python_interpreter": sys.executable,
        "evenkeel_ledger_url": f"sqlite:///{tmp_path}/ledger.sqlite", "operations_report_folder": str(tmp_path / "reports"),
        "housekeeping_log_config_dir": str(tmp_path / "logrotate.d"), "housekeeping_log_state_file": str(tmp_path / "logrotate.state"),
    }
    (tmp_path / "logrotate.d").mkdir()
    extra = tmp_path / "connection.json"
    extra.write_text(json.dumps(given))
    done = playbook_host.run(
        ["evenkeel.ops.operations.daily", "-i", str(ROOT / "inventories" / system / "production"), "-e", f"@{extra}"], folder=ROOT,
        timeout=900, environment={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"})
    path = re.search(r"^data: +(\S+)$", done.stdout, re.MULTILINE)
    assert path, done.stdout[-6000:] + done.stderr
    report = json.loads(Path(path[1]).read_text(encoding="utf-8"))
    day = Day(done, [], report)

    assert (report["system"], report["environment"]) == (system, "production")
    found = [finding for area in report["areas"] for finding in area["findings"]]
    areas = {finding["area"] for finding in found}
    # Two handbooks ask for no housekeeping (D-33 in docs/decisions.md), so there is nothing to find there.
    silent = {"operations"} | ({"housekeeping"} if system in ("cronos_ai", "neuron") else set())
    assert {step.split(".")[0] for step in STEPS} - silent <= areas, done.stdout[-6000:]
    unknown = [finding for finding in found if finding["status"] == "unknown" and finding["area"] not in UNSEEN]
    assert not unknown, unknown
    # What counts the system's requests is not there: whatever rests on it is unknown, and nothing of it passes.
    assert {finding["status"] for finding in found if finding["area"] in UNSEEN} == {"unknown"}, found
    for check, limit in FIGURES[system]:
        # What lies between warning and failure names the limit that it is beyond, which depends on how busy this machine is.
        limits = {finding["limit"] for finding in found if finding["check"] == check and finding["status"] != "warn"}
        assert limit in limits or (not limits and any(finding["check"] == check for finding in found)), f"{check}: {limits}"
    assert {row["status"] for row in day.report["backups"]} <= {"proven", "verified"}
    assert any(row["status"] == "proven" for row in day.report["backups"])
