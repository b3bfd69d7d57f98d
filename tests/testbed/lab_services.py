# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's endpoints on the loopback, well and sick: HTTP, TCP, DNS, Redis, TLS and SMTP, and a folder of certificates.

Each function is a context manager that yields what the state file says of its service. Redis is a child of the thread
that enters its context and ends with it.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import socketserver
import subprocess
import threading
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.command import Commands, end_group
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import SystemClock
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import CommandFailed
from ansible_collections.evenkeel.ops.plugins.module_utils.core.files import write_atomically
from ansible_collections.evenkeel.ops.plugins.module_utils.core.waiting import Deadline, wait_until

from tests.testbed.http import Response, serve_http
from tests.testbed.lab_home import LabHome
from tests.testbed.tls import DAY, Authority, self_signed, serve_tls

_JSON = {"Content-Type": "application/json"}
# What each answers at /<name>/health: two are well, one says so in JSON, one is late, one is down.
_SERVICES = {
    "project-management-api": Response(body="ok\n"),
    "template-management-api": Response(body="ok\n", delay=1.2),
    "ai-integration-service": Response(status=503, body="the model registry does not answer\n"),
    "github-integration-service": Response(
        body=json.dumps({"status": "UP", "checks": {"database": "UP", "queue": {"depth": 3}}}), headers=_JSON),
    "observability-service": Response(body="all systems nominal\n", headers={"X-Version": "2.4.1"}),
}
_ZONE = {"db.lab.example.": "127.0.0.1", "api.lab.example.": "127.0.0.1"}


@contextlib.contextmanager
def http_services(home: LabHome) -> Iterator[dict[str, str]]:
    """Five services behind one server: the health URL of each, by name."""
    with serve_http({f"/{name}/health": answer for name, answer in _SERVICES.items()}, port=home.port("http")) as server:
        yield {name: f"{server.url}/{name}/health" for name in _SERVICES}


@contextlib.contextmanager
def tcp_service(home: LabHome) -> Iterator[dict[str, Any]]:
    """A listener that greets and hangs up; and a port that nothing listens on, which is the sick one."""

    class Greet(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.sendall(b"220 lab queue ready\r\n")

    server = _ThreadingTcp(("127.0.0.1", home.port("queue")), Greet)
    with _served(server):
        yield {"host": "127.0.0.1", "port": server.server_address[1], "closed_port": home.port("closed")}


@contextlib.contextmanager
def dns_service(home: LabHome) -> Iterator[dict[str, Any]]:
    """A name server for lab.example over UDP: two addresses, and NXDOMAIN for every other name."""

    class Answer(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            data, reply_through = self.request
            with contextlib.suppress(Exception):  # whatever is no question gets no answer
                query = dns.message.from_wire(data)
                response = dns.message.make_response(query)
                response.flags |= dns.flags.AA
                name = query.question[0].name.to_text().lower()
                if name in _ZONE:
                    response.answer.append(dns.rrset.from_text(name, 60, "IN", "A", _ZONE[name]))
                else:
                    response.set_rcode(dns.rcode.NXDOMAIN)
                reply_through.sendto(response.to_wire(), self.client_address)

    server = socketserver.ThreadingUDPServer(("127.0.0.1", home.port("dns")), Answer)
    server.daemon_threads = True
    with _served(server):
        yield {"host": "127.0.0.1", "port": server.server_address[1], "name": "db.lab.example"}


@contextlib.contextmanager
def redis_service(home: LabHome) -> Iterator[dict[str, Any] | None]:
    """The machine's redis-server with a password and nothing on disk; None where there is none."""
    program = shutil.which("redis-server")
    if not program:
        yield None
        return
    folder, port, password = home / "redis", home.port("redis"), home.secret("redis")
    folder.mkdir(mode=0o700, exist_ok=True)
    write_atomically(folder / "redis.conf", "\n".join([
        "bind 127.0.0.1", f"port {port}", f"requirepass {password}", 'save ""', "appendonly no", "daemonize no",
        "databases 1", "maxmemory 32mb", ""]).encode())
    with (folder / "redis.log").open("ab") as log:
        process = Commands().start([program, str(folder / "redis.conf")], cwd=str(folder), stdout=log.fileno(),
                                   stderr=subprocess.STDOUT, text=False)
    try:
        wait_until(lambda: _listens(process, port), deadline=Deadline(SystemClock(), 20), what="redis-server", interval=0.05)
        yield {"host": "127.0.0.1", "port": port, "password": password, "pid": process.pid}
    finally:
        end_group(process)


@contextlib.contextmanager
def tls_services(home: LabHome) -> Iterator[dict[str, Any]]:
    """Endpoints and a folder of files, all issued anew: what ends in five days does so on each day."""
    authority = Authority.create("Lab root")
    now = datetime.now(timezone.utc).replace(microsecond=0)
    names = ["localhost", "127.0.0.1"]
    identities = {
        "valid": authority.issue(names),
        "expiring": authority.issue(names, not_after=now + 5 * DAY),
        "wrong_host": authority.issue(["elsewhere.lab.example"]),
    }
    folder = home / "certificates"
    shutil.rmtree(folder, ignore_errors=True)
    ca = authority.write(folder.with_name("certificates-ca"))
    identities["valid"].write(folder, "api")
    identities["expiring"].write(folder, "shop, expiring")
    authority.issue(["old.lab.example"], not_after=now - 3 * DAY).write(folder, "old")
    authority.issue(["weak.lab.example"], key="rsa1024").write(folder, "weak")
    self_signed(["self.lab.example"]).write(folder, "self-signed")
    (folder / "queue.der").write_bytes(authority.issue(["queue.lab.example"]).cert_der)
    with contextlib.ExitStack() as stack:
        endpoints = {name: {"host": "127.0.0.1", "port": stack.enter_context(serve_tls(identity, port=home.port(f"tls_{name}")))}
                     for name, identity in identities.items()}
        smtp = stack.enter_context(serve_tls(identities["valid"], starttls="smtp", port=home.port("smtp")))
        yield {"ca": str(ca), "folder": str(folder), "endpoints": endpoints, "smtp": {"host": "127.0.0.1", "port": smtp}}


class _ThreadingTcp(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


@contextlib.contextmanager
def _served(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def _listens(process: subprocess.Popen, port: int) -> bool:
    if process.poll() is not None:
        raise CommandFailed(f"redis-server ended with status {process.returncode} instead of serving",
                            hint="See redis/redis.log in the lab's folder")
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
