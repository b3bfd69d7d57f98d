# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real HTTP/1.1 server on the loopback whose paths are well or sick on purpose, in a thread of its own.

    /ok /text /json /chunked         answers as they should be; /json and /text?body=… show what is expected
    /echo                            the request as JSON: method, path, headers, body
    /status/503                      any status
    /slow?ms=200                     a good answer, late
    /redirect?to=URL&status=302      sends elsewhere; without ``to``, to /ok
    /loop                            redirects to itself
    /flapping?good=1&bad=2           ``bad`` answers of 503, then ``good`` of 200, and so on, counted per query
    /hang                            takes the request and never answers
    /drip?ms=100                     one byte of a good answer every ``ms``; so it takes minutes
    /close                           hangs up without an answer
    /truncated                       promises more body than it sends
    /garbage                         does not speak HTTP
    /bigbody?bytes=N                 a body of N bytes (4 MiB), with its length
    /endless                         a body without end
    /longheaders                     header lines without end

``python -m tests.testbed.http`` prints its URL and serves until its standard input ends: for measurements, where it must
not share a process with what is measured.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from ssl import SSLContext
from urllib.parse import parse_qs, unquote, urlsplit

_ENDLESS = b"x" * 65536


@dataclass(frozen=True)
class Request:
    """What a client asked: header names in lower case, ``query`` with the first value of each name."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def path(self) -> str:
        """The target without its query."""
        return unquote(urlsplit(self.target).path)

    @property
    def query(self) -> dict[str, str]:
        """``{"ms": "100"}`` of ``/slow?ms=100``."""
        return {name: values[0] for name, values in parse_qs(urlsplit(self.target).query).items()}


@dataclass(frozen=True)
class Response:
    """An answer; ``delay`` seconds pass before it is sent, ``raw`` is sent as it stands instead of all else.

    The connection is closed after a ``raw`` answer, and otherwise kept as long as the client likes.
    """

    status: int = 200
    body: bytes | str = b"ok\n"
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    raw: bytes | None = None

    def encoded(self) -> bytes:
        """As it goes over the wire."""
        if self.raw is not None:
            return self.raw
        body = self.body.encode() if isinstance(self.body, str) else self.body
        given = {name.lower() for name in self.headers}
        lines = [f"HTTP/1.1 {self.status} -", *(f"{name}: {value}" for name, value in self.headers.items())]
        if "content-length" not in given and "transfer-encoding" not in given:
            lines.append(f"Content-Length: {len(body)}")
        return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


Handler = Callable[[Request], Response]


class HttpServer:
    """A running server: where it is, and what it has been asked so far."""

    def __init__(self, host: str, port: int, scheme: str) -> None:
        self.host = host
        self.port = port
        self.scheme = scheme
        self.requests: list[Request] = []
        self.connections = 0
        self.turns: Counter[str] = Counter()

    @property
    def url(self) -> str:
        """``http://127.0.0.1:41234``, without a slash at the end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


@contextlib.contextmanager
def serve_http(routes: Mapping[str, Response | Handler] | None = None, *, tls: SSLContext | None = None,
               host: str = "127.0.0.1", port: int = 0) -> Iterator[HttpServer]:
    """Serve the paths above, and ``routes`` (an answer or a function of the request for a path) before them.

    ``tls`` is a server context; a CA for tests is ``trustme.CA()``, and its
    ``issue_cert("localhost").configure_cert(context)`` fills one. The server ends with the block, whatever still hangs.
    """
    loop = asyncio.new_event_loop()
    server = HttpServer(host, port, "https" if tls else "http")
    open_connections: set[_Connection] = set()
    listening = loop.run_until_complete(loop.create_server(
        lambda: _Connection(server, {**(routes or {})}, open_connections), host, port, ssl=tls, backlog=2048))
    server.port = listening.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever, name=f"http-{server.port}", daemon=True)
    thread.start()
    try:
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(_close(listening, open_connections), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


async def _close(listening: asyncio.Server, connections: set[_Connection]) -> None:
    listening.close()
    tasks = [connection.task for connection in connections if connection.task]
    for connection in list(connections):
        if connection.task:
            connection.task.cancel()
        if connection.transport:
            connection.transport.abort()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.sleep(0.01)  # lets aborted TLS transports tell their protocols


class _Connection(asyncio.Protocol):
    """One client; requests are answered one after the other, the connection is kept unless told otherwise."""

    def __init__(self, server: HttpServer, routes: Mapping[str, Response | Handler], everyone: set[_Connection]) -> None:
        self.server = server
        self.routes = routes
        self.everyone = everyone
        self.buffer = b""
        self.transport: asyncio.Transport | None = None
        self.task: asyncio.Task | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self.everyone.add(self)
        self.server.connections += 1

    def connection_lost(self, exc: Exception | None) -> None:
        self.everyone.discard(self)
        if self.task:
            self.task.cancel()

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if self.task is None or self.task.done():
            self._next()

    def _next(self) -> None:
        head, separator, rest = self.buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        start, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.strip().lower(): value.strip() for name, _colon, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length") or 0)
        if len(rest) < length:
            return
        self.buffer = rest[length:]
        method, _space, target = start.partition(" ")
        request = Request(method, target.rpartition(" ")[0], headers, rest[:length])
        self.server.requests.append(request)
        fault = _FAULTS.get(request.path)
        if request.path not in self.routes and fault:
            self.task = asyncio.get_running_loop().create_task(fault(self.transport, request))
            return
        response = self._answer(request)
        if response.delay:
            asyncio.get_running_loop().call_later(response.delay, self._send, request, response)
        else:
            self._send(request, response)

    def _answer(self, request: Request) -> Response:
        route = self.routes.get(request.path)
        if isinstance(route, Response):
            return route
        if route:
            return route(request)
        return _well_or_sick(request, self.server)

    def _send(self, request: Request, response: Response) -> None:
        if self.transport.is_closing():
            return
        self.transport.write(response.encoded())
        if response.raw is not None or request.headers.get("connection", "").lower() == "close":
            self.transport.close()
        elif self.buffer:
            self._next()


def _well_or_sick(request: Request, server: HttpServer) -> Response:
    """The answers that need no writing of their own."""
    query = request.query
    match request.path.split("/")[1:]:
        case ["ok" | ""]:
            return Response(headers={"Content-Type": "text/plain", "X-Served-By": "evenkeel"})
        case ["text"]:
            return Response(body=query.get("body", "all systems nominal\n"))
        case ["json"]:
            return Response(body=json.dumps({"status": "UP", "checks": [{"name": "db", "ok": True, "lag": 3}]}),
                            headers={"Content-Type": "application/json"})
        case ["chunked"]:
            return Response(raw=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                                b"5;x=y\r\nhello\r\n6\r\n world\r\n0\r\nX-Trailer: t\r\n\r\n")
        case ["echo"]:
            return Response(body=json.dumps({"method": request.method, "target": request.target, "body": request.body.decode(),
                                             "headers": dict(request.headers)}))
        case ["status", code]:
            return Response(status=int(code), body=b"" if code in ("204", "304") else f"{code}\n")
        case ["slow"]:
            return Response(delay=float(query.get("ms", 200)) / 1000)
        case ["redirect"]:
            return Response(status=int(query.get("status", 302)), body="", headers={"Location": query.get("to", "/ok")})
        case ["loop"]:
            return Response(status=302, body="", headers={"Location": "/loop"})
        case ["flapping"]:
            bad, good = int(query.get("bad", 1)), int(query.get("good", 1))
            turn = server.turns[request.target] % (bad + good)
            server.turns[request.target] += 1
            return Response(status=503 if turn < bad else 200)
        case ["bigbody"]:
            return Response(body=b"x" * int(query.get("bytes", 4 * 2**20)))
        case ["truncated"]:
            return Response(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        case ["garbage"]:
            return Response(raw=b"SSH-2.0-OpenSSH_9.2p1 Debian\r\n\r\n")
    return Response(status=404, body="no such path\n")


async def _hang(transport: asyncio.Transport, request: Request) -> None:
    await asyncio.sleep(3600)


async def _drip(transport: asyncio.Transport, request: Request) -> None:
    for byte in Response(body=b"x" * 1000).encoded():
        transport.write(bytes([byte]))
        await asyncio.sleep(float(request.query.get("ms", 100)) / 1000)


async def _hang_up(transport: asyncio.Transport, request: Request) -> None:
    transport.abort()


async def _endless(transport: asyncio.Transport, request: Request) -> None:
    transport.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while not transport.is_closing():
        transport.write(_ENDLESS)
        await asyncio.sleep(0.001)


async def _long_headers(transport: asyncio.Transport, request: Request) -> None:
    transport.write(b"HTTP/1.1 200 OK\r\n")
    while not transport.is_closing():
        transport.write(b"X-More: " + b"x" * 1000 + b"\r\n")
        await asyncio.sleep(0.0001)


# What writes to the connection itself, each as a task that ends with its connection.
_FAULTS = {"/hang": _hang, "/drip": _drip, "/close": _hang_up, "/endless": _endless, "/longheaders": _long_headers}


if __name__ == "__main__":
    with serve_http() as running:
        print(running.url, flush=True)
        sys.stdin.read()
