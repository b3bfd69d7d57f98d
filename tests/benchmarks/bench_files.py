# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files: restic through us against bare restic; a verification by hashes against sha256sum. ``EVENKEEL_BENCH_SCALE`` as for backups.

Whole runs of the module are measured, start-up included; of the verification its own rate, as sha256sum has no start-up to speak of.
"""

from __future__ import annotations

import os
import random
import shutil
import statistics
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pyrage
from ansible_collections.evenkeel.ops.plugins.module_utils.core.quantities import format_size

from tests.benchmarks.bench_backups import GIB, SCALE, database, packed, run_packed
from tests.benchmarks.harness import Row, seconds, side_by_side
from tests.testbed import postgres

_FILE = 4 * 2**20


def rows() -> Iterator[Row]:
    """Each in a folder of its own."""
    folder = Path(tempfile.mkdtemp(prefix="evenkeel-bench-"))
    try:
        if shutil.which("restic"):
            yield from _restic(folder)
        yield from _hashes(folder)
    finally:
        shutil.rmtree(folder)


def _fill(folder: Path, size: float) -> None:
    """Files of 4 MiB, half of each random and half text, no two alike."""
    dice = random.Random(1)
    for number in range(max(8, int(size / _FILE))):
        path = folder / f"{number % 32:02}" / f"{number}.data"
        path.parent.mkdir(parents=True, exist_ok=True)
        words = b" ".join(b"%x" % dice.getrandbits(20) for _word in range(20000)) * 20
        path.write_bytes(dice.randbytes(_FILE // 2) + words[: _FILE // 2])


def _restic(folder: Path) -> Iterator[Row]:
    source, password = folder / "source", folder / "password"
    _fill(source, 3 * GIB * SCALE)
    password.write_text("password")
    environment = {**os.environ, "RESTIC_PASSWORD_FILE": str(password)}

    def restic(repository: Path, *arguments: str) -> None:
        subprocess.run(["restic", "-r", str(repository), "--quiet", *arguments], env=environment, check=True)

    restic(folder / "empty", "init")

    def fresh(name: str) -> Path:
        for path in (folder / name, folder / f"{name}-ours"):
            shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(folder / "empty", folder / name)
        return folder / name

    def program(mode: str) -> bytes:
        return packed("backup", {
            "repository": str(folder / "mine-ours"), "plan": "files", "engine": "restic", "paths": [str(source)], "fingerprint": mode,
            "restic": {"repository": str(folder / "mine"), "password_file": str(password)}})

    size, told = format_size(_bytes(source)), {mode: program(mode) for mode in ("off", "full")}

    def first(mode: str) -> tuple[float, float]:
        pairs = []
        for _turn in range(3):
            fresh("mine")
            mine = seconds(lambda: run_packed(told[mode]))
            fresh("bare")
            pairs.append((mine, seconds(lambda: restic(folder / "bare", "backup", str(source)))))
        return statistics.median(one for one, _other in pairs), statistics.median(other for _one, other in pairs)

    for mode, reach in (("off", 1.05), ("full", None)):
        mine, theirs = first(mode)
        yield Row(f"first restic backup of {size}, fingerprint {mode}", "bare restic backup", mine / theirs, reach, False,
                  f"{mine:.1f} s; bare {theirs:.1f} s")
    changed = iter(range(10**6))

    def touch() -> None:
        for number in range(8):
            (source / f"{number:02}" / f"new-{next(changed)}").write_bytes(os.urandom(_FILE))

    def hourly() -> None:
        run_packed(told["full"])

    def bare_hourly() -> None:
        restic(folder / "bare", "backup", str(source))

    pairs = []
    for _turn in range(3):
        touch()
        pairs.append((seconds(hourly), seconds(bare_hourly)))
    mine, theirs = (statistics.median(pair[place] for pair in pairs) for place in (0, 1))
    yield Row(f"hourly restic backup, 32 MiB of {size} new, fingerprint full", "bare restic backup", mine / theirs, None, False,
              f"{mine:.2f} s; bare {theirs:.2f} s")


def _hashes(folder: Path) -> Iterator[Row]:
    newest = max(postgres.installations(), key=lambda one: one.major)
    repository = folder / "repository"
    with postgres.running_server(newest, settings={"shared_buffers": "256MB", "max_wal_size": "4GB"}) as (_server, target):
        shop = database(target, "shop", 2 * GIB * SCALE)
        made, _peak = run_packed(packed("backup", {
            "repository": str(repository), "plan": "shop", "engine": "pg_dump", "bin_dir": newest.folder, "login_host": shop.host,
            "login_port": shop.port, "login_password": shop.password, "login_db": shop.database, "compression": "none",
            "fingerprint": "off", "recipients": [str(pyrage.x25519.Identity.generate().to_public())]}))
    data, cores = Path(made["backup"]["path"], "data"), os.cpu_count() or 1
    verify = packed("backup_verify", {"repository": str(repository), "max_age": "0s", "jobs": cores})
    rates: list[float] = []

    def ours() -> None:
        answer, _peak = run_packed(verify)
        [told] = answer["verifications"]
        assert told["depth"] == "hashes" and told["status"] == "pass"
        rates.append(told["bytes_read"] / told["seconds"])

    def theirs() -> None:
        files = b"\0".join(os.fsencode(path) for path in sorted(data.rglob("*")) if path.is_file())
        subprocess.run(["xargs", "-0", "-n1", f"-P{cores}", "sha256sum"], input=files, check=True, stdout=subprocess.DEVNULL)

    _whole, bare = side_by_side(ours, theirs)
    mine, peer = statistics.median(rates), _bytes(data) / bare
    yield Row(f"rate of a verification by hashes, {format_size(_bytes(data))} in {len(list(data.rglob('*')))} files",
              f"sha256sum on {cores} cores", mine / peer, 0.9, True, f"{format_size(mine)}/s; sha256sum {format_size(peer)}/s")


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
