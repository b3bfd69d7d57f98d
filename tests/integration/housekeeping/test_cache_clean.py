# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""cache_clean on real folders: what goes, what never goes, and hostile ground."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

DAY = 86400


@pytest.fixture
def cache(tmp_path):
    folder = tmp_path / "cache"
    folder.mkdir()
    return folder


def put(path, *, size=10, days=0.0):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    instant = time.time() - days * DAY
    os.utime(path, (instant, instant))
    return path


def options(cache, **policy):
    more = {key: policy.pop(key) for key in ("max_removed", "confirm", "timeout") if key in policy}
    return {"roots": [str(cache.parent)], "caches": [{"path": str(cache), **(policy or {"max_age": "30d"})}], **more}


def test_the_stale_go_and_the_fresh_stay(run_module, cache):
    old, deep, fresh = put(cache / "old", days=31), put(cache / "a/b/c", days=90), put(cache / "fresh", days=29)
    answer = run_module("cache_clean", options(cache))
    assert not answer.get("failed"), answer
    assert answer["changed"] and [one["path"] for one in answer["removed"]] == [str(deep), str(old)]
    assert not old.exists() and not deep.exists() and fresh.exists()
    assert answer["kept"] == {"files": 1, "bytes": 10}
    assert [(f["check"], f["status"]) for f in answer["findings"]] == [("housekeeping.cache.age", "pass")]
    again = run_module("cache_clean", options(cache))
    assert not again["changed"] and again["removed"] == []


def test_check_mode_lists_exactly_what_the_run_then_removes(run_module, cache):
    for number in range(20):
        put(cache / f"d{number % 3}" / f"f{number}", size=1000, days=number * 3 + 0.5)
    asked = options(cache, max_age="30d", max_size="5kB")
    planned = run_module("cache_clean", asked, check=True, diff=True)
    assert planned["changed"] and len(list(cache.rglob("f*"))) == 20
    assert all(one["path"] in planned["diff"]["before"] for one in planned["removed"]) and planned["diff"]["after"] == ""
    done = run_module("cache_clean", asked)
    assert [one["path"] for one in done["removed"]] == [one["path"] for one in planned["removed"]]
    assert len(list(cache.rglob("f*"))) == 5 == done["kept"]["files"]
    assert [f["status"] for f in planned["findings"]] == [f["status"] for f in done["findings"]] == ["pass", "pass"]


def test_hostile_names_are_removed_and_told_readably(run_module, cache):
    names = [b"new\nline", b"-rf", b"%s%n", b"\xff\xfe", "ünï".encode(), b"quo'te\"", b"back\\slash", b" ", b"\x1b[31m", b"*"]
    folder = os.fsencode(cache)
    for name in names:
        with open(os.path.join(folder, name), "wb") as stream:  # noqa: PTH123  names are bytes
            stream.write(b"x")
        os.utime(os.path.join(folder, name), (0, 0))
    answer = run_module("cache_clean", options(cache), diff=True)
    assert os.listdir(folder) == [] and len(answer["removed"]) == len(names)
    told = {one["path"].removeprefix(f"{cache}/") for one in answer["removed"]}
    assert told == {"new\\nline", "-rf", "%s%n", "\\xff\\xfe", "ünï", "quo'te\"", "back\\\\slash", " ", "\\x1b[31m", "*"}
    assert answer["diff"]["before"].count("\n") == len(names)


def test_a_link_may_go_and_never_what_it_points_to(run_module, cache, tmp_path):
    precious = put(tmp_path / "precious" / "file", days=400)
    (cache / "to_file").symlink_to(precious)
    (cache / "to_folder").symlink_to(precious.parent)
    (cache / "dangling").symlink_to(cache / "nowhere")
    for link in cache.iterdir():
        os.utime(link, (0, 0), follow_symlinks=False)
    answer = run_module("cache_clean", options(cache))
    assert len(answer["removed"]) == 3 and list(cache.iterdir()) == [] and precious.exists()


def test_a_cache_that_is_reached_through_a_link_is_not_entered(run_module, cache, tmp_path):
    real = tmp_path / "elsewhere"
    kept = put(real / "file", days=400)
    (cache / "link").symlink_to(real)
    answer = run_module("cache_clean", {"roots": [str(cache)], "caches": [{"path": str(cache / "link"), "max_age": "1d"}]})
    [finding] = answer["findings"]
    assert finding["status"] == "unknown" and str(real) in finding["hint"] and kept.exists()


@pytest.mark.parametrize("root", ["/", "/home", "/etc", "/var", "/var/lib", "/home/alice", "/usr/share/doc", "/root", "/tmp"])
def test_a_root_that_is_too_much_is_refused(run_module, root):
    answer = run_module("cache_clean", {"roots": [root], "caches": [{"path": "/var/cache/shop", "max_age": "1d"}]}, check=True)
    assert answer["failed"] and answer["error"] == "Refused" and "too much" in answer["msg"]


@pytest.mark.parametrize("change, said", [
    ({"path": "/etc/ssl"}, "outside of the declared roots"),
    ({"path": "{root}/../x"}, "not a plain absolute path"),
    ({"path": "{root}//x"}, "not a plain absolute path"),
    ({"path": "{root}-twin"}, "outside of the declared roots"),
    ({"max_age": "-3d"}, "is not a duration"),
    ({"max_age": "soon"}, "is not a duration"),
    ({"max_age": None, "max_size": "-1"}, "is not a size"),
    ({"max_age": None}, "neither max_age nor max_size"),
    ({"max_agee": "1d"}, "max_agee"),
    ({"min_files": -1}, "negative"),
])
def test_bad_input_is_told_and_nothing_goes(run_module, cache, change, said):
    kept = put(cache / "old", days=400)
    policy = {"path": str(cache), "max_age": "30d", **change}
    policy["path"] = policy["path"].replace("{root}", str(cache))
    answer = run_module("cache_clean", {"roots": [str(cache)], "caches": [policy]})
    assert answer["failed"] and said in answer["msg"] and kept.exists()


def test_more_than_the_allowance_wants_a_confirmation(run_module, cache):
    for number in range(5):
        put(cache / str(number), size=1000, days=40)
    asked = options(cache, max_removed={"files": 4, "bytes": "4kB"})
    planned = run_module("cache_clean", asked, check=True)
    assert len(planned["removed"]) == 5 and "would be refused" in json.dumps(planned["warnings"])
    refused = run_module("cache_clean", asked)
    assert refused["error"] == "Refused" and "5 files, more than the 4" in refused["msg"] and "--check" in refused["hint"]
    assert len(list(cache.iterdir())) == 5
    assert len(run_module("cache_clean", {**asked, "confirm": True})["removed"]) == 5


def test_a_mount_below_is_not_entered(run_module, cache, tmp_path):
    """A tmpfs, and a bind mount of the very same file system, whose device number says nothing."""
    precious = put(tmp_path / "precious" / "file", days=400)
    for name in ("tmpfs", "bind"):
        (cache / name).mkdir()
    put(cache / "old", days=400)
    target = put(cache / "bound_file", days=400)
    mount = " && ".join([
        f"mount -t tmpfs none {cache}/tmpfs", f"touch -d 2001-01-01 {cache}/tmpfs/file",
        f"mount --bind {precious.parent} {cache}/bind", f"mount --bind {precious} {cache}/bound_file"])
    ours = shlex.join([sys.executable, "-m", "tests.testbed.module", "cache_clean"])
    arguments = json.dumps({"ANSIBLE_MODULE_ARGS": {**options(cache), "_ansible_remote_tmp": "/tmp"}})
    private = ["unshare", "--mount", "--propagation", "private", "sh", "-c"]
    done = subprocess.run([*private, f"{mount} && {ours} && ls {cache}/tmpfs"], input=arguments, text=True,
                          capture_output=True, check=False, timeout=60)
    if "unshare failed" in done.stderr or "must be superuser" in done.stderr:
        pytest.skip("mounting needs root")
    answer = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))
    assert [one["path"] for one in answer["removed"]] == [str(cache / "old")]
    assert done.stdout.splitlines()[-1] == "file" and precious.exists() and target.exists()


def test_a_folder_without_permission_is_unknown_with_its_path():
    """As an account that may not look; the module itself would run as root here and see everything.

    Not below pytest's own folders: each session that begins closes these to other accounts again.
    """
    with tempfile.TemporaryDirectory(prefix="evenkeel-cache-") as folder:
        cache = Path(folder)
        put(cache / "open" / "old", days=400)
        put(cache / "closed" / "old", days=400)
        for part in (cache, cache / "open"):
            part.chmod(0o777)
        (cache / "closed").chmod(0o700 if os.geteuid() == 0 else 0)
        code = "\n".join([
            "import os, tests.conftest",
            *(["os.setgid(65534); os.setuid(65534)"] if os.geteuid() == 0 else []),
            "from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import SystemClock",
            "from ansible_collections.evenkeel.ops.plugins.module_utils.core.waiting import Deadline",
            "from ansible_collections.evenkeel.ops.plugins.module_utils.housekeeping.tree import Tree",
            f"tree = Tree({str(cache)!r})",
            "print([entry.path for entry in tree.walk(Deadline(SystemClock(), 60))], tree.unread)",
        ])
        done = subprocess.run([sys.executable, "-c", code], text=True, capture_output=True, check=False, timeout=60)
        (cache / "closed").chmod(0o700)
    assert done.stdout.strip() == f"['open/old'] [('{cache}/closed', 'Permission denied')]", done.stderr


def test_a_file_that_is_open_or_mapped_stays(run_module, cache):
    held, mapped, free = put(cache / "held", days=40), put(cache / "mapped", days=40), put(cache / "free", days=40)
    holder = ("import mmap, sys; a = open(sys.argv[1]); b = open(sys.argv[2], 'rb'); "
              "m = mmap.mmap(b.fileno(), 0, prot=mmap.PROT_READ); b.close(); print('ready', flush=True); sys.stdin.read()")
    with subprocess.Popen([sys.executable, "-c", holder, str(held), str(mapped)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True) as process:
        assert process.stdout.readline() == "ready\n"
        answer = run_module("cache_clean", options(cache))
        process.stdin.close()
    assert [one["path"] for one in answer["removed"]] == [str(free)] and held.exists() and mapped.exists()
    assert "2 stale files stay because a program holds them open" in answer["findings"][0]["message"]


def test_a_file_that_cannot_be_removed_fails_with_its_reason(run_module, cache):
    stuck = put(cache / "stuck", days=40)
    if subprocess.run(["chattr", "+i", str(stuck)], capture_output=True, check=False).returncode:
        pytest.skip("no immutable files here")
    try:
        answer = run_module("cache_clean", options(cache))
    finally:
        subprocess.run(["chattr", "-i", str(stuck)], check=True)
    by_check = {f["check"]: f for f in answer["findings"]}
    assert by_check["housekeeping.cache.removal"]["status"] == "fail"
    assert "stuck (Operation not permitted)" in by_check["housekeeping.cache.removal"]["message"]
    assert by_check["housekeeping.cache.age"]["status"] == "fail" and not answer["changed"]


def test_a_missing_cache_is_unknown_unless_it_is_optional(run_module, cache):
    put(cache / "old", days=40)
    caches = [{"path": str(cache / "gone"), "max_age": "1d"}, {"path": str(cache / "never"), "max_age": "1d", "optional": True}]
    answer = run_module("cache_clean", {"roots": [str(cache)], "caches": caches})
    assert [f["status"] for f in answer["findings"]] == ["unknown", "pass"] and (cache / "old").exists()


def test_folders_sockets_and_pipes_stay(run_module, cache):
    import socket

    os.mkfifo(cache / "pipe")
    (cache / "empty").mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(cache / "s"))
        for path in cache.iterdir():
            os.utime(path, (0, 0))
        assert run_module("cache_clean", options(cache))["removed"] == []
    assert {path.name for path in cache.iterdir()} == {"pipe", "empty", "s"}
