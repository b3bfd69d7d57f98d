# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Revocation, stapling and CAA: OpenSSL's responder, lists over HTTP, nginx that staples, and BIND that answers for zones."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID

from tests.testbed.bind import serve_zone
from tests.testbed.nginx import serve_nginx
from tests.testbed.postgres import free_port
from tests.testbed.revocation import serve_register
from tests.testbed.tls import Authority, serve_tls, serve_unwell

NOW = datetime.now(timezone.utc).replace(microsecond=0)
POLICY = {"min_protocol": "TLSv1.2", "verify_revocation": True}


@pytest.fixture(scope="module")
def root():
    return Authority.create("Register root", key="rsa")


@pytest.fixture(scope="module")
def register(root):
    with serve_register(root) as register:
        yield register


@pytest.fixture
def check(run_module, root, tmp_path):
    """Look at files with these identities; gives the finding of this check by name."""
    ca_cert = str(root.write(tmp_path, "trusted"))

    def run(name, *, timeout="20s", policy=None, **identities):
        sources = []
        for key, identity in identities.items():
            (tmp_path / f"{key}.pem").write_bytes(identity.full_chain_pem)
            sources.append({"name": key, "file": str(tmp_path / f"{key}.pem"), "ca_cert": ca_cert, "hosts": ["a.test"]})
        answer = run_module("certificate_check", {"sources": sources, "policy": policy or POLICY, "timeout": timeout})
        assert not answer.get("failed"), answer
        return {one["subject"]: one for one in answer["findings"] if one["check"] == f"certificate.{name}"}

    return run


def pointing_at(root, *urls, lists=()):
    asked = [x509.AccessDescription(AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(url)) for url in urls]
    extensions = [x509.AuthorityInformationAccess(asked)] if asked else []
    points = [x509.DistributionPoint([x509.UniformResourceIdentifier(url)], None, None, None) for url in lists]
    return root.issue(["a.test"], extensions=[*extensions, *([x509.CRLDistributionPoints(points)] if points else [])])


def test_the_authority_is_asked_and_believed(check, register, root):
    before = len(register.asked)
    found = check("revocation", good=register.issue(["a.test"]), revoked=register.issue(["a.test"], revoked=True),
                  listed=register.issue(["a.test"], ocsp=False, revoked=True), unlisted=register.issue(["a.test"], ocsp=False),
                  unheard=root.issue(["a.test"], extensions=register.where(crl=False)), silent=root.issue(["a.test"]))
    assert {name: one["status"] for name, one in found.items()} == {
        "good": "pass", "revoked": "fail", "listed": "fail", "unlisted": "pass", "unheard": "fail", "silent": "unknown"}
    assert "key" in found["revoked"]["message"] and "key" in found["listed"]["message"]
    assert "does not know" in found["unheard"]["message"] and "names neither" in found["silent"]["message"]
    assert len(register.asked) - before == 1, "one list is fetched once in a run, and not where the responder has answered"


def test_a_responder_that_fails_is_no_pass_and_the_list_is_the_second_word(check, register, root):
    url, other = register.crl_url.rpartition("/")[0], Authority.create("Register root", key="rsa")
    register.lists |= {"/old.crl": register.list(until=NOW - timedelta(hours=1)), "/forged.crl": register.list(signer=other),
                       "/garbage.crl": b"garbage"}
    with serve_unwell("silent") as silent, serve_unwell("refuse") as shut:
        found = check(
            "revocation", timeout="4s",
            fallback=pointing_at(root, f"http://127.0.0.1:{shut}/", lists=[register.crl_url]),
            silent=pointing_at(root, f"http://127.0.0.1:{silent}/"), shut=pointing_at(root, f"http://127.0.0.1:{shut}/"),
            absent=pointing_at(root, f"{url}/none"), old=pointing_at(root, lists=[f"{url}/old.crl"]),
            forged=pointing_at(root, lists=[f"{url}/forged.crl"]), garbage=pointing_at(root, lists=[f"{url}/garbage.crl"]),
            metadata=pointing_at(root, "http://169.254.169.254/latest/meta-data/"), file=pointing_at(root, "file:///etc/passwd"),
            split=pointing_at(root, "http://127.0.0.1:1/%0d%0aHost: x"))
    assert found.pop("fallback")["status"] == "pass"
    assert {one["status"] for one in found.values()} == {"unknown"}
    assert "did not answer within" in found["silent"]["message"] and "link-local" in found["metadata"]["message"]
    assert "not signed by the issuer" in found["forged"]["message"] and "out of date" in found["old"]["message"]
    assert "no list" in found["garbage"]["message"] and "no address that can be asked" in found["file"]["message"]


def test_an_untrusted_chain_is_not_asked_about(check, register):
    stranger = Authority.create("Stranger")
    before = len(register.asked)
    found = check("revocation", stranger=stranger.issue(["a.test"], extensions=register.where(ocsp=False)))
    assert found["stranger"]["status"] == "unknown" and "no trusted path" in found["stranger"]["message"] and len(register.asked) == before


def test_stapling(run_module, register, root, tmp_path):
    ca_cert = str(root.write(tmp_path))
    well, revoked = register.issue(["a.test"]), register.issue(["a.test"], revoked=True)
    blocks, ports = [], {}
    for name, identity, answer in (("well", well, register.staple(well)), ("revoked", revoked, register.staple(revoked)),
                                   ("another", well, register.staple(revoked)), ("none", well, None)):
        certificate, key = identity.write(tmp_path, name)
        ports[name] = free_port()
        blocks.append(f"server {{ listen 127.0.0.1:{ports[name]} ssl; ssl_certificate {certificate}; ssl_certificate_key {key}; "
                      + (f"ssl_stapling on; ssl_stapling_file {answer}; " if answer else "") + "return 204; }")
    with serve_nginx(tmp_path, blocks, port=ports["well"]), serve_tls(well, starttls="smtp") as mail:
        sources = [{"name": name, "endpoint": f"127.0.0.1:{port}", "server_name": "a.test", "ca_cert": ca_cert,
                    **({"starttls": "smtp"} if name == "mail" else {})} for name, port in {**ports, "mail": mail}.items()]
        answer = run_module("certificate_check", {"policy": {"require_stapling": True}, "timeout": "20s", "sources": sources})
    found = {one["subject"]: one for one in answer["findings"] if one["check"] == "certificate.stapling"}
    assert {name: one["status"] for name, one in found.items()} == {
        "well": "pass", "revoked": "fail", "another": "fail", "none": "fail", "mail": "fail"}
    assert "was revoked" in found["revoked"]["message"] and "another certificate" in found["another"]["message"]
    assert "staples no" in found["none"]["message"] and found["mail"]["observed"] == "none"


def test_caa(run_module, root, tmp_path):
    records = """$TTL 60
@ IN SOA ns1 hostmaster 1 3600 600 86400 60
@ IN NS ns1
ns1 IN A 127.0.0.1
one IN CAA 0 issue "letsencrypt.org; validationmethods=http-01"
both IN CAA 0 issue "letsencrypt.org"
both IN CAA 0 issue "other.example"
none IN CAA 0 issue ";"
other IN CAA 0 issue "other.example"
mail IN CAA 0 iodef "mailto:ops@shop.test"
wild IN CAA 0 issue "letsencrypt.org"
wild IN CAA 0 issuewild ";"
"""
    names = ["one", "deep.below.one", "both", "none", "other", "mail", "bare", "*.wild"]
    (tmp_path / "all.pem").write_bytes(root.issue([f"{name}.shop.test" for name in names]).full_chain_pem)
    source = {"file": str(tmp_path / "all.pem"), "hosts": [f"{name}.shop.test" for name in names], "policy": {"verify_chain": False}}
    with serve_zone(records) as zone:
        answer = run_module("certificate_check", {"sources": [source], "policy": {"caa_issuers": ["letsencrypt.org"]},
                                                  "resolver": zone.primary})
    asleep = run_module("certificate_check", {"sources": [{**source, "hosts": ["one.shop.test"]}], "timeout": "1s",
                                              "policy": {"caa_issuers": ["letsencrypt.org"]}, "resolver": "127.0.0.1:1"})
    said = [(one["status"], one["message"]) for one in answer["findings"] if one["check"] == "certificate.caa"]
    # For the zone above its own this server refuses to answer, which a resolver would: nobody knows then.
    assert [status for status, _message in said] == ["pass", "pass", "fail", "fail", "fail", "fail", "unknown", "fail"], said
    for (_status, message), expected in zip(said, [
            "only letsencrypt.org may", "only letsencrypt.org may", "let other.example issue", "do not let", "do not let",
            "every authority", "could not be asked", "do not let"], strict=True):
        assert expected in message, said
    assert [one["status"] for one in asleep["findings"] if one["check"] == "certificate.caa"] == ["unknown"]
