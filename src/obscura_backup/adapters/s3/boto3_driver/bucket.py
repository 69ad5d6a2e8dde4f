"""One bucket: blocking calls, one request each, with the errors of the domain.

A response whose head was cut off looks complete to Python's HTTP client: `x-amz-meta-version: 12` may arrive as version
1. The check value in the metadata shows it after a HEAD. After a GET, the first byte of the body proves a whole head.
"""

from __future__ import annotations

import base64
import re
import threading
import time
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, NoReturn

from botocore.exceptions import ClientError  # type: ignore[import-untyped]  # botocore ships no types

from obscura_backup.adapters.object_stores.errors import TransientFailure, failure_of_put, failure_of_read
from obscura_backup.adapters.object_stores.metadata import metadata_of, revision_of
from obscura_backup.adapters.object_stores.stored_object import (
    CONTENT_TYPE,
    ObjectBody,
    Part,
    blob_size,
    part_of,
    range_header,
    suffix_of,
)
from obscura_backup.adapters.s3.advice import advice_for
from obscura_backup.adapters.s3.boto3_driver.client import make_client
from obscura_backup.adapters.s3.boto3_driver.download import Download, ReadAhead
from obscura_backup.adapters.s3.boto3_driver.errors import DRIVER_ERRORS, failed_request, reason_of, status_of
from obscura_backup.domain.errors import BackupDamaged, BlobStoreUnavailable, OutcomeUnknown, RangeNotSatisfiable
from obscura_backup.domain.model import ByteRange, Draft, Revision, Tag

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from obscura_backup.adapters.s3.boto3_driver.client import Client
    from obscura_backup.adapters.s3.location import S3Location
    from obscura_backup.domain.blob import Blob

_ONE_BYTE = ByteRange(0, 0)
_NOT_FOUND = 404
_RANGE_NOT_SATISFIABLE = 416


class S3Bucket:
    """The bucket. Thread-safe.

    Args:
        location: of the bucket.
        connections: kept open between requests.
        connect_timeout_seconds: for making a connection.
        read_timeout_seconds: how long the store may be silent.
    """

    def __init__(
        self, location: S3Location, *, connections: int, connect_timeout_seconds: float, read_timeout_seconds: float
    ) -> None:
        self.name = location.bucket
        self._location = location
        self.advice = advice_for(location)
        self._connections = connections
        self._connect_timeout_seconds = connect_timeout_seconds
        self._read_timeout_seconds = read_timeout_seconds
        self._made_client: Client | None = None
        self._thread_local = threading.local()

    def connect(self) -> None:
        """Find credentials and make the client; sends no request.

        Raises:
            StoreUnusable: there are no credentials, or the configuration is invalid.
        """
        self._made_client = make_client(
            self._location,
            connections=self._connections,
            connect_timeout_seconds=self._connect_timeout_seconds,
            read_timeout_seconds=self._read_timeout_seconds,
            before_sending=self._before_sending,
        )

    def close(self) -> None:
        """Close the connections; safe to call more than once."""
        if self._made_client is not None:
            self._made_client.close()

    def put(self, key: str, blob: Blob, draft: Draft, *, replaces: Tag | None) -> Revision:
        """One conditional PUT; see `BlobStore.put`."""
        return self.put_with(key, blob, draft, replaces)

    def put_with(
        self,
        key: str,
        blob: Blob,
        draft: Draft,
        replaces: Tag | None,
        *,
        is_conditional: bool = True,
        claimed_sha256: bytes | None = None,
    ) -> Revision:
        """One PUT with a condition or none, and with any checksum, so that the reaction of the store can be tested.

        Raises:
            PutRefused, OutcomeUnknown, BlobStoreUnavailable: as `BlobStore.put`.
        """
        suffix = suffix_of(draft.upload_id)
        body = ObjectBody(blob.file, draft.size, suffix)
        checksum = {}
        if self._location.checksums:
            sha256 = claimed_sha256 or blob.sha256_with_suffix(suffix)
            checksum["ChecksumSHA256"] = base64.b64encode(sha256).decode()
        try:
            answer = self._client.put_object(
                Bucket=self.name,
                Key=key,
                Body=body,
                ContentLength=len(body),
                ContentType=CONTENT_TYPE,
                Metadata=metadata_of(draft),
                **(_condition_on(replaces) if is_conditional else {}),
                **checksum,
            )
        except DRIVER_ERRORS as error:
            failed = failed_request(error)
            raise failure_of_put(failed, self.advice) from failed
        try:
            return Revision.of(draft, _tag(answer))
        except BlobStoreUnavailable as error:
            raise OutcomeUnknown("The blob store accepted an upload without naming its ETag.") from error

    def get(self, key: str, byte_range: ByteRange | None = None) -> Download | None:
        """One GET: the object's revision and its first bytes; None if there is no object.

        Raises:
            RangeNotSatisfiable: `byte_range` lies outside of the blob.
            BackupDamaged: the object is damaged, or this service did not write it.
            BlobStoreUnavailable: the store does not answer.
        """
        range_parameter = {} if byte_range is None else {"Range": range_header(byte_range)}
        try:
            answer = self._client.get_object(Bucket=self.name, Key=key, **range_parameter)
        except DRIVER_ERRORS as error:
            if isinstance(error, ClientError):
                if _is_absent(error):
                    return None
                if status_of(error) == _RANGE_NOT_SATISFIABLE:
                    size = self._size_outside_of(key, error)
                    if size is None:
                        return None
                    raise RangeNotSatisfiable(size=size) from error
            self._fail(error)
        body = answer["Body"]
        try:
            try:
                part, revision = _parse(answer, byte_range)
            except BackupDamaged:
                if answer.get("ContentLength") == 0:
                    raise  # an empty object has no first byte, and is not ours
                body = ReadAhead(body)  # its first byte proves that the head was not cut off
                part, revision = _parse(answer, byte_range, is_whole=True)
            if byte_range is not None and not part.length:  # only bytes of the suffix
                raise RangeNotSatisfiable(size=part.size)
        except BaseException:
            body.close()
            raise
        return Download(body, revision, part.start, part.length, suffix_of(revision.upload_id)[: part.of_suffix])

    def head(self, key: str) -> Revision | None:
        """One HEAD: the object's revision; None if there is no object.

        The 404 of a HEAD does not say whether the object or the whole bucket is missing. One more request finds out: if
        a lost bucket looked like an empty slot, clients would start again from nothing.

        Raises:
            BackupDamaged: the object is damaged, or this service did not write it.
            BlobStoreUnavailable: the store does not answer.
        """
        try:
            answer = self._client.head_object(Bucket=self.name, Key=key)
        except DRIVER_ERRORS as error:
            if isinstance(error, ClientError) and status_of(error) == _NOT_FOUND:
                return self._head_by_get(key)
            self._fail(error)
        try:
            return _parse(answer, None)[1]
        except BackupDamaged:
            return self._head_by_get(key)

    def keys(self, prefix: str, *, after: str = "", limit: int = 1000) -> list[str]:
        """One page of sorted keys after `after`; fewer than `limit` if it is the last page.

        Raises:
            BlobStoreUnavailable: the store does not answer.
        """
        return [entry["Key"] for entry in self._list(prefix, after, limit).get("Contents", ())]

    def delete(self, key: str) -> None:
        """Remove a scratch object. The object of a slot is never removed: a deletion writes a tombstone.

        Raises:
            BlobStoreUnavailable: it is not known to have been removed.
        """
        try:
            self._client.delete_object(Bucket=self.name, Key=key)
        except DRIVER_ERRORS as error:
            self._fail(error)

    def clock_skew_seconds(self) -> float:
        """How far the store's clock is ahead of ours, by a request for one key, the least that a service needs.

        Exact to a second, the precision of the store's date header.

        Raises:
            BlobStoreUnavailable: the store does not answer.
        """
        before = time.time()
        answer = self._list("backups/", "", 1)
        local_time = (before + time.time()) / 2
        date = answer["ResponseMetadata"]["HTTPHeaders"].get("date", "")
        try:
            return parsedate_to_datetime(date).timestamp() + 0.5 - local_time
        except ValueError:
            return 0.0

    def server_name(self) -> str:
        """The store's name for itself in its responses; S3 has no request for a version.

        Raises:
            BlobStoreUnavailable: the store does not answer.
        """
        headers = self._list("backups/", "", 1)["ResponseMetadata"]["HTTPHeaders"]
        return str(headers.get("server", "unnamed"))

    @contextmanager
    def before_each_request(self, before_sending: Callable[[], None]) -> Iterator[None]:
        """Call `before_sending` before each request of this thread, between signing and sending it."""
        self._thread_local.before_sending = before_sending
        try:
            yield
        finally:
            del self._thread_local.before_sending

    def _before_sending(self) -> None:
        getattr(self._thread_local, "before_sending", _no_op)()

    @property
    def _client(self) -> Client:
        if self._made_client is None:
            raise BlobStoreUnavailable("The blob store was not started.")
        return self._made_client

    def _list(self, prefix: str, after: str, limit: int) -> dict[str, Any]:
        try:
            answer = self._client.list_objects_v2(Bucket=self.name, Prefix=prefix, StartAfter=after, MaxKeys=limit)
        except DRIVER_ERRORS as error:
            self._fail(error)
        if answer.keys() <= {"ResponseMetadata"}:  # without a body, since the head was cut off
            raise TransientFailure("The blob store broke off.")
        return answer

    def _fail(self, error: Exception) -> NoReturn:
        failed = failed_request(error)
        raise failure_of_read(failed, self.advice) from failed

    def _head_by_get(self, key: str) -> Revision | None:
        download = self.get(key, _ONE_BYTE)
        if download is None:
            return None
        download.close()
        return download.revision

    def _size_outside_of(self, key: str, error: ClientError) -> int | None:
        size = str(error.response.get("Error", {}).get("ActualObjectSize", ""))
        if size.isdecimal():
            return blob_size(int(size))
        try:  # MinIO does not always say how long the object is
            answer = self._client.head_object(Bucket=self.name, Key=key)
        except DRIVER_ERRORS as head_error:
            if isinstance(head_error, ClientError) and status_of(head_error) == _NOT_FOUND:
                return None
            self._fail(head_error)
        return blob_size(int(answer.get("ContentLength", 0)))


def _condition_on(replaces: Tag | None) -> dict[str, str]:
    """The parameter of a PUT that succeeds only if the object has this tag (None: if there is no object)."""
    return {"IfNoneMatch": "*"} if replaces is None else {"IfMatch": f'"{replaces}"'}


def _no_op() -> None:
    pass


def _is_absent(error: ClientError) -> bool:
    return status_of(error) == _NOT_FOUND and reason_of(error) == "NoSuchKey"


def _parse(answer: dict[str, Any], byte_range: ByteRange | None, *, is_whole: bool = False) -> tuple[Part, Revision]:
    """What a response to a GET or HEAD says; `is_whole`: its head is known to be complete."""
    part = part_of(answer, partial=byte_range is not None)
    return part, revision_of(answer["Metadata"], tag=_tag(answer), size=part.size, is_whole=is_whole)


def _tag(answer: dict[str, Any]) -> Tag:
    tag = str(answer.get("ETag", ""))
    if not tag or (tag.startswith('"') and not re.fullmatch('"[^"]+"', tag)):
        raise TransientFailure("The blob store broke off in an ETag.")
    return Tag(tag.strip('"'))  # some stores quote it in one response and not in another
