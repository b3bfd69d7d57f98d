# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of a certificate and its key: whole, private, kept and put back, whatever state they were in."""

from __future__ import annotations

import os
import stat

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.certificate_content import CertificateContent, FilePlace
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import InvalidOption, StorageFailed

OLD, NEW = CertificateContent(b"certificate old", b"key old"), CertificateContent(b"certificate new", b"key new")


def fits(content):
    return content.certificate.split()[1:] == content.key.split()[1:] != []


@pytest.fixture
def paths(tmp_path):
    return tmp_path / "shop's %s.crt", tmp_path / "-key"


@pytest.fixture
def place(paths):
    return FilePlace(*map(str, paths), owner=None, group=None, mode=0o640, fits=fits)


def put(paths, content):
    for path, data in zip(paths, (content.certificate, content.key), strict=True):
        path.write_bytes(data)


def there(paths, suffix=""):
    found = [path.with_name(path.name + suffix) for path in paths]
    return CertificateContent(*(path.read_bytes() for path in found)) if all(path.exists() for path in found) else None


def test_what_is_replaced_stays_beside_it_and_is_put_back(place, paths):
    put(paths, OLD)
    old = place.read()
    place.write(NEW)
    assert there(paths) == NEW and there(paths, ".previous") == old == OLD
    assert [stat.S_IMODE(path.stat().st_mode) for path in paths] == [0o644, 0o640]
    assert {stat.S_IMODE(path.with_name(f"{path.name}.previous").stat().st_mode) for path in paths} == {0o600}
    place.restore(old)
    assert there(paths) == OLD


def test_where_nothing_was_nothing_is_left(place, paths):
    assert place.read() is None and place.in_order()
    place.write(NEW)
    assert place.read() == NEW and place.in_order() and there(paths, ".previous") is None
    place.restore(None)
    assert not any(path.exists() for path in paths)


def test_a_half_installed_pair_does_not_take_the_place_of_the_last_whole_one(place, paths):
    put(paths, OLD)
    place.write(NEW)
    paths[0].write_bytes(OLD.certificate)  # killed between both files
    assert place.read() == OLD
    place.write(NEW)
    assert there(paths) == NEW and there(paths, ".previous") == OLD


def test_what_cannot_be_understood_is_kept_and_put_back_all_the_same(place, paths):
    locked = CertificateContent(b"certificate x", b"ENCRYPTED y")
    put(paths, locked)
    assert place.read() is None
    place.write(NEW)
    assert there(paths, ".previous") == locked
    place.restore(None)
    assert there(paths) == locked


def test_a_key_that_others_may_read_is_out_of_order(place, paths):
    put(paths, NEW)
    paths[1].chmod(0o644)
    assert not place.in_order()
    place.write(NEW)
    assert place.in_order() and there(paths, ".previous") is None


def test_links_unknown_accounts_and_missing_folders_are_told(paths, tmp_path):
    def made(**changes):
        return FilePlace(*map(str, paths), **{"owner": None, "group": None, "mode": 0o600, "fits": fits, **changes})

    for what in ("owner", "group"):
        with pytest.raises(InvalidOption, match=what):
            made(**{what: "nobody; rm -rf"})
    paths[0].symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StorageFailed, match="it is a link"):
        made().read()
    absent = FilePlace(str(tmp_path / "no/a"), str(tmp_path / "no/b"), owner=None, group=None, mode=0o600, fits=fits)
    with pytest.raises(StorageFailed) as failure:
        absent.write(NEW)
    assert failure.value.hint and os.listdir(tmp_path) == [paths[0].name]


def test_no_key_is_shown():
    assert "key" not in repr(NEW).replace("certificate", "")
