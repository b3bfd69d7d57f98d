# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where no name and no answer must lead: link-local addresses and the metadata services of clouds, however they are written.

We run on a host that such a service trusts; names, redirects and what a certificate says are the word of somebody else. Whoever
means such an address writes it as a number; in DNS link-local addresses have no place (RFC 4472, 2.1). Judged is the resolved
address that is about to be connected to, never its spelling, so decimal, octal and DNS forms need no treatment here.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from functools import lru_cache

from .errors import Refused

# RFC 3927 and RFC 4291 section 2.5.6; then the addresses that the clouds document for their metadata services.
_FORBIDDEN = tuple((ipaddress.ip_network(network), what) for network, what in (
    ("169.254.0.0/16", "a link-local address"),
    ("fe80::/10", "a link-local address"),
    ("fd00:ec2::/32", "an AWS metadata address"),
    ("fd20:ce::254/128", "a Google Cloud metadata address"),
    ("100.100.100.200/32", "an Alibaba Cloud metadata address"),
    ("168.63.129.16/32", "an Azure metadata address"),
    ("192.0.0.192/32", "an Oracle Cloud metadata address"),
))
# IPv6 forms that carry an IPv4 address in their last 32 bits: mapped, compatible (RFC 4291), translated (RFC 7915), NAT64 (RFC 6052,
# RFC 8215).
_CARRIERS = tuple(ipaddress.ip_network(network) for network in (
    "::ffff:0:0/96", "::/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48"))
# For translators at home (RFC 8215), whose prefix may be shorter: where the four bytes are then (RFC 6052, 2.2).
_AT_HOME = (ipaddress.ip_network("64:ff9b:1::/48"), ((6, 7, 9, 10), (7, 9, 10, 11), (9, 10, 11, 12)))
_ISATAP = (0x00005EFE, 0x02005EFE)  # the first half of such an interface identifier (RFC 5214, 6.1)


def refuse_forbidden(host: str, addresses: Iterable[str], *, foreign: bool = False) -> None:
    """Let nobody lead us there: one such address among those of a host refuses it as a whole.

    A number is meant by whoever wrote it into the policy; where it is ``foreign``, the word of an answer (a redirect, an address
    in a certificate), it is judged as names are.

    :raises Refused: then
    """
    if not foreign and is_numeric(host):
        return
    for address in addresses:
        reason = forbidden_address(address)
        if reason:
            raise Refused(f"{host} is {reason} ({address})" if host != address else f"{host} is {reason}",
                          hint="A zone or an answer leads there: see whose word it is; write the numeric address if it is meant")


@lru_cache(maxsize=4096)
def forbidden_address(address: str) -> str | None:
    """What a resolved numeric address is (``a link-local address``) where no name and no answer may lead, else None.

    An address that cannot be read is forbidden too.
    """
    try:
        given = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return "no address"
    for candidate in (given, *_carried(given)):
        for network, what in _FORBIDDEN:
            if candidate.version == network.version and candidate in network:
                return what
    return None


@lru_cache(maxsize=4096)
def is_numeric(host: str) -> bool:
    """Whether a host is an address as such, and no name that somebody has to look up."""
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def _carried(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> list[ipaddress.IPv4Address]:
    """The IPv4 addresses inside an IPv6 one, also of 6to4 (RFC 3056) and Teredo (RFC 4380)."""
    if isinstance(address, ipaddress.IPv4Address):
        return []
    last = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    inside = [last for network in _CARRIERS if address in network]
    if int(address) >> 32 & 0xFFFFFFFF in _ISATAP:
        inside.append(last)
    if address in _AT_HOME[0]:
        inside += [ipaddress.IPv4Address(bytes(address.packed[at] for at in places)) for places in _AT_HOME[1]]
    return inside + [one for one in (address.sixtofour, *(address.teredo or ())) if one]
