# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The edge to Ansible, in processes of their own: errors with hints, signals, the last words of a module."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import pytest

from tests.conftest import ROOT

HEAD = """
import sys, time
from pathlib import Path
import tests.conftest
from ansible.module_utils import basic
basic._ANSIBLE_ARGS, basic._ANSIBLE_PROFILE = sys.argv[2].encode(), "legacy"
from ansible_collections.evenkeel.ops.plugins.module_utils.core.edge import run_module
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import Unreachable
from ansible_collections.evenkeel.ops.plugins.module_utils.core.finding import Finding, Status
from ansible_collections.evenkeel.ops.plugins.module_utils.core.options import own
from ansible_collections.evenkeel.ops.plugins.module_utils.core.outcome import Outcome
OPTIONS = own(number={"type": "int", "default": 3})
witness = Path(sys.argv[1])
"""


@pytest.fixture
def start(tmp_path):
    """Start a module whose ``run`` has this body; gives the process and the file that the body may write to."""
    processes = []

    def begin(body, *, check=False, diff=False, **options):
        witness = tmp_path / "witness"
        lines = "\n".join(f"    {line}" for line in body.strip().splitlines())
        code = f"{HEAD}\ndef run(request):\n{lines}\nrun_module(OPTIONS, run)\n"
        arguments = {"ANSIBLE_MODULE_ARGS": {**options, "_ansible_check_mode": check, "_ansible_diff": diff, "_ansible_remote_tmp": "/tmp"}}
        process = subprocess.Popen([sys.executable, "-c", code, str(witness), json.dumps(arguments)], cwd=ROOT, text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        processes.append(process)
        return process, witness

    yield begin
    for process in processes:
        if process.poll() is None:
            process.kill()
            process.communicate()


def answer(process):
    said, complained = process.communicate(timeout=60)
    lines = [line for line in said.splitlines() if line.startswith("{")]
    assert len(lines) == 1, said + complained
    return json.loads(lines[0])


def until_written(witness, process):
    for _turn in range(600):
        if witness.exists() and witness.read_text():
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    raise AssertionError("the module did not begin")


def test_an_error_is_answered_with_its_kind_its_hint_and_its_evidence(start):
    process, _witness = start("raise Unreachable('No answer from db1', hint='See its log', evidence={'port': 5432})")
    said = answer(process)
    assert said["failed"] and said["msg"] == "No answer from db1. See its log" and process.returncode == 1
    assert (said["error"], said["hint"], said["evidence"], said["findings"]) == ("Unreachable", "See its log", {"port": 5432}, [])


def test_an_outcome_is_answered_with_findings_warnings_and_a_diff_when_asked(start):
    body = "return Outcome(True, [Finding('a.b', 'x', Status.WARN, 'm')], values={'own': request['number'], 'dry': request.check_mode}," \
           " diff={'before': 'a', 'after': 'b'}, warnings=['mind this'])"
    said = answer(start(body, check=True, diff=True, number=7)[0])
    assert said["changed"] and said["own"] == 7 and said["dry"] is True and said["diff"] == {"before": "a", "after": "b"}
    assert said["findings"][0]["status"] == "warn" and said["summary"] == "1 check: 1 warn" and "mind this" in json.dumps(said["warnings"])
    assert "diff" not in answer(start(body)[0])


def test_an_option_that_is_not_known_or_of_the_wrong_type_is_told(start):
    assert "nonsense" in answer(start("return Outcome()", nonsense=1)[0])["msg"]
    assert "number" in answer(start("return Outcome()", number="many")[0])["msg"]


WAIT = """
try:
    witness.write_text("begun ")
    time.sleep(60)
finally:
    time.sleep(0.5)
    with witness.open("a") as stream: stream.write("cleared away")
return Outcome()
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_becomes_an_error_and_finally_gets_its_turn(start, number):
    process, witness = start(WAIT)
    until_written(witness, process)
    process.send_signal(number)
    said = answer(process)
    assert said["failed"] and said["error"] == "Interrupted" and number.name in said["msg"] and said["hint"]
    assert witness.read_text() == "begun cleared away"


def test_more_signals_do_not_cut_the_clearing_away_short(start):
    process, witness = start(WAIT)
    until_written(witness, process)
    for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        process.send_signal(number)
        time.sleep(0.1)
    assert answer(process)["error"] == "Interrupted" and witness.read_text() == "begun cleared away"


@pytest.mark.parametrize("kind", ["Exception", "Unreachable"])
def test_work_that_makes_the_best_of_an_error_does_not_go_on_after_a_signal(start, kind):
    """Of hundreds of targets one that cannot be asked costs nothing; who is told to stop asks none of the others."""
    process, witness = start(f"""
for turn in range(3):
    try:
        with witness.open("a") as stream: stream.write(f"{{turn}} ")
        time.sleep(60)
    except {kind}:
        pass
return Outcome()
""")
    until_written(witness, process)
    process.terminate()
    assert answer(process)["error"] == "Interrupted" and witness.read_text() == "0 "


def test_a_program_that_clears_away_can_be_ended_itself(start):
    """What is started while signals are passed over must not inherit that."""
    process, witness = start("""
import subprocess
try:
    witness.write_text("begun ")
    time.sleep(60)
finally:
    child = subprocess.Popen(["sleep", "60"])
    child.terminate()
    witness.write_text(str(child.wait(10)))
""")
    until_written(witness, process)
    process.terminate()
    assert answer(process)["error"] == "Interrupted" and witness.read_text() == "-15"
