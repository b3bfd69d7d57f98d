# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS endpoints: what a server shows in its handshake, with and without STARTTLS before it."""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
import warnings
from dataclasses import dataclass
from functools import lru_cache

from ..core.errors import OpsError, TimedOut, ToolMissing, Unreachable
from ..core.quantities import format_duration
from .blocking_sockets import connect, resolve, time_left
from .starttls import ask_for_tls
from .trust import trust_locations, unusable_trust

_VERSIONS = {"TLSv1": ssl.TLSVersion.TLSv1, "TLSv1.1": ssl.TLSVersion.TLSv1_1, "TLSv1.2": ssl.TLSVersion.TLSv1_2,
             "TLSv1.3": ssl.TLSVersion.TLSv1_3}
_OP_LEGACY_SERVER_CONNECT = 0x4  # openssl/ssl.h; named in ssl from Python 3.12 on


@dataclass(frozen=True)
class Served:
    """What a server showed: its chain (DER, its own certificate first) and the protocol that was negotiated.

    ``trusted`` is whether OpenSSL accepted the chain during the handshake at the machine's own time; ``fault`` is its
    code and text where it did not, None where it was not asked.
    """

    chain: tuple[bytes, ...]
    protocol: str
    trusted: bool
    fault: tuple[int, str] | None = None


class Tls:
    """Opens TLS connections, only to look. Safe to use from many threads; contexts are made once per trust store."""

    def look(self, host: str, port: int, *, timeout: float, server_name: str | None = None, starttls: str | None = None,
             ca_cert: str | None = None, verify: bool = True) -> Served:
        """Shake hands, verifying; where that fails, once more without, to read what is shown.

        Names are not checked here. ``timeout`` is for both together; only the resolver keeps its own time.

        :raises Refused: where a name leads to a link-local or metadata address
        :raises Unreachable: when nothing answers, or what answers does not speak TLS
        :raises TimedOut: when it does not answer, or not fast enough
        :raises NotFound, Damaged: when ``ca_cert`` cannot be used
        """
        end = time.monotonic() + timeout
        fault = None
        if verify:
            try:
                return self._shake(_verifying(ca_cert), host, port, server_name, starttls, end, timeout, trusted=True)
            except ssl.SSLCertVerificationError as error:
                fault = (error.verify_code, error.verify_message)
            except (ssl.SSLError, EOFError, ConnectionResetError, BrokenPipeError):
                pass  # perhaps only too old or too weak for the verifying context; the second attempt says what it is
            except OSError as error:
                raise _no_tls(error, starttls) from error
        try:
            served = self._shake(_lenient(), host, port, server_name, starttls, end, timeout, trusted=False)
        except (ssl.SSLError, OSError, EOFError) as error:
            raise _no_tls(error, starttls) from error
        return Served(served.chain, served.protocol, False, fault)

    def accepts(self, host: str, port: int, *, timeout: float, below: str, server_name: str | None = None,
                starttls: str | None = None) -> str | None:
        """The newest protocol older than ``below`` that the server still agrees to, None where it refuses them all.

        :raises Unreachable, TimedOut: when it cannot be asked
        :raises ToolMissing: when the OpenSSL of this host was built without the older protocols
        """
        names = list(_VERSIONS)
        older = names[: names.index(below)]
        if not older:
            return None
        end = time.monotonic() + timeout
        try:
            return self._shake(_lenient(older[-1]), host, port, server_name, starttls, end, timeout, trusted=False).protocol
        except (ssl.SSLError, ConnectionError, EOFError) as error:
            if isinstance(error, ConnectionRefusedError):
                raise _no_tls(error, starttls) from error
            if getattr(error, "reason", None) == "NO_PROTOCOLS_AVAILABLE":  # it was we who could not
                raise ToolMissing(f"the OpenSSL of this host ({ssl.OPENSSL_VERSION}) does not speak {older[-1]}",
                                  hint="Run the check from another host, or set refuse_older to false") from error
            return None  # an alert or a closed connection is how servers turn a protocol down
        except OSError as error:
            raise _no_tls(error, starttls) from error

    def addresses(self, host: str, port: int) -> list[str]:
        """Every address that this host's resolver has for a name, of the families that this host has itself.

        :raises Refused: as `look`
        :raises Unreachable: when the name cannot be resolved
        """
        try:
            found = resolve(host, port, flags=socket.AI_ADDRCONFIG)
        except (OSError, UnicodeError) as error:
            raise _no_tls(error, None) from error
        return list(dict.fromkeys(str(address[0]) for _family, address in found))

    def stapled(self, host: str, port: int, *, timeout: float, server_name: str | None = None, starttls: str | None = None) -> bytes:
        """The OCSP answer that the server staples, empty where it does not.

        :raises Unreachable, TimedOut: as `look`
        :raises LibraryMissing: without pyOpenSSL
        """
        from .stapling import stapled_answer

        end = time.monotonic() + timeout
        try:
            # A server that fetches its answers late (nginx) has none for the first who asks.
            for pause in (0.0, min(1.0, timeout / 4)):
                time.sleep(pause)
                with contextlib.closing(connect(host, port, end=end)) as connection:
                    if starttls:
                        ask_for_tls(connection, starttls, end)
                    answer = stapled_answer(connection, server_name, end)
                if answer:
                    return answer
        except TimeoutError as error:
            raise _too_late(timeout) from error
        except (OSError, EOFError) as error:
            raise _no_tls(error, starttls) from error
        return b""

    def _shake(self, context: ssl.SSLContext, host: str, port: int, server_name: str | None, starttls: str | None,
               end: float, timeout: float, *, trusted: bool) -> Served:
        try:
            with contextlib.closing(connect(host, port, end=end)) as connection:
                if starttls:
                    ask_for_tls(connection, starttls, end)
                connection.settimeout(time_left(end))
                # do_handshake keeps one deadline for the whole handshake, however slowly the bytes drip in.
                with context.wrap_socket(connection, server_hostname=server_name) as secured:
                    chain = _chain(secured)
                    if not chain:
                        raise Unreachable("the server showed no certificate", hint="Switch anonymous and pre-shared key ciphers off")
                    return Served(chain, secured.version() or "", trusted)
        except TimeoutError as error:  # socket.timeout and the handshake's own alike
            raise _too_late(timeout) from error


def _too_late(timeout: float) -> TimedOut:
    return TimedOut(f"no full answer within {format_duration(timeout)}",
                    hint="See whether the service hangs or a firewall drops packets; or allow it more time")


def _chain(secured: ssl.SSLSocket) -> tuple[bytes, ...]:
    public = getattr(secured, "get_unverified_chain", None)
    if public:
        return tuple(public() or ())
    # Public from Python 3.13 on; until then only the C object has it, with the same meaning. Its encoding 2 is DER.
    inner = getattr(getattr(secured, "_sslobj", None), "get_unverified_chain", None)
    if inner:
        return tuple(certificate.public_bytes(2) for certificate in inner() or ())
    alone = secured.getpeercert(binary_form=True)
    return (alone,) if alone else ()


@lru_cache(maxsize=256)
def _verifying(ca_cert: str | None) -> ssl.SSLContext:
    """Loading a trust store costs more than a handshake: one context for all that share it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False  # names are judged apart from trust, so that both can be told
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # as trust.path_fault
    for file, folder in trust_locations(ca_cert):
        try:
            context.load_verify_locations(file, folder)
        except (ssl.SSLError, OSError) as error:
            raise unusable_trust(ca_cert) from error
    return context


@lru_cache(maxsize=8)
def _lenient(newest: str = "TLSv1.3") -> ssl.SSLContext:
    """Shakes hands with anything, to see what it is; nothing but the certificate is ever read through it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    # Debian's and others' policy refuses TLS 1.0 and weak keys on the client's side; here they are what is looked for.
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    context.options |= _OP_LEGACY_SERVER_CONNECT
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, _VERSIONS[newest]
    return context


def _no_tls(error: BaseException, starttls: str | None) -> OpsError:
    """What an operator would call it."""
    if isinstance(error, socket.gaierror):
        return Unreachable(f"the name cannot be resolved: {error.strerror}", hint="Correct the name, or see the resolver of this host")
    if isinstance(error, ConnectionRefusedError):
        return Unreachable("nothing listens there: connection refused", hint="Start the service, or correct the port")
    if isinstance(error, (ssl.SSLZeroReturnError, ssl.SSLEOFError, EOFError, ConnectionResetError, BrokenPipeError)):
        return Unreachable("the server closed the connection before it had shown a certificate",
                           hint="See its log; perhaps it wants another SNI name (server_name), or STARTTLS (starttls)")
    if isinstance(error, ssl.SSLError):
        reason = error.reason or str(error)
        if reason in ("WRONG_VERSION_NUMBER", "UNKNOWN_PROTOCOL", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE"):
            return Unreachable("the server answers in plain text, not TLS",
                               hint="It is another port, or it wants STARTTLS" if not starttls else "It said yes to STARTTLS: see its log")
        return Unreachable(f"the handshake failed: {reason.lower().replace('_', ' ')}",
                           hint="See the server's log; its protocols and ciphers may have nothing in common with OpenSSL's")
    return Unreachable(f"it cannot be reached: {getattr(error, 'strerror', None) or error}",
                       hint="See routes and firewalls between this host and it")
