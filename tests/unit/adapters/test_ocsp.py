# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""An OCSP answer is believed by signature, date and whom it is about, and by nothing else."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.ocsp import read_answer
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import Damaged, Unreachable
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.testbed.tls import Authority

NOW = datetime.now(timezone.utc).replace(microsecond=0)
HOUR = timedelta(hours=1)
ROOTS = {kind: Authority.create("Root", key=kind) for kind in ("ec", "rsa")}
ROOT = ROOTS["ec"]
LEAF, OTHER = ROOT.issue(["a.test"]), ROOT.issue(["b.test"])
STRANGER = Authority.create("Root")
APPOINTED = ROOT.issue(["responder"], purpose=ExtendedKeyUsageOID.OCSP_SIGNING)


def answer(*, about=LEAF, issuer=ROOT, signer=None, status=ocsp.OCSPCertStatus.GOOD, began=NOW - HOUR, ends=NOW + HOUR, certificates=()):
    revoked = status is ocsp.OCSPCertStatus.REVOKED
    builder = ocsp.OCSPResponseBuilder().add_response(
        cert=about.certificate, issuer=issuer.certificate, algorithm=hashes.SHA1(), cert_status=status, this_update=began, next_update=ends,
        revocation_time=NOW - 2 * HOUR if revoked else None, revocation_reason=x509.ReasonFlags.key_compromise if revoked else None)
    signer = signer or issuer
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, signer.certificate)
    if certificates:
        builder = builder.certificates([one.certificate for one in certificates])
    return builder.sign(signer.key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def read(data, *, leaf=LEAF, root=ROOT, now=NOW):
    return read_answer(data, leaf.certificate, root.certificate, now, "the answer")


@pytest.mark.parametrize("kind", ["ec", "rsa"])
@pytest.mark.parametrize("status, word", [(ocsp.OCSPCertStatus.GOOD, "good"), (ocsp.OCSPCertStatus.REVOKED, "bad"),
                                          (ocsp.OCSPCertStatus.UNKNOWN, "bad")])
def test_what_the_issuer_says_is_believed(kind, status, word):
    root = ROOTS[kind]
    leaf = root.issue(["a.test"])
    said = read(answer(about=leaf, issuer=root, status=status), leaf=leaf, root=root)
    assert said[0] == word and (word == "good" or said[2]) and ("key" in said[1]) == (status is ocsp.OCSPCertStatus.REVOKED)


def test_so_is_one_whom_it_appointed_and_nobody_else():
    assert read(answer(signer=APPOINTED, certificates=[APPOINTED]))[0] == "good"
    strangers = STRANGER.issue(["responder"], purpose=ExtendedKeyUsageOID.OCSP_SIGNING)
    ended = ROOT.issue(["responder"], purpose=ExtendedKeyUsageOID.OCSP_SIGNING, not_after=NOW - HOUR)
    for signer in (STRANGER, strangers, ended, OTHER):
        with pytest.raises(Damaged, match="not signed by the issuer"):
            read(answer(signer=signer, certificates=[signer]))


@pytest.mark.parametrize("changes, said", [
    ({"about": OTHER}, "about another certificate"), ({"ends": NOW - timedelta(minutes=1), "began": NOW - HOUR}, "out of date"),
    ({"began": NOW + HOUR, "ends": NOW + 2 * HOUR}, "out of date"), ({"issuer": STRANGER}, "about another certificate"),
])
def test_what_is_old_or_about_another_is_not(changes, said):
    with pytest.raises(Damaged, match=said):
        read(answer(**changes))


def test_a_responder_that_says_no_is_unreachable_and_garbage_is_damaged():
    refused = ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.TRY_LATER).public_bytes(serialization.Encoding.DER)
    with pytest.raises(Unreachable, match="try later"):
        read(refused)
    with pytest.raises(Damaged, match="no OCSP answer"):
        read(b"<html>")


WHOLE = answer(status=ocsp.OCSPCertStatus.REVOKED)


@settings(max_examples=300, deadline=None)
@given(at=st.integers(0, len(WHOLE) - 1), bits=st.integers(1, 255))
def test_no_altered_answer_turns_revoked_into_good(at, bits):
    altered = bytearray(WHOLE)
    altered[at] ^= bits
    try:
        said = read(bytes(altered))
    except (Damaged, Unreachable, ValueError, TypeError, UnsupportedAlgorithm):  # the last three are `revocation._understood`'s
        return
    assert said[0] == "bad"
