# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""postgresql_fence and postgresql_promote on a real primary with a real streaming standby."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.postgres import connect
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import OpsError
from ansible_collections.evenkeel.ops.plugins.module_utils.recovery.failover import observe_node

from tests.conftest import missing
from tests.testbed.postgres import installations
from tests.testbed.standby import Pair, streaming_pair


@pytest.fixture
def pair(installation) -> Iterator[Pair]:
    with streaming_pair(installation) as servers:
        yield servers


@pytest.fixture
def newest_pair() -> Iterator[Pair]:
    found = sorted(installations(), key=lambda one: one.major)
    if not found:
        missing("PostgreSQL")
    with streaming_pair(found[-1]) as servers:
        yield servers


def status_of(answer: dict, check: str) -> str:
    return next(one["status"] for one in answer["findings"] if one["check"] == check)


def test_a_fenced_primary_gives_way_without_loss_and_cannot_come_back(run_module, pair):
    fence = {"data_dir": str(pair.primary.data), "bin_dir": pair.primary.installation.folder, "timeout": "30s"}
    assert run_module("postgresql_fence", fence, check=True)["changed"]
    alive = run_module("postgresql_promote", {**pair.options(), "rpo": "1m"})
    assert alive["failed"] and alive["error"] == "Refused" and "it lives" in alive["msg"]
    with connect(pair.standby_target) as session:
        assert session.value("SELECT pg_is_in_recovery()"), "nothing was promoted"
    with connect(pair.primary_target) as session:
        session.run("INSERT INTO public.works SELECT now() FROM generate_series(1, 5000)")

    fenced = run_module("postgresql_fence", fence)
    assert fenced["changed"] and fenced["fence"]["clean"] and status_of(fenced, "recovery.fence") == "pass", fenced
    again = run_module("postgresql_fence", fence)
    assert again["changed"] is False and again["fence"]["end"] == fenced["fence"]["end"]

    options = {**pair.options(), "rpo": "1ms", "primary_end": fenced["fence"]["end"]}
    planned = run_module("postgresql_promote", options, check=True)
    assert planned["changed"] and planned["promotion"]["status"] == "planned" and planned["promotion"]["loss_seconds"] == 0
    done = run_module("postgresql_promote", options)
    assert done["changed"] and done["promotion"]["loss_seconds"] == 0 and done["promotion"]["primary"] == "down", done
    assert done["promotion"]["timeline"] > done["promotion"]["timeline_before"] == fenced["fence"]["timeline"]
    with connect(pair.standby_target) as session:
        session.run("INSERT INTO public.works DEFAULT VALUES")
        assert session.value("SELECT count(*) FROM public.works") == 5003
    repeated = run_module("postgresql_promote", options)
    assert repeated["changed"] is False and status_of(repeated, "recovery.promotion") == "pass"

    pair.primary.start()  # as a service manager or a reboot would
    with connect(pair.primary_target) as session:
        assert session.value("SELECT pg_is_in_recovery()"), "it came back as a standby"
        with pytest.raises(OpsError):
            session.run("INSERT INTO public.works DEFAULT VALUES")


def test_a_standby_may_become_the_primary_while_it_is_looked_at(newest_pair):
    """Between its role and what only a standby can be asked, as on a busy server that was told to promote."""
    newest_pair.primary.stop(immediately=True)
    with connect(newest_pair.standby_target) as session:
        class Overtaken:
            fetch = session.fetch

            def value(self, statement):
                found = session.value(statement)
                if statement == "SELECT pg_is_in_recovery()" and found:
                    assert session.value("SELECT pg_promote(true, 60)")
                return found

        assert observe_node(Overtaken()).role == "primary"


def test_a_killed_primary_costs_what_the_standby_lacks(run_module, newest_pair):
    pair = newest_pair
    pair.primary.stop(immediately=True)
    refused = run_module("postgresql_promote", {**pair.options(), "rpo": "1ms"})
    assert refused["failed"] and refused["error"] == "Refused" and "work that would be lost" in refused["msg"], refused
    assert refused["evidence"]["standby"]["role"] == "standby"
    done = run_module("postgresql_promote", {**pair.options(), "rpo": "1ms", "accept_loss": "1h"})
    assert done.get("changed") and status_of(done, "recovery.rpo") == "warn", done.get("msg") or done
    assert 0 < done["promotion"]["loss_seconds"] < 3600, done

    pair.primary.start()  # nobody had fenced it: now two take writes, and that is told
    both = run_module("postgresql_promote", {**pair.options(), "rpo": "1m"})
    assert both["changed"] is False and status_of(both, "recovery.split_brain") == "fail"


def test_a_silent_primary_takes_a_statement(run_module, newest_pair):
    """A listening socket whose queue is full does not answer: as seen from here, its host is gone."""
    pair = newest_pair
    with socket.socket() as deaf, socket.socket() as filler:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        filler.connect(deaf.getsockname())
        others = [socket.socket() for _each in range(3)]
        try:
            for one in others:
                one.setblocking(False)
                one.connect_ex(deaf.getsockname())
            options = {**pair.options(), "rpo": "1h"}
            options["primary"] = {**options["primary"], "login_port": deaf.getsockname()[1]}
            lives = run_module("postgresql_promote", {**options, "primary_gone": "somebody who is wrong"})
            assert lives["error"] == "Refused" and "it lives" in lives["msg"], "what the standby hears outweighs a statement"
            pair.primary.stop(immediately=True)
            silent = run_module("postgresql_promote", options)
            assert silent["error"] == "Refused" and "cut network" in silent["msg"], silent
            done = run_module("postgresql_promote", {**options, "primary_gone": "A. Hopper, saw the power off"})
            assert done["changed"] and done["promotion"]["primary_gone"] == "A. Hopper, saw the power off", done
        finally:
            for one in others:
                one.close()


def test_what_cannot_be_a_primary_is_told(run_module, tmp_path):
    none = run_module("postgresql_fence", {"data_dir": str(tmp_path)})
    assert none["error"] == "NotFound" and "no data directory" in none["msg"]
    (tmp_path / "PG_VERSION").write_text("nonsense")
    assert run_module("postgresql_fence", {"data_dir": str(tmp_path)})["error"] == "InvalidOption"
    assert os.listdir(tmp_path) == ["PG_VERSION"]


def test_a_standby_does_not_vouch_for_itself(run_module):
    answer = run_module("postgresql_promote", {"login_host": "127.0.0.1", "login_port": 1,
                                               "primary": {"login_host": "127.0.0.1", "login_port": 1}})
    assert answer["error"] == "InvalidOption" and "is the server that is to be promoted" in answer["msg"]


@pytest.mark.parametrize(("option", "value"), [("rpo", "-1s"), ("accept_loss", "soon"), ("primary_lost_at", "yesterday"),
                                               ("primary_end", -5), ("heard_within", "nan")])
def test_options_that_make_no_sense_are_refused(run_module, option, value):
    answer = run_module("postgresql_promote", {"login_host": "127.0.0.1", "login_port": 1, "primary": {"login_host": "127.0.0.1"},
                                               option: value})
    assert answer["failed"] and answer["error"] == "InvalidOption", answer
