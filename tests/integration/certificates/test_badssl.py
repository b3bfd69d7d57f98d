# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Thirty servers, each with one thing right or wrong: every verdict is right, and the peer's beside it."""

from __future__ import annotations

from tests.testbed.badssl import POLICY, ask_get_certificate, serve_cases


def test_thirty_verdicts_are_right(run_module, capsys):
    with serve_cases() as cases:
        answer = run_module("certificate_check", {"sources": [case.source() for case in cases], "policy": POLICY, "timeout": "30s"})
        assert not answer.get("failed"), answer
        theirs = ask_get_certificate(cases)
    found: dict[str, set[str]] = {case.name: set() for case in cases}
    for finding in answer["findings"]:
        if finding["status"] != "pass":
            assert finding["status"] == "fail", finding
            found[finding["subject"]].add(finding["check"].removeprefix("certificate."))
    with capsys.disabled():
        print()
        for case in cases:
            print(f"  {case.name:28} {', '.join(sorted(found[case.name])) or 'good':24} get_certificate: {theirs[case.name]}")
        right = sum((theirs[case.name] == "good") == (not case.wrong) for case in cases)
        print(f"  verdicts right: {sum(found[case.name] == case.wrong for case in cases)} of {len(cases)}, "
              f"community.crypto.get_certificate {right} of {len(cases)}")
    assert len(cases) == 30
    assert found == {case.name: set(case.wrong) for case in cases}
