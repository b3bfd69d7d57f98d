# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""certificate_check on real files and folders of every format, whole and broken."""

from __future__ import annotations

import json
import os
import random
from datetime import datetime, timedelta, timezone

import pytest
from cryptography.hazmat.primitives import serialization

from tests.testbed.tls import Authority, self_signed

NOW = datetime.now(timezone.utc).replace(microsecond=0)
DAY = timedelta(days=1)
NOISE = random.Random(7).randbytes(2000)  # the same in each process: tests are named after it
POLICY = {"warn_days": 30, "fail_days": 14, "max_age": "365d", "min_rsa_bits": 2048, "min_ec_bits": 256,
          "signature_hashes": ["sha256", "sha384", "sha512"], "min_protocol": "TLSv1.2"}


@pytest.fixture(scope="module")
def root():
    return Authority.create("File root", key="rsa")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "certs").mkdir()
    return tmp_path / "certs"


@pytest.fixture
def check(run_module, root, tmp_path):
    """Check sources; gives {subject: {check: finding that is no pass}}, and the whole answer."""
    ca_cert = str(root.write(tmp_path, "trusted"))

    def run(*sources):
        sources = [{"ca_cert": ca_cert, **source} for source in sources]
        answer = run_module("certificate_check", {"sources": sources, "policy": POLICY})
        assert not answer.get("failed"), answer
        amiss = {}
        for finding in answer["findings"]:
            found = amiss.setdefault(finding["subject"], {})
            if finding["status"] != "pass":
                assert finding["hint"], finding
                found[finding["check"].removeprefix("certificate.")] = finding
        return amiss, answer

    return run


def put(folder, name, data):
    (folder / name).write_bytes(data)
    return str(folder / name)


def test_all_formats_are_read_and_recognized(check, root, folder):
    identity = root.intermediate().issue(["api.example.com"])
    sources = [
        {"name": "pem", "file": put(folder, "a.pem", identity.full_chain_pem)},
        {"name": "with key", "file": put(folder, "b.pem", identity.key_pem + identity.full_chain_pem)},
        {"name": "der", "file": put(folder, "c.der", identity.cert_der), "policy": {"verify_chain": False}},
        {"name": "p12", "file": put(folder, "d.p12", identity.pkcs12("sésame")), "password": "sésame"},
        {"name": "open p12", "file": put(folder, "e.p12", identity.pkcs12(None))},
        {"name": "told", "file": put(folder, "f", identity.pkcs12("s3")), "password": "s3", "format": "pkcs12"},
        {"name": "root", "file": put(folder, "root.pem", root.cert_pem)},
    ]
    amiss, answer = check(*({**source, "hosts": ["api.example.com"]} if source["name"] != "root" else source for source in sources))
    assert amiss == {source["name"]: {} for source in sources}
    [leaf] = [one for one in answer["certificates"] if one["source"] == "p12"]
    assert leaf["key"] == "EC 256" and leaf["signature"] == "sha256" and leaf["names"] == ["api.example.com"]
    assert 88 <= leaf["days_left"] <= 90 and leaf["not_after"].endswith("Z") and leaf["status"] == "pass"
    compared = {one["subject"] for one in answer["findings"] if one["check"] == "certificate.key_match"}
    assert compared == {"with key", "p12", "open p12", "told"}


def test_each_fault_of_a_file_is_named(check, root, folder):
    middle = root.intermediate("Middle", key="rsa")
    host = ["api.example.com"]
    good, other = middle.issue(host), middle.issue(host)
    sources = [
        {"name": "expired", "file": put(folder, "1.pem", middle.issue(host, not_after=NOW - DAY).full_chain_pem)},
        {"name": "incomplete", "file": put(folder, "2.pem", good.cert_pem)},
        {"name": "stranger", "file": put(folder, "3.pem", Authority.create("S").intermediate().issue(host).full_chain_pem)},
        {"name": "self-signed", "file": put(folder, "4.pem", self_signed(host).cert_pem)},
        {"name": "only CN", "file": put(folder, "9.pem", middle.issue([], common_name=host[0]).full_chain_pem), "hosts": host},
        {"name": "host", "file": put(folder, "5.pem", good.full_chain_pem), "hosts": ["api.example.com", "www.example.com"]},
        {"name": "key", "file": put(folder, "6.pem", good.full_chain_pem), "key_file": put(folder, "6.key", other.key_pem)},
        {"name": "weak", "file": put(folder, "7.pem", middle.issue(host, key="rsa1024", digest="sha1").full_chain_pem)},
        {"name": "curve", "file": put(folder, "8.pem", middle.issue(host, key="ec224").full_chain_pem)},
    ]
    amiss, _answer = check(*sources)
    assert {name: sorted(found) for name, found in amiss.items()} == {
        "expired": ["expiry"], "incomplete": ["chain"], "stranger": ["chain"], "self-signed": ["self_signed"],
        "host": ["host_name"], "only CN": ["host_name"], "key": ["key_match"], "weak": ["key", "signature"], "curve": ["key"]}
    assert amiss["incomplete"]["chain"]["observed"] == "incomplete chain" and "CN=Middle" in amiss["incomplete"]["chain"]["message"]
    assert amiss["stranger"]["chain"]["observed"] == "unknown authority"
    assert "not valid for www.example.com, only for api.example.com" in amiss["host"]["host_name"]["message"]


def test_a_bundle_of_many_is_judged_one_by_one(check, root, folder):
    many = b"".join(root.issue([f"{days}.example"], not_after=NOW + days * DAY).cert_pem for days in (5, 20, 90))
    amiss, answer = check({"name": "bundle", "file": put(folder, "all.pem", root.cert_pem + many)})
    assert [one["days_left"] for one in answer["certificates"]] == pytest.approx([5, 20, 90], abs=0.2)
    assert [one["status"] for one in answer["certificates"]] == ["fail", "warn", "pass"]
    messages = [one["message"] for one in answer["findings"] if one["check"] == "certificate.expiry"]
    assert len(messages) == 2 and "CN=5.example" in messages[0] and amiss["bundle"]["expiry"]


@pytest.mark.parametrize("content, said", [
    (b"", "the file is empty"),
    (b"\n \n", "the file is empty"),
    (NOISE[:2000], "it does not hold a certificate"),
    (b"\x30\x82\x05\x00" + bytes(100), "it does not hold a certificate"),
    (b"-----BEGIN CERTIFICATE-----\nbm8=\n-----END CERTIFICATE-----\n", "it does not hold certificates in PEM"),
    (b"-----BEGIN CERTIFICATE-----\nMIIB", "it does not hold certificates in PEM"),
    (b"-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA\n-----END PUBLIC KEY-----\n", "it holds no certificate"),
])
def test_a_file_that_holds_no_certificate_is_told(check, folder, content, said):
    amiss, answer = check({"name": "bad", "file": put(folder, "bad.pem", content)})
    assert said in amiss["bad"]["reachable"]["message"] and amiss["bad"]["reachable"]["status"] == "unknown"
    assert answer["certificates"] == []


def test_files_that_cannot_be_opened_are_told_and_the_others_looked_at(check, root, folder):
    os.mkfifo(folder / "pipe.pem")
    (folder / "dangling.pem").symlink_to(folder / "nothing")
    identity = root.issue(["x"])
    amiss, answer = check(
        {"name": "gone", "file": str(folder / "gone.pem")}, {"name": "folder", "file": str(folder)},
        {"name": "pipe", "file": str(folder / "pipe.pem")}, {"name": "dangling", "file": str(folder / "dangling.pem")},
        {"name": "wrong", "file": put(folder, "w.p12", identity.pkcs12("right-one")), "password": "wrong-one"},
        {"name": "none", "file": str(folder / "w.p12")}, {"name": "well", "file": put(folder, "well.pem", identity.cert_pem)})
    said = {name: found["reachable"]["message"] for name, found in amiss.items() if found}
    assert "no such file" in said["gone"] and "a folder" in said["folder"] and "no regular file" in said["pipe"]
    assert "link to nothing" in said["dangling"]
    assert "with this password" in said["wrong"] and "without a password" in said["none"]
    assert "right-one" not in json.dumps(answer) and "wrong-one" not in json.dumps(answer)
    assert amiss["well"] == {}


def test_an_encrypted_key_wants_its_password(check, root, folder):
    identity = root.issue(["x"])
    locked = identity.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                        serialization.BestAvailableEncryption(b"open it"))
    file, key = put(folder, "a.pem", identity.cert_pem), put(folder, "a.key", locked)
    amiss, _answer = check({"name": "right", "file": file, "key_file": key, "password": "open it"},
                           {"name": "wrong", "file": file, "key_file": key, "password": "wrong-one"},
                           {"name": "none", "file": file, "key_file": key},
                           {"name": "no key", "file": file, "key_file": file})
    assert amiss["right"] == {}
    assert {name: found["key_match"]["status"] for name, found in amiss.items() if found} == dict.fromkeys(
        ("wrong", "none", "no key"), "unknown")


HOSTILE = ["with 'single' and \"double\".pem", "new\nline.pem", "-rf.pem", "100%s%n.pem", "größe-測試.pem", "a;b $(c) {{ d }}.pem"]


def test_a_folder_is_searched_and_nothing_is_left_out_in_silence(check, root, folder):
    identity = root.issue(["x"])
    for name in HOSTILE:
        put(folder, name, identity.cert_pem)
    put(folder, "key-only.pem", identity.key_pem)
    put(folder, "garbage.crt", NOISE[:300])
    put(folder, "notes.txt", b"not asked about")
    put(folder, os.fsdecode(b"\xff\xfe.pem"), identity.cert_pem)
    (folder / "deeper").mkdir()
    put(folder / "deeper", "soon.pem", root.issue(["soon"], not_after=NOW + DAY).cert_pem)
    (folder / "deeper" / "link.pem").symlink_to(folder / "-rf.pem")
    (folder / "loop").symlink_to(folder)
    flat, _answer = check({"folder": str(folder)})
    assert len(flat) == len(HOSTILE) + 2 and all("\n" not in subject for subject in flat)
    assert set(flat[f"{folder}/garbage.crt"]) == {"reachable"}
    deep, answer = check({"folder": str(folder), "recursive": True})
    assert len(deep) == len(flat) + 2 and set(deep[f"{folder}/deeper/soon.pem"]) == {"expiry"}
    assert answer["certificates"][0]["source"] == f"{folder}/deeper/soon.pem"
    assert f"{folder}/new\\nline.pem" in deep and f"{folder}/\\xff\\xfe.pem" in deep
    one, _answer = check({"name": "only", "folder": str(folder), "patterns": ["-*.pem"]})
    assert one == {f"only: {folder}/-rf.pem": {}}


def test_a_folder_with_nothing_in_it_is_no_pass(check, folder, tmp_path):
    amiss, _answer = check({"folder": str(folder)}, {"folder": str(tmp_path / "gone")}, {"folder": str(tmp_path / "trusted.crt")})
    assert [found["reachable"]["status"] for found in amiss.values()] == ["unknown"] * 3
    assert "no certificate in a file named like" in amiss[str(folder)]["reachable"]["message"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_what_may_not_be_read_is_told(check, root, folder):
    (folder / "shut").mkdir(mode=0)
    (folder / "a.pem").touch(mode=0)
    amiss, _answer = check({"folder": str(folder), "recursive": True})
    assert len(amiss) == 2 and all(set(found) == {"reachable"} for found in amiss.values())


@pytest.mark.parametrize("options, said", [
    ({"sources": [{"file": "/x", "colour": "red"}]}, "Supported parameters include: acm, addresses, ca_cert"),
    ({"sources": [{"file": "/x", "folder": "/y"}]}, "mutually exclusive"),
    ({"sources": [{"name": "x"}]}, "one of the following is required"),
    ({"sources": []}, "nothing to look at"),
    ({"sources": [{"endpoint": "x:1", "starttls": "nntp"}]}, "must be one of: smtp, imap, pop3, postgres, mysql, ldap"),
    ({"sources": [{"endpoint": "x:70000"}]}, "70000 is no port"),
    ({"sources": [{"endpoint": "https://x/"}]}, "is not host:port"),
    ({"sources": [{"endpoint": "::1:443"}]}, "is not host:port"),
    ({"sources": [{"file": "/x", "starttls": "smtp"}]}, "starttls does not go with file"),
    ({"sources": [{"file": ""}]}, "file is empty"),
    ({"sources": [{"file": "/x", "policy": {"worn_days": 3}}]}, "unknown key 'worn_days'"),
    ({"sources": [{"file": "/x"}], "policy": {"fail_days": -3}}, "-3 is not a number from 0 up"),
    ({"sources": [{"file": "/x"}], "policy": {"max_age": "-365d"}}, "'-365d' is not a duration"),
    ({"sources": [{"file": "/x"}], "timeout": "0s"}, "no time to look"),
    ({"sources": [{"file": "/x"}], "timeout": "soon"}, "'soon' is not a duration"),
    ({"sources": [{"file": "/x"}], "concurrency": 0}, "concurrency: 0 is out of range"),
    ({"sources": [{"file": "/x"}], "retries": -1}, "retries: -1 is out of range"),
])
def test_options_that_make_no_sense_are_refused(run_module, options, said):
    answer = run_module("certificate_check", options)
    assert answer["failed"] and said in answer["msg"]


def test_check_mode_looks_just_the_same(run_module, root, folder):
    options = {"sources": [{"file": put(folder, "a.pem", root.issue(["x"]).cert_pem), "policy": {"verify_chain": False}}],
               "policy": POLICY}
    answers = [run_module("certificate_check", options, check=check) for check in (False, True)]
    assert answers[0]["findings"] and [one["status"] for one in answers[0]["findings"]] == [one["status"] for one in answers[1]["findings"]]
    assert not answers[0]["changed"] and not answers[1]["changed"]
