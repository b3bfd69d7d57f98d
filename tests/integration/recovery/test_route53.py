# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""dns_switch against the API of Route 53."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.testbed.route53 import CREDENTIALS, serve_route53


@pytest.fixture(scope="module")
def amazon() -> Iterator[tuple[str, Any]]:
    with serve_route53() as served:
        yield served


@pytest.fixture
def hosted(amazon) -> Iterator[str]:
    """A zone with one record; gives its id."""
    _url, client = amazon
    made = client.create_hosted_zone(Name="shop.test", CallerReference="one")["HostedZone"]["Id"].rpartition("/")[2]
    records = [{"Name": "api.shop.test", "Type": "A", "TTL": 300, "ResourceRecords": [{"Value": "192.0.2.10"}]},
               {"Name": "*.shop.test", "Type": "TXT", "TTL": 60, "ResourceRecords": [{"Value": '"one" "two"'}]}]
    client.change_resource_record_sets(HostedZoneId=made, ChangeBatch={
        # moto takes no CREATE of what it has in its journal, even where the same batch deletes it; Amazon does.
        "Changes": [{"Action": "UPSERT", "ResourceRecordSet": record} for record in records]})
    yield made
    for record in client.list_resource_record_sets(HostedZoneId=made)["ResourceRecordSets"]:
        if record["Type"] not in ("NS", "SOA"):
            client.change_resource_record_sets(HostedZoneId=made, ChangeBatch={
                "Changes": [{"Action": "DELETE", "ResourceRecordSet": record}]})
    client.delete_hosted_zone(Id=made)


def values(amazon, hosted: str, name: str, record: str = "A") -> list[str]:
    found = amazon[1].list_resource_record_sets(HostedZoneId=hosted)["ResourceRecordSets"]
    return [one["Value"] for entry in found if (entry["Name"], entry["Type"]) == (f"{name}.", record) for one in entry["ResourceRecords"]]


def test_it_plans_switches_is_idempotent_and_goes_back(run_module, amazon, hosted):
    options = {"zone": "shop.test", "route53": {**CREDENTIALS, "endpoint_url": amazon[0]}, "max_ttl": "2m", "records": [
        {"name": "api", "type": "A", "values": ["198.51.100.10"], "ttl": "60s", "expected": ["192.0.2.10"]},
        {"name": "new", "type": "CNAME", "values": ["api"], "ttl": "30s"},
        {"name": "*", "type": "TXT", "values": ['"three"']}]}
    planned = run_module("dns_switch", options, check=True)
    assert planned["changed"] and planned["switch"]["status"] == "planned", planned
    assert values(amazon, hosted, "api.shop.test") == ["192.0.2.10"]
    done = run_module("dns_switch", options)
    assert done["changed"] and done["switch"]["status"] == "pass", done
    assert next(one["status"] for one in done["findings"] if one["check"] == "recovery.dns_ttl") == "fail"
    assert values(amazon, hosted, "api.shop.test") == ["198.51.100.10"]
    assert values(amazon, hosted, "new.shop.test", "CNAME") == ["api.shop.test."]
    assert run_module("dns_switch", options)["changed"] is False
    back = run_module("dns_switch", {**options, "records": done["previous"]})
    assert back["changed"] and values(amazon, hosted, "api.shop.test") == ["192.0.2.10"]
    assert values(amazon, hosted, "new.shop.test", "CNAME") == []


def test_two_zones_of_one_name_and_routing_policies_are_not_guessed_at(run_module, amazon, hosted):
    _url, client = amazon
    second = client.create_hosted_zone(Name="shop.test", CallerReference="two")["HostedZone"]["Id"].rpartition("/")[2]
    records = [{"name": "api", "type": "A", "values": ["198.51.100.10"]}]
    options = {"zone": "shop.test", "route53": {**CREDENTIALS, "endpoint_url": amazon[0]}, "records": records}
    try:
        both = run_module("dns_switch", options, check=True)
        assert both["error"] == "InvalidOption" and sorted(both["evidence"]["ids"])[0].startswith("/hostedzone/")
        one = run_module("dns_switch", {**options, "route53": {**options["route53"], "zone_id": hosted}}, check=True)
        assert one["changed"]
    finally:
        client.delete_hosted_zone(Id=second)
    client.change_resource_record_sets(HostedZoneId=hosted, ChangeBatch={"Changes": [{"Action": "CREATE", "ResourceRecordSet": {
        "Name": "weighted.shop.test", "Type": "A", "TTL": 60, "SetIdentifier": "a", "Weight": 1,
        "ResourceRecords": [{"Value": "192.0.2.20"}]}}]})
    weighted = run_module("dns_switch", {**options, "records": [{"name": "weighted", "type": "A", "values": ["198.51.100.10"]}]})
    assert weighted["error"] == "InvalidOption" and "routing policy" in weighted["msg"], weighted


def test_a_zone_that_is_not_there_and_an_api_that_is_not_there(run_module, amazon):
    options = {"zone": "none.test", "route53": {**CREDENTIALS, "endpoint_url": amazon[0]},
               "records": [{"name": "api", "type": "A", "values": ["198.51.100.10"]}]}
    assert run_module("dns_switch", options)["error"] == "NotFound"
    options["route53"]["endpoint_url"] = "http://127.0.0.1:1"
    gone = run_module("dns_switch", options)
    assert gone["error"] == "Unreachable" and "testing" not in gone["msg"]
