# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a physical recovery is to end: the newest point, or one that is named. Pure."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ..backups.repository import Backup
from ..backups.wal_archive import segment_number
from ..core.clock import parse_instant
from ..core.errors import InvalidOption, NotFound

KINDS = ("latest", "immediate", "time", "lsn", "name", "xid")
_LSN = re.compile(r"[0-9A-Fa-f]{1,8}/[0-9A-Fa-f]{1,8}", re.ASCII)


@dataclass(frozen=True)
class RecoveryPoint:
    """``kind`` is one of KINDS; ``value`` an ISO 8601 instant, an LSN, a restore point's name or a transaction id, empty for
    ``latest`` (the end of the log) and ``immediate`` (as soon as the copy is consistent). With ``inclusive`` the point itself is
    still recovered, without it recovery stops just before.

    :raises InvalidOption: for a value that does not fit its kind
    """

    kind: str = "latest"
    value: str = ""
    inclusive: bool = True

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InvalidOption(f"target_type: {self.kind!r} is unknown", hint=f"Known are {', '.join(KINDS)}")
        if (self.kind in ("latest", "immediate")) != (self.value == ""):
            word = "takes no target" if self.value else "needs a target"
            raise InvalidOption(f"target: {self.kind} {word}", hint="time, lsn, name and xid take one")
        if self.kind == "time":
            parse_instant(self.value)
        if self.kind == "lsn" and not _LSN.fullmatch(self.value):
            raise InvalidOption(f"target: {self.value!r} is no LSN", hint="Write it as pg_current_wal_lsn() does: 16/B374D848")
        if self.kind == "xid" and not (self.value.isascii() and self.value.isdigit()):
            raise InvalidOption(f"target: {self.value!r} is no transaction id", hint="Write it as pg_current_xact_id() does: 735")
        # PostgreSQL keeps 63 bytes of a restore point's name (MAXFNAMELEN).
        if self.kind == "name" and (len(self.value.encode()) > 63 or any(ord(letter) < 32 for letter in self.value)):
            raise InvalidOption(f"target: {self.value!r} is no restore point's name", hint="They have up to 63 bytes and no line break")

    def settings(self) -> dict[str, str]:
        """The settings of the server that recovers (PostgreSQL documentation, "Recovery Target")."""
        common = {"recovery_target_timeline": "latest", "recovery_target_action": "promote"}
        if self.kind == "latest":
            return common
        if self.kind == "immediate":
            return {**common, "recovery_target": "immediate"}
        value = parse_instant(self.value).strftime("%Y-%m-%d %H:%M:%S.%f+00") if self.kind == "time" else self.value
        return {**common, f"recovery_target_{self.kind}": value, "recovery_target_inclusive": "on" if self.inclusive else "off"}

    def __str__(self) -> str:
        return f"{self.kind} {self.value}".strip()


def lsn_number(lsn: str) -> int:
    """An LSN as a number: ``16/B374D848``."""
    high, low = lsn.split("/")
    return int(high, 16) << 32 | int(low, 16)


def base_for(point: RecoveryPoint, backups: Sequence[Backup]) -> Backup:
    """The newest usable physical backup that was complete before the point; for a name or a transaction id, whose time nobody
    knows, the newest one: an earlier point takes a backup that is chosen by its id.

    :raises NotFound: where there is none
    """
    def complete(backup: Backup) -> bool:
        if point.kind == "time":
            at = backup.manifest.source.get("complete_at")
            return (parse_instant(at) if at else backup.manifest.data_at) <= parse_instant(point.value)
        if point.kind == "lsn":
            stop = (backup.manifest.native or backup.manifest.source).get("lsn_stop")
            return bool(stop) and lsn_number(stop) <= lsn_number(point.value)
        return True

    fitting = [backup for backup in backups if backup.usable and complete(backup)]
    if not fitting:
        raise NotFound(f"No usable backup was complete before {point}", hint="List the backups; choose a later point, or one by its id")
    return max(fitting, key=lambda backup: backup.id)


def random_point(seed: int, segments: Sequence[str], lsn_stop: str, segment_bytes: int) -> RecoveryPoint:
    """An LSN between the end of a copy and the beginning of the newest archived segment, chosen by ``seed``: the same seed over the
    same log chooses the same. ``latest`` where the log has nothing in between.
    """
    low = lsn_number(lsn_stop)
    high = max((segment_number(name, segment_bytes) for name in segments), default=0) * segment_bytes
    if high <= low:
        return RecoveryPoint()
    chosen = random.Random(seed).randrange(low, high)
    return RecoveryPoint("lsn", f"{chosen >> 32:X}/{chosen & 0xFFFFFFFF:X}")
