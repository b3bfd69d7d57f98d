# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Repositories in real buckets: the same as a folder to every module, one writer, nothing late, nothing altered unseen."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import multiprocessing
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.object_place import ObjectPlace
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.repository import Repository
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import SystemClock
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import Busy, Damaged

from tests.conftest import missing
from tests.testbed.minio import serve_minio

CLOCK = SystemClock()


@pytest.fixture(scope="module")
def here():
    """The server of one region."""
    try:
        with serve_minio("eu-central-1") as server:
            yield server
    except FileNotFoundError as error:
        missing(str(error))


@pytest.fixture(scope="module")
def there():
    """The server of another."""
    with serve_minio("eu-west-1") as server:
        yield server


@pytest.fixture
def bucket(here, request):
    return here.bucket("b" + hashlib.sha256(request.node.name.encode()).hexdigest()[:20])


def options(server, bucket, **more):
    told = {"part_size": "5MiB", "lease": "60s", "timeout": "60s", **more}
    return {"repository": f"s3://{bucket}/backups", "s3": server.options(**told)}


def opened(server, bucket, **more):
    return Repository(ObjectPlace.from_url(f"s3://{bucket}/backups", options(server, bucket, **more)["s3"], CLOCK), "unnamed", "unnamed")


@pytest.fixture
def files(tmp_path):
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "data").write_bytes(os.urandom(12 * 2**20))
    return folder


@pytest.fixture
def plan(here, bucket, files, tmp_path):
    return {**options(here, bucket), "plan": "files", "engine": "archive", "paths": [str(files)], "scratch": str(tmp_path / "spool")}


def test_a_bucket_serves_every_module_as_a_folder_does(run_module, here, bucket, plan, tmp_path):
    where = options(here, bucket)
    planned = run_module("backup", plan, check=True)
    assert planned["changed"] and here.client().list_objects_v2(Bucket=bucket)["KeyCount"] == 0
    made = [run_module("backup", plan)["backup"] for _number in range(2)]
    assert made[0]["path"].startswith(f"s3://{bucket}/backups/unnamed/unnamed/files/")
    assert not run_module("backup", {**plan, "max_age": "1h"})["changed"]
    verified = run_module("backup_verify", {**where, "scratch": str(tmp_path)})
    assert [one["status"] for one in verified["verifications"]] == ["pass", "pass"], verified
    drilled = run_module("restore_drill", {**where, "plan": "files", "scratch_dir": str(tmp_path)})
    assert drilled["drill"]["status"] == "pass", drilled
    listed = run_module("backup_info", where)
    assert [one["status"] for one in listed["backups"]] == ["proven", "verified"]
    pruned = run_module("backup_prune", {**where, "plans": {"files": {"keep_last": 1}}})
    assert [one["id"] for one in pruned["deleted"]] == [made[0]["id"]]
    left = [one["Key"] for one in here.client().list_objects_v2(Bucket=bucket)["Contents"]]
    assert not any(made[0]["id"] in key for key in left) and here.parts() == []
    assert here.secret_key not in json.dumps([planned, made, verified, listed])
    assert not any(here.secret_key.encode() in here.client().get_object(Bucket=bucket, Key=key)["Body"].read() for key in left)
    assert list((tmp_path / "spool").rglob("*.tar*")) == []


def test_a_dump_goes_into_a_bucket_and_comes_back(run_module, here, bucket, new_shop, of, repository, programs, tmp_path):
    plan = of(repository, new_shop, bin_dir=programs, scratch=str(tmp_path / "spool")) | options(here, bucket)
    made = run_module("backup", plan)
    assert made["changed"], made
    drilled = run_module("restore_drill", {**options(here, bucket), "plan": "shop", "bin_dir": programs, "amcheck": False})
    assert drilled["drill"]["status"] == "pass", drilled


@pytest.mark.parametrize("harm, said", [
    (lambda data: data[:-1], "is cut"), (lambda data: data + b"x", "longer than it was"),
    (lambda data: data[:99] + bytes([data[99] ^ 1]) + data[100:], "was altered"), (None, "is missing")])
def test_an_altered_object_is_seen(run_module, here, bucket, plan, tmp_path, harm, said):
    made = run_module("backup", plan)["backup"]
    client = here.client()
    [key] = [one["Key"] for one in client.list_objects_v2(Bucket=bucket)["Contents"] if "/data/" in one["Key"]]
    if harm:
        client.put_object(Bucket=bucket, Key=key, Body=harm(client.get_object(Bucket=bucket, Key=key)["Body"].read()))
    else:
        client.delete_object(Bucket=bucket, Key=key)
    [verification] = run_module("backup_verify", {**options(here, bucket), "scratch": str(tmp_path)})["verifications"]
    assert verification["status"] == "fail" and said in verification["message"], verification
    assert opened(here, bucket).open(made["id"]).status == "failed"


def test_copies_between_folders_and_regions_are_the_same_and_verified_on_their_own(
        run_module, here, there, bucket, plan, repository, tmp_path):
    far, folder = there.bucket("copies"), tmp_path / "third"
    made = run_module("backup", plan)["backup"]
    first = {**options(here, bucket), "copy_repository": f"s3://{far}/copies", "copy_s3": there.options(part_size="5MiB", lease="60s"),
             "plans": {"files": {}}}
    answer = run_module("backup_copy", first)
    assert [(one["id"], one["status"]) for one in answer["copied"]] == [(made["id"], "copied")], answer
    assert not run_module("backup_copy", first)["changed"]
    second = {"repository": first["copy_repository"], "s3": first["copy_s3"]}
    assert run_module("backup_copy", {**second, "copy_repository": str(folder), "plans": {"files": {}}})["changed"]
    for place in (second, {"repository": str(folder)}):
        verified = run_module("backup_verify", {**place, "scratch": str(tmp_path)})
        assert [one["status"] for one in verified["verifications"]] == ["pass"]
    assert opened(here, bucket).open(made["id"]).status == "created", "what is known of a copy says nothing of its original"
    back = run_module("backup_copy", {"repository": str(folder), "copy_repository": f"s3://{far}/again", "copy_s3": first["copy_s3"],
                                      "plans": {"files": {}}})
    assert [one["status"] for one in back["copied"]] == ["copied"]


def _race(server, bucket, start, winners, lost):
    plan = opened(server, bucket).plan_place("files")
    plan.files()
    start.wait()
    try:
        with plan.lease(CLOCK, purpose="race", writes="x"):
            winners.append(os.getpid())
            for _other in range(29):  # none comes after it
                lost.acquire(timeout=60)
    except Busy:
        lost.release()


def test_one_of_thirty_racers_gets_the_lease(here, bucket):
    from threading import Barrier, Semaphore
    start, winners, lost = Barrier(30), [], Semaphore(0)
    with ThreadPoolExecutor(30) as pool:
        list(pool.map(lambda _number: _race(here, bucket, start, winners, lost), range(30)))
    print(f"\n30 racers in a bucket: winners {len(winners)}")
    assert len(winners) == 1


def _stopped(server, bucket, id, pipe):
    place = opened(server, bucket, lease="10s").plan_place("files")
    with place.lease(CLOCK, purpose="stopped", writes=id) as held:
        pipe.send("held")
        pipe.recv()  # it is stopped here for longer than its lease
        told = []
        for act in (held.confirm, lambda: place.at(id).write("manifest.json", b"late")):
            try:
                act()
                told.append("done")
            except Busy:
                told.append("busy")
        pipe.send(told)


def until_free(take):
    """What ``take`` gives, as soon as it is not Busy any more."""
    for _attempt in range(240):
        with contextlib.suppress(Busy):
            return take()
        time.sleep(0.5)
    return take()


def test_a_holder_that_was_stopped_past_its_lease_writes_nothing(here, bucket):
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    id = "20260115T120000Z-ab12cd"
    holder = context.Process(target=_stopped, args=(here, bucket, id, theirs))
    holder.start()
    try:
        plan = opened(here, bucket).plan_place("files")  # before the lease begins to run out
        plan.files()
        assert ours.poll(60) and ours.recv() == "held"
        with pytest.raises(Busy, match="held by stopped"), plan.lease(CLOCK, purpose="next"):
            pass
        os.kill(holder.pid, signal.SIGSTOP)
        with contextlib.ExitStack() as stack:
            held = until_free(lambda: stack.enter_context(plan.lease(CLOCK, purpose="next")))
            os.kill(holder.pid, signal.SIGCONT)
            ours.send("go on")
            assert ours.poll(60) and ours.recv() == ["busy", "busy"]
            held.confirm()
        assert not plan.at(id).has("manifest.json") and opened(here, bucket).list() == []
    finally:
        holder.kill()
        holder.join()


def test_a_killed_upload_leaves_nothing_after_the_next_run(run_module, here, bucket, plan):
    client = here.client()
    place = opened(here, bucket).plan_place("files").at("20260115T120000Z-ab12cd")
    place.announce({"data/archive.tar.zst": 10 * 2**20})
    key = f"{str(place.address).removeprefix(f's3://{bucket}/')}/data/archive.tar.zst"
    upload = client.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
    client.upload_part(Bucket=bucket, Key=key, UploadId=upload, PartNumber=1, Body=b"x" * 5 * 2**20)
    assert here.parts()
    assert run_module("backup", plan)["changed"] and here.parts() == []
    assert [backup.id for backup in opened(here, bucket).list()] != []


def test_what_is_read_is_not_deleted(run_module, here, bucket, plan):
    ids = [run_module("backup", plan)["backup"]["id"] for _number in range(2)]
    with opened(here, bucket).open(ids[0]).held():
        answer = run_module("backup_prune", {**options(here, bucket), "plans": {"files": {"keep_last": 1}}})
    assert answer["deleted"] == [] and "in use" in answer["kept"][1]["reason"]
    assert [one["id"] for one in run_module("backup_prune", {**options(here, bucket), "plans": {"files": {"keep_last": 1}}})["deleted"]] \
        == ids[:1]


def test_a_retention_that_was_killed_is_finished(run_module, here, bucket, plan):
    ids = [run_module("backup", plan)["backup"]["id"] for _number in range(2)]
    opened(here, bucket).open(ids[0]).place.move("manifest.json", "doomed.json")  # as far as it came
    assert [one["id"] for one in run_module("backup_info", options(here, bucket))["backups"]] == ids[1:]
    run_module("backup_prune", {**options(here, bucket), "plans": {"files": {"keep_last": 1}}})
    assert not any(ids[0] in one["Key"] for one in here.client().list_objects_v2(Bucket=bucket)["Contents"])


def test_bytes_that_are_not_those_of_the_manifest_never_appear(here, bucket):
    place = opened(here, bucket).place.at("x")
    for size in (100, 11 * 2**20):
        data = os.urandom(size)
        with pytest.raises(Damaged):
            place.put("data", io.BytesIO(data), size, hashlib.sha256(b"other").hexdigest())
        with pytest.raises(Damaged):
            place.put("data", io.BytesIO(data[:-1]), size, hashlib.sha256(data).hexdigest())
        assert not place.has("data") and here.parts() == []


def test_payload_and_manifest_are_locked_where_the_bucket_has_it(run_module, here, plan):
    bucket = here.bucket("locked", lock=True)
    locked = {**plan, "repository": f"s3://{bucket}/backups", "s3": {**plan["s3"], "lock_mode": "GOVERNANCE", "lock_for": "30d"}}
    assert run_module("backup", locked)["changed"]
    kept = {one["Key"].rpartition("/")[2]: here.client().head_object(Bucket=bucket, Key=one["Key"])
            for one in here.client().list_objects_v2(Bucket=bucket)["Contents"]}
    for name in ("manifest.json", "archive.tar.zst"):
        assert kept[name]["ObjectLockMode"] == "GOVERNANCE"
        assert 29 <= (kept[name]["ObjectLockRetainUntilDate"] - kept[name]["LastModified"]).days <= 30


@pytest.mark.parametrize("change, error, said", [
    ({"secret_key": "wrong-one-wrong-one"}, "AccessDenied", "s3://"),
    ({"endpoint": "http://127.0.0.1:1", "attempts": 1}, "Unreachable", "127.0.0.1:1"),
])
def test_what_cannot_be_reached_is_told_with_a_hint(run_module, here, bucket, change, error, said):
    where = options(here, bucket)
    answer = run_module("backup_info", {**where, "s3": {**where["s3"], **change}})
    assert answer["failed"] and answer["error"] == error and said in answer["msg"] and answer["hint"]
    assert "wrong-one-wrong-one" not in json.dumps(answer)


def test_a_bucket_that_is_not_there_is_told(run_module, here):
    answer = run_module("backup_info", options(here, "nowhere"))
    assert answer["failed"] and answer["error"] == "NotFound" and "no bucket nowhere" in answer["msg"]


def test_lifecycle_rules_are_set_once_and_others_are_left(run_module, here, bucket):
    other = {"ID": "theirs", "Status": "Enabled", "Filter": {"Prefix": "logs/"}, "Expiration": {"Days": 9}}
    here.client().put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [other]})
    wanted = {**options(here, bucket), "forget_versions_after": "30d"}
    planned = run_module("backup_lifecycle", wanted, check=True, diff=True)
    assert planned["changed"] and "NoncurrentDays" in planned["diff"]["after"] and "NoncurrentDays" not in planned["diff"]["before"]
    assert len(here.client().get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]) == 1
    assert run_module("backup_lifecycle", wanted)["changed"] and not run_module("backup_lifecycle", wanted)["changed"]
    rules = {rule["ID"]: rule for rule in here.client().get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]}
    assert rules["theirs"]["Expiration"]["Days"] == 9 and len(rules) == 2
    assert run_module("backup_lifecycle", options(here, bucket))["changed"], "without rules, ours are taken away"
    assert [rule["ID"] for rule in here.client().get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]] == ["theirs"]


@pytest.mark.parametrize("more, said", [
    ({"archive_after": "12h"}, "whole days"), ({"repository": "/srv/backups", "s3": None}, "is in no bucket")])
def test_rules_that_make_no_sense_are_refused(run_module, here, bucket, more, said):
    answer = run_module("backup_lifecycle", {name: value for name, value in {**options(here, bucket), **more}.items() if value})
    assert answer["failed"] and said in answer["msg"] and answer["hint"]


def test_payload_is_archived_by_age_where_there_is_an_archive_class(run_module):
    """Amazon's own classes are in no server that runs here; moto has their API."""
    import logging

    import boto3
    from moto.server import ThreadedMotoServer
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        url = f"http://127.0.0.1:{server.get_host_and_port()[1]}"
        client = boto3.client("s3", endpoint_url=url, region_name="us-east-1", aws_access_key_id="testing", aws_secret_access_key="testing")
        client.create_bucket(Bucket="archive")
        wanted = {"repository": "s3://archive/backups", "archive_after": "30d", "abort_uploads_after": "7d",
                  "s3": {"endpoint": url, "access_key": "testing", "secret_key": "testing"}}
        assert run_module("backup_lifecycle", wanted)["changed"] and not run_module("backup_lifecycle", wanted)["changed"]
        [archive] = [one for one in client.get_bucket_lifecycle_configuration(Bucket="archive")["Rules"] if one.get("Transitions")]
        assert archive["Transitions"] == [{"Days": 30, "StorageClass": "GLACIER"}]
        assert run_module("backup_lifecycle", {**wanted, "archive_after": "60d"})["changed"]
    finally:
        server.stop()
