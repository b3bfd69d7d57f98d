# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""certificate_check against real TLS servers, well and sick, each fault named."""

from __future__ import annotations

import time
from contextlib import ExitStack
from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import ToolMissing

from tests.conftest import missing
from tests.testbed import tls
from tests.testbed.mariadb import serve_mariadb
from tests.testbed.tls import Authority, self_signed, serve_tls, serve_unwell

NOW = datetime.now(timezone.utc).replace(microsecond=0)
DAY = timedelta(days=1)
POLICY = {"warn_days": 30, "fail_days": 14, "max_age": "365d", "min_rsa_bits": 2048, "min_ec_bits": 256,
          "signature_hashes": ["sha256", "sha384", "sha512"], "min_protocol": "TLSv1.2", "refuse_older": True}


@pytest.fixture(scope="module")
def root():
    return Authority.create("Well known root", key="rsa")


@pytest.fixture
def ca_cert(root, tmp_path):
    return str(root.write(tmp_path))


@pytest.fixture
def check(run_module, ca_cert):
    """Check sources at once; gives findings that do not pass as {subject: {check: finding}}, and the whole answer."""

    def run(sources, *, timeout="20s", **options):
        sources = [{"ca_cert": ca_cert, "hosts": ["localhost"], **source} for source in sources]
        answer = run_module("certificate_check", {"sources": sources, "policy": POLICY, "timeout": timeout, **options})
        assert not answer.get("failed"), answer
        amiss = {source["name"]: {} for source in sources}
        for finding in answer["findings"]:
            if finding["status"] != "pass":
                assert finding["hint"], finding
                amiss[finding["subject"]][finding["check"].removeprefix("certificate.")] = finding
        return amiss, answer

    return run


def endpoint(name, port, **more):
    return {"name": name, "endpoint": f"127.0.0.1:{port}", "server_name": "localhost", **more}


def test_every_sickness_is_named_exactly_and_alone(check, root):
    stranger = Authority.create("Nobody knows me")
    middle, old_middle = root.intermediate(), root.intermediate("Old", not_before=NOW - 99 * DAY, not_after=NOW - DAY)
    names = ["localhost"]
    sick = {
        "well": (middle.issue(names), {}, {}),
        "expired": (root.issue(names, not_after=NOW - 3 * DAY), {}, {"expiry": "fail"}),
        "not yet": (root.issue(names, not_before=NOW + 3 * DAY), {}, {"expiry": "fail"}),
        "soon": (root.issue(names, not_after=NOW + 20 * DAY), {}, {"expiry": "warn"}),
        "very soon": (root.issue(names, not_after=NOW + 10 * DAY), {}, {"expiry": "fail"}),
        "long": (root.issue(names, not_after=NOW + 700 * DAY), {}, {"lifetime": "fail"}),
        "host": (root.issue(["elsewhere.example"]), {}, {"host_name": "fail"}),
        "self-signed": (self_signed(names), {}, {"self_signed": "fail"}),
        "stranger": (stranger.intermediate("Unknown link").issue(names), {}, {"chain": "fail"}),
        "incomplete": (middle.issue(names).without_chain(), {}, {"chain": "fail"}),
        "old link": (old_middle.issue(names), {}, {"chain": "fail", "expiry": "fail"}),
        "small key": (root.issue(names, key="rsa1024"), {}, {"key": "fail"}),
        "sha1": (root.issue(names, digest="sha1"), {}, {"signature": "fail"}),
        "md5": (root.issue(names, digest="md5"), {}, {"signature": "fail"}),
        "only old": (root.issue(names), {"minimum": "TLSv1", "maximum": "TLSv1_1"}, {"protocol": "fail"}),
        "also old": (root.issue(names), {"minimum": "TLSv1"}, {"protocol": "fail"}),
        "everything": (self_signed(["other"], key="rsa1024", not_after=NOW - DAY), {"minimum": "TLSv1", "maximum": "TLSv1"},
                       {"expiry": "fail", "host_name": "fail", "self_signed": "fail", "key": "fail", "protocol": "fail"}),
    }
    with ExitStack() as servers:
        sources = [endpoint(name, servers.enter_context(serve_tls(identity, **how))) for name, (identity, how, _expected) in sick.items()]
        amiss, answer = check(sources)
    assert {name: {check: one["status"] for check, one in found.items()} for name, found in amiss.items()} \
        == {name: expected for name, (_identity, _how, expected) in sick.items()}
    assert amiss["incomplete"]["chain"]["observed"] == "incomplete chain"
    assert amiss["stranger"]["chain"]["observed"] == "unknown authority"
    assert amiss["old link"]["chain"]["observed"] == "expired" and "CN=Old" in amiss["old link"]["expiry"]["message"]
    assert "not valid before" in amiss["not yet"]["expiry"]["message"]
    assert amiss["very soon"]["expiry"]["observed"] == pytest.approx(10, abs=0.2) and amiss["very soon"]["expiry"]["limit"] == 14
    assert amiss["only old"]["protocol"]["observed"] == amiss["also old"]["protocol"]["observed"] == "TLSv1.1"
    assert "newest" in amiss["only old"]["protocol"]["message"] and "still accepts" in amiss["also old"]["protocol"]["message"]
    assert "elsewhere.example" in amiss["host"]["host_name"]["message"]
    listed = [one for one in answer["certificates"] if one["source"] != "old link"]
    assert [one["days_left"] for one in answer["certificates"]] == sorted(one["days_left"] for one in answer["certificates"])
    assert {one["source"]: one["status"] for one in listed} == {
        name: "warn" if name == "soon" else "fail" if expected else "pass"
        for name, (_identity, _how, expected) in sick.items() if name != "old link"}


def test_a_server_that_does_not_speak_tls_is_told_within_the_timeout(check):
    with ExitStack() as servers:
        sources = [endpoint(how, servers.enter_context(serve_unwell(how))) for how in ("silent", "drip", "close", "plain", "refuse")]
        sources.append({"name": "nowhere", "endpoint": "no-such-host.invalid:443"})
        began = time.monotonic()
        amiss, answer = check(sources, timeout="4s")
        took = time.monotonic() - began
    said = {name: found["reachable"]["message"] for name, found in amiss.items()}
    assert {one["status"] for found in amiss.values() for one in found.values()} == {"unknown"}
    assert said["silent"] == said["drip"] == "no full answer within 4s"
    assert "closed the connection" in said["close"] and "plain text" in said["plain"] and "refused" in said["refuse"]
    assert "cannot be resolved" in said["nowhere"]
    assert took < 60 and answer["certificates"] == []


@pytest.mark.parametrize("protocol", ["smtp", "imap", "pop3", "ldap"])
def test_starttls(check, root, protocol):
    with serve_tls(root.issue(["localhost"]), starttls=protocol) as well, \
            serve_tls(root.issue(["localhost"], not_after=NOW - DAY), starttls=protocol) as expired, \
            serve_unwell("silent") as silent, serve_unwell("plain") as plain:
        amiss, _answer = check([endpoint(name, port, starttls=protocol) for name, port in
                                {"well": well, "expired": expired, "silent": silent, "plain": plain}.items()], timeout="4s")
    assert amiss["well"] == {} and set(amiss["expired"]) == {"expiry"}
    assert set(amiss["silent"]) == {"reachable"} and set(amiss["plain"]) == {"reachable"}


def test_a_real_mariadb(check, root):
    try:
        with serve_mariadb(root.intermediate().issue(["localhost"])) as port:
            amiss, answer = check([endpoint("db", port, starttls="mysql")])
    except ToolMissing as error:
        missing(str(error))
    assert amiss["db"] == {} and answer["certificates"][0]["issuer"].startswith("CN=Testbed intermediate")


def test_a_real_postgresql(check, root, newest_pg, installation):
    with tls.postgres_with_tls(installation, root.intermediate().issue(["localhost"])) as (_server, target):
        amiss, answer = check([endpoint("with", target.port, starttls="postgres"),
                               endpoint("without", newest_pg.port, starttls="postgres")])
    assert amiss["with"] == {} and "it said 'N'" in amiss["without"]["reachable"]["message"]
    assert answer["certificates"][0]["issuer"].startswith("CN=Testbed intermediate")


def test_sni_chooses_the_certificate_and_wildcards_and_addresses_count(check, root):
    other = root.issue(["*.münchen.example".encode("idna").decode(), "::1"])
    with serve_tls(root.issue(["localhost"]), by_name={"api.xn--mnchen-3ya.example": other}) as port, \
            serve_tls(other, host="::1") as six:
        amiss, _answer = check([
            endpoint("default", port),
            endpoint("idn", port, server_name="API.münchen.example", hosts=["api.MÜNCHEN.example"]),
            endpoint("too deep", port, server_name="api.münchen.example", hosts=["a.b.münchen.example"]),
            {"name": "six", "endpoint": f"[::1]:{six}", "hosts": None},
        ])
    assert amiss["default"] == amiss["idn"] == amiss["six"] == {} and set(amiss["too deep"]) == {"host_name"}


def test_a_key_that_does_not_belong_is_found(check, root, tmp_path):
    served, other = root.issue(["localhost"]), root.issue(["localhost"])
    served.write(tmp_path, "served"), other.write(tmp_path, "other")
    with serve_tls(served) as port:
        amiss, _answer = check([endpoint("right", port, key_file=str(tmp_path / "served.key")),
                                endpoint("wrong", port, key_file=str(tmp_path / "other.key")),
                                endpoint("gone", port, key_file=str(tmp_path / "gone.key"))])
    assert amiss["right"] == {}
    assert amiss["wrong"]["key_match"]["status"] == "fail" and amiss["gone"]["key_match"]["status"] == "unknown"


def test_a_source_may_differ_from_the_policy(check):
    with serve_tls(self_signed(["localhost"])) as port:
        amiss, _answer = check([endpoint("mine", port, policy={"allow_self_signed": True}), endpoint("theirs", port)])
    assert amiss["mine"] == {} and set(amiss["theirs"]) == {"self_signed"}


def test_a_self_signed_certificate_may_be_trusted_by_itself(check, tmp_path):
    identity = self_signed(["localhost"])
    certificate, _key = identity.write(tmp_path, "own")
    with serve_tls(identity) as port:
        amiss, _answer = check([endpoint("mine", port, ca_cert=str(certificate))])
    assert amiss["mine"] == {}


def test_authorities_that_cannot_be_loaded_are_told(check, root, tmp_path):
    (tmp_path / "empty.pem").write_bytes(b"")
    with serve_tls(root.issue(["localhost"])) as port:
        amiss, _answer = check([endpoint("gone", port, ca_cert=str(tmp_path / "gone.pem")),
                                endpoint("empty", port, ca_cert=str(tmp_path / "empty.pem"))])
    assert "does not exist" in amiss["gone"]["reachable"]["message"]
    assert "holds no certificates" in amiss["empty"]["reachable"]["message"]


def test_an_endpoint_that_answers_late_is_tried_again(check, root):
    import socket
    import threading

    identity, first = root.issue(["localhost"]), socket.create_server(("127.0.0.1", 0))
    port = first.getsockname()[1]
    with ExitStack() as later:
        def hang_up_and_serve() -> None:
            with first:
                first.accept()[0].close()
            later.enter_context(serve_tls(identity, port=port))

        server = threading.Thread(target=hang_up_and_serve, daemon=True)
        server.start()
        amiss, _answer = check([endpoint("late", port)], retries=30)
        server.join(60)
    assert amiss["late"] == {}


def test_many_endpoints_are_looked_at_at_once(check):
    with serve_unwell("silent") as port:
        began = time.monotonic()
        amiss, _answer = check([endpoint(f"slow {number}", port) for number in range(60)], timeout="1s", concurrency=60)
    assert len(amiss) == 60 and time.monotonic() - began < 40, "one after the other they take a minute"
