# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""certificate_renew with certbot, an ACME server and nginx: issued, installed, shown; put back; killed and ended by the next run."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import ssl
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.integration.certificates.conftest import NAME, no_key_in


def shown(shop, address="127.0.0.1") -> str:
    """The certificate that the server shows, PEM."""
    return ssl.get_server_certificate((address, shop.port), timeout=10)


def files(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def statuses(answer) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for finding in answer["findings"]:
        found.setdefault(finding["check"].removeprefix("certificate."), set()).add(finding["status"])
    return found


def test_from_the_first_issue_to_a_renewal(run_module, shop):
    first = shown(shop)
    planned = run_module("certificate_renew", shop.options(), check=True, diff=True)
    assert planned["changed"] and planned["renewals"][0]["status"] == "planned", planned
    assert [step["step"] for step in planned["renewals"][0]["steps"]] == ["issue", "install", "test", "reload", "prove"]
    assert statuses(planned)["renewal"] == {"warn"} and "there is none yet" in planned["diff"]["after"]
    assert not (shop.folder / "certbot").exists() and shown(shop) == first

    issued = run_module("certificate_renew", shop.options())
    assert issued["changed"] and issued["renewals"][0]["status"] == "renewed", issued
    assert {"renewal": {"pass"}, "served": {"pass"}, "chain": {"pass"}, "key_match": {"pass"}}.items() <= statuses(issued).items()
    assert shown(shop) == shown(shop, "127.0.0.2") != first and shop.certificate.read_bytes() == shop.kept()
    assert stat.S_IMODE(shop.key.stat().st_mode) == 0o640 and stat.S_IMODE(Path(f"{shop.key}.previous").stat().st_mode) == 0o600
    assert no_key_in(issued, shop.key.read_bytes())

    again = run_module("certificate_renew", shop.options())
    assert not again["changed"] and again["renewals"][0]["status"] == "current" and again["summary"] == "1 certificate: 1 current"

    shop.key.chmod(0o644)
    tidied = run_module("certificate_renew", shop.options())
    assert tidied["changed"] and stat.S_IMODE(shop.key.stat().st_mode) == 0o640 and shown(shop) != first

    forced = run_module("certificate_renew", shop.options(force=[NAME]), diff=True)
    row = forced["renewals"][0]
    assert row["status"] == "renewed" and row["serial"] != row["previous_serial"] == again["renewals"][0]["serial"]
    assert row["serial"] in forced["diff"]["after"] and shop.certificate.read_bytes() == shop.kept()
    assert no_key_in(forced, shop.key.read_bytes())


def test_what_is_not_shown_is_put_back_and_the_next_run_tries_again(run_module, shop):
    assert run_module("certificate_renew", shop.options())["renewals"][0]["status"] == "renewed"
    old, before = shown(shop), (shop.certificate.read_bytes(), shop.key.read_bytes())

    idle = run_module("certificate_renew", shop.options(shop.entry(reload=["true"]), force=[NAME], prove_within="1500ms"))
    row = idle["renewals"][0]
    assert row["status"] == "rolled_back" and "it is not shown everywhere" in row["message"] and "127.0.0.2" in row["message"], idle
    assert (shop.certificate.read_bytes(), shop.key.read_bytes()) == before and shown(shop) == old
    assert statuses(idle)["renewal"] == {"fail"} and statuses(idle)["served"] == {"fail"}
    assert any("renewed but not served" in finding["message"] for finding in idle["findings"])

    refused = run_module("certificate_renew", shop.options(shop.entry(test=["false"])))
    row = refused["renewals"][0]
    assert row["status"] == "rolled_back" and [step["step"] for step in row["steps"]] == ["install", "test", "restore"], refused
    assert (shop.certificate.read_bytes(), shop.key.read_bytes()) == before

    ended = run_module("certificate_renew", shop.options())
    assert ended["renewals"][0]["status"] == "renewed" and "issue" not in [step["step"] for step in ended["renewals"][0]["steps"]]
    assert shop.certificate.read_bytes() == shop.kept() and shown(shop) != old


@pytest.mark.parametrize("moment", ["test", "reload"])
def test_a_run_that_was_killed_is_ended_by_the_next(run_module, shop, moment, tmp_path):
    assert run_module("certificate_renew", shop.options())["renewals"][0]["status"] == "renewed"
    old, marker = shown(shop), tmp_path / "reached"
    hangs = [sys.executable, "-c", f"import pathlib, time; pathlib.Path({str(marker)!r}).touch(); time.sleep(60)"]
    options = shop.options(shop.entry(**{moment: hangs}), force=[NAME])
    arguments = {"ANSIBLE_MODULE_ARGS": {**options, "_ansible_check_mode": False, "_ansible_remote_tmp": "/tmp"}}
    with subprocess.Popen([sys.executable, "-m", "tests.testbed.module", "certificate_renew"], stdin=subprocess.PIPE, cwd=ROOT,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True) as process:
        process.stdin.write(json.dumps(arguments).encode())
        process.stdin.close()
        end = time.monotonic() + 60
        while not marker.exists():
            assert time.monotonic() < end and process.poll() is None
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGKILL)
    assert shown(shop) == old, "nothing was reloaded"
    shop.key.write_bytes(Path(f"{shop.key}.previous").read_bytes())  # as where the kill came between both files

    ended = run_module("certificate_renew", shop.options())
    row = ended["renewals"][0]
    assert row["status"] == "renewed" and "issue" not in [step["step"] for step in row["steps"]], ended
    assert shop.certificate.read_bytes() == shop.kept() and shown(shop) == shown(shop, "127.0.0.2") != old
    assert statuses(ended)["key_match"] == {"pass"}


def test_other_names_are_asked_for_anew_and_a_refusal_leaves_all_as_it_was(run_module, shop):
    assert run_module("certificate_renew", shop.options())["renewals"][0]["status"] == "renewed"
    before = files(shop.folder / "tls")
    refused = run_module("certificate_renew", shop.options(shop.entry(hosts=[NAME, f"nowhere.{NAME}"])))
    row = refused["renewals"][0]
    assert row["status"] == "failed" and "certbot did not get it" in row["message"], row
    assert f"not valid for nowhere.{NAME}" in row["steps"][0]["message"]
    assert files(shop.folder / "tls") == before

    more = run_module("certificate_renew", shop.options(shop.entry(hosts=[NAME, f"api.{NAME}"])))
    assert more["renewals"][0]["status"] == "renewed" and sorted(more["certificates"][0]["names"]) == [f"api.{NAME}", NAME], more


def test_a_service_that_was_not_reloaded_is_reloaded_and_an_endpoint_that_sleeps_is_unknown(run_module, shop):
    assert run_module("certificate_renew", shop.options())["renewals"][0]["status"] == "renewed"
    asleep = shop.entry()
    asleep["served_at"].append({"name": "asleep", "endpoint": "127.0.0.1:1", "server_name": NAME})
    forced = run_module("certificate_renew", shop.options(asleep, force=[NAME]))
    assert forced["renewals"][0]["status"] == "renewed"
    assert {finding["status"] for finding in forced["findings"] if finding["subject"] == "asleep"} == {"unknown"}


def test_the_procedure_is_recorded_and_gated(playbook, shop, tmp_path):
    inventory = tmp_path / "hosts.yml"
    inventory.write_text("certificates: {hosts: {here: {ansible_connection: local, "
                         "ansible_python_interpreter: '{{ ansible_playbook_python }}'}}}\n")
    variables = {"certificates_renewals": [shop.entry()], "certificates_certbot": shop.certbot(), "certificates_prove_within": "20s"}
    done = playbook("evenkeel.ops.certificates.renew", inventory=inventory, variables=variables)
    assert done.returncode == 0, done.stdout + done.stderr
    variables |= {"certificates_force": [NAME], "certificates_renewals": [shop.entry(reload=["true"])], "certificates_prove_within": "1s"}
    failed = playbook("evenkeel.ops.certificates.renew", inventory=inventory, variables=variables)
    assert failed.returncode == 2 and "the old one was put back" in failed.stdout
    with sqlite3.connect(tmp_path / "ledger.sqlite") as ledger:
        assert [status for (status,) in ledger.execute("SELECT status FROM records ORDER BY id")] == ["pass", "fail"]
    ledger.close()


def test_a_first_certificate_needs_to_be_told_how(run_module, shop):
    entry = shop.entry(places=[], test=[], reload=[])
    untold = {key: value for key, value in shop.certbot().items() if key != "authenticator"}
    answer = run_module("certificate_renew", shop.options(entry, certbot=untold))
    assert answer["renewals"][0]["status"] == "failed" and "authenticator is not set" in answer["renewals"][0]["message"]
    answer = run_module("certificate_renew", shop.options(entry, certbot=shop.certbot(agree_tos=False)))
    assert "agree_tos is not set" in answer["renewals"][0]["message"] and not (shop.folder / "certbot" / "config" / "live").exists()


def test_names_are_proved_in_the_zone_or_by_a_listener_of_its_own(run_module, acme, zone, tmp_path):
    address, _colon, port = zone.primary.partition(":")
    credentials = tmp_path / "update.ini"
    credentials.touch(mode=0o600)
    credentials.write_text(f"dns_rfc2136_server = {address}\ndns_rfc2136_port = {port}\ndns_rfc2136_name = switch\n"
                           f"dns_rfc2136_secret = {zone.key_secret}\ndns_rfc2136_algorithm = HMAC-SHA256\n")
    shared = {"server": acme.directory, "server_ca_cert": str(acme.ca_cert), "agree_tos": True, "config_dir": str(tmp_path / "config"),
              "work_dir": str(tmp_path / "work"), "logs_dir": str(tmp_path / "logs")}
    for how, host in (({"authenticator": "dns-rfc2136", "credentials": str(credentials), "propagation": "1s"}, f"*.{NAME}"),
                      ({"authenticator": "standalone", "http_port": acme.http_port, "key_type": "rsa"}, f"api.{NAME}")):
        entry = {"name": host.strip("*."), "hosts": [host], "ca_cert": str(acme.issued_by), "served_at": [{"endpoint": "127.0.0.1:1"}]}
        answer = run_module("certificate_renew", {"renewals": [entry], "renew_days": 30, "prove_within": "500ms",
                                                  "certbot": {**shared, **how}})
        # Nothing shows it, and nobody is told that it does.
        assert answer["renewals"][0]["status"] == "failed" and answer["renewals"][0]["steps"][0]["status"] == "done", answer
        [kept] = answer["certificates"]
        assert kept["names"] == [host] and kept["key"].startswith("RSA" if "key_type" in how else "EC")


@pytest.mark.parametrize("entry, said", [
    ({"name": "-x"}, "is no name of a certificate"), ({"name": "../up"}, "is no name of a certificate"),
    ({"hosts": []}, "hosts is empty"), ({"hosts": ["a b"]}, "is no host name"), ({"hosts": ["-d"]}, "is no host name"),
    ({"served_at": []}, "served_at is empty"), ({"served_at": [{"port": 1}]}, "names no endpoint"),
    ({"places": [{"certificate": "relative", "key": "/k"}]}, "is no absolute path"),
    ({"places": [{"certificate": "/c", "key": "/c"}]}, "are one file"),
    ({"places": [{"certificate": "/c", "key": "/k", "mode": "0644"}]}, "lets others"),
    ({"places": [{"certificate": "/c", "key": "/k", "owner": "no such 'user'"}]}, "this host has no"),
    ({"places": [{"certificate": "/c", "key": "/k", "colour": "red"}]}, "unknown key 'colour'"),
    ({"places": [{"secret": "shop/*"}]}, "is no single secret"), ({"places": [{"secret": "Shop"}]}, "is not namespace/name"),
    ({"reload": [""]}, "is no command"), ({"policy": {"worn_days": 1}}, "unknown key 'worn_days'"),
])
def test_entries_that_make_no_sense_are_refused(run_module, entry, said):
    given = {"name": "shop", "hosts": ["shop.test"], "served_at": [{"endpoint": "shop.test:443"}], **entry}
    answer = run_module("certificate_renew", {"renewals": [given], "renew_days": 30, "certbot": {"config_dir": "/nonexistent/config"}})
    assert answer["failed"] and said in answer["msg"], answer
