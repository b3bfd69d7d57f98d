# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""dns_switch against real BIND servers, by dynamic update."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import dns.query
import dns.tsigkeyring
import dns.update
import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import ToolMissing

from tests.conftest import missing
from tests.testbed.bind import Zone, serve_zone

Run = Callable[..., dict[str, Any]]


@pytest.fixture
def zone() -> Iterator[Zone]:
    try:
        with serve_zone() as served:
            yield served
    except ToolMissing:
        missing("BIND (named)")


@pytest.fixture
def switch(run_module, zone) -> Run:
    def run(records: list[dict[str, Any]], *, check: bool = False, diff: bool = False, **options: Any) -> dict[str, Any]:
        return run_module("dns_switch", {"zone": "shop.test", "rfc2136": zone.options(), "records": records, "timeout": "2m", **options},
                          check=check, diff=diff)

    return run


def test_it_plans_switches_reaches_every_server_is_idempotent_and_goes_back(switch, zone):
    records = [{"name": "api", "type": "A", "values": ["198.51.100.10"], "ttl": "60s", "expected": ["192.0.2.10"]},
               {"name": "api.shop.test", "type": "AAAA", "values": ["2001:DB8::10"], "ttl": "60s"},
               {"name": "pool", "type": "A", "values": []}]
    planned = switch(records, check=True, diff=True, max_ttl="2m")
    assert planned.get("changed") and planned["switch"]["status"] == "planned", planned
    assert zone.ask("api.shop.test") == ["192.0.2.10"], "check mode changes nothing"
    assert "api.shop.test. A 300 192.0.2.10\n" in planned["diff"]["before"] and "A 60 198.51.100.10" in planned["diff"]["after"]
    late = next(one for one in planned["findings"] if one["check"] == "recovery.dns_ttl")
    assert late["status"] == "fail" and late["observed"] == 300, "a TTL that is too long is told before the day"

    done = switch(records)
    assert done["changed"] and {one["status"] for one in done["findings"]} == {"pass"}, done
    for server in (zone.primary, zone.secondary):
        assert zone.ask("api.shop.test", server=server) == ["198.51.100.10"]
        assert zone.ask("api.shop.test", "AAAA", server=server) == ["2001:db8::10"]
        assert zone.ask("pool.shop.test", server=server) == []
    assert done["switch"]["clients_follow_seconds"] == 300, "the longest TTL of what was there; a name that was not there has the SOA's 120"
    assert [one["agrees"] for one in done["switch"]["servers"]] == [True, True]

    again = switch(records)
    assert not again["changed"] and again["switch"]["status"] == "pass"

    back = switch(done["previous"])
    assert back["changed"] and zone.ask("api.shop.test", server=zone.secondary) == ["192.0.2.10"]
    assert zone.ask("pool.shop.test") == ["192.0.2.11", "192.0.2.12"] and zone.ask("api.shop.test", "AAAA") == []
    assert switch(done["previous"])["changed"] is False


def test_a_question_whose_datagram_is_lost_is_asked_again(run_module, zone):
    """Each question's first datagram goes nowhere; TCP, which loses none, is the server's own."""
    address, _colon, port = zone.primary.partition(":")
    lost: set[bytes] = set()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as relay, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as onward:
        relay.bind(("127.0.0.1", 0))
        relay.settimeout(0.2)
        onward.settimeout(20)
        over = threading.Event()

        def pass_on() -> None:
            while not over.is_set():
                with contextlib.suppress(TimeoutError):
                    question, client = relay.recvfrom(65535)
                    if question not in lost:
                        lost.add(question)
                        continue
                    onward.sendto(question, (address, int(port)))
                    relay.sendto(onward.recv(65535), client)

        passing = threading.Thread(target=pass_on)
        passing.start()
        try:
            planned = run_module("dns_switch", {
                "zone": "shop.test", "rfc2136": {**zone.options(), "server": f"127.0.0.1:{relay.getsockname()[1]}"}, "timeout": "2m",
                "records": [{"name": "api", "type": "A", "values": ["198.51.100.10"]}]}, check=True)
        finally:
            over.set()
            passing.join()
    assert planned.get("changed") and planned["switch"]["records"][0]["before"] == ["192.0.2.10"] and lost, planned


def test_a_record_that_somebody_else_changed_is_left_alone(switch, zone):
    refused = switch([{"name": "api", "type": "A", "values": ["198.51.100.10"], "expected": ["192.0.2.99"]}])
    assert refused["failed"] and refused["error"] == "Refused" and refused["evidence"]["found"] == ["192.0.2.10"]
    assert zone.ask("api.shop.test") == ["192.0.2.10"]


def test_the_condition_is_in_the_update_itself(zone):
    """What was observed is a second old when the update comes: between the two somebody changes the record."""
    from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.dynamic_dns import DynamicZone
    from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import SystemClock
    from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import Refused
    from ansible_collections.evenkeel.ops.plugins.module_utils.core.waiting import Deadline

    empty = {"key_name": None, "key_secret": None, "key_algorithm": "hmac-sha256"}
    opened = DynamicZone.from_options("shop.test", {**empty, **zone.options()}, timeout=120)
    key, deadline = ("api.shop.test.", "A"), Deadline(SystemClock(), 120)
    [before] = opened.observe([key], deadline)
    update = dns.update.UpdateMessage("shop.test", keyring=dns.tsigkeyring.from_text({"switch": zone.key_secret}))
    update.replace("api", 300, "A", "203.0.113.1")
    assert dns.query.tcp(update, "127.0.0.1", port=int(zone.primary.partition(":")[2]), timeout=60).rcode() == 0
    with pytest.raises(Refused, match="changed by somebody else"):
        opened.apply([(key, before, (("198.51.100.10",), 60))], deadline)
    assert zone.ask("api.shop.test") == ["203.0.113.1"]
    with pytest.raises(Refused):
        opened.apply([(key, ((), None), (("198.51.100.10",), 60))], deadline)


def test_all_or_nothing(switch, zone):
    both = switch([{"name": "pool", "type": "A", "values": ["198.51.100.11"]},
                   {"name": "www", "type": "A", "values": ["198.51.100.10"], "ttl": "60s"}])
    assert both["failed"] and "is an alias of api.shop.test." in both["msg"]
    assert zone.ask("pool.shop.test") == ["192.0.2.11", "192.0.2.12"]


def test_a_silent_server_is_unknown_and_the_next_run_sees_it_follow(switch, zone):
    zone.stop_secondary()
    records = [{"name": "api", "type": "A", "values": ["198.51.100.10"]}]
    done = switch(records, timeout="6s")
    statuses = {one["subject"].rpartition(" ")[2]: one["status"] for one in done["findings"] if one["check"] == "recovery.dns"}
    assert statuses == {zone.primary: "pass", zone.secondary: "unknown"} and done["switch"]["status"] == "fail"
    zone.start_secondary()
    again = switch(records)
    assert not again["changed"] and again["switch"]["status"] == "pass", again


def test_a_wrong_key_is_told_and_the_secret_is_not(run_module, zone):
    import base64

    wrong = base64.b64encode(b"canary-of-the-test-canary-of-the").decode()
    options = {"zone": "shop.test", "records": [{"name": "api", "type": "A", "values": ["198.51.100.10"]}], "timeout": "2m",
               "rfc2136": {"server": zone.primary, "authorities": [zone.primary], "key_name": "switch", "key_secret": wrong}}
    answer = run_module("dns_switch", options)
    assert answer["failed"] and answer["error"] == "AccessDenied" and "key" in answer["msg"], answer
    assert wrong not in str(answer)
    del options["rfc2136"]["key_name"], options["rfc2136"]["key_secret"]
    unsigned = run_module("dns_switch", options)
    assert unsigned["error"] == "AccessDenied" and "REFUSED" in unsigned["msg"]
    assert zone.ask("api.shop.test") == ["192.0.2.10"]


def test_servers_that_do_not_answer_do_not_hang(run_module):
    import socket

    with socket.socket(type=socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        began = time.monotonic()
        answer = run_module("dns_switch", {
            "zone": "shop.test", "rfc2136": {"server": f"127.0.0.1:{silent.getsockname()[1]}"}, "timeout": "1s",
            "records": [{"name": "api", "type": "A", "values": ["198.51.100.10"]}]})
    assert answer["failed"] and answer["error"] == "TimedOut" and time.monotonic() - began < 30


@pytest.mark.parametrize(("entry", "said"), [
    ({"name": "api.other.test.", "type": "A", "values": ["192.0.2.1"]}, "not in the zone"),
    ({"name": "a" * 64, "type": "A", "values": ["192.0.2.1"]}, "no DNS name"),
    ({"name": "api..shop", "type": "A", "values": ["192.0.2.1"]}, "no DNS name"),
    ({"name": "", "type": "A", "values": ["192.0.2.1"]}, "no name"),
    ({"name": "api", "type": "A", "values": ["-1; rm"]}, "no value of a record A"),
    ({"name": "api", "type": "A", "values": ["192.0.2.1\n@ IN NS evil."]}, "no value of a record A"),
    ({"name": "api", "type": "A", "values": ["192.0.2.1"], "ttl": "-5s"}, "not a duration"),
    ({"name": "api", "type": "A", "values": ["192.0.2.1"], "ttl": "2w"}, "no TTL"),
    ({"name": "api", "type": "CNAME", "values": ["a", "b"]}, "alias of one name only"),
])
def test_what_makes_no_sense_is_refused_before_any_server_is_asked(run_module, entry, said):
    answer = run_module("dns_switch", {"zone": "shop.test", "records": [entry], "rfc2136": {"server": "127.0.0.1:1"}})
    assert answer["failed"] and answer["error"] == "InvalidOption" and said in answer["msg"], answer
