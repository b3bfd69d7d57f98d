# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same playbook from a checkout, as an installed collection, and under ansible-runner."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

BIN = Path(sys.executable).parent
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")} | {"ANSIBLE_NOCOLOR": "1"}


def run(*argv: str | Path, cwd: Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess:
    return subprocess.run([str(word) for word in argv], cwd=cwd, env={**ENVIRONMENT, **(env or {})}, text=True, capture_output=True,
                          timeout=600, check=False)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory) -> Path:
    """The files that git knows or would know, in a folder whose name is not easy."""
    target = tmp_path_factory.mktemp("some where") / "check out"
    files = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, text=True,
                           capture_output=True, check=True).stdout.split("\0")
    for name in files:
        source = ROOT / name
        if name and (source.is_symlink() or source.is_file()):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / name, follow_symlinks=False)
    return target


@pytest.fixture(scope="module")
def inventory(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("inventory")
    (folder / "hosts.yml").write_text(json.dumps({"all": {
        "vars": {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, "evenkeel_system": "test",
                 "evenkeel_environment": "test", "evenkeel_ledger_url": f"sqlite:///{folder}/ledger.sqlite",
                 "operations_report_folder": f"{folder}/reports", "operations_fail_on": []},
        "children": {"capacity": {"hosts": {"localhost": {}}}, "operations": {"hosts": {"localhost": {}}}}}}))
    return folder


def test_from_a_checkout_by_its_full_name(checkout, inventory):
    done = run(BIN / "ansible-playbook", "evenkeel.ops.operations.daily", "-i", inventory, cwd=checkout)
    assert done.returncode == 0 and "report: " in done.stdout, done.stdout + done.stderr


def test_installed_by_ansible_galaxy(checkout, inventory, tmp_path):
    built = run(BIN / "ansible-galaxy", "collection", "build", "--output-path", tmp_path / "build", checkout, cwd=tmp_path)
    assert built.returncode == 0, built.stdout + built.stderr
    [archive] = (tmp_path / "build").iterdir()
    assert archive.stat().st_size < 5 * 2**20
    installed = run(BIN / "ansible-galaxy", "collection", "install", archive, "-p", tmp_path / "installed", "--offline", cwd=tmp_path)
    assert installed.returncode == 0, installed.stdout + installed.stderr
    done = run(BIN / "ansible-playbook", "evenkeel.ops.operations.daily", "-i", inventory, cwd=tmp_path,
               env={"ANSIBLE_COLLECTIONS_PATH": str(tmp_path / "installed")})
    assert done.returncode == 0 and "report: " in done.stdout, done.stdout + done.stderr


def test_under_ansible_runner(checkout, inventory, tmp_path):
    done = run(BIN / "ansible-runner", "run", tmp_path / "private", "--project-dir", checkout, "--inventory", inventory,
               "-p", "evenkeel.ops.operations.daily", cwd=tmp_path, env={"PATH": f"{BIN}:{os.environ['PATH']}"})
    assert done.returncode == 0 and "report: " in done.stdout, done.stdout + done.stderr


def test_a_host_that_cannot_be_reached_is_unknown_and_the_day_goes_on(checkout, inventory, tmp_path):
    hosts = json.loads((inventory / "hosts.yml").read_text())
    hosts["all"]["children"]["capacity"]["hosts"]["gone"] = {
        "ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1, "ansible_ssh_common_args": "-o ConnectTimeout=2"}
    hosts["all"]["vars"] |= {"evenkeel_ledger_url": f"sqlite:///{tmp_path}/ledger.sqlite", "operations_report_folder": str(tmp_path)}
    (tmp_path / "hosts.yml").write_text(json.dumps(hosts))
    done = run(BIN / "ansible-playbook", "evenkeel.ops.operations.daily", "-i", tmp_path / "hosts.yml", cwd=checkout)
    [data] = tmp_path.glob("*.json")
    report = json.loads(data.read_text())
    [unknown] = [row for row in report["attention"] if row["host"] == "gone"]
    assert unknown["status"] == "unknown" and "refused" in unknown["message"], done.stdout
    assert report["hosts"], "the other host was checked"
