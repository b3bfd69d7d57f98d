# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Readings of this machine, against what its own tools say."""

from __future__ import annotations

import json
import mmap
import os
import subprocess
import sys

import psutil
import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.system import _busiest, open_files, read_host
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import SystemClock

from tests.conftest import ROOT


@pytest.fixture(scope="module")
def host():
    return read_host(SystemClock(), interval=0.2)


def test_shares_are_shares_and_the_whole_is_plain_json(host):
    assert json.loads(json.dumps(host)) == host
    for percent in (host["cpu_percent"], host["memory_percent"], host["swap_percent"]):
        assert 0 <= percent <= 100
    assert host["cpu_count"] == os.cpu_count() and host["memory_bytes"] == psutil.virtual_memory().total
    assert host["load_percent"] == pytest.approx(100 * host["load5"] / host["cpu_count"], abs=0.1)
    assert abs(host["uptime_seconds"] - float(open("/proc/uptime").read().split()[0])) < 60  # noqa: PTH123, SIM115


def test_disks_are_those_of_df_each_device_once(host):
    assert host["disks"] and len({disk["device"] for disk in host["disks"]}) == len(host["disks"])
    for disk in host["disks"]:
        said = subprocess.run(["df", "-B1", "--output=size,pcent,ipcent", disk["mount"]], capture_output=True, text=True, check=True).stdout
        size, used, inodes = said.splitlines()[1].split()
        assert disk["total_bytes"] == int(size) and abs(disk["used_percent"] - int(used.strip("%"))) <= 1.1
        assert inodes == "-" or abs(disk["inodes_percent"] - int(inodes.strip("%"))) <= 1.1
        assert os.path.isdir(disk["mount"])


def test_the_busiest_processes_come_first_and_without_their_arguments(host):
    """Asked about two of our own: the machine may have busier ones."""
    code = "import time\nx = bytearray(600_000_000)\nend = time.process_time() + 0.5\nwhile time.process_time() < end: pass\n" \
           "print('ready', flush=True)\ntime.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code, "--password=secret"], stdout=subprocess.PIPE) as busy, \
            subprocess.Popen(["sleep", "60"]) as idle:
        try:
            busy.stdout.readline()
            spent = {psutil.Process(process.pid): 0.0 for process in (idle, busy)}
            found = _busiest(spent, 1.0, 6_000_000_000)
        finally:
            busy.kill()
            idle.kill()
    assert [one["pid"] for one in found["cpu"]] == [one["pid"] for one in found["memory"]] == [busy.pid]
    assert found["cpu"][0]["percent"] >= 50 and found["memory"][0]["percent"] >= 10 and "secret" not in json.dumps([found, host])
    assert _busiest(spent, 1.0, 1) == {"cpu": [], "memory": []}, "processes that have ended are left out"


def test_a_file_system_that_is_read_only_and_files_bound_from_a_disk(tmp_path):
    """On an image of its own: the file system read-only, then writable with a read-only mount of a single file."""
    image = tmp_path / "image"
    with image.open("wb") as stream:
        stream.truncate(4 << 20)
    if subprocess.run(["mkfs.ext2", "-q", "-F", str(image)], check=False).returncode:
        pytest.skip("no mkfs here")
    (tmp_path / "disk").mkdir()
    code = "import sys, json, tests.conftest\n" \
           "from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.system import _disks\n" \
           "print(json.dumps(_disks()))"
    script = (f'set -e; cd {tmp_path}; mount -o loop image disk; touch disk/file a; mount --bind disk/file a; mount -o remount,ro,bind a; '
              f'cd {ROOT}; "$0" -c "$1"; umount {tmp_path}/a; mount -o remount,ro {tmp_path}/disk; "$0" -c "$1"')
    done = subprocess.run(["unshare", "--mount", "sh", "-c", script, sys.executable, code], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"mounting an image is not possible here: {done.stderr[-200:]}")
    writable, read_only = ([disk for disk in json.loads(line) if disk["type"] == "ext2"] for line in done.stdout.splitlines())
    assert [(disk["mount"], disk["read_only"]) for disk in writable] == [(f"{tmp_path}/disk", False)]
    assert [(disk["mount"], disk["read_only"]) for disk in read_only] == [(f"{tmp_path}/disk", True)]


def test_open_and_mapped_files_are_seen_and_closed_ones_not(tmp_path):
    for name in ("open", "mapped", "closed"):
        (tmp_path / name).write_text("x")
    with (tmp_path / "mapped").open("rb") as stream:
        mapped = mmap.mmap(stream.fileno(), 0, prot=mmap.PROT_READ)
    with (tmp_path / "open").open("rb"):
        held, _complete = open_files()
    mapped.close()
    seen = {path.name for path in tmp_path.iterdir() if (path.stat().st_dev, path.stat().st_ino) in held}
    assert seen == {"open", "mapped"}
