# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL's own programs on this machine: finding an installation, and a server of our own for a while."""

from __future__ import annotations

import glob
import os
import pwd
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..core.clock import Clock
from ..core.errors import AccessDenied, CommandFailed, InvalidOption, ToolMissing
from ..core.files import storage_errors, write_atomically
from ..core.waiting import Deadline, wait_until
from .command import Commands, end_group

# Where Debian, the PGDG rpm packages, Homebrew and hand-built installations put the programs of each major version.
_FOLDERS = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin", "/usr/local/pgsql/bin")


@dataclass(frozen=True)
class Installation:
    """A folder of PostgreSQL programs and the version that they say they are."""

    folder: str
    version: tuple[int, ...]

    @property
    def major(self) -> int:
        """15 for 15.8."""
        return self.version[0]

    def program(self, name: str) -> str:
        """The full path of one of its programs.

        :raises ToolMissing: when this installation has it not
        """
        path = os.path.join(self.folder, name)
        if not os.access(path, os.X_OK):
            package = f"postgresql-{self.major}" if name in ("postgres", "initdb", "pg_ctl") else f"postgresql-client-{self.major}"
            raise ToolMissing(f"The PostgreSQL {self.major} installation in {self.folder} has no {name}",
                              hint=f"Install the package {package}", evidence={"folder": self.folder, "program": name})
        return path


def find_installations(commands: Commands, *, program: str, folders: Sequence[str] = ()) -> list[Installation]:
    """Every installation that has ``program``: ``folders`` first, then the usual places, then PATH; newest first
    within the usual places.
    """
    return list(_installations(commands, program, folders))


def _installations(commands: Commands, program: str, folders: Sequence[str]) -> Iterator[Installation]:
    usual = sorted({folder for pattern in _FOLDERS for folder in glob.glob(pattern)},
                   key=lambda folder: [int(number) for number in re.findall(r"\d+", folder)], reverse=True)
    on_path = shutil.which(program)
    seen: set[str] = set()
    for folder in (*folders, *usual, *([os.path.dirname(os.path.realpath(on_path))] if on_path else [])):
        path = os.path.join(folder, program)
        if os.access(path, os.X_OK) and folder not in seen:
            seen.add(folder)
            with suppress(ToolMissing, CommandFailed):  # a wrapper without a server behind it
                yield Installation(folder, commands.version(path))


def installation_for(commands: Commands, major: int, *, program: str, folders: Sequence[str] = ()) -> Installation:
    """The installation of just this major, else the nearest newer one: newer clients serve older servers, never the
    other way round (PostgreSQL documentation, pg_dump, Notes).

    :raises ToolMissing: names what is there and the package to install
    """
    found: list[Installation] = []
    for installation in _installations(commands, program, folders):
        if installation.major == major:  # the others need not be asked
            return installation
        found.append(installation)
    fitting = sorted((installation for installation in found if installation.major >= major), key=lambda one: one.major)
    if not fitting:
        there = ", ".join(".".join(map(str, one.version)) for one in found) or "none"
        package = f"postgresql-{major}" if program in ("postgres", "initdb") else f"postgresql-client-{major}"
        raise ToolMissing(f"{program} of PostgreSQL {major} or newer is needed on this host; found: {there}",
                          hint=f"Install the package {package}", evidence={"program": program, "major": major, "found": there})
    return fitting[0]


def server_account() -> str | None:
    """The user a server runs as: PostgreSQL refuses root, so ``postgres`` or else ``nobody`` stands in for it."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    raise ToolMissing("PostgreSQL will not run as root and there is no user postgres or nobody", hint="Create the user postgres")


def check_scratch_folder(commands: Commands, folder: str | os.PathLike[str], *, account: str | None, longest: int) -> None:
    """See to it that a server of our own can live in a work folder below ``folder``. ``longest`` is how many bytes the path of
    its socket's folder may have, ``account`` who runs it, None where this process does.

    :raises InvalidOption: where it does not exist, or its path is too long for a socket
    :raises AccessDenied: where the account cannot pass through
    """
    longest -= len("/evenkeel-drill-12345678/server")
    if len(os.fsencode(folder)) > longest:
        raise InvalidOption(f"scratch_dir: {os.fspath(folder)!r} is too long a path for a server's socket",
                            hint=f"Choose a path of up to {longest} bytes")
    if not os.path.isdir(folder):
        raise InvalidOption(f"scratch_dir: there is no folder {os.fspath(folder)!r}", hint="Create it, or mount what holds it")
    if account and commands.run(["test", "-x", str(folder)], timeout=10, user=account, cwd="/", check=False).returncode:
        raise AccessDenied(f"scratch_dir: the user {account}, whom the scratch server runs as, cannot pass through {folder}",
                           hint=f"Choose another scratch_dir, or open the way to it (chmod o+x on each folder of {folder})",
                           evidence={"account": account, "path": str(folder)})


class PostgresServer:
    """A server of our own below ``folder``, on a local socket in that folder unless settings say more.

    It ends with this process, whatever ends this process. ``folder`` must be reachable by `server_account`.
    """

    def __init__(self, commands: Commands, installation: Installation, folder: str | os.PathLike[str], clock: Clock, *,
                 settings: Mapping[str, str] | None = None, port: int = 5432, superuser: str = "postgres") -> None:
        self.commands = commands
        self.installation = installation
        self.folder = Path(folder)
        self.data = self.folder / "data"
        self.clock = clock
        self.settings = dict(settings or {})
        self.port = port
        self.superuser = superuser
        self.account = server_account()
        self.log = self.folder / "server.log"
        self._process: subprocess.Popen | None = None

    @property
    def socket_folder(self) -> str:
        """Where its socket is: the host to connect to."""
        return str(self.folder)

    @property
    def pid(self) -> int | None:
        """The postmaster's process id while it runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def prepare(self) -> None:
        """Make the folder, and hand it to the account that the server runs as.

        :raises StorageFailed: when it cannot be made
        """
        with storage_errors(self.folder):
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self.account:
                shutil.chown(self.folder, self.account)

    def initialize(self, *, password: str | None = None, checksums: bool = True, timeout: float = 120,
                   options: Sequence[str] = (), watch: Callable[[], None] | None = None) -> None:
        """initdb, UTF-8 and C collation by default; local connections are trusted, TCP ones want the password. ``watch`` may
        raise to end it (`Commands.run`).

        :raises CommandFailed, TimedOut, StorageFailed: by what went wrong
        """
        self.prepare()
        argv = [self.installation.program("initdb"), "-D", str(self.data), "-U", self.superuser, "--encoding=UTF8",
                "--auth-local=trust", "--auth-host=scram-sha-256", "--no-sync", *options]
        if not any(option.startswith("--locale") for option in options):
            argv.append("--locale=C")
        if checksums:
            argv.append("--data-checksums")
        if password is None:
            self.commands.run(argv, timeout=timeout, user=self.account, cwd=str(self.folder), watch=watch)
            return
        passfile = self.folder / "superuser"
        write_atomically(passfile, password.encode() + b"\n")
        try:
            if self.account:
                shutil.chown(passfile, self.account)
            self.commands.run([*argv, f"--pwfile={passfile}"], timeout=timeout, user=self.account, cwd=str(self.folder), watch=watch)
        finally:
            passfile.unlink(missing_ok=True)

    def start(self, *, timeout: float = 60) -> None:
        """Start and wait until it answers.

        :raises CommandFailed: when it ends instead; evidence has the end of its log
        :raises TimedOut: when it does not answer in time
        """
        settings = {"listen_addresses": "", "unix_socket_directories": self.socket_folder, "port": str(self.port),
                    "logging_collector": "off", **self.settings}
        argv = [self.installation.program("postgres"), "-D", str(self.data)]
        for name, value in settings.items():
            argv += ["-c", f"{name}={value}"]
        with self.log.open("ab") as log:
            self._process = self.commands.start(argv, user=self.account, cwd=str(self.folder), stdout=log.fileno(),
                                                stderr=subprocess.STDOUT, text=False)
        try:
            wait_until(self._answers, deadline=Deadline(self.clock, timeout), what=f"the server in {self.folder}", interval=0.05)
        except BaseException:
            self.stop()
            raise

    def _answers(self) -> bool:
        if self._process.poll() is not None:
            said = self.log.read_text(encoding="utf-8", errors="replace")[-2000:]
            raise CommandFailed(f"The PostgreSQL {self.installation.major} server in {self.folder} did not start",
                                hint="See its log in the evidence", evidence={"log": said})
        ready = self.commands.run(
            [self.installation.program("pg_isready"), "-h", self.socket_folder, "-p", str(self.port), "-t", "2"],
            timeout=10, check=False)
        # Another server may answer in the same folder while ours is still finding out; the lock file names whose it is.
        return ready.returncode == 0 and self._owner() == self._process.pid

    def _owner(self) -> int | None:
        try:
            return int((self.data / "postmaster.pid").read_text(encoding="ascii").split("\n", 1)[0])
        except (OSError, ValueError):
            return None

    def stop(self, *, immediately: bool = False) -> None:
        """End the server, without asking its clients; does nothing when it does not run.

        ``immediately`` leaves out the checkpoint: for a server whose data is thrown away.
        """
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGQUIT if immediately else signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=30)
        end_group(self._process)
        self._process = None

    def remove(self) -> None:
        """Stop, and delete the folder."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
