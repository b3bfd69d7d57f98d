# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trust in a chain of certificates, judged by OpenSSL without a connection.

Path validation is OpenSSL's (through pyOpenSSL), because that is what curl, libpq and Python themselves decide by, and
because it says which fault it found. cryptography's own verifier enforces the profile of the public web, which private
authorities rarely meet, and names no cause.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from ..core.errors import Damaged, LibraryMissing, NotFound

# X509_V_ERR_* of openssl/x509_vfy.h, by what an operator calls them.
_FAULTS = {2: "unknown authority", 7: "bad signature", 9: "not yet valid", 10: "expired", 18: "self-signed",
           19: "unknown authority", 20: "unknown authority", 21: "unknown authority", 24: "not an authority"}


def path_fault(chain: Sequence[bytes], *, ca_cert: str | None, now: datetime) -> tuple[str, bytes]:
    """What keeps the first certificate (all are DER) from being trusted: a word, and the certificate that it stopped at.

    The words are those of `X509.chain_fault`; both are empty where all is well.

    :raises NotFound, Damaged: when ``ca_cert`` or a certificate cannot be used
    :raises LibraryMissing: without pyOpenSSL
    """
    context = _context(chain, ca_cert=ca_cert, now=now)
    from OpenSSL import crypto

    try:
        context.verify_certificate()
    except crypto.X509StoreContextError as error:
        code, depth, text = error.errors
        at = crypto.dump_certificate(crypto.FILETYPE_ASN1, error.certificate)
        if depth == 0 and code in (9, 10):
            return "", b""  # everything above was in order: dates of the leaf are looked at last
        if depth == 0 and code in (2, 20, 21):
            return "incomplete chain", at
        return _FAULTS.get(code, text), at
    return "", b""


def trusted_path(chain: Sequence[bytes], *, ca_cert: str | None, now: datetime) -> list[bytes]:
    """The path from the first certificate to a trusted one, both included (DER); empty where there is none.

    :raises NotFound, Damaged, LibraryMissing: as `path_fault`
    """
    context = _context(chain, ca_cert=ca_cert, now=now)
    from OpenSSL import crypto

    try:
        return [crypto.dump_certificate(crypto.FILETYPE_ASN1, one) for one in context.get_verified_chain()]
    except crypto.X509StoreContextError:
        return []


def _context(chain: Sequence[bytes], *, ca_cert: str | None, now: datetime) -> Any:
    """OpenSSL's own, ready to verify."""
    try:
        from OpenSSL import crypto
    except ImportError as error:
        raise LibraryMissing("pyOpenSSL") from error
    store = crypto.X509Store()
    for file, folder in trust_locations(ca_cert):
        try:
            store.load_locations(file, folder)
        except crypto.Error as error:
            raise unusable_trust(ca_cert) from error
    # Trusting an intermediate, or the certificate itself, is what someone means who puts it into ca_cert.
    store.set_flags(crypto.X509StoreFlags.PARTIAL_CHAIN)
    store.set_time(now)
    try:
        first, *others = [crypto.load_certificate(crypto.FILETYPE_ASN1, der) for der in chain]
    except crypto.Error as error:
        raise Damaged("OpenSSL cannot parse a certificate that it came with", hint="Have it issued again") from error
    return crypto.X509StoreContext(store, first, others)


def trust_locations(ca_cert: str | None) -> list[tuple[str | None, str | None]]:
    """Pairs of file and folder for OpenSSL's lookup; those of the system where ``ca_cert`` is None.

    :raises NotFound: when ``ca_cert`` does not exist
    """
    if ca_cert is None:
        usual = ssl.get_default_verify_paths()
        return [(file, folder) for file, folder in ((usual.cafile, None), (None, usual.capath)) if file or folder]
    if not os.path.exists(ca_cert):
        raise NotFound(f"ca_cert {ca_cert!r} does not exist", hint="Name a PEM file of certificates, or a folder made by "
                       "openssl rehash, on the host that runs this")
    return [(None, ca_cert)] if os.path.isdir(ca_cert) else [(ca_cert, None)]


def unusable_trust(ca_cert: str | None) -> Damaged:
    """The error for a ``ca_cert`` that OpenSSL cannot load."""
    return Damaged(f"ca_cert {ca_cert!r} holds no certificates that can be loaded",
                   hint="Name a readable PEM file with the certificates of the authorities to trust")
