# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which addresses no name and no answer must lead to."""

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.core.addresses import forbidden_address, is_numeric, refuse_forbidden
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import Refused


@pytest.mark.parametrize("address", [
    "169.254.169.254", "169.254.0.1", "169.254.170.2", "fe80::1", "fe80::1%eth0", "febf::1", "fd00:ec2::254", "fd00:ec2::23",
    "fd20:ce::254", "100.100.100.200", "168.63.129.16", "192.0.0.192", "::ffff:169.254.169.254", "::ffff:a9fe:a9fe",
    "::169.254.169.254", "64:ff9b::169.254.169.254", "64:ff9b:1::a9fe:a9fe", "2002:a9fe:a9fe::1", "::ffff:100.100.100.200",
    "2001:0:4136:e378:8000:63bf:5601:5601", "::ffff:0:169.254.169.254", "2001:db8::5efe:169.254.169.254", "2001:db8::200:5efe:a9fe:a9fe",
    "64:ff9b:1:a9fe:a9:fe00::", "64:ff9b:1:a9:fe:a9fe::", "64:ff9b:1:0:a9:fea9:fe00:0",
])
def test_link_local_and_metadata_addresses_are_forbidden_in_every_form(address):
    assert forbidden_address(address)


@pytest.mark.parametrize("address", [
    "127.0.0.1", "::1", "10.0.0.1", "192.168.1.1", "169.253.255.255", "169.255.0.1", "100.100.100.201", "fec0::1",
    "2001:db8::1", "::ffff:10.0.0.1", "64:ff9b::10.0.0.1",
])
def test_other_addresses_are_not(address):
    assert forbidden_address(address) is None


@pytest.mark.parametrize("address", ["", "localhost", "169.254.169.254.nip.io", "0xa9fea9fe"])
def test_what_cannot_be_read_is_forbidden(address):
    assert forbidden_address(address) == "no address"


@pytest.mark.parametrize("host, numeric", [("127.0.0.1", True), ("fe80::1%eth0", True), ("::1", True), ("2852039166", False),
                                           ("0xa9fea9fe", False),
                                           ("169.254.169.254.", False), ("shop.test", False), ("", False)])
def test_what_is_an_address_as_such(host, numeric):
    assert is_numeric(host) is numeric


@pytest.mark.parametrize("host, addresses, foreign", [
    ("shop.test", ["127.0.0.1", "169.254.169.254"], False), ("shop.test", ["fe80::1%eth0"], True),
    ("2852039166", ["169.254.169.254"], False),
    ("169.254.169.254", ["169.254.169.254"], True), ("fe80::1%eth0", ["fe80::1"], True),
])
def test_one_forbidden_address_refuses_the_host(host, addresses, foreign):
    with pytest.raises(Refused) as refused:
        refuse_forbidden(host, addresses, foreign=foreign)
    assert "a link-local address" in refused.value.message and refused.value.hint


@pytest.mark.parametrize("host, addresses, foreign", [
    ("shop.test", ["127.0.0.1", "::1"], True), ("169.254.169.254", ["169.254.169.254"], False), ("fe80::1%eth0", ["fe80::1"], False),
    ("shop.test", [], True),
])
def test_a_number_in_the_policy_is_meant(host, addresses, foreign):
    refuse_forbidden(host, addresses, foreign=foreign)
