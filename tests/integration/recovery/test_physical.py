# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drills and point-in-time recovery of whole clusters, from pgBackRest: restore_drill, postgresql_pitr, recovery.point_in_time."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.postgres import PostgresTarget, connect
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import SystemClock
from ansible_collections.evenkeel.ops.plugins.module_utils.core.waiting import Deadline, wait_until

from tests.conftest import missing
from tests.testbed.stanza import StanzaServer, call, installation, stanza_server

POINT = "it's \"here\" \\ 50%"


class Site:
    """A server with a backup of its beginning, and six rows after it, one by one; ``marks`` has what each was known by."""

    def __init__(self, made: StanzaServer, store: Path) -> None:
        self.made, self.store = made, store
        self.marks: list[dict[str, str]] = []

    def fill(self) -> None:
        """Six rows, with a restore point after the third."""
        with connect(self.made.target) as session:
            for number in range(1, 7):
                session.run("INSERT INTO public.line VALUES (%s)", (number,))
                xid = str(session.value("SELECT max(xmin::text::bigint) FROM public.line"))
                time.sleep(0.05)
                self.marks.append({"time": datetime.now(timezone.utc).isoformat(), "xid": xid,
                                   "lsn": session.value("SELECT pg_current_wal_insert_lsn()::text")})
                time.sleep(0.05)
                if number == 3:
                    session.value("SELECT pg_create_restore_point(%s)", (POINT,))
            session.value("SELECT pg_switch_wal()")
            wait_until(lambda: session.value("SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'") == 0,
                       deadline=Deadline(SystemClock(), 180), what="the archive to have it all")


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Iterator[Site]:
    if installation() is None:
        missing("pgBackRest, or a PostgreSQL that it knows")
    with stanza_server() as made:
        store = made.folder / "store"
        store.mkdir()
        call("pgbackrest_stanza", made.stanza())
        made.server.stop()
        made.server.start()
        space = made.folder / "space"
        space.mkdir()
        if made.server.account:
            shutil.chown(space, made.server.account)
        with connect(made.target) as session:
            session.run(f"CREATE TABLESPACE fast LOCATION '{space}'")
            session.run("CREATE TABLE public.line (number int) TABLESPACE fast")
        call("backup", made.backup(store))
        here = Site(made, store)
        here.fill()
        yield here


@pytest.fixture
def drill(site, run_module, scratch) -> Callable[..., dict[str, Any]]:
    def run(**options: Any) -> dict[str, Any]:
        return run_module("restore_drill", {"repository": str(site.store), "plan": "shop", "scratch_dir": str(scratch),
                                            "bin_dir": site.made.server.installation.folder, **options})

    return run


@pytest.fixture
def room(site) -> Iterator[Path]:
    """A scratch folder whose contents may stay."""
    folder = site.made.folder / "room"
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)
    yield folder
    assert not list(folder.glob("evenkeel-drill-*")) and not list(folder.glob(".*"))


@pytest.fixture
def recover(site, run_module, room) -> Callable[..., dict[str, Any]]:
    def run(*, check: bool = False, **options: Any) -> dict[str, Any]:
        return run_module("postgresql_pitr", {"repository": str(site.store), "plan": "shop", "scratch_dir": str(room),
                                              "bin_dir": site.made.server.installation.folder, "amcheck": False, **options}, check=check)

    return run


def statuses(answer: dict[str, Any]) -> dict[str, str]:
    return {finding["check"]: finding["status"] for finding in answer["findings"]}


def test_a_drill_replays_the_log_in_isolation_and_takes_the_loss_from_the_data(site, drill):
    archived = sorted(path.name for path in (site.made.repo / "archive").rglob("*"))
    began = datetime.now(timezone.utc)
    answer = drill(rto="1h", rpo="1h", assertions=[{"name": "all rows", "sql": "SELECT count(*) FROM line", "expected": 6}])
    assert not answer.get("failed"), answer
    assert statuses(answer) == dict.fromkeys((
        "recovery.data", "recovery.replay", "recovery.assertion", "recovery.amcheck", "recovery.checksums", "recovery.rto", "recovery.rpo",
    ), "pass"), answer["findings"]
    said = answer["drill"]
    assert [phase["name"] for phase in said["phases"]] == ["fetch", "restore", "replay", "first_query", "verify"]
    assert said["rto_seconds"] == pytest.approx(sum(phase["seconds"] for phase in said["phases"][:4]), abs=0.01)
    before, last = (datetime.fromisoformat(mark["time"]) for mark in site.marks[-2:])  # the last row was written between the two
    ended = datetime.now(timezone.utc)
    assert (began - last).total_seconds() <= said["rpo_seconds"] <= (ended - before).total_seconds()
    assert datetime.fromisoformat(said["recovery_point"]["last_transaction_at"]) <= last
    assert sorted(path.name for path in (site.made.repo / "archive").rglob("*")) == archived, "the scratch server archived"


def test_a_random_point_is_recorded_with_its_seed_and_chosen_again_by_it(site, drill):
    said = [drill(point="random", seed=7, amcheck=False)["drill"] for _time in range(2)]
    points = [one["recovery_point"] for one in said]
    assert points[0]["seed"] == 7 and points[0]["target"].startswith("lsn ") and points[0]["target"] == points[1]["target"]
    assert [one["status"] for one in said] == ["pass", "pass"]


@pytest.mark.parametrize(("kind", "mark", "inclusive", "rows"), [
    ("time", 1, True, 2), ("name", None, True, 3), ("xid", 4, False, 4),
])
def test_recovery_ends_at_the_point_that_was_named(site, recover, room, kind, mark, inclusive, rows):
    target = POINT if mark is None else site.marks[mark][kind]
    data = room / f"{kind}-{mark}"
    answer = recover(target_type=kind, target=target, target_inclusive=inclusive, data_dir=str(data),
                     assertions=[{"name": "rows", "sql": "SELECT count(*) FROM line", "expected": rows}])
    assert not answer.get("failed"), answer
    assert statuses(answer) == {"recovery.data": "pass", "recovery.replay": "pass", "recovery.assertion": "pass",
                                "recovery.checksums": "pass"}, answer["findings"]
    assert answer["recovery"]["timeline"] == 2 and answer["recovery"]["last_transaction_at"] and not answer["recovery"]["started"]
    assert (data / "PG_VERSION").exists() and not (data / "postmaster.pid").exists()
    [link] = (data / "pg_tblspc").iterdir()
    assert link.resolve().is_relative_to(room), "the tablespace is the source's"


def test_a_point_beyond_the_log_is_an_error_that_leaves_nothing(recover, room):
    answer = recover(target_type="time", target="2036-01-01T00:00:00Z", data_dir=str(room / "beyond"))
    assert answer["failed"] and "before configured recovery target" in answer["msg"] and "choose an earlier one" in answer["hint"], answer
    assert not list((room / "beyond").iterdir())


@pytest.mark.parametrize(("options", "said"), [
    ({"target_type": "time", "target": "2020-01-01T00:00:00Z"}, "No usable backup was complete before"),
    ({"target_type": "time", "target": "noon"}, "is not an instant"), ({"target_type": "time"}, "needs a target"),
    ({"target": "x"}, "takes no target"), ({"target_type": "lsn", "target": "1; DROP"}, "is no LSN"),
    ({"target_type": "xid", "target": "-1"}, "is no transaction id"), ({"plan": None}, "Neither plan nor backup"),
])
def test_a_point_that_makes_no_sense_is_refused(recover, room, options, said):
    answer = recover(data_dir=str(room / "never"), **options)
    assert answer["failed"] and said in answer["msg"], answer
    assert not (room / "never").exists()


def test_a_folder_that_is_not_empty_is_refused_and_one_elsewhere_wants_a_confirmation(site, recover, room):
    full = room / "full"
    full.mkdir()
    (full / "precious").write_text("kept")
    answer = recover(data_dir=str(full))
    assert answer["error"] == "Refused" and "precious" in answer["msg"] and (full / "precious").read_text() == "kept"
    elsewhere = site.made.folder / "elsewhere"
    answer = recover(data_dir=str(elsewhere))
    assert answer["error"] == "Refused" and str(elsewhere) in answer["msg"] and not elsewhere.exists()
    planned = recover(data_dir=str(elsewhere), start=True, check=True)
    assert planned["changed"] and statuses(planned) == {"recovery.confirmation": "warn"} and not elsewhere.exists()


def test_a_recovered_server_is_started_for_good_once_it_was_confirmed(site, recover, room):
    home = site.made.folder / "home"
    home.mkdir()
    if site.made.server.account:
        shutil.chown(home, site.made.server.account)
    settings = home / "postgresql.conf"
    settings.write_text(f"port = 54321\nunix_socket_directories = '{home}'\nlisten_addresses = ''\n")
    settings.chmod(0o644)
    data = home / "data"
    answer = recover(data_dir=str(data), start=True, confirm=True, config_file=str(settings))
    try:
        assert not answer.get("failed"), answer
        assert answer["recovery"]["started"]
        with connect(PostgresTarget(host=str(home), port=54321, ssl_mode="disable")) as session:
            assert session.value("SELECT count(*) FROM public.line") == 6
            assert session.value("SHOW fsync") == "on" and session.value("SHOW archive_mode") == "on"
    finally:
        if (data / "postmaster.pid").exists():
            account = site.made.server.account
            become = ["setpriv", f"--reuid={account}", f"--regid={account}", "--clear-groups"] if account else []
            subprocess.run([*become, site.made.server.installation.program("pg_ctl"), "stop", "-D", str(data), "-m", "immediate"],
                           check=True, capture_output=True, cwd="/")


def test_what_a_killed_recovery_left_is_removed_by_the_next_one_that_is_confirmed(site, recover, room):
    data = room / "killed"
    data.mkdir()
    (data / "half").write_text("a file of a recovery that was killed")
    (room / ".killed.evenkeel-recovery").touch()
    refused = recover(data_dir=str(data), target_type="immediate")
    assert refused["error"] == "Refused" and "was killed" in refused["hint"] and (data / "half").exists(), refused
    answer = recover(data_dir=str(data), target_type="immediate", confirm=True)
    assert not answer.get("failed"), answer
    assert not (data / "half").exists() and (data / "PG_VERSION").exists()


def test_the_playbook_recovers_records_and_asks_whether_traffic_was_stopped(site, playbook, room, tmp_path):
    inventory = tmp_path / "hosts.yml"
    inventory.write_text("recovery: {hosts: {restorer: {ansible_connection: local, ansible_python_interpreter: "
                         '"{{ ansible_playbook_python }}"}}}\n')
    variables = {"recovery_repository": str(site.store), "recovery_pitr_plan": "shop", "recovery_scratch_dir": str(room),
                 "recovery_bin_dir": site.made.server.installation.folder, "recovery_pitr_target_type": "time",
                 "recovery_pitr_target": site.marks[4]["time"], "recovery_pitr_data_dir": str(room / "played"), "recovery_amcheck": False,
                 "recovery_assertions": {"shop": [{"name": "rows", "sql": "SELECT max(number) FROM line", "expected": 5}]}}
    refused = playbook("evenkeel.ops.recovery.point_in_time", inventory=inventory, variables={**variables, "recovery_pitr_start": True})
    assert refused.returncode != 0 and "recovery_pitr_traffic_stopped" in refused.stdout and not (room / "played").exists()
    done = playbook("evenkeel.ops.recovery.point_in_time", inventory=inventory, variables=variables)
    assert done.returncode == 0, done.stdout[-3000:]
    assert "was recovered to" in done.stdout and os.path.exists(room / "played" / "PG_VERSION")
