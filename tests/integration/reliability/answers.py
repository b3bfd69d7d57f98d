# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers of servers as they should be, one list of conversations for each protocol, and what hostile servers make of them.

A conversation is all that a server says: at once, or, divided by `TURN`, a part for each time that it hears something. Where it
depends on what the client says (the key of a WebSocket), the client is told a fixed word by the test.
"""

from __future__ import annotations

import copy
import json
import random
import struct
from collections.abc import Iterator
from typing import Any

from tests.testbed.http import Response

WEBSOCKET_KEY, _ACCEPT = "dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # RFC 6455, 1.3
TURN = b"|turn|"
_INTERESTING = [0, 1, 0x7F, 0x80, 0xFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]
_WORDS = [b"\r\n", b"\n", b"\0", b" ", b":", b"HTTP/1.1 200 ok\r\n\r\n", b"-1", b"99999999999999999999", b"\xff\xfe", b"%n%s", b"\x1b[2J",
          b"{", b'"',
          b"\xf0\x9f\x92\xa3", b"chunked", b"220 ", b"250-", b"SSH-", b"NaN", b"\x30\x84\xff\xff\xff\xff"]


def _http() -> list[bytes]:
    json, page = Response(body='{"status": "UP", "checks": [{"lag": 3}]}',
                          headers={"Content-Type": "application/json; charset=utf-8"}), b"ok" * 40
    return [json.encoded(), Response(body='{"status": "\\ud800 UP"}', headers={"Set-Cookie": "sid=a\x00b"}).encoded(),
            Response(302, "", {"Location": "http://127.0.0.1/next"}).encoded(), Response(503, "down").encoded(),
            b"HTTP/1.1 200 ok\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n3\r\nabc\r\n0\r\nTrailer: x\r\n\r\n",
            b"HTTP/1.1 100 go on\r\n\r\nHTTP/1.0 200 ok\r\nContent-Type: text/html; charset=latin-1\r\n\r\n" + page,
            b"HTTP/1.1 200 ok\r\nContent-Encoding: gzip\r\n\r\n"
            b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff\xcbH\xcd\xc9\xc9\x07\x00\x86\xa6\x106\x05\x00\x00\x00"]


def _prometheus() -> list[bytes]:
    text = '# HELP up it\n# TYPE up gauge\nup{job="x",path="a\\\\b"} 1\nlag 2.5e3\nh_bucket{le="+Inf"} 3\nh_sum NaN\n'
    openmetrics = '# TYPE up gauge\n# UNIT up\nup{job="x"} 1 1395066363.5\n'
    openmetrics += '# TYPE c counter\nc_total 3 # {trace="1"} 1 1.5\nc_created 1\n# EOF\n'
    return [Response(body=text, headers={"Content-Type": "text/plain; version=0.0.4"}).encoded(),
            Response(body="up 1 1395066363000\n").encoded(),
            Response(body=openmetrics, headers={"Content-Type": "application/openmetrics-text; version=1.0.0"}).encoded()]


def _grpc() -> list[bytes]:
    def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
        return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + struct.pack(">I", stream) + payload

    def literal(name: bytes, value: bytes) -> bytes:  # never indexed (RFC 7541, 6.2.3)
        return b"\x10" + bytes([len(name)]) + name + bytes([len(value)]) + value

    begin = frame(4, 0, 0, b"") + frame(4, 1, 0, b"")
    headers = frame(1, 4, 1, b"\x88" + literal(b"content-type", b"application/grpc"))
    serving = frame(0, 0, 1, b"\x00\x00\x00\x00\x02\x08\x01")
    return [begin + headers + serving + frame(1, 5, 1, literal(b"grpc-status", b"0")),
            begin + frame(1, 5, 1, b"\x88" + literal(b"grpc-status", b"12") + literal(b"grpc-message", b"no%20such")),
            begin + frame(6, 0, 0, b"\0" * 8) + frame(3, 0, 1, b"\0\0\0\x02"), begin + frame(7, 0, 0, b"\0" * 8)]


def _websocket() -> list[bytes]:
    opened = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    opened = f"{opened}Sec-WebSocket-Accept: {_ACCEPT}\r\n\r\n".encode()
    return [opened + b'\x81\x08{"a": 1}', opened + b"\x89\x02hi\x01\x03hel\x80\x02lo",
            opened + b"\x82\x7e\x00\x80" + b"x" * 128 + b"\x88\x02\x03\xe8",
            b"HTTP/1.1 301 Moved\r\nLocation: http://169.254.169.254/\r\n\r\n"]


def _ldap() -> list[bytes]:
    bound = bytes.fromhex("300c02010261070a010004000400")
    entry, done = bytes.fromhex("3010020103640b040764633d73686f703000"), bytes.fromhex("300c02010365070a010004000400")
    return [bound + entry + done, bound + bytes.fromhex("300c02010365070a012004000400"),
            bytes.fromhex("30840000000c02010261070a013104000400"),
            bytes.fromhex("3024020100781f0a013404000400") + b"\x8a\x161.3.6.1.4.1.1466.20036"]


def _ssh() -> list[bytes]:
    names = [b"curve25519-sha256,kex-strict-s-v00@openssh.com", b"ssh-ed25519,rsa-sha2-512", *[b"aes256-gcm@openssh.com"] * 2,
             *[b"hmac-sha2-256"] * 2,
             *[b"none"] * 2, b"", b""]
    payload = b"\x14" + b"c" * 16 + b"".join(struct.pack(">I", len(one)) + one for one in names) + b"\0" * 5
    padding = 8 - (len(payload) + 5) % 8 + 4
    packet = struct.pack(">IB", len(payload) + padding + 1, padding) + payload + b"\0" * padding
    return [b"SSH-2.0-OpenSSH_9.2p1\r\n" + packet, b"Exceeded MaxStartups\r\n", b"Hello\r\nSSH-1.99-x y\r\n" + packet, b"SSH-1.5-old\r\n"]


def _mysql() -> list[bytes]:
    def packet(number: int, payload: bytes) -> bytes:
        return len(payload).to_bytes(3, "little") + bytes([number]) + payload

    greeting = packet(0, b"\x0a8.0.36\0" + b"\x01\0\0\0" + b"a" * 8 + b"\0\xff\xf7\x2d\x02\0\xff\xdf\x15"
                      + b"\0" * 10 + b"b" * 12 + b"\0mysql_native_password\0")
    fine = b"\0\0\0\x02\0\0\0"
    column = b"\x03def\0\0\0\x011\0\x0c\x3f\0\1\0\0\0\x08\x81\0\0\0\0"
    rows = packet(1, b"\x01") + packet(2, column) + packet(3, b"\xfe\0\0\x02\0") + packet(4, b"\x011") + packet(5, b"\xfe\0\0\x02\0")
    sets = packet(1, fine)
    return [greeting + packet(2, fine) + sets * 3 + rows, greeting + packet(2, b"\xff\x15\x04#28000Access denied"),
            greeting + packet(2, b"\xfecaching_sha2_password\0" + b"c" * 20 + b"\0") + packet(4, b"\x01\x04"),
            packet(0, b"\xff\x10\x04Too many connections"),
            greeting + packet(2, b"\xfemysql_clear_password\0")]


def _amqp() -> list[bytes]:
    from pamqp import commands, frame

    properties = {"product": "RabbitMQ", "capabilities": {"x": True}}
    start = frame.marshal(commands.Connection.Start(0, 9, properties, "PLAIN AMQPLAIN", "en_US"), 0)
    tune, opened = frame.marshal(commands.Connection.Tune(2047, 131072, 60), 0), frame.marshal(commands.Connection.OpenOk(), 0)
    close = frame.marshal(commands.Connection.Close(403, "ACCESS_REFUSED - no", 0, 0), 0)
    channel = frame.marshal(commands.Channel.OpenOk(), 1)
    return [start + tune + opened + channel + frame.marshal(commands.Queue.DeclareOk("orders", 3, 1), 1), start + close,
            start + tune + opened + channel + frame.marshal(commands.Channel.Close(404, "NOT_FOUND", 50, 10), 1), b"AMQP\0\0\x09\x01"]


def _postgresql() -> list[bytes]:
    """PostgreSQL documentation, "Message Formats"."""
    def message(kind: bytes, payload: bytes) -> bytes:
        return kind + struct.pack(">I", len(payload) + 4) + payload

    def ready(state: bytes) -> bytes:
        return message(b"Z", state)

    def row(tag: bytes) -> bytes:
        column = b"?column?\0" + struct.pack(">IHIHIH", 0, 0, 25, 0xFFFF, 0xFFFFFFFF, 0)
        return message(b"T", b"\0\1" + column) + message(b"D", b"\0\1\0\0\0\1" + b"1") + message(b"C", tag + b"\0")

    begun = message(b"R", b"\0\0\0\0") + message(b"S", b"client_encoding\0UTF8\0") + message(b"K", b"\0\0\0\1\0\0\0\2") + ready(b"I")
    began, asked = message(b"C", b"BEGIN\0") + ready(b"T"), row(b"SELECT 1") + ready(b"T")
    return [TURN.join([begun, began, message(b"1", b"") + message(b"2", b"") + asked, asked, message(b"C", b"ROLLBACK\0") + ready(b"I")]),
            TURN.join([begun, began, message(b"E", b"SERROR\0C42501\0Mno\0\0") + ready(b"E")]),
            message(b"R", b"\0\0\0\x0aSCRAM-SHA-256\0\0"), message(b"E", b"SFATAL\0C28P01\0Mpassword no good\0\0")]


def _dns() -> list[bytes]:
    import dns.message
    import dns.rrset

    answer = dns.message.make_response(dns.message.make_query("shop.test", "A"))
    answer.answer.append(dns.rrset.from_text("shop.test.", 60, "IN", "A", "192.0.2.10"))
    return [answer.to_wire()]


# A Deployment that is ready, and the list of its pods, as the API server has them.
DOCUMENTS = [
    {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "shop", "generation": 2},
     "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "shop"}, "matchExpressions": [
         {"key": "tier", "operator": "In", "values": ["web"]}]}},
     "status": {"observedGeneration": 2, "updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 2,
                "conditions": [{"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}]}},
    {"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": [
        {"metadata": {"name": f"shop-{number}"}, "status": {
            "phase": "Running", "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [{"name": "web", "restartCount": number, "state": {}}]}}
        for number in range(2)]},
]
_ODD = [None, True, -1, 0, 10**30, 1.5, "", "x", "\ud800", [], [None], [[]], {}, {"a": None}, "9" * 5000]


def _spoken(documents: list[Any]) -> bytes:
    return TURN.join(Response(body=json.dumps(one), headers={"Content-Type": "application/json"}).encoded() for one in documents)


def _kubernetes() -> list[bytes]:
    refusals = [Response(status, json.dumps({"kind": "Status", "message": "no", "code": status})).encoded() for status in (404, 403, 500)]
    return [_spoken(DOCUMENTS), *refusals, Response(302, "", {"Location": "http://127.0.0.1/"}).encoded()]


def _misshapen(chance: random.Random) -> bytes:
    """The documents with values of another type here and there, members and elements missing."""
    documents = copy.deepcopy(DOCUMENTS)
    for _fault in range(chance.choice([1, 1, 2, 4])):
        place: Any = documents
        while True:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            if not keys:
                break
            key = chance.choice(keys)
            if isinstance(place[key], dict | list) and chance.random() < 0.8:
                place = place[key]
                continue
            if isinstance(place, dict) and chance.random() < 0.3:
                del place[key]
            else:
                place[key] = copy.deepcopy(chance.choice(_ODD))  # later faults may alter it
            break
    return _spoken(documents)


CONVERSATIONS = {
    "http": _http(), "prometheus": _prometheus(), "grpc": _grpc(), "websocket": _websocket(), "ldap": _ldap(), "ssh": _ssh(),
    "mysql": _mysql(),
    "rabbitmq": _amqp(), "tcp": [b"220 mail ESMTP\r\n", b"* OK ready\r\n"],
    "redis": [b"+OK\r\n+PONG\r\n", b"-NOAUTH Authentication required.\r\n", b"-LOADING Redis is loading\r\n", b"$4\r\nPONG\r\n"],
    "smtp": [TURN.join(turns) for turns in (
        [b"220 mail ESMTP\r\n", b"250-mail\r\n250-SIZE 100\r\n250 AUTH PLAIN LOGIN\r\n", b"235 fine\r\n", b"221 bye\r\n"],
        [b"220-long\r\n220 short\r\n", b"500 what\r\n", b"250 mail\r\n", b"221 bye\r\n"], [b"554 no\r\n"],
        [b"220 mail\r\n", b"250-mail\r\n250 AUTH CRAM-MD5\r\n", b"334 PHhAeT4=\r\n", b"535 no\r\n", b"221 bye\r\n"])],
    "dns": _dns(),
    "postgresql": _postgresql(),
    "kubernetes": _kubernetes(),
}


def hostile(kind: str, seed: int) -> Iterator[bytes]:
    """Without end: conversations of this protocol with a few faults each, some of another protocol, some of no protocol at all."""
    chance = random.Random(f"{kind} {seed}")
    own, others = CONVERSATIONS[kind], [one for conversations in CONVERSATIONS.values() for one in conversations]
    while True:
        draw = chance.random()
        if draw < 0.04:
            yield chance.randbytes(chance.randrange(400))
        elif draw < 0.08:
            yield spoiled(chance, chance.choice(others), own)
        elif kind == "kubernetes" and draw < 0.6:
            yield _misshapen(chance)
        else:
            yield spoiled(chance, chance.choice(own), own)


def spoiled(chance: random.Random, answer: bytes, own: list[bytes]) -> bytes:
    """Up to six faults: bits, cuts, lengths, repetitions, pieces of other answers."""
    spoiled = bytearray(answer)
    for _fault in range(chance.choice([1, 1, 2, 3, 6])):
        at = chance.randrange(len(spoiled) + 1)
        fault = chance.randrange(8)
        if fault == 0 and spoiled:
            spoiled[min(at, len(spoiled) - 1)] ^= 1 << chance.randrange(8)
        elif fault == 1:
            del spoiled[at:at + chance.randrange(1, 20)]
        elif fault == 2:
            del spoiled[at:]
        elif fault == 3:
            spoiled[at:at] = chance.choice(_WORDS)
        elif fault == 4:
            number, width = chance.choice(_INTERESTING), chance.choice([1, 2, 4])
            spoiled[at:at + width] = (number & (256 ** width - 1)).to_bytes(width, chance.choice(["big", "little"]))
        elif fault == 5:
            spoiled[at:at] = bytes(spoiled[at:at + chance.randrange(1, 40)]) * chance.choice([1, 2, 50, 500])
        elif fault == 6:
            spoiled[at:] = chance.choice(own)[chance.randrange(40):]
        else:
            spoiled[at:at] = chance.randbytes(chance.randrange(1, 30))
    return bytes(spoiled[:60000])
