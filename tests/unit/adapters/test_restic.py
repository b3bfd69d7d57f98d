# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""adapters/restic.py: what a target may be, and which error a failure of restic is."""

from __future__ import annotations

import hashlib

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.command import Commands, Completed
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.restic import Restic, ResticTarget, _told_apart, _trouble
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import AccessDenied, Damaged, InvalidOption

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
    ("Fatal: Unmarshal: illegal base64 data at input byte 160", "Damaged"),
    ("error for tree x:\n  id y not found in repository", "Damaged"),
    ("Fatal: something else", "CommandFailed"), ("", "CommandFailed")])
def test_failures_are_told_apart_and_say_what_to_do(said, error):
    told = _told_apart(Completed(["restic"], 1, "", said, 0.1), "/srv/restic")
    assert type(told).__name__ == error and told.hint


@pytest.mark.parametrize(("altered", "error"), [(True, Damaged), (False, AccessDenied)])
def test_where_no_key_fits_an_altered_key_is_told_from_a_wrong_password(tmp_path, clock, altered, error):
    program, keys = tmp_path / "restic", tmp_path / "repository" / "keys"
    program.write_text("#!/bin/sh\necho 'Fatal: wrong password or no key found' >&2\nexit 1\n")
    program.chmod(0o755)
    keys.mkdir(parents=True)
    (keys / hashlib.sha256(b"key").hexdigest()).write_bytes(b"kex" if altered else b"key")
    (keys / "note").write_bytes(b"of somebody")
    target = ResticTarget.from_options({**GOOD, "repository": str(keys.parent)})
    with pytest.raises(error) as caught:
        Restic(Commands(), target, clock, [str(tmp_path)]).check(1, 1, timeout=10)
    assert caught.value.hint


def test_what_vanished_is_told_from_what_could_not_be_read():
    vanished, unread = _trouble(
        '{"message_type":"error","error":{"Op":"lstat","Err":2},"item":"/a"}\n{"message_type":"error","error":{"Err":13},"item":"/b"}\n'
        '{"message_type":"error","error":{},"item":"/c"}\n/d does not exist, skipping\nWarning: at least one\n[]\n')
    assert (vanished, unread) == (["/a", "/d"], ["/b", "/c"])
