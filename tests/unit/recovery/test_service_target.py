# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A service as a destination, with one in memory."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import Busy
from ansible_collections.evenkeel.ops.plugins.module_utils.recovery.restore import State
from ansible_collections.evenkeel.ops.plugins.module_utils.recovery.service_target import ServiceDestination

BACKUP = SimpleNamespace(id="20260115T120000Z-ab12cd")


class Shelf:
    """A service that holds names."""

    url = "memory"

    def __init__(self, *names: str, note: str | None = None) -> None:
        self.held, self.said = list(names), note

    def names(self) -> list[str]:
        return list(self.held)

    def note(self) -> str | None:
        return self.said

    def mark(self, note: str) -> None:
        if self.said is not None:
            raise Busy("marked")
        self.said = note

    def unmark(self) -> None:
        self.said = None

    def remove(self, name: str) -> None:
        self.held.remove(name)


def noted(*names: str) -> str:
    return json.dumps({"backup": "x", "names": names})


@pytest.mark.parametrize("shelf, state, clears", [
    (Shelf(), State.FREE, ()),
    (Shelf("theirs"), State.TAKEN, ()),
    (Shelf("ours", note=noted("ours")), State.CONFIRM, ("ours",)),
    (Shelf("ours", "theirs", note=noted("ours")), State.TAKEN, ()),
    (Shelf(note=noted("ours")), State.CONFIRM, ("the mark of that restore",)),
    (Shelf("ours", note="no note at all"), State.TAKEN, ()),
    (Shelf("ours", note='{"names": 1}'), State.TAKEN, ()),
])
def test_only_what_a_restore_left_may_be_cleared(shelf, state, clears, tmp_path):
    seen = ServiceDestination(shelf, ["ours"], tmp_path).observe()
    assert (seen.state, seen.clears) == (state, clears)


def test_the_mark_stands_until_all_is_published(tmp_path):
    shelf = Shelf("ours", note=noted("ours"))
    destination = ServiceDestination(shelf, ["ours"], tmp_path)
    with destination.opened(BACKUP) as folder:
        assert shelf.held == [] and json.loads(shelf.said) == {"backup": BACKUP.id, "names": ["ours"]} and folder.is_dir()
        shelf.held.append("ours")
        destination.publish()
    assert shelf.held == ["ours"] and shelf.said is None


def test_a_failure_takes_back_what_came_and_nothing_else(tmp_path):
    shelf = Shelf()
    with pytest.raises(RuntimeError), ServiceDestination(shelf, ["ours"], tmp_path).opened(BACKUP):
        shelf.held += ["ours", "theirs"]
        raise RuntimeError
    assert shelf.held == ["theirs"] and shelf.said is None


def test_the_second_of_two_runs_ends_and_leaves_the_first_alone(tmp_path):
    shelf = Shelf()
    first, second = ServiceDestination(shelf, ["ours"], tmp_path), ServiceDestination(shelf, ["ours"], tmp_path)
    with first.opened(BACKUP):
        assert second.observe().state is State.CONFIRM
