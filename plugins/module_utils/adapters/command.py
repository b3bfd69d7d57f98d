# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs, run as argument lists with a timeout; never through a shell."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO

from ..core.errors import AccessDenied, CommandFailed, InvalidOption, NotFound, TimedOut, ToolMissing
from ..core.quantities import format_duration

_PR_SET_PDEATHSIG = 1  # prctl(2)
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
_KEPT_OUTPUT = 4000
# What a child inherits; everything else, secrets in the controller's environment among it, stays behind.
_INHERITED = ("PATH", "HOME", "TMPDIR", "TZ", "LD_LIBRARY_PATH")


@dataclass(frozen=True)
class Completed:
    """A program that ended: ``seconds`` is wall time, ``stdout`` and ``stderr`` are text (undecodable bytes replaced)."""

    argv: Sequence[str]
    returncode: int
    stdout: str
    stderr: str
    seconds: float


class Commands:
    """Runs programs. Children are their own process group, and the kernel (Linux) ends them when this process is killed.

    The kernel's "parent" is the thread that starts a child: what is to outlive a thread must not be started in it. Only the
    child itself is ended so; what it started in turn has to notice by itself, as by a closed pipe.
    """

    def find(self, program: str, *, package: str, folders: Sequence[str] = ()) -> str:
        """The full path of a program, looked for in ``folders`` before PATH.

        :raises ToolMissing: names the package that has it
        """
        search = os.pathsep.join([*folders, os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
        found = shutil.which(program, path=search)
        if not found:
            raise ToolMissing(
                f"The program {program} is not installed on this host",
                hint=f"Install the package {package}", evidence={"program": program, "package": package},
            )
        return found

    def version(self, program: str) -> tuple[int, ...]:
        """The first dotted number that ``program --version`` prints: ``pg_dump (PostgreSQL) 15.8`` is ``(15, 8)``.

        :raises ToolMissing: when it prints none
        """
        printed = self.run([program, "--version"], timeout=10).stdout
        match = re.search(r"\d+(?:\.\d+)*", printed)
        if not match:
            raise ToolMissing(f"{program} does not tell its version", hint="See that it is the program that its name says",
                              evidence={"printed": printed[:200]})
        return tuple(int(part) for part in match[0].split("."))

    def run(
        self, argv: Sequence[str], *, timeout: float, env: Mapping[str, str] | None = None, cwd: str | None = None,
        user: str | None = None, stdin: str | None = None, check: bool = True,
        watch: Callable[[], None] | None = None, follow: Callable[[str], bool] | None = None, politely: int = signal.SIGTERM,
    ) -> Completed:
        """Run to the end; ``watch`` is called about every half second meanwhile, and may raise to end it. ``follow`` gets each line
        of stdout as it comes, in a thread; those that it says True of only told how far the program was and are not kept. Where it
        has to be ended, it gets the signal ``politely`` first.

        :raises ToolMissing: when the program does not exist
        :raises TimedOut: after ``timeout`` seconds; the whole process group is ended
        :raises CommandFailed: when ``check`` and the exit status is not 0; evidence has the end of its stderr
        """
        began = time.monotonic()
        process = self.start(argv, env=env, cwd=cwd, user=user, stdin=subprocess.PIPE if stdin is not None else None)
        if stdin is not None:
            # In a thread: a communicate() that timed out once does not go on writing (CPython, Popen._communicate).
            threading.Thread(target=_feed, args=(process.stdin, stdin), daemon=True).start()
            process.stdin = None
        kept: list[str] = []
        reader = None
        if follow:
            reader = threading.Thread(target=_sort, args=(process.stdout, follow, kept), daemon=True)
            reader.start()
            process.stdout = None
        try:
            while True:
                left = timeout - (time.monotonic() - began)
                try:
                    stdout, stderr = process.communicate(timeout=max(0.0, min(left, 0.5 if watch else left)))
                    break
                except subprocess.TimeoutExpired as error:
                    if time.monotonic() - began >= timeout:
                        raise TimedOut(
                            f"{os.path.basename(argv[0])} was ended: it ran longer than {format_duration(timeout)}",
                            hint="Look for locks or a slow disk, or allow it more time", evidence={"argv": list(argv)},
                        ) from error
                    if watch:
                        watch()
        except BaseException:
            end_group(process, politely=politely)
            raise
        finally:
            if reader:
                reader.join(timeout=5)  # what a program left running in the background may hold the pipe open
        completed = Completed(list(argv), process.returncode, "".join(kept) if follow else stdout, stderr, time.monotonic() - began)
        if check and completed.returncode != 0:
            raise failure(completed)
        return completed

    def start(
        self, argv: Sequence[str], *, env: Mapping[str, str] | None = None, cwd: str | None = None,
        user: str | None = None, stdin: int | None = None, stdout: int = subprocess.PIPE,
        stderr: int = subprocess.PIPE, text: bool = True,
    ) -> subprocess.Popen:
        """Start a program and hand back its process; end it with `end_group`.

        :raises ToolMissing: when the program does not exist or may not be run
        :raises NotFound: when the folder ``cwd`` does not exist
        :raises AccessDenied: when this account may not become ``user``
        :raises InvalidOption: for an argument with a NUL in it
        """
        environment = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        environment |= {"LC_ALL": "C.UTF-8", **(env or {})}
        account = {"user": user, "group": _group_of(user), "extra_groups": []} if user else {}
        try:
            return subprocess.Popen(
                list(argv), env=environment, cwd=cwd, stdin=stdin if stdin is not None else subprocess.DEVNULL,
                stdout=stdout, stderr=stderr, text=text, errors="replace" if text else None,
                start_new_session=True, preexec_fn=_dying_with(os.getpid()), **account,
            )
        except ValueError as error:
            raise InvalidOption(f"An argument of {argv[0]} has a NUL in it", hint="No path or name can hold one: see where it comes from",
                                evidence={"argv": list(argv)}) from error
        except (OSError, subprocess.SubprocessError) as error:
            if cwd is not None and not os.path.isdir(cwd):
                raise NotFound(f"There is no folder {cwd} to run {argv[0]} in", hint="Create it, or mount what holds it") from error
            if user is not None and os.geteuid() != 0:
                raise AccessDenied(f"{argv[0]} cannot be run as {user}", hint="Run this as root (become)") from error
            raise ToolMissing(f"{argv[0]} cannot be run: {getattr(error, 'strerror', None) or error}",
                              hint="Install the package that has it, or correct its path", evidence={"argv": list(argv)}) from error


def failure(completed: Completed) -> CommandFailed:
    """The error for a program that ended badly, with the end of what it said."""
    program = os.path.basename(completed.argv[0])
    said = (completed.stderr or completed.stdout).strip()[-_KEPT_OUTPUT:]
    how = f"was ended by signal {-completed.returncode}" if completed.returncode < 0 \
        else f"ended with status {completed.returncode}"
    last = said.splitlines()[-1] if said else "it printed nothing"
    return CommandFailed(
        f"{program} {how}: {last}", hint="The end of what it said is in the evidence",
        evidence={"argv": list(completed.argv), "returncode": completed.returncode, "stderr": said},
    )


def end_group(process: subprocess.Popen, *, grace: float = 5.0, politely: int = signal.SIGTERM) -> None:
    """End a process and all that it started: politely, then not."""
    for number, patience in ((politely, grace), (signal.SIGKILL, grace)):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        try:
            process.wait(timeout=patience)
        except subprocess.TimeoutExpired:
            continue
        if number is signal.SIGKILL:
            break
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream:
            stream.close()
    process.poll()


def _feed(stream: IO[str], text: str) -> None:
    with contextlib.suppress(OSError), stream:  # the program may end without having read all
        stream.write(text)


def _sort(stream: IO[str], follow: Callable[[str], bool], kept: list[str]) -> None:
    with stream:
        kept.extend(line for line in stream if not follow(line))


def _group_of(user: str) -> int:
    import pwd

    try:
        return pwd.getpwnam(user).pw_gid
    except KeyError as error:
        raise ToolMissing(f"There is no user {user} on this host", hint="Create it or name another") from error


def _dying_with(parent: int) -> Callable[[], None] | None:
    if _LIBC is None:
        return None

    def arrange() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it was killed before this was arranged
            os._exit(128 + signal.SIGKILL)

    return arrange
