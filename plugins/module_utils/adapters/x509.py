# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates and keys, read with cryptography; names, compared by service-identity; trust, judged by OpenSSL.

The libraries are imported when first needed, each a tenth of a second: not at all for a run over endpoints whose
certificates are in order and of the usual forms (`x509_plain`).
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import AccessDenied, Damaged, LibraryMissing, NotFound, StorageFailed
from ..core.files import storage_errors
from . import x509_plain
from .certificate_parsing import understood
from .trust import path_fault

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
else:  # until _require() has imported them
    x509 = InvalidSignature = UnsupportedAlgorithm = Encoding = PublicFormat = None

# No certificate store comes near; a log file that matches a pattern by accident may.
_MOST_BYTES = 16 * 2**20
# JKS and JCEKS begin with a number of their own (sun.security.provider.JavaKeyStore, com.sun.crypto.provider.JceKeyStore).
_JAVA_KEYSTORES = (b"\xfe\xed\xfe\xed", b"\xce\xce\xce\xce")
_PEM_LABELS = (b"-----BEGIN CERTIFICATE-----", b"-----BEGIN X509 CERTIFICATE-----")
# A PKCS#12 file is a SEQUENCE that starts with INTEGER 3 (RFC 7292, 4); a DER certificate starts with another SEQUENCE.
_PKCS12 = re.compile(rb"\x30(?:[\x00-\x80]|\x81.|\x82..|\x83...|\x84....)\x02\x01\x03", re.DOTALL)


class X509:
    """Reads certificate files and answers questions about certificates, which are handed around as DER."""

    def read(self, path: str, *, format: str = "auto", password: str | None = None) -> tuple[list[bytes], bytes | None]:
        """The certificates of a file in their order, and the public half (SPKI, DER) of a key beside them, if any.

        ``format`` is auto, pem, der, pkcs12 or jks. A readable file without certificates gives an empty list. Of a JKS keystore
        the keys are not looked at.

        :raises NotFound: when there is no such file
        :raises StorageFailed: when it is no regular file, cannot be read, or is too large to be one of certificates
        :raises AccessDenied: when the password of a PKCS#12 file is wrong or missing
        :raises Damaged: when the content is not what it should be
        :raises ToolMissing: for a JKS keystore, without Java's keytool
        """
        _require()
        data = _content(path)
        if not data.strip():
            raise Damaged("the file is empty", hint="Write the certificate again, from its source or a backup")
        if format == "jks" or (format == "auto" and data.startswith(_JAVA_KEYSTORES)):
            from .java_keystore import keystore_certificates

            return _pem_certificates(keystore_certificates(path, password)), None
        return self.parse(data, format=format, password=password)

    def parse(self, data: bytes, *, format: str = "auto", password: str | None = None) -> tuple[list[bytes], bytes | None]:
        """As `read`, of content that is at hand: PEM, DER or PKCS#12.

        :raises AccessDenied, Damaged: as `read`
        """
        _require()
        kind = format if format != "auto" else "pem" if b"-----BEGIN " in data else "pkcs12" if _PKCS12.match(data) else "der"
        if kind == "pkcs12":
            return _open_pkcs12(data, password)
        with understood(f"it does not hold {'a certificate' if kind == 'der' else 'certificates'} in {kind.upper()}",
                        "Look at it (openssl x509 -in FILE -text), then write it again"):
            if kind == "pem":
                return _pem_certificates(data), _public_half(data, password) if b"PRIVATE KEY-----" in data else None
            return [x509.load_der_x509_certificate(data).public_bytes(Encoding.DER)], None

    def public_half(self, path: str, *, password: str | None = None) -> bytes:
        """The public half (SPKI, DER) of the private key in a PEM or DER file.

        :raises NotFound, StorageFailed, AccessDenied, Damaged: as `read`
        """
        _require()
        half = _public_half(_content(path), password)
        if half is None:
            raise Damaged("it holds no private key that can be read", hint="Name the file that has the private key, PEM or DER")
        return half

    def describe(self, der: bytes, *, accepted: bool = False) -> dict[str, Any]:
        """Facts of a certificate; ``accepted`` says that OpenSSL has just accepted it, so that it need not be doubted.

        ``subject`` and ``issuer`` (RFC 4514), ``not_before`` and ``not_after`` (aware, UTC), ``key_kind`` (RSA, DSA, EC,
        Ed25519, …), ``key_bits`` (None where unknown), ``key`` (SPKI, DER), ``signature`` (name of the hash, or ed25519,
        ed448, or the OID of an algorithm that is not known), ``names`` (its subjectAltName, DNS names and addresses),
        ``authority`` (may issue certificates), ``self_signed``, ``serial`` (hexadecimal).

        :raises Damaged: when it cannot be parsed
        """
        return dict((_accepted if accepted else _described)(der))

    def covers(self, der: bytes, host: str) -> bool:
        """Whether the certificate is valid for a host name (A-labels) or an address, by its subjectAltName (RFC 9525).

        :raises LibraryMissing: without service-identity, where names are not simply equal
        """
        if host in _described(der)["names"]:
            return True
        try:
            from service_identity import CertificateError, VerificationError
            from service_identity.cryptography import verify_certificate_hostname, verify_certificate_ip_address
        except ImportError as error:
            raise LibraryMissing("service-identity") from error
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            verify = verify_certificate_hostname
        else:
            verify, host = verify_certificate_ip_address, str(address)
        try:
            verify(_loaded(der), host)
        except (VerificationError, CertificateError, ValueError):
            return False
        return True

    def chain_fault(self, chain: Sequence[bytes], *, ca_cert: str | None, now: datetime) -> tuple[str, str]:
        """What keeps the first certificate from being trusted: a word and the subject that it stopped at.

        The other certificates of ``chain`` help to build the path. The word is empty where all is well, else one of
        ``self-signed``, ``unknown authority``, ``incomplete chain``, ``expired``, ``not yet valid`` (of an authority;
        the dates of the first certificate are not judged here), ``bad signature``, ``not an authority``, or OpenSSL's
        own text. ``ca_cert`` is a file or folder of trusted certificates, None is the system's.

        :raises NotFound, Damaged: when ``ca_cert`` cannot be used
        :raises LibraryMissing: without pyOpenSSL
        """
        word, at = path_fault(chain, ca_cert=ca_cert, now=now)
        return word, _described(at)["subject"] if at else ""

    def issuers(self, chain: Sequence[bytes]) -> set[int]:
        """Positions of the certificates that issued another one of them."""
        by_subject: dict[str, list[int]] = {}
        for position, der in enumerate(chain):
            by_subject.setdefault(_described(der)["subject"], []).append(position)
        return {
            above for position, der in enumerate(chain) for above in by_subject.get(_described(der)["issuer"], ())
            if above != position and chain[above] != der and _issued(_loaded(chain[above]), _loaded(der))
        }


@lru_cache(maxsize=1)
def _require() -> None:
    global x509, InvalidSignature, UnsupportedAlgorithm, Encoding, PublicFormat
    try:
        from cryptography import x509
        from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
    except ImportError as error:
        raise LibraryMissing("cryptography") from error


def _content(path: str) -> bytes:
    if not os.path.lexists(path):
        raise NotFound("there is no such file", hint="Correct the path, or put the file there")
    with storage_errors(path):
        if not os.path.isfile(path):  # opening a pipe would wait for ever
            kind = "a folder" if os.path.isdir(path) else "no regular file, or a link to nothing"
            raise StorageFailed(f"it is {kind}", hint="Name a file here, and folders with the key folder")
        size = os.path.getsize(path)
        if size > _MOST_BYTES:
            raise StorageFailed(f"it has {size} bytes, more than a file of certificates can have",
                                hint="Narrow the patterns, or name another file")
        return Path(path).read_bytes()


def _pem_certificates(data: bytes) -> list[bytes]:
    if not any(label in data for label in _PEM_LABELS):
        return []
    return [certificate.public_bytes(Encoding.DER) for certificate in x509.load_pem_x509_certificates(data)]


def _open_pkcs12(data: bytes, password: str | None) -> tuple[list[bytes], bytes | None]:
    from cryptography.hazmat.primitives.serialization import pkcs12

    try:
        store = pkcs12.load_pkcs12(data, password.encode() if password is not None else None)
    except (ValueError, UnsupportedAlgorithm) as error:
        if "password" in str(error).lower():
            raise AccessDenied("it cannot be opened with this password" if password else "it cannot be opened without a password",
                               hint="Give the right password; if it is right, the file is damaged") from error
        raise Damaged(f"it is no PKCS#12 file that can be read: {error}", hint="Export it again from its source") from error
    certificates = [one.certificate for one in (store.cert, *store.additional_certs) if one is not None]
    return [one.public_bytes(Encoding.DER) for one in certificates], _spki(store.key.public_key()) if store.key else None


def _public_half(data: bytes, password: str | None) -> bytes | None:
    from cryptography.hazmat.primitives.serialization import load_der_private_key, load_pem_private_key

    load = load_pem_private_key if b"-----BEGIN " in data else load_der_private_key
    locked = b"ENCRYPTED" in data
    try:
        if load is load_pem_private_key:
            # Only the key's own block: a file that starts with certificates is common.
            found = re.search(rb"-----BEGIN ([A-Z ]*PRIVATE KEY)-----.*?-----END \1-----", data, re.DOTALL)
            if not found:
                return None
            data = found[0]
        return _spki(load(data, password.encode() if password and locked else None).public_key())
    except (TypeError, ValueError) as error:
        if locked:
            raise AccessDenied("the private key cannot be opened with this password" if password
                               else "the private key is encrypted", hint="Give its password with the key password") from error
        return None
    except UnsupportedAlgorithm:
        return None


def _spki(key: Any) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@lru_cache(maxsize=4096)
def _accepted(der: bytes) -> dict[str, Any]:
    try:
        return x509_plain.describe(der)
    except x509_plain.Declined:
        return _described(der)


@lru_cache(maxsize=4096)
def _loaded(der: bytes) -> Any:
    _require()
    with understood("the certificate cannot be parsed", "Have it issued again"):
        return x509.load_der_x509_certificate(der)


@lru_cache(maxsize=4096)
def _described(der: bytes) -> dict[str, Any]:
    """One parse for a certificate that many endpoints show, intermediates above all."""
    with understood("the certificate cannot be parsed", "Have it issued again"):
        return _facts(_loaded(der))


def _facts(certificate: Any) -> dict[str, Any]:
    try:
        key = certificate.public_key()
        kind, bits, spki = _key_kind(key), _key_bits(key), _spki(key)
    except (ValueError, UnsupportedAlgorithm):
        kind, bits, spki = certificate.public_key_algorithm_oid.dotted_string, None, b""
    names: list[str] = []
    authority = False
    for extension in certificate.extensions:
        if isinstance(extension.value, x509.SubjectAlternativeName):
            names = [name.lower() for name in extension.value.get_values_for_type(x509.DNSName)]
            names += [str(address) for address in extension.value.get_values_for_type(x509.IPAddress)]
        elif isinstance(extension.value, x509.BasicConstraints):
            authority = extension.value.ca
    return {
        "subject": certificate.subject.rfc4514_string(), "issuer": certificate.issuer.rfc4514_string(),
        "not_before": certificate.not_valid_before_utc, "not_after": certificate.not_valid_after_utc,
        "key_kind": kind, "key_bits": bits, "key": spki, "signature": _signature(certificate), "names": tuple(names),
        "authority": authority, "serial": f"{certificate.serial_number:x}",
        "self_signed": certificate.subject == certificate.issuer and _issued(certificate, certificate),
    }


def _issued(issuer: Any, certificate: Any) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except InvalidSignature:
        return False
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # A digest that cryptography no longer verifies (MD5, SHA-1): the names are all that is left to go by.
        return certificate.issuer == issuer.subject
    return True


def _key_kind(key: Any) -> str:
    word = type(key).__name__.removesuffix("PublicKey").lstrip("_")
    return {"EllipticCurve": "EC"}.get(word, word)


def _key_bits(key: Any) -> int | None:
    return getattr(key, "key_size", None) or {"Ed25519": 256, "Ed448": 456}.get(_key_kind(key))


def _signature(certificate: Any) -> str:
    try:
        digest = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return certificate.signature_algorithm_oid.dotted_string
    if digest is not None:
        return digest.name
    return {"1.3.101.112": "ed25519", "1.3.101.113": "ed448"}.get(certificate.signature_algorithm_oid.dotted_string,
                                                                  certificate.signature_algorithm_oid.dotted_string)
