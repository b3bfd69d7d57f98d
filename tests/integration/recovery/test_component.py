# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""evenkeel.ops.recovery.component on a vector store as an operator runs it (on a model registry: test_model_registry.py)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.postgres import connect

from tests.conftest import missing
from tests.testbed import pgvector, postgres


@pytest.fixture
def inventory(tmp_path) -> Path:
    path = tmp_path / "hosts.yml"
    host = '{here: {ansible_connection: local, ansible_python_interpreter: "{{ ansible_playbook_python }}"}}'
    path.write_text(f"backups: {{hosts: {host}}}\nrecovery: {{hosts: {host}}}\n")
    return path


def recorded(playbook_folder: Path) -> list[str]:
    """The statuses of the component's records in the ledger, in order."""
    import sqlite3

    with sqlite3.connect(playbook_folder / "ledger.sqlite") as ledger:
        return [row[0] for row in ledger.execute("SELECT status FROM records WHERE procedure = 'component' ORDER BY rowid")]


def test_the_vector_store_is_restored_in_order_and_only_when_meant(playbook, inventory, tmp_path):
    found = pgvector.installation()
    if found is None:
        missing("PostgreSQL with pgvector")
    with postgres.running_server(found) as (_server, target):
        with connect(target) as session:
            session.run("CREATE DATABASE vectors")
        pgvector.fill(replace(target, database="vectors"), count=100)
        login = {"login_host": target.host, "login_port": target.port, "login_password": target.password}
        variables: dict[str, Any] = {
            "backups_repository": str(tmp_path / "repository"), "backups_bin_dir": found.folder, "backups_min_free": "0",
            "backups_plans": [{"name": "vectors", "engine": "vector_store", "vector_store": {"driver": "pgvector"},
                               "source": {**login, "login_db": "vectors"}}],
            "recovery_repository": str(tmp_path / "repository"), "recovery_bin_dir": found.folder, "recovery_scratch_dir": str(tmp_path),
            "recovery_component": "vector-store", "recovery_component_at_least": "created",
            "recovery_components": [{
                "name": "vector-store", "plan": "vectors", "target": {**login, "database": "vectors_recovered"},
                "probes": [{"name": "vectors", "kind": "postgresql", "host": target.host, "port": target.port, "user": "postgres",
                            "password": target.password, "database": "vectors_recovered", "query": "SELECT count(*)::text FROM plain",
                            "expected": ["100"]}]}]}
        made = playbook("evenkeel.ops.backups.create", inventory=inventory, variables=variables)
        assert made.returncode == 0, made.stdout + made.stderr
        unmeant = playbook("evenkeel.ops.recovery.component", inventory=inventory, variables=variables)
        assert unmeant.returncode != 0 and "recovery_component_confirm=vector-store" in unmeant.stdout, unmeant.stdout
        planned = playbook("evenkeel.ops.recovery.component", inventory=inventory, variables=variables, options=("--check",))
        assert planned.returncode == 0 and "would be restored to database vectors_recovered" in planned.stdout, planned.stdout
        meant = {**variables, "recovery_component_confirm": "vector-store"}
        done = playbook("evenkeel.ops.recovery.component", inventory=inventory, variables=meant)
        assert done.returncode == 0, done.stdout + done.stderr
        assert target.password not in done.stdout
        with connect(replace(target, database="vectors_recovered")) as session:
            assert session.value("SELECT count(*) FROM public.plain") == 100
        again = playbook("evenkeel.ops.recovery.component", inventory=inventory, variables=meant)
        assert again.returncode != 0 and "is not empty" in again.stdout, again.stdout
        assert recorded(tmp_path) == ["unknown", "pass", "unknown"]
