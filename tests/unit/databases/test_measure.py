# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measuring over several sessions: what one relation or one session lacks costs the others nothing."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import AccessDenied, OpsError, TimedOut, Unreachable
from ansible_collections.evenkeel.ops.plugins.module_utils.core.waiting import Deadline
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.budget import Budget
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.measure import measure
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.sessions import Sessions


@dataclass(frozen=True)
class Relation:
    oid: int
    bytes: int = 1

    @property
    def title(self) -> str:
        return f"public.r{self.oid}"


class Server:
    """A session on a server that has the extension or has it not."""

    server_version = 170000

    def __init__(self, installed: bool = True) -> None:
        self.installed, self.closed = installed, False

    def fetch(self, query, parameters=None, names=None):
        return [{"nspname": "public"}] if self.installed and "pg_extension" in query else []

    def close(self):
        self.closed = True


RELATIONS = [Relation(oid) for oid in range(1, 31)]


def reading(errors: dict[int, OpsError]):
    def read(session, schema, some):
        for one in some:
            if one.oid in errors:
                raise errors[one.oid]
        return {one.oid: one.oid / 2 for one in some}

    return read


def measured(clock, errors=None, *, first=None, open_session=Server, seconds=60.0, connections=2, relations=RELATIONS):
    with Sessions(first or Server(), open_session, Budget(connections, 60, 5)) as sessions:
        figures, warnings = measure(sessions, relations, reading(errors or {}), Deadline(clock, seconds), what="things",
                                    uninstalled="no extension")
        return figures, [*warnings, *sessions.warnings]


@pytest.mark.parametrize("connections", [1, 2, 5])
def test_all_are_measured_whatever_the_number_of_sessions(clock, connections):
    assert measured(clock, connections=connections) == ({oid: oid / 2 for oid in range(1, 31)}, [])


def test_what_cannot_be_measured_does_not_cost_its_neighbours_their_figures(clock):
    figures, warnings = measured(clock, {3: TimedOut("locked"), 4: AccessDenied("not yours"), 30: TimedOut("locked")})
    assert set(figures) == set(range(1, 31)) - {3, 4, 30}
    assert sorted(warnings) == [f"public.r{oid} was not measured, its estimate stands: {said}"
                                for oid, said in ((3, "locked"), (30, "locked"), (4, "not yours"))]


def test_a_lost_server_is_no_matter_of_one_relation(clock):
    with pytest.raises(Unreachable):
        measured(clock, {3: Unreachable("gone")})


def test_without_the_extension_or_without_suspects_nothing_is_measured(clock):
    assert measured(clock, first=Server(installed=False)) == ({}, ["no extension"])
    assert measured(clock, first=Server(installed=False), relations=[]) == ({}, [])


def test_an_ended_time_budget_leaves_estimates(clock):
    figures, warnings = measured(clock, seconds=0)
    assert figures == {} and warnings == ["The time budget ended while things were measured; estimates stand for the rest"]


def test_a_session_that_is_not_to_be_had_is_told_once_and_the_first_does_the_work(clock):
    def refuse():
        raise Unreachable("too many clients")

    figures, warnings = measured(clock, open_session=refuse)
    assert len(figures) == 30
    assert warnings == ["Worked with fewer sessions than the connection budget allows: too many clients"]


def test_further_sessions_are_opened_when_first_needed_and_closed_in_the_end(clock):
    opened = []

    def open_session():
        opened.append(Server())
        return opened[-1]

    measured(clock, open_session=open_session, relations=RELATIONS[:1])
    assert opened == []  # there is nothing for it to do
    measured(clock, open_session=open_session, connections=3)
    assert len(opened) == 2 and all(session.closed for session in opened)
