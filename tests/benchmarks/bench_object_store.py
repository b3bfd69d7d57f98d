# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sending payload to a bucket against ``aws s3 cp``; each in a process of its own, start-up included."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ansible_collections.evenkeel.ops.plugins.module_utils.core.quantities import format_size

from tests.benchmarks.harness import Row, side_by_side
from tests.conftest import ROOT
from tests.testbed.awscli import aws
from tests.testbed.minio import serve_minio

SCALE = float(os.environ.get("EVENKEEL_BENCH_SCALE", "1"))
SIZE = int(512 * 2**20 * SCALE)
_OURS = """
import json, sys
from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder
_AnsibleCollectionFinder(paths=[sys.argv[1]])._install()
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.object_place import ObjectPlace
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import SystemClock
place = ObjectPlace.from_url("s3://bench/ours", json.loads(sys.argv[2]), SystemClock())
with open(sys.argv[3], "rb") as stream:
    place.put("payload", stream, int(sys.argv[4]), sys.argv[5])
"""


def rows() -> Iterator[Row]:
    """One file of random bytes, to a MinIO on this machine."""
    program = aws()
    with serve_minio() as server, tempfile.TemporaryDirectory(prefix="evenkeel-bench-") as home:
        server.bucket("bench")
        payload, digest = Path(home) / "payload", hashlib.sha256()
        with payload.open("wb") as stream:
            for _block in range(SIZE // 2**20):
                block = os.urandom(2**20)
                digest.update(block)
                stream.write(block)
        size = payload.stat().st_size
        options = server.options()
        environment = {**os.environ, "AWS_ACCESS_KEY_ID": server.access_key, "AWS_SECRET_ACCESS_KEY": server.secret_key,
                       "AWS_DEFAULT_REGION": server.region}

        def ours() -> None:
            subprocess.run([sys.executable, "-c", _OURS, str(ROOT / "collections"), json.dumps(options), str(payload), str(size),
                            digest.hexdigest()], check=True)

        def theirs() -> None:
            subprocess.run([program, "s3", "cp", "--quiet", "--endpoint-url", options["endpoint"], str(payload), "s3://bench/theirs"],
                           env=environment, check=True)

        mine, peer = side_by_side(ours, theirs)
        yield Row(f"upload of {format_size(size)} to MinIO, SHA-256 from end to end", "aws s3 cp", mine / peer, 1 / 0.9, False,
                  f"{mine:.1f} s, {format_size(size / mine)}/s; theirs {peer:.1f} s, {format_size(size / peer)}/s")
