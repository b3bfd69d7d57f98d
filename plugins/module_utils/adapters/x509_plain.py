# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts of certificates in their most usual form, read off their DER without cryptography.

Own code beside a library, because importing cryptography and describing 500 certificates with it costs half as much as
500 handshakes. Hence the bounds: asked only of what OpenSSL parsed and accepted a moment ago, and anything that is not of the
plainest form (RFC 5280) is declined: `X509` then asks cryptography, whose answers these must equal.
"""

from __future__ import annotations

import ipaddress
from datetime import datetime, timezone
from functools import lru_cache
from typing import Any

_SEQUENCE, _SET, _INTEGER, _BITS, _OCTETS, _OID, _BOOLEAN = 0x30, 0x31, 0x02, 0x03, 0x04, 0x06, 0x01
_TEXTS = {0x0C, 0x13, 0x16}  # UTF8String, PrintableString, IA5String
_VERSION_3 = b"\x02\x01\x02"
# Whole AlgorithmIdentifiers, parameters included (RFC 3279, 5758, 5480, 8410).
_SIGNATURES = {bytes.fromhex(written): name for written, name in (
    ("300d06092a864886f70d01010b0500", "sha256"), ("300d06092a864886f70d01010c0500", "sha384"),
    ("300d06092a864886f70d01010d0500", "sha512"), ("300a06082a8648ce3d040302", "sha256"),
    ("300a06082a8648ce3d040303", "sha384"), ("300a06082a8648ce3d040304", "sha512"), ("300506032b6570", "ed25519"))}
_CURVES = {bytes.fromhex(written): bits for written, bits in (
    ("301306072a8648ce3d020106082a8648ce3d030107", 256), ("301006072a8648ce3d020106052b81040022", 384),
    ("301006072a8648ce3d020106052b81040023", 521))}
_RSA = bytes.fromhex("300d06092a864886f70d0101010500")
_ED25519 = bytes.fromhex("300506032b6570")
# The short names of RFC 4514, section 3, and the most that RFC 5280 lets a value have.
_ATTRIBUTES = {b"\x55\x04\x03": ("CN", 64), b"\x55\x04\x06": ("C", 2), b"\x55\x04\x07": ("L", 128), b"\x55\x04\x08": ("ST", 128),
               b"\x55\x04\x0a": ("O", 64), b"\x55\x04\x0b": ("OU", 64)}
_ALTERNATIVE_NAMES, _BASIC_CONSTRAINTS = b"\x55\x1d\x11", b"\x55\x1d\x13"
_NEEDS_ESCAPE = frozenset('\\"+,;<>#=')


class Declined(Exception):
    """Not of the plainest form: ask a library."""


def describe(der: bytes) -> dict[str, Any]:
    """The facts that `X509.describe` gives, of a certificate that OpenSSL has accepted.

    :raises Declined: for everything unusual, self-issued certificates and what is no certificate among it
    """
    try:
        return _describe(der)
    except (IndexError, ValueError) as error:  # breaks off, or is no text, number or date
        raise Declined(str(error)) from error


def _describe(der: bytes) -> dict[str, Any]:
    to_be_signed, outer, signature = _parts(_only(der, _SEQUENCE), _SEQUENCE, _SEQUENCE, _BITS)
    inside = _elements(to_be_signed[1])
    if len(inside) != 8 or [tag for tag, _content, _whole in inside] != [0xA0, _INTEGER, *[_SEQUENCE] * 5, 0xA3]:
        raise Declined("fields")
    version, serial, algorithm, issuer, validity, subject, key, extensions = inside
    if version[1] != _VERSION_3 or algorithm[2] != outer[2] or algorithm[2] not in _SIGNATURES \
            or signature[1][0] != 0:
        raise Declined("version or signature")
    if serial[1][0] >= 0x80 or issuer[2] == subject[2]:
        raise Declined("serial, or self-issued")
    words = {"subject": _name(subject[1]), "issuer": _name(issuer[1])}
    if words["subject"] == words["issuer"]:
        raise Declined("self-issued")
    not_before, not_after = (_instant(tag, content) for tag, content, _whole in _elements(validity[1]))
    kind, bits = _key(key[1])
    names, authority = _extensions(_only(extensions[1], _SEQUENCE))
    return {**words, "not_before": not_before, "not_after": not_after, "key_kind": kind, "key_bits": bits, "key": key[2],
            "signature": _SIGNATURES[algorithm[2]], "names": names, "authority": authority,
            "serial": f"{int.from_bytes(serial[1], 'big'):x}", "self_signed": False}


def _elements(data: bytes) -> list[tuple[int, bytes, bytes]]:
    """Tag, content and whole encoding of each element (X.690, definite lengths)."""
    found, start, end = [], 0, len(data)
    while start < end:
        length, begin = data[start + 1], start + 2
        if length >= 0x80:
            begin += length - 0x80
            length = int.from_bytes(data[start + 2:begin], "big")
        after = begin + length
        if after > end or data[start + 1] == 0x80:
            raise Declined("length")
        found.append((data[start], data[begin:after], data[start:after]))
        start = after
    return found


def _parts(data: bytes, *tags: int) -> list[tuple[int, bytes, bytes]]:
    found = _elements(data)
    if tuple(tag for tag, _content, _whole in found) != tags:
        raise Declined("structure")
    return found


def _only(data: bytes, tag: int) -> bytes:
    return _parts(data, tag)[0][1]


@lru_cache(maxsize=1024)
def _name(content: bytes) -> str:
    """RFC 4514: the most specific part first. Declined where anything would have to be escaped."""
    parts = []
    for tag, relative, _whole in _elements(content):
        if tag != _SET:
            raise Declined("name")
        (kind, oid, _oid), (form, value, _value) = _elements(_only(relative, _SEQUENCE))
        word, most = _ATTRIBUTES.get(oid, ("", 0))
        text = value.decode("ascii")
        if kind != _OID or form not in _TEXTS or not 0 < len(text) <= most or not text.isprintable() or text != text.strip() \
                or not _NEEDS_ESCAPE.isdisjoint(text) or (word == "C" and len(text) != 2):
            raise Declined("name")
        parts.append(f"{word}={text}")
    return ",".join(reversed(parts))


@lru_cache(maxsize=1024)
def _instant(tag: int, content: bytes) -> datetime:
    """UTCTime or GeneralizedTime, in seconds and Z (RFC 5280, section 4.1.2.5)."""
    text = content.decode("ascii")
    if (tag, len(text)) == (0x17, 13):
        text = ("19" if text[:2] >= "50" else "20") + text
    elif (tag, len(text)) != (0x18, 15):
        raise Declined("date")
    if text[-1] != "Z" or not text[:-1].isdecimal():
        raise Declined("date")
    return datetime(int(text[:4]), *(int(text[at:at + 2]) for at in range(4, 14, 2)), tzinfo=timezone.utc)


def _key(content: bytes) -> tuple[str, int]:
    (_tag, _content, algorithm), (_bits, bits, _whole) = _parts(content, _SEQUENCE, _BITS)
    if bits[0] != 0:
        raise Declined("key")
    if algorithm in _CURVES and bits[1] == 4 and len(bits) == 2 + 2 * ((_CURVES[algorithm] + 7) // 8):
        return "EC", _CURVES[algorithm]
    if algorithm == _ED25519 and len(bits) == 33:
        return "Ed25519", 256
    if algorithm == _RSA:
        modulus, _exponent = _parts(_only(bits[1:], _SEQUENCE), _INTEGER, _INTEGER)
        size = int.from_bytes(modulus[1], "big").bit_length()
        if modulus[1][0] < 0x80 and 1024 <= size <= 8192:
            return "RSA", size
    raise Declined("key")


def _extensions(content: bytes) -> tuple[tuple[str, ...], bool]:
    """The names, DNS before addresses, and whether it may issue certificates."""
    values: dict[bytes, bytes] = {}
    for tag, extension, _whole in _elements(content):
        (kind, oid, _oid), *_critical, (octets, value, _value) = _elements(extension)
        if (tag, kind, octets) != (_SEQUENCE, _OID, _OCTETS) or oid in values or [one[0] for one in _critical] not in ([], [_BOOLEAN]):
            raise Declined("extension")
        values[oid] = value
    authority = False
    if _BASIC_CONSTRAINTS in values:
        constraints = _elements(_only(values[_BASIC_CONSTRAINTS], _SEQUENCE))
        if constraints:
            if constraints[0][:2] != (_BOOLEAN, b"\xff"):
                raise Declined("constraints")
            authority = True
    if _ALTERNATIVE_NAMES not in values:
        return (), authority
    given = _elements(_only(values[_ALTERNATIVE_NAMES], _SEQUENCE))
    names = [value.decode("ascii").lower() for tag, value, _whole in given if tag == 0x82]  # dNSName
    addresses = [_address(value) for tag, value, _whole in given if tag == 0x87]  # iPAddress
    if len(names) + len(addresses) != len(given):
        raise Declined("names")
    return (*names, *addresses), authority


def _address(value: bytes) -> str:
    if len(value) not in (4, 16):
        raise Declined("address")
    return str(ipaddress.ip_address(value))
