# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab: real services on this machine, some of them deliberately sick, for ``inventories/lab``.

    python -m tests.testbed.lab up        start it, or say that it runs; with --while PID it ends when that process ends
    python -m tests.testbed.lab status    what runs where; exit status 3 when nothing does
    python -m tests.testbed.lab down      stop it; data, backups and ledger stay
    python -m tests.testbed.lab clean     stop it and delete all that it has made
    python -m tests.testbed.lab run -- COMMAND …    start it, run a command, stop it if this started it

``--home DIR`` or ``$EVENKEEL_LAB`` put it elsewhere than the cache folder of this user and checkout; the inventory finds
the usual place through the link ``.lab`` in the checkout, another one through ``$EVENKEEL_LAB``.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import OpsError

from tests.testbed import CHECKOUT
from tests.testbed.lab_home import LabHome, default_home, standard_home

_PATIENCE = 60  # seconds for a fast shutdown with a last checkpoint
NOT_RUNNING = 3  # as the Linux Standard Base has it for status


def up(home: LabHome, owner: int | None = None) -> int:
    """Start the lab and wait until all of it answers; does nothing when it runs.

    It lasts until `down`, or until the process ``owner`` is no more, whatever ended it.
    """
    began = time.monotonic()
    home.prepare()
    with home.locked():
        state = home.running()
        if state:
            _say(f"is already running: process {state['pid']}, {home.folder}")
            _link(home)
            return 0
        _end_remains(home)
        _say(f"starting in {home.folder}")
        with home.log.open("ab") as log:
            supervisor = subprocess.Popen(
                [sys.executable, "-m", "tests.testbed.lab_supervisor", str(home.folder), *([str(owner)] if owner else [])],
                cwd=CHECKOUT, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, start_new_session=True)
        try:
            for line in supervisor.stdout:  # ends when all is ready, or the supervisor is no more
                _say(line.rstrip())
        except BaseException:
            supervisor.terminate()
            supervisor.wait(_PATIENCE)
            raise
        if not home.running():
            supervisor.wait(_PATIENCE)
            _end_remains(home)
            raise OpsError("The lab did not start", hint=f"See {home.log} and {home.folder}/postgres/server.log")
        _link(home)
    _say(f"ready after {time.monotonic() - began:.1f}s")
    return 0


def down(home: LabHome) -> int:
    """Stop the lab and see to it that nothing of it is left running."""
    began = time.monotonic()
    if not home.exists():
        _say("is not running")
        return 0
    with home.locked():
        mark = home.supervisor()
        members = _family(mark.pid) if mark else []
        if mark:
            with contextlib.suppress(ProcessLookupError):
                os.kill(mark.pid, signal.SIGTERM)
        _gone, alive = psutil.wait_procs(members, timeout=_PATIENCE)
        for process in alive:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        remains = _end_remains(home)
        home.supervisor_file.unlink(missing_ok=True)
    if mark:
        _say(f"stopped after {time.monotonic() - began:.1f}s" + (f"; {len(alive)} processes had to be killed" if alive else ""))
    else:
        _say(f"was not running; {remains} processes of a dead lab were ended" if remains else "is not running")
    return 0


def status(home: LabHome) -> int:
    """Print what runs where."""
    state = home.running()
    if not state:
        _say("is not running" + (" (its supervisor is gone; `up` repairs that)" if home.state_file.exists() else ""))
        return NOT_RUNNING
    _say(f"is running: process {state['pid']}, {home.folder}")
    for name, where in _addresses(state).items():
        _say(f"  {name:<28} {where}")
    return 0


def clean(home: LabHome) -> int:
    """Stop the lab and delete its folder, backups and ledger in it included."""
    if home.folder.exists() and not home.exists():
        raise OpsError(f"{home.folder} is not a lab's folder", hint="Check --home")
    down(home)
    shutil.rmtree(home.folder, ignore_errors=True)
    link = CHECKOUT / ".lab"
    if link.is_symlink() and link.readlink() == home.folder:
        link.unlink()
    _say(f"{home.folder} was deleted")
    return 0


def run(home: LabHome, command: list[str]) -> int:
    """Run a command while the lab is up; its exit status is ours. A lab that ran before stays up."""
    if not command:
        raise OpsError("run needs a command", hint="python -m tests.testbed.lab run -- ansible-playbook …")
    ran_before = home.running() is not None
    try:
        up(home, owner=os.getpid())
        return subprocess.run(command, env={**os.environ, "EVENKEEL_LAB": str(home.folder)}, check=False).returncode
    finally:
        if not ran_before:
            down(home)


def _say(text: str) -> None:
    print(f"[lab] {text}", flush=True)


def _family(pid: int) -> list[psutil.Process]:
    with contextlib.suppress(psutil.NoSuchProcess):
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    return []


def _end_remains(home: LabHome) -> int:
    """End servers that still work in this home though nobody holds them, and forget the state; says how many there were.

    The supervisor is dead or never was when this is called. Its servers die with it, which takes them a moment.
    """
    mark = home.supervisor()
    if mark:  # begun by an `up` that was killed before it was ready
        family = _family(mark.pid)
        with contextlib.suppress(ProcessLookupError):
            os.kill(mark.pid, signal.SIGTERM)
        psutil.wait_procs(family, timeout=_PATIENCE)
    remains = home.leftovers()
    _gone, alive = psutil.wait_procs(remains, timeout=5)
    for process in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGINT if process.name() == "postgres" else signal.SIGTERM)
    _gone, alive = psutil.wait_procs(alive, timeout=10)
    for process in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(alive, timeout=5)
    left = home.leftovers()
    if left:
        raise OpsError(f"Processes {[process.pid for process in left]} of {home.folder} cannot be ended",
                       hint="See what they wait for: ps -o pid,stat,wchan,args")
    home.state_file.unlink(missing_ok=True)
    return len(remains)


def _link(home: LabHome) -> None:
    """``.lab`` in the checkout shows to the usual home; other homes are found through the environment."""
    link = CHECKOUT / ".lab"
    if home.folder != standard_home().resolve():
        _say(f"the inventory finds this lab with EVENKEEL_LAB={home.folder}")
        return
    if link.is_symlink() and link.readlink() == home.folder:
        return
    try:
        fresh = CHECKOUT / f".lab.{os.getpid()}"
        fresh.symlink_to(home.folder)
        fresh.replace(link)
    except OSError as error:
        _say(f".lab cannot be written ({error.strerror}); the inventory finds this lab with EVENKEEL_LAB={home.folder}")


def _addresses(state: dict[str, Any]) -> dict[str, str]:
    def at(where: dict[str, Any]) -> str:
        return f"{where['host']}:{where['port']}"

    database = state["postgres"]
    return {
        f"PostgreSQL {database['version']}": f"{at(database)}, database {database['database']}, user {database['user']}",
        **({"Redis": at(state["redis"])} if state["redis"] else {}), **state["http"], "queue (TCP)": at(state["tcp"]),
        "DNS": at(state["dns"]), "SMTP with STARTTLS": at(state["tls"]["smtp"]),
        **{f"TLS, {name}": at(where) for name, where in state["tls"]["endpoints"].items()}, **state["files"],
        "certificates": state["tls"]["folder"], **{name: state[name] for name in ("backups", "reports", "ledger")},
    }


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.testbed.lab", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verb", choices=["up", "down", "status", "clean", "run"])
    parser.add_argument("--while", type=int, dest="owner", metavar="PID", help="for up: end the lab when this process ends")
    parser.add_argument("--home", type=Path, help="the lab's folder")
    words, command = sys.argv[1:] if arguments is None else arguments, []
    if "--" in words:
        words, command = words[:words.index("--")], words[words.index("--") + 1:]
    given = parser.parse_args(words)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        home = LabHome((given.home or default_home()).resolve())
        if given.verb == "run":
            return run(home, command)
        if given.verb == "up":
            return up(home, given.owner)
        verbs: dict[str, Callable[[LabHome], int]] = {"down": down, "status": status, "clean": clean}
        return verbs[given.verb](home)
    except OpsError as error:
        _say(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
