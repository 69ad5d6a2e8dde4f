"""The published vectors of merging, of the rollback alarm and of stamps."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from obscura_backup_client.content.codec import decode, encode
from obscura_backup_client.content.editing import next_stamp_ms
from obscura_backup_client.content.errors import IdentityConflict, PayloadError
from obscura_backup_client.content.merge import Keep, merge, merge_keeping
from obscura_backup_client.content.model import Writer
from obscura_backup_client.device.last_seen import LastSeen
from obscura_backup_client.errors import ClientError
from obscura_backup_client.operations.errors import RollbackSuspected
from obscura_backup_client.operations.rollback import require_absence_expected, suspicions
from support.client.contents import backup
from support.client.vectors import counted, named, vectors
from support.table import table

MERGE = vectors("merge")
ROLLBACK = vectors("rollback")["rollback"]
STAMPS = vectors("stamps")["stamps"]


def last_seen(document: dict[str, Any]) -> LastSeen:
    return LastSeen(
        vector={bytes.fromhex(device_id): seq for device_id, seq in document["vector"].items()},
        sha256=bytes.fromhex(document["sha256"]),
        key_epoch=document["key_epoch"],
        format=document["format"],
        version=1,
        content_sha256=hashlib.sha256(b"").digest(),
        sealed_at_ms=0,
        device_name="",
        contact_count=0,
        may_be_gone=document["may_be_gone"],
    )


def reasons(known: LastSeen | None, fetched: dict[str, Any] | None) -> list[str]:
    if fetched is None:
        try:
            require_absence_expected(known)
        except RollbackSuspected as suspected:
            return list(suspected.reasons)
        return []
    writers = tuple(Writer(bytes.fromhex(device_id), seq) for device_id, seq in fetched["vector"].items())
    content = backup(writers=writers, key_epoch=fetched["key_epoch"])
    sha256 = bytes.fromhex(fetched["sha256"])
    return [] if known is None else list(suspicions(known, content, sha256, fetched["format"]))


@table("row", named(MERGE["merged"]))
def test_two_payloads_merge_to_the_third_in_either_order(row: dict[str, Any]) -> None:
    one, other = (decode(bytes.fromhex(row[side])) for side in ("one", "other"))
    assert encode(merge(one, other)).hex() == row["merged"]
    assert encode(merge(other, one)).hex() == row["merged"]


@table("row", named(MERGE["conflicts"]))
def test_two_identities_of_one_epoch_are_a_conflict_in_either_order(row: dict[str, Any]) -> None:
    one, other = (decode(bytes.fromhex(row[side])) for side in ("one", "other"))
    assert row["error"] == IdentityConflict.code
    for pair in ((one, other), (other, one)):
        with pytest.raises(IdentityConflict) as conflict:
            merge(*pair)
        assert conflict.value.epoch == one.identity.epoch


@table("row", named(MERGE["beyond"]))
def test_a_merge_beyond_a_limit_is_an_error_in_either_order(row: dict[str, Any]) -> None:
    one, other = decode(counted(row["one"])), decode(bytes.fromhex(row["other"]))
    for pair in ((one, other), (other, one)):
        with pytest.raises(ClientError) as refused:
            encode(merge(*pair))
        assert refused.value.code == row["error"]


@table("row", named(MERGE["kept"]))
def test_the_identity_that_the_person_keeps_is_left(row: dict[str, Any]) -> None:
    local, remote = (decode(bytes.fromhex(row[side])) for side in ("local", "remote"))
    try:
        found = encode(merge_keeping(local, remote, None if row["keep"] is None else Keep(row["keep"]))).hex()
    except ClientError as error:
        found = error.code
    assert found == (row["error"] or row["merged"])


@table("row", named(ROLLBACK))
def test_a_fetched_backup_is_suspected_for_these_reasons(row: dict[str, Any]) -> None:
    known = None if row["remembered"] is None else last_seen(row["remembered"])
    assert reasons(known, row["fetched"]) == row["reasons"]


@table("row", named(STAMPS))
def test_an_edit_has_the_stamp_of_the_vector(row: dict[str, Any]) -> None:
    content = decode(bytes.fromhex(row["payload"]))
    try:
        found: int | str = next_stamp_ms(content, row["now_ms"])
    except ClientError as error:
        found = error.code
    assert found == (row["error"] or row["stamp_ms"])
    assert row["error"] in {None, PayloadError.code}
