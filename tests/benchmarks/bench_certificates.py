# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Thirty verdicts, and 500 TLS endpoints in one task, both against ``get_certificate``.

An nginx of our own shows 500 different certificates on 500 ports, each with its intermediate. Ours fetches, verifies
chain and name, and judges the days left; ``get_certificate`` only fetches. It is timed with 2 and with 52
endpoints; the difference is 50 endpoints without start-up, and 500 are reckoned as the run with 2 and 498 more.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.harness import Row, seconds, side_by_side
from tests.conftest import ROOT
from tests.testbed.badssl import POLICY as CASES_POLICY
from tests.testbed.badssl import ask_get_certificate, serve_cases
from tests.testbed.tls import Authority

_ENDPOINTS = 500
_SAMPLED = 50
_POLICY = {"warn_days": 30, "fail_days": 14}


def rows() -> Iterator[Row]:
    """The rows of certificates."""
    yield _verdicts()
    with tempfile.TemporaryDirectory(prefix="evenkeel-bench-") as folder, _nginx(Path(folder)) as (ports, ca_cert):
        ours = _playbook(Path(folder) / "ours.yml", "evenkeel.ops.certificate_check", {
            "policy": _POLICY, "sources": [{"endpoint": f"127.0.0.1:{port}", "ca_cert": str(ca_cert)} for port in ports]})
        their_options = {"host": "127.0.0.1", "port": "{{ item }}"}
        few = _playbook(Path(folder) / "few.yml", "community.crypto.get_certificate", their_options, ports[:2])
        many = _playbook(Path(folder) / "many.yml", "community.crypto.get_certificate", their_options, ports[:2 + _SAMPLED])
        printed = _run(ours)
        assert '"summary": "1500 checks: 1500 pass"' in printed, f"not every check passed: {printed[-2000:]}"
        mine, start = side_by_side(lambda: _run(ours), lambda: _run(few))
        each = (seconds(lambda: _run(many)) - start) / _SAMPLED
        theirs = start + each * (_ENDPOINTS - 2)
        yield Row(f"{_ENDPOINTS} TLS endpoints in one task, whole `ansible-playbook` run",
                  "`community.crypto.get_certificate` in a loop", theirs / mine, 150, True,
                  f"{mine:.2f} s against {theirs:.0f} s ({each:.2f} s each, reckoned from {_SAMPLED}; "
                  f"a run of two takes {start:.2f} s)")


def _verdicts() -> Row:
    """How many of thirty servers are judged rightly: ours by the very check that fails, theirs by good or not."""
    with serve_cases() as cases:
        arguments = {"sources": [case.source() for case in cases], "policy": CASES_POLICY, "timeout": "10s"}
        done = subprocess.run([sys.executable, "-m", "tests.testbed.module", "certificate_check"], text=True, cwd=ROOT, capture_output=True,
                              input=json.dumps({"ANSIBLE_MODULE_ARGS": {**arguments, "_ansible_remote_tmp": "/tmp"}}), check=True)
        answer = json.loads([line for line in done.stdout.splitlines() if line.startswith("{")][-1])
        theirs = ask_get_certificate(cases)
    found: dict[str, set[str]] = {case.name: set() for case in cases}
    for finding in answer["findings"]:
        if finding["status"] != "pass":
            found[finding["subject"]].add(finding["check"].removeprefix("certificate."))
    mine = sum(found[case.name] == case.wrong for case in cases)
    right = sum((theirs[case.name] == "good") == (not case.wrong) for case in cases)
    return Row(f"verdicts on {len(cases)} servers, each with one thing right or wrong", "`community.crypto.get_certificate`",
               mine / right, len(cases) / right, True, f"{mine} of {len(cases)} right against {right} of {len(cases)}")


@contextlib.contextmanager
def _nginx(folder: Path) -> Iterator[tuple[list[int], Path]]:
    """Ports and the authority behind their certificates."""
    program = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    assert program, "nginx is not installed (Debian: nginx-light)"
    root = Authority.create("Benchmark root")
    issuer = root.intermediate()
    reserved = [socket.create_server(("127.0.0.1", 0)) for _number in range(_ENDPOINTS)]
    ports = [one.getsockname()[1] for one in reserved]
    servers = []
    for port in ports:
        certificate, key = issuer.issue(["127.0.0.1"]).write(folder, f"server-{port}")
        servers.append(f"server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {certificate}; ssl_certificate_key {key}; return 204; }}")
    configuration = folder / "nginx.conf"
    configuration.write_text("\n".join([
        "daemon off; worker_processes 1; error_log stderr crit;", f"pid {folder}/nginx.pid;", "user root;" if os.geteuid() == 0 else "",
        "events { worker_connections 4096; }", "http { access_log off;",
        *(f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")), *servers, "}"]))
    for one in reserved:
        one.close()
    with subprocess.Popen([program, "-c", str(configuration), "-e", "stderr", "-p", str(folder)]) as process:
        try:
            _wait_for(ports[-1], process)
            yield ports, root.write(folder)
        finally:
            process.terminate()
            process.wait(20)


def _wait_for(port: int, process: subprocess.Popen) -> None:
    import time

    for _number in range(200):
        assert process.poll() is None, "nginx did not start"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise AssertionError("nginx does not answer")


def _playbook(path: Path, module: str, options: dict, items: list[int] | None = None) -> Path:
    task = {"name": "Check", module: options, **({"loop": items} if items else {})}
    path.write_text(json.dumps([{"name": "Measure", "hosts": "localhost", "gather_facts": False, "connection": "local",
                                 "tasks": [{**task, "register": "answer"},
                                           *([] if items else [{"name": "Print the counts", "ansible.builtin.debug": {
                                               "msg": {"summary": "{{ answer.summary }}"}}}])]}]))
    return path


def _run(playbook: Path) -> str:
    done = subprocess.run(
        [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", str(playbook)], text=True, cwd=ROOT,
        capture_output=True, check=False, env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
                                               "ANSIBLE_CALLBACK_RESULT_FORMAT": "json", "ANSIBLE_PYTHON_INTERPRETER": sys.executable})
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout
