# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""certificates.check as an operator runs it, and what is said where a library is missing."""

from __future__ import annotations

import sqlite3
from datetime import datetime, timedelta, timezone

import pytest

from tests.testbed.tls import Authority, serve_tls


@pytest.fixture
def inventory(tmp_path):
    path = tmp_path / "hosts.yml"
    path.write_text("certificates: {hosts: {here: {ansible_connection: local, "
                    "ansible_python_interpreter: '{{ ansible_playbook_python }}'}}}\n")
    return path


def test_the_day_passes_is_recorded_and_the_gate_stops_what_fails(playbook, inventory, tmp_path):
    root = Authority.create("Lab")
    ca_cert = str(root.write(tmp_path))
    with serve_tls(root.issue(["localhost"])) as well, \
            serve_tls(root.issue(["localhost"], not_after=datetime.now(timezone.utc) - timedelta(days=2))) as expired:

        def run(*ports, **variables):
            sources = [{"endpoint": f"127.0.0.1:{port}", "server_name": "localhost", "ca_cert": ca_cert} for port in ports]
            return playbook("evenkeel.ops.certificates.check", inventory=inventory,
                            variables={"certificates_sources": sources, **variables})

        passed, failed = run(well), run(well, expired)
        allowed = run(well, expired, certificates_fail_on=["unknown"])
    assert passed.returncode == 0, passed.stdout + passed.stderr
    assert failed.returncode == 2 and f"127.0.0.1:{expired}" in failed.stdout and "expired 2" in failed.stdout
    assert allowed.returncode == 0, allowed.stdout
    with sqlite3.connect(tmp_path / "ledger.sqlite") as ledger:
        statuses = [status for (status,) in ledger.execute("SELECT status FROM records ORDER BY id")]
    ledger.close()
    assert statuses == ["pass", "fail", "fail"]


def test_nothing_to_look_at_is_no_pass(playbook, inventory):
    done = playbook("evenkeel.ops.certificates.check", inventory=inventory)
    assert done.returncode == 2 and "nothing to look at" in done.stdout


@pytest.mark.parametrize("package, library", [("cryptography", "cryptography"), ("OpenSSL", "pyOpenSSL"),
                                              ("service_identity", "service-identity")])
def test_a_missing_library_is_named(run_module, tmp_path, package, library):
    (tmp_path / "absent" / package).mkdir(parents=True)
    (tmp_path / "absent" / package / "__init__.py").write_text("raise ImportError('not here')\n")
    path = tmp_path / "a.pem"
    path.write_bytes(Authority.create().intermediate().issue(["a.example"]).full_chain_pem)
    answer = run_module("certificate_check", {"sources": [{"file": str(path), "hosts": ["b.example"]}]},
                        env={"PYTHONPATH": str(tmp_path / "absent")})
    assert answer["failed"] and answer["error"] == "LibraryMissing" and f"library {library} is not installed" in answer["msg"]
