# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Service of a real API server is pointed at the pods of a page, and back to what it was, by whoever comes.

No kube-proxy runs here: a small server stands for it, which asks the API server with each request where the Service points.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.kubernetes import Cluster
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.kubernetes_service import KEPT, RECORD

from tests.conftest import missing
from tests.integration.maintenance.test_maintenance_mode import hours, statuses
from tests.testbed.kubernetes import serve_kubernetes
from tests.testbed.parts import built

SPACE, PAGE, BEFORE = "shop-space", {"app": "maintenance-page"}, {"app": "shop", "tier": "web"}
PORTS = [{"port": 80, "targetPort": 8080}]
SERVICE = {"apiVersion": "v1", "kind": "Service", "metadata": {"namespace": SPACE, "name": "shop"}}


class Site:
    """The Service, and the URL behind which are the pods that it selects."""

    def __init__(self, kubeconfig: str, url: str) -> None:
        self.kubeconfig, self.url, self.cluster = kubeconfig, url, Cluster(kubeconfig, None, timeout=30)

    def asked(self, state: str, **more):
        """Options of the module; ``state_dir`` is never used, and so need not be there."""
        where = {"kubeconfig": self.kubeconfig, "namespace": SPACE, "service": "shop", "page": PAGE}
        return {"state": state, "name": "shop", "url": self.url, "by": "A. Hopper", "patience": "60s", "state_dir": "/nonexistent",
                "kubernetes": where, **more}

    def service(self) -> dict:
        return self.cluster.get(SERVICE)

    def selector(self) -> dict:
        return self.service()["spec"]["selector"]

    def notes(self) -> set[str]:
        return {note for note in self.service()["metadata"].get("annotations") or {} if note in (KEPT, RECORD)}

    def select(self, selector: dict) -> None:
        """As a deployment does."""
        self.cluster.apply({**SERVICE, "spec": {"selector": selector, "ports": PORTS}}, manager="deployer")


@pytest.fixture(scope="module")
def cluster() -> Iterator[tuple[str, str]]:
    for name in ("etcd", "kube-apiserver"):
        if not built(name) and os.environ.get("CI") is None:
            missing(f"{name} (tools/go-part {name})")
    with serve_kubernetes() as (path,):
        client = Cluster(str(path), None, timeout=30)
        client.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SPACE}})

        class Proxy(BaseHTTPRequestHandler):
            def do_GET(self):
                selected = client.get(SERVICE)["spec"].get("selector")
                self.send_response(200 if selected == BEFORE else 503)
                if selected == PAGE:
                    self.send_header("Retry-After", "900")
                    self.send_header("X-Maintenance-Mode", "shop")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_arguments):
                """Nothing."""

        with ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            yield str(path), f"http://127.0.0.1:{server.server_port}/"
            server.shutdown()


@pytest.fixture
def site(cluster) -> Iterator[Site]:
    site = Site(*cluster)
    site.cluster.apply({**SERVICE, "metadata": {**SERVICE["metadata"], "annotations": {"team": "shop"}},
                        "spec": {"selector": BEFORE, "ports": PORTS}}, manager="deployer")
    yield site
    site.cluster.delete(SERVICE)


def test_a_service_shows_the_page_and_is_given_back_by_another_run(run_module, site):
    before = site.service()
    planned = run_module("maintenance_mode", site.asked("enabled"), check=True, diff=True)
    assert planned["changed"] and '{"app": "maintenance-page"}' in planned["diff"]["after"] and site.selector() == BEFORE, planned
    until = hours(2)
    done = run_module("maintenance_mode", site.asked("enabled", until=until, change="CHG-7", ends_itself=True))
    assert done["changed"] and done["mode"]["on"] and done["mode"]["status_code"] == 503 and site.selector() == PAGE, done
    assert done["mode"]["ends_itself"] is None and statuses(done) == {
        "maintenance.mode": "pass", "maintenance.page": "pass", "maintenance.end": "warn"}
    again = run_module("maintenance_mode", site.asked("enabled", until=until, by="G. Lovelace"))
    assert again["changed"] is False and again["mode"]["by"] == "A. Hopper" and again["mode"]["change"] == "CHG-7"
    seen = run_module("maintenance_mode", site.asked("observed"))
    assert seen["changed"] is False and "A. Hopper for CHG-7" in seen["summary"]
    assert run_module("maintenance_mode", site.asked("disabled"), check=True)["changed"] and site.selector() == PAGE
    off = run_module("maintenance_mode", site.asked("disabled"))
    after = site.service()
    assert off["changed"] and not off["mode"]["on"] and statuses(off) == {"maintenance.mode": "pass", "maintenance.page": "pass"}, off
    assert after["spec"] == before["spec"] and after["metadata"]["annotations"] == before["metadata"]["annotations"]
    assert run_module("maintenance_mode", site.asked("disabled"), check=True)["changed"] is False
    assert run_module("maintenance_mode", site.asked("enabled"))["changed"] and site.selector() == PAGE  # once more
    assert run_module("maintenance_mode", site.asked("disabled"))["changed"] and site.selector() == BEFORE
    assert run_module("maintenance_mode", site.asked("disabled"))["changed"] is False


def test_a_page_that_is_not_served_is_taken_back(run_module, site):
    nowhere = {**site.asked("enabled")["kubernetes"], "page": {"app": "not-there"}}
    failed = run_module("maintenance_mode", site.asked("enabled", kubernetes=nowhere, patience="1s"))
    assert failed["failed"] and "is not served" in failed["msg"] and "What was set before is set again" in failed["msg"], failed
    assert site.selector() == BEFORE and site.notes() == set()


def test_what_somebody_else_selects_meanwhile_is_left_alone(run_module, site):
    assert run_module("maintenance_mode", site.asked("enabled"))["changed"]
    site.select({"app": "shop", "tier": "green"})
    seen = run_module("maintenance_mode", site.asked("observed"))
    assert not seen["mode"]["on"] and statuses(seen)["maintenance.mode"] == "warn"
    off = run_module("maintenance_mode", site.asked("disabled", patience="1s"))
    assert off["changed"] and site.selector() == {"app": "shop", "tier": "green"} and site.notes() == set(), off
    owners = {one["manager"] for one in site.service()["metadata"]["managedFields"] if "f:selector" in one["fieldsV1"].get("f:spec", {})}
    assert owners == {"deployer"}


@pytest.mark.parametrize("more, said", [
    ({"page": {}}, "these labels select no pods"), ({"service": "none"}, "has no /api/v1"), ({"namespace": "../kube-system"}, "has no"),
    ({"kubeconfig": "/nonexistent"}, "cannot be used"), ({"page": BEFORE}, "without having been switched"),
])
def test_what_cannot_be_switched_is_refused_with_a_hint(run_module, site, more, said):
    where = {**site.asked("enabled")["kubernetes"], **more}
    failed = run_module("maintenance_mode", site.asked("enabled", kubernetes=where))
    assert failed["failed"] and said in failed["msg"] and failed["hint"], failed
    assert site.selector() == BEFORE and site.notes() == set()


def test_the_switch_of_another_site_and_a_broken_annotation_are_told(run_module, site):
    assert run_module("maintenance_mode", site.asked("enabled"))["changed"]
    other = run_module("maintenance_mode", site.asked("disabled", name="other"))
    assert other["failed"] and "is switched as 'shop', not as 'other'" in other["msg"] and site.selector() == PAGE
    assert run_module("maintenance_mode", site.asked("disabled"))["changed"]
    for broken in ("{", "[]", json.dumps({"name": "shop", "page": PAGE})):
        site.cluster.apply({**SERVICE, "metadata": {**SERVICE["metadata"], "annotations": {KEPT: broken}}}, manager="someone")
        failed = run_module("maintenance_mode", site.asked("disabled"))
        assert failed["failed"] and "Annotation" in failed["msg"] and failed["hint"] and site.selector() == BEFORE
