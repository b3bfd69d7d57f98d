# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m tests.testbed.lab_supervisor HOME [OWNER]``: the process that holds a lab; started by ``tests.testbed.lab up``.

It says on standard output what it does, closes that when all is ready, and stays until SIGTERM, or until the process
OWNER ends. In-process services are
threads of it; PostgreSQL and Redis are children of its main thread, and the kernel ends them when it is killed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.postgres import PostgresTarget, connect
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import OpsError
from ansible_collections.evenkeel.ops.plugins.module_utils.core.files import write_atomically

from tests.testbed import CHECKOUT, lab_database, lab_files, lab_services
from tests.testbed.lab_home import LabHome, ProcessMark

# Raise it when the seeds change: data of another version is made anew, backups and ledger stay.
SEEDS = 1


class _Ended(BaseException):
    """The lab was told to end."""


def main() -> int:
    """Hold the lab until told to end."""
    home = LabHome(Path(sys.argv[1]))
    owner = ProcessMark.of(int(sys.argv[2])) if len(sys.argv) > 2 else None
    if len(sys.argv) > 2 and owner is None:
        _say(f"failed: there is no process {sys.argv[2]} to last as long as")
        return 1
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _end)
    home.claim()
    try:
        with contextlib.ExitStack() as stack:
            stack.callback(home.state_file.unlink, missing_ok=True)
            state, children = _start(home, stack)
            home.write(home.state_file.name, state)
            _detach(home)
            return _hold(children, owner)
    except _Ended:
        return 0
    except OpsError as error:
        _say(f"failed: {error}")
        for line in str(error.evidence.get("log", "")).splitlines()[-10:]:
            _say(f"  | {line}")
        return 1
    except BrokenPipeError:  # who asked for the lab went away before it was ready
        return 1
    finally:
        home.supervisor_file.unlink(missing_ok=True)


def _end(number: int, frame: object) -> None:
    for other in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(other, lambda *_again: None)  # ending is under way; not SIG_IGN, which children would inherit
    raise _Ended


def _say(text: str) -> None:
    print(text, flush=True)


@contextlib.contextmanager
def _step(name: str) -> Iterator[dict[str, str]]:
    """Says one line when it is done: what was made of it goes into the dictionary under ``said``."""
    began, told = time.monotonic(), {"said": ""}
    yield told
    _say(f"{name:<13} {told['said']} ({time.monotonic() - began:.1f}s)")


def _start(home: LabHome, stack: contextlib.ExitStack) -> tuple[dict[str, Any], list[ProcessMark]]:
    if home.read("seeded.json") != SEEDS:
        for name in ("postgres", "postgres.new", "files", "files.new"):
            shutil.rmtree(home / name, ignore_errors=True)
        home.write("seeded.json", SEEDS)
    with _step("files") as step:
        made = lab_files.seed_files(home)
        age = _age_keys(home)
        for name in ("backups", "reports", "logrotate.d"):
            (home / name).mkdir(mode=0o700, exist_ok=True)
        step["said"] = "application data, a stale cache and logs were made" if made else "as they were left"
    with _step("postgresql") as step:
        installation = lab_database.choose_installation(home)
        crashed = (home / "postgres" / "data" / "postmaster.pid").exists()
        server, database = stack.enter_context(lab_database.running_database(home, installation))
        made = lab_database.seed(server, database["password"])
        if crashed:  # a crash forgets the statistics, and what is sick would not show
            with connect(PostgresTarget(host=server.socket_folder, port=server.port, database=lab_database.DATABASE)) as session:
                session.run("ANALYZE")
        step["said"] = (f"{database['version']} on 127.0.0.1:{database['port']}, database {database['database']}"
                        + (" was made" if made else ", recovered after a crash" if crashed else ""))
    with _step("redis") as step:
        redis = stack.enter_context(lab_services.redis_service(home))
        step["said"] = f"on 127.0.0.1:{redis['port']}" if redis else "is not installed here; its probes are left out"
    with _step("endpoints") as step:
        http = stack.enter_context(lab_services.http_services(home))
        tcp = stack.enter_context(lab_services.tcp_service(home))
        names = stack.enter_context(lab_services.dns_service(home))
        step["said"] = f"{len(http)} HTTP services, TCP and DNS"
    with _step("certificates") as step:
        tls = stack.enter_context(lab_services.tls_services(home))
        step["said"] = f"{len(tls['endpoints'])} TLS endpoints, SMTP with STARTTLS, a folder of files"
    mark = ProcessMark.of(os.getpid())
    state = {
        "pid": mark.pid, "started": mark.started, "home": str(home.folder), "checkout": str(CHECKOUT),
        "postgres": database, "redis": redis, "http": http, "tcp": tcp, "dns": names, "tls": tls, "age": age,
        "files": lab_files.where(home), "backups": str(home / "backups"), "reports": str(home / "reports"),
        "logrotate": {"config_dir": str(home / "logrotate.d"), "state_file": str(home / "logrotate.state")},
        "ledger": f"sqlite:///{home / 'ledger.sqlite'}",
    }
    marks = [ProcessMark.of(pid) for pid in (server.pid, redis and redis["pid"]) if pid]
    return state, [child for child in marks if child]


def _age_keys(home: LabHome) -> dict[str, str]:
    """A key pair of the lab, made once: the public key encrypts, the identity file (0600) decrypts."""
    import pyrage

    path = home / "age-identity.txt"
    if not path.exists():
        identity = pyrage.x25519.Identity.generate()
        write_atomically(path, f"# public key: {identity.to_public()}\n{identity}\n".encode())
    lines = path.read_text(encoding="ascii").splitlines()
    return {"recipient": str(pyrage.x25519.Identity.from_str(lines[-1]).to_public()), "identity_file": str(path)}


def _detach(home: LabHome) -> None:
    """From now on what is said goes to the log only; whoever waits for the end of our output knows that we are ready."""
    log = os.open(home.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.close(log)


def _hold(children: list[ProcessMark], owner: ProcessMark | None) -> int:
    while True:
        time.sleep(0.5)
        if owner and not owner.alive:
            _say(f"process {owner.pid} ended, and so the lab ends")
            return 0
        for child in children:
            if not child.alive:
                _say(f"process {child.pid} ended by itself, and so the lab ends")
                return 1


if __name__ == "__main__":
    sys.exit(main())
