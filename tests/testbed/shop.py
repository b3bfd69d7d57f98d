# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real web server whose certificate a real ACME server issues, which asks a real name server.

``python -m tests.testbed.shop STATE`` writes what the role needs to renew it as JSON into the file STATE, and serves until that is gone.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.testbed.bind import serve_zone
from tests.testbed.nginx import Nginx, serve_nginx
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


@contextlib.contextmanager
def serve_shop(acme: Acme) -> Iterator[Shop]:
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


def main(state: Path) -> None:
    """Serve until the file is gone."""
    with serve_zone(RECORDS) as zone, serve_acme(zone.primary) as acme, serve_shop(acme) as shop:
        new = state.with_suffix(".new")
        new.write_text(json.dumps({"certificates_renewals": [shop.entry()], "certificates_certbot": shop.certbot(),
                                   "certificates_prove_within": "20s", "certificates_lab_folder": str(shop.folder)}))
        new.replace(state)
        while state.exists():
            time.sleep(0.2)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
