# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Web servers in front of an application, one of each for a test file."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from tests.conftest import missing
from tests.testbed.web import Web, serve_haproxy, serve_nginx


@pytest.fixture(scope="module")
def nginx() -> Iterator[Web]:
    """Put back as it began by each test that uses it."""
    if not shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin"):
        missing("nginx")
    with serve_nginx() as web:
        yield web


@pytest.fixture(scope="module")
def haproxy() -> Iterator[Web]:
    """Put back as it began by each test that uses it."""
    if not shutil.which("haproxy", path="/usr/sbin:/usr/bin:/usr/local/sbin"):
        missing("HAProxy")
    with serve_haproxy() as web:
        yield web
