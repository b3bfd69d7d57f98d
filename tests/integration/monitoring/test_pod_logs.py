# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""log_scan on pods of a real API server, whose logs the kubelet's own library reads."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from tests.conftest import missing
from tests.testbed.kubernetes import serve_kubernetes
from tests.testbed.kwok import NAMESPACE, Pods, serve_pods
from tests.testbed.parts import built

LIMITS = {"levels": {"ERROR": {"warn": 0, "fail": 1000}}, "new_classes": {"warn": 0}}


@pytest.fixture(scope="module")
def pods() -> Iterator[Pods]:
    for name in ("etcd", "kube-apiserver", "kwok"):
        if not built(name) and os.environ.get("CI") is None:
            missing(f"{name} (tools/go-part {name})")
    containers = {"shop-1": ["web", "side"], "shop-2": ["web"], "other-1": ["web"], "torn-1": ["web"], "torn-2": ["web"],
                  "much-1": ["web"], "much-2": ["web"]}
    with serve_kubernetes() as served, serve_pods(str(served[0]), containers) as pods:
        yield pods


@pytest.fixture
def scan(run_module, pods, tmp_path):
    def scan(app, *, check=False, about=(), **change):
        answer = run_module("log_scan", {
            "name": app, "state": str(tmp_path / "state.json"), "limits": LIMITS, **change,
            "kubernetes": {"kubeconfig": pods.kubeconfig, "namespace": NAMESPACE, "selector": f"app={app}", **dict(about)}}, check=check)
        assert not answer.get("failed"), answer
        answer["said"] = [(one["status"], one["message"]) for one in answer["findings"] if one["check"] == "monitoring.log"]
        return answer

    return scan


def errors(number, first=0):
    return [f"ERROR order {one} of 'ann' failed, password=hunter2" for one in range(first, first + number)]


def test_each_line_of_a_pod_is_counted_once_through_restarts_and_rotation(scan, pods, tmp_path):
    [(status, message)] = scan("shop")["said"]
    assert status == "unknown" and "no pod" in message
    pods.start("shop-1", "shop", ["web", "side"])
    pods.start("shop-2", "shop", ["web"])
    pods.start("other-1", "other", ["web"])
    pods.write("shop-1", "web", ["INFO started", *errors(3), "  at frame 1", "INFO ERROR is only mentioned"])
    pods.write("shop-1", "side", ['{"level": "ERROR", "message": "no route"}'])
    pods.write("shop-2", "web", errors(40), ago=100_000)  # before the time that is looked at
    pods.write("shop-2", "web", errors(2))
    pods.write("other-1", "web", errors(9))
    planned = scan("shop", check=True)
    first = scan("shop")
    assert planned["log"]["levels"] == first["log"]["levels"] == {"ERROR": 6} and first["said"][0][0] == "pass", first
    if shutil.which("kubectl"):
        told = subprocess.run(["kubectl", f"--kubeconfig={pods.kubeconfig}", "logs", f"-n={NAMESPACE}", "-l=app=shop", "--since=24h",
                               "--all-containers", "--tail=-1"], capture_output=True, text=True, check=True, timeout=60).stdout
        assert told.count("ERROR") == 7, "the same lines, and the one that only mentions the word"
    assert "hunter2" not in json.dumps(first["log"]) + (tmp_path / "state.json").read_text()
    quiet = scan("shop")
    assert quiet["log"]["events"] == 0 and quiet["said"][0][0] == "warn" and "nothing was written" in quiet["said"][0][1]
    moment = datetime.now(timezone.utc) - timedelta(seconds=20)
    pods.write("shop-2", "web", errors(2), at=moment)
    assert scan("shop")["log"]["events"] == 2
    pods.write("shop-2", "web", errors(3), at=moment)  # of one instant with lines that were read
    assert scan("shop")["log"]["events"] == 3
    pods.write("shop-1", "web", ["Traceback (most recent call last):", *errors(1)], ago=9)
    pods.restart("shop-1", "web")
    pods.write("shop-1", "web", errors(2), ago=5)
    once = scan("shop")
    assert once["log"]["events"] == 3 and [status for status, _message in once["said"]] == ["pass"], once["said"]
    for _time in range(2):
        pods.restart("shop-1", "web")
        pods.write("shop-1", "web", errors(1), ago=3)
    twice = scan("shop")
    assert twice["log"]["events"] == 2 and [status for status, _message in twice["said"]] == ["unknown"]
    assert "restarted more than once" in twice["said"][0][1]
    pods.path("shop-2", "web").write_text("")
    pods.write("shop-2", "web", errors(4), ago=1)
    rotated = scan("shop")
    assert rotated["log"]["events"] == 4 and "shop-2/web: the line that was read last is no longer" in rotated["said"][0][1]
    pods.delete("shop-2")
    assert "1 containers are gone" in scan("shop")["said"][0][1]
    assert [status for status, _message in scan("shop")["said"]] == ["warn"]
    assert scan("shop", about={"containers": ["side"]}, state=None)["log"]["levels"] == {"ERROR": 1}
    assert "no pod has run a container none" in scan("shop", about={"containers": ["none"]})["said"][0][1]


def test_a_log_that_cannot_be_read_is_unknown_and_has_its_turn_when_it_can(scan, pods):
    pods.start("torn-1", "torn", ["web"])
    pods.start("torn-2", "torn", ["web"])
    pods.write("torn-1", "web", errors(3))
    pods.write("torn-2", "web", errors(2))
    content = pods.path("torn-2", "web").read_text()
    pods.path("torn-2", "web").unlink()
    answer = scan("torn")
    assert answer["log"]["events"] == 3
    [(status, message)] = answer["said"]
    assert status == "unknown" and message.startswith("torn-2/web: "), answer["said"]
    pods.path("torn-2", "web").write_text(content)
    assert scan("torn")["log"]["events"] == 2


def test_a_limit_leaves_the_rest_and_starves_no_container(scan, pods):
    for name in ("much-1", "much-2"):
        pods.start(name, "much", ["web"])
        pods.write(name, "web", errors(2000))
    counted, rounds, left = 0, 0, 1
    while left:
        answer = scan("much", read_limit="60kB")
        counted, rounds, left = counted + answer["log"]["events"], rounds + 1, answer["log"]["left"]
        assert rounds < 9 and any("containers are left" in message for _status, message in answer["said"]) == bool(left)
    assert counted == 4000 and rounds > 2


def test_what_makes_no_sense_and_who_does_not_answer(run_module, pods, tmp_path):
    def ask(**about):
        return run_module("log_scan", {"limits": LIMITS, "kubernetes": {"kubeconfig": pods.kubeconfig, "namespace": NAMESPACE, **about}})

    for about in ({"selector": "a in ("}, {"namespace": "no/../such\n%"}, {"namespace": "-x"}):
        assert [one["status"] for one in ask(**about)["findings"]] == ["unknown"], about
    for about in ({"timeout": "-1s"}, {"kubeconfig": str(tmp_path / "none")}, {"context": "none"}):
        assert ask(**about)["failed"]
    away = json.loads(Path(pods.kubeconfig).read_text())
    away["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:9"
    (tmp_path / "away").write_text(json.dumps(away))
    [finding] = ask(kubeconfig=str(tmp_path / "away"), request_timeout="2s")["findings"]
    assert finding["status"] == "unknown" and finding["hint"]
