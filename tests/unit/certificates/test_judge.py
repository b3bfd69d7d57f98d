# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judging certificates is pure: facts, a policy and an instant in, findings out."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.certificates.facts import Certificate, Observation, Problem
from ansible_collections.evenkeel.ops.plugins.module_utils.certificates.judge import days_left, judge
from ansible_collections.evenkeel.ops.plugins.module_utils.certificates.policy import CertificatePolicy
from ansible_collections.evenkeel.ops.plugins.module_utils.certificates.sources import Source

NOW = datetime(2026, 1, 15, 12, tzinfo=timezone.utc)
DAY = timedelta(days=1)
POLICY = CertificatePolicy.from_options({
    "warn_days": 30, "fail_days": 14, "max_age": "365d", "min_rsa_bits": 2048, "min_ec_bits": 256,
    "signature_hashes": ["sha256", "ed25519"], "min_protocol": "TLSv1.2", "refuse_older": True})
LEAF = Certificate("CN=api", "CN=middle", NOW - DAY, NOW + 60 * DAY, "EC", 256, "sha256", names=("api",))
MIDDLE = Certificate("CN=middle", "CN=root", NOW - 99 * DAY, NOW + 900 * DAY, "RSA", 2048, "sha256", authority=True)
ROOT = Certificate("CN=root", "CN=root", NOW - 99 * DAY, NOW + 3000 * DAY, "RSA", 4096, "sha1", authority=True, self_signed=True)
SOURCE = Source("api:443", POLICY, host="api", port=443, hosts=("api",))
WELL = Observation(SOURCE, "api:443", (LEAF, MIDDLE, ROOT), (0,), ((0, "", ""),), protocol="TLSv1.3", older_protocol="")


def amiss(observation, now=NOW):
    findings, _certificates = judge([observation], now)
    return {finding.check.removeprefix("certificate."): finding for finding in findings if finding.status.value != "pass"}


def leaf(**changes):
    return replace(WELL, certificates=(replace(LEAF, **changes), MIDDLE, ROOT))


def test_all_that_is_well_passes_once_per_check():
    findings, certificates = judge([WELL], NOW)
    assert sorted(finding.check.removeprefix("certificate.") for finding in findings) == [
        "chain", "expiry", "host_name", "key", "lifetime", "protocol", "signature"]
    assert {finding.status.value for finding in findings} == {"pass"}
    assert certificates == [{
        "source": "api:443", "subject": "CN=api", "issuer": "CN=middle", "not_before": "2026-01-14T12:00:00.000Z",
        "not_after": "2026-03-16T12:00:00.000Z", "days_left": 60.0, "key": "EC 256", "signature": "sha256", "names": ["api"],
        "serial": "", "chain": [{"subject": "CN=middle", "not_after": "2028-07-03T12:00:00.000Z", "days_left": 900.0},
                                {"subject": "CN=root", "not_after": "2034-04-03T12:00:00.000Z", "days_left": 3000.0}],
        "status": "pass"}]


@pytest.mark.parametrize("left, status", [
    (30 * DAY, "pass"), (30 * DAY - timedelta(seconds=1), "warn"), (14 * DAY, "warn"), (14 * DAY - timedelta(seconds=1), "fail"),
    (timedelta(0), "fail"), (-timedelta(seconds=1), "fail"),
])
def test_days_left_are_judged_at_the_second(left, status):
    findings, [listed] = judge([leaf(not_after=NOW + left)], NOW)
    [expiry] = [finding for finding in findings if finding.check == "certificate.expiry"]
    assert expiry.status.value == status == listed["status"]


def test_the_last_second_counts_and_expiry_needs_no_limit():
    lax = replace(SOURCE, policy=CertificatePolicy())
    last = replace(leaf(not_after=NOW), source=lax)
    assert amiss(last) == {}
    after = amiss(last, NOW + timedelta(seconds=1))["expiry"]
    assert after.status.value == "fail" and after.observed == -0.1 and "expired" in after.message


def test_days_left_are_rounded_down():
    assert days_left(replace(LEAF, not_after=NOW + 0.99 * DAY), NOW) == 0.9
    assert days_left(replace(LEAF, not_after=NOW - 0.01 * DAY), NOW) == -0.1


def test_not_yet_valid_is_no_expiry_in_disguise():
    found = amiss(leaf(not_before=NOW + timedelta(seconds=1)))
    assert set(found) == {"expiry"} and "not valid before 2026-01-15 12:00 UTC" in found["expiry"].message


@pytest.mark.parametrize("changes, check, observed", [
    ({"key_kind": "RSA", "key_bits": 2047}, "key", 2047),
    ({"key_bits": 224}, "key", 224),
    ({"key_kind": "DSA", "key_bits": 1024}, "key", 1024),
    ({"signature": "sha1"}, "signature", "sha1"),
    ({"signature": "1.2.3.4"}, "signature", "1.2.3.4"),
    ({"not_before": NOW - 306 * DAY}, "lifetime", 366.0),
])
def test_each_limit_is_its_own_finding_with_what_to_do(changes, check, observed):
    found = amiss(leaf(**changes))
    assert set(found) == {check} and found[check].status.value == "fail" and found[check].observed == observed and found[check].hint


def test_a_key_of_unknown_size_is_unknown_and_no_pass():
    assert amiss(leaf(key_kind="1.2.3", key_bits=None))["key"].status.value == "unknown"


def test_the_signature_of_a_root_and_the_lifetime_of_authorities_do_not_matter():
    assert amiss(WELL) == {}


def test_an_authority_that_is_amiss_is_named_and_listed():
    observation = replace(WELL, certificates=(LEAF, replace(MIDDLE, not_after=NOW + DAY), ROOT))
    findings, certificates = judge([observation], NOW)
    [expiry] = [finding for finding in findings if finding.check == "certificate.expiry"]
    assert "the authority CN=middle" in expiry.message and expiry.status.value == "fail"
    assert [(one["subject"], one["status"]) for one in certificates] == [("CN=middle", "fail"), ("CN=api", "pass")]


@pytest.mark.parametrize("word", ["unknown authority", "incomplete chain", "expired", "not yet valid", "bad signature",
                                  "not an authority", "unsupported certificate purpose"])
def test_what_is_wrong_with_a_chain_is_said_with_what_to_do(word):
    chain = amiss(replace(WELL, chain_faults=((0, word, "CN=middle"),)))["chain"]
    assert chain.status.value == "fail" and chain.observed == word and word in chain.message and chain.hint


def test_self_signed_is_one_finding_and_trust_or_policy_allow_it():
    mine = replace(WELL, certificates=(replace(LEAF, issuer="CN=api", self_signed=True),), chain_faults=((0, "self-signed", "CN=api"),))
    assert set(amiss(mine)) == {"self_signed"}
    assert amiss(replace(mine, chain_faults=((0, "", ""),))) == {}
    assert amiss(replace(mine, source=replace(SOURCE, policy=replace(POLICY, allow_self_signed=True)))) == {}
    # Allowing it does not allow anything else.
    assert set(amiss(replace(mine, source=replace(SOURCE, policy=replace(POLICY, allow_self_signed=True)),
                             uncovered=("api",)))) == {"host_name"}


@pytest.mark.parametrize("changes, status", [
    ({"protocol": "TLSv1.1"}, "fail"), ({"older_protocol": "TLSv1"}, "fail"),
    ({"older_protocol": None, "older_problem": Problem("gone", "look")}, "unknown"),
])
def test_old_protocols(changes, status):
    assert amiss(replace(WELL, **changes))["protocol"].status.value == status


def test_a_key_is_compared_only_where_there_is_one():
    assert amiss(replace(WELL, key_matches=False))["key_match"].status.value == "fail"
    assert amiss(replace(WELL, key_matches=True)) == {}
    assert amiss(replace(WELL, key_problem=Problem("shut", "open it")))["key_match"].status.value == "unknown"


def test_what_could_not_be_looked_at_is_unknown_and_not_listed():
    findings, certificates = judge([Observation(SOURCE, "api:443", problem=Problem("refused", "start it"))], NOW)
    assert [(finding.check, finding.status.value, finding.hint) for finding in findings] == [
        ("certificate.reachable", "unknown", "start it")]
    assert certificates == []


def test_certificates_are_sorted_by_days_left():
    observations = [replace(leaf(not_after=NOW + days * DAY), subject=str(days)) for days in (90, -3, 10)]
    _findings, certificates = judge(observations, NOW)
    assert [one["days_left"] for one in certificates] == [-3, 10, 90]
