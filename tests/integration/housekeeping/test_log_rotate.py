# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""log_rotate with the machine's own logrotate."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import missing

if not shutil.which("logrotate", path=f"{os.environ['PATH']}:/usr/sbin"):
    missing("logrotate")


@pytest.fixture
def place(tmp_path):
    """A folder of logs and a configuration folder of our own, whatever the umask."""
    for name in ("logs", "etc"):
        (tmp_path / name).mkdir()
        (tmp_path / name).chmod(0o755)
    return tmp_path


def options(place, *sets, **more):
    named = [{"name": "shop", "paths": [f"{place}/logs/*.log"], **one} for one in (sets or ({},))]
    return {"roots": [str(place / "logs")], "config_dir": str(place / "etc"), "logs": named, **more}


def log(place, name="a.log", size=100):
    path = place / "logs" / name
    path.write_bytes(b"x" * size)
    return path


def rotating(place, *sets, **more):
    return options(place, *sets, state_file=str(place / "state"), **more)


def test_a_configuration_lands_once_and_check_mode_only_shows_it(run_module, place):
    log(place)
    planned = run_module("log_rotate", options(place), check=True, diff=True)
    assert planned["changed"] and os.listdir(place / "etc") == []
    done = run_module("log_rotate", options(place), diff=True)
    written = (place / "etc" / "shop").read_text()
    assert done["changed"] and done["diff"]["after"] == written == planned["diff"]["after"] and done["diff"]["before"] == ""
    assert (place / "etc" / "shop").stat().st_mode & 0o777 == 0o644
    assert done["logs"] == [{"path": str(place / "logs" / "a.log"), "bytes": 100, "status": "configured"}]
    assert not run_module("log_rotate", options(place))["changed"]
    changed = run_module("log_rotate", options(place, {"keep": 3}), diff=True)
    assert changed["changed"] and changed["diff"]["before"] == written and "rotate 3\n" in changed["diff"]["after"]
    gone = run_module("log_rotate", options(place, {"state": "absent"}))
    assert gone["changed"] and os.listdir(place / "etc") == []


def test_only_what_is_due_is_rotated_and_check_mode_foretells_it(run_module, place):
    big, small = log(place, "big.log", 5000), log(place, "small.log", 10)
    asked = rotating(place, {"frequency": "size", "size": "1kB"})
    planned = run_module("log_rotate", asked, check=True)
    assert {one["path"]: one["status"] for one in planned["logs"]} == {str(big): "planned", str(small): "not_due"}
    assert big.stat().st_size == 5000 and not (place / "state").exists()
    done = run_module("log_rotate", asked)
    assert {one["path"]: one["status"] for one in done["logs"]} == {str(big): "rotated", str(small): "not_due"}
    assert big.stat().st_size == 0 and gzip.decompress((place / "logs" / "big.log.1.gz").read_bytes()) == b"x" * 5000
    assert not run_module("log_rotate", asked)["changed"]


def test_copytruncate_keeps_the_file_that_a_program_writes_to(run_module, place):
    path = log(place, size=5000)
    inode = path.stat().st_ino
    done = run_module("log_rotate", rotating(place, {"frequency": "size", "size": "1kB", "copytruncate": True, "compress": False}))
    assert done["logs"][0]["status"] == "rotated" and path.stat().st_ino == inode and path.stat().st_size == 0
    assert (place / "logs" / "a.log.1").stat().st_size == 5000


def test_daily_logs_rotate_by_the_state_and_at_once_when_told(run_module, place):
    path = log(place)
    asked = rotating(place, {"rotation_limit": "2d"})
    assert run_module("log_rotate", asked)["logs"][0]["status"] == "not_due"  # seen for the first time
    state = place / "state"
    long_ago = time.strftime("%Y-%-m-%-d-%H:%M:%S", time.localtime(time.time() - 3 * 86400))
    state.write_text(f'logrotate state -- version 2\n"{path}" {long_ago}\n')
    os.utime(place / "etc" / "shop", (0, 0))
    late = run_module("log_rotate", options(place, {"rotation_limit": "2d"}))  # the system's state does not know it
    assert late["logs"][0]["status"] == "configured" and late["findings"][0]["status"] == "fail"
    done = run_module("log_rotate", asked)
    assert done["changed"] and done["logs"][0]["status"] == "rotated" and done["findings"][0]["status"] == "pass"
    path.write_text("more")
    assert run_module("log_rotate", asked)["logs"][0]["status"] == "not_due"
    assert run_module("log_rotate", {**asked, "rotate_now": True}, check=True)["logs"][0]["status"] == "planned"
    assert run_module("log_rotate", {**asked, "rotate_now": True})["logs"][0]["status"] == "rotated"


def test_paths_with_odd_signs_are_rotated_and_commands_get_their_words(run_module, place):
    for name in ('a "b" c.log', "it's.log", "#x.log", "ünï%d.log", "-v.log"):
        log(place, name, 5000)
    witness = place / "witness"
    program = place / "tell"
    # A checkout's own path may hold a blank, which no interpreter line can.
    program.write_text(f"#!{Path(sys.executable).resolve()}\nimport sys\nopen({str(witness)!r}, 'a').write(repr(sys.argv[1:]))\n")
    program.chmod(0o755)
    words = ["$(id)", "a b", "'", '"', "%s", "endscript", "`x`", "\\n", "}"]
    paths = [f'{place}/logs/a "b" c.log', f"{place}/logs/it's.log", f"{place}/logs/#x.log", f"{place}/logs/*%d.log", f"{place}/logs/-v.log"]
    done = run_module("log_rotate", rotating(place, {"paths": paths, "frequency": "size", "size": "1", "after": [[str(program), *words]]}))
    assert {one["status"] for one in done["logs"]} == {"rotated"} and len(done["logs"]) == 5, done
    assert witness.read_text() == repr(words)


def test_a_signal_reaches_the_program_and_a_missing_pid_file_is_no_error(run_module, place):
    log(place, size=5000)
    code = "import signal, sys, threading; e = threading.Event(); signal.signal(signal.SIGUSR1, lambda *a: e.set()); " \
           "print('ready', flush=True); print(e.wait(300), flush=True)"
    asked = rotating(place, {"frequency": "size", "size": "1", "signal": {"name": "USR1", "pid_file": f"{place}/it's.pid"}})
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        (place / "it's.pid").write_text(f"{process.pid}\n")
        assert run_module("log_rotate", asked)["logs"][0]["status"] == "rotated"
        assert process.stdout.readline() == "True\n"
    (place / "it's.pid").unlink()
    log(place, size=5000)
    done = run_module("log_rotate", asked)
    assert done["logs"][0]["status"] == "rotated" and done["findings"] == []


def test_a_command_that_fails_is_a_finding(run_module, place):
    log(place, size=5000)
    done = run_module("log_rotate", rotating(place, {"frequency": "size", "size": "1", "after": [["/bin/false"], ["/bin/true"]]}))
    assert [(f["check"], f["status"]) for f in done["findings"]] == [("housekeeping.logs.logrotate", "fail")]


def test_a_configuration_that_logrotate_refuses_never_lands(run_module, place):
    log(place)
    run_module("log_rotate", options(place))
    before = (place / "etc" / "shop").read_text()
    nobody = {"create": {"mode": "0640", "owner": "no-such-user", "group": "root"}}
    answer = run_module("log_rotate", options(place, nobody))
    assert answer["failed"] and "unknown user 'no-such-user'" in answer["msg"] and answer["hint"]
    assert (place / "etc" / "shop").read_text() == before and os.listdir(place / "etc") == ["shop"]


def test_a_log_that_two_files_claim_is_refused(run_module, place):
    log(place)
    (place / "etc" / "theirs").write_text(f"{place}/logs/a.log {{\n  weekly\n}}\n")
    answer = run_module("log_rotate", options(place))
    assert answer["failed"] and "duplicate log entry" in answer["msg"] and "out of one of the two" in answer["hint"]
    (place / "etc" / "theirs").rename(place / "etc" / "theirs.disabled")
    (place / "etc" / "broken").write_text("nonsense {\n")  # a neighbour's fault is not ours
    assert not run_module("log_rotate", options(place)).get("failed")


def test_a_folder_that_others_may_write_to_is_told_before_it_fails_each_night(run_module, place):
    if os.geteuid() != 0:
        pytest.skip("logrotate minds the folder's mode only as root")
    log(place)
    (place / "logs").chmod(0o777)
    answer = run_module("log_rotate", options(place))
    assert answer["failed"] and "insecure permissions" in answer["msg"] and "su" in answer["hint"]


def test_a_file_of_others_is_replaced_only_when_adopted(run_module, place):
    log(place)
    (place / "etc" / "shop").write_text("# the package's own\n")
    answer = run_module("log_rotate", options(place))
    assert answer["error"] == "Refused" and (place / "etc" / "shop").read_text() == "# the package's own\n"
    assert run_module("log_rotate", options(place, adopt=True))["changed"]


def test_logs_that_are_missing_or_links_or_too_large_are_found(run_module, place):
    log(place, size=5000)
    (place / "logs" / "link.log").symlink_to(place / "logs" / "a.log")
    asked = options(place, {"size_limit": "1kB"}, {"name": "gone", "paths": [f"{place}/logs/gone/x.log"]},
                    {"name": "later", "paths": [f"{place}/logs/later.txt"], "optional": True})
    done = run_module("log_rotate", asked)
    assert [(f["check"], f["status"]) for f in done["findings"]] == [
        ("housekeeping.logs.size", "fail"), ("housekeeping.logs.present", "fail"),
        ("housekeeping.logs.present", "unknown"), ("housekeeping.logs.present", "pass")]


def test_a_folder_that_leads_out_of_the_roots_is_refused(run_module, place):
    (place / "outside").mkdir()
    (place / "outside" / "x.log").write_text("x")
    (place / "logs" / "way").symlink_to(place / "outside")
    answer = run_module("log_rotate", options(place, {"paths": [f"{place}/logs/way/*.log"]}))
    assert answer["error"] == "Refused" and "out of the declared roots" in answer["msg"]
    answer = run_module("log_rotate", options(place, {"paths": [f"{place}/logs/*/*.log"]}))
    assert answer["error"] == "Refused"


@pytest.mark.parametrize("change, said", [
    ({"frequency": "fortnightly"}, "fortnightly"),
    ({"frequency": "size"}, "size goes with frequency"),
    ({"paths": []}, "has no paths"),
    ({"paths": ["{logs}/a\nb.log"]}, "cannot be told"),
    ({"paths": ["{logs}/{a,b}.log"]}, "cannot be told '{'"),
    ({"paths": ["{logs}/*"]}, "rotated already"),
    ({"paths": ["/etc/passwd"]}, "outside of the declared roots"),
    ({"paths": ["relative.log"]}, "not a plain absolute path"),
    ({"name": "../x"}, "no name of a log set"),
    ({"keep": -1}, "no number of files"),
    ({"max_age": "36h"}, "not in whole days"),
    ({"max_age": "-1d"}, "not a duration"),
    ({"rotate": 3}, "rotate"),
    ({"after": [["systemctl", "reload"]]}, "no full path of a program"),
    ({"after": [["/bin/x", "a\nendscript"]]}, "cannot be printed"),
    ({"signal": {"name": "HUP; id", "pid_file": "/run/x"}}, "no signal"),
    ({"create": {"mode": "u=rw", "owner": "root", "group": "root"}}, "no mode"),
    ({"create": {"mode": "0640", "owner": "root root", "group": "root"}}, "no account"),
    ({"copytruncate": True, "create": {"mode": "0640", "owner": "root", "group": "root"}}, "Choose one"),
])
def test_bad_input_is_told_and_nothing_is_written(run_module, place, change, said):
    if "paths" in change:
        change = {"paths": [path.replace("{logs}", f"{place}/logs") for path in change["paths"]]}
    answer = run_module("log_rotate", options(place, change))
    assert answer["failed"] and said in answer["msg"] and os.listdir(place / "etc") == []


def test_two_states_for_one_folder_are_refused(run_module, place):
    answer = run_module("log_rotate", rotating(place, config_dir="/etc/logrotate.d"), check=True)
    assert answer["failed"] and "rotated twice" in answer["msg"]
    answer = run_module("log_rotate", options(place, rotate_now=True), check=True)
    assert answer["failed"] and "needs a state_file" in answer["msg"]


def test_without_the_program_the_package_is_named(place):
    code = "\n".join([
        "import tests.conftest",
        "from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.command import Commands",
        "from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.logrotate import Logrotate",
        "Logrotate(Commands(), timeout=1)",
    ])
    done = subprocess.run(["unshare", "--mount", "sh", "-c", f"mount -t tmpfs none /usr/sbin && exec '{sys.executable}' -c '{code}'"],
                          env={"PATH": "/usr/bin:/bin"}, text=True, capture_output=True, check=False, timeout=60)
    if "unshare" in done.stderr:
        pytest.skip("hiding a program needs root")
    assert "ToolMissing: The program logrotate is not installed on this host. Install the package logrotate" in done.stderr
