# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as PDF: the same content as the page, on pages that say what they belong to; and what happens where it cannot be made."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pypdf
import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters import paged
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.ledger import Ledger

from tests.conftest import missing
from tests.integration.operations.conftest import rendered
from tests.unit.operations import days

REPORT = "evenkeel.ops.operations.report"


class Texts(HTMLParser):
    """What a page says, piece by piece; drawings are described in words elsewhere."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self._inside: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag in ("style", "svg", "title"):
            self._inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self._inside:
            self._inside.remove(tag)

    def handle_data(self, data: str) -> None:
        if data.strip() and not self._inside:
            self.found.append(data)


def squeezed(text: str) -> str:
    """Without spaces: where lines end is the business of each medium."""
    return re.sub(r"\s+", "", text)


@pytest.fixture(scope="module")
def document() -> Iterator[Any]:
    """The ordinary day's PDF, made once."""
    if paged.missing():
        missing("WeasyPrint with Pango")
    yield pypdf.PdfReader(io.BytesIO(paged.pdf(rendered("ordinary", paged=True))))


def test_the_pdf_says_what_the_page_says_but_for_each_check_that_passed(document):
    whole = squeezed("".join(without_margins(page) for page in document.pages))
    before, checks = rendered("ordinary").split('<section id="checks">')
    said = [squeezed(text) for text in Texts(before + re.sub("<details>.*?</details>", "", checks, flags=re.DOTALL)).found]
    assert len(said) > 300
    assert [text for text in said if text not in whole] == []


def without_margins(page: Any) -> str:
    """A page's text but for what its margins say, each of which is left out once."""
    margins = {"cronos_ai / production", "Degraded", f"{days.instant(0)[:16].replace('T', ' ')} UTC"}
    lines, kept = page.extract_text().splitlines(), []
    for line in lines:
        if line.strip() in margins:
            margins.discard(line.strip())
        elif not re.fullmatch(r"Page \d+ of \d+", line.strip()):
            kept.append(line)
    return "\n".join(kept)


def test_thousands_of_findings_are_told_by_their_worst_with_where_the_others_are():
    if paged.missing():
        missing("WeasyPrint with Pango")
    sheets = pypdf.PdfReader(io.BytesIO(paged.pdf(rendered("many", paged=True, most=30)))).pages
    text = " ".join(" ".join(sheet.extract_text() for sheet in sheets).split())
    assert "30 of 2000 are shown, the worst of each area; all are in many.html and many.json." in text
    assert "health.probe 2 1000 2000" in text, "what passed is counted by check"
    assert len(sheets) < 10


def test_each_page_says_of_what_it_is_and_which_one(document):
    count = len(document.pages)
    assert count > 2
    for number, page in enumerate(document.pages, 1):
        text = page.extract_text()
        assert "cronos_ai / production" in text and "Degraded" in text and f"Page {number} of {count}" in text


def test_links_lead_to_chapters_and_the_outline_names_them(document):
    links = [annotation.get_object() for page in document.pages for annotation in page.get("/Annots") or ()]
    assert len([link for link in links if link["/Subtype"] == "/Link"]) >= 10
    assert all("/URI" not in (link.get("/A") or {}) for link in links), "none leads out"
    titles = [entry.title for entry in document.outline if not isinstance(entry, list)]
    assert {"Services", "Service levels", "Certificates", "All checks"} <= {re.sub(r" \d.*", "", title) for title in titles}


def test_no_row_is_cut_by_the_end_of_a_page():
    if paged.missing():
        missing("WeasyPrint with Pango")
    rows = "".join(f"<tr><td>first{number:03}<br>second{number:03}<br>third{number:03}</td></tr>" for number in range(120))
    table = f"<table><thead><tr><th>Heading</th></tr></thead><tbody>{rows}</tbody></table>"
    page = rendered("empty", paged=True).replace("</main>", f"{table}</main>")
    texts = [sheet.extract_text() for sheet in pypdf.PdfReader(io.BytesIO(paged.pdf(page))).pages]
    assert len(texts) > 2
    for number in range(120):
        [sheet] = [text for text in texts if f"first{number:03}" in text]
        assert f"third{number:03}" in sheet, number
    assert all("Heading" in text for text in texts if "first" in text), "headings are repeated"


def reported(playbook: Any, folder: Path, **variables: Any) -> tuple[Any, dict[str, Path]]:
    """What the playbook said, and the files that it wrote by their suffix."""
    inventory = folder / "hosts.yml"
    inventory.write_text("all: {children: {operations: {hosts: {localhost: {ansible_connection: local}}}}}")
    done = playbook(REPORT, inventory=inventory, variables={
        "evenkeel_system": "cronos_ai", "evenkeel_environment": "production", "operations_report_folder": str(folder / "reports"),
        "operations_report_formats": ["html", "pdf"], **variables})
    return done, {path.suffix: path for path in (folder / "reports").glob("*")}


def test_the_playbook_writes_page_pdf_and_data_and_says_their_sizes(playbook, ledger):
    if paged.missing():
        missing("WeasyPrint with Pango")
    done, files = reported(playbook, ledger)
    assert done.returncode == 0, done.stdout[-4000:]
    assert set(files) == {".html", ".pdf", ".json"} and all(path.stat().st_mode & 0o777 == 0o600 for path in files.values())
    assert re.search(r"^HTML [\d.]+ KiB, PDF [\d.]+ KiB, JSON [\d.]+ KiB$", done.stdout, re.MULTILINE)
    assert len(json.loads(files[".json"].read_text(encoding="utf-8"))["series"]["latency"]) == 4
    again, files = reported(playbook, ledger, operations_report_formats=["html"])
    assert again.returncode == 0, again.stdout[-4000:]
    assert "22 of 27 checks are good" in files[".html"].read_text(encoding="utf-8"), "a report is no run to report on"


def test_without_the_library_the_page_is_written_and_the_gate_closes(playbook, ledger, monkeypatch):
    (ledger / "weasyprint.py").write_text("raise ImportError('not here')\n")
    monkeypatch.setenv("PYTHONPATH", str(ledger))
    done, files = reported(playbook, ledger, operations_report_formats=["pdf"])
    assert set(files) == {".html", ".json"} and done.returncode != 0
    assert "The Python library weasyprint is not installed" in done.stdout and "pip install 'weasyprint'" in done.stdout
    [row] = [finding for record in Ledger(f"sqlite:///{ledger}/ledger.sqlite").newest_records(system="cronos_ai", environment="production")
             if record["procedure"] == "report" for finding in record["findings"] if finding["check"] == "operations.pdf"]
    assert row["status"] == "fail" and row["hint"]
