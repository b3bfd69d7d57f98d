# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does anything accept connections there?"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from ..core.errors import InvalidOption, Refused
from ..core.quantities import format_duration
from .blocking_sockets import connect


def unreached(endpoints: Sequence[str], *, timeout: float) -> dict[str, str]:
    """For each ``host:port`` or ``[address]:port`` why no connection came about, empty where one did; all are tried at once.

    :raises InvalidOption: for what is no endpoint
    """
    places = {endpoint: _place(endpoint) for endpoint in endpoints}
    if not places:
        return {}
    with ThreadPoolExecutor(max_workers=min(32, len(places))) as crew:
        return dict(zip(places, crew.map(lambda place: _problem(*place, timeout), places.values()), strict=True))


def _place(endpoint: str) -> tuple[str, int]:
    match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\s:/\[\]]+)):([0-9]{1,5})", endpoint)
    if not match or not 0 < int(match[3]) < 65536:
        raise InvalidOption(f"{endpoint!r} is no endpoint", hint="Write it as host:port, or [address]:port")
    return match[1] or match[2], int(match[3])


def _problem(host: str, port: int, timeout: float) -> str:
    try:
        with connect(host, port, end=time.monotonic() + timeout):
            return ""
    except Refused as error:
        return error.message
    except TimeoutError:
        return f"no answer within {format_duration(timeout)}"
    except (OSError, UnicodeError) as error:
        return getattr(error, "strerror", None) or str(error)
