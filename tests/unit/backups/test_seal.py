# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sealed JSON: read by anybody, and no byte of it altered, cut or added unseen."""

from __future__ import annotations

import json

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.seal import sealed, unsealed
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import Damaged
from hypothesis import given
from hypothesis import strategies as st

DATA = {"id": "x\n \"seal\": \"ü", "nested": {"seal": "0" * 64}, "number": 1.5, "none": None}
VALUES = st.recursive(st.none() | st.booleans() | st.integers() | st.text(),
                      lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3), max_leaves=10)


@given(st.dictionaries(st.text().filter(lambda name: name not in ("seal", "format")), VALUES, max_size=5))
def test_what_was_sealed_comes_back_and_is_json(data):
    assert unsealed(sealed(data)) == {**data, "format": 2}
    assert json.loads(sealed(data)).keys() == {*data, "format", "seal"}


def test_sealing_twice_is_sealing_once():
    assert sealed(json.loads(sealed(DATA))) == sealed(DATA)


def test_every_byte_altered_every_cut_and_every_addition_is_seen():
    whole = sealed(DATA)
    harmed = [whole[:at] + bytes([whole[at] ^ (1 << bit)]) + whole[at + 1:] for at in range(len(whole)) for bit in range(8)]
    harmed += [whole[:length] for length in range(len(whole))] + [whole + b"\n", b" " + whole, whole + whole]
    for text in harmed:
        with pytest.raises((Damaged, ValueError)):
            unsealed(text)


def test_what_was_never_sealed_is_read_as_it_is():
    assert unsealed(b'{"format": 1, "id": "a"}') == {"format": 1, "id": "a"}
    assert unsealed(b'{"kind": "verify"}') == {"kind": "verify"}
    for text in (b"[]", b"3", b"", b"{"):
        with pytest.raises(ValueError):
            unsealed(text)
