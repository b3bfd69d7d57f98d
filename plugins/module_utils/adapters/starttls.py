# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""STARTTLS: the few words before a handshake, in the protocols that have them."""

from __future__ import annotations

import socket
from collections.abc import Callable

from ..core.errors import Unreachable
from .blocking_sockets import time_left

_LINE_BYTES = 8192
_LINES = 100
# ExtendedRequest [APPLICATION 23] with requestName [0] 1.3.6.1.4.1.1466.20037, message id 1 (RFC 4511, 4.12 and 4.14.1).
_LDAP_STARTTLS = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x16" + b"1.3.6.1.4.1.1466.20037"
# Protocol::SSLRequest: capabilities PROTOCOL_41, SSL and SECURE_CONNECTION, packets of up to 16 MiB, character set utf8mb4 (MySQL
# documentation, "Connection Phase Packets").
_MYSQL_STARTTLS = (0x200 | 0x800 | 0x8000).to_bytes(4, "little") + (2**24).to_bytes(4, "little") + b"\x2d" + bytes(23)
_MYSQL_SSL = 0x800
# SSLRequest: length 8, code 80877103 (PostgreSQL documentation, "Message Formats").
_POSTGRES_STARTTLS = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"


def ask_for_tls(connection: socket.socket, protocol: str, end: float) -> None:
    """Speak ``smtp``, ``imap``, ``pop3``, ``postgres``, ``mysql`` or ``ldap`` up to where the handshake begins, by ``end`` (monotonic).

    :raises Unreachable: when the server says no, or something else
    :raises EOFError: when it hangs up
    :raises TimeoutError: when ``end`` comes first
    """
    _PROTOCOLS[protocol](_Dialogue(connection, end))


class _Dialogue:
    """Lines and bytes before TLS, all within one deadline."""

    def __init__(self, connection: socket.socket, end: float) -> None:
        self.connection = connection
        self.end = end

    def send(self, data: bytes) -> None:
        """Send everything."""
        self.connection.settimeout(time_left(self.end))
        self.connection.sendall(data)

    def receive(self, count: int) -> bytes:
        """Exactly so many bytes: what follows belongs to TLS.

        :raises EOFError: when the server hangs up before
        """
        data = b""
        while len(data) < count:
            self.connection.settimeout(time_left(self.end))
            more = self.connection.recv(count - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def line(self) -> bytes:
        """One line without its end; byte by byte, since what follows the last line belongs to TLS."""
        data = b""
        while not data.endswith(b"\n"):
            if len(data) > _LINE_BYTES:
                raise _refused("a line without an end")
            data += self.receive(1)
        return data.rstrip(b"\r\n")

    def lines_until(self, last: Callable[[bytes], bool]) -> list[bytes]:
        """Lines up to and with the first that is the last one."""
        lines: list[bytes] = []
        while not lines or not last(lines[-1]):
            if len(lines) >= _LINES:
                raise _refused("more lines than an answer has")
            lines.append(self.line())
        return lines


def _refused(said: bytes | str) -> Unreachable:
    """The error for a server that does not go on to TLS."""
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    return Unreachable(f"the server does not start TLS; it said {text[:100]!r}",
                       hint="Switch TLS on in the server, or correct starttls")


def _smtp(dialogue: _Dialogue) -> None:
    """RFC 3207; the last line of a reply has a space after its code."""
    def reply(code: bytes) -> list[bytes]:
        lines = dialogue.lines_until(lambda line: line[3:4] != b"-")
        if not lines[-1].startswith(code):
            raise _refused(lines[-1])
        return lines

    reply(b"220")
    dialogue.send(b"EHLO evenkeel.invalid\r\n")
    offers = [line[4:].strip().upper() for line in reply(b"250")]
    if b"STARTTLS" not in offers:
        raise _refused("250 without STARTTLS")
    dialogue.send(b"STARTTLS\r\n")
    reply(b"220")


def _imap(dialogue: _Dialogue) -> None:
    """RFC 3501, 6.2.1."""
    greeting = dialogue.line()
    if not greeting.startswith(b"* OK"):
        raise _refused(greeting)
    dialogue.send(b"a1 STARTTLS\r\n")
    answer = dialogue.lines_until(lambda line: line.startswith(b"a1 "))[-1]
    if not answer.upper().startswith(b"A1 OK"):
        raise _refused(answer)


def _pop3(dialogue: _Dialogue) -> None:
    """RFC 2595, section 4."""
    for command in (b"", b"STLS\r\n"):
        dialogue.send(command)
        answer = dialogue.line()
        if not answer.startswith(b"+OK"):
            raise _refused(answer)


def _mysql(dialogue: _Dialogue) -> None:
    """MySQL documentation, Protocol::HandshakeV10: the server speaks first, and says whether it has TLS."""
    head = dialogue.receive(4)  # length of three bytes, little end first, and the packet's number
    length = int.from_bytes(head[:3], "little")
    if not 0 < length <= _LINE_BYTES:
        raise _refused("what is no packet of MySQL")
    packet = dialogue.receive(length)
    if packet[0] == 0xFF:  # ERR_Packet: a code of two bytes and the text
        raise _refused(packet[3:])
    _version, nothing, rest = packet[1:].partition(b"\0")
    offers = rest[13:15]  # after the connection's id, a nonce and a filler
    if packet[0] != 10 or not nothing or len(offers) < 2:
        raise _refused("what is no greeting of MySQL")
    if not int.from_bytes(offers, "little") & _MYSQL_SSL:
        raise _refused("a greeting without SSL")
    dialogue.send(len(_MYSQL_STARTTLS).to_bytes(3, "little") + bytes([(head[3] + 1) % 256]) + _MYSQL_STARTTLS)


def _postgres(dialogue: _Dialogue) -> None:
    """PostgreSQL documentation, "SSL Session Encryption": one byte, S for yes and N for no."""
    dialogue.send(_POSTGRES_STARTTLS)
    answer = dialogue.receive(1)
    if answer != b"S":
        raise _refused(answer)


def _ldap(dialogue: _Dialogue) -> None:
    """RFC 4511, 4.14: LDAPMessage ::= SEQUENCE { messageID, [APPLICATION 24] { resultCode ENUMERATED, … } }."""
    dialogue.send(_LDAP_STARTTLS)
    tag, length = dialogue.receive(2)
    if length > 0x80:  # long form; Active Directory always uses it
        length = int.from_bytes(dialogue.receive(length - 0x80), "big")
    if tag != 0x30 or not 0 < length <= _LINE_BYTES:
        raise _refused("what is no LDAP message")
    body = dialogue.receive(length)
    _identifier, rest = _element(body)
    answer, _rest = _element(body, rest)
    result, _rest = _element(answer)
    if body[rest:rest + 1] != b"\x78" or result != b"\x00":
        raise _refused(f"resultCode {int.from_bytes(result, 'big')}")


def _element(data: bytes, start: int = 0) -> tuple[bytes, int]:
    """The content of the BER element at ``start`` (definite lengths, X.690 8.1.3) and where the next one begins."""
    head = data[start:start + 2]
    if len(head) < 2:
        raise _refused("a message that breaks off")
    length, begin = head[1], start + 2
    if length > 0x80:
        begin += length - 0x80
        length = int.from_bytes(data[start + 2:begin], "big")
    return data[begin:begin + length], begin + length


_PROTOCOLS: dict[str, Callable[[_Dialogue], None]] = {
    "smtp": _smtp, "imap": _imap, "pop3": _pop3, "postgres": _postgres, "mysql": _mysql, "ldap": _ldap}
