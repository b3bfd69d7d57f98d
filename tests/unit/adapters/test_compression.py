# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""zstd's own threads: gone after the end of a stream, and waited for by nobody where the stream was given up."""

from __future__ import annotations

import io
import random
import subprocess
import sys

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.compression import Zstd

from tests.conftest import ROOT

# Each line of /proc/self/task is a thread; those of zstd work at blocks that take them seconds when the stream is dropped.
_GIVEN_UP = """
import os, random
import tests.testbed
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.compression import Zstd

class Source:
    left = {blocks}

    def read(self, size):
        self.left -= 1
        if self.left < 0 and {given_up}:
            raise KeyboardInterrupt
        return random.Random(self.left).randbytes(size) if self.left >= 0 else b""

before = len(os.listdir("/proc/self/task"))
stream = Zstd(level=19, threads=2).compressing(Source())
try:
    while stream.read(1 << 20):
        pass
except KeyboardInterrupt:
    pass
del stream
print(len(os.listdir("/proc/self/task")) - before)
"""


@pytest.mark.parametrize("blocks, given_up, threads", [(40, True, 2), (2, False, 0)])
def test_nobody_waits_for_a_stream_that_was_given_up(blocks, given_up, threads):
    done = subprocess.run([sys.executable, "-c", _GIVEN_UP.format(blocks=blocks, given_up=given_up)], cwd=ROOT, capture_output=True,
                          text=True, timeout=120, check=False)
    assert (done.stdout.strip(), done.stderr, done.returncode) == (str(threads), "", 0)


@pytest.mark.parametrize("threads", [0, 2])
def test_what_is_compressed_is_what_comes_out(threads):
    plain = random.Random(7).randbytes(100_000) * 30
    stream, packed = Zstd(level=3, threads=threads).compressing(io.BytesIO(plain)), io.BytesIO()
    while block := stream.read(65536):
        packed.write(block)
    out = io.BytesIO()
    Zstd().decompressing(out).write(packed.getvalue())
    assert out.getvalue() == plain and len(packed.getvalue()) < len(plain) / 2 and not stream.read(1)
