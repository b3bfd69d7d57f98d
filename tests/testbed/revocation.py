# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""An authority that says what it revoked: by OpenSSL's own responder (OCSP) and by a list (CRL), over HTTP on the loopback."""

from __future__ import annotations

import contextlib
import http.server
import shutil
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.command import Commands
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import AuthorityInformationAccessOID

from tests.testbed.tls import Authority, Identity

HOUR = timedelta(hours=1)


@dataclass
class Register:
    """What an authority issued and revoked. ``asked`` are the paths that its list was asked for by."""

    authority: Authority
    folder: Path
    ocsp_url: str
    crl_url: str
    _rows: list[str] = field(default_factory=list)
    _revoked: list[int] = field(default_factory=list)
    lists: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def where(self, *, ocsp: bool = True, crl: bool = True) -> list[x509.ExtensionType]:
        """The extensions that say where to ask."""
        found: list[x509.ExtensionType] = []
        if ocsp:
            found.append(x509.AuthorityInformationAccess([x509.AccessDescription(
                AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(self.ocsp_url))]))
        if crl:
            name = x509.UniformResourceIdentifier(self.crl_url)
            found.append(x509.CRLDistributionPoints([x509.DistributionPoint([name], None, None, None)]))
        return found

    def issue(self, names: Sequence[str], *, ocsp: bool = True, crl: bool = True, revoked: bool = False, **more: Any) -> Identity:
        """A server certificate that it answers for."""
        identity = self.authority.issue(names, extensions=self.where(ocsp=ocsp, crl=crl), **more)
        self.register(identity.certificate, revoked=revoked)
        return identity

    def register(self, certificate: x509.Certificate, *, revoked: bool = False) -> None:
        """Answer for a certificate from now on."""
        serial = f"{certificate.serial_number:X}"
        serial = serial if len(serial) % 2 == 0 else f"0{serial}"
        at = f"{datetime.now(timezone.utc) - HOUR:%y%m%d%H%M%SZ},keyCompromise" if revoked else ""
        end = f"{certificate.not_valid_after_utc:%y%m%d%H%M%SZ}"
        self._rows.append(f"{'R' if revoked else 'V'}\t{end}\t{at}\t{serial}\tunknown\t/CN={serial}\n")  # OpenSSL wants each subject once
        if revoked:
            self._revoked.append(certificate.serial_number)
        new = self.folder / "index.new"
        new.write_text("".join(self._rows))
        new.replace(self.folder / "index.txt")
        self.lists["/list.crl"] = self.list()

    def list(self, *, until: datetime | None = None, signer: Authority | None = None) -> bytes:
        """The list of now, or one that ended, or one that another signed."""
        now = datetime.now(timezone.utc).replace(microsecond=0)
        end = until or now + 24 * HOUR
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.authority.certificate.subject) \
            .last_update(min(now, end) - 2 * HOUR).next_update(end)
        for serial in self._revoked:
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now - HOUR)
                .add_extension(x509.CRLReason(x509.ReasonFlags.key_compromise), critical=False).build())
        return builder.sign((signer or self.authority).key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)

    def staple(self, identity: Identity) -> Path:
        """A file with the responder's answer of now, as web servers staple it."""
        certificate, _key = identity.write(self.folder / "stapled", f"{identity.certificate.serial_number:x}")
        path = certificate.with_suffix(".ocsp")
        Commands().run(["openssl", "ocsp", "-no_nonce", "-noverify", "-issuer", str(self.folder / "ca.crt"), "-cert", str(certificate),
                        "-url", self.ocsp_url, "-respout", str(path)], timeout=30)
        return path

    def answer(self, request: bytes) -> bytes:
        """What OpenSSL's responder says to a request of now. Its own server would listen on every interface of this machine."""
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            asked, said = Path(folder, "request"), Path(folder, "answer")
            asked.write_bytes(request)
            Commands().run(["openssl", "ocsp", "-index", str(self.folder / "index.txt"), "-CA", str(self.folder / "ca.crt"), "-rsigner",
                            str(self.folder / "ca.crt"), "-rkey", str(self.folder / "ca.key"), "-nmin", "60", "-reqin", str(asked),
                            "-respout", str(said)], timeout=30)
            return said.read_bytes()


@contextlib.contextmanager
def serve_register(authority: Authority) -> Iterator[Register]:
    """Until the block ends."""
    folder = Path(tempfile.mkdtemp(prefix="evenkeel-register-"))
    register = Register(authority, folder, "", "")

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            register.asked.append(self.path)
            self._reply(register.lists.get(self.path))

        def do_POST(self) -> None:
            request = self.rfile.read(int(self.headers["Content-Length"]))
            self._reply(register.answer(request) if self.path == "/ocsp" else None, "application/ocsp-response")

        def _reply(self, body: bytes | None, kind: str = "application/pkix-crl") -> None:
            self.send_response(200 if body is not None else 404)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, format: str, *arguments: Any) -> None:
            """Nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    register.ocsp_url, register.crl_url = (f"http://127.0.0.1:{server.server_port}/{path}" for path in ("ocsp", "list.crl"))
    authority.write(folder)
    (folder / "ca.key").touch(mode=0o600)
    (folder / "ca.key").write_bytes(Identity(authority.certificate, authority.key).key_pem)
    register.register(authority.issue(["first"]).certificate)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield register
    finally:
        server.shutdown()
        server.server_close()
        shutil.rmtree(folder, ignore_errors=True)
