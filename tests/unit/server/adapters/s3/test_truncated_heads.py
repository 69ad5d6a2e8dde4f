"""An answer of the blob store that breaks off anywhere in its head is none."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from contracts import samples
from obscura_backup.adapters.s3.bucket import S3Bucket
from obscura_backup.adapters.s3.location import S3Location
from obscura_backup.adapters.s3.metadata import metadata_of
from obscura_backup.domain.errors import BlobStoreUnavailable, OutcomeUnknown
from obscura_backup.domain.model import Version

if TYPE_CHECKING:
    from collections.abc import Iterator

_blob = samples.blob()
DRAFT = samples.draft(_blob, version=Version(12))
HEAD = (
    'HTTP/1.1 200 OK\r\nDate: Wed, 25 Nov 2026 00:00:00 GMT\r\nContent-Length: 32\r\nETag: "a-tag"\r\n'
    + "".join(f"x-amz-meta-{name}: {value}\r\n" for name, value in sorted(metadata_of(DRAFT).items()))
    + "\r\n"
).encode()


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@contextmanager
def bucket_answering(answer: bytes) -> Iterator[S3Bucket]:
    """A bucket whose store gives this answer and hangs up."""
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


def _serve(listening: socket.socket, answer: bytes) -> None:
    with suppress(OSError):
        while True:
            connection, _ = listening.accept()
            with connection:
                asked = b""
                while b"\r\n\r\n" not in asked:
                    asked += connection.recv(65536)
                connection.sendall(answer)


def test_whole_head_is_understood() -> None:
    with bucket_answering(HEAD) as bucket:
        found = bucket.head("backups/somebody")
    assert found is not None
    assert (found.version, found.tag) == (12, "a-tag")


@pytest.mark.parametrize("missing", [1, 2, 4, 5, 60, 200])
def test_head_that_breaks_off_is_no_answer(missing: int) -> None:
    """Not version 1 where 12 was cut, and not an object that is not one of ours."""
    with bucket_answering(HEAD[:-missing]) as bucket, pytest.raises(BlobStoreUnavailable):
        bucket.head("backups/somebody")


def test_upload_whose_answer_breaks_off_in_its_head_is_an_unknown_outcome() -> None:
    blob = samples.blob()
    with bucket_answering(HEAD[:80]) as bucket, pytest.raises(OutcomeUnknown):
        bucket.put("backups/somebody", blob, samples.draft(blob), replaces=None)
