# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Watching real servers for a while: as a module, as a playbook, and cancelled while it goes on."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.ledger import Ledger
from ansible_collections.evenkeel.ops.plugins.module_utils.core import progress

from tests.conftest import ROOT
from tests.integration.health.conftest import recorded
from tests.testbed.http import Response, serve_http
from tests.testbed.interruptible import begin_playbook

NAME = "evenkeel.ops.health.watch"
QUICK = {"for": "2s", "every": "200ms"}


@pytest.fixture(scope="module")
def web():
    """``/breaks?after=3&n=1`` answers well three times, and never again; counted per query."""
    turns: Counter[str] = Counter()

    def breaks(request):
        turns[request.target] += 1
        return Response(status=200 if turns[request.target] <= int(request.query["after"]) else 503)

    with serve_http({"/breaks": breaks}) as server:
        yield server


def findings(answer) -> dict:
    return {(one["check"], one["subject"]): one for one in answer["findings"]}


def test_all_rounds_go_into_the_verdict(run_module, web):
    answer = run_module("health_probe", {"targets": [{"name": "shop", "url": f"{web.url}/ok"}], "samples": 2, "watch": QUICK})
    watched, [target] = answer["watch"], answer["targets"]
    assert watched["end"] == "whole" and watched["rounds"] + watched["fell_out"] == watched["planned_rounds"] == 11
    assert target["samples"] == watched["samples"] == 2 * watched["rounds"] and watched["seconds"] >= 1.9
    assert findings(answer)["health.watch", "all targets"]["status"] in ("pass", "warn")


def test_it_ends_with_the_round_that_overdraws_the_budget(run_module, web):
    answer = run_module("health_probe", {
        "targets": [{"name": "f", "url": f"{web.url}/breaks?after=3&n=module"}], "watch": {"for": "10m", "every": "100ms"}})
    assert answer["watch"]["end"] == "failed" and answer["watch"]["rounds"] == 4 and answer["watch"]["seconds"] < 60
    assert findings(answer)["health.watch", "all targets"]["status"] == findings(answer)["health.probe", "f"]["status"] == "fail"


def test_in_check_mode_it_is_one_look_and_says_so(run_module, web):
    options = {"targets": [{"name": "t", "url": f"{web.url}/ok"}], "watch": {"for": "1h", "every": "30s"}}
    answer = run_module("health_probe", options, check=True)
    assert "watch" not in answer and answer["targets"][0]["samples"] == 1 and "probed once" in str(answer["warnings"])


@pytest.mark.parametrize("watch, said", [({"for": "1m"}, "every"), ({"for": "1s", "every": "1m"}, "is no watch"),
                                         ({**QUICK, "until": "noon"}, "until"), ({**QUICK, "burst": {"fail": "-"}}, "burst.fail")])
def test_a_watch_that_makes_no_sense_fails_before_anything_is_probed(run_module, web, watch, said):
    before = len(web.requests)
    answer = run_module("health_probe", {"targets": [{"name": "t", "url": f"{web.url}/ok"}], "watch": watch})
    assert answer["failed"] and said in answer["msg"] and len(web.requests) == before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_module_that_is_told_to_end_returns_what_it_saw_and_showed_how_far_it_was(web, tmp_path, number):
    told = tmp_path / "progress"
    arguments = {"ANSIBLE_MODULE_ARGS": {
        "targets": [{"name": "t", "url": f"{web.url}/ok"}], "watch": {"for": "10m", "every": "100ms"}, "_ansible_check_mode": False,
        "_ansible_remote_tmp": "/tmp", "_ansible_keep_remote_files": False}}
    with subprocess.Popen([sys.executable, "-m", "tests.testbed.module", "health_probe"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True, cwd=ROOT, env={**os.environ, progress.VARIABLE: str(told)}) as process:
        process.stdin.write(json.dumps(arguments))
        process.stdin.close()
        process.stdin = None
        waited_for(lambda: told.exists() and _round(told.read_text()) >= 3)
        assert progress.read(told.read_bytes()).line.startswith("watch: round ")
        process.send_signal(number)
        said, _errors = process.communicate(timeout=60)
    answer = json.loads([line for line in said.splitlines() if line.startswith("{")][-1])
    ending = findings(answer)["health.watch", "all targets"]
    assert answer["watch"]["end"] == "interrupted" and answer["watch"]["rounds"] >= 3 and answer["targets"][0]["samples"] >= 2
    assert ending["status"] == "unknown" and number.name in ending["message"] and not told.exists()


def test_the_playbook_records_and_gates(playbook, inventory, tmp_path, web):
    done = playbook(NAME, inventory=inventory, variables={
        "health_targets": [{"name": "database", "url": f"{web.url}/breaks?after=2&n=database"},
                           {"name": "shop", "url": f"{web.url}/breaks?after=2&n=shop", "depends_on": ["database"]}],
        "health_defaults": {"latency_fail": "5s"}, "health_limits": {}, "health_watch": {"for": "10m", "every": "100ms"}})
    assert done.returncode == 2 and "follows database (failed)" in done.stdout, done.stdout
    record = recorded(tmp_path)
    assert record["procedure"] == "watch" and record["body"][0]["watch"]["end"] == "failed"
    assert {one["subject"]: one["status"] for one in record["findings"]} == {"database": "fail", "shop": "warn", "all targets": "fail"}
    [ending] = [one for one in record["findings"] if one["check"] == "health.watch"]
    assert ": database had more bad samples" in ending["message"], "the root, not what follows it"


def test_a_run_that_is_cancelled_leaves_what_was_seen_on_record(inventory, tmp_path):
    asked = threading.Semaphore(0)

    def answer(_request):
        asked.release()
        return Response()

    extra = tmp_path / "extra.json"
    with serve_http({"/watched": answer}) as web:
        extra.write_text(json.dumps({
            "evenkeel_ledger_url": f"sqlite:///{tmp_path}/ledger.sqlite", "evenkeel_progress_interval": "300ms",
            "health_targets": [{"name": "t", "url": f"{web.url}/watched"}], "health_watch": {"for": "10m", "every": "200ms"}}))
        with begin_playbook(NAME, "-i", inventory, "-e", f"@{extra}") as process:
            for _number in range(5):
                assert asked.acquire(timeout=60)
            for line in process.stdout:
                if "watch: round" in line:
                    break
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=60)
        waited_for(lambda: Ledger(f"sqlite:///{tmp_path}/ledger.sqlite").newest_run(system="unnamed", environment="unnamed"))
    record = recorded(tmp_path)
    assert (record["area"], record["procedure"], record["status"]) == ("health", "watch", "unknown")
    assert record["body"][0]["watch"]["end"] == "interrupted" and record["body"][0]["targets"][0]["samples"] >= 4


def _round(text: str) -> int:
    """How far a watch says it is; 0 before it says anything."""
    found = re.search(r"round (\d+) of 6001", text)
    return int(found[1]) if found else 0


def waited_for(what) -> None:
    end = time.monotonic() + 60
    while not what():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)


@pytest.mark.parametrize("word", ["timeout", "async"])
def test_a_task_that_ends_before_the_watch_does_is_refused(inventory, tmp_path, word):
    book = tmp_path / "book.yml"
    options = {"targets": [{"name": "t", "kind": "tcp", "host": "127.0.0.1", "port": 9}], "watch": {"for": "15m", "every": "30s"}}
    task = {"name": "Watch", "evenkeel.ops.health_probe": options, word: 600}
    book.write_text(json.dumps([{"name": "Soak", "hosts": "health", "gather_facts": False, "tasks": [task]}]))
    done = subprocess.run([str(Path(sys.executable).with_name("ansible-playbook")), "-i", str(inventory), str(book)], cwd=ROOT, text=True,
                          capture_output=True, check=False, timeout=100, env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")})
    assert done.returncode == 2 and f"The task's {word} ends it after 10m, before the watch of 15m is over" in done.stdout, done.stdout
