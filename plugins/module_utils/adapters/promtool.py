# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""promtool and amtool: what the servers' own programs say of a configuration before a server reads it."""

from __future__ import annotations

from pathlib import Path

from ..core.errors import CommandFailed
from .command import Commands

_SECONDS = 60.0


class ConfigurationCheck:
    """Asks the programs of the packages prometheus and prometheus-alertmanager."""

    def __init__(self, commands: Commands | None = None) -> None:
        self._commands = commands or Commands()

    def prometheus(self, path: Path) -> None:
        """A prometheus.yml with the rule files that it names.

        :raises CommandFailed: says what is wrong with it
        :raises ToolMissing: without promtool
        """
        self._run("promtool", "prometheus", "check", "config", str(path))

    def rules(self, path: Path) -> None:
        """A file of rules.

        :raises CommandFailed: says what is wrong with it
        :raises ToolMissing: without promtool
        """
        self._run("promtool", "prometheus", "check", "rules", str(path))

    def alertmanager(self, path: Path) -> None:
        """An alertmanager.yml.

        :raises CommandFailed: says what is wrong with it
        :raises ToolMissing: without amtool
        """
        self._run("amtool", "prometheus-alertmanager", "check-config", str(path))

    def _run(self, program: str, package: str, *arguments: str) -> None:
        done = self._commands.run([self._commands.find(program, package=package), *arguments], timeout=_SECONDS, check=False)
        if done.returncode:
            lines = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
            wrong = [line.removeprefix("FAILED:").strip() for line in lines if not line.startswith("Checking") and "SUCCESS" not in line]
            raise CommandFailed(f"{program} does not accept it: {' '.join(filter(None, wrong or lines))[:600]}",
                                hint="Nothing was written; correct the policy",
                                evidence={"said": "\n".join(lines)[-4000:]})
