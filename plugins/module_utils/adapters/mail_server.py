# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A mail server's door, by aiosmtplib: greeting, EHLO, STARTTLS, login. No mail is sent, and none is begun."""

from __future__ import annotations

import contextlib
import ssl
from dataclasses import dataclass

from ..core.errors import AccessDenied, LibraryMissing, OpsError, Unreachable
from ..core.redaction import printable
from .sockets import Dialer, Stage, network_errors


@dataclass(frozen=True)
class MailOffer:
    """The greeting without its code, and the extensions that EHLO listed, in capitals."""

    greeting: str
    extensions: tuple[str, ...]


async def meet(dialer: Dialer, host: str, port: int, *, tls: ssl.SSLContext | None, starttls: ssl.SSLContext | None, user: str | None,
               password: str | None, timeout: float, stage: Stage) -> MailOffer:
    """Come in by ``tls`` or begin ``starttls``, log in where ``user`` is given, and leave (QUIT).

    :raises LibraryMissing: without aiosmtplib
    :raises AccessDenied: the server does not take user and password
    :raises Unreachable: it is no mail server, refuses, or offers no STARTTLS; and as `Dialer.connect`
    """
    try:
        import aiosmtplib
    except ImportError as error:
        raise LibraryMissing("aiosmtplib") from error
    where = f"{host}:{port}"
    opened = await dialer.connect(host, port, stage=stage)
    client = aiosmtplib.SMTP(hostname=host, port=None, sock=opened, use_tls=tls is not None, start_tls=False, tls_context=tls or starttls,
                             timeout=timeout + 1, local_hostname="evenkeel.invalid")
    try:
        with network_errors(where):
            stage(f"the TLS handshake with {where}" if tls else f"the greeting of {where}")
            greeting = await client.connect()
            stage(f"the answer of {where} to EHLO")
            await client.ehlo()
            if starttls:
                stage(f"the answer of {where} to STARTTLS")
                await client.starttls(server_hostname=host, tls_context=starttls)
                await client.ehlo()
            if user is not None:
                stage(f"the answer of {where} to AUTH")
                await client.login(user, password or "")
            offer = MailOffer(greeting.message, tuple(sorted(name.upper() for name in client.esmtp_extensions)))
            with contextlib.suppress(aiosmtplib.SMTPException):
                stage(f"the answer of {where} to QUIT")
                await client.quit()
            return offer
    except aiosmtplib.SMTPException as error:
        if isinstance(error.__cause__, ssl.SSLError):
            with network_errors(where):
                raise error.__cause__ from error
        raise _in_our_words(error, where) from error
    except (ValueError, LookupError, AssertionError) as error:  # what the library makes of hostile answers
        raise Unreachable(f"{where} is no mail server: {type(error).__name__}",
                          hint="Check the port and whether TLS is spoken there") from error
    finally:
        if client.transport:
            client.transport.abort()  # before the socket goes: the loop must not watch a number that the next connection gets
        client.close()
        opened.close()


def _in_our_words(error: Exception, where: str) -> OpsError:
    import aiosmtplib

    said = printable(str(getattr(error, "message", error)), length=200)
    if isinstance(error, aiosmtplib.SMTPAuthenticationError):
        return AccessDenied(f"{where} refuses the login: {said}", hint="Check user and password; many servers want TLS first: starttls")
    code = getattr(error, "code", None)
    return Unreachable(f"{where} does not let us in: {f'{code} ' if code else ''}{said}",
                       hint="See the server's log; what it does not offer, STARTTLS or AUTH, is switched on there")
