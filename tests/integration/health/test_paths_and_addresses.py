# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Critical paths, metrics pages, and every address of a name, against real HTTP servers."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import time

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.network import AsyncNetwork
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.sockets import Dialer
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import SystemClock
from ansible_collections.evenkeel.ops.plugins.module_utils.health.judge import judge_targets
from ansible_collections.evenkeel.ops.plugins.module_utils.health.probe import probe as take_sample
from ansible_collections.evenkeel.ops.plugins.module_utils.health.targets import read_targets

from tests.testbed.http import Response, serve_http
from tests.testbed.postgres import free_port
from tests.testbed.tls import server_context

TOKEN, SESSION, PASSWORD = 't0ken-"quoted"-s3cret', "c00kie-s3cret", "op3n-s3same"


def log_in(request):
    fine = request.method == "POST" and json.loads(request.body or b"{}").get("password") == PASSWORD
    return Response(200 if fine else 401, json.dumps({"data": {"token": TOKEN}, "who": "probe"}),
                    {"Set-Cookie": f"sid={SESSION}; HttpOnly"})


def orders(request):
    fine = request.headers.get("authorization") == f"Bearer {TOKEN}" and request.headers.get("cookie") == f"sid={SESSION}"
    return Response(200 if fine else 403, json.dumps({"count": 3, "echo": TOKEN, "asked": request.target}))


def metrics(_request):
    page = f'# TYPE up gauge\nup{{job="engine"}} 1\nup{{job="batch"}} 0\nlag NaN\nold 1 {int(time.time() - 600) * 1000}\n'
    return Response(body=page, headers={"Content-Type": "text/plain"})


@pytest.fixture(scope="module")
def shop():
    with serve_http({"/login": log_in, "/orders": orders, "/metrics": metrics, "/late": Response(delay=0.3)}) as server:
        yield server


LOGIN = {"name": "log in", "url": "/login", "method": "POST", "body": {"password": "${password}"},
         "take": {"token": {"json": "data.token"}, "session": {"cookie": "sid"}}}
READ = {"name": "read orders", "url": "/orders?t=${token}",
        "headers": {"Authorization": "Bearer ${token}", "Cookie": "sid=${session}"}, "json": {"count": {"ge": 1}}}


def test_a_critical_path_is_walked_and_the_step_that_fails_is_named(probe, shop):
    def path(*steps, **options):
        return {"url": shop.url, "secrets": {"password": PASSWORD}, "steps": list(steps), **options}

    answer, found = probe({
        "whole": path(LOGIN, READ), "wrong password": path(LOGIN, READ, secrets={"password": "wr0ng-one"}),
        "not expected": path(LOGIN, {**READ, "json": {"echo": "x"}, "contains": "nothing like it"}),
        "not there": path({**LOGIN, "take": {"token": {"json": "gone"}}}, {"name": "next", "url": "/ok"}),
        "late step": path({"name": "late", "url": "/late", "latency_fail": "100ms"}),
        "no answer": path(LOGIN, {"name": "hang", "url": "/hang?t=${token}"}, timeout="3s"),
        "broken off": path(LOGIN, {"name": "close", "url": "/close"}),
        "moved": path({"name": "go", "url": "/redirect"}, follow_redirects=1),
        "away": path({"name": "go", "url": "/redirect?to=http://169.254.169.254/"}, follow_redirects=1),
    }, defaults={"timeout": "20s"})
    said = {name: finding["message"] for name, finding in found.items()}
    assert {name for name, finding in found.items() if finding["status"] == "pass"} == {"whole", "moved"}, said
    for name, words in {"wrong password": "step 1 of 2, 'log in': HTTP status is 401",
                        "not expected": "step 2 of 2, 'read orders': the body",
                        "not there": "step 1 of 2, 'log in': the answer does not have token", "late step": "over the limit of 0.1s",
                        "no answer": "in step 2 of 2, 'hang'", "broken off": "step 2 of 2, 'close'",
                        "away": "link-local address"}.items():
        assert words in said[name] and found[name]["hint"], said[name]
    told = json.dumps(answer)
    for secret in (TOKEN, SESSION, PASSWORD, json.dumps(TOKEN)[1:-1]):
        assert secret not in told and json.dumps(secret)[1:-1] not in told


def test_a_page_of_metrics(probe, shop):
    place = {"kind": "prometheus", "url": f"{shop.url}/metrics"}
    _answer, found = probe({
        "well": {**place, "metrics": {'up{job="engine"}': 1}}, "batch": {**place, "metrics": {"up": 1}},
        "gone": {**place, "metrics": {"cronos_ai_up": 1}}, "nan": {**place, "metrics": {"lag": {"lt": 5}}},
        "old": {**place, "metrics": {"old": 1}}, "long ago is fine": {**place, "metrics": {"old": 1}, "max_age": "1h"},
        "no page": {**place, "url": f"{shop.url}/json", "metrics": {"up": 1}},
        "status": {**place, "url": f"{shop.url}/status/500", "metrics": {"up": 1}},
        "cut": {**place, "url": f"{shop.url}/endless", "metrics": {"up": 1}, "max_body": "10KiB"},
    })
    said = {name: finding["message"] for name, finding in found.items() if finding["status"] == "fail"}
    assert set(found) - set(said) == {"well", "long ago is fine"}
    for name, words in {"batch": 'up{job="batch"} is 0, expected 1', "gone": "no metric cronos_ai_up", "nan": "lag is NaN",
                        "old": "was measured 10m",
                        "no page": "no page of metrics", "status": "HTTP status is 500", "cut": "longer than was read"}.items():
        assert words in said[name], said[name]


def target(**options):
    [read] = read_targets([{"name": "t", "addresses": "all", "timeout": "20s", **options}])
    return read


def sampled(zone, **options):
    """One sample of a target, where names resolve as the zone has it."""
    def resolve(host, port, **rest):
        return [found for address in zone[host] for found in socket.getaddrinfo(address, port, flags=socket.AI_NUMERICHOST, **rest)]

    return asyncio.run(take_sample(target(**options), AsyncNetwork(Dialer(resolve)), clock=SystemClock()))


def test_one_dead_backend_of_three_is_told_and_any_hides_it(authority):
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(serve_http())
        stack.enter_context(serve_http(host="127.0.0.2", port=first.port))
        url, zone = f"http://shop.test:{first.port}/ok", {"shop.test": ["127.0.0.1", "127.0.0.2", "127.0.0.3"]}
        sample = sampled(zone, url=url)
        [complaint] = sample.complaints
        assert "1 of 3 addresses of shop.test is not well: 127.0.0.3 (shop.test" in complaint.message
        assert "refuses connections" in complaint.message
        [row], _findings = judge_targets([target(url=url)], {"t": [sample]})
        assert [(one["address"], one["status"]) for one in row["addresses"]] == [
            ("127.0.0.1", "pass"), ("127.0.0.2", "pass"), ("127.0.0.3", "fail")] and row["status"] == "fail", row
        assert row["addresses"][0]["latency_ms"] > 0 and "refuses connections" in row["addresses"][2]["message"]
        assert complaint.observed == ["127.0.0.3"] and complaint.limit == zone["shop.test"] and complaint.hint
        assert sampled(zone, url=url, addresses="any").good and sampled({"shop.test": zone["shop.test"][:2]}, url=url).good
        assert first.requests[-1].headers["host"] == f"shop.test:{first.port}"


def test_an_address_that_hangs_hides_nothing_of_the_others():
    with serve_http() as web, socket.create_server(("127.0.0.2", web.port)):  # the second is accepted by the kernel, and never answered
        sample = sampled({"shop.test": ["127.0.0.2", "127.0.0.3", "127.0.0.1"]}, url=f"http://shop.test:{web.port}/ok", timeout="3s")
    [complaint] = sample.complaints
    assert "2 of 3 addresses" in complaint.message and "was waiting for the answer of shop.test" in complaint.message
    assert complaint.observed == ["127.0.0.2", "127.0.0.3"]


def test_tls_names_and_other_protocols_are_the_names(authority):
    context = server_context(authority[0].issue(["shop.test"]))
    other = server_context(authority[0].issue(["other.test"]))
    zone = {"shop.test": ["127.0.0.1", "127.0.0.2"]}
    with serve_http(tls=context) as web, serve_http(tls=other, host="127.0.0.2", port=web.port):
        sample = sampled(zone, url=f"https://shop.test:{web.port}/ok", ca_cert=str(authority[1]))
        tcp = sampled(zone, kind="tcp", host="shop.test", port=web.port)
    [complaint] = sample.complaints
    assert "1 of 2 addresses" in complaint.message and "Hostname mismatch" in complaint.message and complaint.observed == ["127.0.0.2"]
    assert tcp.good


def test_numeric_hosts_and_names_that_do_not_resolve():
    with serve_http() as web:
        assert sampled({}, url=f"{web.url}/ok").good
    sample = asyncio.run(take_sample(read_targets([{"name": "t", "url": "http://gone.invalid/", "addresses": "all"}])[0],
                                     AsyncNetwork(Dialer(_nobody)), clock=SystemClock()))
    assert "does not resolve" in sample.complaints[0].message and not sample.blind
    assert not sampled({}, kind="tcp", host="127.0.0.1", port=free_port()).good


def _nobody(_host, _port, **_rest):
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
