# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judging a pooler is pure: what its console shows and limits in, findings out."""

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import InvalidOption
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.pooler import PoolerLimits, judge_pooler

SERVERS = {"active": 18, "idle": 1, "used": 0, "tested": 0, "login": 1}
FACTS = {
    "version": "PgBouncer 1.18.0", "clients": {"used": 80, "maximum": 100}, "settings": {"auth_type": "trust", "pool_mode": "transaction"},
    "pools": [{"database": "shop", "user": "app", "mode": "transaction", "active": 18, "waiting": 4, "waited": 2.5, "servers": SERVERS},
              {"database": "unknown", "user": "app", "mode": "session", "active": 0, "waiting": 0, "waited": 0.0, "servers": SERVERS}],
    "databases": [{"name": "shop", "pool_size": 20, "mode": "transaction", "connections": 19, "maximum": 20, "stopped": ["paused"],
                   "average_wait": 0.2, "average_query": 0.01},
                  {"name": "free", "pool_size": 20, "mode": None, "connections": 5, "maximum": 0, "stopped": [], "average_wait": None,
                   "average_query": None}]}


def judged(limits, **facts):
    return {(finding.check.removeprefix("database."), finding.subject): finding
            for finding in judge_pooler({**FACTS, **facts}, PoolerLimits.from_options(limits), "pool")}


@pytest.mark.parametrize("limits, key, status, said", [
    ({"waiting_clients": {"warn": 0, "fail": 20}}, ("pool_waiting", "pool: shop as app"), "warn", "is 4, over the limit of 0"),
    ({"max_wait": {"fail": "2s"}}, ("pool_wait", "pool: shop as app"), "fail", "2.5s, over the limit of 2s"),
    ({"pool_percent": {"warn": 80, "fail": 99}}, ("pool_saturation", "pool: shop as app"), "warn", "(19 of 20) is 95%"),
    ({"pool_percent": {"warn": 80}}, ("pool_saturation", "pool: unknown as app"), "unknown", "could not be read"),
    ({"clients_percent": {"warn": 70}}, ("pooler_clients", "pool"), "warn", "is 80%, over the limit of 70%"),
    ({"connections_percent": {"fail": 90}}, ("pool_connections", "pool: shop"), "fail", "95%"),
    ({"average_wait": {"fail": "100ms"}}, ("pool_average_wait", "pool: shop"), "fail", "200ms, over the limit of 100ms"),
    ({"average_query": {"fail": "100ms"}}, ("pool_average_query", "pool: shop"), "pass", "10ms"),
    ({"stopped": "fail"}, ("pool_stopped", "pool: shop"), "fail", "it is paused"),
    ({"settings": {"fail": {"auth_type": ["scram-sha-256", "cert"]}}}, ("pooler_settings", "pool: auth_type"), "fail",
     "scram-sha-256 or cert"),
    ({"settings": {"warn": {"pool_mode": "transaction"}}}, ("pooler_settings", "pool: pool_mode"), "pass", "pool_mode is transaction"),
    ({"settings": {"warn": {"no_such": "1"}}}, ("pooler_settings", "pool: no_such"), "unknown", "no setting"),
])
def test_limits(limits, key, status, said):
    finding = judged(limits)[key]
    assert finding.status == status and said in finding.message and (status == "pass" or finding.hint)


def test_what_has_no_limit_is_not_judged_and_what_cannot_be_read_is_unknown():
    assert judged({}) == {}
    refused = {"error": "not allowed", "hint": "Add the user to stats_users"}
    found = judged({"waiting_clients": {"fail": 0}, "clients_percent": {"fail": 1}, "stopped": "fail", "settings": {"fail": {"a": "b"}}},
                   pools=refused, clients=refused, databases=refused, settings=refused)
    assert {finding.status for finding in found.values()} == {"unknown"} and len(found) == 4


@pytest.mark.parametrize("limits", [{"waiting": {"warn": 1}}, {"stopped": "pass"}, {"max_wait": {"warn": "-1s"}},
                                    {"pool_percent": {"fail": 101}}])
def test_what_cannot_be_meant_is_refused(limits):
    with pytest.raises(InvalidOption):
        PoolerLimits.from_options(limits)
