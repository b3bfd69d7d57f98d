# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""See DOCUMENTATION. The work is done by the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: report
short_description: Judge a run and write its report as HTML, PDF and JSON
description:
  - Reads everything that a run recorded in the ledger, judges it, writes one HTML file without external assets, where asked for the same
    as PDF, the data as JSON, and shows a summary on the console.
  - Latency, availability, error budgets and how fast they burn, days left of certificates, ages and sizes of copies, sizes of databases,
    space in use and the verdict are plotted over earlier runs. Where a run could not tell, the line has a gap.
  - Says what is new, worse or mended since the run before, who ran it, and what nobody looked at.
  - Verifies the ledger's chain of digests on the way, and fails where a record was altered or taken out.
  - In check mode nothing was recorded, so nothing is written.
author: The evenkeel.ops founders (@evenkeel)
version_added: 0.1.0
options:
  folder:
    description: Folder on the controller; made with mode 0700 when missing. Files in it get mode 0600.
    type: path
    required: true
  verdict:
    description:
      - Share of good checks in percent from which a run is C(healthy), and from which it is C(degraded).
      - A check that passed or warned is good. One that failed or is unknown is not.
    type: dict
    default: {}
    suboptions:
      healthy:
        description: Lower limit of healthy; 95 where left out.
        type: float
      degraded:
        description: Lower limit of degraded; 80 where left out.
        type: float
  trend:
    description: How many earlier runs the trends show.
    type: int
    default: 30
  history:
    description: How far back plots look.
    type: str
    default: 30d
  formats:
    description:
      - What is written beside the data. Where V(pdf) cannot be made, the page is written, and C(operations.pdf) fails and says why.
    type: list
    elements: str
    choices: [html, pdf]
    default: [html]
  pdf_rows:
    description:
      - How many rows of one list the PDF has at most, the worst of them. It says how many there are and which file has all.
      - What passes is counted there by check, however few it is.
    type: int
    default: 200
  run:
    description:
      - The run to report on. By default this one, or the newest of this system's environment where this one recorded nothing.
      - Trends, plots, ages and what is new end with that run, whatever was found out since.
    type: str
  template:
    description: Jinja2 template of the page, looked for as Ansible looks for templates. Everything in it is escaped.
    type: str
    default: report.html.j2
requirements:
  - SQLAlchemy >= 2.0 on the controller
  - pygal >= 3.0 on the controller
  - weasyprint >= 66 with Pango on the controller, for V(pdf)
extends_documentation_fragment:
  - evenkeel.ops.attributes
"""

EXAMPLES = r"""
- name: Report on this run
  evenkeel.ops.report:
    folder: /var/lib/evenkeel/reports
    verdict: {healthy: 95, degraded: 80}
    formats: [html, pdf]
  register: operations_result
"""

RETURN = r"""
verdict:
  description: The word, the share of good checks in percent, and their numbers.
  returned: success
  type: dict
  sample: {word: degraded, share: 91.2, good: 93, total: 102}
html:
  description: Path of the page; null where it was not asked for.
  returned: success
  type: str
pdf:
  description: Path of the same as PDF; null where it was not asked for or could not be made.
  returned: success
  type: str
json:
  description: Path of the data.
  returned: success
  type: str
console:
  description: The summary for a terminal, as pairs of a line and the status that colors it.
  returned: success
  type: list
  elements: list
trend:
  description: This run's point in the trends.
  returned: success
  type: dict
findings:
  description: C(operations.verdict), where degraded warns and unhealthy fails, and C(operations.pdf) where no PDF could be made.
  returned: success
  type: list
  elements: dict
summary:
  description: How large the files are.
  returned: success
  type: str
  sample: HTML 92.1 KiB, JSON 61.0 KiB
"""
