# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Python loads this at its start where PYTHONPATH leads here: what Ansible imports is compiled once for all processes.

Ansible sends a module as an archive of sources, which each task compiles anew: most of what a task costs on the machine that also runs
the tests. What it loads from a collection it compiles anew in each process too. The code is kept by the digest of its source in the folder
EVENKEEL_TEST_BYTECODE; without it nothing changes.
"""

from __future__ import annotations

import os

_FOLDER = os.environ.get("EVENKEEL_TEST_BYTECODE")

if _FOLDER:
    import hashlib
    import marshal
    import sys
    import zipimport

    def _kept(source, make):
        kept = os.path.join(_FOLDER, f"{hashlib.sha256(source).hexdigest()}.{sys.implementation.cache_tag}")
        try:
            with open(kept, "rb") as file:  # noqa: PTH123 - pathlib would cost more than this saves
                return marshal.loads(file.read())
        except (OSError, ValueError, EOFError, TypeError):
            pass
        code = make()
        unfinished = f"{kept}.{os.getpid()}"
        try:  # another account may neither read nor write there
            with open(unfinished, "wb") as file:  # noqa: PTH123
                file.write(marshal.dumps(code))
            os.replace(unfinished, kept)
        except OSError:
            pass
        return code

    _compile = zipimport._compile_source
    zipimport._compile_source = lambda path, source: _kept(source, lambda: _compile(path, source))


def compile_collections_once():
    """For a process that has Ansible's loader of collections, which asks for ``compile`` by that name."""
    if _FOLDER:
        from ansible.utils.collection_loader import _collection_finder as loader

        def compile_once(*, source, filename, **how):
            written = source.encode() if isinstance(source, str) else source
            return _kept(f"{filename} {how}\n".encode() + written, lambda: compile(source, filename, **how))

        loader.compile = compile_once
