# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What makes this test session quick: that it is in use, and changes nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT


@pytest.fixture
def ask(playbook, tmp_path):
    """host_check by a playbook, as Ansible sends it."""
    inventory = tmp_path / "hosts.yml"
    inventory.write_text(json.dumps({"all": {"hosts": {"localhost": {
        "ansible_connection": "local", "ansible_python_interpreter": sys.executable}}}}))
    play = tmp_path / "play.yml"
    play.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": [
        {"evenkeel.ops.host_check": {"limits": {}}, "register": "answer"},
        {"ansible.builtin.debug": {"msg": "{{ answer.host.cpu_count }} processors"}}]}]))
    return lambda: playbook(str(play), inventory=inventory)


def test_runs_share_archives_and_compiled_code(ask):
    done = ask()
    assert done.returncode == 0 and f"{os.cpu_count()} processors" in done.stdout, done.stdout + done.stderr
    archives = {path.name for path in Path(os.environ["EVENKEEL_TEST_PAYLOADS"]).glob("*/*host_check*") if path.suffix != ".lock"}
    assert len(archives) == 1
    assert len(list(Path(os.environ["EVENKEEL_TEST_BYTECODE"]).iterdir())) > 50  # Ansible's and ours


def test_a_folder_for_compiled_code_that_cannot_be_used_is_none(ask, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("EVENKEEL_TEST_BYTECODE", str(tmp_path / "file"))
    assert ask().returncode == 0


def test_a_module_that_takes_too_long_is_killed(module_host):
    arguments = {"ANSIBLE_MODULE_ARGS": {"limits": {}, "_ansible_remote_tmp": "/tmp"}}
    with pytest.raises(subprocess.TimeoutExpired):
        module_host.run("host_check", json.dumps(arguments), environment=dict(os.environ), folder=ROOT, timeout=0.1)


def test_a_module_that_cannot_be_loaded_says_why(module_host):
    stdout, stderr = module_host.run("no_such_module", "{}", environment=dict(os.environ), folder=ROOT, timeout=60)
    assert not stdout and "No module named" in stderr and "no_such_module" in stderr


def test_a_run_that_was_forked_is_as_one_that_was_started(playbook, tmp_path, monkeypatch):
    inventory, play = tmp_path / "hosts.json", tmp_path / "play.yml"
    inventory.write_text(json.dumps({"all": {"hosts": {"here": {"ansible_connection": "local"}}}}))
    play.write_text(json.dumps([{"hosts": "here", "gather_facts": False, "tasks": [
        {"ansible.builtin.debug": {"msg": "{{ lookup('ansible.builtin.env', 'EVENKEEL_WORD') }} {{ ansible_playbook_python }}"}},
        {"ansible.builtin.fail": {"msg": "as it should"}}]}]))
    monkeypatch.setenv("EVENKEEL_WORD", "told late")
    forked, started = (playbook(str(play), inventory=inventory, cold=cold) for cold in (False, True))
    assert forked.returncode == 2 and "told late" in forked.stdout and "as it should" in forked.stdout
    assert (forked.stdout, forked.stderr, forked.returncode) == (started.stdout, started.stderr, started.returncode)
    monkeypatch.setenv("ANSIBLE_DISPLAY_FAILED_STDERR", "true")  # a setting that is read at Ansible's start
    asked = playbook(str(play), inventory=inventory)
    assert "as it should" in asked.stderr and "as it should" not in asked.stdout
    with pytest.raises(subprocess.TimeoutExpired):
        playbook(str(play), inventory=inventory, timeout=0.1)
