# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A switch against a zone in memory: what is asked, what is changed, who is waited for."""

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import InvalidOption, Refused
from ansible_collections.evenkeel.ops.plugins.module_utils.recovery.dns_switch import RecordSet, Wanted, judge_switch, switch

API = ("api.shop.test.", "A")


class MemoryZone:
    """One server that follows at once, and one that follows after so many looks (or says why it does not)."""

    name = "shop.test."

    def __init__(self, records, *, late=0, problem=""):
        self.records, self.old, self.late, self.problem, self.applied = dict(records), dict(records), late, problem, 0

    def observe(self, keys, deadline):
        return [self.records.get(key, ((), None)) for key in keys]

    def apply(self, changes, deadline):
        self.applied += 1
        for key, before, after in changes:
            assert self.records.get(key, ((), None)) == before
            self.records[key] = after

    def views(self, keys, deadline):
        self.late -= 1
        behind = self.old if self.late >= 0 else self.records
        second = ("second", [], self.problem) if self.problem else ("second", [behind.get(key, ((), None)) for key in keys], "")
        return [("first", self.observe(keys, deadline), ""), second]

    def negative_ttl(self, deadline):
        return 120


def wanted(*values, ttl=None, expected=None, key=API):
    return Wanted(RecordSet(*key, tuple(values), ttl), expected)


def test_it_waits_for_the_last_server_and_tells_who_did_not_follow(clock):
    zone = MemoryZone({API: (("192.0.2.1",), 300)}, late=5)
    done = switch(zone, [wanted("198.51.100.1")], clock=clock, timeout=60, check=False)
    assert done.agreeing and done.follow == 300 and zone.applied == 1 and clock.slept
    slow = MemoryZone({API: (("192.0.2.1",), 300)}, late=10**6)
    done = switch(slow, [wanted("198.51.100.1")], clock=clock, timeout=60, check=False)
    assert not done.agreeing and [one.status for one in judge_switch("z", done, max_ttl=None)][:2] == ["pass", "fail"]
    mute = MemoryZone({API: (("192.0.2.1",), 300)}, problem="no answer")
    done = switch(mute, [wanted("198.51.100.1")], clock=clock, timeout=60, check=False)
    assert [one.status for one in judge_switch("z", done, max_ttl=None)][:2] == ["pass", "unknown"]


def test_nothing_to_do_changes_nothing_and_check_mode_neither(clock):
    zone = MemoryZone({API: (("192.0.2.1",), 300)})
    same = switch(zone, [wanted("192.0.2.1")], clock=clock, timeout=60, check=False)
    plan = switch(zone, [wanted("198.51.100.1", ttl=60)], clock=clock, timeout=60, check=True)
    assert (same.changed, plan.changed, zone.applied) == (False, True, 0)
    assert plan.as_value("z")["status"] == "planned" and same.follow == 0


def test_a_ttl_alone_is_a_change_and_a_limit_for_it_is_judged(clock):
    zone = MemoryZone({API: (("192.0.2.1",), 300)})
    done = switch(zone, [wanted("192.0.2.1", ttl=60)], clock=clock, timeout=60, check=False)
    assert done.changed and zone.records[API] == (("192.0.2.1",), 60)
    [ttl] = [one for one in judge_switch("z", done, max_ttl=200) if one.check == "recovery.dns_ttl"]
    assert ttl.status == "fail" and ttl.observed == 300


def test_new_records_need_a_ttl_and_what_was_not_expected_is_left_alone(clock):
    zone = MemoryZone({})
    with pytest.raises(InvalidOption, match="has no TTL"):
        switch(zone, [wanted("192.0.2.1")], clock=clock, timeout=60, check=False)
    done = switch(zone, [wanted("192.0.2.1", ttl=60, expected=())], clock=clock, timeout=60, check=False)
    assert done.follow == 120, "resolvers may remember that it was not there"
    with pytest.raises(Refused, match="not what was expected"):
        switch(zone, [wanted("192.0.2.3", expected=("192.0.2.2",))], clock=clock, timeout=60, check=False)
    assert not switch(zone, [wanted("192.0.2.1", expected=("192.0.2.2",))], clock=clock, timeout=60, check=False).changed


def test_what_was_can_be_put_back(clock):
    zone = MemoryZone({API: (("192.0.2.1",), 300)})
    done = switch(zone, [wanted("198.51.100.1", ttl=60), wanted("x.", ttl=60, key=("new.shop.test.", "CNAME"))],
                  clock=clock, timeout=60, check=False)
    assert [one.as_option() for one in done.before] == [
        {"name": "api.shop.test.", "type": "A", "values": ["192.0.2.1"], "ttl": "300s"},
        {"name": "new.shop.test.", "type": "CNAME", "values": [], "ttl": None}]
