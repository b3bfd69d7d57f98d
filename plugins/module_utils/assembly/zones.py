# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The DNS zone that options name, and the record sets that they want in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..adapters.dns_records import LONGEST_TTL, canonical_values, name_in, require_dnspython, zone_name
from ..adapters.dynamic_dns import DynamicZone
from ..adapters.route53 import HostedZone
from ..core.errors import InvalidOption
from ..core.quantities import parse_duration
from ..recovery.dns_switch import RecordSet, Wanted, Zone


def open_zone(zone: str, options: Mapping[str, Any], *, timeout: float) -> Zone:
    """For the options of `adapters.dynamic_dns.OPTIONS` and `adapters.route53.OPTIONS`, of which one is given.

    :raises OpsError: as their ``from_options``
    """
    if options["route53"] is not None:
        return HostedZone.from_options(zone, options["route53"], timeout=timeout)
    return DynamicZone.from_options(zone, options["rfc2136"], timeout=timeout)


def read_records(zone: str, entries: Sequence[Mapping[str, Any]]) -> list[Wanted]:
    """The entries of ``records`` in canonical form.

    :raises LibraryMissing: without dnspython
    :raises InvalidOption: for names, values and TTLs that DNS does not have, for two of one name and type, for none at all
    """
    require_dnspython()
    origin = zone_name(zone)
    found: dict[tuple[str, str], Wanted] = {}
    for entry in entries:
        name, record = name_in(origin, entry["name"]), entry["type"]
        values = canonical_values(origin, record, entry["values"])
        if (name, record) in found:
            raise InvalidOption(f"records: {name} {record} is there twice", hint="Give all values of a name and type in one entry")
        if record == "CNAME" and len(values) > 1:
            raise InvalidOption(f"records: {name} can be an alias of one name only", hint="Give one value")
        expected = entry.get("expected")
        found[name, record] = Wanted(RecordSet(name, record, values, _ttl(entry.get("ttl"))),
                                     None if expected is None else canonical_values(origin, record, expected))
    if not found:
        raise InvalidOption("records: there are none", hint="Name the record sets to be switched")
    return list(found.values())


def _ttl(text: str | None) -> int | None:
    if not text:
        return None
    seconds = parse_duration(text, option="records.ttl")
    if seconds != int(seconds) or seconds > LONGEST_TTL:
        raise InvalidOption(f"records.ttl: {text!r} is no TTL", hint="Give whole seconds, up to 1d")
    return int(seconds)
