# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real nginx and HAProxy on the loopback in front of an application, with what maintenance mode needs in their configuration."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.command import Commands, end_group
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import SystemClock
from ansible_collections.evenkeel.ops.plugins.module_utils.core.waiting import Deadline, wait_until

from tests.testbed.http import Response, serve_http
from tests.testbed.postgres import free_port


@dataclass(frozen=True)
class Web:
    """A server: ``url`` of the site, ``config`` its configuration, ``options`` how `maintenance_mode` switches it."""

    url: str
    config: Path
    folder: Path
    options: dict[str, Any]


@contextlib.contextmanager
def serve_nginx() -> Iterator[Web]:
    """nginx until the block ends; its master reads the configuration again when it is told to.

    :raises ToolMissing: without nginx
    """
    program = Commands().find("nginx", package="nginx-light")
    with _site() as (folder, port, upstream):
        config = folder / "nginx.conf"
        config.write_text(f"""
            daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
            events {{ worker_connections 64; }}
            http {{
                access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
                fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
                server {{
                    listen 127.0.0.1:{port};
                    include {folder}/conf.d/maintenance*.conf;
                    location / {{ proxy_pass {upstream}; }}
                }}
            }}
            """)
        (folder / "conf.d").mkdir()
        with _running([program, "-c", str(config)], port):
            yield Web(f"http://127.0.0.1:{port}/ok", config, folder, {
                "state_dir": str(folder / "state"), "nginx": {"include": str(folder / "conf.d/maintenance.conf"), "config": str(config)}})


@contextlib.contextmanager
def serve_haproxy() -> Iterator[Web]:
    """HAProxy until the block ends.

    :raises ToolMissing: without HAProxy
    """
    program = Commands().find("haproxy", package="haproxy")
    with _site() as (folder, port, upstream):
        config, table, page = folder / "haproxy.cfg", folder / "maintenance.map", folder / "page.html"
        table.write_text("# of this site\nother on\n")
        page.write_text("<h1>Maintenance</h1>")
        config.write_text(f"""
global
    stats socket {folder}/admin.sock mode 600 level admin
defaults
    mode http
    timeout connect 5s
    timeout client 10s
    timeout server 10s
frontend site
    bind 127.0.0.1:{port}
    acl maintenance str(site),map({table},off) -m str on
    http-request return status 503 content-type "text/html; charset=utf-8" file {page} hdr Retry-After \
"%[str(site/retry-after),map({table},900)]" hdr Cache-Control no-store hdr X-Maintenance-Mode site if maintenance
    default_backend application
backend application
    server one {upstream.removeprefix('http://')}
""")
        with _running([program, "-db", "-f", str(config)], port):
            yield Web(f"http://127.0.0.1:{port}/ok", config, folder, {
                "state_dir": str(folder / "state"), "haproxy": {"socket": str(folder / "admin.sock"), "map": str(table)}})


@contextlib.contextmanager
def _site() -> Iterator[tuple[Path, int, str]]:
    """A folder that the workers may enter, a free port, and the URL of an application."""
    folder = Path(tempfile.mkdtemp(prefix="evenkeel-web-"))
    folder.chmod(0o755)
    try:
        with serve_http({"/ok": Response(body="served\n")}) as application:
            yield folder, free_port(), application.url
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _running(argv: list[str], port: int) -> Iterator[None]:
    process = Commands().start(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: _listens(port), deadline=Deadline(SystemClock(), 60), what=f"{argv[0]} on port {port}", interval=0.05)
        yield
    finally:
        end_group(process)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
