# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A migration under every kind of trouble: steps that fail, ways back that fail, and runs that are killed, at any point."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import SystemClock
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import Refused
from ansible_collections.evenkeel.ops.plugins.module_utils.core.finding import Status
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.migrate import Migration
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.migration_journal import Journal
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.migration_policy import Copy, Migrated, MigrationPolicy
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.migration_tool import Pending, State
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.rehearsal import Rehearsed
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.schema_objects import Schema
from hypothesis import given
from hypothesis import strategies as st

COPY = Copy("20260115T120000Z-ab12cd", "shop", "verified", 60.0)


class Killed(BaseException):
    """The process is gone."""


@dataclass
class Printed:
    returncode: int
    stdout: str = ""
    stderr: str = ""
    seconds: float = 0.0


@dataclass
class World:
    """A database that has the first ``done`` of ``steps``; the next command that does or undoes ``fails`` or ``dies`` at a step."""

    steps: int
    done: int = 0
    fails: int | None = None
    back_fails: bool = False
    dies: int | None = None
    asked: list[str] = field(default_factory=list)

    target = "shop on db:5432"
    address_hint = ""

    def run(self, argv):
        self.asked.append(argv[0])
        if argv[0] == "up":
            while self.done < self.steps:
                if self.done == self.fails:
                    return Printed(1, stderr="ERROR: no")
                if self.done == self.dies:
                    raise Killed
                self.done += 1
        else:
            while self.done > int(argv[1]):
                if self.back_fails:
                    return Printed(1, stderr="ERROR: no way back")
                self.done -= 1
        return Printed(0)

    # Also the place, of which there is one.
    @property
    def commands(self):
        return self

    def renewed(self):
        return self

    def schema(self):
        return Schema({f"TABLE t{number}": "" for number in range(self.done)})


class Tool:
    name, version_table = "tool", ""

    def state(self, world):
        revisions = (str(world.done),) if world.done else ()
        return State(revisions, tuple(Pending(f"s{number}") for number in range(world.done, world.steps)), (str(world.steps),))

    def upgrade(self, state):
        return [["up"]]

    def downgrade(self, before):
        return [["down", before[0] if before else "0"]]

    def sql(self, world, state):
        return "CREATE TABLE t ()", ""


def migrate(world: World, folder: str, *, check: bool = False, copy: Copy | None = COPY, rehearsed: Rehearsed | None = None,
            **policy) -> Migrated:
    asked = MigrationPolicy(**{"rehearse": rehearsed is not None, **policy})
    migration = Migration(world.target, "shop", Tool(), world, asked, Journal(Path(folder), world.target), SystemClock(),
                          backup=lambda id: copy, rehearse=lambda copy, state, midway: rehearsed)
    return migration.run(check_mode=check)


def entry(folder: str):
    return Journal(Path(folder), World.target).read()


@given(st.integers(1, 5), st.integers(0, 4), st.data())
def test_whatever_fails_the_database_is_at_one_end_or_somebody_is_told_what_to_restore(steps, before, data):
    world = World(steps, min(before, steps - 1))
    start = world.done
    world.fails = data.draw(st.one_of(st.none(), st.integers(start, steps - 1)))
    world.back_fails = data.draw(st.booleans())
    with tempfile.TemporaryDirectory() as folder:
        done = migrate(world, folder)
        status = done.migration["status"]
        if world.fails is None:
            assert status == "migrated" and world.done == steps and entry(folder) is None
            assert migrate(world, folder).migration["status"] == "nothing"
        elif world.fails == start:
            assert status == "unchanged" and world.done == start and entry(folder) is None and not done.changed
        elif world.back_fails:
            assert status == "half" and entry(folder) is not None and COPY.id in done.migration["restore"]["command"]
        else:
            assert status == "rolled_back" and world.done == start and entry(folder) is None
        assert (status == "migrated") == all(finding.status is not Status.FAIL for finding in done.findings)
        assert all(finding.hint for finding in done.findings if finding.status is Status.FAIL)


@given(st.integers(1, 5), st.integers(0, 4), st.data())
def test_after_a_kill_at_any_step_the_next_run_goes_on_or_leads_back_and_says_what_it_found(steps, before, data):
    world = World(steps, min(before, steps - 1))
    start = world.done
    world.dies = data.draw(st.integers(start, steps - 1))
    back = data.draw(st.booleans())
    with tempfile.TemporaryDirectory() as folder:
        with pytest.raises(Killed):
            migrate(world, folder)
        world.dies, kept = None, (world.done, entry(folder))
        planned = migrate(world, folder, check=True, interrupted="rollback" if back else "continue")
        assert kept == (world.done, entry(folder)) and kept[1].before == ((str(start),) if start else ())
        assert planned.migration["interrupted"]["left"] == (world.done > start)
        if back and world.done > start:
            with pytest.raises(Refused):
                migrate(world, folder, interrupted="rollback")
            done = migrate(world, folder, interrupted="rollback", confirm=True)
            assert (done.migration["status"], world.done) == ("rolled_back", start)
            assert all(finding.status is not Status.FAIL for finding in done.findings), "it is what was asked for"
        else:
            done = migrate(world, folder)
            assert (done.migration["status"], world.done) == ("migrated", steps)
            assert done.migration["from"] == ([str(start)] if start else [])
        assert entry(folder) is None


@given(st.integers(1, 5), st.booleans())
def test_nothing_is_begun_in_check_mode_without_a_backup_or_after_a_failed_rehearsal(steps, rehearse):
    world = World(steps)
    with tempfile.TemporaryDirectory() as folder:
        assert migrate(world, folder, check=True).migration["status"] == "planned"
        with pytest.raises(Refused):
            migrate(world, folder, copy=None)
        failed = migrate(world, folder, rehearsed=Rehearsed(1.0, "no"))
        assert failed.migration["status"] == "unchanged"
        slow = migrate(world, folder, rehearsed=Rehearsed(11.0), rehearsal_limit=10.0)
        assert slow.migration["status"] == "unchanged"
        with pytest.raises(Refused) as refused:
            migrate(world, folder, rehearsed=Rehearsed(1.0, takes=("table a with 5 rows",)))
        assert "table a with 5 rows" in refused.value.message
        assert migrate(world, folder, rehearsed=Rehearsed(1.0), only_rehearse=True).migration["status"] == "rehearsed"
        assert (world.done, entry(folder)) == (0, None) and "up" not in world.asked


def test_a_half_done_migration_stays_where_the_policy_says_so_and_the_next_run_goes_on(tmp_path):
    world = World(3, fails=2)
    done = migrate(world, str(tmp_path), rollback=False)
    assert (done.migration["status"], world.done) == ("half", 2)
    world.fails = None
    again = migrate(world, str(tmp_path))
    assert (again.migration["status"], world.done) == ("migrated", 3)
    assert "1 step short" in next(one.message for one in again.findings if one.check == "database.migration_interrupted")
