# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""log_scan on files that are written and rotated, on real journal files, and on a real OpenSearch."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
import threading
import time
from datetime import datetime, timedelta, timezone

import pytest
import zstandard

from tests.conftest import missing
from tests.testbed.opensearch import ask, put, serve_opensearch

LIMITS = {"levels": {"ERROR": {"warn": 2, "fail": 5}, "FATAL": {"fail": 0}}, "markers": {"SECURITY": {"warn": 0}},
          "new_classes": {"warn": 0, "fail": 3}}
REMOTE = "/lib/systemd/systemd-journal-remote"


def by_check(answer):
    assert not answer.get("failed"), answer
    found = {}
    for finding in answer["findings"]:
        found.setdefault(finding["check"].removeprefix("monitoring."), []).append(finding)
    return found


def lines(number, word="ERROR", first=0, message="order {0} of 'ann' failed, password=hunter2"):
    now = datetime.now(timezone.utc).isoformat()
    return "".join(f"{now} {word} {message.format(one)}\n  at frame {one}\n" for one in range(first, first + number))


def scan(run_module, folder, **change):
    return run_module("log_scan", {"name": "shop", "paths": [str(folder / "app.log*")], "state": str(folder / "state" / "shop.json"),
                                   "limits": LIMITS, **change})


def test_a_log_is_followed_through_every_rotation(run_module, tmp_path):
    log, banner = tmp_path / "app.log", "=== shop ===\n" * 60  # longer than what a file is known by at its beginning
    log.write_text(banner + lines(2) + "INFO ERROR is only mentioned\n")
    assert scan(run_module, tmp_path, state=None)["log"]["events"] == 2  # and without a state each time anew
    planned = scan(run_module, tmp_path)
    first = run_module("log_scan", {"paths": [str(log)], "state": str(tmp_path / "state" / "shop.json"), "limits": LIMITS, "name": "shop"},
                       check=True)
    assert planned["log"]["events"] == first["log"]["events"] + 2 == 2, "check mode must not have been the first to read"
    assert not planned["changed"] and by_check(planned)["log_new"][0]["status"] == "warn"
    told = [0]

    def look(**change):
        answer = scan(run_module, tmp_path, **change)
        told.append(answer["log"]["events"])
        return answer

    quiet = by_check(look())
    assert quiet["log"][0]["status"] == "warn" and "nothing was written" in quiet["log"][0]["message"]
    assert quiet["log_new"][0]["status"] == "pass"
    with log.open("a") as stream:
        stream.write(lines(3, first=2))
    log.rename(tmp_path / "app.log.1")
    log.write_text(banner + lines(1, first=5))
    assert by_check(look())["log_level"][0]["status"] == "warn"
    shutil.copy(log, tmp_path / "app.log.0")
    with (tmp_path / "app.log.0").open("a") as stream:  # what came before the copy was made, and after our last look
        stream.write(lines(1, first=6))
    log.write_text(banner)
    look()
    (tmp_path / "app.log.2.gz").write_bytes(gzip.compress((tmp_path / "app.log.1").read_bytes() + lines(1, first=7).encode()))
    (tmp_path / "app.log.3.zst").write_bytes(zstandard.compress((tmp_path / "app.log.0").read_bytes() + lines(1, first=8).encode()))
    (tmp_path / "app.log.1").unlink()
    (tmp_path / "app.log.0").unlink()
    look()
    with log.open("a") as stream:
        stream.write(lines(1, word="FATAL", message="disk {0} is gone") + lines(1, word="INFO SECURITY", message="login of {0} refused"))
        stream.write("ERROR has no end yet")
    last = look()
    assert told == [0, 0, 4, 1, 2, 2] and last["log"]["new_classes"] == 2
    seen = by_check(last)
    assert [finding["status"] for finding in seen["log_level"]] == ["pass", "fail"] and seen["log_marker"][0]["status"] == "warn"
    assert seen["log_new"][0]["status"] == "warn" and "disk ? is gone" in seen["log_new"][0]["hint"]
    state = (tmp_path / "state" / "shop.json").read_text()
    assert "hunter2" not in json.dumps(last["log"]) + json.dumps(planned["log"]) + state and "ann" not in json.dumps(planned["log"])
    with log.open("a") as stream:
        stream.write(" and now it has\n")
    assert look()["log"]["events"] == 1


def test_what_may_be_lost_is_unknown(run_module, tmp_path):
    (tmp_path / "app.log").write_text(lines(2))
    assert scan(run_module, tmp_path)["log"]["events"] == 2
    (tmp_path / "app.log").write_text(lines(1, first=9))  # truncated, and no copy was kept
    lost = scan(run_module, tmp_path)
    assert lost["log"]["events"] == 1 and by_check(lost)["log"][0]["status"] == "unknown"
    assert by_check(scan(run_module, tmp_path, limits={**LIMITS, "silent": "ignore"}))["log"][0]["status"] == "pass"
    (tmp_path / "state" / "shop.json").write_text("{}")
    damaged = scan(run_module, tmp_path)
    assert damaged["log"]["events"] == 1 and "is damaged" in str(damaged["warnings"])


def test_a_limit_leaves_the_rest_and_counts_each_event_once(run_module, tmp_path):
    (tmp_path / "app.log").write_text(lines(9000))
    counted, answer = 0, {"log": {"left": 1}}
    while answer["log"]["left"]:
        answer = scan(run_module, tmp_path, read_limit="300kB")
        counted += answer["log"]["events"]
        assert (by_check(answer)["log"][0]["status"] == "warn") == bool(answer["log"]["left"])
    assert counted == 9000


def test_what_is_no_log_is_passed_over_and_said(run_module, tmp_path):
    zeros, text = b"\0" * (1 << 20), f"{datetime.now(timezone.utc).isoformat()} ERROR disk 7 is full\n".encode()
    (tmp_path / "app.log.1").write_bytes(zeros + text)  # truncated under a program that writes on
    (tmp_path / "app.log.2").write_bytes(b"ERROR dump " + b"x" * (1 << 20) + b" SECURITY MYERROR\nINFO fine\n")
    (tmp_path / "app.log.3").write_bytes(b"INFO fine\n" + b"ERROR " * (1 << 18))
    (tmp_path / "app.log.4.gz").write_bytes(gzip.compress(b"INFO fine\n" + zeros * 32))
    (tmp_path / "app.log.5.zst").write_bytes(zstandard.compress(zeros * 32 + b"\n" + text))
    answer = scan(run_module, tmp_path, limits={})
    assert answer["log"]["levels"] == {"ERROR": 3} and answer["log"]["markers"] == {"SECURITY": 1} and answer["log"]["cut"] == 2, answer
    assert [(row["form"], row["count"]) for row in answer["log"]["classes"]][:1] == [("ERROR disk ? is full", 2)]
    told = [finding["message"] for finding in by_check(answer)["log"]]
    assert sorted(one.rpartition("/")[2] for one in told) == [
        "app.log.3: its last line has 1.5 MiB without an end, and is not counted",
        "app.log.4.gz: its last line has 32.0 MiB without an end, and is not counted"], told
    again = scan(run_module, tmp_path, limits={})
    assert again["log"]["events"] == 0 and sorted(finding["message"].rpartition("/")[2] for finding in by_check(again)["log"]) == sorted(
        one.rpartition("/")[2] for one in told), "it is not forgotten"
    (tmp_path / "app.log").write_bytes(b"x" * (1 << 22) + text)
    held = scan(run_module, tmp_path, limits={}, state=None, paths=[str(tmp_path / "app.log")], read_limit="1MiB")
    assert held["log"]["events"] == 0 and "read_limit" in by_check(held)["log"][0]["hint"]


def test_what_cannot_be_read_is_unknown_and_what_makes_no_sense_is_refused(run_module, tmp_path):
    none = by_check(scan(run_module, tmp_path))
    assert [finding["status"] for found in none.values() for finding in found] == ["unknown"]
    (tmp_path / "app.log").write_bytes("ERROR wide\n".encode("utf-16"))
    whole = gzip.compress(b"".join(b"ERROR %x\n" % (number * 7919 ** 3) for number in range(20000)))
    (tmp_path / "app.log.1.gz").write_bytes(whole[:3000] + b"\xff" * 3000 + whole[6000:])
    (tmp_path / "app.log.2").write_bytes(b"\x00\xff\xfe" * 100000 + b"\nERROR after garbage\n")
    answer = scan(run_module, tmp_path, state=None)
    assert [finding["status"] for finding in by_check(answer)["log"]] == ["unknown"] * 2 and answer["log"]["events"] >= 1
    (tmp_path / "app.log.1.gz").write_bytes(gzip.compress(b"ERROR x")[:10] + b"\xff" * 90)  # broken from the beginning
    answer = scan(run_module, tmp_path)
    assert {finding["status"] for finding in by_check(answer)["log"]} == {"unknown"} and answer["log"]["events"] == 1
    (tmp_path / "app.log.1.gz").unlink()
    answer = scan(run_module, tmp_path)
    assert [finding["message"] for finding in by_check(answer)["log"]] == [f"{tmp_path}/app.log is in UTF-16"]
    for change, word in (
            ({"limits": {"nonsense": 1}}, "nonsense"), ({"limits": {"levels": {"ERROR": {"warn": -1}}}}, "-1"),
            ({"levels": [""], "markers": []}, "no word"), ({"timezone": "Moon"}, "Moon"), ({"look_back": "-1d"}, "look_back"),
            ({"read_limit": "much"}, "read_limit"), ({"journal": {}}, "mutually exclusive"), ({"levels": ["a\nb"]}, "longer than")):
        refused = scan(run_module, tmp_path, **change)
        assert refused["failed"] and word in refused["msg"], refused


def export(entries):
    """Records in the export format of the journal."""
    text = b""
    for at, fields in entries:
        text += b"__REALTIME_TIMESTAMP=%d\n__MONOTONIC_TIMESTAMP=%d\n_BOOT_ID=%s\n" % (int(at * 1e6), int(at), b"1" * 32)
        for name, value in fields.items():
            data = value if isinstance(value, bytes) else value.encode()
            text += name.encode() + (b"\n" + len(data).to_bytes(8, "little") if b"\n" in data else b"=") + data + b"\n"
        text += b"\n"
    return text


def journal(path, entries):
    subprocess.run([REMOTE, f"--output={path}", "-"], input=export(entries), check=True, capture_output=True, timeout=60)


def test_the_journal_is_followed_by_its_cursor(run_module, tmp_path):
    if not shutil.which("journalctl") or not shutil.which(REMOTE):
        missing("journalctl and systemd-journal-remote")
    now, file = time.time(), tmp_path / "one.journal"
    entries = [(now - 60 + number, {"MESSAGE": f"unit {number} failed token=zzcanary{number}", "PRIORITY": "3" if number % 2 else "6",
                                    "SYSLOG_IDENTIFIER": "shop", "_SYSTEMD_UNIT": "shop.service"}) for number in range(20)]
    entries += [(now - 30, {"MESSAGE": "ERROR printed\n  at x", "PRIORITY": "6", "_SYSTEMD_UNIT": "shop.service"}),
                (now - 29, {"MESSAGE": "SECURITY root logged in", "PRIORITY": "5", "_SYSTEMD_UNIT": "sshd.service"}),
                (now - 28, {"MESSAGE": "emergency", "PRIORITY": "0", "_SYSTEMD_UNIT": "shop.service"}),
                (now - 90000, {"MESSAGE": "long ago", "PRIORITY": "3"})]
    journal(file, sorted(entries, key=lambda entry: entry[0]))
    options = {"journal": {"files": [str(file)]}, "state": str(tmp_path / "s.json"), "limits": {**LIMITS, "silent": "warn"}}
    answer = run_module("log_scan", options)
    assert answer["log"]["levels"] == {"ERROR": 11, "CRITICAL": 1} and answer["log"]["markers"] == {"SECURITY": 1}, answer
    assert "zzcanary" not in json.dumps(answer["log"])
    assert by_check(run_module("log_scan", options))["log"][0]["status"] == "warn"
    journal(tmp_path / "two.journal", [(now - 10, {"MESSAGE": "unit 99 failed", "PRIORITY": "3"})])
    both = {**options, "journal": {"files": [str(tmp_path / "*.journal")]}}
    again = run_module("log_scan", both)
    assert again["log"]["levels"] == {"ERROR": 1}, again
    unit = run_module("log_scan", {**both, "journal": {**both["journal"], "units": ["shop.service"]}, "state": None})
    assert unit["log"]["markers"] == {} and unit["log"]["levels"]["ERROR"] == 11
    file.unlink()
    (tmp_path / "two.journal").unlink()
    journal(tmp_path / "three.journal", [(now - 5, {"MESSAGE": "unit 7 failed", "PRIORITY": "3"})])
    gone = run_module("log_scan", both)
    assert by_check(gone)["log"][0]["status"] == "unknown" and "no longer in the journal" in by_check(gone)["log"][0]["message"]
    nowhere = run_module("log_scan", {**options, "journal": {"files": [str(tmp_path / "absent.journal")]}})
    assert nowhere.get("failed") or by_check(nowhere)["log"][0]["status"] == "unknown"


@pytest.fixture(scope="module")
def search():
    try:
        with serve_opensearch() as url:
            yield url
    except FileNotFoundError as error:
        missing(str(error))


def document(namespace, level, message, ago=300.0):
    at = datetime.now(timezone.utc) - timedelta(seconds=ago)
    return {"@timestamp": at.isoformat(), "namespace": namespace, "level": level, "message": message}


def test_the_query_that_people_use_in_kibana(run_module, search, tmp_path):
    options = {"elasticsearch": {"url": search, "index": "logs-*", "query": "namespace:production AND level:ERROR", "delay": "0s"},
               "state": str(tmp_path / "s.json"),
               "limits": {"levels": {"ERROR": {"fail": 0}}, "new_classes": {"warn": 0}, "silent": "unknown"}}
    none = by_check(run_module("log_scan", options))
    assert none["log"][0]["status"] == "unknown" and "no index matches" in none["log"][0]["message"]
    put(search, "logs-1", [document("production", "ERROR", f"order {number} failed for ann@example.com") for number in range(2500)]
        + [document("staging", "ERROR", "not here"), document("production", "INFO", "fine"),
           document("production", "ERROR", "too old", ago=90000)])
    first = run_module("log_scan", {**options, "read_limit": "1GiB"}, check=True)
    assert first["log"]["levels"] == {"ERROR": 2500} and [row["form"] for row in first["log"]["classes"]] == ["order ? failed for ?"]
    assert by_check(first)["log_level"][0]["status"] == "fail" and "2500× order ? failed" in by_check(first)["log_level"][0]["hint"]
    counted = run_module("log_scan", options)["log"]["events"]
    assert counted == 2500
    put(search, "logs-2", [document("production", "ERROR", "another thing", ago=-0.0)])
    time.sleep(0.01)
    second = run_module("log_scan", options)
    assert second["log"]["events"] == 1 and second["log"]["new_classes"] == 1
    third = by_check(run_module("log_scan", options))
    assert third["log"][0]["status"] == "unknown" and "nothing was written" in third["log"][0]["message"]
    nodes = ask(search, "GET", "/_nodes/stats/indices/search")["nodes"].values()
    assert [node["indices"]["search"]["open_contexts"] for node in nodes] == [0], "what the server keeps for us is given back"


def test_a_limit_on_documents_leaves_the_rest(run_module, search, tmp_path):
    put(search, "part-1", [document("production", "ERROR", f"order {number}", ago=10 + number) for number in range(400)])
    options = {"elasticsearch": {"url": search, "index": "part-*", "delay": "0s"}, "state": str(tmp_path / "s.json"), "limits": {},
               "read_limit": "100kB", "look_back": "1h"}
    events, left, rounds = 0, 1, 0
    while left:
        log = run_module("log_scan", options)["log"]
        events, left, rounds = events + log["events"], log["left"], rounds + 1
        assert log["events"] <= 100 and rounds < 20
    assert events == 400 and rounds > 3


def test_documents_that_arrive_late_are_counted_once_and_told(run_module, search, tmp_path):
    options = {"elasticsearch": {"url": search, "index": "late-*", "query": "namespace:production", "delay": "0s"},
               "state": str(tmp_path / "s.json"), "limits": {"gap": "unknown", "silent": "ignore"}}

    def look(*ago, **change):
        if ago:
            put(search, "late-1", [document("production", "ERROR", f"order {number} failed", ago=number) for number in ago])
        answer = run_module("log_scan", {**options, "elasticsearch": {**options["elasticsearch"], **change}})
        [found] = by_check(answer)["log"]
        return answer["log"]["events"], answer["log"]["late"], found["status"], found["message"]

    assert look(300, 400)[:3] == (2, 0, "pass")
    late = look(600, 350)
    assert late[:3] == (2, 2, "pass") and "2 of them arrived late, with instants up to " in late[3], late
    assert look()[:2] == (0, 0)
    assert look(3000, late="10m")[:2] == (1, 1), "what is remembered grows shorter after this run only"
    gone = look(2500, 300, late="10m")
    assert gone[:3] == (1, 1, "unknown") and "arrived more than 10m after their instant: 1" in gone[3], gone
    assert look(late="10m")[:3] == (0, 0, "pass")
    assert [look(late="10m", delay=delay)[:2] for delay in ("2h", "0s")] == [(0, 0)] * 2, "nor does one that is raised count any twice"
    assert look(query="namespace:*")[:2] == (0, 0), "another question begins where the last one ended"


def test_a_query_that_is_none_and_a_server_that_is_none_are_unknown(run_module, search, tmp_path):
    put(search, "ok-1", [document("a", "ERROR", "x")])
    for change in ({"query": "level:("}, {"url": "http://127.0.0.1:9", "timeout": "2s"}, {"index": "a,b/../c"}):
        answer = run_module("log_scan", {"elasticsearch": {"url": search, "index": "ok-*", **change}, "limits": LIMITS})
        assert [finding["status"] for finding in answer["findings"]] == ["unknown"] and answer["findings"][0]["hint"], answer
    for change in ({"user": "ann"}, {"index": "-x"}, {"index": " "}, {"user": "a", "password": "b", "api_key": "c"},
                   {"late": "-1h"}, {"delay": "soon"}):
        assert run_module("log_scan", {"elasticsearch": {"url": search, "index": "ok-*", **change}, "limits": LIMITS})["failed"]


def test_a_canary_arrives_where_people_look_and_is_taken_away_there(run_module, search, tmp_path):
    log, ended, shipped = tmp_path / "app.log", threading.Event(), []
    log.write_text("")

    def ship():
        while not ended.wait(0.1):
            for line in log.read_text().splitlines()[len(shipped):]:
                put(search, "canary-1", [json.loads(line)])
                shipped.append(line)

    shipper = threading.Thread(target=ship)
    shipper.start()
    nowhere = {"url": "http://127.0.0.1:9", "timeout": "2s"}
    try:
        answer = run_module("monitoring_verify", {
            "prometheus": nowhere, "alertmanager": nowhere, "patience": "60s", "log_canaries": [
                {"name": "shop", "path": str(log), "json": True, "elasticsearch": {"url": search, "index": "canary-*"}}]})
    finally:
        ended.set()
        shipper.join()
    [found] = by_check(answer)["log_delivery"]
    assert found["status"] == "pass" and len(shipped) == 1 and answer["arrivals"][0]["canary"] in shipped[0], found
    ask(search, "POST", "/canary-1/_refresh")
    assert ask(search, "GET", "/canary-1/_count")["count"] == 0
