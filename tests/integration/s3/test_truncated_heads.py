"""A response of the blob store whose head breaks off anywhere gives the truth or no answer, never something else."""

from __future__ import annotations

import re
import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from contracts import samples
from obscura_backup.adapters.object_stores.metadata import metadata_of
from obscura_backup.adapters.object_stores.obstore_driver.bucket import ObstoreBucket
from obscura_backup.adapters.s3.boto3_driver.bucket import S3Bucket
from obscura_backup.adapters.s3.location import S3Location
from obscura_backup.adapters.s3.obstore_backend import S3Backend
from obscura_backup.domain.errors import BackupDamaged, BlobStoreUnavailable, OutcomeUnknown
from obscura_backup.domain.model import ByteRange, Revision, Tag, Version
from support.table import table

if TYPE_CHECKING:
    from collections.abc import Iterator

_blob = samples.blob()
DRAFT = samples.draft(_blob, version=Version(12))
METADATA = "".join(f"x-amz-meta-{name}: {value}\r\n" for name, value in sorted(metadata_of(DRAFT).items()))
KEY = "backups/user"
DATE = "Wed, 25 Nov 2026 00:00:00 GMT"
HEAD = (f'HTTP/1.1 200 OK\r\nDate: {DATE}\r\nContent-Length: 48\r\nETag: "a-tag"\r\n{METADATA}\r\n').encode()
METADATA_FIRST = (
    f"HTTP/1.1 200 OK\r\nDate: {DATE}\r\n{METADATA}Accept-Ranges: bytes\r\nLast-Modified: {DATE}\r\n"
    'ETag: "a-tag"\r\nContent-Length: 48\r\n\r\n'
).encode()


@pytest.fixture(scope="module")
def answer() -> list[bytes]:
    """What the store answers to every request before it hangs up; a test changes it."""
    return [b""]


@pytest.fixture(scope="module")
def location(answer: list[bytes]) -> Iterator[S3Location]:
    """The location of a bucket of a store that gives this answer."""
    with pytest.MonkeyPatch.context() as environment, socket.create_server(("127.0.0.1", 0)) as listening:
        for name, value in (
            ("AWS_ACCESS_KEY_ID", "key"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
            ("NO_PROXY", "127.0.0.1"),
        ):
            environment.setenv(name, value)
        thread = threading.Thread(target=_serve, args=(listening, answer), daemon=True)
        thread.start()
        yield S3Location.parse(f"s3://bucket?endpoint=http://127.0.0.1:{listening.getsockname()[1]}&region=here")
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.fixture(scope="module")
def bucket(location: S3Location) -> Iterator[S3Bucket]:
    """The bucket by boto3, whose client takes long to make."""
    bucket = S3Bucket(location, connections=1, connect_timeout_seconds=5, read_timeout_seconds=5)
    bucket.connect()
    yield bucket
    bucket.close()


def _serve(listening: socket.socket, answer: list[bytes]) -> None:
    with suppress(OSError):
        while True:
            connection, _ = listening.accept()
            with connection:
                asked = b""
                while b"\r\n\r\n" not in asked:
                    asked += connection.recv(65536)
                connection.sendall(answer[0])


def test_whole_head_is_understood(bucket: S3Bucket, answer: list[bytes]) -> None:
    answer[0] = HEAD
    found = bucket.head(KEY)
    assert found is not None
    assert (found.version, found.tag) == (12, "a-tag")


@table("missing", [5, 60, 200])
def test_head_that_breaks_off_is_no_answer(bucket: S3Bucket, answer: list[bytes], missing: int) -> None:
    """Not version 1 where 12 was cut, and not an object that is not one of ours."""
    answer[0] = HEAD[:-missing]
    with pytest.raises(BlobStoreUnavailable):
        bucket.head(KEY)


def cuts(head: bytes, *, every: int) -> list[int]:
    """Where to cut a head: a sample of all places, and each of the last ones."""
    return [*range(1, len(head) - 30, every), *range(len(head) - 30, len(head), every // 12)]


@pytest.mark.filterwarnings("ignore:tzname")  # of a date that was cut
@table("head", [HEAD, METADATA_FIRST])
def test_head_that_breaks_off_anywhere_gives_the_truth_or_no_answer(
    bucket: S3Bucket, answer: list[bytes], head: bytes
) -> None:
    answer[0] = head
    whole = bucket.head(KEY)
    assert whole == Revision.of(DRAFT, Tag("a-tag"))
    told = 0
    for end in cuts(head, every=18):
        answer[0] = head[:end]
        with suppress(BlobStoreUnavailable):
            assert bucket.head(KEY) == whole, head[:end]
            told += 1
    assert told < 5, "only a head that lacks nothing but its end is believed"


@pytest.mark.filterwarnings("ignore:tzname")
@table("head", [HEAD, METADATA_FIRST])
@table("byte_range", [None, ByteRange(0, 0)])
def test_download_and_listing_whose_head_breaks_off_are_no_answer(
    bucket: S3Bucket, answer: list[bytes], head: bytes, byte_range: ByteRange | None
) -> None:
    for end in cuts(head, every=60):
        answer[0] = head[:end]
        with pytest.raises(BlobStoreUnavailable):
            bucket.get(KEY, byte_range)
        with pytest.raises(BlobStoreUnavailable):
            bucket.keys("backups/")


def test_metadata_without_a_check_value_is_believed_behind_a_whole_head(bucket: S3Bucket, answer: list[bytes]) -> None:
    """Of an object from before there was one. Its first byte comes behind the head, so that nothing of this was cut."""
    head = re.sub(rb"x-amz-meta-check: .*\r\n", b"", HEAD)
    assert head != HEAD
    body = _blob.read() + bytes.fromhex(DRAFT.upload_id)
    answer[0] = head + body
    download = bucket.get(KEY)
    assert download is not None
    content = download.first_chunk + download.read()
    download.close()
    assert (download.revision, content) == (Revision.of(DRAFT, Tag("a-tag")), _blob.read())
    answer[0] = head
    with pytest.raises(BlobStoreUnavailable):
        bucket.get(KEY)


def test_metadata_with_a_wrong_check_value_is_damaged_behind_a_whole_head(
    bucket: S3Bucket, answer: list[bytes]
) -> None:
    answer[0] = HEAD.replace(b"x-amz-meta-version: 12", b"x-amz-meta-version: 13") + bytes(48)
    with pytest.raises(BackupDamaged):
        bucket.get(KEY)


def test_upload_whose_answer_breaks_off_in_its_head_is_an_unknown_outcome(
    bucket: S3Bucket, answer: list[bytes]
) -> None:
    blob = samples.blob()
    answer[0] = HEAD[:80]
    with pytest.raises(OutcomeUnknown):
        bucket.put(KEY, blob, samples.draft(blob), replaces=None)


@table("head", [HEAD, METADATA_FIRST])
async def test_obstore_believes_no_head_that_breaks_off(location: S3Location, answer: list[bytes], head: bytes) -> None:
    """Its HTTP client knows where a head ends. HEAD, GET of everything and of a range, and the answer to a PUT."""
    head = head if b"Last-Modified" in head else head.replace(b"ETag", f"Last-Modified: {DATE}\r\nETag".encode())
    answer[0] = head
    bucket = ObstoreBucket(S3Backend(location), connect_timeout_seconds=5, read_timeout_seconds=5)
    bucket.connect()
    assert await bucket.head(KEY) == Revision.of(DRAFT, Tag("a-tag"))
    for end in cuts(head, every=18):
        answer[0] = head[:end]
        with pytest.raises(BlobStoreUnavailable):
            await bucket.head(KEY)
        with pytest.raises(BlobStoreUnavailable):
            await bucket.get(KEY, ByteRange(0, 0) if end % 2 else None)
        with pytest.raises(OutcomeUnknown):
            await bucket.put(KEY, _blob, DRAFT, None)
