# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whoever is asked, in whatever protocol: no name and no answer leads to a link-local or metadata address.

Every connection and datagram is counted where its socket is about to send it, those of libpq where it is handed the address; those to
anywhere but the servers of this test are refused there. Redirects of HTTP have a corpus of their own.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.alertmanager import Alertmanager
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.elasticsearch import Elasticsearch
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.jaeger import Jaeger
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.metrics import Exposition
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.network import AsyncNetwork
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.prometheus import Prometheus
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.reach import unreached
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.revocation import Inquiry
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.tls import Tls
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.x509 import X509
from ansible_collections.evenkeel.ops.plugins.module_utils.certificates.observe import Effort, observe
from ansible_collections.evenkeel.ops.plugins.module_utils.certificates.policy import CertificatePolicy
from ansible_collections.evenkeel.ops.plugins.module_utils.certificates.ports import Elsewhere
from ansible_collections.evenkeel.ops.plugins.module_utils.certificates.sources import STARTTLS, read_sources
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import SystemClock
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import InvalidOption, OpsError
from ansible_collections.evenkeel.ops.plugins.module_utils.health.options import KINDS, ONLY_FOR
from ansible_collections.evenkeel.ops.plugins.module_utils.health.probe import probe
from ansible_collections.evenkeel.ops.plugins.module_utils.health.targets import read_targets
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AuthorityInformationAccessOID as AccessOID

from tests.integration.reliability.figures import scaled
from tests.integration.reliability.forbidden import ZONE, hosts, names, resolve
from tests.integration.reliability.wire import Wire, sender, wire
from tests.testbed.tls import Authority

__all__ = ["sender", "wire"]

PROMISE = "nothing leads to metadata"
Way = Callable[[str], str]
TARGETS: dict[str, dict[str, Any]] = {
    "http": {"url": "http://{h}/"}, "https": {"url": "https://{h}/"}, "prometheus": {"url": "http://{h}/", "metrics": {"up": 1}},
    "websocket": {"url": "wss://{h}/"}, "tcp": {"host": "{h}", "port": 9},
    "dns": {"host": "shop.test", "resolver": "{h}", "timeout": "1s"},
    "postgresql": {"host": "{h}"}, "mysql": {"host": "{h}"}, "redis": {"host": "{h}"}, "grpc": {"host": "{h}", "port": 9, "tls": True},
    "smtp": {"host": "{h}", "starttls": True}, "ldap": {"host": "{h}"}, "ssh": {"host": "{h}", "fingerprint": "SHA256:" + "a" * 43},
    "rabbitmq": {"host": "{h}"}, "kubernetes": {"kubeconfig": "{kubeconfig}", "workload": "deployment/shop"},
}
POLICY = CertificatePolicy(every_address=True, refuse_older=True, min_protocol="TLSv1.2", require_stapling=True, verify_revocation=True)


@pytest.fixture
def kubeconfig(tmp_path) -> Callable[[str], str]:
    """Writes one for a server."""
    def write(url: str) -> str:
        path = tmp_path / "kubeconfig"
        path.write_text(json.dumps({"apiVersion": "v1", "kind": "Config", "current-context": "x", "users": [],
                                    "clusters": [{"name": "x", "cluster": {"server": url}}],
                                    "contexts": [{"name": "x", "context": {"cluster": "x", "user": ""}}]}))
        return str(path)

    return write


def probing(options: dict[str, Any], kubeconfig: Callable[[str], str]) -> Way:
    """Probe a target in which ``{h}`` stands for the host."""
    def way(host: str) -> str:
        config = kubeconfig(f"http://{host}/") if "kubeconfig" in options else ""
        given = json.loads(json.dumps(options).replace("{h}", host).replace("{kubeconfig}", config))
        [target] = read_targets([{"name": "t", "timeout": "10s", **given}])
        sample = asyncio.run(probe(target, AsyncNetwork(), clock=SystemClock()))
        assert not sample.good and not sample.blind and sample.complaints[0].hint, (host, sample)
        return sample.complaints[0].message

    return way


def looking(starttls: str | None) -> Way:
    """Look at an endpoint in all the ways that a policy asks for."""
    def way(host: str) -> str:
        sources = read_sources([{"endpoint": f"{host}:443", "starttls": starttls}], POLICY)
        [*seen] = observe(sources, X509(), Tls(), SystemClock(), Effort(10.0, 0, 1), Elsewhere({}, lambda: None))
        assert all(one.problem for one in seen)
        return " ".join(one.problem.message for one in seen)

    return way


def asking(trusted: Authority, ca_cert: str) -> Way:
    """Ask whether a certificate is revoked that a trusted authority has issued, and whose addresses are hostile all the same."""
    def way(host: str) -> str:
        url = x509.UniformResourceIdentifier(f"http://{host}/")
        access = [x509.AccessDescription(kind, url) for kind in (AccessOID.OCSP, AccessOID.CA_ISSUERS)]
        leaf = trusted.issue(["a.test"], extensions=[
            x509.AuthorityInformationAccess(access), x509.CRLDistributionPoints([x509.DistributionPoint([url], None, None, None)])])
        chain = [leaf.certificate.public_bytes(Encoding.DER)]
        [(word, message, _hint, _seen)] = Inquiry(SystemClock(), timeout=10.0).revocation(chain, ca_cert=ca_cert)
        assert word == "unknown"
        return message

    return way


def asked(ask: Callable[[str], Any]) -> Way:
    """Ask for something that nobody answers here."""
    def way(host: str) -> str:
        with pytest.raises(OpsError) as refused:
            ask(host)
        return refused.value.message

    return way


def services(url: str) -> dict[str, Way]:
    """What we ask over HTTP and not as a probe: ``{h}`` in ``url`` is the host."""
    def at(host: str) -> dict[str, Any]:
        return {"url": url.format(h=host), "timeout": "10s"}

    document = {"index": "logs", "query": "*", "time_field": "@timestamp"}
    return {"Prometheus": asked(lambda host: Prometheus.from_options(at(host)).query("up", 1.0)),
            "Alertmanager": asked(lambda host: Alertmanager.from_options(at(host)).post([])),
            "Jaeger": asked(lambda host: Jaeger.from_options(at(host)).services()),
            "OTLP": asked(lambda host: Jaeger.from_options({**at("good.test"), "otlp_url": url.format(h=host)}).send([], "x")),
            "Elasticsearch": asked(lambda host: Elasticsearch.from_options({**at(host), **document}).count("*", None, 1.0)),
            "Pushgateway": asked(lambda host: Exposition({"a": ("a", (), [((), 1.0)])}).push(
                url.format(h=host), job="x", grouping={}, timeout=10.0))}


def every_way(kubeconfig: Callable[[str], str], responder: Way) -> dict[str, Way]:
    """By which a host can be asked for by name."""
    assert set(TARGETS) == set(KINDS), "each kind of target is looked at"
    found = {kind: probing({"kind": kind, **options}, kubeconfig) for kind, options in TARGETS.items()}
    found["critical path"] = probing({"url": "http://127.0.0.1:1/", "steps": [{"name": "there", "url": "http://{h}/"}]}, kubeconfig)
    found |= {f"{kind}, every address": probing({"kind": kind, "addresses": "all", **options}, kubeconfig)
              for kind, options in TARGETS.items() if kind in ONLY_FOR["addresses"]}
    found |= {f"TLS after {protocol}" if protocol else "TLS": looking(protocol) for protocol in (None, *STARTTLS)}
    return {**found, **services("http://{h}:80"), **{f"{name} over TLS": way for name, way in services("https://{h}").items()},
            "older protocols": asked(lambda host: Tls().accepts(host, 443, timeout=10, below="TLSv1.2")),
            "stapling": asked(lambda host: Tls().stapled(host, 443, timeout=10)), "responder and list": responder,
            "endpoint": lambda host: " ".join(unreached([f"{host}:80"], timeout=10).values())}


@pytest.fixture
def responder(tmp_path) -> Way:
    trusted = Authority.create()
    return asking(trusted, str(trusted.write(tmp_path)))


@pytest.fixture
def ways(kubeconfig, responder) -> dict[str, Way]:
    AsyncNetwork().prepare(KINDS)
    return every_way(kubeconfig, responder)


def walk(ways: dict[str, Way], corpus: Iterator[str] | list[str], wire: Wire) -> Counter:
    """Each host in each way, as far as the way can spell it."""
    seen: Counter = Counter()
    for host, (name, way) in itertools.product(corpus, ways.items()):
        wire.opened.clear()
        said = ""
        with contextlib.suppress(InvalidOption):
            said = way(host)
        seen += Counter(asked=1, refused="link-local address" in said or "metadata address" in said, reached=wire.reached)
        if wire.reached:
            wire.astray.append((name, host, *wire.opened))
    return seen


def test_no_name_leads_there_in_any_protocol(ways, wire, figure):
    corpus = names()[::scaled(8, 97)]
    seen = walk(ways, corpus, wire)
    figure(PROMISE, f"{len(corpus)} names: of a zone that says a link-local or metadata address, alone and beside a good one, and "
           f"numbers as only inet_aton reads them; in {len(ways)} ways: every kind of probe, TLS and STARTTLS, responders and lists of a "
           "certificate, REST services, the Pushgateway, a cluster",
           f"{seen['asked']} asked, {seen['refused']} refused for their address: reached {seen['reached']}")
    assert not wire.astray and seen["refused"] > seen["asked"] * 0.8


def test_good_names_are_asked_in_each_of_these_ways(ways, wire):
    for name, way in ways.items():
        wire.opened.clear()
        way("good.test")
        assert set(wire.opened) == {"127.0.0.1"}, (name, wire.opened)


def test_no_answer_leads_there(sender, wire, kubeconfig, responder, figure):
    """What a certificate says where to ask, and redirects of every service; numbers in them are no operator's word."""
    place = f"127.0.0.1:{sender.server_port}"
    followed = {"follow_redirects": 3}
    ways = {
        **services(f"http://{place}"),
        "page": probing({"url": f"http://{place}/", **followed}, kubeconfig),
        "metrics": probing({"kind": "prometheus", "url": f"http://{place}/", "metrics": {"up": 1}, **followed}, kubeconfig),
        "critical path": probing({"url": f"http://{place}/", "steps": [{"name": "on", "url": "/a"}], **followed}, kubeconfig),
        "websocket": probing({"url": f"ws://{place}/"}, kubeconfig),
        "cluster": lambda _host: probing(TARGETS["kubernetes"] | {"kind": "kubernetes"}, kubeconfig)(place),
        "redirect of a responder": lambda _host: responder(place),
    }
    corpus = [host for host in hosts() if host.isascii()][::scaled(9, 61)]
    seen: Counter = Counter()
    for host in corpus:
        sender.location = f"http://{host}/latest/meta-data/"
        seen += walk(ways, [host], wire) + walk({"certificate": responder}, [host], wire)
    figure(PROMISE, f"{len(corpus)} spellings and names of such addresses as what a trusted certificate names (responder, list, issuer), "
           f"and as redirects of {len(ways)} services, every status of them", f"{seen['asked']} asked: reached {seen['reached']}")
    assert not wire.astray and seen["refused"]


def test_no_name_that_turns_leads_there_in_any_protocol(ways, wire, figure):
    """What a name says at its first, second and later lookups."""
    says = {"good": ["127.0.0.1"], "bad": ["169.254.169.254"], "both": ["127.0.0.1", "fd00:ec2::254"], "six": ["::ffff:169.254.169.254"]}
    seen: Counter = Counter()
    for turns in itertools.product(says, repeat=scaled(3, 2)):
        for name, way in ways.items():
            asked = itertools.chain(turns, itertools.repeat(turns[-1]))

            def turning(host, *rest, asked=asked, **named):
                found = says[next(asked)] if host == "turning.test" else ZONE.get(host, [host])
                return [one for address in found for one in resolve(address, *rest, **named)]

            wire.resolve = turning
            seen += walk({name: way}, ["turning.test", "turning.test"], wire)
    figure(PROMISE, f"names that say another address at each lookup (good, link-local, both, mapped), asked for twice in {len(ways)} ways",
           f"{seen['asked']} asked, {seen['refused']} refused for their address: reached {seen['reached']}")
    assert not wire.astray and seen["refused"]
