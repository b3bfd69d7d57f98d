# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real MinIO servers on the loopback, each a region of its own."""

from __future__ import annotations

import contextlib
import os
import secrets
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

from tests.testbed.changing_files import files_below
from tests.testbed.parts import part
from tests.testbed.postgres import free_port


@dataclass(frozen=True)
class Minio:
    """A running server. ``options`` are those of the option ``s3``; ``folder`` is where it keeps everything."""

    port: int
    region: str
    access_key: str
    secret_key: str
    folder: Path

    def options(self, *, port: int | None = None, **more: Any) -> dict[str, Any]:
        """The option ``s3``, through another port (a proxy) where one is given."""
        return {"endpoint": f"http://127.0.0.1:{port or self.port}", "region": self.region, "access_key": self.access_key,
                "secret_key": self.secret_key, **more}

    def client(self) -> Any:
        """Of boto3."""
        import boto3
        return boto3.client("s3", endpoint_url=f"http://127.0.0.1:{self.port}", region_name=self.region,
                            aws_access_key_id=self.access_key, aws_secret_access_key=self.secret_key)

    def bucket(self, name: str, *, lock: bool = False) -> str:
        """A new bucket, with object lock where that is wanted."""
        where = {} if self.region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": self.region}}
        self.client().create_bucket(Bucket=name, ObjectLockEnabledForBucket=lock, **where)
        return name

    def parts(self) -> list[Path]:
        """The files of parts of uploads that were neither completed nor aborted, as they lie on the server's disk."""
        return sorted(path for path in files_below(self.folder / ".minio.sys" / "multipart") if path.name.startswith("part."))


@contextlib.contextmanager
def serve_minio(region: str = "us-east-1") -> Iterator[Minio]:
    """A server until the block ends.

    :raises FileNotFoundError: where it cannot be built
    """
    program = part("minio")
    folder = Path(tempfile.mkdtemp(prefix="evenkeel-minio-"))
    server = Minio(free_port(), region, "evenkeel", secrets.token_hex(16), folder)
    environment = {**os.environ, "MINIO_ROOT_USER": server.access_key, "MINIO_ROOT_PASSWORD": server.secret_key,
                   "MINIO_SITE_REGION": region, "MINIO_BROWSER": "off", "MINIO_UPDATE": "off", "HOME": str(folder)}
    process = Commands().start([program, "server", "--quiet", "--address", f"127.0.0.1:{server.port}", str(folder)],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    try:
        wait_until(lambda: _answers(server), deadline=Deadline(SystemClock(), 60), what=f"MinIO on port {server.port}")
        yield server
    finally:
        end_group(process)
        shutil.rmtree(folder, ignore_errors=True)


def _answers(server: Minio) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        if probe.connect_ex(("127.0.0.1", server.port)):
            return False
    with contextlib.suppress(Exception):  # it says 503 until it is ready
        server.client().list_buckets()
        return True
    return False
