# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules, routes and dashboards from policy, and what is said of alerts: plain values in, plain values out."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import format_instant
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import InvalidOption
from ansible_collections.evenkeel.ops.plugins.module_utils.core.finding import Status
from ansible_collections.evenkeel.ops.plugins.module_utils.monitoring import review, routing, scraping, verify
from ansible_collections.evenkeel.ops.plugins.module_utils.monitoring.canaries import follow, group_wait, integrations
from ansible_collections.evenkeel.ops.plugins.module_utils.monitoring.dashboards import dashboards, expressions
from ansible_collections.evenkeel.ops.plugins.module_utils.monitoring.metrics import samples
from ansible_collections.evenkeel.ops.plugins.module_utils.monitoring.queries import quoted, with_matcher
from ansible_collections.evenkeel.ops.plugins.module_utils.monitoring.rules import SETS, Escalation, SloRules, rule_groups
from ansible_collections.evenkeel.ops.plugins.module_utils.service_levels.budget import read_burn_rules
from ansible_collections.evenkeel.ops.plugins.module_utils.service_levels.objectives import read_objectives
from hypothesis import given
from hypothesis import strategies as st

BURN = read_burn_rules([{"long": "1h", "short": "5m", "share": 2, "status": "fail"}])
SLO = SloRules(BURN, {"fail": "critical", "warn": "warning"}, 300, 300)


def rule(name="A", which="minimal", **more):
    return {"alert": name, "set": which, "expr": "up == 0", "severity": "critical", "summary": "s", **more}


def groups(*rules, alert_set="comprehensive", objectives=(), escalations=(), series=None):
    return rule_groups(rules, alert_set=alert_set, series=series or {}, objectives=objectives, slo=SLO, escalations=escalations,
                       labels={"system": "shop"})


@pytest.mark.parametrize("alert_set, expected", list(zip(SETS, (["A"], ["A", "B"], ["A", "B", "C"]), strict=True)))
def test_each_set_holds_those_before_it(alert_set, expected):
    found = groups(rule("A"), rule("B", "standard"), rule("C", "comprehensive"), alert_set=alert_set)
    assert [one["alert"] for group in found for one in group["rules"]] == expected
    assert all(one["labels"] == {"system": "shop", "severity": "critical"} for group in found for one in group["rules"])


def test_values_and_series_are_put_in():
    [group] = groups(rule(expr="rate($requests[5m]) > 1", description="$value at $labels.instance", **{"for": "5m"}),
                     series={"requests": 'http_requests_total{job="a"}'})
    [one] = group["rules"]
    assert one["expr"] == 'rate(http_requests_total{job="a"}[5m]) > 1' and one["for"] == "300s"
    assert one["annotations"]["description"] == "{{ $value }} at {{ $labels.instance }}"


def test_burn_rates_use_both_windows_and_missing_data_alerts():
    [objective] = read_objectives([{"service": "api", "measure": "availability", "target": 99.9, "counter": {
        "series": 'http_requests_total{job="api"}', "label": "code", "errors": "5.."}}], tiers={}, window="30d")
    [group] = groups(objectives=[objective])
    burn, missing = group["rules"]
    assert burn["alert"] == "SloBudgetBurns" and burn["expr"].count("> 0.0144") == 2
    assert "[3600s]" in burn["expr"] and "[300s]" in burn["expr"]
    assert 'code=~"5.."' in burn["expr"] and burn["labels"]["severity"] == "critical"
    assert missing["expr"] == 'absent(http_requests_total{job="api"})'


def test_the_alert_and_not_the_target_wakes_somebody():
    [objective] = read_objectives([{"service": "api", "measure": "latency", "target": "200ms", "alert": "500ms", "histogram": {
        "series": "latency_bucket", "quantile": 95}}], tiers={}, window="30d")
    [group] = groups(objectives=[objective])
    assert group["rules"][0]["expr"].endswith("> 0.5") and group["rules"][0]["alert"] == "SloMissed"


def test_what_fires_for_long_fires_once_more():
    [group] = groups(escalations=[Escalation('odd "one"', 900, "manager")])
    [one] = group["rules"]
    assert one["for"] == "900s" and one["labels"]["escalation"] == "manager" and 'severity="odd \\"one\\""' in one["expr"]


@pytest.mark.parametrize("bad, word", [
    (rule(name="a b"), "no name"), (rule(which="huge"), "unknown"), (rule(colour=1), "unknown key"), (rule(expr=""), "no expr"),
    (rule(**{"for": "-5m"}), "duration"), (rule(name="Escalated"), "twice"), ("x", "dictionary"), (rule(expr="$x"), "$x is no series")])
def test_rules_are_read_strictly(bad, word):
    with pytest.raises(InvalidOption) as refused:
        groups(bad)
    assert word in str(refused.value) and refused.value.hint


@given(st.text(max_size=30))
def test_a_quoted_string_ends_where_it_should(text):
    inside = quoted(text)[1:-1]
    assert "\n" not in inside and not inside.replace("\\\\", "").replace('\\"', "").count('"')


@pytest.mark.parametrize("series, expected", [
    ("up", 'up{a="b"}'), ("up{}", 'up{a="b"}'), ('up{x="y"}', 'up{x="y",a="b"}'), ('up{x="y",}', 'up{x="y",a="b"}'),
    (' up{ x="}" } ', 'up{ x="}",a="b"}')])
def test_a_matcher_is_added_to_a_selector(series, expected):
    assert with_matcher(series, 'a="b"') == expected


def test_escalations_come_before_their_severity_and_silent_routes_get_no_canary():
    routes = [{"severity": "critical", "receiver": "a", "escalate_after": "15m", "escalate_to": "b"},
              {"severity": "heartbeat", "receiver": "c", "silent": True}]
    document = routing.configuration([{"name": name} for name in "abc"], routes, default="a", grouping={"wait": "30s"}, settings={})
    assert [route["receiver"] for route in document["route"]["routes"]] == ["b", "a", "c"] and document["route"]["group_wait"] == "30s"
    assert routing.escalations(routes) == [Escalation("critical", 900, "b")]
    assert routing.destinations(routes) == [({"severity": "critical"}, "a"), ({"severity": "critical", "escalation": "b"}, "b")]


@pytest.mark.parametrize("inside", [{"routing_key": "k"}, {"http_config": {"authorization": {"credentials": "k"}}}, {"auth_password": "k"}])
def test_a_secret_in_a_receiver_is_refused(inside):
    with pytest.raises(InvalidOption, match="is a secret") as refused:
        routing.configuration([{"name": "a", "pagerduty_configs": [inside]}], [], default="a", grouping={}, settings={})
    assert "_file" in refused.value.hint


@pytest.mark.parametrize("target", ["http://a:1", "a", "a:0", "a:99999", "a b:1", "a:1/metrics", "", "-x:1\n", "[::1]:x"])
def test_a_target_is_a_host_and_a_port(target):
    with pytest.raises(InvalidOption):
        scraping.configuration([{"name": "a", "targets": [target]}], interval="15s", evaluation="15s", alertmanagers=[], rule_files=[],
                               labels={})


def test_dashboards_of_two_systems_never_share_a_file():
    def uid(system, name):
        [one] = dashboards([{"name": name, "panels": [{"title": "t", "expr": "up"}]}], catalog={}, series={}, objectives=[], system=system,
                           environment="production")
        return one.document["uid"]

    names = [("a", "b c"), ("a", "b-c"), ("a", "B c"), ("a", "x" * 60), ("a", "x" * 61), ("zo\u00eb", "b"), ("zo\u00e9", "b"),
             ("a", "../x")]
    uids = [uid(*pair) for pair in names]
    assert len(set(uids)) == len(uids) and all(len(one) <= 40 and "/" not in one for one in uids)


def test_rows_are_looked_into():
    assert expressions({"panels": [{"type": "row", "panels": [{"title": "a", "targets": [{"expr": "up"}]}]}]}) == [("a", "up")]


@pytest.mark.parametrize("flags, status", [
    ({"storage.tsdb.retention.time": "30d"}, Status.PASS), ({"storage.tsdb.retention.time": "4w2d"}, Status.PASS),
    ({"storage.tsdb.retention.time": "15d"}, Status.FAIL), ({"storage.tsdb.retention.time": "0s"}, Status.FAIL), ({}, Status.FAIL),
    ({"storage.tsdb.retention.time": "0s", "storage.tsdb.retention.size": "10GB"}, Status.UNKNOWN)])
def test_retention_is_compared_with_the_policy(flags, status):
    assert verify.judge_retention("30d", flags).status is status


def test_rules_without_evaluation_and_nothing_at_all_are_unknown():
    assert verify.judge_rules([], [])[0].status is Status.UNKNOWN
    [fresh] = verify.judge_rules(["A"], [{"name": "g", "rules": [{"name": "A", "health": "unknown"}]}])
    assert fresh.status is Status.UNKNOWN
    [err] = verify.judge_rules(["A"], [{"name": "g", "rules": [{"name": "A", "health": "err", "lastError": "many-to-many"}]}])
    assert err.status is Status.FAIL and "many-to-many" in err.message
    assert verify.judge_targets([], [])[0].status is Status.UNKNOWN
    assert verify.judge_targets(["a"], [{"scrapePool": "a", "health": "unknown"}])[0].status is Status.UNKNOWN


def test_integrations_have_the_names_of_the_counters():
    document = {"receivers": [{"name": "a", "webhook_configs": [{}, {}], "email_configs": [{}], "slack_configs": []}]}
    assert integrations(document, "a") == {"webhook": 2, "email": 1} and integrations(document, "b") == {} and integrations(None, "a") == {}


@pytest.mark.parametrize("route, wait", [
    ({}, 30), ({"group_wait": "1s"}, 1), ({"group_wait": "1m", "routes": [{"group_wait": "5s"}, {}]}, 5), ({"group_wait": "0s"}, 0)])
def test_a_new_group_is_told_of_after_the_shortest_wait(route, wait):
    assert group_wait({"route": route}) == wait


class Alertmanager:
    """Routes everything to one receiver and counts a notification for each alert, as late as it is told to."""

    def __init__(self, clock, *, after, noise=()):
        self.clock, self.after, self.noise, self.posted, self.ended = clock, after, noise, [], 0
        self.start = clock.monotonic()

    def post(self, alerts):
        for alert in alerts:
            if alert["endsAt"] <= format_instant(self.clock.now()):
                self.ended += 1
            else:
                self.posted.append((self.clock.monotonic(), alert))

    def alerts(self, *matchers):
        return [{"receivers": [{"name": "a"}]}]

    def metrics(self):
        now = self.clock.monotonic()
        told = sum(now - at >= self.after for at, _alert in self.posted) + sum(now - self.start >= at for at in self.noise)
        return [("alertmanager_notification_requests_total", {"integration": "webhook"}, float(told))]


def test_what_goes_out_before_a_canary_can_is_not_taken_for_it(clock):
    configuration = {"route": {"group_wait": "10s"}, "receivers": [{"name": "a", "webhook_configs": [{}]}]}
    deaf = Alertmanager(clock, after=1e9, noise=(1, 5))
    [one] = follow(deaf, configuration, [({"severity": "critical"}, "a")], clock, canary="x", patience=60)
    assert one.seconds is None and verify.judge_delivery(one).status is Status.FAIL
    well = Alertmanager(clock, after=10)
    both = [({"severity": "critical"}, "a"), ({"severity": "warning"}, "a")]
    first, second = follow(well, configuration, both, clock, canary="y", patience=60)
    assert first.seconds == pytest.approx(10, abs=1) and second.seconds == pytest.approx(10, abs=1) and well.ended == 2
    assert len({alert["labels"]["service"] for _at, alert in well.posted}) == 2


POLICY = review.ReviewPolicy(3, {"critical": 900}, 90)


def fired(*spans, **labels):
    return review.Fired({"alertname": "A", "severity": "critical", **labels}, [review.Episode(*span, False) for span in spans])


def checks(*found, silences=(), seen=100):
    return {finding.check.partition(".")[2]: finding.status for finding in review.judge(found, silences, POLICY, 43200, seen)}


def test_a_night_is_judged():
    assert checks() == {"fired": Status.PASS}
    assert checks(seen=50) == {"fired": Status.UNKNOWN}, "nothing was seen, since nobody looked"
    assert checks(fired((0, 600))) == {"fired": Status.WARN}
    assert checks(fired((0, 1000))) == {"fired": Status.WARN, "unanswered": Status.FAIL}
    assert checks(fired((0, 10), (20, 30), (40, 50))) == {"fired": Status.WARN, "flapping": Status.WARN}
    assert checks(fired((0, 1000)), silences=[{"matchers": [{"name": "alertname", "value": "A"}]}]) == {"fired": Status.WARN}
    for nobody in ([], [{"matchers": []}], [{"matchers": [{"name": "alertname", "value": "(", "isRegex": True}]}],
                   [{"matchers": [{"name": "alertname", "value": "A", "isEqual": False}]}]):
        assert "unanswered" in checks(fired((0, 1000)), silences=nobody)


def test_episodes_end_where_nothing_was_seen():
    [one] = review.episodes([({"__name__": "ALERTS", "alertstate": "firing", "alertname": "A"},
                              [(60.0 * at, 1.0) for at in (1, 2, 3, 7, 8)])], 60, 480)
    assert [(episode.began, episode.ended, episode.open) for episode in one.episodes] == [(60, 240, False), (420, 540, True)]
    assert one.name == "A"


def test_an_older_copy_and_a_failed_one_are_no_backup():
    copies = [{"plan": "a", "created_at": "2026-01-01T00:00:00Z", "status": "verified"},
              {"plan": "a", "created_at": "2026-01-01T12:00:00Z", "status": "failed"},
              {"plan": "b", "created_at": "nonsense", "status": "created"}]
    record = {"host": "h", "area": "backups", "procedure": "list", "at": "2026-01-02T00:00:00Z", "findings": [],
              "body": [{"backups": copies}]}
    midnight = datetime(2026, 1, 1, tzinfo=timezone.utc)
    found = {one.labels["plan"]: one.value for one in samples([record], midnight) if one.name == "backup_timestamp_seconds"}
    assert found == {"a": midnight.timestamp()}


def test_of_many_queries_without_data_some_are_named_and_the_others_counted():
    few = verify.judge_dashboard("slo", [("P50", "no data"), ("P99", "")])
    assert few.message == "1 of 2 queries show nothing: P50: no data"
    many = verify.judge_dashboard("slo", [(f"panel {number}", "no data") for number in range(8)])
    assert many.status is Status.FAIL and many.message.endswith("panel 4: no data; and 3 more")
