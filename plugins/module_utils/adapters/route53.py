# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosted zones of Amazon Route 53 through boto3."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from ..core.errors import InvalidOption, NotFound, Refused
from ..core.options import OptionGroup
from ..core.waiting import Deadline, wait_until
from .amazon import ACCOUNT, client_of, translated
from .dns_records import canonical_values, require_dnspython, zone_name

OPTIONS = OptionGroup(
    fragment="route53",
    options={
        "route53": {"type": "dict", "options": {
            "zone_id": {"type": "str"},
            **ACCOUNT,
        }},
    },
)
Answer = tuple[tuple[str, ...], "int | None"]
Key = tuple[str, str]
_ASK_EVERY = 2.0  # seconds; the API allows five requests a second for the whole account
_REGION = "us-east-1"  # Route 53 is global and signs with this one


class HostedZone:
    """A public or private hosted zone. All its name servers have a change when Amazon says INSYNC, and are not asked one by one."""

    def __init__(self, client: Any, zone_id: str, zone: str) -> None:
        self._client, self._id, self._zone = client, zone_id, zone_name(zone)
        self.name = self._zone.to_text()
        self._change = ""

    @classmethod
    def from_options(cls, zone: str, options: Mapping[str, Any], *, timeout: float) -> HostedZone:
        """The zone that the options of `OPTIONS` describe, looked for by its name where no id is given.

        :raises LibraryMissing: without boto3 or dnspython
        :raises NotFound: where there is no such zone
        :raises InvalidOption: where two have this name
        """
        require_dnspython()
        with _translated():
            client = client_of("route53", options, region=_REGION, timeout=timeout)
            wanted = zone_name(zone).canonicalize().to_text()
            if options["zone_id"]:
                found = [client.get_hosted_zone(Id=options["zone_id"])["HostedZone"]]
            else:
                found = client.list_hosted_zones_by_name(DNSName=wanted)["HostedZones"]
        fitting = [one for one in found if _plain(one["Name"]).lower() == wanted]
        if not fitting:
            raise NotFound(f"There is no hosted zone {wanted} in this account",
                           hint="Check its name, zone_id, and whose credentials these are")
        if len(fitting) > 1:
            raise InvalidOption(f"{len(fitting)} hosted zones are called {wanted}", hint="Say which one with route53.zone_id",
                                evidence={"ids": [one["Id"] for one in fitting]})
        return cls(client, fitting[0]["Id"].rpartition("/")[2], zone)

    def observe(self, keys: Sequence[Key], deadline: Deadline) -> list[Answer]:
        """What the zone has.

        :raises InvalidOption: for a record with a routing policy or an alias target, which have more than values
        """
        return [self._look_up(key) for key in keys]

    def apply(self, changes: Sequence[tuple[Key, Answer, Answer]], deadline: Deadline) -> None:
        """One change batch: all of it or nothing. A DELETE must name what is there, and so is a condition; a CREATE demands that
        nothing is; what is replaced is deleted and created in one batch, so that nobody else's change is written over.

        :raises Refused: where a record was changed meanwhile
        """
        batch = []
        for key, before, after in changes:
            batch += [{"Action": "DELETE", "ResourceRecordSet": _as_record_set(key, before)}] if before[0] else []
            batch += [{"Action": "CREATE", "ResourceRecordSet": _as_record_set(key, after)}] if after[0] else []
        with _translated():
            answer = self._client.change_resource_record_sets(
                HostedZoneId=self._id, ChangeBatch={"Comment": "evenkeel.ops dns_switch", "Changes": batch})
        self._change = answer["ChangeInfo"]["Id"]
        wait_until(self._in_sync, deadline=deadline, what=f"{self.name} to be in sync at all servers of Route 53", interval=_ASK_EVERY)

    def views(self, keys: Sequence[Key], deadline: Deadline) -> list[tuple[str, list[Answer], str]]:
        """The zone as one server: that all have it is what INSYNC said."""
        return [("Route 53", self.observe(keys, deadline), "")]

    def negative_ttl(self, deadline: Deadline) -> int | None:
        """The lesser of the SOA's TTL and its last field."""
        with _translated():
            listed = self._client.list_resource_record_sets(
                HostedZoneId=self._id, StartRecordName=self.name, StartRecordType="SOA", MaxItems="1")["ResourceRecordSets"]
        fields = [re.findall(r"\d+", one["Value"]) for found in listed if found["Type"] == "SOA" for one in found["ResourceRecords"]]
        return min(int(listed[0]["TTL"]), int(fields[0][-1])) if fields and fields[0] else None

    def _in_sync(self) -> bool:
        with _translated():
            return self._client.get_change(Id=self._change)["ChangeInfo"]["Status"] == "INSYNC"

    def _look_up(self, key: Key) -> Answer:
        name, record = key
        with _translated():
            listed = self._client.list_resource_record_sets(
                HostedZoneId=self._id, StartRecordName=name, StartRecordType=record, MaxItems="1")["ResourceRecordSets"]
        for found in listed:
            if _plain(found["Name"]).lower() == name and found["Type"] == record:
                if "ResourceRecords" not in found or "SetIdentifier" in found:
                    raise InvalidOption(f"records: {name} {record} is an alias or has a routing policy",
                                        hint="Switch what it refers to, or its policy: values alone would lose it")
                return canonical_values(self._zone, record, [one["Value"] for one in found["ResourceRecords"]]), int(found["TTL"])
        return (), None


def _as_record_set(key: Key, answer: Answer) -> dict[str, Any]:
    return {"Name": key[0], "Type": key[1], "TTL": answer[1], "ResourceRecords": [{"Value": value} for value in answer[0]]}


def _plain(name: str) -> str:
    """Route 53 escapes in octal (its developer guide, DNS domain name format), zone files in decimal."""
    return zone_name(re.sub(r"\\([0-7]{3})", lambda match: f"\\{int(match[1], 8):03}", name)).to_text()


def _translated() -> AbstractContextManager[None]:
    rights = "ListResourceRecordSets, ChangeResourceRecordSets, GetChange, ListHostedZonesByName"
    return translated("Route 53", "route53", rights=rights, known={
        "NoSuchHostedZone": (NotFound, "Route 53", "Check route53.zone_id"),
        "InvalidChangeBatch": (Refused, "Route 53 did not take the change", "Nothing was changed: if a record was changed by somebody "
                               "else, run again to see what it is now")})
