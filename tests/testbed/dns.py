# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real DNS server on the loopback (UDP), with a zone that is handed in."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset


@contextlib.contextmanager
def serve_dns(zone: Mapping[tuple[str, str], Sequence[str]]) -> Iterator[int]:
    """Answer from ``{("shop.test", "A"): ["192.0.2.10"]}``; yields the port.

    A name that the zone has under another type gives an empty answer, one that it lacks NXDOMAIN, ``refused.test`` REFUSED,
    and ``silent.test`` no answer at all.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.settimeout(0.05)
        over = threading.Event()

        def serve() -> None:
            while not over.is_set():
                with contextlib.suppress(TimeoutError):
                    data, client = listening.recvfrom(4096)
                    answer = _answer(dns.message.from_wire(data), zone)
                    if answer:
                        listening.sendto(answer.to_wire(), client)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            over.set()
            thread.join(5)


def _answer(query: dns.message.Message, zone: Mapping[tuple[str, str], Sequence[str]]) -> dns.message.Message | None:
    question = query.question[0]
    name, record = question.name.to_text(omit_final_dot=True).lower(), dns.rdatatype.to_text(question.rdtype)
    answer = dns.message.make_response(query, recursion_available=True)
    answer.flags |= dns.flags.AA
    if name == "silent.test":
        return None
    if name == "refused.test":
        answer.set_rcode(dns.rcode.REFUSED)
    elif (name, record) in zone:
        answer.answer.append(dns.rrset.from_text_list(question.name, 60, "IN", record, list(zone[name, record])))
    elif name not in {known for known, _record in zone}:
        answer.set_rcode(dns.rcode.NXDOMAIN)
    return answer
