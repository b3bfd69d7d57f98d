# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names, headers, and what may not stand in any file."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT

FILES = [ROOT / line for line in subprocess.run(
    ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, text=True, capture_output=True, check=True,
).stdout.splitlines() if (ROOT / line).is_file() and not (ROOT / line).is_symlink()]
PYTHON = [path for path in FILES if path.suffix == ".py" and path.stat().st_size]
SCRIPTS = [path for path in FILES if path.parent.name in ("tools", ".ci")]


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_there_are_files_to_look_at():
    assert len(PYTHON) > 20


@pytest.mark.parametrize("path", PYTHON + SCRIPTS, ids=relative)
def test_a_file_says_its_license(path):
    assert "SPDX-License-Identifier: GPL-3.0-or-later" in "\n".join(path.read_text(encoding="utf-8").splitlines()[:6])


@pytest.mark.parametrize("path", [path for path in PYTHON if path.is_relative_to(ROOT / "plugins")], ids=relative)
def test_a_file_has_one_subject(path):
    """300 lines ask to be thought about again; documentation of a module does not count."""
    text = re.sub(r'^(DOCUMENTATION|EXAMPLES|RETURN) = r?""".*?"""', "", path.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    assert len(text.splitlines()) <= 360


@pytest.mark.parametrize("path", [path for path in PYTHON if path.is_relative_to(ROOT / "plugins")], ids=relative)
def test_names_say_what_a_thing_is(path):
    names = re.findall(r"^\s*(?:class|def) (\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    for name in [path.stem, *names]:
        own = re.sub("(?i)alertmanager", "", name)  # a product is called so
        assert not re.search(r"(?i)(^|_)(utils?|helpers?|manager|common)($|_)|(?:Utils?|Helper|Manager)$", own), name


@pytest.mark.parametrize("path", [path for path in FILES if path.suffix in (".py", ".yml", ".md", ".txt", ".j2", ".cfg", ".toml", "")],
                         ids=relative)
def test_nothing_names_a_workplace_or_a_registry(path):
    if path.name in ("test_words.py", "COPYING"):
        return
    text = path.read_text(encoding="utf-8", errors="replace")
    assert not re.search(r"/work/|pypi\.org|files\.pythonhosted|registry\.npmjs|deb\.debian\.org|proxy\.golang", text)
