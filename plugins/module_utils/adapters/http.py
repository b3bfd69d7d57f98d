# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""One HTTP/1.1 exchange on asyncio, for probing: connect, send, read one answer within bounds, hang up.

Own code on the standard library, because a probe runs on hosts where nothing may be installed, must end at its deadline
whatever a server drips, must connect to the very address that was judged, and should cost little: http.client in threads
can be held past any timeout by single bytes, aiohttp and httpx took three to five times as long for the same 500 targets.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass

from ..core.errors import Unreachable
from .sockets import Dialer, Stage, network_errors

_READ = 65536
_MOST_HEAD = 65536
_MOST_CHUNK_LINE = 4096
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-9]\d\d)(?: [^\r\n]*)?\r?")
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*\r?")
_CHUNK_SIZE = re.compile(rb"([0-9a-fA-F]{1,16})[ \t]*(?:;[^\r\n]*)?")


class BadAnswer(Unreachable):
    """What came is not a whole HTTP answer."""


@dataclass(frozen=True)
class HttpAnswer:
    """``headers`` are pairs with names in lower case; ``cut`` says that the body is longer than was read."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    cut: bool


class AnswerReader:
    """Bytes in, an answer out; no I/O (RFC 9112). ``most`` bounds the body that is kept, headers are bounded by 64 KiB.

    Interim answers (1xx) are passed over. A lone line feed ends a line too, as section 2.2 allows.
    """

    def __init__(self, *, bodyless: bool, most: int) -> None:
        self._bodyless = bodyless
        self._most = most
        self._buffer = bytearray()
        self._status = 0
        self._headers: tuple[tuple[str, str], ...] = ()
        self._body = bytearray()
        self._cut = False
        self._read = self._read_head
        self._left = 0  # bytes of body or chunk still to come
        self._until_close = False

    def feed(self, data: bytes) -> HttpAnswer | None:
        """Take bytes; the answer as soon as it is whole or its bound is reached.

        :raises BadAnswer: where it is no HTTP
        """
        self._buffer += data
        while not self._read():
            if self._waits:
                return None
        return HttpAnswer(self._status, self._headers, bytes(self._body), self._cut)

    def end(self) -> HttpAnswer:
        """The peer hung up: the answer, if its body was to end so.

        :raises BadAnswer: where something is missing
        """
        if self._until_close:
            return HttpAnswer(self._status, self._headers, bytes(self._body), self._cut)
        if not self._status:
            raise BadAnswer("hung up without an answer" if not self._buffer else "hung up within its headers",
                            hint="See the service's log: it took the connection and broke off")
        raise BadAnswer(f"hung up within the body, after {len(self._body)} bytes",
                        hint="See the service's log: it began an answer and broke off")

    # Each step returns True when the answer is complete; else it sets _waits when it needs more bytes.
    _waits = False

    def _read_head(self) -> bool:
        end = _HEAD_END.search(self._buffer)
        self._waits = end is None
        if end is None:
            if len(self._buffer) > _MOST_HEAD:
                raise BadAnswer("sends more than 64 KiB of headers", hint="See what answers there")
            if len(self._buffer) >= 5 and not self._buffer.startswith(b"HTTP/"):
                raise self._no_http()
            return False
        first, *lines = bytes(self._buffer[:end.start()]).split(b"\n")
        status_line = _STATUS_LINE.fullmatch(first)
        if not status_line:
            raise self._no_http()
        del self._buffer[:end.end()]
        status = int(status_line[1])
        if 100 <= status < 200 and status != 101:
            return False
        self._status = status
        self._headers = tuple(_field(line) for line in lines)
        return self._frame()

    def _frame(self) -> bool:
        """How long the body is (RFC 9112, section 6.3)."""
        encodings = [value for name, value in self._headers if name == "transfer-encoding"]
        lengths = {length.strip() for name, value in self._headers if name == "content-length" for length in value.split(",")}
        if self._bodyless or self._status in (101, 204, 304):
            return True
        if encodings:
            if encodings[-1].lower().rpartition(",")[2].strip() == "chunked":
                self._read = self._read_chunk_size
            else:
                self._read, self._until_close = self._read_rest, True
        elif lengths:
            length = lengths.pop()
            if lengths or not re.fullmatch(r"\d{1,18}", length, re.ASCII):
                raise BadAnswer("sends contradicting or unreadable Content-Length", hint="See what answers there")
            self._read, self._left = self._read_counted, int(length)
        else:
            self._read, self._until_close = self._read_rest, True
        return False

    def _keep(self, number: int) -> bool:
        """Move bytes into the body; True where the bound is reached."""
        room = self._most - len(self._body)
        self._body += self._buffer[:min(number, room)]
        del self._buffer[:number]
        self._cut = self._cut or number > room
        return self._cut

    def _read_rest(self) -> bool:
        self._waits = True
        return self._keep(len(self._buffer))

    def _read_counted(self) -> bool:
        taken = min(self._left, len(self._buffer))
        self._left -= taken
        self._waits = True
        return self._keep(taken) or self._left == 0

    def _read_chunk_size(self) -> bool:
        line = self._line()
        if line is None:
            return False
        size = _CHUNK_SIZE.fullmatch(line.rstrip())
        if not size:
            raise BadAnswer("sends a chunk whose size cannot be read", hint="See what answers there")
        self._left = int(size[1], 16)
        self._read = self._read_chunk if self._left else self._read_trailer
        return False

    def _read_chunk(self) -> bool:
        taken = min(self._left, len(self._buffer))
        self._left -= taken
        if self._keep(taken):
            return True
        self._waits = self._left > 0
        if not self._left:
            self._read = self._read_chunk_end
        return False

    def _read_chunk_end(self) -> bool:
        line = self._line()
        if line:
            raise BadAnswer("sends a chunk that is longer than its size", hint="See what answers there")
        if line is not None:
            self._read = self._read_chunk_size
        return False

    def _read_trailer(self) -> bool:
        self._left += 1
        if self._left > 1000:
            raise BadAnswer("sends trailers without end", hint="See what answers there")
        return self._line() == b""

    def _line(self) -> bytes | None:
        """The next line without its end; None where it is not there yet."""
        end = self._buffer.find(b"\n")
        self._waits = end < 0
        if end < 0:
            if len(self._buffer) > _MOST_CHUNK_LINE:
                raise BadAnswer("sends a line without end within its body", hint="See what answers there")
            return None
        line = bytes(self._buffer[:end]).removesuffix(b"\r")
        del self._buffer[:end + 1]
        return line

    def _no_http(self) -> BadAnswer:
        began = "".join(letter if letter.isprintable() else "." for letter in self._buffer[:40].decode("latin-1"))
        return BadAnswer(f"does not speak HTTP: its answer begins {began!r}", hint="Check the port and whether TLS is spoken there")


def _field(line: bytes) -> tuple[str, str]:
    field = _FIELD.fullmatch(line)
    if not field:
        raise BadAnswer("sends a header line that cannot be read", hint="See what answers there")
    return field[1].decode("ascii").lower(), field[2].decode("latin-1")


async def exchange(dialer: Dialer, host: str, port: int, payload: bytes, *, tls: ssl.SSLContext | None, bodyless: bool,
                   max_body: int, foreign: bool = False, stage: Stage) -> HttpAnswer:
    """Send ``payload``, a whole request with ``Connection: close``, and read its answer; ``bodyless`` for HEAD,
    ``foreign`` where the host is the word of an answer.

    Its end, however it comes, closes the connection at once.

    :raises Refused, NotFound, Unreachable, TimedOut, Busy: as `Dialer.connect`
    :raises TlsFailed: by the handshake
    :raises BadAnswer: where the answer is no HTTP, or not whole
    """
    where = f"{host}:{port}"
    opened = await dialer.connect(host, port, stage=stage, foreign=foreign)
    answers = AnswerReader(bodyless=bodyless, most=max_body)
    try:
        with network_errors(where):
            if tls:
                return await _over_tls(dialer, opened, host, port, payload, answers, tls=tls, stage=stage)
            await asyncio.get_running_loop().sock_sendall(opened, payload)
            stage(f"the answer of {where}")
            return await _received(opened, answers, lambda: stage(f"the rest of the answer of {where}"))
    except BadAnswer as error:
        raise BadAnswer(f"{where} {error.message}", hint=error.hint) from error
    finally:
        opened.close()


async def _over_tls(dialer: Dialer, opened: socket.socket, host: str, port: int, payload: bytes, answers: AnswerReader, *,
                    tls: ssl.SSLContext, stage: Stage) -> HttpAnswer:
    reader, writer = await dialer.secure(opened, host, port, tls=tls, stage=stage)
    try:
        writer.write(payload)
        stage(f"the answer of {host}:{port}")
        while True:
            data = await reader.read(_READ)
            answer = answers.feed(data) if data else answers.end()
            if answer:
                return answer
            stage(f"the rest of the answer of {host}:{port}")
    finally:
        writer.transport.abort()


async def _received(opened: socket.socket, answers: AnswerReader, began: Callable[[], None]) -> HttpAnswer:
    """What comes over a plain socket, as one answer; ``began`` is called where it comes in parts.

    Neither streams nor the loop's sock_recv: the one costs a third of a plain probe, the other asks once in vain and waits anew
    for each part.
    """
    loop, descriptor = asyncio.get_running_loop(), opened.fileno()
    whole: asyncio.Future[HttpAnswer] = loop.create_future()

    def take() -> None:
        if whole.done():
            return
        try:
            data = opened.recv(_READ)
            answer = answers.feed(data) if data else answers.end()
        except (BlockingIOError, InterruptedError):
            return
        except Exception as error:  # it is raised where the answer is waited for
            whole.set_exception(error)
            return
        if answer:
            whole.set_result(answer)
        else:
            began()

    loop.add_reader(descriptor, take)
    try:
        return await whole
    finally:
        loop.remove_reader(descriptor)
