# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a certificate must be like: a frozen policy, read from options and strict about them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from ..core.errors import InvalidOption
from ..core.quantities import DAY, parse_duration

# Oldest first. The words are those of OpenSSL's SSL_get_version, which Python's ssl reports.
PROTOCOLS = ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
# Digests by their names in cryptography; Ed25519 and Ed448 have theirs built in and go by their own names.
SIGNATURES = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512", "sha3-224", "sha3-256", "sha3-384", "sha3-512",
              "ed25519", "ed448")
_DOMAIN = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")


@dataclass(frozen=True)
class CertificatePolicy:
    """A limit that is None is not judged; an expired certificate is found whatever the limits say.

    ``warn_days``, ``fail_days``: days left below which a warning or a failure is found. ``max_age``: seconds that a
    server certificate may be valid for in all. ``min_rsa_bits`` holds for RSA and DSA, ``min_ec_bits`` for elliptic
    curves. ``signature_hashes``: those of `SIGNATURES` that are good enough. ``min_protocol``: one of `PROTOCOLS`; what
    the server negotiates must be that or newer, and with ``refuse_older`` it must turn older ones down. ``verify_chain``:
    up to a trusted authority. ``verify_host``: the name that was asked for. ``allow_self_signed``: no finding for it.
    ``every_address``: an endpoint is looked at on each address that its name has. ``verify_revocation``: no certificate of the
    path may be revoked, by OCSP or by its list. ``require_stapling``: the server must staple a good OCSP answer.
    ``caa_issuers``: the domains of the authorities (RFC 8659), of which the names' CAA records must have just these.
    ``include_ended``: of all that an authority keeps, what has expired counts too where nothing newer has its names.
    """

    warn_days: float | None = None
    fail_days: float | None = None
    max_age: float | None = None
    min_rsa_bits: int | None = None
    min_ec_bits: int | None = None
    signature_hashes: frozenset[str] | None = None
    min_protocol: str | None = None
    refuse_older: bool = False
    verify_chain: bool = True
    verify_host: bool = True
    allow_self_signed: bool = False
    every_address: bool = False
    verify_revocation: bool = False
    require_stapling: bool = False
    caa_issuers: frozenset[str] | None = None
    include_ended: bool = False

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> CertificatePolicy:
        """Read a policy as it stands in a role's variables; ``max_age`` is a duration (``365d``) there.

        :raises InvalidOption: for an unknown key, a value of the wrong kind, a negative number, or fail above warn days
        """
        return cls().overlaid(options)

    def overlaid(self, options: Mapping[str, Any], *, option: str = "policy") -> CertificatePolicy:
        """This policy with some of its keys replaced; a key that is null is taken out.

        :raises InvalidOption: as `from_options` does
        """
        known = {field.name: field.default for field in fields(self)}
        read: dict[str, Any] = {}
        for key, value in options.items():
            where = f"{option}.{key}"
            if key not in known:
                raise InvalidOption(f"{option}: unknown key {key!r}", hint=f"Known are {', '.join(known)}")
            read[key] = known[key] if value is None else _READERS[key](value, where)
        policy = replace(self, **read)
        if policy.warn_days is not None and policy.fail_days is not None and policy.fail_days > policy.warn_days:
            raise InvalidOption(f"{option}: fail_days ({policy.fail_days:g}) is above warn_days ({policy.warn_days:g})",
                                hint="Days left shrink: the warning comes first, so swap them or leave one out")
        if policy.refuse_older and policy.min_protocol is None:
            raise InvalidOption(f"{option}: refuse_older is set without min_protocol",
                                hint="Say which protocol is the oldest one allowed, such as min_protocol: TLSv1.2")
        return policy

    @property
    def max_age_days(self) -> float | None:
        """``max_age`` in days."""
        return None if self.max_age is None else self.max_age / DAY


def _number(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < float("inf"):
        raise InvalidOption(f"{where}: {value!r} is not a number from 0 up", hint="Write a plain number, without quotes")
    return value


def _flag(value: Any, where: str) -> bool:
    if not isinstance(value, bool):
        raise InvalidOption(f"{where}: {value!r} is neither true nor false", hint="Write true or false, without quotes")
    return value


def _protocol(value: Any, where: str) -> str:
    if value not in PROTOCOLS:
        raise InvalidOption(f"{where}: {value!r} is no protocol", hint=f"Known are {', '.join(PROTOCOLS)}")
    return value


def _hashes(value: Any, where: str) -> frozenset[str]:
    if not isinstance(value, list) or not value:
        raise InvalidOption(f"{where}: {value!r} is no list of signature hashes", hint="Write a list such as [sha256, sha384]")
    unknown = [name for name in value if name not in SIGNATURES]
    if unknown:
        raise InvalidOption(f"{where}: {unknown[0]!r} is no signature hash", hint=f"Known are {', '.join(SIGNATURES)}")
    return frozenset(value)


def _domains(value: Any, where: str) -> frozenset[str] | None:
    if not isinstance(value, list) or not all(isinstance(one, str) and _DOMAIN.fullmatch(one) for one in value):
        raise InvalidOption(f"{where}: {value!r} is no list of domains", hint="Write a list such as [letsencrypt.org], in small letters")
    return frozenset(value) or None


def _duration(value: Any, where: str) -> float:
    return parse_duration(value, option=where)


_READERS = {
    "warn_days": _number, "fail_days": _number, "max_age": _duration, "min_rsa_bits": _number, "min_ec_bits": _number,
    "signature_hashes": _hashes, "min_protocol": _protocol, "refuse_older": _flag, "verify_chain": _flag,
    "verify_host": _flag, "allow_self_signed": _flag, "every_address": _flag, "verify_revocation": _flag,
    "require_stapling": _flag, "caa_issuers": _domains, "include_ended": _flag,
}
