# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Readiness of workloads, judged on objects as the API server has them."""

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import InvalidOption, Unreachable
from ansible_collections.evenkeel.ops.plugins.module_utils.health.targets import read_targets
from ansible_collections.evenkeel.ops.plugins.module_utils.health.workloads import complaints_of_workload, selector_of
from hypothesis import given
from hypothesis import strategies as st


def asked(**options):
    return read_targets([{"name": "t", "kind": "kubernetes", "kubeconfig": "/k", **options}])[0].check


def said(found, pods=(), **options):
    return [one.message for one in complaints_of_workload(asked(**options), found, pods)]


def deployment(replicas=3, generation=2, seen=2, conditions=(), **status):
    return {"metadata": {"generation": generation}, "spec": {} if replicas is None else {"replicas": replicas},
            "status": {"observedGeneration": seen, "conditions": list(conditions), **status}}


def pod(name="p", *, ready=True, restarts=0, phase="Running", waiting=None, going=False):
    state = {"waiting": {"reason": waiting}} if waiting else {"running": {}}
    return {"metadata": {"name": name, **({"deletionTimestamp": "2026-01-15T12:00:00Z"} if going else {})},
            "status": {"phase": phase, "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
                       "containerStatuses": [{"name": "c", "restartCount": restarts, "state": state}]}}


WELL = {"readyReplicas": 3, "updatedReplicas": 3, "availableReplicas": 3}


def test_a_deployment_that_is_whole_is_ready():
    assert said(deployment(**WELL), workload="deployment/shop") == []
    assert said(deployment(None, readyReplicas=1, updatedReplicas=1, availableReplicas=1), workload="Deployment/shop") == []


@pytest.mark.parametrize("found, message", [
    (deployment(**WELL, seen=1), "its controller has seen generation 1 of 2"),
    (deployment(**{**WELL, "readyReplicas": 2}), "2 of 3 replicas are ready"),
    (deployment(), "0 of 3 replicas are ready"),
    (deployment(**{**WELL, "updatedReplicas": 1}), "1 of 3 replicas are of the newest revision"),
    (deployment(0), "no replica is wanted"), (deployment(**{**WELL, "availableReplicas": 0}), "0 of 3 replicas are available"),
    (deployment(**WELL, conditions=[{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]),
     "its rollout does not progress: ProgressDeadlineExceeded"),
    ({"metadata": {"generation": 1}, "spec": {}}, "its controller has seen generation 0 of 1"),
])
def test_what_keeps_a_deployment_from_being_ready(found, message):
    assert message in said(found, workload="deployment/shop")


def test_stateful_sets_keep_old_revisions_where_they_are_told_to():
    some = {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}
    found = {"metadata": {"generation": 1}, "spec": {"replicas": 3, "updateStrategy": some},
             "status": {"observedGeneration": 1, "readyReplicas": 3, "updatedReplicas": 1, "availableReplicas": 3}}
    assert said(found, workload="statefulset/db") == []
    found["spec"]["updateStrategy"] = {"type": "RollingUpdate"}
    assert said(found, workload="statefulset/db") == ["1 of 3 replicas are of the newest revision"]
    found["spec"]["updateStrategy"] = {"type": "OnDelete"}
    assert said(found, workload="statefulset/db") == []


def test_daemon_sets_want_what_is_scheduled():
    status = {"observedGeneration": 1, "desiredNumberScheduled": 2, "numberReady": 1, "numberAvailable": 1, "updatedNumberScheduled": 2}
    found = {"metadata": {"generation": 1}, "spec": {}, "status": status}
    assert said(found, workload="daemonset/agent")[0] == "1 of 2 replicas are ready"
    found["status"]["desiredNumberScheduled"] = 0
    assert said(found, workload="daemonset/agent") == ["no replica is wanted"]


def test_pods_by_selector():
    assert said(None, [pod(), pod("done", ready=False, phase="Succeeded"), pod("going", ready=False, going=True)],
                selector="app=shop") == []
    assert said(None, [], selector="app=shop") == ["no pod has app=shop"]
    assert said(None, [pod(), pod("q", ready=False, waiting="CrashLoopBackOff")], selector="app=shop") == [
        "1 of 2 pods are ready; not q (CrashLoopBackOff)"]


def test_restarts_are_compared():
    options = {"workload": "deployment/shop", "restarts": {"le": 3}}
    assert said(deployment(**WELL), [pod(restarts=3)], **options) == []
    assert said(deployment(**WELL), [pod(restarts=4), pod("q", restarts=9)], **options) == ["q/c was restarted 9 times, expected le 3"]


def test_the_pods_of_a_workload():
    found = {"spec": {"selector": {"matchLabels": {"app": "shop"}, "matchExpressions": [
        {"key": "tier", "operator": "In", "values": ["a", "b"]}, {"key": "old", "operator": "DoesNotExist"},
        {"key": "x", "operator": "Exists"}]}}}
    assert selector_of(found) == "app=shop,tier in (a,b),!old,x"


@given(st.fixed_dictionaries({}, optional={key: st.integers(0, 5) for key in (*WELL, "observedGeneration", "unavailableReplicas")}),
       st.integers(1, 5))
def test_fewer_ready_than_wanted_is_never_well(status, replicas):
    found = {"metadata": {"generation": 1}, "spec": {"replicas": replicas}, "status": status}
    if status.get("readyReplicas", 0) < replicas:
        assert said(found, workload="deployment/shop")


@pytest.mark.parametrize("options, message", [
    ({}, "one of workload and selector"), ({"workload": "deployment/a", "selector": "a=b"}, "one of workload and selector"),
    ({"workload": "job/a"}, "is no workload"), ({"workload": "deployment/A B"}, "is no workload"),
    ({"workload": "deployment/../secrets"}, "is no workload"),
    ({"workload": "deployment/a", "namespace": "-x"}, "no name of a namespace"), ({"selector": "\n"}, "selects nothing"),
    ({"workload": "deployment/a", "restarts": {"most": 3}}, "is no comparison"),
])
def test_what_makes_no_sense_is_refused(options, message):
    with pytest.raises(InvalidOption) as error:
        asked(**options)
    assert message in error.value.message and error.value.hint


@pytest.mark.parametrize("found, pods", [
    ([], ()), ({"spec": {}}, ()), ({"spec": None, "metadata": {}}, ()), ({**deployment(), "status": {"observedGeneration": "x"}}, ()),
    ({**deployment(), "status": 7}, ()), (deployment(replicas="many", seen=2), ()), (deployment(conditions=[None], readyReplicas=3), ()),
    (None, [{}]), (None, [{"metadata": []}]), (None, [{"metadata": {"name": "p"}, "status": {"conditions": {"type": "Ready"}}}]),
    (None, [pod(), {"metadata": {}, "status": {"containerStatuses": [{}, 1]}}]),
])
def test_what_is_no_object_of_kubernetes_is_told(found, pods):
    options = {"selector": "app=x"} if found is None else {"workload": "deployment/shop"}
    with pytest.raises(Unreachable) as odd:
        said(found, pods, restarts={"le": 3}, **options)
    assert "is not as Kubernetes has it" in odd.value.message and odd.value.hint


@pytest.mark.parametrize("spec", [
    7, {"selector": 7}, {"selector": {"matchLabels": [1]}}, {"selector": {"matchExpressions": [{"key": "a"}]}}])
def test_a_selector_that_is_none_is_told(spec):
    with pytest.raises(Unreachable):
        asked(workload="deployment/shop", restarts={"le": 3}).pods_of({"spec": spec})
