# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""maintenance_mode on real servers: the page is served or nothing changed, and it goes away whatever happened."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from datetime import datetime, timedelta, timezone
from email.message import Message
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.testbed.web import serve_haproxy

PROGRAMS = "/usr/sbin:/usr/bin:/usr/local/sbin"


def get(url: str, *, method: str = "GET", data: bytes | None = None) -> tuple[int, Message, str]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method=method, data=data), timeout=10) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read().decode()


def hours(number: float) -> str:
    return (datetime.now(timezone.utc) + timedelta(hours=number)).isoformat()


def asked(web, state: str, **more):
    return {"state": state, "url": web.url, "by": "A. Hopper", "patience": "60s", **web.options, **more}


@pytest.fixture(params=["nginx", "haproxy"])
def web(request, run_module):
    found = request.getfixturevalue(request.param)
    yield found
    run_module("maintenance_mode", asked(found, "disabled"))


def statuses(answer) -> dict[str, str]:
    return {finding["check"]: finding["status"] for finding in answer["findings"]}


def test_on_and_off_proven_idempotent_and_planned_by_check(run_module, web):
    until = hours(2)
    planned = run_module("maintenance_mode", asked(web, "enabled", until=until), check=True, diff=True)
    assert planned["changed"] and not planned["mode"]["on"] and planned["diff"]["before"] != planned["diff"]["after"]
    assert get(web.url)[0] == 200 and not list((web.folder / "state").glob("*.json"))
    done = run_module("maintenance_mode", asked(web, "enabled", until=until, change="CHG-7", text='<b>"$50" & more</b>'))
    assert done["changed"] and done["mode"]["on"] and done["mode"]["status_code"] == 503, done
    status, headers, body = get(web.url)
    assert status == 503 and headers["Retry-After"] == "900" and headers["Cache-Control"] == "no-store" and "Maintenance" in body
    if web.options.get("nginx"):
        assert "&lt;b&gt;&quot;$50&quot; &amp; more&lt;/b&gt;" in body
    for path, method, data in (("/any/where?a=b", "GET", None), ("/ok", "POST", b"x=1"), ("/.evenkeel-maintenance", "GET", None)):
        assert get(web.url.removesuffix("/ok") + path, method=method, data=data)[0] == 503
    same = {"until": until, "change": "CHG-7", "text": '<b>"$50" & more</b>', "by": "G. Lovelace"}
    again = run_module("maintenance_mode", asked(web, "enabled", **same))
    assert not again["changed"] and again["mode"]["by"] == "A. Hopper" and again["mode"]["since"] == done["mode"]["since"]
    seen = run_module("maintenance_mode", asked(web, "observed"))
    assert not seen["changed"] and statuses(seen) == {"maintenance.mode": "pass", "maintenance.page": "pass"}
    assert "A. Hopper for CHG-7" in seen["summary"]
    back = run_module("maintenance_mode", asked(web, "disabled"), check=True)
    assert back["changed"] and get(web.url)[0] == 503
    off = run_module("maintenance_mode", asked(web, "disabled"))
    assert off["changed"] and not off["mode"]["on"] and statuses(off) == {"maintenance.mode": "pass", "maintenance.page": "pass"}
    assert get(web.url)[0] == 200
    assert not run_module("maintenance_mode", asked(web, "disabled"))["changed"]
    assert not run_module("maintenance_mode", asked(web, "disabled"), check=True)["changed"]


def test_longer_than_announced_is_a_failure(run_module, web):
    until = (datetime.now(timezone.utc) + timedelta(seconds=8)).isoformat()
    done = run_module("maintenance_mode", asked(web, "enabled", until=until))
    assert done.get("changed"), done
    while datetime.now(timezone.utc) <= datetime.fromisoformat(until):
        time.sleep(0.2)
    seen = run_module("maintenance_mode", asked(web, "observed"))
    assert statuses(seen)["maintenance.mode"] == "fail" and "longer than announced" in seen["summary"]
    later = run_module("maintenance_mode", asked(web, "enabled", until=hours(1)))
    assert later["changed"] and statuses(later)["maintenance.mode"] == "pass" and later["mode"]["since"] == done["mode"]["since"]


def test_it_ends_itself_at_the_announced_end_when_nobody_else_does(run_module, web):
    run_module("maintenance_mode", asked(web, "enabled", until=hours(1), ends_itself=True))
    end = datetime.now(timezone.utc) + timedelta(seconds=8)
    sooner = run_module("maintenance_mode", asked(web, "enabled", until=end.isoformat(), ends_itself=True))
    assert sooner["changed"] and sooner["mode"]["on"], sooner
    served = None
    while served is None and datetime.now(timezone.utc) < end + timedelta(seconds=60):
        time.sleep(0.2)
        served = datetime.now(timezone.utc) if get(web.url)[0] == 200 else None
    assert served and served >= end, "the end that was announced last counts"
    patience = time.monotonic() + 30
    while list((web.folder / "state").glob("*.json")) and time.monotonic() < patience:
        time.sleep(0.1)
    seen = run_module("maintenance_mode", asked(web, "observed"))
    assert not seen["mode"]["on"] and seen["mode"]["since"] is None and statuses(seen)["maintenance.mode"] == "pass"


def test_what_does_not_come_about_is_taken_back(run_module, web):
    """Another URL answers than the one that is switched: the page was set, and is not served there."""
    elsewhere = asked(web, "enabled", url=web.url.replace("/ok", "/ok?x=1"), name="elsewhere", patience="1s")
    if web.options.get("nginx"):
        elsewhere["nginx"] = {**web.options["nginx"], "include": str(web.folder / "elsewhere.conf")}
    failed = run_module("maintenance_mode", elsewhere)
    assert failed["failed"] and "is not served" in failed["msg"] and "What was set before is set again" in failed["msg"]
    assert get(web.url)[0] == 200 and not list((web.folder / "state").glob("elsewhere*"))
    assert not (web.folder / "elsewhere.conf").exists()
    if web.options.get("haproxy"):
        assert "elsewhere" not in (web.folder / "maintenance.map").read_text()


def test_a_killed_run_leaves_what_the_next_one_clears_up(run_module, web):
    def recorded() -> bool:
        return bool(list((web.folder / "state").glob("*.json")))

    for reached in (recorded, lambda: get(web.url)[0] == 503):  # as it begins, and while it makes sure
        arguments = {"ANSIBLE_MODULE_ARGS": {**asked(web, "enabled"), "_ansible_remote_tmp": "/tmp", "_ansible_keep_remote_files": False}}
        process = subprocess.Popen([sys.executable, "-m", "tests.testbed.module", "maintenance_mode"], stdin=subprocess.PIPE,
                                   stdout=subprocess.DEVNULL, cwd=ROOT, text=True)
        process.stdin.write(json.dumps(arguments))
        process.stdin.close()
        while not reached() and process.poll() is None:
            time.sleep(0.005)
        process.kill()
        process.wait()
        seen = run_module("maintenance_mode", asked(web, "observed"))
        assert not seen["mode"]["on"] or seen["mode"]["since"], "on, and nothing says since when"
        off = run_module("maintenance_mode", asked(web, "disabled"))
        assert not off.get("failed") and get(web.url)[0] == 200, off
        assert not list((web.folder / "state").glob("*.json"))


def test_what_nginx_was_not_told_to_read_before_a_kill_is_read_by_the_next_run(run_module, nginx, tmp_path):
    killer = tmp_path / "nginx"
    killer.write_text(f'#!/bin/sh\ncase "$*" in *reload*) kill -9 $PPID; exit 1;; esac\nexec {shutil.which("nginx", path=PROGRAMS)} "$@"\n')
    killer.chmod(0o755)
    wanted = asked(nginx, "enabled", retry_after="20m")
    arguments = {"ANSIBLE_MODULE_ARGS": {**wanted, "nginx": {**nginx.options["nginx"], "program": str(killer)},
                                         "_ansible_remote_tmp": "/tmp", "_ansible_keep_remote_files": False}}
    killed = subprocess.run([sys.executable, "-m", "tests.testbed.module", "maintenance_mode"], input=json.dumps(arguments), text=True,
                            capture_output=True, cwd=ROOT, check=False, timeout=120)
    assert killed.returncode == -signal.SIGKILL and get(nginx.url)[0] == 200, killed
    try:
        done = run_module("maintenance_mode", wanted)
        assert done["changed"] and get(nginx.url)[1]["Retry-After"] == "1200", done
        assert not (nginx.folder / "state/site.unread").exists()
    finally:
        run_module("maintenance_mode", asked(nginx, "disabled"))


def test_off_works_when_the_configuration_of_nginx_is_broken(run_module, nginx):
    run_module("maintenance_mode", asked(nginx, "enabled"))
    assert get(nginx.url)[0] == 503
    broken = nginx.folder / "conf.d/maintenance-broken.conf"
    broken.write_text("no such directive;\n")
    try:
        off = run_module("maintenance_mode", asked(nginx, "disabled"))
        assert off["changed"] and get(nginx.url)[0] == 200
        refused = run_module("maintenance_mode", asked(nginx, "enabled", retry_after="20m"))
        assert refused["failed"] and "nginx does not take its configuration" in refused["msg"], refused["msg"]
        assert "unknown directive" in refused["evidence"]["stderr"]
        assert get(nginx.url)[0] == 200 and not list((nginx.folder / "state").glob("*.json"))
        assert "900" in (nginx.folder / "conf.d/maintenance.conf").read_text()
    finally:
        broken.unlink()


def test_a_dead_application_is_no_maintenance_and_no_pass(run_module, nginx):
    sick = asked(nginx, "disabled", url=nginx.url.replace("/ok", "/status/500"))
    done = run_module("maintenance_mode", sick)
    assert not done.get("failed") and statuses(done) == {"maintenance.mode": "pass", "maintenance.page": "fail"}
    nobody = run_module("maintenance_mode", asked(nginx, "observed", url="http://127.0.0.1:1/"))
    assert statuses(nobody)["maintenance.page"] == "unknown"


def test_what_others_wrote_stays_and_a_reload_keeps_the_mode(run_module, haproxy):
    run_module("maintenance_mode", asked(haproxy, "enabled", retry_after="5m"))
    lines = (haproxy.folder / "maintenance.map").read_text().splitlines()
    assert lines[:2] == ["# of this site", "other on"] and {"site on", "site/retry-after 300"} <= set(lines)
    assert get(haproxy.url)[1]["Retry-After"] == "300"
    run_module("maintenance_mode", asked(haproxy, "disabled"))
    assert "site off" in (haproxy.folder / "maintenance.map").read_text() and get(haproxy.url)[0] == 200


def test_a_map_that_is_not_asked_and_a_process_that_is_gone_are_told(run_module, tmp_path):
    with serve_haproxy() as web:
        other = tmp_path / "other.map"
        other.write_text("")
        refused = run_module("maintenance_mode", asked(web, "enabled", haproxy={**web.options["haproxy"], "map": str(other)}))
        assert refused["failed"] and refused["error"] == "NotFound" and get(web.url)[0] == 200, refused
    gone = run_module("maintenance_mode", asked(web, "enabled"))
    assert gone["failed"] and gone["error"] == "Unreachable" and "stats socket" in gone["hint"]


@pytest.mark.parametrize("more", [{"name": "a b"}, {"name": "../x"}, {"until": "2020-01-01T00:00:00Z"}, {"until": "soon"}, {"by": " "},
                                  {"retry_after": "-1s"}, {"url": "ftp://x/"}, {"url": "http://x/ a"}, {"url": "http://u:p@x/"},
                                  {"nginx": {"include": "/tmp/a;b.conf"}}, {"nginx": {"include": "/tmp/a\nb.conf"}},
                                  {"state_dir": "/tmp/$x"}, {"host": "a\r\nb: c"}])
def test_what_a_configuration_could_not_hold_is_refused(run_module, tmp_path, more):
    options = {"state": "enabled", "url": "http://127.0.0.1:1/", "by": "A", "state_dir": str(tmp_path / "state"),
               "nginx": {"include": str(tmp_path / "a.conf")}, **more}
    refused = run_module("maintenance_mode", options)
    assert refused["failed"] and refused["error"] == "InvalidOption", refused
    assert not list(Path(tmp_path).iterdir())
