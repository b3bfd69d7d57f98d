# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files are whole or not there, and private."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import StorageFailed
from ansible_collections.evenkeel.ops.plugins.module_utils.core.files import private_folder, write_atomically
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import ROOT

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1).filter(
    lambda name: name not in (".", "..") and len(name.encode()) <= 255)


@pytest.mark.parametrize("umask", [0, 0o022, 0o777])
@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_the_mode_is_what_was_asked_for_whatever_the_umask(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        write_atomically(tmp_path / "file", b"x", mode=mode)
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o7777 == mode


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(NAMES, st.binary())
def test_any_name_and_content_is_written_and_nothing_else_is_left(tmp_path, name, data):
    write_atomically(tmp_path / name, data)
    assert (tmp_path / name).read_bytes() == data and os.listdir(tmp_path) == [name]
    (tmp_path / name).unlink()


def test_a_name_of_the_greatest_length_can_be_written(tmp_path):
    write_atomically(tmp_path / ("ü" * 127), b"x")
    write_atomically(tmp_path / ("n" * 255), b"x")
    with pytest.raises(StorageFailed) as error:
        write_atomically(tmp_path / ("n" * 256), b"x")
    assert error.value.hint == "Use a shorter name"


def test_a_link_is_replaced_and_what_it_points_to_stays(tmp_path):
    (tmp_path / "precious").write_text("old")
    (tmp_path / "link").symlink_to(tmp_path / "precious")
    write_atomically(tmp_path / "link", b"new")
    assert (tmp_path / "precious").read_text() == "old" and not (tmp_path / "link").is_symlink()


@pytest.mark.parametrize("make, hint", [
    (lambda folder: folder / "gone" / "file", "Create the folder"),
    (lambda folder: folder, "A folder has this name"),
])
def test_what_cannot_be_written_says_why_and_leaves_nothing(tmp_path, make, hint):
    target = tmp_path / "here"
    target.mkdir()
    with pytest.raises(StorageFailed) as error:
        write_atomically(make(target), b"x")
    assert hint in error.value.hint and error.value.evidence["errno"] and os.listdir(tmp_path) == ["here"]


def test_a_full_device_leaves_the_old_content_and_no_temporary_file(tmp_path):
    code = "\n".join([
        "import resource, sys, tests.conftest, signal",
        "from ansible_collections.evenkeel.ops.plugins.module_utils.core.files import write_atomically",
        "from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import StorageFailed",
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)",
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))",
        "try: write_atomically(sys.argv[1], b'x' * 5000)",
        "except StorageFailed as error: print(error.evidence['errno'])",
    ])
    (tmp_path / "file").write_text("old")
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "file")], cwd=ROOT, text=True, capture_output=True, timeout=60,
                          check=True)
    assert done.stdout == "EFBIG\n" and (tmp_path / "file").read_text() == "old" and os.listdir(tmp_path) == ["file"]


def test_folders_are_private_and_those_that_are_there_stay_as_they_are(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there").chmod(0o755)
    before = os.umask(0)
    try:
        made = private_folder(tmp_path / "there" / "a" / "b")
    finally:
        os.umask(before)
    modes = [path.stat().st_mode & 0o777 for path in (tmp_path / "there", made.parent, made)]
    assert modes == [0o755, 0o700, 0o700] and private_folder(made) == made
    (made / "file").write_text("x")
    for path in (made / "file", made / "file" / "below"):
        with pytest.raises(StorageFailed) as error:
            private_folder(path)
        assert "choose another path" in error.value.hint
