# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real ACME server (Pebble) on the loopback, with authorities of its own, that asks a name server of ours for names."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import ssl
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.command import Commands, end_group
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import SystemClock
from ansible_collections.evenkeel.ops.plugins.module_utils.core.waiting import Deadline, wait_until

from tests.testbed.parts import part
from tests.testbed.postgres import free_port
from tests.testbed.tls import Authority


@dataclass(frozen=True)
class Acme:
    """``directory`` is its URL, ``ca_cert`` whom to trust there; ``issued_by`` the root of what it issues. Names are proved on
    ``http_port`` of the address that its name server gives.
    """

    directory: str
    ca_cert: Path
    issued_by: Path
    http_port: int


@contextlib.contextmanager
def serve_acme(name_server: str, *, days: int = 90) -> Iterator[Acme]:
    """Until the block ends; certificates are valid for ``days``.

    :raises FileNotFoundError: where pebble cannot be built
    """
    program = part("pebble")
    folder = Path(tempfile.mkdtemp(prefix="evenkeel-pebble-"))
    authority = Authority.create("Testbed ACME server")
    ca_cert = authority.write(folder)
    certificate, key = authority.issue(["127.0.0.1", "localhost"]).write(folder)
    listen, manage, http, tls = (free_port() for _number in range(4))
    (folder / "pebble.json").write_text(json.dumps({"pebble": {
        "listenAddress": f"127.0.0.1:{listen}", "managementListenAddress": f"127.0.0.1:{manage}", "certificate": str(certificate),
        "privateKey": str(key), "httpPort": http, "tlsPort": tls, "ocspResponderURL": "", "externalAccountBindingRequired": False,
        "retryAfter": {"authz": 1, "order": 1},
        "profiles": {"default": {"description": "of the testbed", "validityPeriod": days * 86400}}}}))
    with (folder / "pebble.log").open("wb") as log:
        process = Commands().start([program, "-config", str(folder / "pebble.json"), "-dnsserver", name_server], cwd=str(folder),
                                   env={"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0", "PATH": os.environ["PATH"],
                                        "PEBBLE_AUTHZREUSE": "0"},  # by default it draws whether a name is to be proved again
                                   stdout=log.fileno(), stderr=subprocess.STDOUT, text=False)
    try:
        context = ssl.create_default_context(cafile=str(ca_cert))

        def root() -> bytes:
            if process.poll() is not None:
                raise RuntimeError(f"pebble ended: {(folder / 'pebble.log').read_text(errors='replace')[-3000:]}")
            try:
                with urllib.request.urlopen(f"https://127.0.0.1:{manage}/roots/0", timeout=5, context=context) as answer:
                    return answer.read()
            except OSError:
                return b""

        pem = wait_until(root, deadline=Deadline(SystemClock(), 90), what="pebble to answer", interval=0.1)
        (folder / "root.pem").write_bytes(pem)
        yield Acme(f"https://127.0.0.1:{listen}/dir", ca_cert, folder / "root.pem", http)
    finally:
        end_group(process)
        shutil.rmtree(folder, ignore_errors=True)
