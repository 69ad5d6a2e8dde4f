"""A response of the blob store whose head breaks off anywhere gives the truth or no answer, never something else."""

from __future__ import annotations

import re
import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from contracts import samples
from obscura_backup.adapters.s3.boto3_driver.bucket import S3Bucket
from obscura_backup.adapters.s3.location import S3Location
from obscura_backup.adapters.s3.metadata import metadata_of
from obscura_backup.adapters.s3.obstore_driver.bucket import ObstoreBucket
from obscura_backup.domain.errors import BackupDamaged, BlobStoreUnavailable, OutcomeUnknown
from obscura_backup.domain.model import ByteRange, Revision, Tag, Version

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


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@contextmanager
def bucket_answering(*answer: bytes) -> Iterator[S3Bucket]:
    """A bucket whose store gives this answer to every request and hangs up."""
    with bucket_answering_by(list(answer)) as bucket:
        yield bucket


@contextmanager
def bucket_answering_by(answer: list[bytes]) -> Iterator[S3Bucket]:
    """The same; the answer may be changed between requests."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=_serve, args=(listening, answer), daemon=True)
        thread.start()
        location = S3Location.parse(f"s3://bucket?endpoint=http://127.0.0.1:{listening.getsockname()[1]}&region=here")
        bucket = S3Bucket(location, connections=1, connect_timeout_seconds=5, read_timeout_seconds=5)
        bucket.connect()
        try:
            yield bucket
        finally:
            bucket.close()
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


def _serve(listening: socket.socket, answer: list[bytes]) -> None:
    with suppress(OSError):
        while True:
            connection, _ = listening.accept()
            with connection:
                asked = b""
                while b"\r\n\r\n" not in asked:
                    asked += connection.recv(65536)
                connection.sendall(answer[0])


def test_whole_head_is_understood() -> None:
    with bucket_answering(HEAD) as bucket:
        found = bucket.head(KEY)
    assert found is not None
    assert (found.version, found.tag) == (12, "a-tag")


@pytest.mark.parametrize("missing", [5, 60, 200])
def test_head_that_breaks_off_is_no_answer(missing: int) -> None:
    """Not version 1 where 12 was cut, and not an object that is not one of ours."""
    with bucket_answering(HEAD[:-missing]) as bucket, pytest.raises(BlobStoreUnavailable):
        bucket.head(KEY)


def cuts(head: bytes, *, every: int) -> list[int]:
    """Where to cut a head: a sample of all places, and each of the last ones."""
    return [*range(1, len(head) - 30, every), *range(len(head) - 30, len(head), every // 6)]


@pytest.mark.filterwarnings("ignore:tzname")  # of a date that was cut
@pytest.mark.parametrize("head", [HEAD, METADATA_FIRST])
def test_head_that_breaks_off_anywhere_gives_the_truth_or_no_answer(head: bytes) -> None:
    answer = [head]
    with bucket_answering_by(answer) as bucket:
        whole = bucket.head(KEY)
        assert whole == Revision.of(DRAFT, Tag("a-tag"))
        told = 0
        for end in cuts(head, every=6):
            answer[0] = head[:end]
            with suppress(BlobStoreUnavailable):
                assert bucket.head(KEY) == whole, head[:end]
                told += 1
        assert told < 5, "only a head that lacks nothing but its end is believed"


@pytest.mark.filterwarnings("ignore:tzname")
@pytest.mark.parametrize("head", [HEAD, METADATA_FIRST])
@pytest.mark.parametrize("byte_range", [None, ByteRange(0, 0)])
def test_download_and_listing_whose_head_breaks_off_are_no_answer(head: bytes, byte_range: ByteRange | None) -> None:
    answer = [head]
    with bucket_answering_by(answer) as bucket:
        for end in cuts(head, every=30):
            answer[0] = head[:end]
            with pytest.raises(BlobStoreUnavailable):
                bucket.get(KEY, byte_range)
            with pytest.raises(BlobStoreUnavailable):
                bucket.keys("backups/")


def test_metadata_without_a_check_value_is_believed_behind_a_whole_head() -> None:
    """Of an object from before there was one. Its first byte comes behind the head, so that nothing of this was cut."""
    head = re.sub(rb"x-amz-meta-check: .*\r\n", b"", HEAD)
    assert head != HEAD
    body = _blob.read() + bytes.fromhex(DRAFT.upload_id)
    with bucket_answering(head + body) as bucket:
        download = bucket.get(KEY)
        assert download is not None
        content = download.first_chunk + download.read()
        download.close()
    assert (download.revision, content) == (Revision.of(DRAFT, Tag("a-tag")), _blob.read())
    with bucket_answering(head) as bucket, pytest.raises(BlobStoreUnavailable):
        bucket.get(KEY)


def test_metadata_with_a_wrong_check_value_is_damaged_behind_a_whole_head() -> None:
    head = HEAD.replace(b"x-amz-meta-version: 12", b"x-amz-meta-version: 13")
    with bucket_answering(head + bytes(48)) as bucket, pytest.raises(BackupDamaged):
        bucket.get(KEY)


def test_upload_whose_answer_breaks_off_in_its_head_is_an_unknown_outcome() -> None:
    blob = samples.blob()
    with bucket_answering(HEAD[:80]) as bucket, pytest.raises(OutcomeUnknown):
        bucket.put(KEY, blob, samples.draft(blob), replaces=None)


@pytest.mark.parametrize("head", [HEAD, METADATA_FIRST])
async def test_obstore_believes_no_head_that_breaks_off(head: bytes) -> None:
    """Its HTTP client knows where a head ends. HEAD, GET of everything and of a range, and the answer to a PUT."""
    head = head if b"Last-Modified" in head else head.replace(b"ETag", f"Last-Modified: {DATE}\r\nETag".encode())
    answer = [head]
    with bucket_answering_by(answer) as boto3_bucket:
        bucket = ObstoreBucket(boto3_bucket._location, connect_timeout_seconds=5, read_timeout_seconds=5)
        bucket.connect()
        assert await bucket.head(KEY) == Revision.of(DRAFT, Tag("a-tag"))
        for end in cuts(head, every=12):
            answer[0] = head[:end]
            with pytest.raises(BlobStoreUnavailable):
                await bucket.head(KEY)
            with pytest.raises(BlobStoreUnavailable):
                await bucket.get(KEY, ByteRange(0, 0) if end % 2 else None)
            with pytest.raises(OutcomeUnknown):
                await bucket.put(KEY, _blob, DRAFT, None)
