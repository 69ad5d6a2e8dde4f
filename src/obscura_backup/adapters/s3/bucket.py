"""One bucket by boto3, blocking, one request a call, in the domain's errors.

Three of its habits are turned off. It repeats a failed request, and a PUT that is repeated can meet its own
success and take it for another's. It announces a body by `Expect: 100-continue` and waits for leave to send it: a round
trip more, and a quarter more CPU time. And it adds checksums of its own, under TLS as a trailer that many stores do not
understand; ours is known beforehand and travels as a header.

One is kept: where the bucket is in another region, it asks for that region once and remembers it. This question itself
is not asked again, or a store that redirects every request would be asked without end.
"""

from __future__ import annotations

import base64
import threading
import time
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

import boto3.session  # type: ignore[import-untyped]  # boto3 ships no types; `_Client` is what is used of it
import botocore.loaders  # type: ignore[import-untyped]  # as above
import botocore.session  # type: ignore[import-untyped]  # as above
from botocore.config import Config  # type: ignore[import-untyped]  # as above
from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]  # as above

from obscura_backup.adapters.s3.download import Download
from obscura_backup.adapters.s3.errors import DRIVER_ERRORS, failure_of_put, failure_of_read, reason_of, status_of
from obscura_backup.adapters.s3.location import DEFAULT_REGION
from obscura_backup.adapters.s3.metadata import metadata_of, revision_of
from obscura_backup.adapters.s3.stored_object import ObjectBody, blob_size, part_of, range_header, suffix_of
from obscura_backup.adapters.s3.truncated_heads import demand_whole_heads
from obscura_backup.domain.errors import BlobStoreUnavailable, OutcomeUnknown, RangeNotSatisfiable, StoreUnusable
from obscura_backup.domain.model import ByteRange, Draft, Revision, Tag

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from obscura_backup.adapters.s3.location import S3Location
    from obscura_backup.domain.blob import Blob

CONTENT_TYPE = "application/octet-stream"

_ONE_BYTE = ByteRange(0, 0)
_NOT_FOUND = 404
_RANGE_NOT_SATISFIABLE = 416


class _Client(Protocol):
    def put_object(self, **parameters: Any) -> dict[str, Any]: ...
    def get_object(self, **parameters: Any) -> dict[str, Any]: ...
    def head_object(self, **parameters: Any) -> dict[str, Any]: ...
    def delete_object(self, **parameters: Any) -> dict[str, Any]: ...
    def list_objects_v2(self, **parameters: Any) -> dict[str, Any]: ...
    def close(self) -> None: ...


class S3Bucket:
    """The bucket. Any number of threads may call it at once.

    Args:
        location: of the bucket.
        connections: kept open between requests.
        connect_timeout_seconds: for a connection to be made.
        read_timeout_seconds: that the store may be silent for.
    """

    def __init__(
        self, location: S3Location, *, connections: int, connect_timeout_seconds: float, read_timeout_seconds: float
    ) -> None:
        self.name = location.bucket
        self._location = location
        self._connections = connections
        self._connect_timeout_seconds = connect_timeout_seconds
        self._read_timeout_seconds = read_timeout_seconds
        self._created: _Client | None = None
        self._thread_local = threading.local()

    def connect(self) -> None:
        """Find credentials and make the client; asks the store nothing.

        Raises:
            StoreUnusable: there are no credentials, or the configuration is not one.
        """
        session = botocore.session.get_session()
        session.register_component("data_loader", _loader())
        if self._location.endpoint is not None:
            # Only AWS hands out credentials by machine. Elsewhere the question would go nowhere, slowly.
            session.get_component("credential_provider").remove("iam-role")
        try:
            if session.get_credentials() is None:
                raise StoreUnusable(
                    "There are no credentials for S3: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
                    ", or give this machine a role where the store is AWS."
                )
            made = boto3.session.Session(botocore_session=session).client(
                "s3",
                endpoint_url=self._location.endpoint,
                region_name=self._location.region or session.get_config_variable("region") or DEFAULT_REGION,
                config=self._config(),
            )
        except (BotoCoreError, ValueError) as error:
            raise StoreUnusable(f"S3 cannot be used as it is configured ({type(error).__name__}).") from error
        made.meta.events.register("before-send.s3", self._before_sending)
        made.meta.events.register("before-call.s3.HeadBucket", _without_redirect)
        demand_whole_heads()
        self._created = made

    def close(self) -> None:
        """Close the connections; safe to call more than once."""
        if self._created is not None:
            self._created.close()

    def put(self, key: str, blob: Blob, draft: Draft, *, replaces: Tag | None) -> Revision:
        """One conditional PUT, as `BlobStore.put` promises it."""
        return self.put_with(key, blob, draft, condition_on(replaces))

    def put_with(
        self, key: str, blob: Blob, draft: Draft, condition: dict[str, str], *, claimed_sha256: bytes | None = None
    ) -> Revision:
        """One PUT under any condition or none, with the true checksum or another: to see what the store makes of it.

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
                **condition,
                **checksum,
            )
        except DRIVER_ERRORS as error:
            raise failure_of_put(error, self._location.other_addressing) from error
        if not answer.get("ETag"):
            raise OutcomeUnknown("The blob store took an upload without naming its tag.")
        return Revision.of(draft, _tag(answer))

    def get(self, key: str, byte_range: ByteRange | None = None) -> Download | None:
        """One GET: the object's revision and the first piece of its bytes; None where there is no object.

        Raises:
            RangeNotSatisfiable: `wanted` lies outside of the blob.
            BackupDamaged: the object is not one of ours, or no longer.
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
            raise failure_of_read(error, self._location.other_addressing) from error
        body = answer["Body"]
        try:
            part = part_of(answer, partial=byte_range is not None)
            revision = revision_of(answer["Metadata"], tag=_tag(answer), size=part.size)
            if byte_range is not None and not part.length:  # what came is of the suffix
                raise RangeNotSatisfiable(size=part.size)
        except BaseException:
            body.close()
            raise
        return Download(body, revision, part.start, part.length, suffix_of(revision.upload_id)[: part.of_suffix])

    def head(self, key: str) -> Revision | None:
        """One HEAD: the object's revision.

        None only where there is no object: a HEAD's 404 does not say what is missing, so the object or the whole
        bucket, and one more request asks. To take a lost bucket for an empty slot would tell clients to begin anew.

        Raises:
            BlobStoreUnavailable: the store does not answer, or the object is not one of ours.
        """
        try:
            answer = self._client.head_object(Bucket=self.name, Key=key)
        except DRIVER_ERRORS as error:
            if isinstance(error, ClientError) and status_of(error) == _NOT_FOUND:
                return self._head_by_get(key)
            raise failure_of_read(error, self._location.other_addressing) from error
        return revision_of(answer["Metadata"], tag=_tag(answer), size=blob_size(int(answer["ContentLength"])))

    def keys(self, prefix: str, *, after: str = "", limit: int = 1000) -> list[str]:
        """One page of keys in their order, from behind `after` on; fewer than `most` where these are the last.

        Raises:
            BlobStoreUnavailable: the store does not answer.
        """
        return [entry["Key"] for entry in self._list(prefix, after, limit).get("Contents", ())]

    def delete(self, key: str) -> None:
        """Remove a scratch object. A user's slot is never removed (a deletion is a tombstone).

        Raises:
            BlobStoreUnavailable: it was not, or is not known to have been.
        """
        try:
            self._client.delete_object(Bucket=self.name, Key=key)
        except DRIVER_ERRORS as error:
            raise failure_of_read(error, self._location.other_addressing) from error

    def clock_skew_seconds(self) -> float:
        """Ask the bucket for one key, the least that a service must be able to do: how far its clock is ahead of ours.

        Good to a second, which is how the store states its time.

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
        """What the store calls itself in its answers; S3 has no question for a version.

        Raises:
            BlobStoreUnavailable: the store does not answer.
        """
        headers = self._list("backups/", "", 1)["ResponseMetadata"]["HTTPHeaders"]
        return str(headers.get("server", "unnamed"))

    @contextmanager
    def before_each_request(self, before_sending: Callable[[], None]) -> Iterator[None]:
        """Call this before each request of this thread, when it is signed and only to be sent."""
        self._thread_local.before_sending = before_sending
        try:
            yield
        finally:
            del self._thread_local.before_sending

    def _before_sending(self, request: Any, **_: object) -> None:
        request.headers.pop("Expect", None)
        getattr(self._thread_local, "before_sending", _no_op)()

    @property
    def _client(self) -> _Client:
        if self._created is None:
            raise BlobStoreUnavailable("The blob store was not started.")
        return self._created

    def _config(self) -> Config:
        endpoint = self._location.endpoint
        s3: dict[str, object] = {"addressing_style": self._location.addressing_style}
        if self._location.checksums and (endpoint is None or endpoint.startswith("https:")):
            # Under TLS the signed checksum header guards the bytes; to hash them once more would guard nothing.
            s3["payload_signing_enabled"] = False
        return Config(
            connect_timeout=self._connect_timeout_seconds,
            read_timeout=self._read_timeout_seconds,
            max_pool_connections=self._connections,
            tcp_keepalive=True,
            retries={"mode": "standard", "total_max_attempts": 1},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            parameter_validation=False,  # all parameters are made above, from types
            s3=s3,
        )

    def _list(self, prefix: str, after: str, limit: int) -> dict[str, Any]:
        try:
            return self._client.list_objects_v2(Bucket=self.name, Prefix=prefix, StartAfter=after, MaxKeys=limit)
        except DRIVER_ERRORS as error:
            raise failure_of_read(error, self._location.other_addressing) from error

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
        found = self.head(key)  # MinIO does not always say how long the object is
        return None if found is None else found.size


@cache
def _loader() -> Any:
    # To read the description of S3 is most of the work of making a client, and `serve` makes one to check, one to run.
    return botocore.loaders.create_loader()


def condition_on(replaces: Tag | None) -> dict[str, str]:
    """The parameter of a PUT that goes through only if the object has this tag (None: if there is no object)."""
    return {"IfNoneMatch": "*"} if replaces is None else {"IfMatch": f'"{replaces}"'}


def _without_redirect(context: dict[str, Any], **_: object) -> None:
    context.setdefault("s3_redirect", {})["redirected"] = True  # botocore's mark that it has been done


def _no_op() -> None:
    pass


def _is_absent(error: ClientError) -> bool:
    return status_of(error) == _NOT_FOUND and reason_of(error) == "NoSuchKey"


def _tag(answer: dict[str, Any]) -> Tag:
    return Tag(str(answer["ETag"]).strip('"'))  # some stores quote it in one answer and not in another
