# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a renewal is due is pure: what was seen, a policy and an instant in, a plan out; and the order of what is done."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.certificates.facts import Certificate, Observation, Problem, Told
from ansible_collections.evenkeel.ops.plugins.module_utils.certificates.policy import CertificatePolicy
from ansible_collections.evenkeel.ops.plugins.module_utils.certificates.renew import Tools, renew
from ansible_collections.evenkeel.ops.plugins.module_utils.certificates.renewal import (
    RenewalPolicy,
    plan_renewal,
    read_renewals,
    unfit,
)
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import CommandFailed, InvalidOption
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 1, 15, 12, tzinfo=timezone.utc)
DAY = timedelta(days=1)
POLICY = RenewalPolicy(30, 365 * 86400.0, 60, 60)
ENTRY = {"name": "shop", "hosts": ["shop.example"], "places": [{"certificate": "/tls/a.crt", "key": "/tls/a.key"}, {"secret": "shop/tls"}],
         "served_at": [{"endpoint": "shop.example:443"}], "reload": ["reload"]}
[RENEWAL] = read_renewals([ENTRY], CertificatePolicy(), live=lambda name: (f"/live/{name}/c", f"/live/{name}/k"))
OLD = Certificate("CN=shop", "CN=ca", NOW - 60 * DAY, NOW + 30 * DAY, "EC", 256, "sha256", names=("shop.example",), serial="a",
                  fingerprint="a")
NEW = replace(OLD, not_before=NOW, not_after=NOW + 90 * DAY, serial="b", fingerprint="b")


def seen(*certificates, **changes):
    """What certbot keeps, both places, and the endpoint."""
    found = [Observation(source, source.subject, (one,), (0,), key_matches=True) if one
             else Observation(source, source.subject, problem=Problem("gone"))
             for source, one in zip(RENEWAL.sources, certificates, strict=True)]
    found[0] = replace(found[0], **changes)
    return found


def plan(*certificates, now=NOW, policy=POLICY, exists=True, **changes):
    return plan_renewal(RENEWAL, seen(*certificates, **changes), policy, now, exists=exists)


def test_places_come_before_endpoints():
    assert [source.subject for source in RENEWAL.sources] == [
        "shop as certbot keeps it", "/tls/a.crt", "secret shop/tls", "shop.example:443"]
    assert RENEWAL.sources[3].place is RENEWAL.sources[0] and RENEWAL.sources[1].key_file == "/tls/a.key"


@pytest.mark.parametrize("certificates, changes, due", [
    ([NEW] * 4, {}, ("", (), False)),
    ([None] * 4, {"exists": False}, ("there is none yet", (0, 1), True)),
    ([OLD] * 4, {}, ("", (), False)),
    ([OLD] * 4, {"now": NOW + timedelta(hours=3)}, ("29.8 days are left", (0, 1), True)),
    ([replace(NEW, not_before=NOW - 366 * DAY)] * 4, {}, ("it is 366d old", (0, 1), True)),
    ([NEW] * 4, {"policy": replace(POLICY, force=frozenset({"shop"}))}, ("asked for", (0, 1), True)),
    ([NEW] * 4, {"policy": replace(POLICY, force=frozenset({"other"}))}, ("", (), False)),
    ([NEW] * 4, {"uncovered": ("www.example",)}, ("not valid for www.example", (0, 1), True)),
    ([NEW] * 4, {"key_matches": False}, ("its key does not belong to it", (0, 1), True)),
    ([NEW] * 4, {"revocation": (Told("bad", "revoked"),)}, ("it was revoked", (0, 1), True)),
    ([NEW, OLD, NEW, NEW], {}, ("", (0,), True)),       # killed while it was installed
    ([NEW, NEW, None, OLD], {}, ("", (1,), True)),
    ([NEW, NEW, NEW, OLD], {}, ("", (), True)),         # installed and not reloaded
    ([NEW, NEW, NEW, None], {}, ("", (), False)),       # nobody answers: a reload would not help
])
def test_what_is_due(certificates, changes, due):
    planned = plan(*certificates, **changes)
    assert due[0] in planned.reason and bool(due[0]) == bool(planned.reason)
    assert (planned.install, planned.reload, planned.blocked) == (*due[1:], "")


def test_a_key_that_others_may_read_is_installed_anew():
    assert plan_renewal(RENEWAL, seen(NEW, NEW, NEW, NEW), POLICY, NOW, exists=True, untidy=[0]).install == (0,)


def test_what_cannot_be_read_is_not_renewed_over():
    assert "gone" in plan(None, NEW, NEW, NEW).blocked


@given(life=st.integers(1, 4000), share=st.floats(0, 0.49), days=st.integers(0, 5000))
def test_nothing_is_renewed_in_the_first_half_of_its_life(life, share, days):
    one = replace(OLD, not_before=NOW - life * share * DAY, not_after=NOW + life * (1 - share) * DAY)
    assert plan(one, one, one, one, policy=RenewalPolicy(days, None, 60, 60)).nothing


@pytest.mark.parametrize("changes, said", [
    ({}, ""), ({"key_matches": False}, "its key"), ({"uncovered": ("x",)}, "not valid for x"),
    ({"problem": Problem("shut")}, "cannot be read"), ({"key_problem": Problem("shut")}, "its key cannot be read"),
    ({"chain_faults": ((0, "unknown authority", "CN=ca"),)}, "unknown authority"),
])
def test_what_is_not_fit_is_not_installed(changes, said):
    why = unfit(RENEWAL, seen(NEW, OLD, OLD, OLD, **changes)[0])
    assert said in why and bool(said) == bool(why)


def test_a_name_is_given_once():
    with pytest.raises(InvalidOption, match="named twice"):
        read_renewals([ENTRY, ENTRY], CertificatePolicy(), live=lambda name: ("/c", "/k"))
    with pytest.raises(InvalidOption, match="nothing to renew"):
        read_renewals([], CertificatePolicy(), live=lambda name: ("/c", "/k"))


@pytest.mark.parametrize("changes, said", [
    ({"renew_days": -1}, "renew_days"), ({"renew_days": float("nan")}, "renew_days"), ({"prove_within": "0s"}, "prove_within"),
    ({"command_timeout": "soon"}, "command_timeout"), ({"rotate_after": "-365d"}, "rotate_after"),
])
def test_a_policy_that_makes_no_sense_is_refused(changes, said):
    options = {"renew_days": 30, "rotate_after": "365d", "prove_within": "60s", "command_timeout": "60s", "force": None, **changes}
    with pytest.raises(InvalidOption, match=said):
        RenewalPolicy.from_options(options)


class World:
    """Places, a service that reads the first of them when it is reloaded, and certbot: what they hold is a certificate."""

    def __init__(self, clock, *, broken=()):
        self.kept, self.places, self.shown, self.clock, self.broken, self.log = OLD, [OLD, OLD], OLD, clock, set(broken), []

    def tools(self):
        return Tools(self, [Room(self, 0), Room(self, 1)], lambda: seen(self.kept, *self.places, self.shown), self.run, self.clock)

    def run(self, argv):
        self.log.append(argv[0])
        if "reload" in self.broken:
            raise CommandFailed("the service says no")
        if "deaf" not in self.broken:
            self.shown = self.places[0]

    def keeps(self, name):
        return True

    def content(self, name):
        return self.kept

    def issue(self, name, hosts, *, same_names):
        self.log.append("issue" if same_names else "issue anew")
        if "issue" in self.broken:
            raise CommandFailed("rate limited")
        self.kept = NEW


class Room:
    def __init__(self, world, number):
        self.world, self.number = world, number

    def in_order(self):
        return True

    def read(self):
        return self.world.places[self.number]

    def write(self, content):
        if f"write {self.number}" in self.world.broken:
            raise CommandFailed("no space")
        self.world.places[self.number] = content

    restore = write


@pytest.mark.parametrize("broken, status, places, shown", [
    ((), "renewed", [NEW, NEW], NEW),
    (("issue",), "failed", [OLD, OLD], OLD),
    (("write 1",), "failed", [OLD, OLD], OLD),           # putting back meets the same full disk, and says so
    (("deaf",), "rolled_back", [OLD, OLD], OLD),
])
def test_after_every_fault_all_places_hold_one_certificate(clock, broken, status, places, shown):
    world = World(clock, broken=broken)
    done = renew(RENEWAL, world.tools(), replace(POLICY, force=frozenset({"shop"})), check=False)
    assert done.status == status, done
    assert world.places[0] is places[0] and world.shown is shown and done.message
    assert done.hint or status == "renewed"


def test_in_check_mode_nothing_is_touched(clock):
    world = World(clock)
    done = renew(RENEWAL, world.tools(), replace(POLICY, force=frozenset({"shop"})), check=True)
    assert done.status == "planned" and done.changed and world.log == [] and world.places == [OLD, OLD] and world.kept is OLD


def test_a_service_that_says_no_is_not_reloaded_twice_in_vain(clock):
    world = World(clock, broken={"reload"})
    done = renew(RENEWAL, world.tools(), replace(POLICY, force=frozenset({"shop"})), check=False)
    assert done.status == "failed" and world.places == [OLD, OLD] and "the service says no" in done.message
