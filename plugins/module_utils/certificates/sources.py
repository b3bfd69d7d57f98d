# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where certificates are looked for: files, folders, endpoints, a cluster's objects, Amazon's store, Vault; read from options."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..core.errors import InvalidOption
from .policy import CertificatePolicy

FORMATS = ("auto", "pem", "der", "pkcs12", "jks")
KINDS = ("endpoint", "file", "folder", "secret", "certificate", "acm", "vault")
# Kinds that hold one certificate, of which endpoints can be asked whether they show it.
_PLACES = ("file", "secret", "certificate", "acm", "vault")
# The port that is meant where an endpoint names none, by the protocol that STARTTLS is spoken in.
_PORTS = {None: 443, "smtp": 25, "imap": 143, "pop3": 110, "postgres": 5432, "mysql": 3306, "ldap": 389}
STARTTLS = tuple(name for name in _PORTS if name)
_ENDPOINT = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<host>[^\s:/\[\]@]+))(?::(?P<port>[0-9]{1,5}))?")


@dataclass(frozen=True)
class Source:
    """One entry of ``sources``. Exactly one of ``file``, ``folder``, ``host``, ``secret``, ``certificate``, ``acm``, ``vault`` is set.

    ``subject`` is what findings are about. ``host`` and ``server_name`` are plain ASCII (IDNs as A-labels);
    ``server_name`` is None where no SNI is sent, as for an address. ``hosts`` are the names that the certificate must be
    valid for. ``secret`` and ``certificate`` are ``namespace/name`` or ``namespace/*``, ``acm`` an ARN, a domain or ``*``, ``vault`` a
    mount and, after its last slash, a name, serial number or ``*``.
    ``addresses`` are looked at instead of those that the name has. ``place`` is the source whose certificate this endpoint
    is to show.
    """

    subject: str
    policy: CertificatePolicy
    file: str | None = None
    folder: str | None = None
    host: str | None = None
    port: int = 0
    server_name: str | None = None
    starttls: str | None = None
    format: str = "auto"
    password: str | None = None
    key_file: str | None = None
    hosts: tuple[str, ...] = ()
    ca_cert: str | None = None
    recursive: bool = False
    patterns: tuple[str, ...] = ()
    secret: str | None = None
    certificate: str | None = None
    acm: str | None = None
    vault: str | None = None
    addresses: tuple[str, ...] = ()
    place: Source | None = None


def read_sources(options: Iterable[Mapping[str, Any]], policy: CertificatePolicy) -> list[Source]:
    """Read the list of sources; ``policy`` holds for all of them, overlaid by their own.

    :raises InvalidOption: for an endpoint, port or host name that makes no sense, or a key that does not fit the kind
    """
    sources: list[Source] = []
    for number, entry in enumerate(options):
        where = f"sources[{number}]"
        place = _source(entry, policy, where)
        sources += [place, *_showing(place, entry, where)]
    if not sources:
        raise InvalidOption("sources: there is nothing to look at", hint="Name files, folders or endpoints: an empty check is no pass")
    return sources


def _source(entry: Mapping[str, Any], policy: CertificatePolicy, where: str) -> Source:
    given = {key: value for key, value in entry.items() if value is not None}
    kind = next((kind for kind in KINDS if kind in given), None)
    if kind is None:
        raise InvalidOption(f"{where} names nothing to look at", hint=f"Give it one of {', '.join(KINDS)}")
    if not str(given[kind]).strip():
        raise InvalidOption(f"{where}: {kind} is empty", hint="Give it a path, or for an endpoint host:port")
    for key, kinds in _FITS.items():
        if given.get(key) and kind not in kinds:
            raise InvalidOption(f"{where}: {key} does not go with {kind}", hint=f"It goes with {' and '.join(kinds)}")
    own = policy.overlaid(given.get("policy") or {}, option=f"{where}.policy")
    hosts = tuple(ascii_name(name, where=f"{where}.hosts") for name in given.get("hosts") or ())
    source = {"policy": own, "hosts": hosts, "password": given.get("password"), "key_file": given.get("key_file"),
              "ca_cert": given.get("ca_cert")}
    name = given.get("name")
    if kind in ("secret", "certificate"):
        _object_name(given[kind], f"{where}.{kind}")
    if kind == "vault":
        given[kind] = _in_mount(given[kind], f"{where}.vault")
    if kind != "endpoint":
        return Source(subject=name or printable(given[kind]), format=given.get("format") or "auto",
                      recursive=bool(given.get("recursive")), patterns=tuple(given.get("patterns") or ()),
                      **{kind: given[kind]}, **source)
    host, port = parse_endpoint(given["endpoint"], starttls=given.get("starttls"), where=f"{where}.endpoint")
    server_name = ascii_name(given["server_name"], where=f"{where}.server_name") if given.get("server_name") else host
    source["hosts"] = hosts or (server_name,)
    addresses = tuple(given.get("addresses") or ())
    for address in addresses:
        if not is_address(address):
            raise InvalidOption(f"{where}.addresses: {address!r} is no address", hint="Write 192.0.2.10 or 2001:db8::10, without a port")
    return Source(subject=name or given["endpoint"], host=host, port=port, starttls=given.get("starttls"), addresses=addresses,
                  server_name=None if is_address(server_name) else server_name, **source)


def _showing(place: Source, entry: Mapping[str, Any], where: str) -> list[Source]:
    """The endpoints that are to show the certificate of ``place``; judged as the place is, unless they say otherwise."""
    endpoints = entry.get("served_at") or ()
    if endpoints and (place.secret or place.certificate or place.acm or place.vault or "").split("/")[-1] == "*":
        raise InvalidOption(f"{where}: served_at goes with one certificate", hint="Name one secret, certificate, ARN or name in this entry")
    found = []
    for number, one in enumerate(endpoints):
        inside = f"{where}.served_at[{number}]"
        if not isinstance(one, Mapping) or not one.get("endpoint"):
            raise InvalidOption(f"{inside} names no endpoint", hint="Write {endpoint: api.example.com:443}")
        unknown = set(one) - set(_ENDPOINT_KEYS)
        if unknown:
            raise InvalidOption(f"{inside}: unknown key {sorted(unknown)[0]!r}", hint=f"Known are {', '.join(_ENDPOINT_KEYS)}")
        endpoint = _source({"ca_cert": place.ca_cert, **one}, place.policy, inside)
        found.append(replace(endpoint, place=place))
    return found


# Keys that only some kinds of source have; a key on the wrong one would be ignored in silence.
_FITS = {
    "server_name": ("endpoint",), "starttls": ("endpoint",), "format": ("file", "folder"), "recursive": ("folder",),
    "patterns": ("folder", "vault"), "key_file": ("file", "endpoint"), "hosts": ("endpoint", *_PLACES),
    "password": ("file", "folder", "endpoint"), "addresses": ("endpoint",), "served_at": _PLACES,
}
_ENDPOINT_KEYS = ("endpoint", "name", "server_name", "starttls", "addresses", "hosts", "ca_cert", "policy")


def _object_name(text: str, where: str) -> None:
    """Namespaces are DNS labels, names of secrets and certificates subdomains (Kubernetes, "Object Names and IDs")."""
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?/(\*|[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?)", text):
        raise InvalidOption(f"{where}: {text!r} is not namespace/name", hint="Write it as production/shop-tls, or production/* for all")


def _in_mount(text: str, where: str) -> str:
    """A mount of Vault, of one or more parts, and what is meant in it; without slashes around it, and without ``..``, which would lead
    to another path of Vault's API.
    """
    parts = text.strip("/").split("/")
    if len(parts) < 2 or not all(re.fullmatch(r"(?!\.+$)[^\s\x00-\x1f/?#%\\]{1,255}", part) for part in parts):
        raise InvalidOption(f"{where}: {printable(text)!r} is no mount and name",
                            hint="Write it as pki/shop.example.com, with a serial number in place of the name, or pki/* for all")
    return "/".join(parts)


def parse_endpoint(text: str, *, starttls: str | None = None, where: str = "endpoint") -> tuple[str, int]:
    """Host (ASCII) and port of ``example.com:443``, ``[::1]:636``, ``münchen.example``; the port may be left out.

    :raises InvalidOption: for anything else
    """
    match = _ENDPOINT.fullmatch(text.strip())
    if not match:
        raise InvalidOption(f"{where}: {text!r} is not host:port",
                            hint="Write example.com:443, and an IPv6 address in brackets: [::1]:443; no https://, no path")
    port = int(match["port"]) if match["port"] else _PORTS[starttls]
    if not 0 < port < 65536:
        raise InvalidOption(f"{where}: {port} is no port", hint="Ports are 1 to 65535")
    if match["six"] and not is_address(match["six"]):
        raise InvalidOption(f"{where}: {match['six']!r} is no IPv6 address", hint="Write it as [2001:db8::1]:443")
    return match["six"] or ascii_name(match["host"], where=where), port


def ascii_name(name: str, *, where: str) -> str:
    """A host name as DNS and certificates write it: lower case, IDNs as A-labels (RFC 5890), without a final dot.

    :raises InvalidOption: for a name that cannot be one
    """
    if is_address(name):
        return str(ipaddress.ip_address(name))
    try:
        written = name.rstrip(".").encode("idna").decode("ascii").lower()
    except UnicodeError:
        written = ""
    if not re.fullmatch(r"(?!-)[a-z0-9_*.-]{1,253}", written):
        raise InvalidOption(f"{where}: {name!r} is no host name", hint="Write a name such as api.example.com, or an address")
    return written


def is_address(text: str) -> bool:
    """Whether it is an IPv4 or IPv6 address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def printable(path: str | os.PathLike[str]) -> str:
    """A path that can be shown on one line: control characters and undecodable bytes are escaped."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)
