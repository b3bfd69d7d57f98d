# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real ACME server and a real web server whose certificate it issues."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import missing
from tests.testbed.bind import Zone, serve_zone
from tests.testbed.nginx import Nginx, serve_nginx
from tests.testbed.parts import built
from tests.testbed.pebble import Acme, serve_acme
from tests.testbed.postgres import free_port
from tests.testbed.tls import self_signed

RECORDS = """$TTL 300
@ IN SOA ns1 hostmaster 1 3600 600 86400 120
@ IN NS ns1
@ IN A 127.0.0.1
ns1 IN A 127.0.0.1
www IN A 127.0.0.1
api IN A 127.0.0.1
"""
NAME = "shop.test"


@dataclass(frozen=True)
class Shop:
    """A web server that shows ``certificate`` on two addresses, and whose names an ACME server can prove."""

    folder: Path
    acme: Acme
    nginx: Nginx
    port: int
    certificate: Path
    key: Path

    def entry(self, **changes: Any) -> dict[str, Any]:
        """An entry of ``renewals``."""
        return {"name": NAME, "hosts": [NAME, f"www.{NAME}"], "ca_cert": str(self.acme.issued_by), "test": self.nginx.test,
                "reload": self.nginx.reload, "places": [{"certificate": str(self.certificate), "key": str(self.key), "mode": "0640"}],
                "served_at": [{"endpoint": f"{NAME}:{self.port}", "addresses": ["127.0.0.1", "127.0.0.2"]}], **changes}

    def options(self, *entries: dict[str, Any], **changes: Any) -> dict[str, Any]:
        """The module's options."""
        return {"renewals": [*entries] or [self.entry()], "renew_days": 30, "rotate_after": "365d", "prove_within": "20s",
                "policy": {"warn_days": 30, "fail_days": 14, "min_protocol": "TLSv1.2"}, "certbot": self.certbot(), **changes}

    def certbot(self, **changes: Any) -> dict[str, Any]:
        """The option ``certbot``."""
        home = self.folder / "certbot"
        return {"config_dir": str(home / "config"), "work_dir": str(home / "work"), "logs_dir": str(home / "logs"),
                "server": self.acme.directory, "server_ca_cert": str(self.acme.ca_cert), "agree_tos": True, "authenticator": "webroot",
                "webroot": str(self.folder / "web"), **changes}

    def kept(self) -> bytes:
        """What certbot keeps."""
        return (self.folder / "certbot/config/live" / NAME / "fullchain.pem").read_bytes()


@pytest.fixture(scope="module")
def zone() -> Iterator[Zone]:
    """The names of the shop, at a name server that takes updates."""
    with serve_zone(RECORDS) as zone:
        yield zone


@pytest.fixture(scope="module")
def acme(zone: Zone) -> Iterator[Acme]:
    """An ACME server that asks that name server."""
    if not built("pebble") and os.environ.get("CI") is None:
        missing("pebble (tools/go-part pebble)")
    if not shutil.which("certbot"):
        missing("certbot")
    with serve_acme(zone.primary) as server:
        yield server


@pytest.fixture
def shop(acme: Acme) -> Iterator[Shop]:
    """It shows a certificate of its own making at first, as a web server must show one to be asked for another."""
    folder = Path(tempfile.mkdtemp(prefix="evenkeel-shop-"))
    try:
        (folder / "web").mkdir()
        certificate, key = self_signed([NAME]).write(folder / "tls", "shop")
        port = free_port()
        blocks = [f"server {{ listen 127.0.0.1:{acme.http_port}; root {folder}/web; }}",
                  f"server {{ listen 127.0.0.1:{port} ssl; listen 127.0.0.2:{port} ssl; ssl_certificate {certificate}; "
                  f"ssl_certificate_key {key}; return 204; }}"]
        with serve_nginx(folder, blocks, port=port) as nginx:
            yield Shop(folder, acme, nginx, port, certificate, key)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def no_key_in(answer: dict[str, Any], key: bytes) -> bool:
    """Whether no line of a private key, and no other key, is in an answer."""
    text = json.dumps(answer)
    return "PRIVATE KEY" not in text and not any(line in text for line in key.decode().splitlines()[1:-1])
