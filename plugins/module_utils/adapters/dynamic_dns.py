# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Zones that take dynamic updates (RFC 2136), signed with a key (TSIG, RFC 8945), through dnspython."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.errors import AccessDenied, CommandFailed, InvalidOption, NotFound, OpsError, Refused, TimedOut, Unreachable
from ..core.files import storage_errors
from ..core.options import OptionGroup
from ..core.waiting import Deadline
from .dns_records import require_dnspython, zone_name

try:
    import dns.exception
    import dns.flags
    import dns.message
    import dns.name
    import dns.query
    import dns.rcode
    import dns.rdataclass
    import dns.rdatatype
    import dns.tsig
    import dns.tsigkeyring
    import dns.update
except ImportError:  # told when a zone is opened
    dns = None

OPTIONS = OptionGroup(
    fragment="dynamic_dns",
    options={
        "rfc2136": {"type": "dict", "options": {
            "server": {"type": "str", "required": True},
            "authorities": {"type": "list", "elements": "str", "default": []},
            "key_file": {"type": "path"},
            "key_name": {"type": "str"},
            "key_secret": {"type": "str", "no_log": True},
            "key_algorithm": {"type": "str", "default": "hmac-sha256", "choices": ["hmac-sha256", "hmac-sha384", "hmac-sha512"]},
        }},
    },
)
Answer = tuple[tuple[str, ...], "int | None"]
Key = tuple[str, str]
_ALGORITHMS = ("hmac-sha256", "hmac-sha384", "hmac-sha512")
_WAITS = (1.0, 2.0, 5.0)  # seconds for an answer; where none comes it is asked again, for datagrams may be lost (RFC 1035, section 4.2.1)
_QUOTED_OR_COMMENT = re.compile(r'("[^"\n]*")|//[^\n]*|#[^\n]*|/\*.*?\*/', re.DOTALL)
_KEY = re.compile(r'key\s+"?([^\s"{;]+)"?\s*\{(.*?)\}', re.DOTALL)
_NOT_AS_BEFORE = ("YXDOMAIN", "YXRRSET", "NXRRSET", "NXDOMAIN")  # RFC 2136, section 3.2


@dataclass(frozen=True)
class Server:
    """A name server: address and port, and the name that messages call it by."""

    address: str
    port: int
    name: str


class DynamicZone:
    """A zone at the server that takes its updates, and at every server that answers for it."""

    def __init__(self, zone: str, primary: Server, authorities: Sequence[Server], keyring: Any, algorithm: str) -> None:
        self._zone = zone_name(zone)
        self.name = self._zone.to_text()
        self._primary, self._authorities = primary, tuple(authorities)
        self._keyring, self._algorithm = keyring, algorithm

    @classmethod
    def from_options(cls, zone: str, options: Mapping[str, Any], *, timeout: float) -> DynamicZone:
        """The zone that the options of `OPTIONS` describe.

        :raises LibraryMissing: without dnspython
        :raises InvalidOption: for a server, key or key file that makes no sense
        :raises Unreachable, TimedOut: where no authorities are named, and the server does not tell them
        """
        require_dnspython()
        keyring, algorithm = _key(options)
        primary = _server(options["server"])
        named = [_server(one) for one in options["authorities"]]
        opened = cls(zone, primary, named, keyring, algorithm)
        return opened if named else cls(zone, primary, opened._listed(timeout), keyring, algorithm)

    def observe(self, keys: Sequence[Key], deadline: Deadline) -> list[Answer]:
        """What the server that takes the updates says.

        :raises Unreachable, TimedOut, AccessDenied: where it does not
        :raises InvalidOption: where a name is an alias, which no other record can stand beside (RFC 1034, section 3.6.2)
        """
        return [self._ask(self._primary, key, deadline) for key in keys]

    def apply(self, changes: Sequence[tuple[Key, Answer, Answer]], deadline: Deadline) -> None:
        """One update message: the server takes all of it or nothing, under the condition that all is as it was seen.

        :raises Refused: where it is not any more
        :raises AccessDenied: for a key that may not
        :raises TimedOut: without an answer; the update may have been made
        """
        update = dns.update.UpdateMessage(self._zone, keyring=self._keyring, keyalgorithm=self._algorithm) if self._keyring \
            else dns.update.UpdateMessage(self._zone)
        for (name, record), (were, _ttl), (values, ttl) in changes:
            owner = dns.name.from_text(name)
            if were:
                update.present(owner, *[_data(record, value) for value in were])
            else:
                update.absent(owner, record)
            update.delete(owner, record)
            for value in values:
                update.add(owner, ttl, _data(record, value))
        server = self._primary
        try:
            with _translated(server):
                answer = dns.query.tcp(update, server.address, port=server.port, timeout=max(0.1, deadline.left))
        except TimedOut as error:
            error.hint = "It may have taken the update all the same: run again, which changes nothing twice"
            raise
        code = dns.rcode.to_text(answer.rcode())
        if code in _NOT_AS_BEFORE:
            raise Refused(f"{server.name}: a record of {self.name} was changed by somebody else just now ({code})",
                          hint="Nothing was changed: run again to see what it is now")
        if code in ("REFUSED", "NOTAUTH"):
            raise AccessDenied(f"{server.name} takes no update of {self.name} with this key ({code})",
                               hint="See allow-update or update-policy of the zone, and the key's name, secret and algorithm")
        if code != "NOERROR":
            raise CommandFailed(f"{server.name} did not take the update of {self.name}: {code}", hint="See its log; nothing was changed")

    def views(self, keys: Sequence[Key], deadline: Deadline) -> list[tuple[str, list[Answer], str]]:
        """Every authoritative server, all at once."""
        def view(server: Server) -> tuple[str, list[Answer], str]:
            try:
                return server.name, [self._ask(server, key, deadline) for key in keys], ""
            except OpsError as error:
                return server.name, [], error.message

        with ThreadPoolExecutor(max_workers=max(1, min(16, len(self._authorities)))) as crew:
            return list(crew.map(view, self._authorities))

    def negative_ttl(self, deadline: Deadline) -> int | None:
        """The lesser of the SOA's TTL and its last field."""
        answer = self._question(self._primary, self._zone, "SOA", deadline.left)
        for found in answer.answer:
            if found.rdtype == dns.rdatatype.SOA:
                return min(found.ttl, found[0].minimum)
        return None

    def _listed(self, timeout: float) -> list[Server]:
        answer = self._question(self._primary, self._zone, "NS", timeout)
        names = [data.target for found in answer.answer if found.rdtype == dns.rdatatype.NS for data in found]
        if not names:
            raise NotFound(f"{self._primary.name} names no servers of {self.name}", hint="Name them in rfc2136.authorities")
        return [self._primary, *[server for name in sorted(names) for server in [_server(name.to_text(omit_final_dot=True))]
                                 if (server.address, server.port) != (self._primary.address, self._primary.port)]]

    def _ask(self, server: Server, key: Key, deadline: Deadline) -> Answer:
        name, record = dns.name.from_text(key[0]), dns.rdatatype.from_text(key[1])
        answer = self._question(server, name, key[1], deadline.left)
        for found in answer.answer:
            if found.name == name and found.rdtype == record:
                return tuple(sorted(data.to_text() for data in found)), found.ttl
            if found.name == name and found.rdtype == dns.rdatatype.CNAME:
                raise InvalidOption(f"records: {key[0]} is an alias of {found[0].target}",
                                    hint=f"Switch its CNAME, or {found[0].target} itself")
        return (), None

    def _question(self, server: Server, name: Any, record: str, left: float) -> Any:
        query = dns.message.make_query(name, record)
        query.flags &= ~dns.flags.RD
        with _translated(server):
            answer = _answer(query, server, left)
        if answer.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN) or not answer.flags & dns.flags.AA:
            said = dns.rcode.to_text(answer.rcode())
            raise Unreachable(f"{server.name} does not answer for {self.name} with authority ({said})",
                              hint="See that it is a server of this zone, and that the zone is loaded")
        return answer


def _answer(query: Any, server: Server, left: float) -> Any:
    for wait in _WAITS:
        seconds = max(0.1, min(wait, left))
        left -= seconds
        try:
            return dns.query.udp_with_fallback(query, server.address, port=server.port, timeout=seconds)[0]
        except dns.exception.Timeout:
            if left <= 0:
                break
    raise dns.exception.Timeout


def _data(record: str, value: str) -> Any:
    return dns.rdata.from_text(dns.rdataclass.IN, record, value)


def _server(text: str) -> Server:
    """``host``, ``host:port``, ``address`` or ``[address]:port``; the first address of a name."""
    match = re.fullmatch(r"\[([^\]]+)\](?::(\d+))?|([^:\s]+)(?::(\d+))?|([0-9A-Fa-f:.]+)", text.strip())
    if not match:
        raise InvalidOption(f"{text!r} is no server", hint="Write a name or an address, with :port where it is not 53")
    host, port = match[1] or match[3] or match[5], int(match[2] or match[4] or 53)
    if not 0 < port < 65536:
        raise InvalidOption(f"{text!r}: {port} is no port", hint="Ports are 1 to 65535")
    try:
        return Server(str(ipaddress.ip_address(host)), port, text)
    except ValueError:
        pass
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Unreachable(f"The name server {host} cannot be resolved: {error}", hint="Name its address instead") from error
    return Server(found[0][4][0], port, text)


def _key(options: Mapping[str, Any]) -> tuple[Any, str]:
    """The keyring and the algorithm; nothing for servers that go by the address."""
    name, secret, algorithm = options["key_name"], options["key_secret"], options["key_algorithm"]
    if options["key_file"]:
        if name or secret:
            raise InvalidOption("rfc2136: key_file and key_name with key_secret are two keys", hint="Give one of them")
        name, secret, algorithm = _read_key(Path(options["key_file"]))
    if not name and not secret:
        return None, algorithm
    try:
        return dns.tsigkeyring.from_text({name or "": (algorithm, secret or "")}), algorithm
    except Exception as error:  # what is wrong with base64 comes as binascii.Error; the secret itself is not repeated
        raise InvalidOption("rfc2136: the key cannot be read", hint="The secret is base64, as tsig-keygen writes it") from error


def _read_key(path: Path) -> tuple[str, str, str]:
    """The first key of a file as tsig-keygen writes it, which is BIND's form and that of ``nsupdate -k``."""
    with storage_errors(path):
        # Comments are taken away, and not what looks like one in quotes: base64 has slashes.
        text = _QUOTED_OR_COMMENT.sub(lambda found: found[1] or "", path.read_text(encoding="utf-8", errors="replace"))
    found = _KEY.search(text)
    fields = dict(re.findall(r'(algorithm|secret)\s+"?([^\s";]+)"?\s*;', found[2])) if found else {}
    if set(fields) != {"algorithm", "secret"} or fields["algorithm"].lower() not in _ALGORITHMS:
        raise InvalidOption(f"{path} holds no key that can be used",
                            hint=f"Make one with tsig-keygen; algorithms are {', '.join(_ALGORITHMS)}")
    return found[1], fields["secret"], fields["algorithm"].lower()


@contextmanager
def _translated(server: Server) -> Iterator[None]:
    """:raises TimedOut, Unreachable, AccessDenied: by what went wrong with this server."""
    try:
        yield
    except (dns.tsig.PeerError, dns.tsig.BadSignature, dns.message.UnknownTSIGKey, dns.tsig.BadTime) as error:
        said = str(error) or type(error).__name__
        raise AccessDenied(f"{server.name} does not accept the key, or its answer is not signed by it: {said}", hint=(
            "Compare name, secret and algorithm with the server's; clocks may differ by 5 minutes at the most")) from error
    except dns.exception.Timeout as error:
        raise TimedOut(f"No answer from the name server {server.name}",
                       hint="See that it runs, and that UDP and TCP pass the firewall") from error
    except (OSError, EOFError) as error:
        raise Unreachable(f"The name server {server.name} cannot be reached: {error}",
                          hint="See that it runs, and on which port") from error
    except dns.exception.DNSException as error:
        raise CommandFailed(f"{server.name} answers what makes no sense: {error or type(error).__name__}", hint="See its log") from error
