# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Redirects and zones may say anything: no link-local or metadata address is ever connected to.

Every connection is counted where its socket would be opened; those to anywhere but this machine are refused there, so that the
corpus may name whom it likes. What resolves numbers is the system's own getaddrinfo.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
from collections import Counter
from collections.abc import Iterator

from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.network import AsyncNetwork
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.sockets import Dialer
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import SystemClock
from ansible_collections.evenkeel.ops.plugins.module_utils.health.probe import probe
from ansible_collections.evenkeel.ops.plugins.module_utils.health.targets import read_targets

from tests.integration.reliability.figures import scaled
from tests.integration.reliability.forbidden import hosts, resolve

STATUSES = [301, 302, 303, 307, 308]
# Where in a Location the host stands: {h} is the host as it stands in a URL, {n} without brackets.
FORMS = ["http://{h}/latest/meta-data/", "https://{h}/", "//{h}/", "http://{h}:80/", "hTTp://{h}/", "http://{h}", "http://{h}?x=1",
         "http://{h}#good.test",
         "http://user:word@{h}/", "http://good.test@{h}/", "http://good.test%40{h}/", "http://good.test#@{h}/", "http://{h}#@good.test/",
         "http://good.test\\@{h}/", "http:\\\\{h}\\", "/\\{h}/", "\\\\{h}/", "http:{h}/", "http:/{h}/", "http:///{h}/", "////{h}/",
         " http://{h}/",
         "http://{h}/ ", "\thttp://{h}/", "http://\t{h}/", "http://{h}\t/", "http://{h}%00.good.test/", "http://{h}%2f@good.test/",
         "http://{h};good.test/",
         "http://good.test:80@{h}:80/", "http://[{n}]/", "http://0@{h}/", "ws://{h}/", "ftp://{h}/", "file://{h}/etc/passwd",
         "gopher://{h}/_x"]


class Counting(Dialer):
    """Notes the addresses that sockets are opened to; on this machine, a server that sends to ``location``."""

    def __init__(self, resolver) -> None:
        super().__init__(resolver)
        self.opened: list[str] = []
        self.location, self.status = b"", 302
        self._ends: list[socket.socket] = []

    def close(self) -> None:
        """Hang up."""
        for end in self._ends:
            end.close()

    async def open(self, family, address):
        self.opened.append(address[0])
        if address[0] not in ("127.0.0.1", "::1"):
            raise ConnectionRefusedError(111, "not in a test")
        client, server = socket.socketpair()
        client.setblocking(False)
        server.sendall(b"HTTP/1.1 %d go\r\nLocation: %b\r\nContent-Length: 0\r\n\r\n" % (self.status, self.location))
        server.shutdown(socket.SHUT_WR)
        self._ends.append(server)  # it hears the request out, and ends with this dialer
        return client


def reached(dialer: Counting) -> int:
    """Connections to anywhere but this machine."""
    return sum(address not in ("127.0.0.1", "::1") for address in dialer.opened)


async def follow(cases: Iterator[tuple[bytes, int]]) -> Counter:
    """Counts the redirects, the connections that went astray, the redirects that were followed to a good place, and those that were
    refused for their address; the others lead to nothing that is a URL, or a host.
    """
    [target] = read_targets([{"name": "t", "url": "http://127.0.0.1/", "follow_redirects": 3, "timeout": "5s"}])
    seen: Counter = Counter()
    for location, status in cases:
        dialer = Counting(resolve)
        dialer.location, dialer.status = location, status
        with contextlib.closing(dialer):
            sample = await probe(target, AsyncNetwork(dialer), clock=SystemClock())
        assert not sample.good and not sample.blind and sample.complaints[0].hint, (location, sample)
        seen += Counter(redirects=1, reached=reached(dialer), followed=len(dialer.opened) > 1,
                        refused=any(words in sample.complaints[0].message for words in ("link-local address", "metadata address")))
    return seen


def test_no_redirect_leads_to_a_forbidden_address(figure):
    every = zip(itertools.product(hosts(), FORMS), itertools.cycle(STATUSES), strict=False)
    # A step that has no factor in common with the number of forms or statuses meets every pair of them.
    cases = ((form.format(h=host, n=host.strip("[]")).encode("utf-8", "replace"), status)
             for (host, form), status in itertools.islice(every, None, None, scaled(7, 83)))
    seen = asyncio.run(follow(cases))
    figure("redirects never reach metadata",
           f"{len(hosts())} spellings and names of link-local and metadata addresses (decimal, octal, hexadecimal, "
           f"mapped, NAT64, 6to4, Teredo, with zones, in DNS) in {len(FORMS)} forms of Location (userinfo, backslashes, fragments), "
           f"{len(STATUSES)} statuses", f"{seen['redirects']} redirects, {seen['refused']} of them refused for their address, "
           f"{seen['followed']} followed where nothing is forbidden: reached {seen['reached']}")
    assert not seen["reached"] and seen["redirects"] > 1000 and seen["refused"] > seen["redirects"] / 5


def test_good_redirects_of_every_status_are_followed():
    async def one(status):
        [target] = read_targets([{"name": "t", "url": "http://127.0.0.1/", "follow_redirects": 3, "timeout": "5s"}])
        dialer = Counting(resolve)
        dialer.location, dialer.status = b"http://good.test/next", status
        with contextlib.closing(dialer):
            await probe(target, AsyncNetwork(dialer), clock=SystemClock())
        return dialer.opened

    assert {status: asyncio.run(one(status)) for status in STATUSES} == {status: ["127.0.0.1"] * 4 for status in STATUSES}


def test_no_name_that_turns_leads_there(figure):
    """What a name says at its first, second and later lookups: good, forbidden, both, nothing. Asked for itself and by redirects."""
    says = {"good": ["127.0.0.1"], "bad": ["169.254.169.254"], "both": ["127.0.0.1", "fd00:ec2::254"], "six": ["::ffff:169.254.169.254"],
            "none": []}
    number = astray = good = 0
    for turns in itertools.product(says, repeat=scaled(3, 2)):
        for url, addresses in itertools.product(("http://turning.test/", "http://127.0.0.1/"), ("any", "all")):
            asked = itertools.chain(turns, itertools.repeat(turns[-1]))

            def turning(host, port, asked=asked, **rest):
                found = says[next(asked)] if host == "turning.test" else [host]
                if not found:
                    raise socket.gaierror(socket.EAI_NONAME, "no such name")
                return [one for address in found for one in socket.getaddrinfo(address, port, flags=socket.AI_NUMERICHOST, **rest)]

            dialer = Counting(turning)
            dialer.location = b"http://turning.test/next"
            [target] = read_targets([{"name": "t", "url": url, "addresses": addresses, "follow_redirects": 3, "retries": 3,
                                      "retry_delay": "0",
                                      "timeout": "5s"}])
            with contextlib.closing(dialer):
                asyncio.run(_twice(target, AsyncNetwork(dialer)))
            number, astray, good = number + 1, astray + reached(dialer), good + bool(dialer.opened)
    figure("redirects never reach metadata",
           "names that say another address at each lookup (good, link-local, both, mapped, none), as the target itself "
           "and behind redirects, any and all of their addresses, with retries",
           f"{number} names, {good} of them connected to where they were good: reached {astray}")
    assert not astray and good


async def _twice(target, network) -> None:
    for _time in range(2):
        await probe(target, network, clock=SystemClock())
