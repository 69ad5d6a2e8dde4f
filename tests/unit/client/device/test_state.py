"""Encoding and decoding the state file."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given

from obscura_backup_client.content.model import Backup, Writer
from obscura_backup_client.device.errors import StateDamaged
from obscura_backup_client.device.state import Account, State, decode_state, encode_state
from obscura_backup_client.operations.rollback import last_seen_of
from support.client.contents import ALICE, IDENTITY, NOW_MS, PHONE, backup, backups, contact
from support.table import table

CONTENT = backup(contact(), writers=(Writer(PHONE, 4),), key_epoch=2, sealed_at_ms=NOW_MS, device_name="phone")
STATE = State(
    device_id=PHONE,
    device_name="phone",
    seq=5,
    content=CONTENT,
    last_seen={Account("https://backup.example", ALICE): last_seen_of(CONTENT, b"blob", sealed_format=1, version=3)},
)


@given(backups())
def test_every_state_is_decoded_as_it_was_encoded(content: Backup) -> None:
    state = replace(STATE, content=content)
    assert decode_state(encode_state(state), Path("state.json")) == state


def test_a_file_of_an_earlier_version_is_read() -> None:
    document = json.loads(encode_state(STATE))
    for known in document["remembered"]:
        del known["may_be_gone"]
    assert decode_state(json.dumps(document).encode(), Path("state.json")) == STATE


def test_members_that_a_later_version_added_are_ignored() -> None:
    document = json.loads(edited(added=1))
    document["remembered"][0]["added"] = 1
    assert decode_state(json.dumps(document).encode(), Path("state.json")) == STATE


def edited(**changes: Any) -> bytes:
    return json.dumps({**json.loads(encode_state(STATE)), **changes}).encode()


RECORDED = json.loads(encode_state(STATE))["remembered"]


@table(
    "encoded",
    [
        b"",
        b"[]",
        b"{}",
        b'{"format": 1}',
        b'{"format": 1e999}',
        b'{"format": -5}',
        b'{"format": ' + b"9" * 5000 + b"}",
        b"[" * 100_000,
        b'{"format": 1, "device_id": ' + b"[" * 100_000,
        b'{"format": 1, ' + encode_state(STATE)[1:],
        edited(format="1"),
        edited(format=1.0),
        encode_state(STATE)[:-20],
        edited(device_id="abc"),
        edited(device_id="00"),
        edited(seq=-1),
        edited(seq="5"),
        edited(seq=True),
        edited(seq=2**53),
        edited(content="!"),
        edited(content="AAAA"),
        edited(remembered=[{}]),
        edited(remembered={}),
        edited(remembered=""),
        edited(remembered=RECORDED * 2),
        edited(remembered=[{**RECORDED[0], "server": None}]),
        edited(remembered=[{**RECORDED[0], "vector": []}]),
        edited(remembered=[{**RECORDED[0], "vector": {"00 " * 16: 1}}]),
        edited(remembered=[{**RECORDED[0], "may_be_gone": 0}]),
        edited(remembered=[{**RECORDED[0], "parameters": [1, 2]}]),
        edited(remembered=[{**RECORDED[0], "parameters": [1, 2, -3]}]),
        edited(device_name=5),
        edited(remembered=5),
    ],
)
def test_an_invalid_state_is_damaged(encoded: bytes) -> None:
    with pytest.raises(StateDamaged):
        decode_state(encoded, Path("state.json"))


@table(
    ("encoded", "reason"),
    [
        (b"[]", "it is not an object"),
        (b'{"format": 1}', "device_id is missing"),
        (edited(seq=-1), "seq is not a count"),
        (edited(content=""), "its content is invalid: it has no identity"),
    ],
)
def test_damage_is_reported_with_the_reason_and_what_to_do(encoded: bytes, reason: str) -> None:
    with pytest.raises(StateDamaged) as damaged:
        decode_state(encoded, Path("state.json"))
    assert damaged.value.reason == reason
    assert "To get back what was pushed, `restore` into a new --state directory" in str(damaged.value)
    assert "Error" not in str(damaged.value)


def test_neither_errors_nor_reprs_show_the_private_key() -> None:
    state = replace(STATE, content=backup(identity=replace(IDENTITY, private_key=b"hush-hush")))
    assert "hush" not in repr(state)


def test_backups_are_recorded_per_server_and_user() -> None:
    known = last_seen_of(CONTENT, b"other", sealed_format=1, version=9)
    both = {**STATE.last_seen, Account("https://other.example", UUID(int=5)): known}
    assert decode_state(encode_state(replace(STATE, last_seen=both)), Path("state.json")).last_seen == both
