# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where nobody must be led: link-local and metadata addresses in every spelling, and a hostile zone whose names lead there."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator

# RFC 3927, RFC 4291 2.5.6, and what AWS, Google, Alibaba, Azure and Oracle document of their metadata services.
FOUR = ["169.254.169.254", "169.254.170.2", "169.254.0.1", "169.254.255.255", "100.100.100.200", "168.63.129.16", "192.0.0.192"]
SIX = ["fe80::1", "fe80::a9fe:a9fe", "febf:ffff::1", "fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254"]
_WIDE = str.maketrans("0123456789.", "０１２３４５６７８９。")


def four(address: str) -> Iterator[str]:
    """An IPv4 address in the spellings that inet_aton and URLs know."""
    parts, number = [int(part) for part in address.split(".")], int(ipaddress.IPv4Address(address))
    rest2, rest3 = number & 0xFFFFFF, number & 0xFFFF
    yield from (address, f"{address}.", str(number), hex(number), hex(number).upper().replace("X", "x"), f"0{number:o}", f"0x00{number:x}",
                ".".join(hex(part) for part in parts), ".".join(f"0{part:o}" for part in parts), ".".join(f"000{part:o}" for part in parts),
                f"{parts[0]}.{rest2}", f"{parts[0]}.{parts[1]}.{rest3}", f"{parts[0]:#x}.{rest2:#x}",
                f"0{parts[0]:o}.{parts[1]:#x}.{rest3}",
                f"{parts[0]:#x}.{parts[1]}.0{parts[2]:o}.{parts[3]}", address.translate(_WIDE), address.replace(".", "%2e"),
                address.replace(".", "。"),
                "".join(f"%{ord(letter):02x}" for letter in address), f"{number + 2**32}", f"{address}.nip.test")


def six(address: str) -> Iterator[str]:
    """An IPv6 address in brackets, short, long, in capitals, and with zones."""
    given = ipaddress.IPv6Address(address)
    for text in (given.compressed, given.exploded, given.exploded.upper()):
        yield from (f"[{text}]", f"[{text}%25lo]", f"[{text}%lo]", f"[{text}%251]")


def carried(address: str) -> Iterator[str]:
    """IPv6 addresses that have an IPv4 address within them."""
    number = int(ipaddress.IPv4Address(address))
    high, low = f"{number >> 16:x}", f"{number & 0xFFFF:x}"
    for prefix in ("::ffff:", "::", "::ffff:0:", "64:ff9b::", "64:ff9b:1::", "64:ff9b:1:0:0:1:", "2001:db8::5efe:", "2001:db8::200:5efe:"):
        yield f"[{prefix}{address}]"
        yield from six(f"{prefix}{high}:{low}")
    yield from six(f"2002:{high}:{low}::1")
    parts = [int(part) for part in address.split(".")]
    for place in ([6, 7, 9, 10], [7, 9, 10, 11], [9, 10, 11, 12]):  # RFC 6052, 2.2: prefixes of 48, 56 and 64 bits
        inside = bytearray(ipaddress.IPv6Address("64:ff9b:1::").packed)
        for at, part in zip(place, parts, strict=True):
            inside[at] = part
        yield from six(str(ipaddress.IPv6Address(bytes(inside))))
    yield from six(str(ipaddress.IPv6Address((0x20010000 << 96) | (number << 64) | 0x5EF5FFFF)))  # a Teredo server
    yield from six(str(ipaddress.IPv6Address((0x20010000 << 96) | (1 << 64) | (number ^ 0xFFFFFFFF))))  # a Teredo client


def zone() -> dict[str, list[str]]:
    """Names that a hostile zone has: for each address alone, and before or behind a good one."""
    names = {"good.test": ["127.0.0.1"]}
    for number, address in enumerate([*FOUR, *SIX, *(host.strip("[]") for one in FOUR for host in carried(one) if "%" not in host)]):
        names |= {f"bad{number}.test": [address], f"first{number}.test": [address, "127.0.0.1"],
                  f"last{number}.test": ["127.0.0.1", address]}
    return names


ZONE = zone()


def names() -> list[str]:
    """What an operator may write without meaning such an address: the zone's names, and numbers as only inet_aton reads them."""
    return [*(name for name in ZONE if name != "good.test"),
            *(spelling for one in FOUR for spelling in four(one) if spelling.isascii() and "%" not in spelling and spelling != one)]


def hosts() -> list[str]:
    """Every spelling, and every name but the good one."""
    return [*dict.fromkeys([*(host for one in FOUR for host in (*four(one), *carried(one))), *(host for one in SIX for host in six(one)),
                            *(name for name in ZONE if name != "good.test"),
                            *(name.upper() + "." for name in ZONE if name.startswith("bad"))])]


_getaddrinfo = socket.getaddrinfo  # tests put `resolve` in its place


def resolve(host, port, family=0, type=0, proto=0, flags=0):
    """As getaddrinfo: by the zone, numbers by the system; nobody else is asked."""
    del flags
    found = ZONE.get(host.rstrip(".").lower()) or [host]
    return [one for address in found for one in _getaddrinfo(address, port, family, type, proto, socket.AI_NUMERICHOST)]
