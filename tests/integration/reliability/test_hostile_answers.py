# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers may answer anything: no probe breaks, and none outlives its timeout. Every byte goes through a socket."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.network import AsyncNetwork
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.sockets import Dialer
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import SystemClock
from ansible_collections.evenkeel.ops.plugins.module_utils.health.probe import probe
from ansible_collections.evenkeel.ops.plugins.module_utils.health.targets import read_targets

from tests.integration.reliability.answers import CONVERSATIONS, TURN, WEBSOCKET_KEY, hostile, spoiled
from tests.integration.reliability.figures import scaled

SEED = 20261121
AT_ONCE = 16
# One of so many servers keeps its connection open when it has said everything.
LINGERS = 25
TIMEOUT = 0.3
# Where a good answer takes this side a while: keys are reckoned with, the client of a cluster is made anew.
LONGER = {"ssh keys": 2.0, "kubernetes": 2.0}
# What a loaded machine may add to a timeout before it counts as a hang.
GRACE = 30.0
HOW_MANY = {"http": 18000, "path": 2000, "prometheus": 9000, "grpc": 9000, "websocket": 9000, "ldap": 9000, "ssh": 9000, "mysql": 9000,
            "rabbitmq": 9000,
            "smtp": 7000, "redis": 4000, "tcp": 1000, "dns": 3000, "postgresql": 2000, "ssh keys": 1000, "kubernetes": 1000}
TARGETS = {
    "http": {"url": "http://127.0.0.1:9/", "json": {"status": "UP", "checks[0].lag": {"lt": 10}}, "contains": "UP", "follow_redirects": 2,
             "header": {"X": {"exists": False}}, "max_body": "20KiB"},
    "path": {"url": "http://127.0.0.1:9/", "steps": [
        {"name": "take", "url": "/", "status": ["1xx", "2xx", "3xx", "5xx"], "take": {"word": {"json": "status"}}},
        {"name": "use", "url": "/${word}", "headers": {"X-Word": "is ${word}"}, "body": {"word": "${word}"}}]},
    "prometheus": {"url": "http://127.0.0.1:9/", "metrics": {'up{job="x"}': 1, "lag": {"lt": 5000}}},
    "grpc": {"port": 9}, "websocket": {"url": "ws://127.0.0.1:9/", "say": "x", "json": {"a": 1}, "max_body": "20KiB"},
    "ldap": {"user": "cn=a", "password": "b-secret"}, "ssh": {"unwanted": ["3des-cbc"]}, "mysql": {"user": "u", "password": "p-secret"},
    "rabbitmq": {"queue": "orders", "messages": {"le": 10}}, "smtp": {"user": "u", "password": "p-secret", "expected": ["SIZE"]},
    "redis": {"password": "p-secret"}, "tcp": {"port": 9, "matches": "^220 .*ESMTP"},
    "dns": {"host": "shop.test", "expected": ["192.0.2.10"]}, "postgresql": {"ssl_mode": "disable", "user": "u", "password": "p-secret"},
    "ssh keys": {"kind": "ssh"}, "kubernetes": {"workload": "deployment/shop", "restarts": {"le": 3}},
}


class Answers:
    """Without end: conversations with faults, or, once nothing is to be spoiled any more, the first of the protocol as it should be."""

    def __init__(self, kind: str) -> None:
        protocol = {"path": "http", "ssh keys": "ssh"}.get(kind, kind)
        self.spoils, self._hostile, self._whole = True, hostile(protocol, SEED), CONVERSATIONS[protocol][0]

    def __iter__(self) -> Answers:
        return self

    def __next__(self) -> bytes:
        return next(self._hostile) if self.spoils else self._whole


class Scripted(Dialer):
    """Every connection is to a server that says the next of the answers and, mostly, hangs up."""

    def __init__(self, answers: Iterator[bytes]) -> None:
        super().__init__()
        self._answers, self._number = answers, itertools.count(1)
        self.ends: list[socket.socket] = []
        self._talks: set[asyncio.Future[None]] = set()

    async def open(self, family, address):
        del family, address
        client, server = socket.socketpair()
        client.setblocking(False)
        server.setblocking(False)
        first, *turns = next(self._answers).split(TURN)
        lingers = not next(self._number) % LINGERS
        with contextlib.suppress(OSError):
            server.send(first)
        if turns:
            talk = asyncio.ensure_future(_take_turns(server, turns, lingers))
            self._talks.add(talk)
            talk.add_done_callback(self._talks.discard)
            return client
        if not lingers:
            server.shutdown(socket.SHUT_WR)
        self.ends.append(server)
        if len(self.ends) > 200:
            self.ends.pop(0).close()
        return client


class SpoiledShells(Dialer):
    """Every connection is to a real SSH server, of whose words before NEWKEYS some come spoiled on the way."""

    def __init__(self, keys: list[Any]) -> None:
        super().__init__()
        self.spoils, self._keys, self._chance = True, keys, random.Random(f"ssh keys {SEED}")
        self._talks: set[asyncio.Future[None]] = set()

    async def open(self, family, address):
        del family, address
        ends = [*socket.socketpair(), *socket.socketpair()]
        for end in ends:
            end.setblocking(False)
        client, near, far, server = ends
        for talk in (self._serve(server), _carried(near, far, lambda words: words), _carried(far, near, self._fault())):
            task = asyncio.ensure_future(talk)
            self._talks.add(task)
            task.add_done_callback(self._talks.discard)
        return client

    async def _serve(self, server: socket.socket) -> None:
        with contextlib.suppress(asyncssh.Error, OSError, TimeoutError):
            connection = await asyncssh.run_server(server, server_host_keys=self._keys, login_timeout=30)
            await connection.wait_closed()

    def _fault(self) -> Callable[[bytes], bytes]:
        """Mostly one piece is spoiled: the banner with the algorithms, or the server's key and signature, which come after it."""
        turn = self._chance.choice([0, 1, 1, 1, 2]) if self.spoils and self._chance.random() < 0.7 else None
        pieces = itertools.count()

        def fault(words: bytes) -> bytes:
            return spoiled(self._chance, words, [words]) if next(pieces) == turn else words

        return fault


async def _carried(source: socket.socket, sink: socket.socket, fault: Callable[[bytes], bytes]) -> None:
    loop = asyncio.get_running_loop()
    with contextlib.suppress(OSError):
        while words := await loop.sock_recv(source, 65536):
            await loop.sock_sendall(sink, fault(words))
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


async def _take_turns(server: socket.socket, turns: list[bytes], lingers: bool) -> None:
    loop = asyncio.get_running_loop()
    with server, contextlib.suppress(OSError):  # the client has left
        for turn in turns:
            if not await loop.sock_recv(server, 65536):
                return
            await loop.sock_sendall(server, turn)
        while lingers and await loop.sock_recv(server, 65536):
            pass


@contextlib.contextmanager
def tcp_server(answers: Iterator[bytes]) -> Iterator[int]:
    """For clients that open their connections themselves."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listening:
        def serve() -> None:
            for number in itertools.count(1):
                try:
                    client, _address = listening.accept()
                except OSError:
                    return
                with contextlib.suppress(OSError):
                    client.settimeout(2)
                    for turn in next(answers).split(TURN):
                        client.recv(65536)
                        client.sendall(turn)
                if number % LINGERS:
                    client.close()
                else:
                    kept.append(client)

        kept: list[socket.socket] = []
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            with contextlib.suppress(OSError):
                listening.shutdown(socket.SHUT_RDWR)
            thread.join(5)
            for client in kept:
                client.close()


@contextlib.contextmanager
def dns_server(answers: Iterator[bytes]) -> Iterator[int]:
    """Answers with the query's own id, so that what follows is read."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.settimeout(0.1)
        over = threading.Event()

        def serve() -> None:
            while not over.is_set():
                with contextlib.suppress(OSError):
                    query, client = listening.recvfrom(4096)
                    listening.sendto(query[:2] + next(answers)[2:8000], client)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            over.set()
            thread.join(5)


async def probe_many(target, network: AsyncNetwork, number: int, timeout: float = TIMEOUT) -> tuple[Counter, list[str]]:
    """Counts what became of them; what broke, in its own words, is listed too."""
    seen: Counter = Counter()
    broken: list[str] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda _loop, context: broken.append(f"in a callback: {context.get('exception') or context['message']!r}"))
    work = iter(range(number))

    async def take() -> None:
        for _one in work:
            began = time.monotonic()
            sample = await probe(target, network, clock=SystemClock())
            seen["hangs"] += time.monotonic() - began > timeout + GRACE
            seen["good" if sample.good else "told" if not sample.blind else "blind"] += 1
            if sample.blind:
                broken.append(sample.complaints[0].message)
            seen["without a hint"] += not sample.good and not sample.complaints[0].hint

    await asyncio.gather(*(take() for _worker in range(AT_ONCE)))
    return seen, broken


def _kubeconfig(folder: Path, port: int) -> str:
    path = folder / "kubeconfig"
    path.write_text(json.dumps({"current-context": "x", "clusters": [{"name": "x", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
                                "users": [], "contexts": [{"name": "x", "context": {"cluster": "x", "user": ""}}]}))
    return str(path)


@pytest.mark.parametrize("kind", HOW_MANY)
def test_no_answer_breaks_a_probe_or_holds_it(kind, figure, monkeypatch, tmp_path):
    number, timeout = scaled(HOW_MANY[kind], HOW_MANY[kind] // 100), LONGER.get(kind, TIMEOUT)
    options = {"name": "t", "timeout": f"{timeout}s", **({} if "url" in TARGETS[kind] or kind == "kubernetes" else {"host": "127.0.0.1"}),
               **({"kind": kind} if kind not in ("http", "path", "websocket") else {}), **TARGETS[kind]}
    with contextlib.ExitStack() as stack:
        answers = Answers(kind)
        dialer = Scripted(answers)
        if kind == "dns":
            options["resolver"] = f"127.0.0.1:{stack.enter_context(dns_server(answers))}"
        elif kind == "postgresql":
            options["port"] = stack.enter_context(tcp_server(answers))
        elif kind == "kubernetes":
            options["kubeconfig"] = _kubeconfig(tmp_path, stack.enter_context(tcp_server(answers)))
        elif kind == "ssh keys":
            keys = [asyncssh.generate_private_key(one) for one in ("ssh-ed25519", "ecdsa-sha2-nistp256")]
            options["fingerprint"], dialer = keys[0].get_fingerprint(), SpoiledShells(keys)
        elif kind == "websocket":
            monkeypatch.setattr("websockets.client.generate_key", lambda: WEBSOCKET_KEY)
        [target] = read_targets([options])
        network = AsyncNetwork(dialer)
        network.prepare({target.kind})
        seen, broken = asyncio.run(probe_many(target, network, number, timeout))
        # Not after so many answers: a probe whose time is over before it asks for anything, on a busy machine, has none.
        answers.spoils = False
        if isinstance(dialer, SpoiledShells):
            dialer.spoils = False
        seen_whole = asyncio.run(probe(replace(target, timeout=60.0), network, clock=SystemClock()))
        for end in getattr(dialer, "ends", ()):
            end.close()
    # The first conversation, as it is, gets through: else the faults would be looked for at the door only.
    assert seen_whole.good, seen_whole
    where = {"postgresql": "TCP", "kubernetes": "TCP", "dns": "UDP"}.get(kind, "a socket pair")
    figure("a probe survives any answer",
           f"{kind}: answers with faults drawn from a fixed seed, over {where}; " + (
               "what a real server says comes spoiled" if kind == "ssh keys" else f"one of {LINGERS} servers hangs"),
           f"{number} answers, {seen['good']} of them still good: crashes {len(broken)}, hangs past the timeout {seen['hangs']}, "
           f"told without a hint {seen['without a hint']}")
    assert not broken, (len(broken), sorted(set(broken))[:5])
    assert not seen["hangs"] and not seen["without a hint"] and seen["good"] + seen["told"] == number
