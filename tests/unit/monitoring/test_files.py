# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are brought to a server: what is there is kept byte by byte, with its mode, until the server has read the new."""

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import CommandFailed, Unreachable
from ansible_collections.evenkeel.ops.plugins.module_utils.monitoring.files import Server, as_diff, as_values, bring, changes


def server(*answers):
    """Reloads as told: True, or what is raised."""
    left = list(answers)

    def reload():
        answer = left.pop(0)
        if answer is not True:
            raise answer

    return Server(reload, lambda: None, lambda: True)


def test_what_a_server_refuses_is_put_back_with_its_bytes_and_its_mode(tmp_path, clock):
    old, new = tmp_path / "old.yml", tmp_path / "below" / "new.yml"
    old.write_bytes(b"password: \xff\n")
    old.chmod(0o640)
    found = changes([(old, "a: 1\n"), (new, "b: 1\n")])
    with pytest.raises(CommandFailed, match="was not read") as refused:
        bring(found, server(Unreachable("no"), True), clock, patience=1)
    assert "as they were, and read again" in refused.value.hint
    assert old.read_bytes() == b"password: \xff\n" and old.stat().st_mode & 0o777 == 0o640 and not new.exists()


def test_what_is_written_keeps_the_mode_of_what_was_there(tmp_path, clock):
    file = tmp_path / "a.yml"
    file.write_text("old")
    file.chmod(0o600)
    assert bring(changes([(file, "new")]), server(True), clock, patience=1)
    assert file.read_text() == "new" and file.stat().st_mode & 0o777 == 0o600
    assert not bring(changes([(file, "new")]), server(), clock, patience=1)
    made = tmp_path / "b.yml"
    assert bring(changes([(made, "new")]), None, clock, patience=1) and made.stat().st_mode & 0o777 == 0o644


def test_a_diff_shows_no_secret_that_was_there(tmp_path):
    file = tmp_path / "a.yml"
    file.write_text("global:\n  smtp_auth_password: hush\n  'slack_api_url': \"hush\"\nreceivers:\n- routing_key: hush\n"
                    "  api_url_file: /etc/shown\n  to: shown@example.com\n")
    found = changes([(file, "new")])
    before = as_diff(found)["before"]
    assert "hush" not in before and before.count("********") == 3 and "/etc/shown" in before and "shown@example.com" in before
    assert as_values(found) == [{"path": str(file), "status": "changed"}]
