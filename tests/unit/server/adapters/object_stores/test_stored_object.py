from __future__ import annotations

import functools
import hashlib
import io
import os

import pytest

from obscura_backup.adapters.object_stores.stored_object import (
    ObjectBody,
    Part,
    blob_size,
    part_of,
    range_header,
    suffix_of,
)
from obscura_backup.domain.blob import Blob
from obscura_backup.domain.errors import BackupDamaged, BlobStoreUnavailable
from obscura_backup.domain.model import ByteRange, UploadId
from support.table import table

BLOB = b"0123456789"
SUFFIX = bytes(range(16))
WHOLE = BLOB + SUFFIX


def body(blob: bytes = BLOB) -> ObjectBody:
    return ObjectBody(io.BytesIO(blob), len(BLOB), SUFFIX)


def test_suffix_is_the_upload_id_in_bytes() -> None:
    assert suffix_of(UploadId("00112233445566778899aabbccddeeff")) == bytes.fromhex("00112233445566778899aabbccddeeff")


def test_body_is_the_blob_and_then_the_suffix() -> None:
    cases: list[int] = [1, 3, 9, 10, 11, 15, 16, 25, 26, 27, 1000]
    for amount in cases:
        read = body()
        pieces = list(iter(functools.partial(read.read, amount), b""))
        assert b"".join(pieces) == WHOLE
        assert max(map(len, pieces)) <= amount
        assert (read.read(), len(read), read.tell()) == (b"", 26, 26)


def test_body_reads_to_its_end_where_nothing_else_is_said() -> None:
    read = body()
    assert (read.read(4), read.read()) == (b"0123", WHOLE[4:])


def test_body_can_be_rewound_to_anywhere() -> None:
    cases: list[int] = [0, 1, 9, 10, 11, 25, 26]
    for offset in cases:
        read = body()
        read.read()
        assert (read.seek(offset), read.tell(), read.read()) == (offset, offset, WHOLE[offset:])


def test_body_tells_its_length_by_seeking() -> None:
    """As botocore does to find the length of a file."""
    read = body()
    assert read.seek(0, os.SEEK_END) == 26
    assert read.seek(-20, os.SEEK_CUR) == 6
    assert read.read(6) == WHOLE[6:12]


def test_body_of_a_file_that_was_read_before_starts_at_its_beginning() -> None:
    file = io.BytesIO(BLOB)
    file.read()
    assert ObjectBody(file, len(BLOB), SUFFIX).read() == WHOLE


def test_suffix_never_follows_a_blob_that_is_cut_off() -> None:
    read = body(BLOB[:7])
    assert b"".join(iter(lambda: read.read(4), b"")) == BLOB[:7]


def test_checksum_of_both_goes_on_from_what_arrived() -> None:
    """Not from what was kept: bytes that a disk changed since are not what the store is told to expect."""
    spool = Blob.of(BLOB)
    spool.file.seek(0)
    spool.file.write(b"changed on the disk")
    assert spool.sha256_with_suffix(SUFFIX) == hashlib.sha256(WHOLE).digest()
    assert spool.sha256_with_suffix(b"another") == hashlib.sha256(BLOB + b"another").digest()
    assert spool.sha256 == hashlib.sha256(BLOB).digest()


@table(("object_size", "size"), [(16, 0), (17, 1), (48, 32)])
def test_blob_is_16_bytes_shorter_than_its_object(object_size: int, size: int) -> None:
    assert blob_size(object_size) == size


@table("object_size", [0, 15])
def test_object_that_is_shorter_than_an_upload_id_is_damaged(object_size: int) -> None:
    with pytest.raises(BackupDamaged):
        blob_size(object_size)


@table(
    ("byte_range", "header"),
    [
        (ByteRange(0, 0), "bytes=0-0"),
        (ByteRange(5, None), "bytes=5-"),
        (ByteRange(None, 7), "bytes=-23"),
        (ByteRange(None, 0), "bytes=-16"),
    ],
)
def test_range_of_the_object(byte_range: ByteRange, header: str) -> None:
    assert range_header(byte_range) == header


def answer(first: int, last: int, total: int = 26) -> dict[str, object]:
    return {"ContentLength": last - first + 1, "ContentRange": f"bytes {first}-{last}/{total}"}


def test_part_of_the_blob_in_an_answer() -> None:
    cases: list[tuple[dict[str, object], Part]] = [
        (answer(0, 0), Part(start=0, length=1, of_suffix=0, size=10)),
        (answer(0, 8), Part(start=0, length=9, of_suffix=0, size=10)),
        (answer(0, 9), Part(start=0, length=10, of_suffix=0, size=10)),
        (answer(9, 9), Part(start=9, length=1, of_suffix=0, size=10)),
        (answer(9, 10), Part(start=9, length=1, of_suffix=1, size=10)),
        (answer(9, 25), Part(start=9, length=1, of_suffix=16, size=10)),
        (answer(10, 25), Part(start=10, length=0, of_suffix=16, size=10)),
        (answer(25, 25), Part(start=25, length=0, of_suffix=1, size=10)),
        (answer(0, 25), Part(start=0, length=10, of_suffix=16, size=10)),
    ]
    for head, part in cases:
        assert part_of(head, partial=True) == part


def test_whole_answer() -> None:
    assert part_of({"ContentLength": 26}, partial=False) == Part(start=0, length=10, of_suffix=16, size=10)


@table(
    "head",
    [
        {"ContentLength": 26},
        {"ContentLength": 5, "ContentRange": "bytes 0-9/26"},
        {"ContentLength": 10, "ContentRange": "bytes 17-26/26"},
        {"ContentLength": 10, "ContentRange": "bytes 0-9/*"},
    ],
)
def test_answer_that_is_none_to_a_range(head: dict[str, object]) -> None:
    with pytest.raises(BlobStoreUnavailable):
        part_of(head, partial=True)
