# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Listing what is really there."""

from __future__ import annotations


def test_it_lists_by_plan_status_tag_and_age_and_judges_ages(run_module, repository, odd_files):
    root = str(repository.root)
    ids = {}
    for plan, tags in (("first", ["release"]), ("second", []), ("first", [])):
        answer = run_module("backup", {"repository": root, "plan": plan, "engine": "archive", "paths": [str(odd_files)], "tags": tags})
        ids[plan, tuple(tags)] = answer["backup"]["id"]
    run_module("backup_verify", {"repository": root, "plans": ["second"]})

    def listed(**options):
        answer = run_module("backup_info", {"repository": root, **options})
        assert not answer.get("failed") and not answer["changed"], answer
        return [one["id"] for one in answer["backups"]]

    assert listed() == [ids["first", ()], ids["second", ()], ids["first", ("release",)]]
    assert listed(plans=["second"]) == listed(status=["verified"]) == [ids["second", ()]]
    assert listed(tags=["release"]) == [ids["first", ("release",)]]
    assert listed(older_than="1h") == [] and len(listed(younger_than="1h")) == 3
    answer = run_module("backup_info", {"repository": root, "at_least": "verified", "max_age": {"first": "1h", "second": "1h", "no": "1h"}})
    assert [(one["subject"], one["status"]) for one in answer["findings"]] == [("first", "fail"), ("second", "pass"), ("no", "fail")]
    [backup] = [one for one in answer["backups"] if one["plan"] == "second"]
    assert backup["status"] == "verified" and backup["verified_at"] and backup["proven_at"] is None


def test_a_repository_that_is_not_there_has_no_backups_and_no_folder_after(run_module, repository):
    answer = run_module("backup_info", {"repository": str(repository.root), "max_age": {"shop": "1d"}})
    assert answer["backups"] == [] and [one["status"] for one in answer["findings"]] == ["fail"]
    assert not repository.root.exists()


def test_bad_options_are_told(run_module, repository):
    for options in ({"max_age": {"shop": "-1d"}}, {"older_than": "soon"}, {"system": "../.."}):
        answer = run_module("backup_info", {"repository": str(repository.root), **options})
        assert answer["failed"] and answer["error"] == "InvalidOption" and answer["hint"]
