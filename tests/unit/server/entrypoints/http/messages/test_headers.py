"""Conditions, ranges and digests in request headers, at their exact boundaries."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from datetime import timedelta

import pytest

from contracts import samples
from obscura_backup.domain.model import ByteRange, Version
from obscura_backup.entrypoints.http.messages.errors import MalformedHeader
from obscura_backup.entrypoints.http.messages.headers import (
    FIELD_MAX_CHARS,
    byte_range,
    declared_sha256,
    digest_field,
    etag,
    expected_version,
    http_date,
    none_match,
    range_applies,
)
from support.table import table

DIGEST = hashlib.sha256(b"sealed").digest()
REVISION = samples.revision(3)


def test_a_range() -> None:
    cases: list[tuple[str | None, ByteRange | None]] = [
        ("bytes=0-0", ByteRange(0, 0)),
        ("bytes=5-5", ByteRange(5, 5)),
        ("bytes=5-4", None),
        ("bytes=5-", ByteRange(5, None)),
        ("bytes=-5", ByteRange(None, 5)),
        ("bytes=-0", ByteRange(None, 0)),
        ("bytes=-", None),
        ("bytes=0-1,3-4", None),
        ("BYTES=0-1", ByteRange(0, 1)),
        (" bytes=0-1 ", ByteRange(0, 1)),
        ("items=0-1", None),
        ("bytes=" + "9" * 18 + "-", ByteRange(10**18 - 1, None)),
        ("bytes=" + "9" * 19 + "-", None),
        ("bytes=0-1".ljust(FIELD_MAX_CHARS), ByteRange(0, 1)),
        ("bytes=0-1".ljust(FIELD_MAX_CHARS + 1), None),
        ("", None),
        (None, None),
    ]
    for header, wanted in cases:
        assert byte_range(header) == wanted


def test_a_version_that_the_reader_has() -> None:
    cases: list[tuple[list[str], bool]] = [
        (['"3"'], True),
        (['W/"3"'], True),
        (["3"], True),
        (["*"], True),
        (['"2"', '"3"'], True),
        (['"2", "3"'], True),
        (['"2"'], False),
        (['"33"'], False),
        ([], False),
    ]
    for values, matches in cases:
        assert none_match(values, Version(3)) is matches


def test_an_expected_version() -> None:
    cases: list[tuple[list[str], list[str], int | None]] = [
        ([], [], None),
        (['"3"'], [], 3),
        (["3"], [], 3),
        (["0"], [], 0),
        ([], ["*"], 0),
        (["0"], ["*"], 0),
        (["9" * 18], [], 10**18 - 1),
    ]
    for if_match, if_none_match, expected in cases:
        assert expected_version(if_match, if_none_match) == expected


def test_a_condition_that_is_refused() -> None:
    cases: list[tuple[list[str], list[str]]] = [
        (["*"], []),
        (['W/"3"'], []),
        (['"3'], []),
        (["03"], []),
        (["9" * 19], []),
        (["3", "3"], []),
        ([], ['"3"']),
        ([], ["*", "*"]),
        (["3"], ["*"]),
    ]
    for if_match, if_none_match in cases:
        with pytest.raises(MalformedHeader):
            expected_version(if_match, if_none_match)


def test_a_range_without_a_condition_applies() -> None:
    assert range_applies(None, REVISION)


@table("value", [etag(REVISION.version), f" {etag(REVISION.version)} ", http_date(REVISION.updated_at)])
def test_a_range_applies_to_the_revision_that_it_names(value: str) -> None:
    assert range_applies(value, REVISION)


@table(
    "value", ['W/"3"', '"2"', "3", http_date(replace(REVISION, updated_at=samples.MOMENT + timedelta(1)).updated_at)]
)
def test_a_range_does_not_apply_to_another_revision(value: str) -> None:
    assert not range_applies(value, REVISION)


def test_a_digest_is_read_as_it_is_written() -> None:
    assert declared_sha256([digest_field(DIGEST)]) == DIGEST


@table("values", [[], ["md5=:AAAA:"], ["sha-512=:AAAA:"]])
def test_without_a_sha_256_nothing_is_declared(values: list[str]) -> None:
    assert declared_sha256(values) is None


@table(
    "values",
    [
        ["sha-256=AAAA"],
        ["sha-256=:AAAA:"],
        ["sha-256=:!:"],
        ["sha-256"],
        [f"sha-256=:{base64.b64encode(DIGEST + b'x').decode()}:"],
        [digest_field(DIGEST), digest_field(bytes(32))],
    ],
)
def test_a_digest_that_is_refused(values: list[str]) -> None:
    with pytest.raises(MalformedHeader):
        declared_sha256(values)


def test_the_same_digest_twice_is_one() -> None:
    assert declared_sha256([digest_field(DIGEST), digest_field(DIGEST)]) == DIGEST


@table(("length", "fits"), [(FIELD_MAX_CHARS, True), (FIELD_MAX_CHARS + 1, False)])
def test_the_longest_digest_field(length: int, *, fits: bool) -> None:
    field = digest_field(DIGEST) + ",x="
    field = field.ljust(length, "y")
    if fits:
        assert declared_sha256([field]) == DIGEST
    else:
        with pytest.raises(MalformedHeader, match="too long"):
            declared_sha256([field])
