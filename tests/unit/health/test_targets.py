# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Targets read from options."""

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import InvalidOption
from ansible_collections.evenkeel.ops.plugins.module_utils.health.options import TARGET_OPTIONS
from ansible_collections.evenkeel.ops.plugins.module_utils.health.targets import read_targets


def one(defaults=None, **options):
    [target] = read_targets([{"name": "t", **options}], defaults)
    return target


def test_a_url_says_kind_host_port_and_tls():
    target = one(url="https://shop.example.com/health?token=x")
    assert (target.kind, target.host, target.port, target.tls) == ("https", "shop.example.com", 443, True)
    assert target.address == "https://shop.example.com/health" and target.service == "t"


@pytest.mark.parametrize("options, address", [
    ({"kind": "tcp", "host": "mail", "port": 25}, "mail:25"), ({"kind": "redis", "host": "::1"}, "[::1]:6379"),
    ({"kind": "postgresql", "host": "db", "database": "shop"}, "shop on db:5432"), ({"kind": "http", "host": "h"}, "http://h/"),
    ({"kind": "dns", "host": "shop.test", "resolver": "[::1]:5353", "record": "mx"}, "shop.test MX at [::1]:5353"),
    ({"kind": "ldap", "host": "h"}, "h:389"), ({"kind": "ldap", "host": "h", "tls": True}, "h:636"),
    ({"kind": "smtp", "host": "h"}, "h:25"),
    ({"kind": "rabbitmq", "host": "h", "tls": True}, "h:5671"), ({"kind": "mysql", "host": "h"}, "h:3306"),
    ({"kind": "mysql", "host": "h", "database": "shop"}, "shop on h:3306"), ({"url": "wss://h/live?token=x"}, "wss://h/live"),
    ({"kind": "grpc", "host": "h", "port": 50051}, "h:50051"), ({"kind": "ssh", "host": "h"}, "h:22"),
    ({"kind": "kubernetes", "kubeconfig": "/k", "workload": "Deployment/shop"}, "deployment/shop in default"),
    ({"kind": "kubernetes", "kubeconfig": "/k", "selector": "app=shop", "namespace": "a"}, "pods app=shop in a"),
])
def test_each_kind_has_an_address_and_its_usual_port(options, address):
    assert one(**options).address == address


def test_defaults_lie_below_and_only_where_they_fit():
    defaults = {"timeout": "2s", "retries": 3, "status": ["204"], "kind": "tcp", "port": 9}
    web, tcp = read_targets([{"name": "a", "url": "http://h/", "retries": 0}, {"name": "b", "host": "h"}], defaults)
    assert (web.timeout, web.retries, 204 in web.statuses, web.port) == (2.0, 0, True, 80)
    assert (tcp.kind, tcp.port, tcp.retries, tcp.statuses) == ("tcp", 9, 3, None)


def test_none_is_not_given():
    assert one(url="http://h/", timeout=None, retries=None).timeout == 10


def test_every_option_of_the_module_is_known_here():
    assert {"name", "url", *TARGET_OPTIONS} >= {"service", "critical", "password"}
    with pytest.raises(InvalidOption) as error:
        one(url="http://h/", colour="red")
    assert "'colour'" in error.value.message and all(option in error.value.hint for option in TARGET_OPTIONS)


def test_user_and_password_become_basic_authentication_and_stay_out_of_repr():
    target = one(url="http://h/", user="Aladdin", password="open sesame")
    assert target.request.headers["Authorization"] == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
    assert "sesame" not in repr(target) and "QWxh" not in repr(target)


@pytest.mark.parametrize("options, said", [
    ({"kind": "gopher", "host": "h"}, "'gopher' is no kind"), ({"host": "h"}, "neither kind nor url"),
    ({"kind": "tcp", "host": "h"}, "port is missing"), ({"kind": "tcp", "port": 1}, "host is missing"),
    ({"kind": "tcp", "host": "h", "port": 0}, "is no port"), ({"kind": "tcp", "host": "h", "port": 65536}, "is no port"),
    ({"kind": "tcp", "host": "h", "port": -1}, "is no port"),
    ({"kind": "tcp", "host": "h", "port": 1, "status": [200]}, "status says nothing"),
    ({"url": "http://h/", "timeout": "-1s"}, "timeout: '-1s' is not a duration"), ({"url": "http://h/", "timeout": "0"}, "leaves no time"),
    ({"url": "http://h/", "retries": -1}, "no number from 0 to 100"), ({"url": "http://h/", "matches": "("}, "no regular expression"),
    ({"url": "http://h/", "json": {"a[": 1}}, "no path into JSON"), ({"url": "http://h/", "status": ["abc"]}, "no HTTP status"),
    ({"url": "http://h/", "headers": {"Authorization": "a\nb: c"}}, "line break"),
    ({"url": "http://h/", "headers": {"DNT": 1}}, "too short"),
    ({"url": "http://h/", "header": {"a b": 1}}, "no header name"), ({"url": "http://u:p@h/"}, "credentials in a URL"),
    ({"url": "h/health"}, "no http or https URL"), ({"url": "http://h/", "host": "i"}, "contradict"),
    ({"url": "http://h/", "kind": "https"}, "contradict"), ({"url": "http://h/", "latency_warn": "2s", "latency_fail": "1s"}, "above"),
    ({"url": "http://h/", "max_body": "lots"}, "not a size"), ({"url": "http://h/", "method": "GET / HTTP/1.1\r\nX"}, "no method"),
    ({"kind": "dns", "host": "h", "resolver": "a b"}, "resolver"), ({"kind": "dns", "host": "h", "record": "A;B"}, "no record type"),
    ({"kind": "tcp", "host": "a\nb", "port": 1}, "no host name"), ({"url": "http://h/", "service": "a\x1b[2J"}, "is no name"),
    ({"url": "http://h/", "user": "u", "password": "pass", "headers": {"authorization": "Bearer x"}}, "contradict"),
    ({"kind": "redis", "host": "h", "user": "u"}, "user without password"), ({"kind": "grpc", "host": "h"}, "port is missing"),
    ({"kind": "prometheus", "host": "h"}, "url is missing"), ({"kind": "prometheus", "url": "http://h/"}, "no metric is named"),
    ({"kind": "prometheus", "url": "ws://h/", "metrics": {"up": 1}}, "no http or https URL"),
    ({"kind": "websocket", "url": "http://h/"}, "no ws or wss URL"),
    ({"kind": "prometheus", "url": "http://h/", "metrics": {"up": 1}, "max_age": "-1s"}, "not a duration"),
    ({"kind": "smtp", "host": "h", "tls": True, "starttls": True}, "contradict"),
    ({"kind": "smtp", "host": "h", "user": "u"}, "go together"),
    ({"kind": "ldap", "host": "h", "user": "cn=a"}, "go together"), ({"kind": "ldap", "host": "h", "base": "a\nb"}, "line break"),
    ({"kind": "ssh", "host": "h", "fingerprint": "MD5:aa"}, "no fingerprint"),
    ({"kind": "ssh", "host": "h", "unwanted": [""]}, "is no name"),
    ({"kind": "rabbitmq", "host": "h", "messages": {"lt": 1}}, "those of a queue"),
    ({"kind": "rabbitmq", "host": "h", "queue": ""}, "no name of a"),
    ({"kind": "rabbitmq", "host": "h", "queue": "q", "messages": {"most": 1}}, "no comparison"),
    ({"kind": "rabbitmq", "host": "h", "vhost": ""}, "vhost"),
    ({"kind": "dns", "host": "h", "addresses": "all"}, "addresses says nothing"),
    ({"url": "http://h/", "starttls": True}, "starttls says nothing"),
])
def test_what_makes_no_sense_is_refused_with_a_hint(options, said):
    with pytest.raises(InvalidOption) as error:
        one(**options)
    assert said in error.value.message and error.value.hint


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "a\x1b[31m", "x" * 201])
def test_names_that_would_spoil_a_console_are_refused(name):
    with pytest.raises(InvalidOption):
        read_targets([{"name": name, "url": "http://h/"}])


@pytest.mark.parametrize("name", ["-rf", "100% 'quoted' \"twice\"", "Größe 日本", "{{ x }}"])
def test_odd_names_are_kept(name):
    assert read_targets([{"name": name, "url": "http://h/"}])[0].name == name


def test_a_name_is_given_once_and_there_is_something_to_probe():
    with pytest.raises(InvalidOption, match="two targets are called 'a'"):
        read_targets([{"name": "a", "url": "http://h/"}, {"name": "a", "url": "http://i/"}])
    with pytest.raises(InvalidOption, match="nothing to probe"):
        read_targets([])
