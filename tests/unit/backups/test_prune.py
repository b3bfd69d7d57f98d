# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deleting, on a real disk: an engine's own copy goes after the manifest, a kill in between is made good, links go last."""

from __future__ import annotations

from datetime import timedelta

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.create import clear_leftovers
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.prune import Brake, prune_plan
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.repository import Repository
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.retention import RetentionPolicy
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import StorageFailed

from tests.unit.backups.conftest import manifest

POLICY, BRAKE = RetentionPolicy(keep_last=1), Brake()


@pytest.fixture
def repository(tmp_path):
    return Repository(tmp_path, "unnamed", "unnamed")


@pytest.fixture
def put(repository, clock):
    """``put(days, parent=…, native=True)``: a backup so many days old; gives its id."""
    def make(days, **changes):
        if changes.pop("native", False):
            changes |= {"files": (), "native": {"repository": "/srv/native", "name": f"copy-{days}", "bytes": 10}}
        one = manifest(clock.now() - timedelta(days=days), number=days, **changes)
        repository.plan_place(one.plan).at(one.id).write("manifest.json", one.to_json())
        return one.id

    return make


def test_an_engines_own_copy_goes_after_the_manifest_and_a_failure_is_made_good_by_the_next_run(repository, clock, put):
    old, _new = put(3, native=True), put(1, native=True)
    seen = []

    def erase(backup):
        seen.append((backup.manifest.native["name"], [one.id for one in repository.list("shop")]))
        if len(seen) == 1:
            raise StorageFailed("the engine's repository cannot be reached")

    for again in range(2):
        if again:
            pruned = prune_plan(repository, "shop", POLICY, BRAKE, clock, eraser_for=lambda engine: erase)
            assert pruned.finding.observed == 0, "it is no backup any more"
        else:
            with pytest.raises(StorageFailed):
                prune_plan(repository, "shop", POLICY, BRAKE, clock, eraser_for=lambda engine: erase)
        assert old not in [one.id for one in repository.list("shop")]
        assert clear_leftovers(repository, "shop") == [], "only retention may finish what retention began"
    assert seen == [("copy-3", [_new]), ("copy-3", [_new])]
    assert not (repository.plan_folder("shop") / old).exists()


def test_a_run_that_was_killed_between_manifest_and_copy_is_finished(repository, clock, put):
    old, new = put(3, native=True), put(1, native=True)
    folder = repository.plan_folder("shop") / old
    (folder / "manifest.json").rename(folder / "doomed.json")
    erased = []
    prune_plan(repository, "shop", POLICY, BRAKE, clock, eraser_for=lambda engine: lambda backup: erased.append(backup.id))
    assert erased == [old] and not folder.exists() and [one.id for one in repository.list("shop")] == [new]


def test_an_eraser_is_not_asked_for_what_lies_in_our_repository(repository, clock, put):
    put(3), put(1)

    def never(engine):
        raise AssertionError

    assert prune_plan(repository, "shop", POLICY, BRAKE, clock, eraser_for=never).finding.observed == 1


def test_a_link_stays_while_what_rests_on_it_is_read(repository, clock, put):
    full = put(5)
    link = put(4, parent=full)
    last = put(3, parent=link)
    new = put(1)
    with repository.open(last).held():
        kept = {one.backup.id: one.reason for one in prune_plan(repository, "shop", POLICY, BRAKE, clock).decisions if one.keep}
    assert set(kept) == {full, link, last, new} and kept[full] == f"in use: {link} rests on it"
    prune_plan(repository, "shop", POLICY, BRAKE, clock)
    assert [one.id for one in repository.list("shop")] == [new]


def test_a_kept_chain_keeps_its_links(repository, clock, put):
    full = put(30)
    last = put(1, parent=put(10, parent=full))
    put(20)
    prune_plan(repository, "shop", POLICY, BRAKE, clock)
    assert [one.id[-2:] for one in repository.list("shop")] == [full[-2:], "0a", last[-2:]]
