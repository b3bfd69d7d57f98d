# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names are hostile: nothing that a table, a file, a path or a member of an archive is called is ever obeyed."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import zstandard
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.command import Commands
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.compression import Zstd
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.encryption import AgeCipher
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.postgres import connect
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.tar import Tar
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.tar_compare import compare_with_tar
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.archive_engine import extract
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.listing import walk
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.payload import Codecs
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.repository import Repository
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.seal import sealed, unsealed
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import SystemClock
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import OpsError
from ansible_collections.evenkeel.ops.plugins.module_utils.core.waiting import Deadline
from ansible_collections.evenkeel.ops.plugins.module_utils.recovery.drill import run_drill
from ansible_collections.evenkeel.ops.plugins.module_utils.recovery.files import FilesDrill
from ansible_collections.evenkeel.ops.plugins.module_utils.recovery.policy import DrillPolicy

from tests.conftest import ROOT, missing
from tests.testbed import postgres

CANARY = "evenkeel-executed"
_ATTACKS = [
    "$(touch {c})", "`touch {c}`", ";touch {c};", "|touch {c}", "&touch {c}&", "&& touch {c}", "\ntouch {c}\n", "'; touch {c}; '",
    '"; touch {c}; "', "'$(touch {c})'", "${{IFS}}touch${{IFS}}{c}", "<(touch {c})", ">{c}", ">>{c}", "!touch {c}", "\\!touch {c}",
    "--checkpoint-action=exec=touch {c}", "--to-command=touch {c}", "--use-compress-program=touch {c}", "-Itouch {c}",
    "--rsh-command=touch {c}", "--password-command=touch {c}", "-o sftp.command=touch {c}", "--upload-pack=touch {c}",
    "--exec=touch {c}", "-f{c}", "--file={c}", "-C..", "'; DROP SCHEMA public CASCADE; --", "\"; DROP SCHEMA public CASCADE; --",
    "\\! touch {c}", "\\copy x to program 'touch {c}'", "{{{{ lookup('pipe', 'touch {c}') }}}}", "{{% for x in y %}}", "{{{{ 7*7 }}}}",
    "!unsafe x", "!!python/object/apply:os.system ['touch {c}']", "%s", "%n%n", "%(x)s", "{{0}}", "{{x.__class__}}", "*", "?", "[a-z]",
    "**", "~", "~root", "@{c}", "#", "=", "-", "--", "-rf", "-", " ", "  leading", "trailing  ", "\t", "\x01\x02",
    "\x1b[2J\x1b]0;x\x07", "\x7f", "\r", "\r\n", "\u202egnp.exe", "\u200b", "\ufeff", "\u2028", "é", "e\u0301", "ﬁ", "ß", "İ", "☃",
    "\U0001f4a9", "ａｂｃ", "con", "nul", "aux.txt", ".hidden", "...", "..x", "x..", ".git", "CONTENT.jsonl", "manifest.json", "lease",
    "null", "true", "1e309", "0x10", "NaN", "SELECT", "table", "user", "pg_catalog", "a'b", 'a"b', "a''b", 'a""b', "a\\b", "a\\'b",
    "a\\nb", "$1", "$$", "$x$", "E'x'", "U&'x'", "/*", "*/", "--x", "a;b", "a,b", "a:b", "a|b", "a=b", "a b", "(", ")", "<", ">",
]


def names() -> list[str]:
    """Two hundred different ones, each a name for a file and for a table."""
    made = [one.format(c=CANARY) for one in _ATTACKS]
    made = [one for one in dict.fromkeys(made) if one not in (".", "..")]
    wrapped = (f"{before}{one}{after}" for before, after in (("x", ""), ("-", ""), ("'", "'"), ("", ".tmp")) for one in list(made))
    for one in wrapped:
        if len(made) == 199:
            break
        if one not in made:
            made.append(one)
    return [*made, "n" * 63]


def for_tables() -> list[str]:
    """As PostgreSQL takes them: 63 bytes."""
    found = [name.encode()[:63].decode("utf-8", "ignore") for name in names()]
    assert len(set(found)) == len(found)
    return found


def for_files() -> list[str]:
    """As a file system takes them: without the one character that separates names."""
    found = [name.replace("/", ":") for name in names()]
    assert len(set(found)) == len(found)
    return found


def executed() -> list[str]:
    """Where a name was obeyed."""
    folders = [ROOT, Path.cwd(), Path("/"), Path.home(), Path("/tmp"), Path("/var/tmp"), Path("/var/lib/postgresql")]
    return [str(folder / CANARY) for folder in dict.fromkeys(folders) if (folder / CANARY).exists()]


@pytest.fixture(autouse=True)
def nothing_is_obeyed(tmp_path: Path) -> Iterator[None]:
    """Before and after: no canary anywhere."""
    assert executed() == []
    yield
    assert executed() == []
    inside = [path for path in tmp_path.rglob(CANARY) if path.name == CANARY]
    assert inside == []


@pytest.fixture
def scratch() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="drill-"))
    folder.chmod(0o755)
    yield folder
    left = os.listdir(folder)
    shutil.rmtree(folder)
    assert left == []


def round_trip(run_module: Callable[..., Any], repository: Path, scratch: Path, options: dict[str, Any], **more: Any) -> int:
    """Create, verify, drill; gives what was compared."""
    made = run_module("backup", {"repository": str(repository), "plan": "hostile", **options, **more})
    assert not made.get("failed"), made
    verified = run_module("backup_verify", {"repository": str(repository), **more})
    assert [one["status"] for one in verified["verifications"]] == ["pass"], verified
    drilled = run_module("restore_drill", {"repository": str(repository), "plan": "hostile", "scratch_dir": str(scratch), **more})
    assert not drilled.get("failed") and drilled["drill"]["status"] == "pass", drilled
    return drilled["drill"]["tables_compared"]


def test_two_hundred_tables(run_module, newest_pg, tmp_path, scratch, figure):
    chosen = for_tables()
    with connect(newest_pg) as session:
        session.run("DROP DATABASE IF EXISTS {name} WITH (FORCE)", names={"name": "hostile"})
        session.run("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'", names={"name": "hostile"})
    target = replace(newest_pg, database="hostile")
    with connect(target) as session:
        for number, name in enumerate(chosen):
            session.run("CREATE TABLE {table} ({column} int)", names={"table": ("public", name), "column": name})
            session.run("INSERT INTO {table} VALUES (%s)", (number,), names={"table": ("public", name)})
    programs = max(postgres.installations(), key=lambda one: one.major).folder
    compared = round_trip(run_module, tmp_path / "repository", scratch, {
        "engine": "pg_dump", "login_host": target.host, "login_port": target.port, "login_user": target.user,
        "login_password": target.password, "login_db": "hostile"}, bin_dir=programs)
    with connect(newest_pg) as session:
        session.run("DROP DATABASE {name} WITH (FORCE)", names={"name": "hostile"})
    assert compared == 200
    tell(figure, "names of tables, through create, verify and drill", f"{compared} of 200 compared; executed {len(executed())}")


@pytest.fixture
def hostile_folder(tmp_path: Path) -> Path:
    """Two hundred files and two hundred folders, one of each name; and one name that is no UTF-8."""
    root = tmp_path / "source"
    (root / "files").mkdir(parents=True)
    for name in for_files():
        (root / "files" / name).write_text(name)
        (root / "folders" / name).mkdir(parents=True)
        (root / "folders" / name / "in").write_text(name)
    (root / "files" / os.fsdecode(b"\xff\xfe-%s")).write_text("bytes")
    return root


@pytest.mark.parametrize("engine", ["archive", "configuration", "restic"])
def test_two_hundred_files_and_folders(run_module, hostile_folder, tmp_path, scratch, engine, figure):
    told: dict[str, Any] = {"engine": engine, "paths": [str(hostile_folder)]}
    more: dict[str, Any] = {}
    if engine == "configuration":
        told["configuration"] = {"history": str(tmp_path / "history.git"), "secret_names": []}
    if engine == "restic":
        if not shutil.which("restic"):
            missing("restic")
        (tmp_path / "password").write_text("password")
        told["restic"] = {"repository": str(tmp_path / "restic"), "password_file": str(tmp_path / "password"), "initialize": True}
    compared = round_trip(run_module, tmp_path / "repository", scratch, told, **more)
    assert compared == 3 + 200 + 1 + 400
    tell(figure, f"{engine}: names of files and folders, through create, verify and drill", f"200 and 200; executed {len(executed())}")


def test_two_hundred_paths_of_a_plan(run_module, hostile_folder, tmp_path, scratch, figure):
    paths = sorted(str(path) for path in (hostile_folder / "folders").iterdir())
    compared = round_trip(run_module, tmp_path / "repository", scratch, {"engine": "archive", "paths": paths})
    assert compared == 400
    tell(figure, "paths of a plan, through create, verify and drill", f"{len(paths)}; executed {len(executed())}")


# A member: (name, attributes); content is four bytes where it is a regular file. {out} is a folder that must stay as it is.
Member = tuple[str, dict[str, Any]]
LINK, HARD, FOLDER = {"type": tarfile.SYMTYPE}, {"type": tarfile.LNKTYPE}, {"type": tarfile.DIRTYPE}
ESCAPES: dict[str, list[Member]] = {
    "absolute": [("{out}/evil", {})],
    "doubled slashes": [("//{out}/evil", {})],
    "one up": [("../evil", {})],
    "many up": [("../" * 40 + "{out}/evil", {})],
    "up from within": [("a/../../evil", {})],
    "dot and up": [("./../evil", {})],
    "up after a newline": [("\n../../evil", {})],
    "symlink, file through it": [("way", {**LINK, "linkname": "{out}"}), ("way/evil", {})],
    "relative symlink, file through it": [("way", {**LINK, "linkname": "../../.."}), ("way/evil", {})],
    "chain of symlinks": [("a", {**LINK, "linkname": ".."}), ("b", {**LINK, "linkname": "a/.."}), ("b/evil", {})],
    "symlink to a file, then its content": [("way", {**LINK, "linkname": "{out}/sentinel"}), ("way", {})],
    "symlink, folder of its name, file": [("way", {**LINK, "linkname": "{out}"}), ("way", FOLDER), ("way/evil", {})],
    "folder, symlink of its name, file": [("way", FOLDER), ("way", {**LINK, "linkname": "{out}"}), ("way/evil", {})],
    "symlink, mode through it": [("way", {**LINK, "linkname": "{out}/sentinel"}), ("way", {**FOLDER, "mode": 0o777})],
    "hard link to an absolute path": [("way", {**HARD, "linkname": "{out}/sentinel"}), ("way", {})],
    "hard link up": [("way", {**HARD, "linkname": "../../../../../../../../..{out}/sentinel"}), ("way", {})],
    "hard link to a symlink, then its content": [
        ("l", {**LINK, "linkname": "{out}/sentinel"}), ("way", {**HARD, "linkname": "l"}), ("way", {})],
    "symlink, hard link through it": [("l", {**LINK, "linkname": "{out}"}), ("way", {**HARD, "linkname": "l/sentinel"}), ("way", {})],
    "character device": [("null", {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 1})],
    "block device": [("disk", {"type": tarfile.BLKTYPE, "devmajor": 8, "devminor": 0})],
    "device through a symlink": [("way", {**LINK, "linkname": "{out}"}), ("way/disk", {"type": tarfile.BLKTYPE, "devmajor": 8})],
    "fifo, then a file of its name": [("pipe", {"type": tarfile.FIFOTYPE}), ("pipe", {})],
    "twice one name": [("x", {}), ("x", {**LINK, "linkname": "{out}/sentinel"}), ("x", {})],
    "a long name": [("d/" * 2000 + "../" * 2100 + "evil", {})],
    "a name over PATH_MAX": [("n" * 200 + "/" + "p" * 4500, {})],
    "pax header with another path": [("x", {"pax_headers": {"path": "../../evil"}})],
    "pax header with another link": [("way", {**LINK, "linkname": "ok", "pax_headers": {"linkpath": "{out}"}}), ("way/evil", {})],
    "the root itself": [("/", {**FOLDER, "mode": 0o777}), (".", {**FOLDER, "mode": 0o777}), ("..", {**FOLDER, "mode": 0o777})],
    "an unknown type": [("../evil", {"type": b"Z"})],
    "a list of renames (GNU incremental)": [("d", {"type": b"D"})],
    "set-uid program of root": [("program", {"mode": 0o4777, "uid": 0, "gid": 0})],
    "an option of tar": [("--to-command=touch " + CANARY, {}), ("--absolute-names", {}), ("--overwrite", {})],
}


def forged(members: list[Member], out: Path) -> bytes:
    """A tar stream of these members."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, attributes in members:
            member = tarfile.TarInfo(name.replace("{out}", str(out)))
            for key, value in attributes.items():
                if isinstance(value, str):
                    value = value.replace("{out}", str(out))
                if isinstance(value, dict):
                    value = {word: text.replace("{out}", str(out)) for word, text in value.items()}
                setattr(member, key, value)
            content = b"evil" if member.type == tarfile.REGTYPE else b"R../x\0T../../evil\0\0" if member.type == b"D" else b""
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return made.getvalue()


@pytest.fixture
def forge(run_module, tmp_path) -> Callable[[bytes, int], Any]:
    """A backup that holds a given stream, its manifest in accord: what one who can write the repository could put there."""
    (tmp_path / "source").mkdir()
    (tmp_path / "source/x").write_text("x")
    answer = run_module("backup", {"repository": str(tmp_path / "repository"), "plan": "files", "engine": "archive",
                                   "paths": [str(tmp_path / "source")]})
    folder = Path(answer["backup"]["path"])

    def put(stream: bytes, count: int) -> Any:
        content = zstandard.compress(stream)
        [stored] = (folder / "data").iterdir()
        stored.write_bytes(content)
        told = unsealed((folder / "manifest.json").read_bytes())
        told["files"][0] |= {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest(), "plain_bytes": len(stream)}
        told["source"]["members"] = count
        (folder / "manifest.json").write_bytes(sealed(told))
        return Repository(tmp_path / "repository", "unnamed", "unnamed").open(answer["backup"]["id"])

    return put


def state(*folders: Path) -> dict[str, Any]:
    """Everything below folders that must stay as they are; the root's mode."""
    found = {entry.path: (entry.kind, entry.mode, entry.uid, entry.size, entry.mtime, entry.inode, Path(entry.path).read_bytes()
                          if entry.kind == "file" else entry.link)
             for entry in walk([str(folder) for folder in folders], lambda _path: False)}
    return {**found, "/": os.stat("/").st_mode}


def test_no_member_of_an_archive_leaves_the_folder_that_it_is_restored_to(forge, tmp_path, figure):
    out, home = tmp_path / "outside", tmp_path / "home"
    out.mkdir()
    (out / "sentinel").write_text("safe")
    tar, codecs, commands = Tar(Commands()), Codecs(Zstd(), AgeCipher()), Commands()
    escaped, arrived = [], 0
    for case, members in ESCAPES.items():
        backup = forge(forged(members, out), len(members))
        # Above the target there is room for what goes up: it must stay empty.
        (home / "above/target").mkdir(parents=True)
        (home / "above/scratch").mkdir()
        before = state(out, home)

        def drill(folder: Path, backup: Any = backup) -> FilesDrill:
            return FilesDrill(
                backup, codecs, tar, lambda feed, target: compare_with_tar(commands, tar.program, feed, target), folder, jobs=1,
                deadline=Deadline(SystemClock(), 60))

        with contextlib.suppress(OpsError):
            run_drill(backup, DrillPolicy(), drill, home / "above/scratch", SystemClock())
        os.utime(home / "above/scratch", ns=(before[str(home / "above/scratch")][4],) * 2)
        if state(out, home) != before:
            escaped.append(f"{case} (drill)")
        with contextlib.suppress(OpsError):
            extract(backup, home / "above/target", codecs, tar, timeout=60)
        arrived += any((home / "above/target").iterdir())
        shutil.rmtree(home / "above/target")
        (home / "above/target").mkdir()
        after = state(out, home)
        ignored = {str(home / "above/target"), str(home / "above")}  # made anew by this test itself
        if {path: one for path, one in after.items() if path not in ignored} != \
                {path: one for path, one in before.items() if path not in ignored} or executed():
            escaped.append(f"{case} (restore)")
        shutil.rmtree(home)
        (out / "sentinel").write_text("safe")
    tell(figure, "members of archives that would escape, drilled and restored", f"{len(ESCAPES)} cases; escaped {len(escaped)}")
    assert escaped == []
    assert len(ESCAPES) >= 30
    assert arrived > len(ESCAPES) / 2  # they were unpacked, not refused for some flaw of their making


def tell(figure, how: str, text: str) -> None:
    figure("names are hostile", how, text)
