# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""One attempt over HTTP: a single request, a critical path of several, or a page of metrics."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..core.clock import Clock
from ..core.errors import InvalidOption, OpsError, Refused
from ..core.quantities import format_duration
from .expectations import Complaint, Content, Statuses, shown
from .targets import Target
from .web import REDIRECTS, WebRequest, next_hop

if TYPE_CHECKING:
    from .ports import HttpAnswer, Network, Stage
    from .steps import Step


async def web(target: Target, network: Network, stage: Stage, clock: Clock) -> list[Complaint]:
    """Ask the URL, or walk the steps, and compare the answers.

    :raises OpsError: where there is no answer to be judged
    """
    if target.steps:
        return await _walk(target, network, stage, clock)
    answer = await _answer(target, target.request, network, stage)
    return _complaints(answer, target.statuses, target.content, target.max_body)


async def prometheus(target: Target, network: Network, stage: Stage, clock: Clock) -> list[Complaint]:
    """Read the page of metrics and compare its series.

    :raises OpsError: where there is no answer to be judged
    """
    from .metrics import complaints_of_metrics

    answer = await _answer(target, target.request, network, stage)
    complaints = _complaints(answer, target.statuses, Content(), target.max_body)
    if complaints:
        return complaints
    text, cut = _text(answer, target.max_body)
    if cut:
        return [Complaint(f"the page of metrics is longer than was read ({len(text)} letters)", len(text), target.max_body,
                          "Raise max_body")]
    openmetrics = dict(answer.headers).get("content-type", "").lower().startswith("application/openmetrics-text")
    return complaints_of_metrics(target.check.metrics, network.series(text, openmetrics=openmetrics), now=clock.now().timestamp(),
                                 max_age=target.check.max_age)


async def _answer(target: Target, request: WebRequest, network: Network, stage: Stage) -> HttpAnswer:
    """The answer at the end of the redirects that may be followed."""
    begun = request.url
    for hop in range(target.follow_redirects + 1):
        answer = await network.exchange(
            request.url.host, request.url.port, request.encoded(), tls=request.url.secure,
            validate_certs=target.validate_certs, ca_cert=target.ca_cert, bodyless=request.method == "HEAD",
            max_body=target.max_body, foreign=hop > 0, stage=stage)
        location = _location(answer) if answer.status in REDIRECTS else None
        if not target.follow_redirects or location is None:
            return answer
        request = next_hop(request, answer.status, location)
    raise Refused(f"{begun.shown} redirects more than {target.follow_redirects} times, last to {shown(request.url.shown)}",
                  hint="A loop, or raise follow_redirects")


def _location(answer: HttpAnswer) -> str | None:
    return next((value for name, value in answer.headers if name == "location"), None)


async def _walk(target: Target, network: Network, stage: Stage, clock: Clock) -> list[Complaint]:
    """The steps in turn until one is not as expected; what is told has nothing in it that was taken."""
    from .steps import blank_out

    taken = dict(target.secrets)
    for number, step in enumerate(target.steps, 1):
        where = f"step {number} of {len(target.steps)}, {shown(step.name)!r}"
        blank = blank_out(taken)
        try:
            request = step.request(taken)
        except InvalidOption as error:  # what the service gave does not fit its place: its fault and not the policy's
            return [Complaint(f"{where}: {blank(error.message)}", hint=f"See what an earlier step took out of its answer. {error.hint}")]
        began = clock.monotonic()
        try:
            answer = await _answer(target, request, network, lambda words, where=where, blank=blank: stage(f"{blank(words)} in {where}"))
        except OpsError as error:
            error.message = f"{where}: {blank(error.message)}"
            raise
        seconds = clock.monotonic() - began
        text, _cut = _text(answer, target.max_body)
        found = {take.name: take.value(answer.headers, text) for take in step.takes}
        taken |= {name: value for name, value in found.items() if value is not None}
        complaints = _complaints(answer, step.statuses, step.content, target.max_body, blank_out(taken))
        complaints += _late(step, seconds)
        complaints += [Complaint(f"the answer does not have {take.name}, which is to be taken from its {take.source}", None, None,
                                 "See what it answers; the path, name or pattern may have changed")
                       for take in step.takes if found[take.name] is None]
        if complaints:
            first, *others = complaints
            return [Complaint(f"{where}: {first.message}", first.observed, first.limit, first.hint), *others]
    return []


def _late(step: Step, seconds: float) -> list[Complaint]:
    if step.latency_fail is None or seconds <= step.latency_fail:
        return []
    return [Complaint(f"answers in {1000 * seconds:.1f} ms, over the limit of {format_duration(step.latency_fail)}",
                      round(1000 * seconds, 3), round(1000 * step.latency_fail, 3), "See what slows it down")]


def _complaints(answer: HttpAnswer, statuses: Statuses, content: Content, most: int, blank: Callable[[str], str] = str) -> list[Complaint]:
    complaints = []
    if answer.status not in statuses:
        location = _location(answer)
        moved = answer.status in REDIRECTS and location is not None
        complaints.append(Complaint(
            f"HTTP status is {answer.status}" + (f" (to {shown(blank(location.partition('?')[0]))})" if moved else "")
            + f", expected {statuses.words}", answer.status, statuses.words,
            "Set follow_redirects, or probe the new address" if moved else _STATUS_HINTS.get(
                answer.status, _STATUS_HINTS.get(answer.status // 100 * 100, "See the service's log"))))
    complaints += content.complaints_of_headers(answer.headers, blank=blank)
    if content.contains is not None or content.matches is not None or content.json:
        text, cut = _text(answer, most)
        complaints += content.complaints_of_text(text, what="body", cut=cut, blank=blank)
        complaints += content.complaints_of_json(text, cut=cut, blank=blank)
    return complaints


_STATUS_HINTS = {
    401: "Check user and password, or the header Authorization", 403: "Check the rights of the account that probes",
    404: "Check the path; was the service deployed there?", 429: "Probe less often, or lower concurrency",
    502: "The proxy answers and what is behind it does not: look there",
    503: "The service says that it is unavailable: see its log and what it depends on",
    504: "The proxy answers and what is behind it is too slow: look there",
    400: "Check method, headers and body of the probe", 500: "See the service's log",
}


def _text(answer: HttpAnswer, most: int) -> tuple[str, bool]:
    """The body as text in its own charset, UTF-8 by default; unzipped, up to ``most`` bytes, where it comes zipped unasked."""
    headers = dict(answer.headers)
    body, cut = answer.body, answer.cut
    if headers.get("content-encoding", "").lower() in ("gzip", "x-gzip", "deflate"):
        unzip = zlib.decompressobj(47)  # zlib and gzip headers both
        try:
            body, cut = unzip.decompress(body, most), cut or bool(unzip.unconsumed_tail)
        except zlib.error:
            cut = True
    charset = headers.get("content-type", "").lower().partition("charset=")[2].partition(";")[0].strip(" \"'")
    try:
        return body.decode(charset or "utf-8", "replace"), cut
    except (LookupError, ValueError):
        return body.decode("utf-8", "replace"), cut
