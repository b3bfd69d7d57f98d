# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is a certificate revoked? Asked of the responder (OCSP, RFC 6960), else read off the list (CRL, RFC 5280) that it names itself.

Only of a path that is trusted: an address in a certificate that nobody vouches for is a stranger's word. What is answered is
believed by its signature alone. What is said is a tuple: good, bad or unknown; a sentence; what to do; what was seen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import lru_cache
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

from ..core.clock import Clock
from ..core.errors import Damaged, LibraryMissing, OpsError, TimedOut, Unreachable
from ..core.quantities import format_duration
from .caa import caa_issuers
from .certificate_parsing import understood
from .http import exchange
from .ocsp import SKEW, Said, read_answer, revoked
from .sockets import Dialer
from .trust import trusted_path

_MOST_BYTES = 64 * 2**20  # the largest lists of public authorities have some 30 MB


class Inquiry:
    """Asks responders, lists and zones; each thing once in a run, however many endpoints show it. Safe in many threads.
    What a certificate says where to ask is the word of a stranger, numbers too.
    """

    def __init__(self, clock: Clock, *, timeout: float, resolver: tuple[str, int] | None = None) -> None:
        self._clock, self._timeout = clock, timeout
        self._state_of = lru_cache(maxsize=4096)(self._state)
        self._list_of = lru_cache(maxsize=64)(self._list)
        self._caa_of = lru_cache(maxsize=4096)(lambda name: caa_issuers(name, resolver=resolver, timeout=timeout))

    def caa(self, name: str) -> frozenset[str] | None:
        """As `caa_issuers`."""
        return self._caa_of(name)

    def revocation(self, chain: Sequence[bytes], *, ca_cert: str | None) -> list[Said]:
        """What is said of each certificate on the path that has an issuer, the first of ``chain`` (DER) before the others.

        :raises LibraryMissing: without cryptography or pyOpenSSL
        """
        path = self._path(chain, ca_cert)
        if not path:
            return [("unknown", "whether it is revoked was not asked: no trusted path leads to it", "See its chain and dates", "")]
        return [self._state_of(below, above) for below, above in pairwise(path)]

    def stapled(self, chain: Sequence[bytes], answer: bytes, *, ca_cert: str | None) -> Said:
        """What a stapled answer says of the first certificate; none is bad."""
        if not answer:
            return ("bad", "the server staples no OCSP answer", "Switch stapling on, and let the server reach the responder", "none")
        path = self._path(chain, ca_cert)
        if len(path) < 2:
            return ("unknown", "what the server staples was not judged: no trusted path leads to it", "See its chain and dates", "")
        try:
            with _understood("the stapled answer"):
                return read_answer(answer, _load(path[0]), _load(path[1]), self._clock.now(), "the stapled answer")
        except OpsError as error:
            return ("bad", f"what the server staples cannot be used: {error.message}", error.hint, "unusable")

    def _path(self, chain: Sequence[bytes], ca_cert: str | None) -> list[bytes]:
        try:
            return trusted_path(chain, ca_cert=ca_cert, now=self._clock.now())
        except LibraryMissing:
            raise
        except OpsError:
            return []

    def _state(self, below: bytes, above: bytes) -> Said:
        try:
            with _understood("the certificate"):
                certificate, issuer = _load(below), _load(above)
                name = certificate.subject.rfc4514_string()
                responders, lists = _responders(certificate), _lists(certificate)
        except Damaged as error:
            return ("unknown", f"whether it is revoked could not be found out: {error.message}", error.hint, "")
        if not responders and not lists:
            return ("unknown", f"{name} names neither a responder nor a list", "Have it issued by an authority that says what it revoked, "
                    "or set verify_revocation to false for this source", "")
        problems = []
        for url, read in [*((url, self._ask) for url in responders), *((url, self._look_up) for url in lists)]:
            try:
                with _understood(url):
                    return read(url, certificate, issuer)
            except OpsError as error:
                problems.append(error)
        return ("unknown", f"whether {name} is revoked could not be found out: {problems[0].message}", problems[0].hint, "")

    def _ask(self, url: str, certificate: Any, issuer: Any) -> Said:
        from cryptography.hazmat.primitives.hashes import SHA1
        from cryptography.hazmat.primitives.serialization import Encoding
        from cryptography.x509 import ocsp

        # SHA-1 names the issuer here and protects nothing; it is the one that every responder knows (RFC 5019, 2.1.1).
        request = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, SHA1()).build().public_bytes(Encoding.DER)
        answer = self._fetch(url, request)
        return read_answer(answer, certificate, issuer, self._clock.now(), url)

    def _look_up(self, url: str, certificate: Any, issuer: Any) -> Said:
        listed = self._list_of(url)
        now = self._clock.now()
        if listed.issuer != issuer.subject or not listed.is_signature_valid(issuer.public_key()):
            raise Damaged(f"the list at {url} is not signed by the issuer", hint="Tell the authority; see what answers at that address")
        if listed.last_update_utc > now + SKEW or (listed.next_update_utc or now) < now:
            raise Damaged(f"the list at {url} is out of date", hint="The authority has to publish a new one; compare the clock of this "
                          "host (timedatectl)")
        if not _covers_all(listed):
            raise Damaged(f"the list at {url} does not speak of all certificates of the issuer", hint="Use OCSP where the authority has it")
        found = listed.get_revoked_certificate_by_serial_number(certificate.serial_number)
        name = certificate.subject.rfc4514_string()
        if found is None:
            return ("good", f"{name} is not on the list of its issuer", "", "good")
        return revoked(name, found.revocation_date_utc, _reason(found))

    def _list(self, url: str) -> Any:
        from cryptography import x509

        data = self._fetch(url, None)
        try:
            return x509.load_pem_x509_crl(data) if data.lstrip().startswith(b"-----BEGIN") else x509.load_der_x509_crl(data)
        except ValueError as error:
            raise Damaged(f"what {url} gives is no list of revoked certificates", hint="See what answers there") from error

    def _fetch(self, url: str, body: bytes | None) -> bytes:
        """One request; redirects are not followed."""
        try:
            parts = urlsplit(url)
            port = parts.port or (443 if parts.scheme == "https" else 80)
        except ValueError:
            parts, port = urlsplit(""), 0
        if parts.scheme not in ("http", "https") or not parts.hostname or not url.isascii() or not url.isprintable() or " " in url:
            raise Unreachable(f"{url!r} is no address that can be asked", hint="Only http and https are")
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        head = f"{'GET' if body is None else 'POST'} {target} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n" \
               f"Accept-Encoding: identity\r\n"
        if body is not None:
            head += f"Content-Type: application/ocsp-request\r\nContent-Length: {len(body)}\r\n"
        payload = head.encode() + b"\r\n" + (body or b"")

        async def ask() -> Any:
            dialer = Dialer()
            tls = dialer.tls_context(validate_certs=True, ca_cert=None) if parts.scheme == "https" else None
            return await asyncio.wait_for(exchange(
                dialer, str(parts.hostname), port, payload, tls=tls, bodyless=False, max_body=_MOST_BYTES, foreign=True,
                stage=lambda _what: None), self._timeout)

        try:
            answer = asyncio.run(ask())
        except TimeoutError as error:
            raise TimedOut(f"{url} did not answer within {format_duration(self._timeout)}",
                           hint="See whether a firewall drops packets to it; or allow it more time") from error
        if answer.status != 200 or answer.cut:
            raise Unreachable(f"{url} answered {'with more than can be taken' if answer.cut else answer.status}",
                              hint="See the authority's status page, and a proxy between")
        return answer.body


def _understood(what: str) -> AbstractContextManager[None]:
    """What strangers send may be anything.

    :raises Damaged: where the library cannot make sense of it
    """
    return understood(f"{what} cannot be understood", "Tell the authority")


def _reason(revoked: Any) -> str:
    from cryptography import x509

    try:
        return revoked.extensions.get_extension_for_class(x509.CRLReason).value.reason.value
    except (x509.ExtensionNotFound, ValueError):
        return ""


def _covers_all(listed: Any) -> bool:
    """Whether absence from it means anything: lists of a part (RFC 5280, section 5.2.5) or of changes (5.2.4) say less."""
    from cryptography import x509

    for extension in listed.extensions:
        if isinstance(extension.value, x509.DeltaCRLIndicator):
            return False
        if isinstance(extension.value, x509.IssuingDistributionPoint):
            part = extension.value
            if part.indirect_crl or part.only_contains_attribute_certs or part.only_some_reasons:
                return False
    return True


def _responders(certificate: Any) -> list[str]:
    from cryptography import x509

    try:
        described = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except (x509.ExtensionNotFound, ValueError):
        return []
    return [one.access_location.value for one in described if one.access_method == x509.oid.AuthorityInformationAccessOID.OCSP
            and isinstance(one.access_location, x509.UniformResourceIdentifier)]


def _lists(certificate: Any) -> list[str]:
    from cryptography import x509

    try:
        points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    except (x509.ExtensionNotFound, ValueError):
        return []
    return [name.value for point in points for name in point.full_name or () if isinstance(name, x509.UniformResourceIdentifier)
            and name.value.startswith(("http://", "https://"))]


def _load(der: bytes) -> Any:
    try:
        from cryptography import x509
    except ImportError as error:
        raise LibraryMissing("cryptography") from error
    return x509.load_der_x509_certificate(der)
