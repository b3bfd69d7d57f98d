# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""certificate_check on the PKI engine of a real HashiCorp Vault."""

from __future__ import annotations

import contextlib
import http.server
import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.certificates.conftest import said
from tests.testbed.postgres import free_port
from tests.testbed.tls import Authority, Identity, serve_tls
from tests.testbed.vault import INTERMEDIATE, READ, RunningVault

POLICY = {"warn_days": 30, "fail_days": 14, "max_age": "365d"}


@pytest.fixture
def check(run_module, vault):
    """Gives {subject: {check: status that is no pass}}, and the whole answer; ``login`` replaces the root token."""

    def run(*sources: dict[str, Any], login: dict[str, Any] | None = None, **options: Any):
        given = {"url": vault.url, "ca_cert": str(vault.ca_cert), "request_timeout": "10s", **(login or {"token": vault.client.token})}
        answer = run_module("certificate_check", {"sources": [{"ca_cert": str(vault.issued_by), **source} for source in sources],
                                                  "policy": POLICY, "vault": given, **options})
        assert not answer.get("failed"), answer
        amiss: dict[str, dict[str, str]] = {}
        for finding in answer["findings"]:
            found = amiss.setdefault(finding["subject"], {})
            if finding["status"] != "pass":
                assert finding["hint"], finding
                found[finding["check"].removeprefix("certificate.")] = finding["status"]
        secret = [value for key, value in given.items() if key in ("token", "secret_id")]
        assert not any(value in json.dumps({**answer, "invocation": None}) for value in secret)
        return amiss, answer

    return run


def identity(issued: dict[str, Any]) -> Identity:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    certificate, *chain = (x509.load_pem_x509_certificate(one.encode()) for one in (issued["certificate"], *issued["ca_chain"]))
    return Identity(certificate, load_pem_private_key(issued["private_key"].encode(), None), tuple(chain))


def test_the_newest_of_each_name_counts_with_its_chain(check, vault):
    for name, ttl in (("well.shop.test", "90d"), ("well.shop.test", "120d"), ("soon.shop.test", "10d"), ("long.shop.test", "400d"),
                      ("other.test", "1d")):
        vault.issue(name, ttl=ttl)
    revoked = vault.issue("stolen.shop.test")
    vault.client.secrets.pki.revoke_certificate(revoked["serial_number"], mount_point=INTERMEDIATE)
    gone = vault.issue("gone.shop.test", ttl="1s")
    time.sleep(max(0.0, gone["expiration"] + 1 - time.time()))
    amiss, answer = check({"vault": f"{INTERMEDIATE}/*", "patterns": ["*.shop.test"]}, {"vault": "pki/*"},
                          {"vault": f"{INTERMEDIATE}/stolen.shop.test"}, {"vault": f"{INTERMEDIATE}/nobody.test"},
                          {"name": "by number", "vault": f"{INTERMEDIATE}/{revoked['serial_number']}"})
    assert amiss == {
        INTERMEDIATE: {}, f"{INTERMEDIATE}/well.shop.test": {}, f"{INTERMEDIATE}/soon.shop.test": {"expiry": "fail"},
        f"{INTERMEDIATE}/long.shop.test": {"lifetime": "fail"}, f"{INTERMEDIATE}/shop issuing ca": {}, f"{INTERMEDIATE}/shop root": {},
        "pki": {}, "pki/shop root": {}, "pki/shop issuing ca": {}, f"{INTERMEDIATE}/stolen.shop.test": {"record": "fail"},
        f"{INTERMEDIATE}/nobody.test": {"reachable": "unknown"}, "by number": {"record": "fail"}}, answer["findings"]
    [mount] = [one["message"] for one in answer["findings"] if one["subject"] == INTERMEDIATE]
    assert "1 replaced by newer ones" in mount and "1 revoked" in mount and "1 of other names" in mount, mount
    [well] = [one for one in answer["certificates"] if one["source"] == f"{INTERMEDIATE}/well.shop.test"]
    assert 119 < well["days_left"] <= 120
    assert [one["subject"] for one in well["chain"]] == ["CN=Shop issuing CA", "CN=Shop root"]


def test_renewed_but_not_served(check, vault):
    old, new = vault.issue("gateway.test"), vault.issue("gateway.test", ttl="91d")  # instants have seconds
    with serve_tls(identity(old)) as port, serve_tls(identity(new)) as right:
        amiss, answer = check({"name": "kept", "vault": f"{INTERMEDIATE}/gateway.test", "hosts": ["gateway.test"], "served_at": [
            {"name": "old node", "endpoint": f"127.0.0.1:{port}", "server_name": "gateway.test"},
            {"name": "new node", "endpoint": f"127.0.0.1:{right}", "server_name": "gateway.test"}]})
    assert amiss == {"kept": {}, "old node": {"served": "fail"}, "new node": {}}
    assert any("renewed but not served" in one["message"] for one in answer["findings"])


def test_hundreds_of_serials_and_too_many_for_the_time(check, vault):
    vault.client.sys.enable_secrets_engine("pki", path="many", config={"max_lease_ttl": "87600h"})
    pki = vault.client.secrets.pki
    pki.generate_root("internal", "Many root", {"ttl": "3650d", "key_type": "ec"}, mount_point="many")
    pki.create_or_update_role("servers", {"allow_any_name": True, "key_type": "ec"}, mount_point="many")
    for number in range(300):
        pki.generate_certificate("servers", f"host-{number}.test", {"ttl": "60d"}, mount_point="many")
    source = {"vault": "many/*", "policy": {"verify_chain": False}}
    _amiss, answer = check(source)
    assert len({one["source"] for one in answer["certificates"] if one["source"].startswith("many/host-")}) == 300
    amiss, answer = check(source, login={"token": vault.client.token, "within": "20ms"})
    assert amiss == {"many/*": {"reachable": "unknown"}} and "tidy" in said(answer, "reachable")


def test_logging_in_by_approle_leaves_no_token_behind(check, vault):
    client = vault.client
    client.sys.enable_auth_method("approle")
    client.sys.create_or_update_policy("reads-pki", READ)
    client.auth.approle.create_or_update_approle("ops", token_policies=["reads-pki"], token_ttl="5m")
    role_id = client.auth.approle.read_role_id("ops")["data"]["role_id"]
    secret_id = client.auth.approle.generate_secret_id("ops")["data"]["secret_id"]
    vault.issue("role.test")
    before = len(client.list("auth/token/accessors")["data"]["keys"])
    login = {"auth": "approle", "role_id": role_id, "secret_id": secret_id}
    amiss, _answer = check({"vault": f"{INTERMEDIATE}/role.test"}, login=login)
    assert amiss == {f"{INTERMEDIATE}/role.test": {}}
    assert len(client.list("auth/token/accessors")["data"]["keys"]) == before
    for wrong in ({**login, "secret_id": "7d1f-no-such-secret"}, {**login, "auth_mount": "elsewhere"}):
        amiss, answer = check({"vault": f"{INTERMEDIATE}/role.test"}, login=wrong)
        assert amiss == {f"{INTERMEDIATE}/role.test": {"reachable": "unknown"}} and "refuses logging in" in said(answer, "reachable")


@pytest.mark.parametrize("policy, mount, words", [
    (READ, "nowhere", "do not allow listing its certificates in nowhere, or nothing is mounted there"),
    ('path "x" { capabilities = ["read"] }', INTERMEDIATE, f'path "{INTERMEDIATE}/certs" {{ capabilities = ["list"]'),
    (None, "nowhere", "has no PKI engine at nowhere"), (None, "cubbyhole", "has no PKI engine at cubbyhole"),
    ("", INTERMEDIATE, "does not know this token"),
])
def test_what_may_not_or_cannot_be_read_is_unknown(check, vault, policy, mount, words):
    token = vault.client.token if policy is None else vault.token(policy) if policy else "hvs.revoked-long-ago"
    amiss, answer = check({"vault": f"{mount}/x.test"}, login={"token": token})
    assert amiss == {f"{mount}/x.test": {"reachable": "unknown"}} and words in said(answer, "reachable"), answer["findings"]


def test_issuers_that_may_not_be_read_leave_the_default_chain(check, vault):
    vault.issue("narrow.test")
    token = vault.token(f'path "{INTERMEDIATE}/certs" {{ capabilities = ["list"] }}')
    assert check({"vault": f"{INTERMEDIATE}/narrow.test"}, login={"token": token})[0] == {f"{INTERMEDIATE}/narrow.test": {}}


def test_a_token_that_ends_in_the_middle_leaves_what_it_had_read_and_says_so(check, vault):
    vault.issue("middle.test")
    token = vault.token(f'{READ} path "+/certs" {{ capabilities = ["list"] }}', num_uses=5)
    amiss, answer = check({"vault": f"{INTERMEDIATE}/middle.test"}, {"vault": "pki/*"}, {"vault": "many/*"}, login={"token": token})
    assert amiss[f"{INTERMEDIATE}/middle.test"] == {} and amiss["many/*"] == {"reachable": "unknown"}, answer["findings"]
    assert any("does not know this token" in one["message"] for one in answer["findings"])


def test_a_token_in_a_file_and_one_that_is_missing(check, vault, tmp_path):
    vault.issue("file.test")
    (tmp_path / "sink").write_text(f"{vault.client.token}\n")
    (tmp_path / "empty").write_text("\n")
    source = {"vault": f"{INTERMEDIATE}/file.test"}
    assert check(source, login={"token_file": str(tmp_path / "sink")})[0] == {source["vault"]: {}}
    for login, words in (({"token_file": str(tmp_path / "empty")}, "is empty"), ({"token_file": str(tmp_path / "none")}, "none"),
                         ({"auth": "token"}, "nothing to log in with"), ({"token": "x", "url": vault.url + "?x"}, "no address"),
                         ({"token": "x", "request_timeout": "0s"}, "no time to answer"), ({"token": "x", "within": "soon"}, "within")):
        amiss, answer = check(source, login=login)
        assert amiss == {source["vault"]: {"reachable": "unknown"}} and words in said(answer, "reachable"), answer["findings"]


@contextlib.contextmanager
def serve_web(status: int, kind: str, body: bytes, *, heard: list[Any] | None = None, **headers: str) -> Iterator[str]:
    """Something that is no Vault; each request's headers go to ``heard``."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if heard is not None:
                heard.append(self.headers)
            self.send_response(status)
            for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: Any) -> None:
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("status, kind, body, headers", [
    (200, "text/html", b"<h1>It works</h1>", {}), (404, "text/html", b"no", {}), (200, "application/json", b"[]", {}),
    (200, "application/json", b'{"data": null}', {}), (503, "text/plain", b"away", {}),
    (307, "text/plain", b"", {"Location": "http://127.0.0.1:1/"}), (200, "application/json", b'{"data": {"keys"', {}),
    (200, "application/json", b'{"data": {}}', {}), (404, "application/json", b"[]", {}),
    (200, "application/json", b'{"data": {"keys": 7}}', {}),
])
def test_what_is_no_vault_is_unknown(check, status, kind, body, headers):
    with serve_web(status, kind, body, **headers) as url:
        amiss, answer = check({"vault": "pki/*"}, login={"token": "canary-9c1d-not-to-leave", "url": url, "ca_cert": None})
    assert amiss == {"pki/*": {"reachable": "unknown"}} and "not as Vault does" in said(answer, "reachable"), answer["findings"]


def test_a_namespace_goes_along_as_a_header(check):
    heard: list[Any] = []
    with serve_web(404, "text/plain", b"no", heard=heard) as url:
        check({"vault": "pki/*"}, login={"token": "canary-9c1d-not-to-leave", "url": url, "ca_cert": None, "namespace": "team/ops"})
    assert heard and {one["X-Vault-Namespace"] for one in heard} == {"team/ops"}


def test_nobody_there_or_another_authority_is_unknown(check, vault, tmp_path):
    stranger = str(Authority.create("Stranger").write(tmp_path))
    for login, words in (({"url": f"https://127.0.0.1:{free_port()}"}, "does not answer"), ({"ca_cert": stranger}, "TLS failed")):
        amiss, answer = check({"vault": "pki/*"}, login={"token": "x", **login})
        assert amiss == {"pki/*": {"reachable": "unknown"}} and words in said(answer, "reachable"), answer["findings"]


def test_a_sealed_vault_is_unknown_and_what_it_has_is_read_after(check, vault: RunningVault):
    vault.issue("sealed.test")
    source = {"vault": f"{INTERMEDIATE}/sealed.test"}
    vault.client.sys.seal()
    try:
        amiss, answer = check(source)
        assert amiss == {source["vault"]: {"reachable": "unknown"}}
        assert "is sealed" in said(answer, "reachable") and "vault operator unseal" in said(answer, "reachable")
    finally:
        vault.client.sys.submit_unseal_key(vault.unseal_key)
    assert check(source)[0] == {source["vault"]: {}}


def test_the_procedure_tells_nobody_the_token(playbook, vault, tmp_path):
    vault.issue("day.test")
    inventory = tmp_path / "hosts.yml"
    inventory.write_text("certificates: {hosts: {here: {ansible_connection: local, "
                         "ansible_python_interpreter: '{{ ansible_playbook_python }}'}}}\n")
    done = playbook("evenkeel.ops.certificates.check", inventory=inventory, options=("-vvv",), variables={
        "certificates_vault": {"url": vault.url, "ca_cert": str(vault.ca_cert), "token": vault.client.token},
        "certificates_sources": [{"vault": f"{INTERMEDIATE}/day.test", "ca_cert": str(vault.issued_by)}]})
    assert done.returncode == 0, done.stdout
    assert vault.client.token not in done.stdout + done.stderr
    assert vault.client.token.encode() not in (tmp_path / "ledger.sqlite").read_bytes()


def test_a_missing_library_is_named(run_module, vault, tmp_path):
    (tmp_path / "hvac.py").write_text("raise ImportError('not here')\n")
    answer = run_module("certificate_check", {"sources": [{"vault": "pki/*"}], "vault": {"url": vault.url, "token": "x"}},
                        env={"PYTHONPATH": str(tmp_path)})
    assert answer["failed"] and "library hvac is not installed" in answer["msg"]
