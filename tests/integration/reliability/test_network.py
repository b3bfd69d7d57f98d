# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The network may be cut, at any request to S3, and the server may fall silent: nothing corrupt, nothing orphaned, no long wait."""

from __future__ import annotations

import io
import os
import re
import time
from collections import Counter
from pathlib import Path

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters import storage
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.command import Commands
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.compression import Zstd
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.encryption import AgeCipher
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.object_place import ObjectPlace
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.tar import Tar
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.archive_engine import ArchiveEngine, ArchivePolicy
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.create import CreationPolicy, create_backup
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.payload import Codecs, checksum, load
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.repository import Repository
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import SystemClock
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import Busy, OpsError

from tests.conftest import missing
from tests.integration.reliability.figures import scaled
from tests.testbed.cuts import ANSWER, BEFORE, SILENCE, WITHIN, WITHIN_ANSWER, cuts
from tests.testbed.minio import serve_minio

CLOCK, CODECS = SystemClock(), Codecs(Zstd(), AgeCipher())
PART = 5 * 2**20
# Seconds. PATIENCE is where no answer is waited for in vain: there a busy machine may take its time.
TIMEOUT, PATIENCE, ATTEMPTS, LEASE = 1.0, 30.0, 2, 3.0
ALLOWED = TIMEOUT * ATTEMPTS
# Requests that write, by what they do. They are counted by kind, for what is read before them differs from run to run.
WRITES = {kind: re.compile(pattern) for kind, pattern in {
    "lease": r"PUT \S+/lease/", "begin": r"POST \S+\?uploads", "part": r"PUT \S+partNumber=", "complete": r"POST \S+uploadId=",
    "manifest": r"PUT \S+manifest\.json"}.items()}


def writes(requests: list[str]) -> list[tuple[str, int]]:
    """Kind and number, from 0, of each request that wrote."""
    return [(kind, number) for kind, pattern in WRITES.items() for number in range(sum(bool(pattern.search(one)) for one in requests))]


class Fault:
    """Does its harm to one request that writes; with ``lasting`` to all that come after it too."""

    def __init__(self, fault: str, kind: str, number: int, *, lasting: bool = False) -> None:
        self._fault, self._pattern, self._left, self._lasting = fault, WRITES[kind], number, lasting
        self.met = False
        self.last_answer = time.monotonic()

    def __call__(self, at: int, method: str, path: str) -> str | None:
        if self.met:
            return self._fault if self._lasting else None
        if self._pattern.search(f"{method} {path}"):
            if not self._left:
                self.met = True
                return self._fault
            self._left -= 1
        self.last_answer = time.monotonic()
        return None


@pytest.fixture(scope="module")
def minio():
    try:
        with serve_minio() as server:
            yield server
    except FileNotFoundError as error:
        missing(str(error))


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    """Bytes that do not compress, for three parts and a bit."""
    folder = tmp_path_factory.mktemp("source")
    (folder / "data").write_bytes(os.urandom(3 * PART + 1000))
    return folder


def repository(minio, bucket, port=None, *, timeout=PATIENCE):
    options = minio.options(port=port, part_size=str(PART), timeout=f"{timeout:g}s", attempts=ATTEMPTS, lease=f"{LEASE:g}s", jobs=2)
    return Repository(ObjectPlace.from_url(f"s3://{bucket}/backups", options, CLOCK), "shop", "test")


def back_up(where, source, tmp_path):
    engine = ArchiveEngine(Tar(Commands()), ArchivePolicy((str(source),), compress=False), CLOCK, storage.tree_bytes, tmp_path / "none")
    return create_backup(where, "files", engine, CODECS, CreationPolicy(scratch=tmp_path), CLOCK, free_bytes=storage.free_bytes).backup


def back_up_when_free(where, source, tmp_path):
    """Once the lease of the run that was cut off has run out."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return back_up(where, source, tmp_path)
        except Busy:
            assert time.monotonic() < deadline
            time.sleep(0.2)


def corrupt(where) -> int:
    """Of the backups that are listed, those that are not what their manifest says, every byte read."""
    survey = where.survey()
    bad = len(survey.unreadable)
    for backup in survey.backups:
        try:
            for file in backup.manifest.files:
                checksum(backup, file)
        except OpsError:
            bad += 1
    return bad


def test_a_reset_at_each_request_is_survived(minio, source, tmp_path, figure):
    """Each request that sends a part, begins, completes or commits is cut once: before it, within it, and when its answer comes;
    every day at one of the three."""
    bucket = minio.bucket("resets")
    with cuts(minio.port) as proxy:
        back_up_when_free(repository(minio, "resets", proxy.port), source, tmp_path)
        whole = list(proxy.requests)
    assert writes(whole).count(("part", 3)) == 1
    seen: Counter = Counter()
    for first, where in enumerate((BEFORE, WITHIN, ANSWER)):
        for kind, number in writes(whole)[scaled(0, first)::scaled(1, 3)]:
            fault = Fault(where, kind, number)
            with cuts(minio.port, fault) as proxy:
                made = back_up_when_free(repository(minio, bucket, proxy.port), source, tmp_path)
            if not fault.met:  # a lease that was renewed less often this time
                assert kind == "lease" and number
                continue
            seen["resets"] += 1
            seen["at parts"] += kind == "part"
            seen["made"] += made is not None
            seen["orphan parts"] += len(minio.parts())
    direct = repository(minio, bucket)
    seen["corrupt"] = corrupt(direct)
    figure("the network may be cut", "connections reset once at each request that writes to S3 (MinIO): before, within, at the answer",
           f"{seen['resets']} resets, {seen['at parts']} of them at parts: {seen['made']} backups made, corrupt objects {seen['corrupt']}, "
           f"orphan parts {seen['orphan parts']}")
    assert seen["corrupt"] == seen["orphan parts"] == 0 and seen["made"] == seen["resets"]
    assert len(direct.list()) >= 1 + seen["resets"]


@pytest.mark.parametrize("fault", [BEFORE, SILENCE])
def test_a_network_that_stays_cut_or_silent_ends_the_run_in_time_and_the_next_repairs(minio, source, tmp_path, fault, figure):
    bucket = minio.bucket(f"lost-{fault}")
    with cuts(minio.port) as proxy:
        back_up_when_free(repository(minio, bucket, proxy.port), source, tmp_path)
        whole = list(proxy.requests)
    direct, seen, overruns = repository(minio, bucket), Counter(), []
    once = [one for one in writes(whole) if one[0] != "lease" or not one[1]]
    for kind, number in once[::scaled(1, 3)] if fault == BEFORE else once[scaled(0, 1)::scaled(2, 3)]:
        for _attempt in range(5):  # on a busy machine an answer may be too late before the fault is met
            lasting = Fault(fault, kind, number, lasting=True)
            with cuts(minio.port, lasting) as proxy:
                try:
                    timeout = TIMEOUT if fault == SILENCE else PATIENCE
                    back_up_when_free(repository(minio, bucket, proxy.port, timeout=timeout), source, tmp_path)
                    ended = "ended well"  # only what comes after the manifest was lost
                except OpsError as error:
                    assert error.hint
                    ended = "told"
                if lasting.met:
                    overruns.append(time.monotonic() - lasting.last_answer - ALLOWED)
                    break
        assert lasting.met
        seen[ended] += 1
        seen["runs"] += 1
        seen["corrupt"] += corrupt(direct)
    time.sleep(LEASE)
    assert back_up_when_free(direct, source, tmp_path)
    seen["corrupt"] += corrupt(direct)
    seen["orphan parts"] = len(minio.parts())
    figure("the network may be cut", f"S3 (MinIO) {'says nothing more' if fault == SILENCE else 'is cut off'} from each such request on",
           f"{seen['runs']} runs, {seen['told']} told, the others were over: corrupt objects {seen['corrupt']}, orphan parts after "
           f"the next run {seen['orphan parts']}, longest overrun of the {ALLOWED:g} s allowed {max(overruns):.1f} s")
    assert seen["corrupt"] == seen["orphan parts"] == 0 and seen["told"] + seen["ended well"] == seen["runs"]
    assert max(overruns) < 30  # some requests one after the other, each with its pause before the second attempt


def test_reading_goes_on_where_a_connection_broke(minio, source, tmp_path):
    bucket = minio.bucket("reading")
    made = back_up(repository(minio, bucket), source, tmp_path)
    [file] = made.manifest.files
    answers = Counter()

    def decide(at, method, path):
        if method == "GET" and file.path in path:
            answers["gets"] += 1
            return WITHIN_ANSWER if answers["gets"] <= 1 else None
        return None

    with cuts(minio.port, decide) as proxy:
        where = repository(minio, bucket, proxy.port)
        out = io.BytesIO()
        load(where.open(made.id), file, out, CODECS)
    assert answers["gets"] == 2 and len(out.getvalue()) == file.bytes
