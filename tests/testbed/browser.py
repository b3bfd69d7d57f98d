# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real browser without a screen, driven by Playwright: the Chromium of the machine, which talks to nobody."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
          "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"]


def executable() -> str | None:
    """Path of the browser, None where there is none."""
    return next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)


@contextmanager
def running(path: str) -> Iterator[Any]:
    """A Playwright browser, ended at the end."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=_FLAGS, timeout=120_000)
        try:
            yield browser
        finally:
            browser.close()


# What can be seen and measured in a page, all in one go. Boxes of text are those of its lines (client rectangles of ranges).
LOOK = (Path(__file__).parent / "browser_look.js").read_text(encoding="utf-8")
