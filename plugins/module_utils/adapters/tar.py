# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""GNU tar as a stream in and out: owners, modes, links, xattrs and ACLs, sparse files, in constant memory."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Event, Thread, Timer
from typing import IO, Any, TypeVar

from ..core.errors import CommandFailed, StorageFailed, TimedOut, ToolMissing
from ..core.quantities import format_duration
from .command import Commands, end_group

Answer = TypeVar("Answer")
_KEPT_REMARKS = 200
_LONGEST_LINE = 65536  # a path of PATH_MAX, every byte of it escaped, fits
# GNU tar's manual, "Return Values": some files differ (changed while read, or vanished), and a fatal error.
_DIFFERS, _FATAL = 1, 2
# GNU tar tells a write that found room for a part of a block by "Wrote only".
_FULL = re.compile("No space left on device|Disk quota exceeded|: Wrote only ")
_KEEP = ("--format=posix", "--xattrs", "--xattrs-include=*", "--acls", "--numeric-owner")


@dataclass(frozen=True)
class Archived:
    """What tar did: the number of members, and its remarks on files that changed or vanished meanwhile."""

    members: int
    remarks: tuple[str, ...]
    remark_count: int


class Tar:
    """:raises ToolMissing: when tar is missing or is another tar than GNU's"""

    def __init__(self, commands: Commands) -> None:
        self._commands = commands
        self.program = commands.find("tar", package="tar")
        first = commands.run([self.program, "--version"], timeout=10).stdout.partition("\n")[0]
        if "GNU tar" not in first:
            raise ToolMissing(f"{self.program} is not GNU tar ({first})", hint="Install the package tar (GNU tar 1.28 or newer)")
        self.version = first.rpartition(" ")[2]

    def create(self, paths: Sequence[str], exclude: Sequence[str], consume: Callable[[IO[bytes]], Answer], *,
               without: Sequence[str] = (), timeout: float) -> tuple[Answer, Archived]:
        """Archive absolute ``paths`` and hand the stream to ``consume``; member names are relative to ``/``.

        Symbolic links are archived as links. ``exclude`` are tar's patterns: one that begins with ``/`` is a path, any
        other matches names at every depth. ``without`` are absolute paths that are left out, taken literally.

        :raises CommandFailed: when tar could not read something
        :raises TimedOut: after ``timeout`` seconds
        :raises OpsError: what ``consume`` raises
        """
        argv = [self.program, "--create", "--file=-", "--verbose", "--quoting-style=escape", "--sparse", *_KEEP,
                "--directory=/", "--warning=no-file-ignored"]
        for path in without:
            argv += ["--anchored", "--no-wildcards", f"--exclude=.{path}", "--wildcards"]
        for pattern in exclude:
            anchored = pattern.startswith("/")
            argv += ["--anchored", f"--exclude=.{pattern}"] if anchored else ["--no-anchored", f"--exclude={pattern}"]
        with tempfile.TemporaryFile() as names:
            names.write(b"".join(b"." + os.fsencode(path) + b"\0" for path in paths))
            names.seek(0)
            argv += ["--null", "--verbatim-files-from", "--files-from=-"]
            process = self._commands.start(argv, stdin=names.fileno(), text=False)
            with self._watched(process, timeout) as remarks:
                remarks.follow(process.stderr, mark=b"./")
                answer = consume(process.stdout)
                process.stdout.close()
                process.wait()
        if process.returncode == _DIFFERS:
            return answer, Archived(remarks.marked, tuple(remarks.kept), remarks.count)
        self._judge(argv, process, remarks)
        return answer, Archived(remarks.marked, (), 0)

    def count(self, feed: Callable[[IO[bytes]], None], *, timeout: float) -> int:
        """Have tar read the stream that ``feed`` writes to its end; the number of members.

        :raises CommandFailed: when tar cannot read it
        :raises TimedOut: after ``timeout`` seconds
        """
        argv = [self.program, "--list", "--file=-", "--quoting-style=escape"]
        return self._consume(argv, feed, timeout).marked

    def extract(self, feed: Callable[[IO[bytes]], None], target: str, *, timeout: float) -> None:
        """Unpack the stream that ``feed`` writes below ``target``, which exists; nothing is written outside of it.

        :raises StorageFailed: where there is no room below ``target``
        :raises CommandFailed: when tar cannot read it, or not write below ``target``
        :raises TimedOut: after ``timeout`` seconds
        """
        argv = [self.program, "--extract", "--file=-", "--directory", target, "--preserve-permissions", "--sparse",
                "--delay-directory-restore", *(option for option in _KEEP if not option.startswith("--format"))]
        argv.append("--same-owner" if os.geteuid() == 0 else "--no-same-owner")
        self._consume(argv, feed, timeout)

    def _consume(self, argv: Sequence[str], feed: Callable[[IO[bytes]], None], timeout: float) -> _Remarks:
        process = self._commands.start(argv, stdin=subprocess.PIPE, text=False)
        with self._watched(process, timeout) as remarks:
            remarks.follow(process.stdout, mark=b"")
            remarks.follow(process.stderr, mark=None)
            with suppress(BrokenPipeError):  # tar ended early: its exit status says why
                feed(process.stdin)
            with suppress(BrokenPipeError):
                process.stdin.close()
            process.wait()
        self._judge(argv, process, remarks)
        return remarks

    @contextmanager
    def _watched(self, process: subprocess.Popen, timeout: float) -> Iterator[_Remarks]:
        late = Event()

        def expire() -> None:
            late.set()
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

        alarm = Timer(timeout, expire)
        alarm.daemon = True
        alarm.start()
        remarks = _Remarks()
        try:
            yield remarks
        finally:
            alarm.cancel()
            if process.poll() is None:
                end_group(process)
            remarks.join()
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream:
                    with suppress(BrokenPipeError):
                        stream.close()
            if late.is_set():
                raise TimedOut(f"tar was ended: it ran longer than {format_duration(timeout)}",
                               hint="Look for a slow disk or network mount, or allow it more time")

    def _judge(self, argv: Sequence[str], process: subprocess.Popen, remarks: _Remarks) -> None:
        if process.returncode == 0:
            return
        said = "\n".join(remarks.kept)
        how = f"was ended by signal {-process.returncode}" if process.returncode < 0 \
            else f"ended with status {process.returncode}"
        evidence = {"argv": list(argv), "returncode": process.returncode, "stderr": said[:4000]}
        if full := next((remark for remark in remarks.kept if _FULL.search(remark)), None):
            raise StorageFailed(f"tar {how}: {full}", hint="Free space there or raise the quota, then run again", evidence=evidence)
        raise CommandFailed(f"tar {how}: {remarks.kept[0] if remarks.kept else 'it printed nothing'}",
                            hint="What it said is in the evidence", evidence=evidence)


class _Remarks:
    """Reads what tar prints, line by line: counts the members' names, keeps the first remarks."""

    def __init__(self) -> None:
        self.marked = 0
        self.count = 0
        self.kept: list[str] = []
        self._threads: list[Thread] = []

    def follow(self, stream: Any, *, mark: bytes | None) -> None:
        """Count lines that begin with ``mark`` as names; keep the others, None: all of them."""
        thread = Thread(target=self._read, args=(stream, mark), daemon=True)
        thread.start()
        self._threads.append(thread)

    def _read(self, stream: Any, mark: bytes | None) -> None:
        with suppress(ValueError, OSError):  # closed under us when the run is broken off
            while line := stream.readline(_LONGEST_LINE):
                if mark is not None and line.startswith(mark):
                    self.marked += line.endswith(b"\n")
                    continue
                self.count += 1
                if len(self.kept) < _KEPT_REMARKS:
                    self.kept.append(line.decode(errors="replace").strip().removeprefix("tar: "))

    def join(self) -> None:
        """Wait until both streams are read."""
        for thread in self._threads:
            thread.join(timeout=10)
