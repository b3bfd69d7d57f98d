# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Option groups are joined, never overwritten."""

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.core.options import OptionGroup, own


def test_groups_are_joined_with_their_constraints():
    both = own(a={"type": "str"}) + OptionGroup({"b": {"type": "int"}}, "twin", required_together=[("a", "b")],
                                                mutually_exclusive=[("a", "c")], required_one_of=[("a",)], required_if=[("a", 1, ["b"])])
    assert both.options == {"a": {"type": "str"}, "b": {"type": "int"}} and both.fragment == ""
    assert both.required_together == (("a", "b"),) and both.mutually_exclusive == (("a", "c"),)
    assert both.required_one_of == (("a",),) and both.required_if == (("a", 1, ["b"]),)


def test_an_option_of_two_groups_is_a_mistake():
    with pytest.raises(ValueError, match="defined twice: \\['a'\\]"):
        own(a={}) + own(a={}, b={})


def test_joining_leaves_the_parts_as_they_were():
    one, other = own(a={}), own(b={})
    assert set((one + other).options) == {"a", "b"} and set(one.options) == {"a"} and set(other.options) == {"b"}
