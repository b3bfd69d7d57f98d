# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of fingerprints needs no server; what does is in tests/integration/recovery/test_fingerprint.py."""

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.fingerprint import qualified, take_fingerprint
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import InvalidOption
from hypothesis import given
from hypothesis import strategies as st

NAMES = st.text(min_size=1, max_size=20)


def nobody():
    raise AssertionError("no session is opened for a request that makes no sense")


@pytest.mark.parametrize("snapshot", ["", "x", "00000003-0000001B-1'; DROP TABLE a; --", "00000003-0000001B-1\n"])
def test_text_that_is_no_snapshot_never_reaches_a_server(snapshot):
    with pytest.raises(InvalidOption) as error:
        take_fingerprint(nobody, mode="full", snapshot=snapshot)
    assert error.value.hint


def test_an_unknown_mode_is_refused():
    with pytest.raises(InvalidOption) as error:
        take_fingerprint(nobody, mode="off")
    assert "full, sampled" in error.value.hint


def test_plain_names_stay_plain_and_others_are_quoted():
    assert qualified("public", "orders") == "public.orders"
    assert qualified("public", 'Or"ders') == 'public."Or""ders"'


@given(NAMES, NAMES, NAMES, NAMES)
def test_no_two_tables_share_a_name(schema, name, other_schema, other_name):
    assert (qualified(schema, name) == qualified(other_schema, other_name)) == ((schema, name) == (other_schema, other_name))
