# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real BIND on the loopback: a primary that takes signed updates, and a secondary that follows it."""

from __future__ import annotations

import base64
import contextlib
import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dns.exception
import dns.flags
import dns.message
import dns.query
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.command import Commands, end_group
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import SystemClock
from ansible_collections.evenkeel.ops.plugins.module_utils.core.waiting import Deadline, wait_until

from tests.testbed.postgres import free_port

ZONE = "shop.test"
_RECORDS = """$TTL 300
@ IN SOA ns1 hostmaster 1 3600 600 86400 120
@ IN NS ns1
ns1 IN A 127.0.0.1
api 300 IN A 192.0.2.10
www 60 IN CNAME api
pool 30 IN A 192.0.2.11
pool 30 IN A 192.0.2.12
"""


@dataclass
class Zone:
    """Both servers as ``address:port``, and the key: as a file of tsig-keygen's form, and its secret."""

    primary: str
    secondary: str
    key_file: Path
    key_secret: str
    folder: Path
    _secondary: list[subprocess.Popen]

    def options(self) -> dict[str, object]:
        """The option ``rfc2136``."""
        return {"server": self.primary, "authorities": [self.primary, self.secondary], "key_file": str(self.key_file)}

    def ask(self, name: str, record: str = "A", *, server: str = "") -> list[str]:
        """What a server says, by default the primary."""
        address, _colon, port = (server or self.primary).partition(":")
        answer = dns.query.udp(dns.message.make_query(name, record), address, port=int(port), timeout=20)
        return sorted(data.to_text() for found in answer.answer for data in found)

    def stop_secondary(self) -> None:
        """For tests of a server that is silent."""
        end_group(self._secondary.pop())

    def start_secondary(self) -> None:
        """Start it (again), with nothing of what it knew: it transfers the zone anew rather than when its refresh is due."""
        (self.folder / "secondary" / "zone").unlink(missing_ok=True)
        self._secondary.append(_start(self.folder / "secondary.conf", self.secondary))


@contextlib.contextmanager
def serve_zone(records: str = _RECORDS) -> Iterator[Zone]:
    """``shop.test`` at two servers until the block ends.

    :raises ToolMissing: without named
    """
    folder = Path(tempfile.mkdtemp(prefix="evenkeel-bind-"))
    folder.chmod(0o755)
    # With two slashes in it, as one key in a hundred has by chance: no comment begins there.
    secret = base64.b64encode(b"\xff\xff\xff" + secrets.token_bytes(29)).decode()
    key = folder / "switch.key"
    key.write_text(f'// of tests # alone\nkey "switch" {{ /* its\nname */\n\talgorithm hmac-sha256;\n\tsecret "{secret}";\n}};\n')
    ports = free_port(), free_port()
    zone = Zone(f"127.0.0.1:{ports[0]}", f"127.0.0.1:{ports[1]}", key, secret, folder, [])
    for name in ("primary", "secondary"):
        (folder / name).mkdir()
    (folder / "primary" / "zone").write_text(records)
    _configure(folder / "primary.conf", folder / "primary", ports[0], f"""{key.read_text()}
zone "{ZONE}" {{ type primary; file "zone"; notify explicit; also-notify {{ 127.0.0.1 port {ports[1]}; }};
    update-policy {{ grant switch zonesub ANY; }}; allow-transfer {{ 127.0.0.1; }}; }};
""")
    _configure(folder / "secondary.conf", folder / "secondary", ports[1], f"""
zone "{ZONE}" {{ type secondary; file "zone"; primaries {{ 127.0.0.1 port {ports[0]}; }}; allow-notify {{ 127.0.0.1; }}; notify no; }};
""")
    if os.geteuid() == 0:
        for path in (folder, *folder.rglob("*")):
            shutil.chown(path, _account())
    primary = None
    try:
        primary = _start(folder / "primary.conf", zone.primary)
        zone.start_secondary()
        yield zone
    finally:
        for process in (*zone._secondary, *([primary] if primary else [])):
            end_group(process)
        shutil.rmtree(folder, ignore_errors=True)


def _configure(path: Path, folder: Path, port: int, zones: str) -> None:
    path.write_text(f"""options {{ directory "{folder}"; pid-file "{folder}/named.pid"; session-keyfile "{folder}/session.key";
    listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; recursion no; dnssec-validation no; notify-delay 0;
    allow-query {{ any; }}; }};
controls {{ }};
{zones}""")
    path.chmod(0o600)


def _account() -> str | None:
    return "bind" if os.geteuid() == 0 else None


def _start(configuration: Path, server: str) -> subprocess.Popen:
    commands = Commands()
    program = commands.find("named", package="bind9")
    with configuration.with_suffix(".log").open("ab") as log:
        process = commands.start([program, "-g", "-n", "1", "-c", str(configuration)], user=_account(), cwd=str(configuration.parent),
                                 stdout=log.fileno(), stderr=subprocess.STDOUT, text=False)
    try:
        wait_until(lambda: _answers(server), deadline=Deadline(SystemClock(), 60), what=f"named at {server}", interval=0.05)
    except BaseException:
        end_group(process)
        raise
    return process


def _answers(server: str) -> bool:
    address, _colon, port = server.partition(":")
    try:
        answer = dns.query.udp(dns.message.make_query(ZONE, "SOA"), address, port=int(port), timeout=0.5)
    except (OSError, dns.exception.DNSException):
        return False
    return bool(answer.flags & dns.flags.AA and answer.answer)
