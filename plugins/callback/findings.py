# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Shows findings as they come; decides nothing."""

from __future__ import annotations

DOCUMENTATION = r"""
name: findings
type: notification
short_description: Show findings on the console as they come
description:
  - After each task that returns findings, prints those that did not pass, one line each, and the counts.
  - Ends the run with the summary of its report, where it wrote one, or with the plan that it drew up.
author: The evenkeel.ops founders (@evenkeel)
version_added: 0.1.0
requirements:
  - enable in ansible.cfg (C(callbacks_enabled = evenkeel.ops.findings)) or E(ANSIBLE_CALLBACKS_ENABLED)
"""

from ansible.plugins.callback import CallbackBase

_COLORS = {"pass": "green", "warn": "bright yellow", "unknown": "bright purple", "fail": "red"}


class CallbackModule(CallbackBase):
    """Console lines for findings."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "evenkeel.ops.findings"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self):
        super().__init__()
        self._console = []

    def v2_runner_on_ok(self, result):
        """A task, or a whole loop, ended well."""
        self._show(result)

    def v2_runner_on_failed(self, result, ignore_errors=False):
        """A task failed; what it found before is shown all the same."""
        self._show(result)

    def v2_playbook_on_stats(self, stats):
        """The run is over."""
        for line, status in self._console:
            self._display.display(_printable(line), color=_COLORS.get(status))

    def _show(self, result):
        body = result._result
        if body.get("_ansible_no_log") or body.get("gated"):
            return
        answers = body.get("results") if isinstance(body.get("results"), list) else [body]
        told = [line for answer in answers if isinstance(answer, dict) for line in answer.get("console") or ()]
        self._console = told or self._console
        for answer in answers:
            if not isinstance(answer, dict) or not answer.get("findings"):
                continue
            for finding in answer["findings"]:
                if not isinstance(finding, dict) or finding.get("status") not in _COLORS or finding["status"] == "pass":
                    continue
                hint = f" -> {finding['hint']}" if finding.get("hint") else ""
                line = f"    {finding['status']:>7}  {finding.get('subject')}: {finding.get('message')}{hint}"
                self._display.display(_printable(line), color=_COLORS[finding["status"]])
            if answer.get("summary"):
                self._display.display(f"             {answer['summary']}")


def _printable(text):
    """Names come from the world: signs that would command the terminal are shown, not obeyed."""
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode("ascii") for sign in text)
