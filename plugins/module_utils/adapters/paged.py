# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""PDF from HTML through WeasyPrint, which fetches nothing."""

from __future__ import annotations

import logging
from typing import Any, NoReturn

from ..core.errors import LibraryMissing, OpsError


def missing() -> OpsError | None:
    """Why no PDF can be made here; None where it can. Importing takes a second, so only who wants a PDF asks."""
    try:
        import weasyprint  # noqa: F401
    except ImportError:
        return LibraryMissing("weasyprint")
    except OSError as error:  # cffi did not find the C libraries that it draws text with
        return OpsError(f"WeasyPrint cannot be used: {str(error).splitlines()[0]}",
                        hint="Install Pango on the controller: libpango-1.0-0, libpangoft2-1.0-0 and libharfbuzz-subset0 on Debian, "
                             "pango elsewhere")
    return None


def pdf(page: str) -> bytes:
    """The page as PDF, tagged for screen readers.

    :raises OpsError: where it cannot be made here
    """
    error = missing()
    if error:
        raise error
    import weasyprint

    for name in ("weasyprint", "fontTools"):  # they warn of each style that paper has no use for
        logging.getLogger(name).setLevel(logging.ERROR)
    return weasyprint.HTML(string=page, url_fetcher=_refuse).write_pdf(pdf_tags=True)


def _refuse(url: str, **_options: Any) -> NoReturn:
    raise ValueError(f"a report fetches nothing: {url}")
