# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""certificate_check on Java keystores, AWS Certificate Manager, every address of a name, and what is kept against what is shown."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from tests.conftest import missing
from tests.testbed.tls import Authority, serve_tls

DAY = timedelta(days=1)
NOW = datetime.now(timezone.utc).replace(microsecond=0)
SECRET = "s3 'cret' %s"
POLICY = {"warn_days": 30, "fail_days": 14, "min_protocol": "TLSv1.2"}


@pytest.fixture(scope="module")
def root() -> Authority:
    return Authority.create("Places root", key="rsa")


@pytest.fixture
def check(run_module, root, tmp_path):
    """Gives {subject: {check: finding that is no pass}}, and the whole answer."""
    ca_cert = str(root.write(tmp_path, "trusted"))

    def run(*sources, **options):
        answer = run_module("certificate_check", {"sources": [{"ca_cert": ca_cert, **source} for source in sources], "policy": POLICY,
                                                  "timeout": "20s", **options})
        assert not answer.get("failed"), answer
        amiss: dict[str, dict[str, Any]] = {}
        for finding in answer["findings"]:
            found = amiss.setdefault(finding["subject"], {})
            if finding["status"] != "pass":
                assert finding["hint"], finding
                found[finding["check"].removeprefix("certificate.")] = finding
        return amiss, answer

    return run


def test_java_keystores(check, root, tmp_path):
    if not shutil.which("keytool"):
        missing("keytool (default-jre-headless)")
    identity = root.intermediate().issue(["api.example.com"])
    for name, one in (("well", identity), ("ended", root.issue(["api.example.com"], not_after=NOW - DAY))):
        (tmp_path / f"{name}.p12").write_bytes(one.pkcs12(SECRET))
        subprocess.run(["keytool", "-importkeystore", "-noprompt", "-srckeystore", tmp_path / f"{name}.p12", "-srcstoretype", "PKCS12",
                        "-srcstorepass", SECRET, "-destkeystore", tmp_path / f"{name}.jks", "-deststoretype", "JKS",
                        "-deststorepass", SECRET], check=True, capture_output=True, timeout=120)
    (tmp_path / "garbage.jks").write_bytes(b"\xfe\xed\xfe\xed\0\0\0\2garbage")
    sources = [{"name": name, "file": str(tmp_path / f"{file}.jks"), **({"password": password} if password else {})}
               for name, file, password in (("well", "well", SECRET), ("unlocked", "well", None), ("ended", "ended", SECRET),
                                            ("locked", "well", "another"), ("garbage", "garbage", "not-needed"))]
    amiss, answer = check(*({**source, "hosts": ["api.example.com"]} for source in sources))
    assert {name: set(found) for name, found in amiss.items()} == {
        "well": set(), "unlocked": set(), "ended": {"expiry"}, "locked": {"reachable"}, "garbage": {"reachable"}}
    assert "with this password" in amiss["locked"]["reachable"]["message"] and "no keystore" in amiss["garbage"]["reachable"]["message"]
    assert SECRET not in json.dumps({**answer, "invocation": None}, ensure_ascii=False)
    [leaf] = [one for one in answer["certificates"] if one["source"] == "well"]
    assert leaf["chain"][0]["subject"].startswith("CN=Testbed intermediate") and leaf["chain"][0]["days_left"] > 1000


@pytest.fixture(scope="module")
def acm() -> Iterator[tuple[dict[str, Any], Any]]:
    import logging

    import boto3
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        options = {"region": "eu-central-1", "endpoint_url": f"http://{host}:{port}", "access_key": "testing",
                   "secret_key": "not-to-be-seen"}
        yield options, boto3.client("acm", endpoint_url=options["endpoint_url"], region_name="eu-central-1",
                                    aws_access_key_id="testing", aws_secret_access_key="not-to-be-seen")
    finally:
        server.stop()


def test_certificates_of_amazon(check, root, acm):
    options, client = acm
    middle = root.intermediate()
    well, ended = middle.issue(["cdn.example.com"], key="rsa"), middle.issue(["old.example.com"], not_after=NOW + 3 * DAY)
    chain = b"".join(Authority(one, None).cert_pem for one in well.chain)
    arn = client.import_certificate(Certificate=well.cert_pem, PrivateKey=well.key_pem, CertificateChain=chain)["CertificateArn"]
    client.import_certificate(Certificate=ended.cert_pem, PrivateKey=ended.key_pem, CertificateChain=chain)
    pending = client.request_certificate(DomainName="new.example.com", ValidationMethod="DNS")["CertificateArn"]
    other = arn[:-1] + ("1" if arn[-1] == "0" else "0")  # nobody's: it ends otherwise
    with serve_tls(ended) as port:
        cdn = {"name": "cdn", "endpoint": f"127.0.0.1:{port}", "server_name": "cdn.example.com"}
        amiss, answer = check({"acm": arn, "served_at": [cdn]}, {"acm": "old.example.com"}, {"acm": "nobody.example.com"},
                              {"acm": other}, {"name": "new", "acm": pending}, acm=options)
    assert amiss[arn] == {} and set(amiss["cdn"]) == {"expiry", "host_name", "served"}
    assert set(amiss["old.example.com"]) >= {"expiry"} and set(amiss["nobody.example.com"]) == {"reachable"}
    assert set(amiss[other]) == {"reachable"}
    assert amiss["new"]["record"]["status"] == "fail" and "waits for somebody to prove" in amiss["new"]["record"]["message"]
    assert "not-to-be-seen" not in json.dumps({**answer, "invocation": None})
    amiss, _answer = check({"acm": "*"}, acm=options)
    assert len(amiss) == 3
    amiss, _answer = check({"acm": "*"}, acm={**options, "endpoint_url": "http://127.0.0.1:1"})
    assert set(amiss["*"]) == {"reachable"}


def test_every_address_is_an_endpoint_of_its_own(check, root):
    new, old = root.issue(["localhost"]), root.issue(["localhost"], not_after=NOW + 3 * DAY)
    with serve_tls(new) as port, serve_tls(old, host="127.0.0.2", port=port):
        source = {"name": "shop", "endpoint": f"localhost:{port}", "addresses": ["127.0.0.1", "127.0.0.2", "127.0.0.3"]}
        amiss, _answer = check(source)
        by_name, _answer = check({"name": "by name", "endpoint": f"localhost:{port}", "policy": {"every_address": True}})
        nobody, _answer = check({"name": "nobody", "endpoint": "no-such-host.invalid", "policy": {"every_address": True}})
    assert {subject: set(found) for subject, found in amiss.items()} == {
        "shop (127.0.0.1)": set(), "shop (127.0.0.2)": {"expiry"}, "shop (127.0.0.3)": {"reachable"}}
    assert [found for subject, found in by_name.items() if "127.0.0.1" in subject or subject == "by name"] == [{}]
    assert set(nobody["nobody"]) == {"reachable"}


def test_renewed_but_not_served_is_a_finding_of_its_own(check, root, tmp_path):
    old, new = root.issue(["localhost"], not_before=NOW - 40 * DAY), root.issue(["localhost"])
    new.write(tmp_path, "new")
    old.write(tmp_path, "old")
    with serve_tls(old) as port, serve_tls(new, starttls="smtp") as mail:
        def served_by(name, number, **more):
            return {"name": name, "endpoint": f"127.0.0.1:{number}", "server_name": "localhost", **more}

        amiss, _answer = check(
            {"name": "kept", "file": str(tmp_path / "new.crt"),
             "served_at": [served_by("web", port), served_by("mail", mail, starttls="smtp")]},
            {"name": "stale", "file": str(tmp_path / "old.crt"), "served_at": [served_by("mail 2", mail, starttls="smtp")]},
            {"name": "gone", "file": str(tmp_path / "gone.crt"), "served_at": [served_by("web 2", port)]})
    assert amiss["kept"] == amiss["stale"] == amiss["mail"] == {}
    assert set(amiss["web"]) == {"served"} and "renewed but not served" in amiss["web"]["served"]["message"]
    assert "newer than what stale has" in amiss["mail 2"]["served"]["message"]
    assert set(amiss["gone"]) == {"reachable"} and amiss["web 2"]["served"]["status"] == "unknown"


@pytest.mark.parametrize("source, said", [
    ({"secret": "no-slash"}, "is not namespace/name"), ({"secret": "a/b'c"}, "is not namespace/name"),
    ({"certificate": "a/*b"}, "is not namespace/name"),
    ({"secret": "a/*", "served_at": [{"endpoint": "x:1"}]}, "goes with one certificate"),
    ({"folder": "/x", "served_at": [{"endpoint": "x:1"}]}, "served_at does not go with folder"),
    ({"file": "/x", "addresses": ["127.0.0.1"]}, "addresses does not go with file"),
    ({"endpoint": "x:1", "addresses": ["x"]}, "is no address"), ({"file": "/x", "served_at": [{"file": "/y"}]}, "names no endpoint"),
    ({"file": "/x", "served_at": [{"endpoint": "x:1", "colour": "red"}]}, "unknown key 'colour'"),
    ({"file": "/x", "policy": {"caa_issuers": ["Let's Encrypt"]}}, "no list of domains"),
    ({"file": "/x", "policy": {"every_address": "yes"}}, "neither true nor false"),
    ({"acm": ""}, "acm is empty"),
])
def test_sources_that_make_no_sense_are_refused(run_module, source, said):
    answer = run_module("certificate_check", {"sources": [source], "policy": POLICY})
    assert answer["failed"] and said in answer["msg"], answer
