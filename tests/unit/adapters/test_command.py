# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs: timeouts, what they inherit, and that none is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.command import Commands, end_group
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import (
    AccessDenied,
    CommandFailed,
    InvalidOption,
    NotFound,
    TimedOut,
    ToolMissing,
)

from tests.conftest import ROOT


def python(code, *arguments):
    return [sys.executable, "-c", code, *arguments]


def gone(pid, seconds=10):
    """Whether a process has ended, or has only its parent's attention to wait for."""
    for _turn in range(seconds * 20):
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.05)
    return False


def test_what_a_program_says_and_how_long_it_took():
    done = Commands().run(python("import sys; print(sys.stdin.read()); print('oh', file=sys.stderr)"), timeout=30, stdin="ünï")
    assert (done.stdout, done.stderr, done.returncode) == ("ünï\n", "oh\n", 0) and 0 < done.seconds < 30


def test_arguments_reach_the_program_as_they_are():
    words = ["$(id)", "a b", "'", '"', "*", "%s", "-rf", "new\nline", "", "ünï"]
    assert Commands().run(python("import sys; print(sys.argv[1:])", *words), timeout=30).stdout == f"{words}\n"


def test_bytes_that_are_no_text_are_replaced():
    assert Commands().run(python(r"import sys; sys.stdout.buffer.write(b'a\xffb')"), timeout=30).stdout == "a\ufffdb"


def test_the_environment_is_not_inherited_but_for_a_few(monkeypatch):
    monkeypatch.setenv("PGPASSWORD", "secret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("TZ", "Europe/Bucharest")
    said = Commands().run(["/usr/bin/env"], timeout=30, env={"GIVEN": "yes"}).stdout
    names = {line.partition("=")[0] for line in said.splitlines()}
    assert "secret" not in said and names <= {"PATH", "HOME", "TMPDIR", "TZ", "LD_LIBRARY_PATH", "LC_ALL", "GIVEN"}
    assert {"PATH", "TZ", "LC_ALL", "GIVEN"} <= names


def test_a_failure_has_the_end_of_what_was_said():
    with pytest.raises(CommandFailed) as error:
        Commands().run(python("import sys; sys.exit('x' * 9000 + '\\nthe reason')"), timeout=30)
    assert "ended with status 1: the reason" in error.value.message and error.value.hint
    assert error.value.evidence["returncode"] == 1 and len(error.value.evidence["stderr"]) <= 4000
    assert Commands().run(["/bin/false"], timeout=30, check=False).returncode == 1
    with pytest.raises(CommandFailed, match="was ended by signal 9: it printed nothing"):
        Commands().run(python("import os; os.kill(os.getpid(), 9)"), timeout=30)


def test_a_timeout_ends_the_program_and_what_it_started(tmp_path):
    """Even one that does not listen to SIGTERM."""
    code = ("import os, signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
            "c = subprocess.Popen(['sleep', '60']); open(sys.argv[1], 'w').write(f'{os.getpid()} {c.pid}'); time.sleep(60)")
    began = time.monotonic()
    with pytest.raises(TimedOut) as error:
        Commands().run(python(code, str(tmp_path / "pids")), timeout=1.5)
    assert time.monotonic() - began < 15 and "longer than 1.5s" in error.value.message and error.value.hint
    assert all(gone(int(pid)) for pid in (tmp_path / "pids").read_text().split())


def test_a_watch_may_end_it(tmp_path):
    def watch():
        raise NotFound("enough")

    with pytest.raises(NotFound):
        Commands().run(python("import os, sys, time; open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(60)",
                              str(tmp_path / "pid")), timeout=30, watch=watch)
    if (tmp_path / "pid").exists():  # it may have been ended before it wrote
        assert gone(int((tmp_path / "pid").read_text()))


def test_a_watch_is_asked_while_a_long_input_is_taken():
    asked = []
    code = "import sys, time; time.sleep(1.2); print(len(sys.stdin.read()))"
    done = Commands().run(python(code), timeout=30, stdin="x" * 10**6, watch=lambda: asked.append(1))
    assert done.stdout == "1000000\n" and len(asked) >= 1
    assert Commands().run(["/bin/true"], timeout=30, stdin="x" * 10**6).returncode == 0


def test_a_program_that_is_missing_or_none_is_told_with_what_to_do(tmp_path):
    with pytest.raises(ToolMissing) as error:
        Commands().find("no-such-program", package="no-such-package")
    assert error.value.hint == "Install the package no-such-package"
    (tmp_path / "text").write_text("no program")
    (tmp_path / "odd").write_text("\0\0\0\0")
    (tmp_path / "odd").chmod(0o755)
    for path in ("/no/such/program", str(tmp_path / "text"), str(tmp_path), str(tmp_path / "odd")):
        with pytest.raises(ToolMissing) as error:
            Commands().run([path], timeout=5)
        assert path in error.value.message and error.value.hint


def test_a_folder_an_account_or_an_argument_that_cannot_be_is_told_as_such():
    with pytest.raises(NotFound, match="There is no folder /no/such/folder"):
        Commands().run(["/bin/true"], timeout=5, cwd="/no/such/folder")
    with pytest.raises(ToolMissing, match="There is no user no-such-user"):
        Commands().run(["/bin/true"], timeout=5, user="no-such-user")
    with pytest.raises(InvalidOption, match="NUL"):
        Commands().run(["/bin/true", "a\0b"], timeout=5)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs two accounts")
def test_another_account_is_taken_whole_and_refused_to_who_is_not_root():
    said = Commands().run(["/usr/bin/id"], timeout=30, user="nobody", cwd="/").stdout
    assert said.startswith("uid=65534(nobody)") and "(root)" not in said
    code = ("import os, tests.conftest\n"
            "from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.command import Commands\n"
            "os.setgid(65534); os.setuid(65534)\n"
            "Commands().run(['/bin/true'], timeout=5, user='daemon')")
    done = subprocess.run(python(code), cwd=ROOT, text=True, capture_output=True, timeout=60, check=False)
    assert f"{AccessDenied.__name__}: /bin/true cannot be run as daemon. Run this as root (become)" in done.stderr


def test_versions_are_read_and_what_tells_none_is_named(tmp_path):
    tool = tmp_path / "tool"
    tool.write_text("#!/bin/sh\necho 'tool (Some Build) 15.8-1.pgdg 3.2'\n")
    tool.chmod(0o755)
    assert Commands().version(str(tool)) == (15, 8)
    tool.write_text("#!/bin/sh\necho hello\n")
    with pytest.raises(ToolMissing, match="does not tell its version"):
        Commands().version(str(tool))


@pytest.mark.skipif(sys.platform != "linux", reason="parent-death signals are Linux's")
@pytest.mark.parametrize("user", [None, "nobody"])
def test_a_child_ends_when_its_parent_is_killed(user):
    if user and os.geteuid() != 0:
        pytest.skip("needs two accounts")
    code = ("import sys, time, tests.conftest\n"
            "from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.command import Commands\n"
            f"child = Commands().start(['/bin/sleep', '60'], user={user!r}, cwd='/')\n"
            "print(child.pid, flush=True); time.sleep(60)")
    with subprocess.Popen(python(code), cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        child = int(parent.stdout.readline())
        assert psutil.pid_exists(child)
        parent.kill()
    assert gone(child)


def test_ending_a_group_that_has_ended_is_no_error():
    process = Commands().start(["/bin/true"])
    process.wait(10)
    end_group(process)
    end_group(process)
    process = Commands().start(["/bin/sleep", "60"])
    end_group(process)
    assert process.returncode == -signal.SIGTERM
