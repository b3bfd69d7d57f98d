# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""One attempt in each of the protocols that are not HTTP: ask, and compare the answer with what is expected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..core.clock import Clock
from .expectations import Complaint, shown
from .targets import Target

if TYPE_CHECKING:
    from .ports import Network, Stage


async def tcp(target: Target, network: Network, stage: Stage, _clock: Clock) -> list[Complaint]:
    """It accepts; its banner is as expected."""
    def complaints(banner: bytes) -> list[Complaint]:
        return target.content.complaints_of_text(banner.decode("utf-8", "replace"), what="banner", cut=False)

    expects = target.content.contains is not None or target.content.matches is not None
    banner = await network.greet(
        target.host, target.port, **_trust(target), enough=(lambda read: not complaints(read)) if expects else None, stage=stage)
    return complaints(banner) if expects else []


async def dns(target: Target, network: Network, stage: Stage, _clock: Clock) -> list[Complaint]:
    """The records that are expected are among its answers."""
    records = await network.look_up(target.host, target.record, resolver=target.resolver, timeout=target.timeout, stage=stage)
    if target.expected is None:
        return []
    have = {_plain_record(record) for record in records}
    missing = [record for record in target.expected if _plain_record(record) not in have]
    if not missing:
        return []
    listed = ", ".join(shown(record) for record in sorted(records)[:10]) or "nothing"
    return [Complaint(f"{target.record} of {target.host} is {listed}; {', '.join(shown(one) for one in missing)} is missing",
                      sorted(records)[:10], list(target.expected), "Compare with the zone; a cache may be stale")]


def _plain_record(record: str) -> str:
    """Names without case and the root's dot, TXT without quotes."""
    return record.strip().strip('"').rstrip(".").lower()


async def postgresql(target: Target, network: Network, stage: Stage, _clock: Clock) -> list[Complaint]:
    """It lets in and answers the query."""
    return _answered(target, await network.ask_postgres(
        target.host, target.port, user=target.user, password=target.password, database=target.database or "postgres",
        ssl_mode=target.ssl_mode, ca_cert=target.ca_cert, query=target.query, timeout=target.timeout, stage=stage), "psql")


async def mysql(target: Target, network: Network, stage: Stage, _clock: Clock) -> list[Complaint]:
    """It lets in and answers the query."""
    return _answered(target, await network.ask_mysql(
        target.host, target.port, **_trust(target), user=target.user, password=target.password, database=target.database,
        query=target.query, timeout=target.timeout, stage=stage), "mysql")


def _answered(target: Target, value: str | None, program: str) -> list[Complaint]:
    if target.expected is None or value in target.expected:
        return []
    said = "no row" if value is None else shown(value)
    words = " or ".join(shown(one) for one in target.expected)
    return [Complaint(f"the query gives {said}, expected {words}", None if value is None else shown(value), words,
                      f"Run the query by hand ({program}) and see why")]


async def redis(target: Target, network: Network, stage: Stage, _clock: Clock) -> list[Complaint]:
    """It answers PING."""
    await network.ping_redis(target.host, target.port, **_trust(target), user=target.user, password=target.password, stage=stage)
    return []


async def grpc(target: Target, network: Network, stage: Stage, _clock: Clock) -> list[Complaint]:
    """The service is SERVING."""
    status = await network.check_grpc(target.host, target.port, **_trust(target), service=target.check.service, timeout=target.timeout,
                                      stage=stage)
    if status == "SERVING":
        return []
    what = f"the service {shown(target.check.service)!r}" if target.check.service else "the server"
    return [Complaint(f"{what} says {shown(status)}, expected SERVING", shown(status), "SERVING",
                      "It answers and knows that it is not ready: see its log and what it depends on")]


async def websocket(target: Target, network: Network, stage: Stage, _clock: Clock) -> list[Complaint]:
    """It opens; with an expectation, a message meets it."""
    content = target.content

    def complaints(message: str) -> list[Complaint]:
        return [*content.complaints_of_text(message, what="message", cut=False), *content.complaints_of_json(message, cut=False)]

    expects = content.contains is not None or content.matches is not None or bool(content.json)
    url = target.request.url
    last = await network.converse(
        url.host, url.port, url.target, **_trust(target), headers=target.request.headers, message=target.check.message,
        enough=(lambda message: not complaints(message)) if expects else None, max_message=target.max_body, stage=stage)
    if not expects:
        return []
    if last is None:
        return [Complaint("it closed without a message", None, "a message",
                          "See the service's log: it took the connection and said nothing")]
    return complaints(last)


async def smtp(target: Target, network: Network, stage: Stage, _clock: Clock) -> list[Complaint]:
    """It greets as expected, speaks TLS and lets in where asked to, and has the extensions that are expected."""
    offer = await network.meet_mail_server(
        target.host, target.port, **_trust(target), starttls=target.check.starttls, user=target.user, password=target.password,
        timeout=target.timeout, stage=stage)
    complaints = target.content.complaints_of_text(offer.greeting, what="greeting", cut=False)
    missing = [word for word in target.check.extensions if word not in offer.extensions]
    if missing:
        complaints.append(Complaint(f"it does not offer {', '.join(shown(one) for one in missing)}", sorted(offer.extensions)[:20],
                                    list(target.check.extensions), "See its configuration; some are offered over TLS only"))
    return complaints


async def ldap(target: Target, network: Network, stage: Stage, _clock: Clock) -> list[Complaint]:
    """It lets in, and has the entry."""
    check = target.check
    there = await network.find_entry(
        target.host, target.port, **_trust(target), starttls=check.starttls, user=target.user, password=target.password,
        base=check.base, search_filter=check.filter, stage=stage)
    if there:
        return []
    return [Complaint(f"no entry {shown(check.base) or 'at the root'!r} passes {shown(check.filter)}", None, shown(check.filter),
                      "Look for it with ldapsearch -s base; the account may not be allowed to see it")]


async def ssh(target: Target, network: Network, stage: Stage, _clock: Clock) -> list[Complaint]:
    """Banner, algorithms and host key are as expected."""
    check = target.check
    offer = await network.meet_shell(target.host, target.port, with_keys=check.fingerprint is not None, stage=stage)
    complaints = target.content.complaints_of_text(offer.banner, what="banner", cut=False)
    hint = "See its configuration: sshd -T"
    missing = [one for one in check.wanted if one not in offer.algorithms]
    if missing:
        complaints.append(Complaint(f"it does not offer {', '.join(map(shown, missing))}", sorted(offer.algorithms), list(check.wanted),
                                    hint))
    weak = [one for one in check.unwanted if one in offer.algorithms]
    if weak:
        complaints.append(Complaint(f"it offers {', '.join(map(shown, weak))}", weak, list(check.unwanted), hint))
    if check.fingerprint is not None and check.fingerprint not in offer.fingerprints:
        complaints.append(Complaint(
            f"none of its host keys is {check.fingerprint}; they are {', '.join(offer.fingerprints) or 'not shown'}",
            list(offer.fingerprints), check.fingerprint,
            "It was set up anew, or this is another server: ask who runs it before anyone logs in"))
    return complaints


async def rabbitmq(target: Target, network: Network, stage: Stage, _clock: Clock) -> list[Complaint]:
    """The virtual host opens; the queue is there, as long and as listened to as expected."""
    check = target.check
    found = await network.inspect_queue(target.host, target.port, **_trust(target), user=target.user, password=target.password,
                                        vhost=check.vhost, queue=check.queue, stage=stage)
    if not found:
        return []
    return [Complaint(f"the queue {shown(check.queue)} has {number} {what}, expected {comparison.words}", number, comparison.words, hint)
            for number, what, comparison, hint in (
                (found[0], "messages", check.messages, "See whether its consumers keep up, or anybody publishes"),
                (found[1], "consumers", check.consumers, "See that the services which consume it run"))
            if comparison and not comparison.holds(number)]


async def kubernetes(target: Target, network: Network, stage: Stage, _clock: Clock) -> list[Complaint]:
    """The workload is ready."""
    from .workloads import complaints_of_workload

    asked = target.check
    found, pods = await network.workload(asked.kubeconfig, asked.context, asked.namespace, asked.kind, asked.name,
                                         pods_of=asked.pods_of, timeout=target.timeout, stage=stage)
    return complaints_of_workload(asked, found, pods)


def _trust(target: Target) -> dict[str, Any]:
    return {"tls": target.tls, "validate_certs": target.validate_certs, "ca_cert": target.ca_cert}
