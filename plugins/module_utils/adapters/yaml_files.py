# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""YAML through PyYAML: plain data out, plain data in."""

from __future__ import annotations

from typing import Any

from ..core.errors import Damaged, LibraryMissing

_HEAD = "# Written by evenkeel.ops from policy; what is changed here is changed back.\n"
_WIDTH = 120


def to_yaml(document: Any) -> str:
    """A document as people read it, keys in their order, with a line that says who wrote it.

    :raises LibraryMissing: without PyYAML
    """
    yaml = _library()

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:
            return True

    # Words of a task are strings of Ansible's own kinds (tagged, unsafe): here they are words.
    Dumper.add_multi_representer(str, lambda dumper, text: dumper.represent_str(str(text)))
    return _HEAD + yaml.dump(document, Dumper=Dumper, sort_keys=False, allow_unicode=True, default_flow_style=False, width=_WIDTH)


def from_yaml(text: str, *, what: str) -> Any:
    """The data of a document.

    :raises Damaged: for what is no YAML
    :raises LibraryMissing: without PyYAML
    """
    yaml = _library()
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise Damaged(f"{what} is no YAML: {' '.join(str(error).split())[:200]}", hint="See who wrote it") from error


def _library() -> Any:
    try:
        import yaml
    except ImportError as error:
        raise LibraryMissing("PyYAML") from error
    return yaml
