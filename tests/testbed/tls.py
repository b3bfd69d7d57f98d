# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates of every kind, healthy and sick, and real TLS servers that show them; for tests and for the lab.

    root = Authority.create("Lab root")
    with serve_tls(root.issue(["localhost"])) as port: ...
    with serve_tls(root.issue(["localhost"], not_after=now - day)) as port: ...     # expired
    with serve_tls(identity, starttls="smtp") as port: ...                          # also imap, pop3, ldap
    with serve_unwell("silent") as port: ...                                        # never answers
    with postgres_with_tls(installation, identity) as (server, target): ...         # the real thing

Servers listen on the loopback, run in threads of this process and end with their context manager.
"""

from __future__ import annotations

import contextlib
import ipaddress
import shutil
import socket
import ssl
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.testbed.postgres import free_port, running_server

DAY = timedelta(days=1)
_KEYS: dict[str, Callable[[], Any]] = {
    "ec": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ec224": lambda: ec.generate_private_key(ec.SECP224R1()),
    "rsa": lambda: rsa.generate_private_key(65537, 2048),
    "rsa1024": lambda: rsa.generate_private_key(65537, 1024),
}


@dataclass(frozen=True)
class Identity:
    """A certificate, its key, and the intermediates (nearest first, without the root) that a server should send."""

    certificate: x509.Certificate
    key: Any
    chain: tuple[x509.Certificate, ...] = ()

    @property
    def cert_pem(self) -> bytes:
        """The certificate alone."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def cert_der(self) -> bytes:
        """The certificate alone, DER."""
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def full_chain_pem(self) -> bytes:
        """The certificate and its intermediates, as a server wants them."""
        return b"".join(one.public_bytes(serialization.Encoding.PEM) for one in (self.certificate, *self.chain))

    @property
    def key_pem(self) -> bytes:
        """The private key, PKCS#8, not encrypted."""
        return self.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                      serialization.NoEncryption())

    def pkcs12(self, password: str | None, *, name: str = "testbed") -> bytes:
        """Key, certificate and intermediates in one PKCS#12 file."""
        locked = serialization.BestAvailableEncryption(password.encode()) if password else serialization.NoEncryption()
        return pkcs12.serialize_key_and_certificates(name.encode(), self.key, self.certificate, list(self.chain), locked)

    def write(self, folder: Path, name: str = "server") -> tuple[Path, Path]:
        """Write ``name.crt`` (full chain) and ``name.key`` (0600); gives both paths."""
        folder.mkdir(parents=True, exist_ok=True)
        certificate, key = folder / f"{name}.crt", folder / f"{name}.key"
        certificate.write_bytes(self.full_chain_pem)
        key.touch(mode=0o600)
        key.write_bytes(self.key_pem)
        return certificate, key

    def without_chain(self) -> Identity:
        """The same without its intermediates: what a server with an incomplete chain sends."""
        return Identity(self.certificate, self.key)


@dataclass(frozen=True)
class Authority:
    """A certificate authority: a root (``above`` is None) or an intermediate below one."""

    certificate: x509.Certificate
    key: Any
    above: Authority | None = None

    @classmethod
    def create(cls, name: str = "Testbed root", *, key: str = "ec", not_before: datetime | None = None,
               not_after: datetime | None = None) -> Authority:
        """A new self-signed root; ``key`` is one of ec, ec224, rsa, rsa1024."""
        private = _KEYS[key]()
        subject = _name(name)
        certificate = _build(subject, subject, private, private, authority=True, not_before=not_before,
                             not_after=not_after, lifetime=3650 * DAY)
        return cls(certificate, private)

    @property
    def cert_pem(self) -> bytes:
        """What others are told to trust."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def write(self, folder: Path, name: str = "ca") -> Path:
        """Write the certificate as ``name.crt``."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{name}.crt"
        path.write_bytes(self.cert_pem)
        return path

    def intermediate(self, name: str = "Testbed intermediate", *, key: str = "ec", not_before: datetime | None = None,
                     not_after: datetime | None = None, extensions: Sequence[x509.ExtensionType] = ()) -> Authority:
        """An authority below this one."""
        private = _KEYS[key]()
        certificate = _build(_name(name), self.certificate.subject, private, self.key, authority=True, issuer=self,
                             not_before=not_before, not_after=not_after, lifetime=1825 * DAY, extensions=extensions)
        return Authority(certificate, private, self)

    def issue(self, names: Sequence[str], *, not_before: datetime | None = None, not_after: datetime | None = None,
              key: str = "ec", digest: str = "sha256", common_name: str | None = None, purpose: Any = ExtendedKeyUsageOID.SERVER_AUTH,
              extensions: Sequence[x509.ExtensionType] = ()) -> Identity:
        """A server certificate for DNS names and IP addresses; valid from yesterday for 90 days unless told otherwise.

        ``digest`` sha1 and md5 make signatures that no client should accept; they need an RSA authority. ``extensions`` come on
        top, such as where to ask whether it is revoked.
        """
        private = _KEYS[key]()
        certificate = _build(_name(common_name or (names[0] if names else "nameless")), self.certificate.subject, private,
                             self.key, names=names, issuer=self, not_before=not_before, not_after=not_after, digest=digest,
                             purpose=purpose, extensions=extensions)
        chain, authority = [], self
        while authority.above is not None:
            chain.append(authority.certificate)
            authority = authority.above
        return Identity(certificate, private, tuple(chain))


def self_signed(names: Sequence[str], *, not_before: datetime | None = None, not_after: datetime | None = None,
                key: str = "ec") -> Identity:
    """A server certificate that vouches for itself."""
    private = _KEYS[key]()
    subject = _name(names[0])
    return Identity(_build(subject, subject, private, private, names=names, not_before=not_before, not_after=not_after), private)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "evenkeel testbed"),
                      x509.NameAttribute(NameOID.COMMON_NAME, text[:64])])


def _build(subject, issuer_name, key, signing_key, *, names=(), authority=False, issuer=None, not_before=None,
           not_after=None, lifetime=90 * DAY, digest="sha256", purpose=ExtendedKeyUsageOID.SERVER_AUTH,
           extensions=()) -> x509.Certificate:
    now = datetime.now(timezone.utc).replace(microsecond=0)
    # An end that lies in the past moves the start before it, so that "expired" needs one argument only.
    start = not_before or min(now, not_after or now) - DAY
    builder = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(issuer_name).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(start).not_valid_after(not_after or start + lifetime)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key()), critical=False)
        .add_extension(x509.KeyUsage(not authority, False, not authority, False, False, authority, authority, False, False),
                       critical=True))
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
    if not authority:
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    certificate = builder.sign(signing_key, hashes.SHA256())
    return certificate if digest == "sha256" else _sign_weakly(certificate, signing_key, digest)


def _sign_weakly(certificate: x509.Certificate, key: Any, digest: str) -> x509.Certificate:
    from OpenSSL import crypto  # cryptography itself refuses to sign with a broken digest

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        signed = crypto.X509.from_cryptography(certificate)
        signed.sign(crypto.PKey.from_cryptography_key(key), digest)
        return signed.to_cryptography()


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def server_context(identity: Identity, *, by_name: Mapping[str, Identity] | None = None, minimum: str = "TLSv1_2",
                   maximum: str = "MAXIMUM_SUPPORTED") -> ssl.SSLContext:
    """A server's context, for own servers too. ``by_name`` chooses another identity by SNI; ``minimum`` and
    ``maximum`` are names of `ssl.TLSVersion`.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("DEFAULT@SECLEVEL=0")  # or OpenSSL would refuse to show the sick ones
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version, context.maximum_version = ssl.TLSVersion[minimum], ssl.TLSVersion[maximum]
    with tempfile.TemporaryDirectory(prefix="evenkeel-tls-") as folder:
        context.load_cert_chain(*identity.write(Path(folder)))
    if by_name:
        others = {name: server_context(other, minimum=minimum, maximum=maximum) for name, other in by_name.items()}

        def choose(connection: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> None:
            connection.context = others.get(name or "", context)

        context.sni_callback = choose
    return context


@contextlib.contextmanager
def serve_tls(identity: Identity, *, starttls: str | None = None, by_name: Mapping[str, Identity] | None = None,
              minimum: str = "TLSv1_2", maximum: str = "MAXIMUM_SUPPORTED", host: str = "127.0.0.1", port: int = 0,
              ) -> Iterator[int]:
    """A server that shows ``identity``, then closes politely; yields its port.

    ``starttls``: smtp (aiosmtpd), imap, pop3 or ldap (just enough of RFC 3501 6.2.1, RFC 2595 4 and RFC 4511 4.14); None is TLS
    from the first byte.
    """
    context = server_context(identity, by_name=by_name, minimum=minimum, maximum=maximum)
    if starttls == "smtp":
        with _smtp_server(context, host, port) as bound:
            yield bound
        return
    greet = {None: None, "imap": _greet_imap, "pop3": _greet_pop3, "ldap": _greet_ldap}[starttls]

    def talk(connection: socket.socket) -> None:
        if greet:
            greet(connection)
        with context.wrap_socket(connection, server_side=True) as secured:
            secured.settimeout(5)
            if starttls == "imap":  # a real client asks for the capabilities once more
                _serve_imap(secured)
            else:
                secured.recv(1)

    with _listening(talk, host, port) as bound:
        yield bound


@contextlib.contextmanager
def serve_unwell(how: str, *, host: str = "127.0.0.1") -> Iterator[int]:
    """A server that accepts and then misbehaves; yields its port.

    ``silent`` never answers, ``drip`` sends one byte of a TLS record every 0.2 s, ``close`` hangs up at once,
    ``plain`` answers in plain HTTP, ``refuse`` is a port that nothing listens on.
    """
    ended = threading.Event()

    def talk(connection: socket.socket) -> None:
        if how == "silent":
            ended.wait(60)
        elif how == "drip":
            # A handshake record that announces 16 KiB, so that the client keeps waiting for the rest.
            for byte in b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc" + bytes(2000):
                connection.sendall(bytes([byte]))
                if ended.wait(0.2):
                    return
        elif how == "plain":
            connection.settimeout(2)
            connection.recv(1024)
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    if how == "refuse":
        with socket.socket() as reserved:  # bound, never listening: connecting is refused and nobody takes the port
            reserved.bind((host, 0))
            yield reserved.getsockname()[1]
        return
    with _listening(talk, host) as port:
        try:
            yield port
        finally:
            ended.set()


@contextlib.contextmanager
def postgres_with_tls(installation: Any, identity: Identity) -> Iterator[tuple[Any, Any]]:
    """A real PostgreSQL server with ``ssl=on``; yields it and its target as `running_server` does."""
    from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.postgres_server import server_account

    folder = Path(tempfile.mkdtemp(prefix="evenkeel-pgtls-"))
    try:
        folder.chmod(0o755)
        account = server_account()
        for path in identity.write(folder):
            if account:
                shutil.chown(path, account)
        settings = {"ssl": "on", "ssl_cert_file": str(folder / "server.crt"), "ssl_key_file": str(folder / "server.key")}
        with running_server(installation, settings=settings) as both:
            yield both
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _listening(talk: Callable[[socket.socket], None], host: str, port: int = 0) -> Iterator[int]:
    """Accept on ``port`` of ``host``, 0 being a free one; each connection is talked to in a thread of its own."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=512)

    def serve(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:  # ssl.SSLError is an OSError: clients hang up as they like
            connection.settimeout(10)
            talk(connection)

    def accept() -> None:
        while True:
            try:
                connection, _address = listener.accept()
            except OSError:  # closed
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)  # wakes the accepting thread; close alone does not
        listener.close()
        thread.join(5)


@contextlib.contextmanager
def _smtp_server(context: ssl.SSLContext, host: str, port: int) -> Iterator[int]:
    from aiosmtpd.controller import Controller
    from aiosmtpd.handlers import Sink

    port = port or free_port()  # 0 is not understood by the controller's own readiness check
    controller = Controller(Sink(), hostname=host, port=port, tls_context=context, ready_timeout=60)
    controller.start()
    try:
        yield port
    finally:
        controller.stop()


def _greet_imap(connection: socket.socket) -> None:
    connection.sendall(b"* OK [CAPABILITY IMAP4rev1 STARTTLS] testbed ready\r\n")
    if not _serve_imap(connection):
        raise ConnectionResetError("the client left")


def _greet_pop3(connection: socket.socket) -> None:
    connection.sendall(b"+OK testbed ready\r\n")
    with connection.makefile("rb", buffering=0) as lines:
        if lines.readline(1024).strip().upper() != b"STLS":
            raise ConnectionResetError("the client left")
    connection.sendall(b"+OK begin TLS negotiation\r\n")


def _serve_imap(connection: socket.socket) -> bool:
    """Answer commands until STARTTLS (true) or the end (false)."""
    with connection.makefile("rb", buffering=0) as lines:
        while line := lines.readline(1024):
            tag, _space, command = line.strip().partition(b" ")
            if command.upper() == b"STARTTLS":
                connection.sendall(tag + b" OK begin TLS negotiation now\r\n")
                return True
            connection.sendall(b"* CAPABILITY IMAP4rev1 STARTTLS\r\n" if command.upper() == b"CAPABILITY" else b"")
            connection.sendall(tag + b" OK done\r\n")
    return False


def _greet_ldap(connection: socket.socket) -> None:
    asked = connection.recv(1024)
    # An ExtendedRequest (application tag 23, RFC 4511 4.12) that names StartTLS; success is result code 0.
    if b"1.3.6.1.4.1.1466.20037" not in asked:
        connection.sendall(bytes.fromhex("300c02010178070a010204000400"))  # protocolError
        raise ConnectionResetError("no StartTLS asked for")
    connection.sendall(bytes.fromhex("300c02010178070a010004000400"))
