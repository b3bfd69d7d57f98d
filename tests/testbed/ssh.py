# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""An SSH server on this machine, for this user, with keys of its own."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.testbed.postgres import free_port


def available() -> bool:
    """Whether there is a server program."""
    return _program() is not None


@contextmanager
def serve_ssh(home: Path) -> Iterator[dict[str, Any]]:
    """The inventory variables of a host that is this machine, reached over SSH; the server ends with this."""
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(home / name)], check=True, timeout=30)
    (home / "authorized_keys").write_bytes((home / "user.pub").read_bytes())
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # where it separates its privileges; Debian's unit makes it otherwise
    port = free_port()
    settings = {"Port": port, "ListenAddress": "127.0.0.1", "HostKey": home / "host", "AuthorizedKeysFile": home / "authorized_keys",
                "PidFile": "none", "StrictModes": "no", "UsePAM": "no", "PasswordAuthentication": "no", "PermitRootLogin": "yes"}
    (home / "sshd_config").write_text("".join(f"{key} {value}\n" for key, value in settings.items()))
    server = subprocess.Popen([_program(), "-D", "-e", "-f", str(home / "sshd_config")], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
        yield {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": port, "ansible_user": getpass.getuser(),
               "ansible_ssh_private_key_file": str(home / "user"),
               "ansible_ssh_common_args": f"-o StrictHostKeyChecking=no -o UserKnownHostsFile={home}/known_hosts"}
    finally:
        server.terminate()
        server.wait(timeout=10)


def _program() -> str | None:
    return shutil.which("sshd", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
