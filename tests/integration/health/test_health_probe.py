# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""health_probe as Ansible runs it, against real servers, well and sick."""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
import time
from pathlib import Path

import pytest
import trustme
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import SystemClock
from ansible_collections.evenkeel.ops.plugins.module_utils.core.waiting import Deadline, wait_until

from tests.conftest import ROOT
from tests.testbed.dns import serve_dns
from tests.testbed.http import Response, serve_http
from tests.testbed.postgres import free_port
from tests.testbed.redis import serve_redis
from tests.testbed.silence import serve_words

SECRET = "Bearer s3cret-t0ken"


@pytest.fixture(scope="module")
def web():
    with serve_http({"/login": lambda request: Response(status=200 if request.headers.get("authorization") else 401),
                     "/zipped": Response(body=b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff\xcbH\xcd\xc9\xc9\x07\x00\x86\xa6\x106\x05"
                                              b"\x00\x00\x00", headers={"Content-Encoding": "gzip"})}) as server:
        yield server


def test_good_answers_pass_with_all_that_is_expected_of_them(probe, web):
    _answer, found = probe({
        "plain": {"url": f"{web.url}/ok", "status": ["200"], "header": {"X-Served-By": "evenkeel"}},
        "text": {"url": f"{web.url}/text", "contains": "nominal", "matches": "^all .* nominal$"},
        "json": {"url": f"{web.url}/json", "json": {"status": "UP", "checks[0].lag": {"lt": 10}, "/checks/0/ok": True}},
        "chunked": {"url": f"{web.url}/chunked", "matches": "^hello world$"},
        "zipped": {"url": f"{web.url}/zipped", "contains": "hello"},
        "head": {"url": f"{web.url}/bigbody", "method": "head"},
        "post": {"url": f"{web.url}/echo", "method": "POST", "body": {"a": [1]}, "public_headers": {"X-One": "1"},
                 "json": {"method": "POST", "body": '{"a": [1]}', "headers.x-one": "1", "headers.connection": "close"}},
        "login": {"url": f"{web.url}/login", "user": "u", "password": "p4ssw0rd"},
        "cut": {"url": f"{web.url}/endless", "max_body": "100KiB"},
        "tcp": {"kind": "tcp", "host": "127.0.0.1", "port": web.port},
        "named": {"kind": "http", "host": "localhost", "port": web.port},
    })
    assert {name: finding["message"] for name, finding in found.items() if finding["status"] != "pass"} == {}


@pytest.mark.parametrize("path, options, said", [
    ("/status/503", {}, "HTTP status is 503, expected 200-299"), ("/ok", {"status": ["404"]}, "HTTP status is 200, expected 404"),
    ("/text", {"contains": "critical"}, "does not contain 'critical'"), ("/text", {"matches": "^x"}, "does not match '^x'"),
    ("/json", {"json": {"status": "DOWN"}}, 'JSON value status is "UP", expected "DOWN"'), ("/ok", {"json": {"a": 1}}, "body is no JSON"),
    ("/ok", {"header": {"X-Gone": {"exists": True}}}, "header X-Gone is missing"), ("/truncated", {}, "hung up within the body"),
    ("/close", {}, "hung up without an answer"), ("/garbage", {}, "does not speak HTTP"), ("/longheaders", {}, "64 KiB of headers"),
    ("/redirect", {}, "HTTP status is 302 (to /ok)"), ("/loop", {"follow_redirects": 3}, "redirects more than 3 times"),
    ("/bigbody", {"contains": "y"}, "in the part that was read"),
])
def test_a_bad_answer_fails_and_says_why_and_what_to_do(probe, web, path, options, said):
    _answer, found = probe({"t": {"url": web.url + path, **options}})
    assert found["t"]["status"] == "fail" and said in found["t"]["message"] and found["t"]["hint"]


def test_the_deadline_holds_against_servers_that_drip_or_never_answer(probe, web):
    with serve_words() as silent, serve_words(b"220 mail ESMTP\r\n" * 100, pause=0.5) as dripping:
        began = time.monotonic()
        _answer, found = probe({
            "hang": {"url": f"{web.url}/hang"}, "drip": {"url": f"{web.url}/drip"},
            "silent http": {"url": f"http://127.0.0.1:{silent}/"}, "silent tls": {"url": f"https://127.0.0.1:{silent}/"},
            "dripping http": {"url": f"http://127.0.0.1:{dripping}/"},
            "silent banner": {"kind": "tcp", "host": "127.0.0.1", "port": silent, "matches": "^220"},
            "dripping banner": {"kind": "tcp", "host": "127.0.0.1", "port": dripping, "matches": "nothing like it"},
            "silent redis": {"kind": "redis", "host": "127.0.0.1", "port": silent},
            "dripping redis": {"kind": "redis", "host": "127.0.0.1", "port": dripping},
            "silent postgresql": {"kind": "postgresql", "host": "127.0.0.1", "port": silent},
            "dripping postgresql": {"kind": "postgresql", "host": "127.0.0.1", "port": dripping},
            "endless": {"url": f"{web.url}/slow?ms=60000"},
        }, defaults={"timeout": "3s"})
        took = time.monotonic() - began
    assert {finding["status"] for finding in found.values()} == {"fail"}
    assert took < 33, "three seconds each, all at once, and the start of the module; one after the other they take thirty-six"
    assert "was waiting for the TLS handshake" in found["silent tls"]["message"]
    assert "was waiting for the rest of the answer" in found["drip"]["message"]


def test_nobody_listens_and_a_name_that_does_not_exist(probe):
    _answer, found = probe({"gone": {"url": f"http://127.0.0.1:{free_port()}/"}, "typo": {"url": "http://no-such-host.invalid/"}})
    assert "refuses connections" in found["gone"]["message"] and found["gone"]["status"] == "fail"
    assert "does not resolve" in found["typo"]["message"] and found["typo"]["status"] == "fail"


def test_retries_mend_and_the_error_rate_tells(probe, web):
    answer, found = probe({"f": {"url": f"{web.url}/flapping?bad=1&good=1&x={time.time()}", "retries": 2, "retry_delay": "10ms"}},
                          samples=3, limits={"f": {"availability": {"fail": 99}, "error_rate": {"warn": 1, "fail": 90}}})
    [service] = answer["services"]
    assert found["f"]["status"] == "pass" and service["availability"] == 100 and service["error_rate"] == 50
    assert [target["attempts"] for target in answer["targets"]] == [6] and service["status"] == "warn"


def test_latency_and_percentiles_per_service(probe, web):
    answer, found = probe({"quick": {"url": f"{web.url}/ok"}, "slow": {"url": f"{web.url}/slow?ms=2000", "latency_warn": "100ms"}},
                          defaults={"service": "shop"}, samples=4, limits={"*": {"p95": {"fail": "1900ms"}}})
    [service] = answer["services"]
    assert service["p50_ms"] < 1900 < 2000 <= service["p95_ms"] <= service["p99_ms"] < 20000 and service["total"] == 8
    assert found["slow"]["status"] == "warn" and found["slow"]["limit"] == 100
    assert [finding["status"] for finding in answer["findings"] if finding["check"] == "health.latency"] == ["fail"]


def test_secrets_are_in_no_result(run_module, web):
    targets = [{"name": "ok", "url": f"{web.url}/ok?token=t0p-s3cret", "headers": {"Authorization": SECRET}},
               {"name": "bad", "url": f"{web.url}/echo", "headers": {"X-Api-Key": SECRET}, "contains": "nothing like it"},
               {"name": "db", "kind": "postgresql", "host": "127.0.0.1", "port": free_port(), "password": SECRET},
               {"name": "cache", "kind": "redis", "host": "127.0.0.1", "port": free_port(), "password": SECRET}]
    for options in ({"targets": targets}, {"targets": targets, "defaults": {"headers": {"Cookie": SECRET}, "password": SECRET}},
                    {"targets": [{**targets[0], "headers": {"Authorization": f"{SECRET}\r\nX: y"}}]}):
        answer = run_module("health_probe", options)
        answer.pop("invocation")["module_args"].pop("targets", None)  # the query of a URL is the operator's own input
        assert "s3cret" not in json.dumps(answer)


def test_https_is_verified(probe, tmp_path: Path):
    ca, other = trustme.CA(), trustme.CA()
    authority = tmp_path / "ca.pem"
    ca.cert_pem.write_to_path(str(authority))

    def context(issuer, name):
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        issuer.issue_cert(name).configure_cert(made)
        return made

    with serve_http(tls=context(ca, "localhost")) as good, serve_http(tls=context(ca, "shop.example.com")) as wrong, \
            serve_http(tls=context(other, "localhost")) as foreign, serve_http() as plain:
        _answer, found = probe({
            "good": {"url": f"https://localhost:{good.port}/ok"}, "wrong": {"url": f"https://localhost:{wrong.port}/ok"},
            "foreign": {"url": f"https://localhost:{foreign.port}/ok"},
            "plain": {"url": f"https://localhost:{plain.port}/ok", "timeout": "1s"},
            "unverified": {"url": f"https://localhost:{foreign.port}/ok", "validate_certs": False},
            "drip": {"url": f"https://localhost:{good.port}/drip", "timeout": "1s"},
            "big": {"url": f"https://localhost:{good.port}/bigbody"},
            "tcp": {"kind": "tcp", "host": "localhost", "port": good.port, "tls": True},
            "mute": {"url": f"http://localhost:{good.port}/ok"},
        }, defaults={"ca_cert": str(authority), "timeout": "20s"})
        _answer, no_file = probe({"t": {"url": f"https://localhost:{good.port}/ok", "ca_cert": str(tmp_path / "gone.pem")}})
    assert {name: finding["status"] for name, finding in found.items()} == {
        "good": "pass", "wrong": "fail", "foreign": "fail", "plain": "fail", "unverified": "pass", "drip": "fail", "big": "pass",
        "tcp": "pass", "mute": "fail"}
    assert "Hostname mismatch" in found["wrong"]["message"] and "not trusted" in found["foreign"]["message"]
    assert no_file["t"]["status"] == "unknown" and "ca_cert" in no_file["t"]["message"]


def test_tcp_banners(probe):
    with serve_words(b"220 mail ESMTP ready\r\n", pause=0.01) as port:
        place = {"kind": "tcp", "host": "127.0.0.1", "port": port, "timeout": "20s"}
        _answer, found = probe({"seen": {**place, "matches": "^220 .* ready"}, "other": {**place, "contains": "IMAP", "timeout": "2s"},
                                "mute": place})
    assert {name: finding["status"] for name, finding in found.items()} == {"seen": "pass", "other": "fail", "mute": "pass"}


def test_dns(probe):
    zone = {("shop.test", "A"): ["192.0.2.10", "192.0.2.11"], ("shop.test", "MX"): ["10 Mail.shop.test."],
            ("shop.test", "TXT"): ['"v=spf1 -all"']}
    with serve_dns(zone) as port:
        asked = {"kind": "dns", "host": "shop.test"}
        _answer, found = probe({
            "any": asked, "address": {**asked, "expected": ["192.0.2.11"]},
            "mail": {**asked, "record": "mx", "expected": ["10 mail.shop.test"]},
            "text": {**asked, "record": "TXT", "expected": ["v=spf1 -all"]}, "moved": {**asked, "expected": ["192.0.2.99"]},
            "empty": {**asked, "record": "AAAA"}, "no name": {**asked, "host": "gone.test"}, "refused": {**asked, "host": "refused.test"},
            "silent": {**asked, "host": "silent.test", "timeout": "1s"}, "no type": {**asked, "record": "NOSUCH"},
            "no resolver": {**asked, "resolver": f"127.0.0.1:{free_port()}", "timeout": "1s"},
        }, defaults={"resolver": f"127.0.0.1:{port}", "timeout": "20s"})
    assert {name: finding["status"] for name, finding in found.items()} == {
        "any": "pass", "address": "pass", "mail": "pass", "text": "pass", "moved": "fail", "empty": "fail", "no name": "fail",
        "refused": "fail", "silent": "fail", "no type": "unknown", "no resolver": "fail"}
    assert "192.0.2.99 is missing" in found["moved"]["message"] and "no record of type AAAA" in found["empty"]["message"]


def test_redis(probe, tmp_path: Path):
    ca = trustme.CA()
    mine = ca.issue_cert("localhost")
    files = tmp_path / "server.pem", tmp_path / "server.key", tmp_path / "ca.pem"
    mine.cert_chain_pems[0].write_to_path(str(files[0]))
    mine.private_key_pem.write_to_path(str(files[1]))
    ca.cert_pem.write_to_path(str(files[2]))
    with serve_redis() as free, serve_redis(password="op3n s3same") as locked, serve_redis(tls=files) as secure, serve_http() as http:
        place = {"kind": "redis", "host": "localhost"}
        _answer, found = probe({
            "free": {**place, "port": free}, "locked": {**place, "port": locked, "password": "op3n s3same"},
            "user": {**place, "port": locked, "user": "default", "password": "op3n s3same"},
            "no password": {**place, "port": locked}, "wrong password": {**place, "port": locked, "password": "wr0ng"},
            "needless password": {**place, "port": free, "password": "wr0ng"},
            "tls": {**place, "port": secure, "tls": True, "ca_cert": str(files[2])}, "foreign": {**place, "port": secure, "tls": True},
            "no redis": {**place, "port": http.port, "timeout": "1s"},
        })
    assert {name: finding["status"] for name, finding in found.items()} == {
        "free": "pass", "locked": "pass", "user": "pass", "no password": "fail", "wrong password": "fail", "tls": "pass",
        "needless password": "fail", "foreign": "fail", "no redis": "fail"}
    assert "NOAUTH" in found["no password"]["message"] and "WRONGPASS" in found["wrong password"]["message"]


def test_postgresql(probe, pg):
    place = {"kind": "postgresql", "host": pg.host, "port": pg.port, "user": pg.user, "password": pg.password}
    answer, found = probe({
        "connects": place, "asked": {**place, "query": "SELECT count(*) FROM pg_database WHERE datistemplate", "expected": ["1", "2"]},
        "other": {**place, "query": "SELECT 'a' || chr(10)", "expected": ["b"]},
        "no row": {**place, "query": "SELECT 1 WHERE false", "expected": ["1"]},
        "no database": {**place, "database": "gone"}, "wrong password": {**place, "password": "wr0ng-one"},
        "broken": {**place, "query": "SELEC 1"}, "writes": {**place, "query": "CREATE TABLE public.probe_was_here ()"},
        "slow": {**place, "query": "SELECT pg_sleep(30)", "timeout": "1s"},
        "percent": {**place, "query": "SELECT '100%'", "expected": ["100%"]},
    })
    assert {name: finding["status"] for name, finding in found.items()} == {
        "connects": "pass", "asked": "pass", "other": "fail", "no row": "fail", "no database": "fail", "wrong password": "fail",
        "broken": "fail", "writes": "fail", "slow": "fail", "percent": "pass"}
    assert "read-only" in found["writes"]["message"] and "the query gives no row" in found["no row"]["message"]
    assert pg.password not in json.dumps({**answer, "invocation": None})


def test_bad_options_are_told_before_anything_is_probed(run_module, web):
    before = web.connections
    good = {"name": "good", "url": f"{web.url}/ok"}
    for options, said in [
        ({"targets": [good, {"name": "x", "kind": "gopher"}]}, "gopher"), ({"targets": [good, {"name": "x", "colour": "red"}]}, "colour"),
        ({"targets": [good, good]}, "two targets are called 'good'"), ({"targets": []}, "nothing to probe"),
        ({"targets": [{**good, "timeout": "-1s"}]}, "not a duration"), ({"targets": [good], "samples": 0}, "samples"),
        ({"targets": [good], "limits": {"*": {"uptime": 1}}}, "uptime"), ({"targets": [good], "defaults": {"name": "x"}}, "name"),
        ({"targets": [{**good, "headers": {"X-A": "value\r\nX-B: c"}}]}, "line break"),
    ]:
        answer = run_module("health_probe", options)
        assert answer["failed"] and said in answer["msg"], answer
    assert web.connections == before


@pytest.mark.parametrize("library, target", [
    ("dns", {"kind": "dns", "host": "shop.test", "resolver": "127.0.0.1:9"}),
    ("psycopg", {"kind": "postgresql", "host": "127.0.0.1", "port": 9}),
])
def test_a_library_that_is_missing_makes_its_target_unknown_and_no_other(run_module, web, tmp_path: Path, library, target):
    (tmp_path / f"{library}.py").write_text("raise ImportError")
    answer = run_module("health_probe", {"targets": [{"name": "t", **target}, {"name": "ok", "url": f"{web.url}/ok"}]},
                        env={"PYTHONPATH": str(tmp_path)})
    assert [finding["status"] for finding in answer["findings"]] == ["unknown", "pass"]
    assert "pip install" in answer["findings"][0]["hint"]


def test_a_run_that_is_told_to_stop_ends_at_once_and_says_so(web):
    options = {"ANSIBLE_MODULE_ARGS": {"targets": [{"name": f"t{number}", "url": f"{web.url}/hang"} for number in range(60)],
                                       "defaults": {"timeout": "60s"}}}
    before = web.connections
    with subprocess.Popen([sys.executable, "-m", "tests.testbed.module", "health_probe"], cwd=ROOT, text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdin.write(json.dumps(options))
        process.stdin.close()
        wait_until(lambda: web.connections >= before + 50, deadline=Deadline(SystemClock(), 90), what="the probes to hang")
        process.terminate()
        answer = json.loads(process.stdout.read())
        assert "Traceback" not in process.stderr.read()
    assert answer["failed"] and answer["error"] == "Interrupted"


def test_check_mode_probes_just_the_same(run_module, web):
    answer = run_module("health_probe", {"targets": [{"name": "t", "url": f"{web.url}/ok"}]}, check=True)
    assert answer["findings"][0]["status"] == "pass"
