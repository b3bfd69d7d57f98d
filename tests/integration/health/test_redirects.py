# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where redirects of a real server lead, and where they never do: every connection is counted where it is opened."""

from __future__ import annotations

import asyncio
import socket
import ssl
from pathlib import Path

import pytest
import trustme
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.network import AsyncNetwork
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.sockets import Dialer
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import SystemClock
from ansible_collections.evenkeel.ops.plugins.module_utils.health.probe import Pace, probe, probe_all
from ansible_collections.evenkeel.ops.plugins.module_utils.health.targets import read_targets

from tests.testbed.http import Response, serve_http

SPELLINGS = [
    "169.254.169.254", "169.254.169.254:80", "169.254.170.2", "169.254.0.1:8080", "2852039166", "0xa9fea9fe", "0xA9.0xFE.0xA9.0xFE",
    "0251.0376.0251.0376", "0251.254.169.254", "169.16689662", "169.254.43518", "0xa9.254.0251.254", "169.254.169.254.",
    "[::ffff:169.254.169.254]", "[::ffff:a9fe:a9fe]", "[0:0:0:0:0:ffff:a9fe:a9fe]", "[::169.254.169.254]", "[64:ff9b::a9fe:a9fe]",
    "[2002:a9fe:a9fe::1]", "[fe80::1]", "[febf::1]", "[fe80::1%25eth0]", "[fd00:ec2::254]", "[FD00:0EC2:0:0:0:0:0:254]",
    "100.100.100.200", "1684301000", "[::ffff:100.100.100.200]", "168.63.129.16", "192.0.0.192",
    "１６９.２５４.１６９.２５４", "169。254。169。254", "metadata.test", "two-faced.test", "METADATA.test.", "six.test",
]
# What a hostile zone may say.
ZONE = {"metadata.test": ["169.254.169.254"], "two-faced.test": ["127.0.0.1", "169.254.169.254"], "six.test": ["fd00:ec2::254"],
        "fine.test": ["127.0.0.1"]}


class CountingDialer(Dialer):
    """Notes each address right before the socket is connected; names of the zone resolve, others by the system."""

    def __init__(self):
        super().__init__(self._resolve)
        self.opened = []
        self.looked_up = []

    def _resolve(self, host, port, **rest):
        self.looked_up.append(host)
        addresses = ZONE.get(host.rstrip("."))
        if not addresses:
            return socket.getaddrinfo(host, port, **rest)
        return [found for address in addresses for found in socket.getaddrinfo(address, port, **rest)]

    async def open(self, family, address):
        self.opened.append(address[0])
        return await super().open(family, address)


@pytest.fixture(scope="module")
def web():
    with serve_http() as server:
        yield server


def follow(url, hops=5, **options):
    """Probe once; gives the sample and the addresses that were connected to."""
    [target] = read_targets([{"name": "t", "url": url, "follow_redirects": hops, "timeout": "20s", **options}])
    dialer = CountingDialer()
    return asyncio.run(probe(target, AsyncNetwork(dialer), clock=SystemClock())), dialer.opened


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_no_spelling_of_a_forbidden_address_is_connected_to(spelling):
    with serve_http({"/go": Response(302, "", {"Location": f"http://{spelling}/latest/meta-data/"}
                                     if spelling.isascii() else {"Location": f"http://{spelling}/".encode().decode("latin-1")})}) as web:
        sample, opened = follow(f"{web.url}/go")
    assert opened == ["127.0.0.1"], "the server that redirects, and nobody else"
    assert not sample.good and not sample.blind and sample.complaints[0].hint


@pytest.mark.parametrize("spelling", [s for s in SPELLINGS if s.isascii() and "%" not in s])
def test_it_is_the_address_that_is_refused(web, spelling):
    sample, _opened = follow(f"{web.url}/redirect?to=http://{spelling}/")
    assert any(words in sample.complaints[0].message for words in ("link-local address", "metadata address", "does not resolve")), sample


def test_the_second_hop_is_judged_too(web):
    sample, opened = follow(f"{web.url}/redirect?to=/redirect?to=http://169.254.169.254/")
    assert not sample.good and opened == ["127.0.0.1"] * 2


def test_other_redirects_are_followed(web):
    sample, opened = follow(f"{web.url}/redirect?to=http://fine.test:{web.port}/ok")
    assert sample.good and opened == ["127.0.0.1"] * 2


def test_a_redirect_is_followed_only_when_asked(web):
    sample, opened = follow(f"{web.url}/redirect?to=/ok", hops=0)
    assert not sample.good and len(opened) == 1 and "302" in sample.complaints[0].message


def test_a_name_is_resolved_once_so_that_it_cannot_change_between_judgement_and_connection(web):
    class TurningDialer(CountingDialer):
        def _resolve(self, host, port, **rest):
            self.looked_up.append(host)
            turn = "127.0.0.1" if self.looked_up.count(host) == 1 else "169.254.169.254"
            return socket.getaddrinfo(turn, port, **rest)

    dialer = TurningDialer()
    targets = read_targets([{"name": "t", "follow_redirects": 1, "url": f"{web.url}/redirect?to=http://turning.test:{web.port}/ok"}])
    taken = asyncio.run(probe_all(targets, AsyncNetwork(dialer), clock=SystemClock(), pace=Pace(samples=3, concurrency=1)))
    assert all(sample.good for sample in taken["t"])
    assert dialer.looked_up == ["turning.test"] and dialer.opened == ["127.0.0.1"] * 6


def test_secrets_do_not_leave_the_origin(web):
    with serve_http() as other:
        follow(f"{web.url}/redirect?to={other.url}/echo", headers={"Authorization": "Bearer s3cret", "Cookie": "s3cret"})
        [request] = other.requests
    assert not {"authorization", "cookie"} & set(request.headers)
    assert web.requests[-1].headers["authorization"] == "Bearer s3cret"
    follow(f"{web.url}/redirect?to=/echo", headers={"Authorization": "Bearer s3cret"})
    assert web.requests[-1].path == "/echo" and web.requests[-1].headers["authorization"] == "Bearer s3cret"


def test_https_does_not_turn_into_http(web, tmp_path: Path):
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost").configure_cert(context)
    before = web.connections
    with serve_http(tls=context) as secure:
        sample, _opened = follow(f"https://localhost:{secure.port}/redirect?to={web.url}/ok", ca_cert=str(tmp_path / "ca.pem"))
        upward, _opened = follow(f"{web.url}/redirect?to=https://localhost:{secure.port}/ok", ca_cert=str(tmp_path / "ca.pem"))
    assert not sample.good and "redirects from https to" in sample.complaints[0].message
    assert upward.good and web.connections == before + 1
