# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read off plain certificates must be what cryptography says of them; everything else must be declined."""

from __future__ import annotations

import random
from datetime import datetime, timezone

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.x509 import X509
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.x509_plain import Declined, describe
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import OpsError
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

_KEYS = {
    "P-256": ec.generate_private_key(ec.SECP256R1()), "P-384": ec.generate_private_key(ec.SECP384R1()),
    "P-521": ec.generate_private_key(ec.SECP521R1()), "RSA": rsa.generate_private_key(65537, 2048),
    "Ed25519": ed25519.Ed25519PrivateKey.generate(),
}


def _issue(key="P-256", *, issuer="P-256", digest=None, subject=(("COMMON_NAME", "api.example.com"),), names=("Api.example.com",),
           not_after=datetime(2061, 2, 3, 4, 5, 6, tzinfo=timezone.utc), authority=False, more=()):
    signer = _KEYS[issuer]
    builder = (x509.CertificateBuilder()
               .subject_name(x509.Name([x509.NameAttribute(getattr(NameOID, word), value) for word, value in subject]))
               .issuer_name(x509.Name([x509.NameAttribute(NameOID.COUNTRY_NAME, "DE"),
                                       x509.NameAttribute(NameOID.COMMON_NAME, "Lab issuer")]))
               .public_key(_KEYS[key].public_key()).serial_number(0x7F00AA01)
               .not_valid_before(datetime(2024, 2, 29, 23, 59, 59, tzinfo=timezone.utc)).not_valid_after(not_after)
               .add_extension(x509.BasicConstraints(ca=authority, path_length=0 if authority else None), critical=True))
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(
            [one if isinstance(one, x509.GeneralName) else x509.DNSName(one) for one in names]), critical=False)
    for extension in more:
        builder = builder.add_extension(extension, critical=False)
    chosen = None if issuer == "Ed25519" else digest or hashes.SHA256()
    return builder.sign(signer, chosen).public_bytes(Encoding.DER)


def _address(text):
    import ipaddress
    return x509.IPAddress(ipaddress.ip_address(text))


@pytest.mark.parametrize("options", [
    *({"key": key} for key in _KEYS),
    *({"issuer": issuer, "digest": digest} for issuer in ("RSA", "P-384")
      for digest in (hashes.SHA256(), hashes.SHA384(), hashes.SHA512())),
    {"issuer": "Ed25519"}, {"names": ()}, {"authority": True},
    {"names": (_address("10.0.0.7"), "b.example.com", _address("2001:db8::1"), "*.example.com")},
    {"not_after": datetime(2031, 1, 1, tzinfo=timezone.utc)},
    {"subject": (("COUNTRY_NAME", "DE"), ("STATE_OR_PROVINCE_NAME", "Bayern"), ("ORGANIZATION_NAME", "A & B"),
                 ("ORGANIZATIONAL_UNIT_NAME", "x"), ("COMMON_NAME", "127.0.0.1"))},
])
def test_a_plain_certificate_reads_as_cryptography_has_it(options):
    der = _issue(**options)
    assert describe(der) == X509().describe(der) == X509().describe(der, accepted=True)


@pytest.mark.parametrize("options", [
    {"digest": hashes.SHA224()}, {"subject": (("COMMON_NAME", "Müller"),)}, {"subject": (("COMMON_NAME", "a, b"),)},
    {"subject": (("COMMON_NAME", " a"),)}, {"subject": (("EMAIL_ADDRESS", "a@example.com"),)},
    {"subject": (("COUNTRY_NAME", "DE"), ("COMMON_NAME", "Lab issuer"))},
    {"names": (x509.UniformResourceIdentifier("https://example.com"),)},
])
def test_what_is_unusual_is_left_to_cryptography(options):
    der = _issue(**options)
    with pytest.raises(Declined):
        describe(der)
    assert X509().describe(der, accepted=True) == X509().describe(der)


def test_an_altered_certificate_is_declined_or_read_as_cryptography_does():
    """But for what breaks elsewhere (an extension that is not read here, a point on no curve): OpenSSL does not accept it."""
    whole, dice = _issue("RSA", more=(x509.KeyUsage(True, *[False] * 8),)), random.Random(7)
    read = 0
    for _number in range(3000):
        altered = bytearray(whole)
        altered[dice.randrange(len(altered))] = dice.randrange(256)
        try:
            facts = describe(bytes(altered))
        except Declined:
            continue
        try:
            theirs = X509().describe(bytes(altered))
        except OpsError:
            continue
        if theirs["key"]:
            read += 1
            assert facts == theirs
    assert read > 100


def test_what_breaks_off_is_declined():
    whole = _issue()
    for length in range(len(whole)):
        with pytest.raises(Declined):
            describe(whole[:length])
