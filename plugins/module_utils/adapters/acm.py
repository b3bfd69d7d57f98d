# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates that AWS Certificate Manager keeps, through boto3."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

from ..core.errors import NotFound
from ..core.options import OptionGroup
from .amazon import ACCOUNT, client_of, translated
from .held_certificate import HeldCertificate, Parse

OPTIONS = OptionGroup(
    fragment="acm",
    options={
        "acm": {"type": "dict", "options": {
            "region": {"type": "str"},
            **ACCOUNT,
        }},
    },
)
# Without a filter the list leaves out all but RSA with 1024 and 2048 bits (API reference, ListCertificates, Filters).
_KEY_TYPES = ["RSA_1024", "RSA_2048", "RSA_3072", "RSA_4096", "EC_prime256v1", "EC_secp384r1", "EC_secp521r1"]
_PROVE = "Add the records that its console shows to the zone"


class CertificateStore:
    """The store of one account and region; connected when it is first asked."""

    def __init__(self, options: Mapping[str, Any], parse: Parse) -> None:
        self._options, self._parse = options, parse
        self._client: Any = None

    def certificates(self, name: str) -> list[HeldCertificate]:
        """The certificate with this ARN, those of this domain, or all with ``*``.

        :raises LibraryMissing: without boto3
        :raises NotFound, AccessDenied, Unreachable, CommandFailed: by what Amazon or the network says
        """
        with _translated():
            client = self._connected(name)
            if name.startswith("arn:"):
                return [self._held(client, name)]
            pages = client.get_paginator("list_certificates").paginate(Includes={"keyTypes": _KEY_TYPES})
            listed = [one for page in pages for one in page["CertificateSummaryList"]]
            return [self._held(client, one["CertificateArn"]) for one in listed if name in ("*", one.get("DomainName"))]

    def _connected(self, name: str) -> Any:
        if self._client is None:
            of_arn = name.split(":")[3] if name.startswith("arn:") and name.count(":") >= 5 else None
            self._client = client_of("acm", self._options, region=self._options.get("region") or of_arn)
        return self._client

    def _held(self, client: Any, arn: str) -> HeldCertificate:
        described = client.describe_certificate(CertificateArn=arn)["Certificate"]
        name = f"{described.get('DomainName') or 'nameless'} ({arn.rpartition('/')[2]})"
        hosts = tuple(sorted({one.lower() for one in described.get("SubjectAlternativeNames") or ()}))
        record, chain = _record(described), []
        if described.get("Status") in ("ISSUED", "EXPIRED", "REVOKED", "INACTIVE"):
            content = client.get_certificate(CertificateArn=arn)
            chain, _key = self._parse(f"{content['Certificate']}\n{content.get('CertificateChain') or ''}".encode())
        return HeldCertificate(name, tuple(chain), hosts=hosts, record=record)


def _record(described: Mapping[str, Any]) -> tuple[str, str, str, str]:
    status = str(described.get("Status") or "unknown")
    renewal = str((described.get("RenewalSummary") or {}).get("RenewalStatus") or "")
    if status == "PENDING_VALIDATION":
        return ("bad", "ACM waits for somebody to prove that the names are his", _PROVE, status)
    if status != "ISSUED":
        reason = described.get("FailureReason") or described.get("RevocationReason")
        said = status.lower().replace("_", " ") + (f": {reason}" if reason else "")
        return ("bad", f"ACM says {said}", "Request or import another", status)
    if renewal in ("PENDING_VALIDATION", "FAILED"):
        return ("bad", f"ACM cannot renew it: {renewal.lower().replace('_', ' ')}", _PROVE, renewal)
    used = len(described.get("InUseBy") or ())
    return ("good", f"ACM has issued it, and {used} resource{'' if used == 1 else 's'} use{'s' if used == 1 else ''} it"
            if described.get("Type") != "IMPORTED" else "ACM keeps it; it was imported, and nobody but you renews it", "", status)


def _translated() -> AbstractContextManager[None]:
    return translated("ACM", "acm", rights="ListCertificates, DescribeCertificate, GetCertificate", known={
        "ResourceNotFoundException": (NotFound, "ACM", "Check the ARN, its region, and whose credentials these are")})
