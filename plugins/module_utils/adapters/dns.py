# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""DNS questions through dnspython, to the system's resolvers or to one that is named."""

from __future__ import annotations

from ..core.errors import InvalidOption, LibraryMissing, NotFound, OpsError, TimedOut, Unreachable
from .sockets import Dialer, Stage


async def look_up(dialer: Dialer, name: str, record: str, *, resolver: tuple[str, int] | None, timeout: float,
                  stage: Stage) -> list[str]:
    """The records of a type that a name has, as text; ``resolver`` is host and port, None the system's.

    :raises LibraryMissing: without dnspython
    :raises InvalidOption: for a record type that does not exist
    :raises NotFound: the name does not exist, or has no record of this type
    :raises Unreachable, TimedOut: the resolver refuses, fails or does not answer
    """
    try:
        import dns.asyncresolver
        import dns.exception
        import dns.rdatatype
        import dns.resolver
    except ImportError as error:
        raise LibraryMissing("dnspython") from error
    where = f"the resolver {resolver[0]}:{resolver[1]}" if resolver else "this host's resolver"
    try:
        asking = dns.asyncresolver.Resolver(configure=resolver is None)
        if resolver:
            _family, address = (await dialer.resolve(*resolver, stage=stage))[0]
            asking.nameservers, asking.port = [address[0]], resolver[1]
        stage(f"{where} to answer")
        answer = await asking.resolve(name, record, lifetime=timeout, search=False)
    except (dns.rdatatype.UnknownRdatatype, dns.resolver.NoMetaqueries) as error:
        raise InvalidOption(f"record: {record} is no record type that can be asked for",
                            hint="Give A, AAAA, CNAME, MX, TXT, SRV or another") from error
    except dns.exception.DNSException as error:
        raise _in_our_words(error, name, record, where) from error
    return [data.to_text() for data in answer]


def _in_our_words(error: Exception, name: str, record: str, where: str) -> OpsError:
    import dns.exception
    import dns.resolver

    if isinstance(error, dns.resolver.NXDOMAIN):
        return NotFound(f"{where} knows no name {name}", hint="Check its spelling and the zone")
    if isinstance(error, dns.resolver.NoAnswer):
        return NotFound(f"{name} has no record of type {record}", hint="Check the type and the zone")
    if isinstance(error, dns.exception.Timeout):
        return TimedOut(f"{where} does not answer", hint="See that it runs, and that UDP and TCP to its port pass the firewall")
    if isinstance(error, dns.resolver.NoResolverConfiguration):
        return Unreachable("this host has no resolver", hint="See /etc/resolv.conf, or name a resolver")
    said = " ".join(str(error).split())[:300]
    return Unreachable(f"{where} cannot answer for {name} {record}: {said}", hint="See the resolver's log")
