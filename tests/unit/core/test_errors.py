# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""One tree of errors, each with what to do."""

from __future__ import annotations

import json

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.core import errors
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import LibraryMissing, OpsError, Unreachable

TREE = [error for error in vars(errors).values() if isinstance(error, type) and issubclass(error, OpsError)]


def test_the_drawing_of_the_tree_names_every_error():
    drawn = {line.split()[1] for line in errors.__doc__.splitlines() if "──" in line}
    assert drawn == {error.__name__ for error in TREE} - {"OpsError"}


@pytest.mark.parametrize("error", [error for error in TREE if error is not LibraryMissing], ids=lambda error: error.__name__)
def test_an_error_says_what_and_what_to_do_and_is_plain_json(error):
    raised = error("No answer from db1", hint="See its log", evidence={"port": 5432})
    assert str(raised) == "No answer from db1. See its log" and raised.message == "No answer from db1"
    assert json.loads(json.dumps(raised.as_result([{"check": "host.cpu"}]))) == {
        "failed": True, "msg": "No answer from db1. See its log", "findings": [{"check": "host.cpu"}],
        "error": error.__name__, "hint": "See its log", "evidence": {"port": 5432}}


def test_without_a_hint_the_message_stands_alone():
    assert str(Unreachable("No answer")) == "No answer" and Unreachable("x").evidence == {}


def test_what_ends_a_sentence_already_gets_no_second_stop():
    assert str(Unreachable("Is it running?", hint="See its log")) == "Is it running? See its log"


def test_a_missing_library_is_named_with_its_place():
    assert "psutil" in LibraryMissing("psutil").message and "pip install 'psutil'" in LibraryMissing("psutil").hint
