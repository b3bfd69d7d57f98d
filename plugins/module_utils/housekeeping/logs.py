# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sets of logs and how they are rotated, written as logrotate's configuration (logrotate(8), version 3.18 or newer)."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from ..core.errors import InvalidOption
from ..core.finding import Finding, Status, at_most
from ..core.quantities import DAY, format_duration, format_size, parse_duration, parse_size
from .roots import CleaningRoots
from .tree import shown

# A file of ours is known by its first line.
HEADER = "# Managed by evenkeel.ops.log_rotate: what is changed here by hand will be lost.\n"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")  # logrotate passes over names with certain endings (tabooext)
_ACCOUNT = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*\$?|\d+")
_MODE = re.compile(r"0?[0-7]{3}")
_SIGNAL = re.compile(r"[A-Z][A-Z0-9+]{1,9}")
_WILD = re.compile(r"[*?\[]")
_FREQUENCIES = ("hourly", "daily", "weekly", "monthly", "yearly", "size")


@dataclass(frozen=True)
class LogSet:
    """One configuration file. ``size`` and ``size_limit`` are bytes, ``max_age`` whole days, ``rotation_limit`` seconds.

    ``after`` are commands as argument lists; ``signal`` is (signal, pid file).
    """

    name: str
    paths: tuple[str, ...] = ()
    frequency: str = "daily"
    size: int | None = None
    keep: int = 7
    max_age: int | None = None
    compress: bool = True
    delay_compress: bool = False
    skip_empty: bool = True
    copytruncate: bool = False
    create: tuple[str, str, str] | None = None
    su: tuple[str, str] | None = None
    after: tuple[tuple[str, ...], ...] = ()
    signal: tuple[str, str] | None = None
    size_limit: int | None = None
    rotation_limit: float | None = None
    optional: bool = False
    present: bool = True

    @classmethod
    def from_options(cls, options: Mapping[str, Any], roots: CleaningRoots) -> LogSet:
        """Read one item of the option ``logs``.

        :raises InvalidOption: for a name, path, number or command that logrotate could not be told faithfully
        :raises Refused: for a path outside of the roots
        """
        name = options["name"]
        if not _NAME.fullmatch(name):
            raise InvalidOption(f"logs: {name!r} is no name of a log set", hint="Use letters, digits, - and _: it names a file")
        if options.get("state") == "absent":
            return cls(name, present=False)
        where = f"logs: {name}"
        paths = tuple(options.get("paths") or ())
        if not paths:
            raise InvalidOption(f"{where} has no paths", hint="Name the logs: paths: [/var/log/shop/*.log]")
        for path in paths:
            _check_path(path, roots, option=f"{where}: path")
        frequency, size = options.get("frequency") or "daily", options.get("size")
        if frequency not in _FREQUENCIES:
            raise InvalidOption(f"{where}: {frequency!r} is no frequency", hint=f"Known are {', '.join(_FREQUENCIES)}")
        if (frequency == "size") != (size is not None):
            raise InvalidOption(f"{where}: frequency {frequency} with size {size}",
                                hint="size goes with frequency: size, and with no other")
        if options.get("copytruncate") and options.get("create"):
            raise InvalidOption(f"{where}: copytruncate leaves the log in place, so create has nothing to do", hint="Choose one")
        return cls(
            name, paths, frequency, None if size is None else parse_size(size, option=f"{where}: size"),
            keep=_number(options.get("keep", 7), f"{where}: keep"), max_age=_days(options.get("max_age"), f"{where}: max_age"),
            compress=options.get("compress", True), delay_compress=options.get("delay_compress", False),
            skip_empty=options.get("skip_empty", True), copytruncate=bool(options.get("copytruncate")),
            create=_create(options.get("create"), where), su=_su(options.get("su"), where),
            after=tuple(_command(argv, where) for argv in options.get("after") or ()),
            signal=_signal(options.get("signal"), where),
            size_limit=_or_none(options.get("size_limit"), parse_size, f"{where}: size_limit"),
            rotation_limit=_or_none(options.get("rotation_limit"), parse_duration, f"{where}: rotation_limit"),
            optional=bool(options.get("optional")),
        )

    def render(self) -> str:
        """The configuration. Every directive is spelt out, so that no default of the machine changes its meaning."""
        lines = [*(f'"{_escaped(path)}"' for path in self.paths[:-1]), f'"{_escaped(self.paths[-1])}" {{']
        words = [
            f"size {self.size}" if self.frequency == "size" else self.frequency,
            f"rotate {self.keep}", *([f"maxage {self.max_age}"] if self.max_age is not None else []),
            "missingok", "notifempty" if self.skip_empty else "ifempty",
            "compress" if self.compress else "nocompress", "delaycompress" if self.delay_compress else "nodelaycompress",
            "nodateext", "noolddir", "nomail",
            *(["copytruncate"] if self.copytruncate else ["nocopytruncate"]),
            "create " + " ".join(self.create) if self.create else "nocreate" if self.copytruncate else "create",
            *([f"su {' '.join(self.su)}"] if self.su else []),
        ]
        lines += [f"    {word}" for word in words]
        script = [shlex.join(argv) for argv in self.after]
        if self.signal:
            signal, pid_file = self.signal[0], shlex.quote(self.signal[1])
            script.append(f'test ! -s {pid_file} || kill -s {signal} "$(cat {pid_file})"')
        if script:
            # Joined, so that the first that fails ends the script and logrotate tells of it.
            lines += ["    sharedscripts", "    postrotate", *(f"        {line} || exit 1" for line in script), "    endscript"]
        return HEADER + "\n".join([*lines, "}"]) + "\n"


def read_sets(logs: Sequence[Mapping[str, Any]], roots: CleaningRoots) -> list[LogSet]:
    """All sets of a run.

    :raises InvalidOption: where two have one name
    """
    sets = [LogSet.from_options(options, roots) for options in logs]
    names = [one.name.lower() for one in sets]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise InvalidOption(f"logs: two sets are named {twice}", hint="Each set is a file of its own: give each its own name")
    return sets


def judge_log(path: str, *, size: int, rotated_at: float | None, log_set: LogSet, now: float) -> list[Finding]:
    """A log's size, and how long ago it was rotated, against the set's limits; no limit, no judgement.

    ``rotated_at`` is the last rotation or, before the first one, the instant from which logrotate knows the log.
    """
    subject, findings = shown(path), []
    if log_set.size_limit is not None:
        judged = at_most("housekeeping.logs.size", subject, size, fail=log_set.size_limit)
        over = judged.status is Status.FAIL
        findings.append(Finding(
            judged.check, subject, judged.status,
            f"the size is {format_size(size)}, {'over' if over else 'within'} the limit of {format_size(log_set.size_limit)}",
            size, log_set.size_limit, "B", "See what fills it; rotate it now (rotate_now) or by a smaller size" if over else ""))
    if log_set.rotation_limit is not None:
        check, limit = "housekeeping.logs.rotation", log_set.rotation_limit
        if rotated_at is None:
            findings.append(Finding(check, subject, Status.UNKNOWN, "logrotate's state does not know this log", None, limit, "s",
                                    "See that logrotate runs (systemctl status logrotate.timer), and what it says"))
        else:
            age = max(0.0, round(now - rotated_at, 3))
            over = age > limit
            findings.append(Finding(
                check, subject, Status.FAIL if over else Status.PASS,
                f"the last rotation was {format_duration(age)} ago, "
                f"{'over' if over else 'within'} the limit of {format_duration(limit)}",
                age, limit, "s", "See why logrotate passes over it: logrotate --debug with its configuration" if over else ""))
    return findings


def fixed_folder(path: str) -> str:
    """The part of a pattern before its first wildcard, up to the last slash."""
    wild = _WILD.search(path)
    return (path[:wild.start()] if wild else path).rpartition("/")[0]


def _check_path(path: str, roots: CleaningRoots, *, option: str) -> None:
    roots.admit(path, option=option)
    if path in roots.roots:
        raise InvalidOption(f"{option} {path} is a declared root, no log", hint=f"Name the files: {path}/*.log")
    odd = next((sign for sign in path if sign in "\\{}" or not sign.isprintable()), None)
    if odd is not None:
        raise InvalidOption(f"{option} {path!r}: logrotate cannot be told {odd!r}",
                            hint="Let ? or * stand for it; name alternatives one by one")
    roots.admit(fixed_folder(path), option=option)
    if _WILD.search(path) and any(fnmatchcase(f"{_WILD.sub('x', path)}.1{end}", path) for end in ("", ".gz")):
        raise InvalidOption(f"{option} {path!r} would also rotate what is rotated already", hint="End the pattern: *.log")


def _escaped(path: str) -> str:
    return path.replace('"', '\\"')


def _number(value: Any, option: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise InvalidOption(f"{option}: {value!r} is no number of files", hint="Give 0 or more")
    return value


def _days(text: str | None, option: str) -> int | None:
    if text is None:
        return None
    days = parse_duration(text, option=option) / DAY
    if days < 1 or not math.isclose(days, round(days)):
        raise InvalidOption(f"{option}: {text!r} is not in whole days", hint="logrotate counts in days: 30d")
    return round(days)


def _or_none(text: str | None, parse: Any, option: str) -> Any:
    return None if text is None else parse(text, option=option)


def _account(value: Any, option: str) -> str:
    if not isinstance(value, str) or not _ACCOUNT.fullmatch(value):
        raise InvalidOption(f"{option}: {value!r} is no account", hint="Give a name or a number")
    return value


def _create(options: Mapping[str, Any] | None, where: str) -> tuple[str, str, str] | None:
    if not options:
        return None
    mode = options.get("mode")
    if not isinstance(mode, str) or not _MODE.fullmatch(mode):
        raise InvalidOption(f"{where}: create: mode {mode!r} is no mode", hint='Write it in quotes, octal: "0640"')
    owner, group = (_account(options.get(key), f"{where}: create: {key}") for key in ("owner", "group"))
    return mode, owner, group


def _su(options: Mapping[str, Any] | None, where: str) -> tuple[str, str] | None:
    if not options:
        return None
    return _account(options.get("user"), f"{where}: su: user"), _account(options.get("group"), f"{where}: su: group")


def _command(argv: Any, where: str) -> tuple[str, ...]:
    if not isinstance(argv, (list, tuple)) or not argv or not all(isinstance(word, str) for word in argv):
        raise InvalidOption(f"{where}: after: {argv!r} is no list of arguments",
                            hint="Write [[/usr/bin/systemctl, reload, nginx.service]]")
    if not argv[0].startswith("/"):
        raise InvalidOption(f"{where}: after: {argv[0]!r} is no full path of a program", hint="Write it from / on")
    if not all(word.isprintable() for word in argv):
        raise InvalidOption(f"{where}: after: a word of {list(argv)!r} cannot be printed", hint="Put it into a script of its own")
    return tuple(argv)


def _signal(options: Mapping[str, Any] | None, where: str) -> tuple[str, str] | None:
    if not options:
        return None
    name, pid_file = str(options.get("name") or "").removeprefix("SIG"), options.get("pid_file") or ""
    if not _SIGNAL.fullmatch(name):
        raise InvalidOption(f"{where}: signal: {name!r} is no signal", hint="Write HUP or USR1")
    if not pid_file.startswith("/") or not pid_file.isprintable():
        raise InvalidOption(f"{where}: signal: {pid_file!r} is no full path of a pid file", hint="Write /run/nginx.pid")
    return name, pid_file
