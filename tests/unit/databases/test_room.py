# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Room beside the old: what is begun, what has to end, and what others were promised."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.host import ServerHost
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.room import Disk, Need, cannot_begin, has_to_end, promises
from hypothesis import given
from hypothesis import strategies as st

MIB = 2**20
SIZES = st.integers(0, 2**50)
NEEDS = st.lists(st.builds(Need, st.integers(1, 4), SIZES, SIZES, st.sampled_from(["warn", "refuse", "ignore"])), max_size=6)
# Tablespaces 1 and 2 are on one disk; the free bytes of a disk are those of all of its tablespaces.
FREE = st.tuples(*[st.none() | SIZES] * 3)


def disks_of(free) -> dict[int, Disk]:
    shared, third, fourth = free
    return {oid: Disk(f"t{oid}", f"/srv/{oid}", device, size)
            for oid, device, size in ((1, 10, shared), (2, 10, shared), (3, 11, third), (4, 12, fourth))}


@given(NEEDS, FREE, st.dictionaries(st.sampled_from([10, 11, 12]), SIZES))
def test_what_is_begun_leaves_on_every_disk_what_has_to_stay_free(needs, free, promised):
    disks = disks_of(free)
    if cannot_begin(needs, disks, promised):
        return
    for device in {disk.device for disk in disks.values()}:
        there = [need for need in needs if disks[need.tablespace].device == device]
        [size] = {disk.free for disk in disks.values() if disk.device == device}
        if size is None:
            assert all(need.unknown != "refuse" for need in there)
        else:
            assert all(size - promised.get(device, 0) - sum(need.bytes for need in there) >= need.keep for need in there)


@given(NEEDS, FREE)
def test_what_is_begun_does_not_have_to_end_at_once_and_what_fits_alone_is_begun(needs, free):
    disks = disks_of(free)
    begun = not cannot_begin(needs, disks, {})
    if begun:
        assert has_to_end(needs, disks) == ""
    known = [need for need in needs if disks[need.tablespace].free is not None]
    wanted = promises(needs, disks)
    enough = all(disks[need.tablespace].free - wanted[disks[need.tablespace].device] >= need.keep for need in known)
    assert begun == (enough and all(need.unknown != "refuse" for need in needs if need not in known))


@given(NEEDS, FREE, FREE)
def test_it_has_to_end_exactly_where_less_is_left_than_has_to_stay(needs, before, after):
    disks = disks_of(after)
    low = any(disks[need.tablespace].free is not None and disks[need.tablespace].free < need.keep for need in needs)
    assert bool(has_to_end(needs, disks)) == low
    assert sum(promises(needs, disks).values()) == sum(need.bytes for need in needs if disks[need.tablespace].free is not None)


def test_what_is_said_has_bytes_limit_and_place():
    disks = {7: Disk("fast", "/srv/fast", 1, 52 * MIB)}
    said = cannot_begin([Need(7, 40 * MIB, 20 * MIB)], disks, {1: 10 * MIB})
    assert said == ("it needs 40.0 MiB beside the old one, and /srv/fast (tablespace fast) has 52.0 MiB free, of which 20.0 MiB have to "
                    "stay free, and 10.0 MiB are promised to what runs already")
    assert has_to_end([Need(7, 0, 60 * MIB)], disks) == ("only 52.0 MiB were left on /srv/fast (tablespace fast), where 60.0 MiB have to "
                                                         "stay free")
    assert "is not known" in cannot_begin([Need(8, MIB, 0, "refuse")], disks, {})


@dataclass(frozen=True)
class Free:
    device: int
    free: int


class Look:
    """A host whose only disk has so many bytes free."""

    def __init__(self, free: int | None, here: bool = True) -> None:
        self.free, self.here = free, here

    def runs(self, data_directory, started):
        return self.here

    def disk(self, data_directory, folder, started):
        return Free(1, self.free) if self.here and self.free is not None else None

    def load(self):
        return {"io_pressure": 12.0, "cpu_pressure": None, "load_per_core": 0.5}


class Server:
    """A session of a server with two tablespaces."""

    def __init__(self, data_directory: str | None = "/data") -> None:
        self.asked, self.data_directory = 0, data_directory

    def fetch(self, query, parameters=None, names=None):
        self.asked += 1
        return [{"oid": oid, "name": name, "folder": folder, "data_directory": self.data_directory, "started": 1.0}
                for oid, name, folder in ((1663, "pg_default", None), (7, "fast", "/srv/fast"))]


def test_room_is_promised_once_and_free_again_when_the_work_is_over():
    look, one, two = Look(100), Server(), Server()
    host = ServerHost(look)
    assert host.begin(one, [Need(7, 60, 10)]) == ""
    assert "60 B are promised" in host.begin(two, [Need(1663, 60, 10)])  # another tablespace, the same disk
    look.free = 41  # the first is done, and has written as much
    host.end(one)
    assert host.begin(two, [Need(1663, 30, 10)]) == "" and one.asked + two.asked == 1
    host.end(two)
    assert "has 41 B free" in host.begin(one, [Need(7, 32, 10)])
    host.end(one)  # nothing was promised to it
    assert host.squeezed([Need(7, 1, 41)]) == "" and "only 41 B were left" in host.squeezed([Need(7, 1, 42)])


def test_room_is_what_is_free_beyond_what_has_to_stay_free():
    rooms = ServerHost(Look(110)).rooms(Server(), [7, 1663], keep=10)
    assert (rooms[7].tablespace, rooms[7].bytes, rooms[7].folder) == ("fast", 100, "/srv/fast") and rooms[1663].folder == "/data"
    assert ServerHost(Look(5)).rooms(Server(), [7], keep=10)[7].bytes == 0


@pytest.mark.parametrize("host, server", [(ServerHost(Look(100, here=False)), Server()), (ServerHost(Look(100)), Server(None)),
                                          (ServerHost(Look(None)), Server()), (ServerHost(), Server())])
def test_what_nobody_can_see_is_not_known(host, server):
    assert host.rooms(server, [7], keep=0)[7].bytes is None
    assert host.begin(server, [Need(7, 1, 1)]) == "" and "is not known" in host.begin(server, [Need(7, 1, 1, "refuse")])
    assert host.squeezed([Need(7, 1, 10**9)]) == ""


def test_the_load_is_that_of_the_servers_host_or_of_what_the_operator_says():
    assert ServerHost(Look(1)).load(Server(), told=None)["io_pressure"] == 12.0
    away, blind = ServerHost(Look(1, here=False)), ServerHost(Look(1))
    assert away.load(Server(), told=None) is None and blind.load(Server(None), told=None) is None
    assert away.load(Server(), told=True)["load_per_core"] == 0.5 and ServerHost(Look(1)).load(Server(), told=False) is None
    assert ServerHost().load(Server(), told=True) is None
