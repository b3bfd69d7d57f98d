# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""GNU tar comparing a stream with files on disk, byte by byte."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import suppress
from typing import IO

from ..core.errors import CommandFailed
from .command import Commands, end_group

# What differs when a normal user extracts as himself, and says nothing of the data.
_NOT_OURS = (b": Uid differs", b": Gid differs")
_KEPT = 1000


def compare_with_tar(commands: Commands, program: str, feed: Callable[[IO[bytes]], None], target: str) -> tuple[str, ...]:
    """What tar says of members of the stream that ``feed`` writes which are missing or other below ``target``: contents,
    size, mode, time, link; owners too when root asks. The first 1000 lines, empty where all is the same.

    :raises CommandFailed: when tar cannot read the stream
    """
    argv = [program, "--compare", "--file=-", "--directory", target, "--quoting-style=escape", "--numeric-owner"]
    with tempfile.TemporaryFile() as said:
        process = commands.start(argv, stdin=subprocess.PIPE, stdout=said.fileno(), stderr=subprocess.STDOUT, text=False)
        try:
            with suppress(BrokenPipeError):  # tar ended early: its exit status says why
                feed(process.stdin)
            with suppress(BrokenPipeError):
                process.stdin.close()
            process.wait()
        except BaseException:
            with suppress(BrokenPipeError):
                end_group(process)
            raise
        said.seek(0)
        lines = [line.rstrip(b"\n") for line in said]
    if process.returncode not in (0, 1):  # 1: some files differ; 2: fatal (GNU tar's manual, "Return Values")
        last = lines[-1].decode(errors="replace") if lines else "it printed nothing"
        # A missing file is an error to tar as well: told as a difference, since the stream was read to its end.
        missing = [line for line in lines if b"Cannot stat" in line or b"Cannot open" in line]
        if not missing:
            raise CommandFailed(f"tar --compare ended with status {process.returncode}: {last}", evidence={"argv": argv})
    if os.geteuid() != 0:
        lines = [line for line in lines if not line.endswith(_NOT_OURS)]
    told = [line for line in lines if b"Exiting with failure status" not in line]
    return tuple(line.decode(errors="replace").removeprefix(f"{program}: ") for line in told[:_KEPT])
