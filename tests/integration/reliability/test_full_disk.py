# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A full disk is told: ENOSPC at each write of create, verify and restore, on a small tmpfs in a mount namespace of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT, missing
from tests.integration.reliability.figures import FULL

PROMISE = "a full disk is told"


@pytest.mark.parametrize("work", ["backup", "backup_verify", "backup_restore"])
def test_no_write_that_fails_for_want_of_space_is_taken_for_a_success(figure, tmp_path, work):
    rooted = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    space = ["unshare", "--mount", *rooted, "--propagation", "private"]
    if subprocess.run([*space, "true"], capture_output=True, check=False).returncode:
        missing("A mount namespace (unshare)")
    done = subprocess.run(
        [*space, sys.executable, "-m", "tests.integration.reliability.full_disk", work, str(tmp_path), "full" if FULL else "small"],
        cwd=ROOT, text=True, capture_output=True, check=False, timeout=900)
    assert done.returncode == 0, done.stderr[-3000:]
    seen = json.loads(done.stdout.splitlines()[-1])
    figure(PROMISE, {"backup": "a backup of files, on a tmpfs with room for one page or one file more each time",
                     "backup_verify": "a verification and its record, on such a tmpfs",
                     "backup_restore": "a restore of files, to such a tmpfs"}[work],
           f"{seen['sizes']} sizes, of which {seen['told']} were too small and said so ({', '.join(seen['words'])}): "
           f"false successes {seen['false']}, "
           f"told without a hint {seen['mute']}, earlier copies harmed {seen['harmed']}, left behind after room was made {seen['left']}")
    assert seen["told"] >= 3 and seen["succeeded"], "the sizes must span what is too small and what is enough"
    assert (seen["false"], seen["mute"], seen["harmed"], seen["left"]) == (0, 0, 0, 0), seen
