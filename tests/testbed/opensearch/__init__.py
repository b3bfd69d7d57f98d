# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real OpenSearch on the loopback: one node, with the HTTP layer of its own, as Elasticsearch answers."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.command import Commands, end_group
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import SystemClock
from ansible_collections.evenkeel.ops.plugins.module_utils.core.waiting import Deadline, wait_until

from tests.testbed import CHECKOUT
from tests.testbed.postgres import free_port

_MEMORY = ("-Xms256m", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-Xshare:auto")


@contextlib.contextmanager
def serve_opensearch() -> Iterator[str]:
    """Its address, until the block ends.

    :raises FileNotFoundError: without a JDK and Maven
    """
    if not shutil.which("javac"):
        raise FileNotFoundError("OpenSearch wants a JDK (the package default-jdk-headless)")
    done = subprocess.run([str(CHECKOUT / "tools/java-part"), "opensearch"], text=True, capture_output=True, timeout=900, check=False)
    if done.returncode:
        raise FileNotFoundError(f"OpenSearch could not be put together: {done.stderr[-2000:]}")
    folder, port = Path(tempfile.mkdtemp(prefix="evenkeel-opensearch-")), free_port()
    source = Path(__file__).with_name("OpenSearchNode.java")
    with (folder / "log").open("wb") as log:
        process = Commands().start(["java", *_MEMORY, "-cp", f"{done.stdout.strip()}/*", str(source), str(folder), str(port)],
                                   stdout=log.fileno(), stderr=subprocess.STDOUT, text=False, cwd=str(folder))
    url = f"http://127.0.0.1:{port}"

    def ready() -> bool:
        if process.poll() is not None:
            raise RuntimeError(f"OpenSearch ended: {(folder / 'log').read_text(errors='replace')[-3000:]}")
        try:
            return ask(url, "GET", "/_cluster/health")["status"] in ("green", "yellow")
        except (OSError, KeyError):
            return False

    try:
        wait_until(ready, deadline=Deadline(SystemClock(), 120), what="OpenSearch to answer", interval=0.3)
        yield url
    finally:
        end_group(process)
        shutil.rmtree(folder, ignore_errors=True)


def ask(url: str, method: str, path: str, body: Any = None) -> Any:
    """One exchange of JSON."""
    request = urllib.request.Request(url + path, method=method, data=None if body is None else json.dumps(body).encode(),
                                     headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read())


def put(url: str, index: str, documents: Iterable[Mapping[str, Any]]) -> None:
    """Documents, to be found at once."""
    lines = "".join(f'{{"index":{{}}}}\n{json.dumps(document)}\n' for document in documents)
    request = urllib.request.Request(f"{url}/{index}/_bulk?refresh=true", method="POST", data=lines.encode(),
                                     headers={"Content-Type": "application/x-ndjson"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert not json.loads(answer.read())["errors"]
