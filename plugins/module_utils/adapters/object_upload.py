# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of any size into a bucket and out of it, in constant memory, with SHA-256 from end to end."""

from __future__ import annotations

import base64
import hashlib
from concurrent.futures import wait
from contextlib import suppress
from typing import Any

from ..core.errors import Damaged, OpsError, StorageFailed, Unreachable
from .object_settings import SCHEME
from .object_store import Bucket, Taken

_NO_UPLOAD = "NoSuchUpload"


def upload(bucket: Bucket, key: str, reader: Any, size: int, sha256: str, **arguments: Any) -> None:
    """Send ``reader`` to its end as an object that appears only when it is whole; ``arguments`` are those of the request.

    The server checks the SHA-256 of each part; we check that of all bytes before we have it put the parts together. Whatever
    ends this in between, the parts are thrown away, and where that fails too, `abort_uploads` does it later.

    :raises Damaged: when the bytes that came are not of this size and SHA-256
    :raises OpsError: when the server does not take them
    """
    arguments = {**arguments, "Metadata": {**arguments.get("Metadata", {}), "sha256": sha256}}
    part_size = bucket.part_size(size)
    if size <= part_size:
        with bucket.room:
            data = _fill(reader, part_size + 1)
            _checked(key, len(data), hashlib.sha256(data).hexdigest(), size, sha256)
            bucket.call("put_object", key, Body=data, ChecksumAlgorithm="SHA256", ChecksumSHA256=_base64(bytes.fromhex(sha256)),
                        **arguments)
        return
    begun = bucket.call("create_multipart_upload", key, ChecksumAlgorithm="SHA256", **arguments)
    try:
        parts, written, digest = _send_parts(bucket, key, begun["UploadId"], reader, part_size)
        _checked(key, written, digest, size, sha256)
        _complete(bucket, key, begun["UploadId"], parts, size, sha256)
    except BaseException as error:
        try:
            _abort(bucket, key, begun["UploadId"])
        except OpsError as second:
            error.add_note(f"Its parts could not be thrown away ({second.message}); the next run of the plan does it")
        with suppress(OpsError):
            abort_uploads(bucket, key)
        raise
    if begun["ResponseMetadata"].get("RetryAttempts"):
        abort_uploads(bucket, key)  # the answer to an earlier attempt may have been lost, and the upload that it began with it


def _send_parts(bucket: Bucket, key: str, upload_id: str, reader: Any, part_size: int) -> tuple[list[dict[str, Any]], int, str]:
    """Read in order, send side by side; at most so many parts are in memory as there are threads, and one."""
    room, digest, written, running = bucket.room, hashlib.sha256(), 0, []

    def send(number: int, data: bytes) -> dict[str, Any]:
        try:
            checksum = _base64(hashlib.sha256(data).digest())
            answer = bucket.call("upload_part", key, UploadId=upload_id, PartNumber=number, Body=data, ChecksumSHA256=checksum)
            return {"PartNumber": number, "ETag": answer["ETag"], "ChecksumSHA256": checksum}
        finally:
            room.release()

    try:
        while True:
            room.acquire()
            try:
                failed = [one for one in running if one.done() and one.exception()]
                data = b"" if failed else _fill(reader, part_size)
            except BaseException:
                room.release()
                raise
            if not data:
                room.release()
                break
            running.append(bucket.pool.submit(send, len(running) + 1, data))
            digest.update(data)
            written += len(data)
        return [one.result() for one in running], written, digest.hexdigest()
    finally:
        for one in running:
            if one.cancel():
                room.release()
        wait([one for one in running if not one.cancelled()])  # a part that lands after the abort would be left there


def _complete(bucket: Bucket, key: str, upload_id: str, parts: list[dict[str, Any]], size: int, sha256: str) -> None:
    composite = hashlib.sha256(b"".join(base64.b64decode(part["ChecksumSHA256"]) for part in parts)).digest()
    expected = f"{_base64(composite)}-{len(parts)}"
    try:
        answer = bucket.call("complete_multipart_upload", key, UploadId=upload_id, MultipartUpload={"Parts": parts})
    except (OpsError, FileNotFoundError) as error:
        # The answer to an earlier attempt may have been lost: then the upload is gone and the object is there.
        with suppress(OpsError):
            if is_whole(bucket, key, size, sha256):
                return
        if isinstance(error, FileNotFoundError) or error.evidence.get("code") == _NO_UPLOAD:
            raise Unreachable(f"{SCHEME}{bucket.name}/{key}: the server no longer knows the upload",
                              hint="Run again; see whether somebody throws unfinished uploads away") from error
        raise
    said = answer.get("ChecksumSHA256")
    if said and said.partition("-")[0] != expected.partition("-")[0]:
        bucket.delete([key])
        raise StorageFailed(f"{SCHEME}{bucket.name}/{key}: the server put something else together than was sent",
                            hint="Nothing of it was kept: run again; tell whoever runs the server", evidence={"said": said})


def is_whole(bucket: Bucket, key: str, size: int, sha256: str) -> bool:
    """Whether `upload` has completed this object, by the server's word."""
    try:
        answer = bucket.call("head_object", key)
    except FileNotFoundError:
        return False
    return answer["ContentLength"] == size and answer.get("Metadata", {}).get("sha256") == sha256


def abort_uploads(bucket: Bucket, key: str) -> int:
    """Throw away the parts of every unfinished upload of just this object; how many uploads there were."""
    found = bucket.call("list_multipart_uploads", Prefix=key)
    ids = [one["UploadId"] for one in found.get("Uploads", []) if one["Key"] == key]
    for upload_id in ids:
        _abort(bucket, key, upload_id)
    return len(ids)


def _abort(bucket: Bucket, key: str, upload_id: str) -> None:
    """An upload that is gone already is no error."""
    try:
        bucket.call("abort_multipart_upload", key, UploadId=upload_id)
    except FileNotFoundError:
        return
    except StorageFailed as error:
        if error.evidence.get("code") != _NO_UPLOAD:
            raise


class ObjectReader:
    """An object, read in order; where the connection breaks, reading goes on where it stood, of the very same object.

    :raises FileNotFoundError: where there is none
    """

    def __init__(self, bucket: Bucket, key: str) -> None:
        self._bucket, self._key = bucket, key
        self._offset, self._failures = 0, 0
        answer = bucket.call("get_object", key)
        self.answer, self._body = answer, answer["Body"]

    def read(self, size: int = -1) -> bytes:
        """As a file's.

        :raises TimedOut, Unreachable: when it broke ``attempts`` times at one point
        """
        from botocore import exceptions as boto
        while self._offset < self.answer["ContentLength"]:
            try:
                with self._bucket.errors(self._key):
                    try:
                        data = self._body.read(None if size is None or size < 0 else size)
                    except (boto.IncompleteReadError, boto.ResponseStreamingError) as error:
                        raise boto.ConnectionClosedError(endpoint_url=self._bucket.settings.endpoint or "AWS", error=error) from error
            except OpsError:
                self._failures += 1
                if self._failures >= self._bucket.settings.attempts:
                    raise
                self._resume()
                continue
            if data:
                self._failures = 0
            self._offset += len(data)
            return data
        return b""

    def _resume(self) -> None:
        self._body.close()
        try:
            answer = self._bucket.call("get_object", self._key, Range=f"bytes={self._offset}-", IfMatch=self.answer["ETag"])
        except (Taken, FileNotFoundError) as error:
            raise Damaged(f"{self._key} was replaced or deleted while it was read", hint="Find out who writes there") from error
        self._body = answer["Body"]

    def close(self) -> None:
        """Let go of the connection."""
        self._body.close()

    def __enter__(self) -> ObjectReader:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _fill(reader: Any, size: int) -> bytes:
    blocks, left = [], size
    while left > 0 and (block := reader.read(left)):
        blocks.append(block)
        left -= len(block)
    return blocks[0] if len(blocks) == 1 else b"".join(blocks)


def _checked(key: str, written: int, digest: str, size: int, sha256: str) -> None:
    if (written, digest) != (size, sha256):
        raise Damaged(f"{key}: {written} bytes came that are not the {size} that were written",
                      hint="Its source was altered or cut: verify it there", evidence={"path": key})


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()
