# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real ACME server and a real web server whose certificate it issues; a real Vault."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import missing
from tests.testbed.bind import Zone, serve_zone
from tests.testbed.parts import built
from tests.testbed.pebble import Acme, serve_acme
from tests.testbed.shop import NAME, RECORDS, Shop, serve_shop
from tests.testbed.vault import RunningVault, serve_vault

__all__ = ["NAME"]


@pytest.fixture(scope="module")
def zone() -> Iterator[Zone]:
    """The names of the shop, at a name server that takes updates."""
    with serve_zone(RECORDS) as zone:
        yield zone


@pytest.fixture(scope="module")
def acme(zone: Zone) -> Iterator[Acme]:
    """An ACME server that asks that name server."""
    if not built("pebble") and os.environ.get("CI") is None:
        missing("pebble (tools/go-part pebble)")
    if not shutil.which("certbot"):
        missing("certbot")
    with serve_acme(zone.primary) as server:
        yield server


@pytest.fixture
def shop(acme: Acme) -> Iterator[Shop]:
    """A web server whose certificate it issues."""
    with serve_shop(acme) as shop:
        yield shop


@pytest.fixture(scope="module")
def vault() -> Iterator[RunningVault]:
    if not built("vault") and os.environ.get("CI") is None:
        missing("vault (tools/go-part vault)")
    with serve_vault() as running:
        yield running


def said(answer: dict[str, Any], check: str) -> str:
    """What the one finding of this check tells the operator: message and hint."""
    [finding] = [one for one in answer["findings"] if one["check"] == f"certificate.{check}"]
    return f"{finding['message']}. {finding['hint']}"


def no_key_in(answer: dict[str, Any], key: bytes) -> bool:
    """Whether no line of a private key, and no other key, is in an answer."""
    text = json.dumps(answer)
    return "PRIVATE KEY" not in text and not any(line in text for line in key.decode().splitlines()[1:-1])
