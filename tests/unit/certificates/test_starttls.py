# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The words before TLS, over a pair of real sockets with a scripted other end."""

from __future__ import annotations

import socket
import threading
import time

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.starttls import ask_for_tls
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import Unreachable

# Protocol 10, version, id, nonce, filler, capabilities 0xffff (with SSL, 0x0800), the rest of a greeting.
_PACKET = b"\x0a8.0.36\0" + b"\x07\0\0\0" + b"saltsalt" + b"\0" + b"\xff\xff" + b"\x2d\x02\0\xff\xc1" + bytes(10)
GREETING = len(_PACKET).to_bytes(3, "little") + b"\0" + _PACKET
AFTER = b"\x16\x03\x03"  # what follows the dialogue belongs to the handshake and must be left in the socket


def talk(protocol, *answers, seconds=20.0):
    """Ask, with the other end sending ``answers`` at once; gives what is left unread, and what was sent."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"".join(answers))
        closer = threading.Timer(0.3, theirs.shutdown, (socket.SHUT_WR,)) if seconds > 1 else None
        if closer:
            closer.start()
        try:
            ask_for_tls(ours, protocol, time.monotonic() + seconds)
            return ours.recv(100), theirs.recv(1000)
        finally:
            if closer:
                closer.join()


@pytest.mark.parametrize("protocol, answers", [
    ("smtp", [b"220-mail\r\n220 ready\r\n", b"250-mail\r\n250-SIZE 1\r\n250 starttls\r\n", b"220 go\r\n"]),
    ("imap", [b"* OK hello\r\n", b"* CAPABILITY X\r\n", b"a1 OK go\r\n"]),
    ("pop3", [b"+OK hello\r\n", b"+OK go\r\n"]),
    ("mysql", [GREETING]),
    ("postgres", [b"S"]),
    ("ldap", [bytes.fromhex("300c02010178070a010004000400")]),
    # Active Directory writes every length in the long form.
    ("ldap", [bytes.fromhex("30840000002802010178840000001f0a0100040004008a16") + b"1.3.6.1.4.1.1466.20037"]),
])
def test_a_yes_ends_the_dialogue_at_its_last_byte(protocol, answers):
    left, sent = talk(protocol, *answers, AFTER)
    assert left == AFTER and sent


@pytest.mark.parametrize("protocol, answers, said", [
    ("smtp", [b"554 go away\r\n"], "554 go away"),
    ("smtp", [b"220 x\r\n", b"250-x\r\n250 SIZE\r\n"], "250 without STARTTLS"),
    ("smtp", [b"220 x\r\n", b"250 STARTTLS\r\n", b"454 not now\r\n"], "454 not now"),
    ("smtp", [b"x" * 9000], "a line without an end"),
    ("smtp", [b"220-x\r\n" * 200], "more lines than an answer has"),
    ("imap", [b"* BYE busy\r\n"], "* BYE busy"),
    ("imap", [b"* OK x\r\n", b"a1 BAD no\r\n"], "a1 BAD no"),
    ("pop3", [b"-ERR locked\r\n"], "-ERR locked"),
    ("pop3", [b"+OK x\r\n", b"-ERR no\r\n"], "-ERR no"),
    ("mysql", [GREETING.replace(b"\xff\xff", b"\xff\xf7")], "a greeting without SSL"),
    ("mysql", [b"\x17\0\0\0\xff\x10\x04Too many connections"], "Too many connections"),
    ("mysql", [b"HTTP/1.1 400 Bad"], "what is no packet of MySQL"),
    ("mysql", [b"\x05\0\0\0\x0a8.0\0"], "what is no greeting of MySQL"),
    ("mysql", [b"\0\0\0\0"], "what is no packet of MySQL"),
    ("postgres", [b"N"], "'N'"),
    ("postgres", [b"E"], "'E'"),
    ("ldap", [bytes.fromhex("300c02010178070a010234000400")], "resultCode 2"),
    ("ldap", [b"HTTP/1.1 400 Bad"], "what is no LDAP message"),
    ("ldap", [b"\x30\x02\x02\x01"], "a message that breaks off"),
    ("ldap", [b"\x30\x84\x7f\xff\xff\xff"], "what is no LDAP message"),
])
def test_a_no_is_told_in_the_servers_words(protocol, answers, said):
    with pytest.raises(Unreachable) as error:
        talk(protocol, *answers)
    assert said in error.value.message and error.value.hint


@pytest.mark.parametrize("protocol", ["smtp", "imap", "pop3", "postgres", "mysql", "ldap"])
def test_a_hang_up_and_silence_are_told_apart(protocol):
    with pytest.raises(EOFError):
        talk(protocol)
    with pytest.raises(TimeoutError):
        talk(protocol, seconds=0.2)
