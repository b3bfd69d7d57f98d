# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probes in the protocols that are not HTTP, against real servers, well and sick."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import ToolMissing

from tests.conftest import missing
from tests.testbed import directory, mariadb, rabbitmq, ssh, talkers
from tests.testbed.kubernetes import serve_kubernetes
from tests.testbed.postgres import free_port
from tests.testbed.silence import serve_words
from tests.testbed.tls import server_context


def statuses(found):
    return {name: finding["status"] for name, finding in found.items()}


def failing(found, **said):
    """Those that were to fail did, with these words and a hint; all others passed."""
    assert statuses(found) == {name: "fail" if name in said else "pass" for name in found}, found
    for name, words in said.items():
        assert words in found[name]["message"] and found[name]["hint"], found[name]


@pytest.fixture(scope="module")
def identity(authority):
    return authority[0].issue(["localhost", "127.0.0.1"])


def test_grpc(probe, authority, identity):
    with talkers.serve_grpc({"": "SERVING", "shop.Orders": "NOT_SERVING"}) as port, \
            talkers.serve_grpc({"": "SERVING"}, identity) as secure, talkers.serve_websocket() as other:
        place = {"kind": "grpc", "host": "localhost"}
        _answer, found = probe({
            "server": {**place, "port": port}, "service": {**place, "port": port, "grpc_service": "shop.Orders"},
            "unknown": {**place, "port": port, "grpc_service": "shop.Gone"}, "tls": {**place, "port": secure, "tls": True},
            "unverified": {**place, "port": secure, "tls": True, "validate_certs": False, "ca_cert": "/nowhere"},
            "plain": {**place, "port": secure}, "no tls": {**place, "port": port, "tls": True}, "no grpc": {**place, "port": other},
        }, defaults={"ca_cert": str(authority[1]), "timeout": "20s"})
    failing(found, **{"service": "says NOT_SERVING, expected SERVING", "unknown": "knows no service 'shop.Gone'", "plain": "",
                      "no tls": "no TLS session", "no grpc": ""})


def test_websocket(probe, authority, identity):
    with talkers.serve_websocket() as port, talkers.serve_websocket(server_context(identity)) as secure:
        url = f"ws://localhost:{port}"
        _answer, found = probe({
            "opens": {"url": f"{url}/"}, "echo": {"url": f"{url}/echo?a=1", "say": "100% \"Größe\"",
                                                  "json": {"said": "100% \"Größe\""}},
            "headers": {"url": f"{url}/echo", "say": "x", "headers": {"X-Token": "s3cret-t0ken"}, "json": {"token": {"exists": True}}},
            "news": {"url": f"{url}/news", "matches": "^three$"}, "tls": {"url": f"wss://localhost:{secure}/"},
            "other": {"url": f"{url}/echo", "say": "x", "contains": "nothing like it", "timeout": "3s"},
            "closed": {"url": f"{url}/closed", "contains": "x"}, "foreign": {"url": f"wss://127.0.0.1:{port}/"},
            "long": {"url": f"{url}/echo", "say": "x" * 5000, "contains": "xx", "max_body": "1KiB"},
        }, defaults={"ca_cert": str(authority[1]), "timeout": "20s"})
    assert "s3cret" not in json.dumps(_answer)
    failing(found, **{"other": "a message of localhost", "closed": "it closed without a message", "foreign": "lost",
                      "long": "without"})


def test_smtp(probe, authority, identity):
    with talkers.serve_mail(server_context(identity)) as (port, counted), talkers.serve_mail() as (plain, _counted), \
            talkers.serve_mail(tls=server_context(identity)) as (secure, _counted2):
        place, login = {"kind": "smtp", "host": "localhost"}, {"user": talkers.USER, "password": talkers.PASSWORD}
        answer, found = probe({
            "greets": {**place, "port": port, "matches": "ESMTP testbed$"},
            "extensions": {**place, "port": port, "expected": ["starttls", "SIZE"]},
            "login": {**place, "port": port, "starttls": True, **login}, "tls": {**place, "port": secure, "tls": True},
            "wrong": {**place, "port": port, "starttls": True, "user": talkers.USER, "password": "wr0ng-one"},
            "in the clear": {**place, "port": port, **login}, "no starttls": {**place, "port": plain, "starttls": True},
            "banner": {**place, "port": port, "contains": "Postfix"}, "lacking": {**place, "port": port, "expected": ["DSN"]},
            "gone": {**place, "port": free_port()},
        }, defaults={"ca_cert": str(authority[1]), "timeout": "20s"})
    assert counted.begun == 0 and talkers.PASSWORD not in json.dumps(answer)
    failing(found, **{"wrong": "refuses the login", "in the clear": "AUTH extension is not supported", "no starttls": "STARTTLS",
                      "banner": "does not contain 'Postfix'", "lacking": "does not offer DSN", "gone": "refuses connections"})


@pytest.fixture(scope="module")
def tree(identity):
    try:
        with directory.serve_directory(identity) as server:
            yield server
    except ToolMissing as error:
        missing(str(error))


def test_ldap(probe, tree, authority):
    place = {"kind": "ldap", "host": "localhost", "port": tree.port}
    login, person = {"user": directory.ADMIN, "password": directory.PASSWORD}, f"uid=probe,ou=people,{directory.SUFFIX}"
    answer, found = probe({
        "root": place, "login": {**place, **login}, "starttls": {**place, **login, "starttls": True},
        "tls": {**place, "port": tree.tls_port, "tls": True, "base": person},
        "filter": {**place, "base": person, "filter": "(cn=Größe 100%)"},
        "wrong": {**place, "user": directory.ADMIN, "password": "wr0ng-one"}, "gone": {**place, "base": f"uid=gone,{directory.SUFFIX}"},
        "other": {**place, "base": person, "filter": "(sn=Other)"},
        "foreign": {**place, "starttls": True, "ca_cert": None, "host": "127.0.0.1"},
    }, defaults={"ca_cert": str(authority[1]), "timeout": "20s"})
    assert directory.PASSWORD not in json.dumps(answer)
    found.pop("foreign")
    failing(found, wrong="invalidCredentials", gone="has no such entry", other="passes (sn=Other)")
    _answer, broken = probe({"t": {**place, "filter": "(cn=unbalanced"}})
    assert broken["t"]["status"] == "unknown" and "is no filter" in broken["t"]["message"]


@pytest.fixture(scope="module")
def orders(identity):
    try:
        with mariadb.serve_mariadb(identity) as port:
            yield port
    except ToolMissing as error:
        missing(str(error))


def test_mysql(probe, orders, authority):
    place = {"kind": "mysql", "host": "localhost", "port": orders, "user": mariadb.USER, "password": mariadb.PASSWORD,
             "database": mariadb.DATABASE}
    answer, found = probe({
        "connects": place, "asked": {**place, "query": "SELECT count(*) FROM orders", "expected": ["2"]}, "tls": {**place, "tls": True},
        "percent": {**place, "query": "SELECT '100%', sleep(0)", "expected": ["100%"]},
        "other": {**place, "query": "SELECT 'a'", "expected": ["b"]},
        "no row": {**place, "query": "SELECT 1 WHERE false", "expected": ["1"]},
        "wrong": {**place, "password": "wr0ng-one"}, "gone": {**place, "database": "gone"}, "broken": {**place, "query": "SELEC 1"},
        "writes": {**place, "query": "INSERT INTO orders VALUES (3)"}, "slow": {**place, "query": "SELECT sleep(30)", "timeout": "1s"},
        "again": {**place, "query": "SELECT count(*) FROM orders", "expected": ["2"]},
    }, defaults={"ca_cert": str(authority[1]), "timeout": "20s"})
    assert mariadb.PASSWORD not in json.dumps(answer)
    failing(found, **{"other": "the query gives a, expected b", "no row": "the query gives no row", "wrong": "Access denied",
                      "gone": "gone",
                      "broken": "syntax", "writes": "READ ONLY", "slow": "no complete answer within 1s"})


@pytest.fixture(scope="module")
def broker(identity):
    try:
        with rabbitmq.serve_rabbitmq(identity) as server:
            yield server
    except ToolMissing as error:
        missing(str(error))


def test_rabbitmq(probe, broker, authority):
    place = {"kind": "rabbitmq", "host": "localhost", "port": broker.port, "user": rabbitmq.USER, "password": rabbitmq.PASSWORD,
             "vhost": rabbitmq.VHOST}
    answer, found = probe({
        "opens": place, "queue": {**place, "queue": rabbitmq.QUEUE, "messages": {"le": 0}},
        "tls": {**place, "port": broker.tls_port, "tls": True},
        "consumers": {**place, "queue": rabbitmq.QUEUE, "consumers": {"ge": 1}}, "gone": {**place, "queue": "gone"},
        "vhost": {**place, "vhost": "gone"}, "right": {**place, "vhost": "/"}, "wrong": {**place, "password": "wr0ng-one"},
    }, defaults={"ca_cert": str(authority[1]), "timeout": "20s"})
    assert rabbitmq.PASSWORD not in json.dumps(answer)
    failing(found, consumers="has 0 consumers, expected ge 1", gone="no queue 'gone'", vhost="vhost gone not found",
            right="access to vhost",
            wrong="refuses")


def test_ssh(probe, tmp_path: Path):
    if not ssh.available():
        missing("sshd")
    with ssh.serve_ssh(tmp_path) as host:
        own = subprocess.run(["ssh-keygen", "-lf", str(tmp_path / "host.pub")], text=True, capture_output=True,
                             check=True).stdout.split()[1]
        place = {"kind": "ssh", "host": "127.0.0.1", "port": host["ansible_port"]}
        _answer, found = probe({
            "banner": {**place, "matches": "^SSH-2.0-OpenSSH_"}, "key": {**place, "fingerprint": own},
            "other key": {**place, "fingerprint": "SHA256:" + "A" * 43},
            "algorithms": {**place, "expected": ["curve25519-sha256", "ssh-ed25519"],
                           "unwanted": ["diffie-hellman-group1-sha1", "3des-cbc"]},
            "lacking": {**place, "expected": ["rot13"]}, "weak": {**place, "unwanted": ["curve25519-sha256"]},
            "old": {**place, "contains": "dropbear"},
        }, defaults={"timeout": "20s"})
    failing(found, **{"other key": f"they are {own}", "lacking": "does not offer rot13", "weak": "it offers curve25519-sha256",
                      "old": "does not contain 'dropbear'"})


def test_kubernetes(probe):
    from kubernetes import client, config

    with serve_kubernetes() as (kubeconfig,):
        settings = client.Configuration()
        config.load_kube_config(str(kubeconfig), client_configuration=settings)
        with client.ApiClient(settings) as api:
            apps, core = client.AppsV1Api(api), client.CoreV1Api(api)
            template = {"metadata": {"labels": {"app": "shop"}}, "spec": {"containers": [{"name": "c", "image": "shop:1"}]}}
            spec = {"replicas": 2, "selector": {"matchLabels": {"app": "shop"}}, "template": template}
            for name, ready in (("shop", 2), ("half", 1)):
                made = apps.create_namespaced_deployment("default", {"metadata": {"name": name}, "spec": spec})
                apps.patch_namespaced_deployment_status(name, "default", {"status": {
                    "observedGeneration": made.metadata.generation, "replicas": 2, "updatedReplicas": 2, "readyReplicas": ready,
                    "availableReplicas": ready}})
            for name, ready in (("one", "True"), ("two", "False")):
                core.create_namespaced_pod("default", {"metadata": {"name": name, "labels": {"app": "shop", "pod": name}},
                                                       "spec": template["spec"] | {"automountServiceAccountToken": False}})
                core.patch_namespaced_pod_status(name, "default", {"status": {
                    "phase": "Running", "conditions": [{"type": "Ready", "status": ready}],
                    "containerStatuses": [{"name": "c", "restartCount": 7, "ready": True, "image": "shop:1", "imageID": "x"}]}})
        place = {"kind": "kubernetes", "kubeconfig": str(kubeconfig)}
        _answer, found = probe({
            "ready": {**place, "workload": "deployment/shop"}, "half": {**place, "workload": "deployment/half"},
            "gone": {**place, "workload": "statefulset/gone"}, "pods": {**place, "selector": "pod=one"},
            "sick pods": {**place, "selector": "app=shop"},
            "restarted": {**place, "workload": "deployment/shop", "restarts": {"le": 3}}, "nobody": {**place, "selector": "app=gone"},
        }, defaults={"timeout": "20s"})
        _answer, blind = probe({"t": {**place, "kubeconfig": "/nowhere", "workload": "deployment/shop"}})
    failing(found, **{"half": "1 of 2 replicas are ready", "gone": "\"gone\" not found", "sick pods": "1 of 2 pods are ready; not two",
                      "restarted": "was restarted 7 times, expected le 3", "nobody": "no pod has app=gone"})
    assert blind["t"]["status"] == "unknown"


TALKING = {"grpc": {}, "smtp": {}, "ldap": {}, "ssh": {}, "mysql": {"user": "u"}, "rabbitmq": {}}


def test_the_deadline_holds_in_every_protocol(probe):
    with serve_words() as silent, serve_words(b"\x00" * 1000, pause=0.3) as dripping:
        began = time.monotonic()
        _answer, found = probe({
            **{f"{kind} {port}": {"kind": kind, "host": "127.0.0.1", "port": port, **more} for kind, more in TALKING.items()
               for port in (silent, dripping)},
            "ws silent": {"url": f"ws://127.0.0.1:{silent}/"}, "ws dripping": {"url": f"ws://127.0.0.1:{dripping}/"},
            "starttls": {"kind": "smtp", "host": "127.0.0.1", "port": silent, "starttls": True},
            "page": {"kind": "prometheus", "url": f"http://127.0.0.1:{dripping}/metrics", "metrics": {"up": 1}},
        }, defaults={"timeout": "3s"})
        took = time.monotonic() - began
    assert set(statuses(found).values()) == {"fail"} and took < 40, (took, found)  # one after the other they take 48 seconds
    assert "was waiting for the greeting" in found[f"smtp {silent}"]["message"]
    assert "was waiting for the banner" in found[f"ssh {silent}"]["message"]


@pytest.mark.parametrize("library, target", [
    ("h2", {"kind": "grpc", "port": 9}), ("aiosmtplib", {"kind": "smtp"}), ("ldap3", {"kind": "ldap"}), ("pymysql", {"kind": "mysql"}),
    ("pamqp", {"kind": "rabbitmq"}), ("websockets", {"url": "ws://127.0.0.1:9/"}),
])
def test_a_library_that_is_missing_makes_its_target_unknown(run_module, tmp_path: Path, library, target):
    (tmp_path / f"{library}.py").write_text("raise ImportError")
    place = {} if "url" in target else {"host": "127.0.0.1"}
    answer = run_module("health_probe", {"targets": [{"name": "t", **place, **target}]}, env={"PYTHONPATH": str(tmp_path)})
    assert [finding["status"] for finding in answer["findings"]] == ["unknown"] and "pip install" in answer["findings"][0]["hint"]
