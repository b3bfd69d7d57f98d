# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files, endpoints, responders and lists may hold anything: a check of certificates finds its words for it, in time."""

from __future__ import annotations

import http.server
import itertools
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.command import Commands
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.revocation import Inquiry
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.tls import Served
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.x509 import X509
from ansible_collections.evenkeel.ops.plugins.module_utils.certificates.judge import judge
from ansible_collections.evenkeel.ops.plugins.module_utils.certificates.observe import Effort, observe
from ansible_collections.evenkeel.ops.plugins.module_utils.certificates.policy import CertificatePolicy
from ansible_collections.evenkeel.ops.plugins.module_utils.certificates.ports import Elsewhere
from ansible_collections.evenkeel.ops.plugins.module_utils.certificates.sources import read_sources
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import SystemClock
from ansible_collections.evenkeel.ops.plugins.module_utils.core.finding import Finding, Status
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, PrivateFormat, pkcs12
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID

from tests.integration.reliability.answers import spoiled
from tests.integration.reliability.figures import scaled
from tests.testbed.tls import Authority, Identity

SEED = 20261122
GRACE = 30.0  # what a loaded machine may need for one
PASSWORD = "keystore-word"
POLICY = CertificatePolicy(warn_days=30, fail_days=14, max_age=365 * 86400, min_rsa_bits=2048, min_ec_bits=256, min_protocol="TLSv1.2",
                           signature_hashes=frozenset({"sha256", "sha384"}), verify_revocation=True)
HOW_MANY = {"PEM": 4000, "DER": 4000, "PKCS#12": 4000, "JKS": 60, "chain of an endpoint": 8000, "chain that OpenSSL took": 4000,
            "stapled answer": 4000, "answer of a responder": 5000, "list": 5000}
# Forms in which one thing is looked at, which is in order; the others have findings besides, such as that nobody can be asked.
ALONE = {"stapled answer", "answer of a responder", "list"}
Look = Callable[[bytes], list[Finding]]
_STATUSES = {"good": Status.PASS, "bad": Status.FAIL, "unknown": Status.UNKNOWN}


@dataclass(frozen=True)
class Material:
    """Who is trusted, a certificate in order, and what is said of it by a responder, by a list and by the server itself."""

    folder: Path
    authority: Authority
    identity: Identity
    ca_cert: str
    where: str

    @property
    def ders(self) -> list[bytes]:
        """The chain."""
        return [one.public_bytes(Encoding.DER) for one in (self.identity.certificate, *self.identity.chain)]

    def issue(self, *extensions: x509.ExtensionType) -> Identity:
        """A certificate that says where to ask."""
        return self.authority.issue(["a.test"], extensions=extensions)


@pytest.fixture(scope="module")
def said() -> list[bytes]:
    """What the server of this module answers next; it is asked once for each."""
    return []


@pytest.fixture(scope="module")
def material(tmp_path_factory, said) -> Iterator[Material]:
    class Answers(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.wfile.write(b"HTTP/1.1 200 ok\r\nContent-Length: %d\r\n\r\n" % len(said[0]) + said[0])

        do_POST = do_GET

        def log_message(self, *_arguments: Any) -> None:
            """Nobody reads it."""

    folder, authority = tmp_path_factory.mktemp("hostile"), Authority.create(key="rsa")
    with http.server.HTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield Material(folder, authority, authority.intermediate().issue(["a.test"]), str(authority.write(folder)),
                           f"http://127.0.0.1:{server.server_port}/")
        finally:
            server.shutdown()
            thread.join()


def looked_at(material: Material, source: Mapping[str, Any], prober: Any = None) -> list[Finding]:
    """The findings of a check of one source."""
    inquiry = Inquiry(SystemClock(), timeout=GRACE)
    seen = observe(read_sources([{"ca_cert": material.ca_cert, "hosts": ["a.test"], **source}], POLICY), X509(), prober, SystemClock(),
                   Effort(GRACE, 0, 1), Elsewhere({}, lambda: inquiry))
    return judge(seen, datetime.now(timezone.utc))[0]


def in_file(material: Material, name: str, **more: Any) -> Look:
    """Of a file that holds this."""
    path = material.folder / name

    def look(content: bytes) -> list[Finding]:
        path.write_bytes(content)
        return looked_at(material, {"file": str(path), **more})

    return look


class Shows:
    """An endpoint that shows this chain, whether OpenSSL lets it through or not."""

    def __init__(self, chain: list[bytes], trusted: bool) -> None:
        self._chain, self._trusted = chain, trusted

    def look(self, *_where: Any, **_how: Any) -> Served:
        return Served(tuple(self._chain), "TLSv1.3", self._trusted)


def shown(material: Material, *, trusted: bool) -> Look:
    """Of such an endpoint; the certificates are told apart by their lengths, as TLS does."""
    lengths = [len(one) for one in material.ders]

    def look(content: bytes) -> list[Finding]:
        begins = list(itertools.accumulate(lengths, initial=0))[:-1]
        chain = [content[begin:begin + length] for begin, length in zip(begins, lengths, strict=True)]
        return looked_at(material, {"endpoint": "a.test"}, Shows([chain[0], *filter(None, chain[1:])], trusted))

    return look


def told(material: Material, said: list[bytes], *extensions: x509.ExtensionType) -> Look:
    """Of a certificate about which the server of this module is asked."""
    chain = [material.issue(*extensions).certificate.public_bytes(Encoding.DER)]
    (material.folder / "told.der").write_bytes(chain[0])

    def look(content: bytes) -> list[Finding]:
        said[:] = [content]
        return looked_at(material, {"file": str(material.folder / "told.der")})

    return look


def stapled(material: Material, chain: list[bytes]) -> Look:
    """Of an answer that a server staples."""
    def look(content: bytes) -> list[Finding]:
        word, message, hint, _seen = Inquiry(SystemClock(), timeout=GRACE).stapled(chain, content, ca_cert=material.ca_cert)
        return [Finding("certificate.stapling", "t", _STATUSES[word], message, hint=hint)]

    return look


def answer(material: Material, certificate: x509.Certificate) -> bytes:
    """A good one of a responder."""
    now = datetime.now(timezone.utc)
    return ocsp.OCSPResponseBuilder().add_response(
        certificate, material.authority.certificate, hashes.SHA1(), ocsp.OCSPCertStatus.GOOD, now, now + timedelta(days=1), None, None,
    ).responder_id(ocsp.OCSPResponderEncoding.NAME, material.authority.certificate).sign(
        material.authority.key, hashes.SHA256()).public_bytes(Encoding.DER)


def revoked(material: Material) -> bytes:
    """A list that has another certificate on it."""
    now = datetime.now(timezone.utc)
    other = x509.RevokedCertificateBuilder().serial_number(7).revocation_date(now).add_extension(
        x509.CRLReason(x509.ReasonFlags.key_compromise), critical=False).build()
    return x509.CertificateRevocationListBuilder().issuer_name(material.authority.certificate.subject).last_update(now).next_update(
        now + timedelta(days=1)).add_revoked_certificate(other).sign(material.authority.key, hashes.SHA256()).public_bytes(Encoding.DER)


def pkcs12_of(identity: Identity) -> bytes:
    """With few rounds: it is the parser that is tried, not the cipher."""
    locked = PrivateFormat.PKCS12.encryption_builder().kdf_rounds(1).build(PASSWORD.encode())
    return pkcs12.serialize_key_and_certificates(b"a", identity.key, identity.certificate, identity.chain, locked)


def java_keystore(material: Material) -> bytes:
    """Of Java's own kind."""
    path = material.folder / "made.jks"
    Commands().run(["keytool", "-importcert", "-noprompt", "-storetype", "JKS", "-alias", "a", "-file", material.ca_cert,
                    "-keystore", str(path), "-storepass", PASSWORD], timeout=60)
    return path.read_bytes()


def prepared(form: str, material: Material, said: list[bytes]) -> tuple[bytes, Look]:
    """What is in order, and who looks at it."""
    url = x509.UniformResourceIdentifier(material.where)
    access = x509.AuthorityInformationAccess([x509.AccessDescription(AuthorityInformationAccessOID.OCSP, url)])
    if form == "PEM":
        return material.identity.full_chain_pem + material.identity.key_pem, in_file(material, "t.pem")
    if form == "DER":
        return material.ders[0], in_file(material, "t.der")
    if form == "PKCS#12":
        return pkcs12_of(material.identity), in_file(material, "t.p12", password=PASSWORD)
    if form == "JKS":
        return java_keystore(material), in_file(material, "t.jks", password=PASSWORD, format="jks")
    if form.startswith("chain"):
        return b"".join(material.ders), shown(material, trusted=form.endswith("took"))
    if form == "list":
        points = x509.CRLDistributionPoints([x509.DistributionPoint([url], None, None, None)])
        return revoked(material), told(material, said, points)
    if form == "stapled answer":
        certificate = material.issue().certificate
        return answer(material, certificate), stapled(material, [certificate.public_bytes(Encoding.DER)])
    look = told(material, said, access)
    return answer(material, x509.load_der_x509_certificate((material.folder / "told.der").read_bytes())), look


@pytest.mark.parametrize("form", HOW_MANY)
def test_no_damage_breaks_a_check_of_certificates(form, material, said, figure):
    number, chance = scaled(HOW_MANY[form], max(2, HOW_MANY[form] // 100)), random.Random(f"{form} {SEED}")
    whole, look = prepared(form, material, said)
    in_order = {finding.status for finding in look(whole)}
    seen: Counter = Counter()
    broken: list[str] = []
    for _one in range(number):
        damaged, began = spoiled(chance, whole, [whole]), time.monotonic()
        try:
            findings = look(damaged)
        except Exception as error:  # every one is a crash, and counted
            broken.append(f"{type(error).__name__}: {error}")
            continue
        seen["hangs"] += time.monotonic() - began > GRACE
        seen["silent"] += not findings
        seen["without a hint"] += any(finding.status is not Status.PASS and not finding.hint for finding in findings)
        seen["fine"] += {finding.status for finding in findings} == in_order
    figure("a check of certificates survives any damage", f"{form}: faults drawn from a fixed seed",
           f"{number} damaged, {seen['fine']} of them still judged as before: crashes {len(broken)}, hangs {seen['hangs']}, "
           f"told without a hint {seen['without a hint']}, without a finding {seen['silent']}")
    # What is not damaged gets through, else the faults would be looked for at the door only.
    assert in_order == {Status.PASS} if form in ALONE else Status.PASS in in_order, in_order
    assert not broken, (len(broken), sorted(set(broken))[:5])
    assert not seen["hangs"] and not seen["without a hint"] and not seen["silent"]
