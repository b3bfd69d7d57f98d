# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""adapters/restic.py: what a target may be, and which error a failure of restic is."""

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.command import Completed
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.restic import ResticTarget, _told_apart, _trouble
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import InvalidOption

GOOD = {"repository": "/srv/restic", "password_file": "/root/password", "lock_timeout": "2m"}


@pytest.mark.parametrize("wrong", [
    {"repository": ""}, {"password_file": ""}, {"repository": "srv/restic"}, {"repository": "-r"}, {"lock_timeout": "soon"},
    {"repository": "rest:https://user:word@host/x"}])
def test_a_target_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(InvalidOption):
        ResticTarget.from_options({**GOOD, **wrong})


def test_what_a_backup_remembers_comes_after_what_is_told_but_for_the_repository():
    target = ResticTarget.from_options({"password_file": "/new", "repository": "/elsewhere", "lock_timeout": "1s"},
                                       {"repository": "/srv/restic", "password_file": "/old", "credentials_file": "/keys", "name": "x"})
    assert (target.repository, target.password_file, target.credentials_file, target.lock_timeout) == ("/srv/restic", "/new", "/keys", 1)
    assert target.remembered == {"repository": "/srv/restic", "password_file": "/new", "credentials_file": "/keys"}


@pytest.mark.parametrize(("said", "error"), [
    ("Fatal: unable to open config file: stat /x/config: no such file or directory\nIs there a repository at", "NotFound"),
    ("Fatal: unable to open config file: Stat: The specified bucket does not exist", "NotFound"),
    ("Fatal: wrong password or no key found", "AccessDenied"),
    ("Fatal: unable to open config file: Stat: Access Denied.", "AccessDenied"),
    ("Fatal: unable to save snapshot: write /x: no space left on device", "StorageFailed"),
    ("Fatal: unable to open config file: dial tcp 127.0.0.1:1: connect: connection refused\nIs there a repository at", "Unreachable"),
    ("Fatal: repository contains errors", "Damaged"),
    ("error for tree x:\n  id y not found in repository", "Damaged"),
    ("Fatal: something else", "CommandFailed"), ("", "CommandFailed")])
def test_failures_are_told_apart_and_say_what_to_do(said, error):
    told = _told_apart(Completed(["restic"], 1, "", said, 0.1), "/srv/restic")
    assert type(told).__name__ == error and told.hint


def test_what_vanished_is_told_from_what_could_not_be_read():
    vanished, unread = _trouble(
        '{"message_type":"error","error":{"Op":"lstat","Err":2},"item":"/a"}\n{"message_type":"error","error":{"Err":13},"item":"/b"}\n'
        '{"message_type":"error","error":{},"item":"/c"}\n/d does not exist, skipping\nWarning: at least one\n[]\n')
    assert (vanished, unread) == (["/a", "/d"], ["/b", "/c"])
