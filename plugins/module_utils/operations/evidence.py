# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task's result says, as findings and values fit for the ledger."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..core.finding import Finding, Status, count, sentence, worst

# Keys that Ansible adds to a result and that say nothing of the work, and what is for the terminal or came out of the ledger.
_NOISE = {
    "ansible_loop_var", "ansible_facts", "ansible_no_log", "censored", "changed", "console", "deprecations", "diff", "exception", "failed",
    "findings", "hint", "history", "invocation", "item", "module_stderr", "module_stdout", "msg", "results", "skipped",
    "skip_reason", "summary", "unreachable", "warnings", "error", "evidence", "_ansible_no_log",
}


@dataclass(frozen=True)
class Evidence:
    """Findings, whether anything changed, and the modules' own return values, one dictionary per result."""

    findings: tuple[Finding, ...]
    changed: bool
    values: tuple[dict[str, Any], ...]

    @property
    def status(self) -> str:
        """The worst status; ``pass`` where the work has nothing to judge and did not fail."""
        return worst(self.findings).value if self.findings else Status.PASS.value

    @property
    def summary(self) -> str:
        """The counts as a sentence."""
        return sentence(self.findings)

    @property
    def counts(self) -> dict[str, int]:
        """The findings by status."""
        return count(self.findings)


def read_results(results: Any, *, area: str, procedure: str, subject: str) -> Evidence:
    """Read one task result, a looped one, or a list of both.

    A result that failed or was unreachable without a finding of its own gives an ``unknown`` finding: the work could
    not be done, so nothing is known.
    """
    findings: list[Finding] = []
    values: list[dict[str, Any]] = []
    changed = False
    for result in _flatten(results):
        if result.get("gated"):
            continue
        own = [_read_finding(finding, f"{area}.{procedure}", _subject(result, subject)) for finding in _given(result)]
        findings.extend(own)
        changed |= bool(result.get("changed"))
        if result.get("unreachable") or (result.get("failed") and not any(
                finding.status in (Status.FAIL, Status.UNKNOWN) for finding in own)):
            findings.append(_failure(result, f"{area}.{procedure}", _subject(result, subject)))
        kept = {key: value for key, value in result.items() if key not in _NOISE and not key.startswith("_")}
        if kept and not result.get("failed") and not result.get("unreachable"):
            values.append(kept)
    return Evidence(tuple(findings), changed, tuple(values))


def _given(result: Mapping[str, Any]) -> Sequence[Any]:
    findings = result.get("findings") or ()
    return findings if isinstance(findings, Sequence) and not isinstance(findings, (str, bytes)) else (findings,)


def _read_finding(data: Any, check: str, subject: str) -> Finding:
    """Modules of others may call something else "findings"; what cannot be read is not known, and not an end of the work."""
    try:
        return Finding.from_dict(data)
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        return Finding(check, subject, Status.UNKNOWN, f"a finding could not be read: {type(error).__name__}: {error}",
                       hint="Give the results of modules of evenkeel.ops, or findings of their shape")


def _flatten(results: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(results, Mapping):
        if isinstance(results.get("results"), list):
            yield from _flatten(results["results"])
        elif results and not results.get("skipped"):
            yield results
    elif isinstance(results, Iterable) and not isinstance(results, (str, bytes)):
        for result in results:
            yield from _flatten(result)


def _subject(result: Mapping[str, Any], subject: str) -> str:
    item = result.get(result.get("ansible_loop_var", "item"))
    if isinstance(item, Mapping):
        item = item.get("name") or item.get("plan")
    return f"{subject}: {item}" if isinstance(item, str) else subject


def _failure(result: Mapping[str, Any], check: str, subject: str) -> Finding:
    message = str(result.get("msg") or "the task failed without a message").strip()
    hint = str(result.get("hint") or "")
    if hint and message.endswith(hint):
        message = message.removesuffix(hint).strip().removesuffix(".")
    return Finding(check, subject, Status.UNKNOWN, message, hint=hint or "Run the step alone with -vvv to see more")
