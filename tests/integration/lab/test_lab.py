# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab starts, tells where it is, survives what befalls it, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import replace
from typing import Any

import psutil
import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.postgres import PostgresTarget, connect

from tests.conftest import ROOT
from tests.testbed.lab_home import LabHome, ProcessMark


def shop(state: dict[str, Any]) -> PostgresTarget:
    """The lab's database as its operator reaches it."""
    told = state["postgres"]
    return PostgresTarget(**{name: told[name] for name in ("host", "port", "user", "password", "database")})


def answers(port: int) -> bool:
    """Whether something listens there."""
    with socket.socket() as probe:
        probe.settimeout(5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def ports(state: dict[str, Any]) -> dict[str, int]:
    """Every port that the lab says it listens on."""
    tls = state["tls"]
    return {"postgres": state["postgres"]["port"], "queue": state["tcp"]["port"], "smtp": tls["smtp"]["port"],
            "http": int(next(iter(state["http"].values())).split(":")[2].split("/")[0]),
            **{name: where["port"] for name, where in tls["endpoints"].items()},
            **({"redis": state["redis"]["port"]} if state["redis"] else {})}


def gone(pids: list[int], seconds: float = 60) -> bool:
    """Whether all these processes end within the time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and any(ProcessMark.of(pid) for pid in pids):
        time.sleep(0.05)
    return not any(ProcessMark.of(pid) for pid in pids)


def test_a_day_in_the_life_of_a_lab(own_lab):
    said = own_lab("up").stdout
    assert "ready after" in said and "database shop was made" in said
    first = own_lab.state
    assert own_lab.home.state_file.stat().st_mode & 0o777 == 0o600
    assert all(answers(port) for port in ports(first).values())
    assert not answers(first["tcp"]["closed_port"])
    family = [first["pid"], *(child.pid for child in psutil.Process(first["pid"]).children(recursive=True))]
    with connect(shop(first)) as session:
        made = session.value("SELECT oid FROM pg_database WHERE datname = 'shop'")
        session.run("CREATE TABLE shop.kept AS SELECT 42 AS answer")

    assert own_lab("status").returncode == 0
    assert "already running" in own_lab("up").stdout
    assert own_lab.state["pid"] == first["pid"]

    assert "stopped" in own_lab("down").stdout
    assert gone(family, 0.1), "down comes back when nothing is left, not before"
    assert not any(answers(port) for port in ports(first).values())
    assert not own_lab.home.state_file.exists()
    assert own_lab("status", check=False).returncode == 3
    assert "is not running" in own_lab("down").stdout

    said = own_lab("up").stdout
    assert "was made" not in said and "were made" not in said
    assert ports(own_lab.state) == ports(first)
    with connect(shop(own_lab.state)) as session:
        assert session.value("SELECT oid FROM pg_database WHERE datname = 'shop'") == made
        assert session.value("SELECT answer FROM shop.kept") == 42

    own_lab("clean")
    assert not own_lab.home.folder.exists()


def test_a_killed_supervisor_leaves_nothing_and_the_next_up_recovers(own_lab):
    own_lab("up")
    state = own_lab.state
    with connect(shop(state)) as session:
        session.run("CREATE TABLE shop.kept AS SELECT 42 AS answer")
    family = [child.pid for child in psutil.Process(state["pid"]).children(recursive=True)]
    assert len(family) > 3
    os.kill(state["pid"], signal.SIGKILL)
    assert gone([state["pid"], *family])
    assert "supervisor is gone" in own_lab("status", check=False).stdout

    # The number of the dead server now belongs to another program of the same user.
    stale = own_lab.home / "postgres" / "data" / "postmaster.pid"
    text = stale.read_text(encoding="ascii").splitlines()
    stale.write_text("\n".join([str(os.getpid()), *text[1:]]) + "\n", encoding="ascii")

    assert "recovered after a crash" in own_lab("up").stdout
    with connect(shop(own_lab.state)) as session:
        assert session.value("SELECT answer FROM shop.kept") == 42
        dead = session.value("SELECT n_dead_tup FROM pg_stat_user_tables WHERE relid = 'shop.carts'::regclass")
    assert dead > 30000, "what is sick still shows after a crash"


@pytest.mark.parametrize("moment", ["postgres.new", "postgres", "redis"])
def test_a_start_that_was_killed_is_begun_anew(own_lab, moment):
    """At the very moment when the folder of that step appears, the supervisor, the starting command, or both are killed."""
    command = subprocess.Popen([sys.executable, "-m", "tests.testbed.lab", "up", "--home", str(own_lab.home.folder)],
                               cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not (own_lab.home / moment).exists():
        assert command.poll() is None, "the lab was ready before the moment came"
        time.sleep(0.005)
    mark = own_lab.home.supervisor()
    os.kill(mark.pid, signal.SIGKILL)
    command.kill()
    command.wait(10)
    own_lab("up")
    with connect(shop(own_lab.state)) as session:
        assert session.value("SELECT count(*) FROM shop.orders") == 28000


def test_when_the_starting_command_goes_away_the_lab_does_not_start(own_lab):
    command = subprocess.Popen([sys.executable, "-m", "tests.testbed.lab", "up", "--home", str(own_lab.home.folder)],
                               cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not (own_lab.home / "postgres.new").exists():
        assert command.poll() is None, "the lab was ready before the moment came"
        time.sleep(0.005)
    mark = own_lab.home.supervisor()
    command.kill()
    command.wait(10)
    assert gone([mark.pid])
    assert own_lab.home.leftovers() == []
    assert not own_lab.home.state_file.exists()


def test_a_port_that_is_taken_meanwhile_is_another_one_the_next_time(own_lab):
    own_lab("up")
    before = ports(own_lab.state)
    own_lab("down")
    with socket.create_server(("127.0.0.1", before["http"])):
        own_lab("up")
        after = ports(own_lab.state)
    assert after["http"] != before["http"]
    assert {**after, "http": 0} == {**before, "http": 0}


def test_a_server_that_dies_takes_the_lab_with_it(own_lab):
    own_lab("up")
    state = own_lab.state
    postmaster = int((own_lab.home / "postgres" / "data" / "postmaster.pid").read_text(encoding="ascii").split()[0])
    os.kill(postmaster, signal.SIGKILL)
    assert gone([state["pid"]])
    # The kernel tells the server's own children of its end, and each ends by itself.
    assert gone([process.pid for process in own_lab.home.leftovers()])
    assert own_lab("status", check=False).returncode == 3


def test_run_brings_the_status_of_its_command_and_stops_what_it_started(own_lab):
    done = own_lab("run", "--", sys.executable, "-c",
                   "import os, sys; sys.exit(7 if os.path.exists(os.environ['EVENKEEL_LAB'] + '/state.json') else 1)", check=False)
    assert done.returncode == 7, done.stdout
    assert own_lab("status", check=False).returncode == 3


def test_a_lab_that_is_held_for_a_process_ends_with_it(own_lab):
    owner = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        subprocess.run([sys.executable, "-m", "tests.testbed.lab", "up", "--home", str(own_lab.home.folder),
                        "--while", str(owner.pid)], cwd=ROOT, check=True, capture_output=True, timeout=180)
        supervisor = own_lab.state["pid"]
        assert own_lab("status").returncode == 0
    finally:
        owner.kill()
        owner.wait(10)
    assert gone([supervisor])
    assert own_lab.home.leftovers() == [] and not own_lab.home.state_file.exists()


def test_folders_of_others_are_left_alone(own_lab, tmp_path):
    (tmp_path / "precious").write_text("mine", encoding="utf-8")
    other = replace(own_lab, home=LabHome(tmp_path))
    for verb in ("up", "clean"):
        done = other(verb, check=False)
        assert done.returncode == 1 and "error:" in done.stdout
    assert (tmp_path / "precious").read_text(encoding="utf-8") == "mine"
    assert "not running" in other("down").stdout


def test_without_a_lab_the_inventory_says_how_to_start_one(own_lab):
    done = own_lab.playbook("evenkeel.ops.capacity.check")
    assert done.returncode != 0
    assert "The lab does not run" in done.stdout + done.stderr
    assert "python -m tests.testbed.lab up" in done.stdout + done.stderr


def test_services_are_well_and_sick_as_meant(lab):
    state = lab.state
    assert urllib.request.urlopen(state["http"]["project-management-api"], timeout=60).status == 200
    assert json.load(urllib.request.urlopen(state["http"]["github-integration-service"], timeout=60))["status"] == "UP"
    with pytest.raises(urllib.error.HTTPError, match="503"):
        urllib.request.urlopen(state["http"]["ai-integration-service"], timeout=60)
    began = time.monotonic()
    urllib.request.urlopen(state["http"]["template-management-api"], timeout=60)
    assert time.monotonic() - began > 1
    endpoints = state["tls"]["endpoints"]
    trust = ssl.create_default_context(cafile=state["tls"]["ca"])
    for name, words in (("valid", None), ("expiring", None), ("wrong_host", "mismatch")):
        with socket.create_connection(("127.0.0.1", endpoints[name]["port"]), timeout=60) as plain:
            if words:
                with pytest.raises(ssl.SSLCertVerificationError, match=words):
                    trust.wrap_socket(plain, server_hostname="localhost")
            else:
                trust.wrap_socket(plain, server_hostname="localhost").close()


def test_the_name_server_knows_its_zone_and_nothing_else(lab):
    import dns.message
    import dns.query
    import dns.rcode

    where = lab.state["dns"]
    good, bad = (dns.query.udp(dns.message.make_query(name, "A"), where["host"], port=where["port"], timeout=60)
                 for name in (where["name"], "nobody.lab.example"))
    assert str(good.answer[0][0]) == "127.0.0.1"
    assert bad.rcode() == dns.rcode.NXDOMAIN


def test_redis_wants_its_password(lab):
    import redis

    where = lab.state["redis"]
    if not where:
        pytest.skip("redis-server is missing on this machine")
    assert redis.Redis(port=where["port"], password=where["password"]).ping()
    with pytest.raises(redis.AuthenticationError):
        redis.Redis(port=where["port"]).ping()


def test_the_database_is_sick_as_meant(lab):
    with connect(shop(lab.state)) as session:
        invalid = {row["name"] for row in session.fetch(
            "SELECT indexrelid::regclass::text AS name FROM pg_index WHERE NOT indisvalid")}
        dead = session.value("SELECT n_dead_tup FROM pg_stat_user_tables WHERE relid = 'shop.carts'::regclass")
        assert session.value("SELECT count(*) FROM ONLY shop.orders") == 0
        assert session.value("SELECT count(*) FROM pg_inherits WHERE inhparent = 'shop.orders'::regclass") == 5
        if session.value("SELECT 1 FROM pg_extension WHERE extname = 'pgstattuple'"):
            density = session.value("SELECT avg_leaf_density FROM public.pgstatindex('shop.visits_by_visitor')")
            assert density < 20
        assert not session.value("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
        assert session.value("SHOW fsync") == "on"
    assert invalid == {"shop.customers_phone_key", "shop.orders_by_total_ccnew"}
    assert dead == 40000
