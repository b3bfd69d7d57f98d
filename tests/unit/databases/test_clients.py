# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection audit is pure: groups of sessions and limits in, findings out."""

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import InvalidOption
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.judge import judge_database
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.limits import DatabaseLimits


def client(user="app", address="10.0.0.5", sessions=1, state="active", encrypted=True, seconds=1.0, application="cart", database="shop"):
    return {"user": user, "application": application, "address": address, "database": database, "state": state, "sessions": sessions,
            "encrypted": encrypted, "seconds": seconds}


FACTS = {"name": "shop", "sees_all": True, "sessions": {"used": 60, "maximum": 103, "reserved": 3}, "clients": [
    client(sessions=50), client(sessions=5, state="idle", seconds=90000.0), client("report", "10.1.0.9", encrypted=False, application="bi"),
    client("postgres", "socket", encrypted=False, application=""), client("local", "127.0.0.1", encrypted=False),
    client("six", "fe80::1%eth0", encrypted=False)]}


def judged(limits: dict, **facts) -> dict:
    found = judge_database({**FACTS, **facts}, DatabaseLimits.from_options(limits))
    return {(finding.check.removeprefix("database."), finding.subject): finding for finding in found}


@pytest.mark.parametrize("limits, key, status, said", [
    ({"user_connections_percent": {"warn": 50}}, ("user_connections", "app"), "warn", "(55 sessions) is 55%, over the limit of 50%"),
    ({"application_connections_percent": {"fail": 60}}, ("application_connections", "cart"), "pass", "57%"),
    ({"address_connections_percent": {"fail": 50}}, ("address_connections", "10.0.0.5"), "fail", "one address"),
    ({"idle_session": {"warn": "1d"}}, ("idle_session", "app from 10.0.0.5 (cart)"), "warn", "1d1h, over the limit of 1d"),
    ({"unencrypted_sessions": {"warn": 0}}, ("unencrypted_sessions", "report from 10.1.0.9 (bi)"), "warn", "is 2, over"),
    ({"clients": {"fail": {"users": ["app", "p*", "l*", "six"]}}}, ("clients", "report from 10.1.0.9 (bi)"), "fail",
     "the user is not expected"),
    ({"clients": {"warn": {"addresses": ["10.0.0.0/8", "127.0.0.0/8", "fe80::/10"]}}}, ("clients", "postgres from socket"), "warn",
     "the address is not expected"),
    ({"clients": {"warn": {"addresses": ["0.0.0.0/0", "::/0", "socket"]}}}, ("clients", "shop"), "pass", "everybody"),
])
def test_who_is_connected(limits, key, status, said):
    finding = judged(limits)[key]
    assert finding.status == status and said in finding.message and (status == "pass" or finding.hint)


def test_nobody_connected_is_no_trouble():
    found = judged({"user_connections_percent": {"fail": 1}, "idle_session": {"fail": "1s"}, "unencrypted_sessions": {"fail": 0},
                    "clients": {"fail": {"users": []}}}, clients=[])
    assert {finding.status for finding in found.values()} == {"pass"}


def test_what_is_hidden_is_unknown():
    found = judged({"clients": {"fail": {"users": ["app"]}}}, sees_all=False)
    assert found["clients", "shop"].status == "unknown" and "GRANT pg_monitor" in found["clients", "shop"].hint


@pytest.mark.parametrize("limits", [{"clients": {"fail": {"addresses": ["10.0.0.0/99"]}}}, {"clients": {"fail": {"user": ["app"]}}},
                                    {"clients": {"unknown": {}}}, {"clients": {"fail": ["app"]}}, {"idle_session": {"warn": "-1d"}}])
def test_what_cannot_be_meant_is_refused(limits):
    with pytest.raises(InvalidOption):
        DatabaseLimits.from_options(limits)
