# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""logrotate as the machine has it: checking a configuration, rotating by it, reading its state."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from ..core.errors import Busy, CommandFailed, InvalidOption
from ..core.files import storage_errors, write_atomically
from .command import Commands, Completed

# Where Debian and Red Hat have the state of the system's own daily run.
SYSTEM_STATES = ("/var/lib/logrotate/status", "/var/lib/logrotate/logrotate.status", "/var/lib/logrotate.status")
SYSTEM_FOLDER = "/etc/logrotate.d"
_STATE_LINE = re.compile(r'"((?:[^"\\]|\\.)*)" (\d+)-(\d+)-(\d+)(?:-(\d+):(\d+):(\d+))?')
_LOCKED = 3  # exit status: another logrotate holds the state file


class Logrotate:
    """Runs the real program; its messages are English because `Commands` sets the locale."""

    def __init__(self, commands: Commands, *, timeout: float) -> None:
        """:raises ToolMissing: names the package"""
        self._commands = commands
        self._program = commands.find("logrotate", package="logrotate")
        self._timeout = timeout

    def check(self, texts: Mapping[str, str], *, config_dir: str, leaving: Sequence[str] = ()) -> None:
        """See that logrotate takes configurations (file name to text) without a complaint.

        They are read alone, then after what else is in ``config_dir`` without the files of their names and those that are
        ``leaving``; of complaints then only those count that blame the new texts (a log that two files claim).

        :raises InvalidOption: with what logrotate said
        """
        if not texts:
            return
        with tempfile.TemporaryDirectory(prefix="evenkeel-logrotate-") as folder:
            state = Path(folder) / "state"
            head = Path(folder) / "logrotate.conf"  # a dot is in no set's name
            write_atomically(head, f"taboopat + {','.join((*texts, *leaving))}\ninclude {config_dir}\n".encode(), mode=0o644)
            candidates = _written(texts, folder)
            said = _complaints(self._debug(candidates, state))
            said += [line for line in _complaints(self._debug([str(head), *candidates], state))
                     if any(f"{candidate}:" in line for candidate in candidates) and line not in said]
        if said:
            said = [line.replace(f"{folder}/", "") for line in said]
            raise InvalidOption(f"logrotate refuses the configuration: {said[0]}", hint=_advice(said[0]),
                                evidence={"logrotate_said": said, "configuration": dict(texts)})

    def due(self, texts: Mapping[str, str], state: str) -> dict[str, str]:
        """What a run by these configurations would do: a log's path to ``""`` (it is due) or the reason why not."""
        with tempfile.TemporaryDirectory(prefix="evenkeel-logrotate-") as folder:
            completed = self._debug(_written(texts, folder), Path(state))
        return _considered(completed.stderr)

    def rotate(self, files: Sequence[str], state: str, *, force: bool) -> list[str]:
        """Rotate what is due by these configuration files, or everything; gives logrotate's complaints.

        :raises Busy: when another logrotate works with this state file
        :raises CommandFailed, TimedOut: by what went wrong
        """
        argv = [self._program, "--verbose", "--state", state, *(["--force"] if force else []), *files]
        completed = self._commands.run(argv, timeout=self._timeout, check=False)
        complaints = _complaints(completed)
        if completed.returncode == _LOCKED:
            raise Busy(f"Another logrotate works with {state}", hint="Wait until it is done, then run again")
        if completed.returncode < 0 or (completed.returncode and not complaints):
            raise CommandFailed(f"logrotate ended with status {completed.returncode}",
                                hint="See the end of its output in the evidence", evidence={"stderr": completed.stderr[-4000:]})
        return complaints

    def _debug(self, files: Sequence[str], state: Path) -> Completed:
        argv = [self._program, "--debug", "--state", str(state), *files]
        return self._commands.run(argv, timeout=self._timeout, check=False)


def state_path(state_file: str | None, *, config_dir: str, force: bool) -> str:
    """The state file to go by: the given one, else the system's.

    :raises InvalidOption: where two states would rotate one folder's logs, or where there is none for a folder of its own
    """
    systems = next((path for path in SYSTEM_STATES if Path(path).exists()), SYSTEM_STATES[0])
    if state_file is None:
        if force and config_dir != SYSTEM_FOLDER:
            raise InvalidOption("rotate_now needs a state_file here", hint=f"Only the logs of {SYSTEM_FOLDER} have the system's state")
        return systems
    if not state_file.startswith("/") or not state_file.isprintable():
        raise InvalidOption(f"state_file: {state_file!r} is no full path", hint="Write it from / on")
    if config_dir == SYSTEM_FOLDER and state_file not in SYSTEM_STATES:
        raise InvalidOption(f"state_file: the system rotates the logs of {config_dir} by its own state, so they would be rotated twice",
                            hint="Give a config_dir of its own too, or leave state_file out")
    return state_file


def read_state(path: str) -> dict[str, float] | None:
    """When each log was last rotated or first seen, in seconds since the epoch; None where there is no state file yet.

    :raises StorageFailed: when it cannot be read
    """
    with storage_errors(path):
        try:
            text = Path(path).read_text(encoding="utf-8", errors="surrogateescape")
        except FileNotFoundError:
            return None
    return parse_state(text)


def parse_state(text: str) -> dict[str, float]:
    r"""logrotate's state, version 1 or 2: ``"/var/log/a \"b\"" 2026-11-21-12:33:49`` in local time; other lines are left out."""
    state = {}
    for line in text.splitlines():
        match = _STATE_LINE.fullmatch(line.strip())
        if not match:
            continue
        year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[1:])
        try:
            instant = datetime(year, month, day, hour, minute, second).astimezone()
        except ValueError:
            continue
        state[re.sub(r"\\(.)", r"\1", match[1])] = instant.timestamp()
    return state


def _written(texts: Mapping[str, str], folder: str) -> list[str]:
    paths = [str(Path(folder) / name) for name in texts]
    for path, text in zip(paths, texts.values(), strict=True):
        write_atomically(path, text.encode(), mode=0o644)
    return paths


def _considered(said: str) -> dict[str, str]:
    answers, log = {}, None
    for line in said.splitlines():
        if line.startswith("considering log "):
            log = line.removeprefix("considering log ")
        elif log and line.startswith("  log "):
            if line == "  log needs rotating":
                answers[log] = ""
            elif match := re.search(r"\((.*)\)$", line):
                answers[log] = match[1]
            else:
                answers[log] = line.strip()
    return answers


def _complaints(completed: Completed) -> list[str]:
    # An unknown directive is an "error:" with exit status 0, so the status says too little.
    return [line.removeprefix("error: ").strip() for line in completed.stderr.splitlines() if line.startswith("error: ")]


def _advice(said: str) -> str:
    if "insecure permissions" in said:
        return "Name in su the account that owns the log's folder, or take the write permission from others"
    if "duplicate log entry" in said:
        return "Another configuration rotates this log: take it out of one of the two"
    if "unknown user" in said or "unknown group" in said:
        return "Create the account, or name another in create or su"
    return "Correct the log set that the message names"
