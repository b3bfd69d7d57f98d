# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an OCSP answer says (RFC 6960), and whether it can be believed: by its signature, its date, and whom it is about.

cryptography reads such answers and does not verify them.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from ..core.errors import Damaged, Unreachable

# Good, bad or unknown; a sentence; what to do; what was seen.
Said = tuple[str, str, str, str]
SKEW = timedelta(minutes=5)  # between this clock and the responder's


def read_answer(answer: bytes, certificate: Any, issuer: Any, now: datetime, where: str) -> Said:
    """What an OCSP answer says.

    :raises Damaged, Unreachable: where it says nothing that can be believed
    """
    from cryptography.x509 import ocsp

    try:
        response = ocsp.load_der_ocsp_response(answer)
    except ValueError as error:
        raise Damaged(f"{where} is no OCSP answer", hint="See what answers there") from error
    if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
        raise Unreachable(f"{where} says {response.response_status.name.lower().replace('_', ' ')}",
                          hint="See whether the responder knows this authority")
    one = next((one for one in response.responses if _is_about(one, certificate, issuer)), None)
    if one is None:
        raise Damaged(f"{where} is about another certificate", hint="Tell the authority; for stapling, reload the server")
    _verify(response, issuer, now, where)
    if one.this_update_utc > now + SKEW or (one.next_update_utc is not None and one.next_update_utc < now):
        raise Damaged(f"{where} is out of date", hint="The responder has to answer anew; compare the clock of this host (timedatectl)")
    name = certificate.subject.rfc4514_string()
    if one.certificate_status is ocsp.OCSPCertStatus.REVOKED:
        return revoked(name, one.revocation_time_utc, one.revocation_reason.value if one.revocation_reason else "")
    if one.certificate_status is ocsp.OCSPCertStatus.UNKNOWN:
        return ("bad", f"the responder does not know {name}", "Have it issued again: its authority has no record of it", "not known")
    return ("good", f"the authority says that {name} is good", "", "good")


def _is_about(one: Any, certificate: Any, issuer: Any) -> bool:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.x509 import ocsp

    try:
        asked = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, one.hash_algorithm).build()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return False
    return (one.serial_number, one.issuer_key_hash, one.issuer_name_hash) \
        == (asked.serial_number, asked.issuer_key_hash, asked.issuer_name_hash)


def _verify(response: Any, issuer: Any, now: datetime, where: str) -> None:
    """Signed by the issuer, or by one whom it has appointed for that (RFC 6960, section 4.2.2.2)."""
    signers = [issuer, *(one for one in response.certificates if _appointed(one, issuer, now))]
    if not any(_signed_by(response, signer.public_key()) for signer in signers):
        raise Damaged(f"{where} is not signed by the issuer or one whom it appointed", hint="Do not believe it: see what answers there")


def _appointed(signer: Any, issuer: Any, now: datetime) -> bool:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature

    try:
        uses = signer.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        signer.verify_directly_issued_by(issuer)
    except (x509.ExtensionNotFound, InvalidSignature, ValueError, TypeError):
        return False
    return x509.oid.ExtendedKeyUsageOID.OCSP_SIGNING in uses and signer.not_valid_before_utc <= now <= signer.not_valid_after_utc


def _signed_by(response: Any, key: Any) -> bool:
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

    try:
        digest, signed = response.signature_hash_algorithm, (response.signature, response.tbs_response_bytes)
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(*signed, padding.PKCS1v15(), digest)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(*signed, ec.ECDSA(digest))
        else:
            key.verify(*signed)
    except (InvalidSignature, UnsupportedAlgorithm, TypeError, ValueError):
        return False
    return True


def revoked(name: str, at: datetime, reason: str) -> Said:
    """A certificate that was revoked at an instant, for a reason where one was given."""
    return ("bad", f"{name} was revoked at {at:%Y-%m-%d %H:%M} UTC" + (f": {reason}" if reason else ""),
            "Have it issued again with a new key, install it and reload the service", "revoked")
