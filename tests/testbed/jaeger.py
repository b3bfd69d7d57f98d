# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Jaeger on the loopback that keeps its traces in memory and takes spans by OTLP over HTTP."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.command import Commands, end_group
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import SystemClock
from ansible_collections.evenkeel.ops.plugins.module_utils.core.waiting import Deadline, wait_until

from tests.testbed.parts import part
from tests.testbed.postgres import free_port


@dataclass(frozen=True)
class Running:
    """Addresses of its query service and of its collector."""

    url: str
    otlp_url: str


@contextlib.contextmanager
def serve_jaeger() -> Iterator[Running]:
    """Until the block ends.

    :raises FileNotFoundError: where it cannot be built
    """
    program, folder = part("jaeger"), Path(tempfile.mkdtemp(prefix="evenkeel-jaeger-"))
    ports = {name: free_port() for name in ("query", "otlp", "admin", "grpc", "query_grpc", "otlp_grpc", "http")}
    addresses = {"query.http-server": "query", "query.grpc-server": "query_grpc", "collector.otlp.http": "otlp", "collector.otlp.grpc":
                 "otlp_grpc", "collector.http-server": "http", "collector.grpc-server": "grpc", "admin.http": "admin"}
    argv = [program, *(f"--{option}.host-port=127.0.0.1:{ports[name]}" for option, name in addresses.items()),
            "--collector.otlp.enabled=true", "--log-level=error"]
    with (folder / "log").open("wb") as log:
        process = Commands().start(argv, env={"SPAN_STORAGE_TYPE": "memory", "OTEL_TRACES_SAMPLER": "always_off"},
                                   stdout=log.fileno(), stderr=subprocess.STDOUT, text=False, cwd=str(folder))

    def ready() -> bool:
        if process.poll() is not None:
            raise RuntimeError(f"jaeger ended: {(folder / 'log').read_text(errors='replace')[-3000:]}")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{ports['query']}/api/services", timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False

    try:
        wait_until(ready, deadline=Deadline(SystemClock(), 60), what="jaeger to answer", interval=0.1)
        yield Running(f"http://127.0.0.1:{ports['query']}", f"http://127.0.0.1:{ports['otlp']}")
    finally:
        end_group(process)
        shutil.rmtree(folder, ignore_errors=True)


def span(trace: str, name: str, begin: float, seconds: float, *, parent: str = "", identity: str = "",
         error: bool = False) -> dict[str, Any]:
    """A span in the words of OTLP's JSON; ``begin`` is Unix time."""
    start = int(begin * 1e9)
    return {"traceId": trace, "spanId": identity or secrets.token_hex(8), "name": name, "kind": 2, "startTimeUnixNano": str(start),
            "endTimeUnixNano": str(start + int(seconds * 1e9)), **({"parentSpanId": parent} if parent else {}),
            **({"status": {"code": 2}} if error else {})}
