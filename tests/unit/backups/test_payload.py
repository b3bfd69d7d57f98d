# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files into a backup and out of it, with the real codecs: what comes out is what went in, or it is told."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import resource
import subprocess
import sys

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.compression import Zstd
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.encryption import AgeCipher
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.manifest import StoredFile
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.payload import Codecs, load, materialize, store
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.repository import Backup
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import AccessDenied, Damaged, InvalidOption, StorageFailed
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import ROOT
from tests.unit.backups.conftest import manifest

pyrage = pytest.importorskip("pyrage")
CODINGS = [(False, False), (True, False), (False, True), (True, True)]


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """An identity file and its public key."""
    identity = pyrage.x25519.Identity.generate()
    path = tmp_path_factory.mktemp("keys") / "identity"
    path.write_text(f"# made for a test\n{identity}\n")
    return str(path), str(identity.to_public())


@pytest.fixture(scope="module")
def codecs(keys):
    identity, public = keys
    return Codecs(Zstd(threads=2), AgeCipher([public], identity))


def kept(folder, clock, files: tuple[StoredFile, ...]) -> Backup:
    return Backup(folder, manifest(clock.now(), files=files))


@pytest.mark.parametrize("compress, encrypt", CODINGS)
@given(content=st.binary(max_size=3000), times=st.sampled_from([1, 7, 400]))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_goes_in_comes_out(tmp_path_factory, clock, codecs, compress, encrypt, content, times):
    folder = tmp_path_factory.mktemp("backup")
    content *= times
    stored = store(io.BytesIO(content), folder / "data", "3012.dat", codecs, compress=compress, encrypt=encrypt)
    on_disk = (folder / "data" / stored.path).read_bytes()
    assert (stored.bytes, stored.sha256, stored.plain_bytes) == (len(on_disk), hashlib.sha256(on_disk).hexdigest(), len(content))
    assert (folder / "data" / stored.path).stat().st_mode & 0o777 == 0o600
    if encrypt and len(content) > 8:
        assert content[:64] not in on_disk
    out = io.BytesIO()
    load(kept(folder, clock, (stored,)), stored, out, codecs)
    assert out.getvalue() == content
    target = materialize(kept(folder, clock, (stored,)), folder / "target", codecs)
    assert (target / "3012.dat").read_bytes() == content


@pytest.mark.parametrize("compress, encrypt", CODINGS)
@pytest.mark.parametrize("harm, said", [
    (lambda data: data[:-1], "is cut"), (lambda data: data[:40], "is cut"), (lambda data: b"", "is cut"),
    (lambda data: data + b"x", "longer than it was"),
    (lambda data: data[:-3] + bytes([data[-3] ^ 1]) + data[-2:], "was altered"),
    (lambda data: bytes([data[0] ^ 255]) + data[1:], "was altered"),
])
def test_what_was_altered_is_told_by_file_and_reason(tmp_path, clock, codecs, compress, encrypt, harm, said):
    stored = store(io.BytesIO(os.urandom(300_000)), tmp_path / "data", "3012.dat", codecs, compress=compress, encrypt=encrypt)
    path = tmp_path / "data" / stored.path
    path.write_bytes(harm(path.read_bytes()))
    for target in (io.BytesIO(), None):
        with pytest.raises(Damaged) as error:
            if target:
                load(kept(tmp_path, clock, (stored,)), stored, target, codecs)
            else:
                materialize(kept(tmp_path, clock, (stored,)), tmp_path / "target", codecs)
        assert said in error.value.message and stored.path in error.value.message and error.value.hint


@pytest.mark.parametrize("compress", [False, True])
def test_an_altered_head_of_an_encrypted_file_is_no_wrong_key(tmp_path, clock, codecs, compress):
    stored = store(io.BytesIO(b"abc"), tmp_path / "data", "a", codecs, compress=compress, encrypt=True)
    path = tmp_path / "data" / stored.path
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1:])
        with pytest.raises(Damaged, match="was altered"):
            load(kept(tmp_path, clock, (stored,)), stored, io.BytesIO(), codecs)


@pytest.mark.parametrize("compress, encrypt", CODINGS)
def test_a_program_that_gives_up_on_an_altered_file_is_not_to_blame(tmp_path, clock, codecs, compress, encrypt):
    """tar, say, which ends at bytes that make no sense before all of them were read and compared."""
    class Ended(io.BytesIO):
        def write(self, _block):
            raise BrokenPipeError(errno.EPIPE, "ended")

    stored = store(io.BytesIO(os.urandom(5_000_000)), tmp_path / "data", "a", codecs, compress=compress, encrypt=encrypt)
    with pytest.raises(BrokenPipeError):
        load(kept(tmp_path, clock, (stored,)), stored, Ended(), codecs)
    path = tmp_path / "data" / stored.path
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(Damaged, match="was altered"):
        load(kept(tmp_path, clock, (stored,)), stored, Ended(), codecs)


def test_a_missing_file_and_a_link_in_its_place_are_told(tmp_path, clock, codecs):
    stored = store(io.BytesIO(b"abc"), tmp_path / "data", "a", codecs, compress=False, encrypt=False)
    path = tmp_path / "data" / "a"
    path.rename(tmp_path / "elsewhere")
    with pytest.raises(Damaged, match="a is missing"):
        load(kept(tmp_path, clock, (stored,)), stored, io.BytesIO(), codecs)
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StorageFailed):
        load(kept(tmp_path, clock, (stored,)), stored, io.BytesIO(), codecs)


def test_only_the_private_key_reads_it(tmp_path, clock, codecs, keys):
    stored = store(io.BytesIO(b"secret" * 100), tmp_path / "data", "a", codecs, compress=True, encrypt=True)
    other = tmp_path / "other"
    other.write_text(str(pyrage.x25519.Identity.generate()))
    for cipher, said in ((AgeCipher([keys[1]]), "no private key was given"), (AgeCipher([], str(other)), "for another key")):
        with pytest.raises(AccessDenied, match=said):
            load(kept(tmp_path, clock, (stored,)), stored, io.BytesIO(), Codecs(Zstd(), cipher))


@pytest.mark.parametrize("compress, encrypt", CODINGS)
@pytest.mark.parametrize("size", [10, 100_000, 5_000_000])
def test_a_full_disk_is_told_and_not_lost_in_a_library(tmp_path, codecs, compress, encrypt, size):
    data = tmp_path / "data"
    data.mkdir()

    class Full(io.BytesIO):
        def read(self, size=-1):
            raise OSError(28, "No space left on device", "staged")

    with pytest.raises(StorageFailed, match="No space left"):
        store(Full(), data, "a", codecs, compress=compress, encrypt=encrypt)
    program = (
        "import sys, os, resource, signal, io; import tests.conftest\n"
        "from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.compression import Zstd\n"
        "from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.encryption import AgeCipher\n"
        "from ansible_collections.evenkeel.ops.plugins.module_utils.backups.payload import Codecs, store\n"
        "from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import StorageFailed\n"
        "from pathlib import Path\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (5, 5))\n"
        f"codecs = Codecs(Zstd(), AgeCipher({list(codecs.cipher.recipients)!r}))\n"
        f"try: store(io.BytesIO(os.urandom({size})), Path({str(data)!r}), 'b', codecs, compress={compress}, encrypt={encrypt})\n"
        "except StorageFailed as error: sys.exit(7 if 'too large' in error.message else 8)\n")
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 7


@pytest.mark.parametrize("text", ["", "age1junk", "ssh-ed25519 AAAA", "AGE-SECRET-KEY-1QQQQ"])
def test_a_text_that_is_no_public_key_is_refused_and_a_private_one_not_repeated(text):
    with pytest.raises(InvalidOption) as error:
        AgeCipher([text])
    assert error.value.hint and "AGE-SECRET-KEY-1QQQQ" not in str(error.value)


def test_memory_does_not_grow_with_the_file(tmp_path, clock, codecs):
    class Endless:
        def __init__(self, size):
            self.left = size

        def read(self, size=-1):
            size = min(self.left, 1024 * 1024 if size < 0 else size)
            self.left -= size
            return os.urandom(size)

    class Nowhere:
        def write(self, block):
            return len(block)

        def flush(self):
            pass

    def once(size, name):
        stored = store(Endless(size), tmp_path / "data", name, codecs, compress=True, encrypt=True)
        load(kept(tmp_path, clock, (stored,)), stored, Nowhere(), codecs)
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    small = once(20 * 2**20, "small")
    assert once(200 * 2**20, "large") <= small + 20 * 1024
