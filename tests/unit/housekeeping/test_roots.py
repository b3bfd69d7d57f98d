# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which folders may be cleaned is decided from their names alone."""

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import InvalidOption, OpsError, Refused
from ansible_collections.evenkeel.ops.plugins.module_utils.housekeeping.roots import CleaningRoots
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize("root", [
    "/", "/home", "/etc", "/var", "/srv", "/tmp", "/root", "/var/lib", "/home/alice", "/etc/ssl/certs", "/usr/lib/x", "/boot/efi",
    "/proc/1", "/dev/shm", "/usr/local",
])
def test_what_is_too_much_is_refused(root):
    with pytest.raises(Refused) as error:
        CleaningRoots([root])
    assert root in error.value.message and "/var/cache/shop" in error.value.hint


@pytest.mark.parametrize("root", ["/var/cache", "/var/log", "/home/alice/.cache", "/root/.cache", "/srv/shop", "/usr/local/c"])
def test_a_folder_of_its_own_is_taken(root):
    CleaningRoots([root]).admit(f"{root}/x", option="path")
    CleaningRoots([root]).admit(root, option="path")


@pytest.mark.parametrize("root", ["", "cache", "/var/cache/", "/var//cache", "/var/./cache", "/var/cache/..", "//", "/var/c\0"])
def test_a_path_that_has_to_be_interpreted_is_not(root):
    with pytest.raises(InvalidOption):
        CleaningRoots([root])


def test_no_root_at_all_admits_nothing():
    with pytest.raises(InvalidOption):
        CleaningRoots([])


@given(st.text(alphabet="/.ab", max_size=20))
def test_what_is_admitted_lies_below_a_root_whatever_is_written(tail):
    path = f"/var/cache{tail}"
    try:
        CleaningRoots(["/var/cache"]).admit(path, option="path")
    except OpsError:
        return
    assert path == "/var/cache" or path.startswith("/var/cache/")
    assert ".." not in path.split("/") and "//" not in path
