# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read of an address in a bucket, of the option s3, and of lifecycle rules: plain values."""

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.object_lifecycle import LifecyclePolicy, merged, rules_for, same
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.object_place import ObjectAddress
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.object_settings import StoreSettings, split_url
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import InvalidOption
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize("url, told", [
    ("s3://bucket", ("bucket", "")), ("s3://bucket/", ("bucket", "")), ("s3://my.bucket-1/a/b_c", ("my.bucket-1", "a/b_c"))])
def test_an_address_is_bucket_and_prefix(url, told):
    assert split_url(url) == told


@given(st.text(max_size=60))
def test_whatever_is_written_is_an_address_or_refused(text):
    try:
        bucket, prefix = split_url(f"s3://{text}")
    except InvalidOption as error:
        assert error.hint
        return
    assert bucket and not {"", ".", ".."} & set(f"{bucket}/{prefix}".rstrip("/").split("/"))


def test_an_address_is_shown_as_an_operator_would_write_it():
    address = ObjectAddress("/bucket/prefix") / "shop" / "20260115T120000Z-ab12cd"
    assert str(address) == "s3://bucket/prefix/shop/20260115T120000Z-ab12cd"
    assert address.parent.name == "shop" and f"{address}" == str(address)


@pytest.mark.parametrize("options, said", [
    ({"endpont": "x"}, "unknown key 'endpont'"), ({"endpoint": "s3.example.com"}, "is no address"),
    ({"endpoint": "https://host/path?x"}, "is no address"), ({"timeout": "soon"}, "is not a duration"),
    ({"timeout": "0s"}, "too little"), ({"jobs": 0}, "too little"), ({"attempts": -1}, "too little"), ({"lease": "1s"}, "too little"),
    ({"part_size": "1MiB"}, "too few"), ({"part_size": "-5MiB"}, ""), ({"access_key": "a"}, "go together"),
    ({"lock_mode": "GOVERNANCE"}, "go together"), ({"lock_for": "-1d", "lock_mode": "GOVERNANCE"}, "is not a duration")])
def test_settings_that_make_no_sense_are_refused_with_a_hint(options, said):
    with pytest.raises(InvalidOption) as error:
        StoreSettings.from_options(options)
    assert said in error.value.message and error.value.hint


def test_settings_are_read():
    settings = StoreSettings.from_options({"part_size": "8MiB", "timeout": "5s", "lock_mode": "COMPLIANCE", "lock_for": "30d",
                                           "region": None})
    assert (settings.part_size, settings.timeout, settings.lock_for, settings.region) == (8 * 2**20, 5.0, 30 * 86400.0, None)


def test_only_payload_is_archived_and_others_rules_stay():
    policy = LifecyclePolicy.from_options({"archive_after": "30d", "archive_class": "GLACIER", "abort_uploads_after": "7d",
                                           "forget_versions_after": None})
    archive, uploads = rules_for("backups/", policy)
    assert archive["Transitions"] == [{"Days": 30, "StorageClass": "GLACIER"}]
    assert archive["Filter"]["And"] == {"Prefix": "backups/", "Tags": [{"Key": "evenkeel", "Value": "data"}]}
    assert uploads["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}
    others = [{"ID": "logs", "Status": "Enabled"}, {"ID": "evenkeel:other/:archive", "Status": "Enabled"}]
    after = merged([*others, {"ID": "evenkeel:backups/:archive", "Status": "Disabled"}], "backups/", policy)
    assert after == [*others, archive, uploads] and merged(after, "backups/", policy) == after


def test_the_order_and_the_empty_fields_of_a_server_are_no_difference():
    ours = [{"ID": "a", "Filter": {"Prefix": "x"}}, {"ID": "b"}]
    assert same(ours, [{"ID": "b", "Transitions": []}, {"Filter": {"Prefix": "x"}, "ID": "a"}])
    assert not same(ours, [{"ID": "b"}, {"ID": "a", "Filter": {"Prefix": "y"}}])


@pytest.mark.parametrize("age", ["12h", "36h", "0s"])
def test_ages_are_whole_days(age):
    with pytest.raises(InvalidOption, match="whole days"):
        LifecyclePolicy.from_options({"archive_after": age, "archive_class": "GLACIER"})
