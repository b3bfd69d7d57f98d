# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may issue certificates for a name: its CAA records (RFC 8659), through dnspython."""

from __future__ import annotations

from ..core.errors import LibraryMissing, OpsError, TimedOut, Unreachable


def caa_issuers(name: str, *, resolver: tuple[str, int] | None, timeout: float) -> frozenset[str] | None:
    """The domains of the authorities that may issue for a name; None where nothing restricts them, empty where none may.

    The records are those of the name, or of the first domain above it that has any. For ``*.example.com`` those with the tag
    ``issuewild`` come first. ``resolver`` is address and port, None the system's.

    :raises Unreachable, TimedOut: when the zones cannot be asked; also a signature that does not verify there (SERVFAIL)
    :raises LibraryMissing: without dnspython
    """
    try:
        import dns.exception
        import dns.name
        import dns.resolver
    except ImportError as error:
        raise LibraryMissing("dnspython") from error
    wildcard = name.startswith("*.")
    try:
        asking = dns.resolver.Resolver(configure=resolver is None)
        if resolver:
            asking.nameservers, asking.port = [resolver[0]], resolver[1]
        owner = dns.name.from_text(name.removeprefix("*."))
        while owner != dns.name.root:
            try:
                records = asking.resolve(owner, "CAA", lifetime=timeout, search=False)
            except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
                owner = owner.parent()
                continue
            allowed = {tag: [record.value for record in records if record.tag.lower() == tag] for tag in (b"issue", b"issuewild")}
            values = (allowed[b"issuewild"] if wildcard else []) or allowed[b"issue"]
            if not values:
                return None  # records of other kinds only, such as iodef
            domains = (value.decode("ascii", "replace").partition(";")[0].strip().lower() for value in values)
            return frozenset(domain for domain in domains if domain)
    except dns.exception.DNSException as error:
        raise _in_our_words(error, name) from error
    return None


def _in_our_words(error: Exception, name: str) -> OpsError:
    import dns.exception

    if isinstance(error, dns.exception.Timeout):
        return TimedOut("the resolver does not answer", hint="See that it runs, and that UDP and TCP to its port pass the firewall")
    said = " ".join(str(error).split())[:300]
    return Unreachable(f"the resolver cannot answer for {name} CAA: {said}", hint="See its log; authorities refuse to issue then too")
