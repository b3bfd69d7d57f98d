# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names and values of DNS in one form (dnspython's), whatever form they came in."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..core.errors import InvalidOption, LibraryMissing

try:
    import dns.exception
    import dns.name
    import dns.rdata
    import dns.rdataclass
    import dns.rdatatype
except ImportError:  # told when a zone is opened
    dns = None

# A day is what a switch can wait for at the very most; RFC 2181, section 8, has 31 bits.
LONGEST_TTL = 86400


def require_dnspython() -> None:
    """:raises LibraryMissing: where it is not installed."""
    if dns is None:
        raise LibraryMissing("dnspython")


def zone_name(text: str) -> Any:
    """The absolute name of a zone.

    :raises InvalidOption: for what is no name
    """
    return _name(text, "zone", None)


def name_in(zone: Any, text: str) -> str:
    """The absolute name, in lower case; one without a final dot lies in the zone unless it ends with it already.

    :raises InvalidOption: for what is no name, or lies elsewhere
    """
    found = _name(text, "name", None)
    if not text.endswith(".") and not found.is_subdomain(zone):
        found = _name(text, "name", zone)
    if not found.is_subdomain(zone):
        raise InvalidOption(f"records: {text!r} is not in the zone {zone}", hint="Name the zone that holds it")
    return found.canonicalize().to_text()


def canonical_values(zone: Any, record: str, values: Iterable[str]) -> tuple[str, ...]:
    """Values in presentation form, sorted, each once; names in them are absolute.

    :raises InvalidOption: for what is no value of this type
    """
    found = set()
    for value in values:
        try:
            if not value.isprintable():  # a line break would end the value, and what follows it would be passed over
                raise ValueError("it holds a control character")
            data = dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.from_text(record), value, origin=zone, relativize=False)
            found.add(data.to_text())
        except (dns.exception.DNSException, ValueError) as error:
            raise InvalidOption(f"records: {value!r} is no value of a record {record}: {error}",
                                hint="Write it as in a zone file: an address for A and AAAA, a name with a final dot for CNAME") from error
    return tuple(sorted(found))


def _name(text: str, option: str, origin: Any) -> Any:
    try:
        if not text.strip("."):
            raise InvalidOption(f"{option}: {text!r} is no name of a zone's", hint="Write it as api.example.com")
        return dns.name.from_text(text, origin=origin or dns.name.root)
    except (dns.exception.DNSException, UnicodeError) as error:
        raise InvalidOption(f"{option}: {text!r} is no DNS name: {error}",
                            hint="Labels have up to 63 bytes, a name up to 255") from error
