# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bind and one search in LDAP. The messages are ldap3's, the connection is ours: ldap3's own blocks past any deadline."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

from ..core.errors import AccessDenied, InvalidOption, LibraryMissing, NotFound, Unreachable
from ..core.redaction import printable
from .sockets import Dialer, Stage, network_errors

_STARTTLS = "1.3.6.1.4.1.1466.20037"  # RFC 4511, 4.14.1
_MOST_MESSAGE = 2**20
_MOST_ENTRIES = 100
# RFC 4511, 4.1.9, where the number says what to do.
_SUCCESS, _NO_SUCH_OBJECT = 0, 32
_REFUSALS = {8: "strongerAuthRequired", 13: "confidentialityRequired", 48: "inappropriateAuthentication", 49: "invalidCredentials",
             50: "insufficientAccessRights", 53: "unwillingToPerform"}


async def find_entry(dialer: Dialer, host: str, port: int, *, tls: ssl.SSLContext | None, starttls: ssl.SSLContext | None,
                     user: str | None, password: str | None, base: str, search_filter: str, stage: Stage) -> bool:
    """Bind, as nobody without a ``user``, and say whether the entry ``base`` is there and passes the filter (RFC 4515).

    :raises LibraryMissing: without ldap3
    :raises InvalidOption: for a filter that cannot be read
    :raises AccessDenied: the server does not take user and password, or wants TLS
    :raises NotFound: there is no such entry
    :raises Unreachable: it speaks no LDAP, or fails; and as `Dialer.stream`
    """
    messages = _Messages(search_filter, base)
    where = f"{host}:{port}"
    reader, writer = await dialer.stream(host, port, tls=tls, stage=stage)
    try:
        with network_errors(where):
            if starttls:
                stage(f"the answer of {where} to STARTTLS")
                await _ask(reader, writer, messages.starttls(), "extendedResp", where)
                if reader._buffer:  # what was sent in the clear would be read as if it had come through TLS (CVE-2011-0411)
                    raise Unreachable(f"{where} sends more than its answer before TLS", hint="See who is between here and the server")
                stage(f"the TLS handshake with {where}")
                await writer.start_tls(starttls, server_hostname=host)
            stage(f"the answer of {where} to bind")
            await _ask(reader, writer, messages.bind(user, password), "bindResponse", where)
            stage(f"the answer of {where} to search")
            return await _ask(reader, writer, messages.search, "searchResDone", where) > 0
    finally:
        writer.transport.abort()


class _Messages:
    """Requests as bytes; each connection has one of each, so that the message ids are fixed."""

    def __init__(self, search_filter: str, base: str) -> None:
        try:
            from ldap3 import BASE, DEREF_NEVER
            from ldap3.core.exceptions import LDAPExceptionError
            from ldap3.operation.search import search_operation
        except ImportError as error:
            raise LibraryMissing("ldap3") from error
        try:
            operation = search_operation(base, search_filter, BASE, DEREF_NEVER, ["1.1"], 1, 0, False, False, False)
            self.search = self._encoded(3, "searchRequest", operation)
        except (LDAPExceptionError, IndexError, ValueError) as error:
            raise InvalidOption(f"filter: {search_filter!r} is no filter", hint="Write it as RFC 4515 does: (uid=probe)") from error

    def starttls(self) -> bytes:
        """Ask for TLS."""
        from ldap3.operation.extended import extended_operation

        return self._encoded(1, "extendedReq", extended_operation(_STARTTLS))

    def bind(self, user: str | None, password: str | None) -> bytes:
        """Simple bind, or as nobody (RFC 4513, 5.1)."""
        from ldap3 import ANONYMOUS, SIMPLE
        from ldap3.operation.bind import bind_operation

        operation = bind_operation(3, SIMPLE, user, password) if user else bind_operation(3, ANONYMOUS)
        return self._encoded(2, "bindRequest", operation)

    @staticmethod
    def _encoded(number: int, kind: str, operation: Any) -> bytes:
        from ldap3.protocol.rfc4511 import LDAPMessage, MessageID, ProtocolOp
        from ldap3.utils.asn1 import encode

        message = LDAPMessage()
        message["messageID"] = MessageID(number)
        message["protocolOp"] = ProtocolOp().setComponentByName(kind, operation)
        return encode(message)


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes, expected: str, where: str) -> int:
    """Send, and read up to the answer; how many entries came before it."""
    writer.write(request)
    entries = 0
    while True:
        kind, answer = _decoded(await _message(reader, where), where)
        if kind == expected:
            break
        if kind not in ("searchResEntry", "searchResRef") or expected != "searchResDone" or entries > _MOST_ENTRIES:
            raise Unreachable(f"{where} answers {kind} where {expected} is due", hint="See the server's log; it may be ending the session")
        entries += kind == "searchResEntry"
    code = int(answer["resultCode"])
    if code == _SUCCESS:
        return entries
    said = printable(str(answer["diagnosticMessage"]), length=200)
    if code in _REFUSALS:
        raise AccessDenied(f"{where} refuses with {_REFUSALS[code]}{f': {said}' if said else ''}",
                           hint="Check user and password, its rights, and whether the server wants starttls")
    if code == _NO_SUCH_OBJECT:
        raise NotFound(f"{where} has no such entry{f': {said}' if said else ''}",
                       hint="Check base; the account may not be allowed to see it")
    raise Unreachable(f"{where} answers with result code {code}{f': {said}' if said else ''}", hint="See the server's log")


async def _message(reader: asyncio.StreamReader, where: str) -> bytes:
    """One LDAPMessage, a SEQUENCE of definite length (RFC 4511, 5.1; X.690, 8.1.3)."""
    try:
        head = await reader.readexactly(2)
        length = head[1]
        if length > 0x80:
            more = await reader.readexactly(min(length - 0x80, 8))
            head, length = head + more, int.from_bytes(more, "big")
        if head[0] != 0x30 or length > _MOST_MESSAGE or head[1] == 0x80:
            raise Unreachable(f"{where} does not speak LDAP", hint="Check the port and whether TLS is spoken there")
        return head + await reader.readexactly(length)
    except asyncio.IncompleteReadError as error:
        raise Unreachable(f"{where} hung up within its answer", hint="See the server's log; it may want TLS") from error


def _decoded(message: bytes, where: str) -> tuple[str, Any]:
    from ldap3.protocol.rfc4511 import LDAPMessage
    from pyasn1.codec.ber import decoder

    try:
        operation = decoder.decode(message, asn1Spec=LDAPMessage())[0]["protocolOp"]
        kind = operation.getName()
        answer = operation.getComponent()
        if kind in ("bindResponse", "searchResDone", "extendedResp"):
            int(answer["resultCode"])
            str(answer["diagnosticMessage"])
        return kind, answer
    except Exception as error:  # pyasn1 lets errors of many kinds out of what is no ASN.1
        raise Unreachable(f"{where} sends what is no message of LDAP", hint="See what answers there") from error
