from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from obscura_backup_client.content.model import Backup, Profile, Writer
from obscura_backup_client.formats.errors import ExportRefused
from obscura_backup_client.formats.export_reading import MAX_EXPORT_BYTES, decode_payload
from obscura_backup_client.formats.export_writing import encode_payload
from support.client.contents import ALICE, BOB, IDENTITY, NOW_MS, PHONE, backup, backups, contact, tombstone
from support.table import table

CONTENT = backup(
    contact(ALICE, "alice"),
    tombstone(BOB),
    profile=Profile("avatar", b"D" * 32, NOW_MS),
    writers=(Writer(PHONE, 4),),
    key_epoch=2,
    sealed_at_ms=NOW_MS,
    device_name="phone",
)


@given(backups())
def test_every_content_is_decoded_as_it_was_encoded(content: Backup) -> None:
    exported = decode_payload(encode_payload(content))
    assert (exported.dated, exported.has_identity) == (content, True)
    assert (exported.undated_contacts, exported.undated_profile) == ((), None)


@given(backups())
def test_every_content_is_decoded_without_the_identity(content: Backup) -> None:
    exported = decode_payload(encode_payload(content, with_identity=False))
    assert replace(exported.dated, identity=content.identity) == content
    assert not exported.has_identity


def test_an_export_without_the_identity_has_no_key() -> None:
    document = json.loads(encode_payload(CONTENT, with_identity=False))
    assert "identity" not in document
    assert "private" not in json.dumps(document)


def test_the_document_has_the_documented_members() -> None:
    assert json.loads(encode_payload(replace(CONTENT, unknown=((9, b"\x48\x07"),)))) == {
        "format": "obscura-backup-payload",
        "version": 1,
        "identity": {
            "public_key": "UFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFA=",
            "private_key": "U1NTU1NTU1NTU1NTU1NTU1NTU1NTU1NTU1NTU1NTU1M=",
            "epoch": 1,
        },
        "contacts": [
            {
                "user_id": str(ALICE),
                "username": "alice",
                "identity_key": "S0tLS0tLS0tLS0tLS0tLS0tLS0tLS0tLS0tLS0tLS0s=",
                "edited_at_ms": NOW_MS,
                "removed": False,
            },
            {"user_id": str(BOB), "username": "", "identity_key": "", "edited_at_ms": NOW_MS, "removed": True},
        ],
        "profile": {
            "attachment_id": "avatar",
            "decryption_key": "REREREREREREREREREREREREREREREREREREREREREQ=",
            "edited_at_ms": NOW_MS,
        },
        "writers": [{"device_id": PHONE.hex(), "seq": 4}],
        "key_epoch": 2,
        "sealed_at_ms": NOW_MS,
        "device_name": "phone",
        "unknown_fields": {"9": "SAc="},
    }


def test_the_text_is_safe_on_every_terminal_and_in_every_encoding() -> None:
    encoded = encode_payload(backup(contact(username="zoë\u202e\x1b[2J")))
    assert all(0x20 <= byte < 0x7F or byte == 0x0A for byte in encoded)


def test_entries_without_a_time_are_separate() -> None:
    document = json.loads(encode_payload(CONTENT))
    for entry in (document["contacts"][0], document["contacts"][1], document["profile"]):
        del entry["edited_at_ms"]
    exported = decode_payload(json.dumps(document).encode())
    assert [each.user_id for each in exported.undated_contacts] == [ALICE, BOB]
    assert exported.undated_profile == Profile("avatar", b"D" * 32, 0)
    assert (exported.dated.contacts, exported.dated.profile) == ((), None)


def test_optional_members_may_be_missing() -> None:
    document = {
        "format": "obscura-backup-payload",
        "version": 1,
        "contacts": [{"user_id": str(ALICE), "username": "alice"}, {"user_id": str(BOB), "removed": True}],
        "writers": [],
        "key_epoch": 0,
        "sealed_at_ms": 0,
        "device_name": "",
    }
    exported = decode_payload(json.dumps(document).encode())
    assert exported.undated_contacts == (
        contact(ALICE, "alice", 0, identity_key=b""),
        tombstone(BOB, 0),
    )


def test_order_in_the_file_does_not_matter() -> None:
    document = json.loads(encode_payload(CONTENT))
    document["contacts"].reverse()
    assert decode_payload(json.dumps(dict(reversed(document.items()))).encode()).dated == CONTENT


@table("bom", [b"\xef\xbb\xbf", b""])
def test_a_byte_order_mark_is_accepted(bom: bytes) -> None:
    assert decode_payload(bom + encode_payload(CONTENT)).dated == CONTENT


DELETED = object()


def with_member(path: str, value: object) -> bytes:
    """The export of CONTENT with one member replaced or removed."""
    document: Any = json.loads(encode_payload(CONTENT))
    *way, last = (int(step) if step.isdigit() else step for step in path.split("/"))
    place = document
    for step in way:
        place = place[step]
    if value is DELETED:
        del place[last]
    else:
        place[last] = value
    return json.dumps(document).encode()


@table(
    ("path", "value", "location"),
    [
        ("format", "other", "format"),
        ("format", DELETED, "format"),
        ("version", 2, "version"),
        ("version", 1.0, "version"),
        ("version", True, "version"),
        ("identity", [], "identity"),
        ("identity/public_key", "AAAA", "identity"),
        ("identity/public_key", 5, "identity.public_key"),
        ("identity/private_key", DELETED, "identity.private_key"),
        ("identity/private_key", "U1NT*", "identity.private_key"),
        ("identity/private_key", "U1N=", "identity.private_key"),
        ("identity/private_key", "QQ", "identity.private_key"),
        ("identity/private_key", "QR==", "identity.private_key"),
        ("identity/private_key", "\u00fc", "identity.private_key"),
        ("identity/epoch", -1, "identity.epoch"),
        ("identity/epoch", 2**53, "identity.epoch"),
        ("identity/epoch", True, "identity.epoch"),
        ("identity/epoch", 1.5, "identity.epoch"),
        ("identity/epoch", None, "identity.epoch"),
        ("identity/secret", 1, "identity.secret"),
        ("contacts", DELETED, "contacts"),
        ("contacts", {}, "contacts"),
        ("contacts/0", "alice", "contacts[0]"),
        ("contacts/1/user_id", str(ALICE), "contacts[1].user_id"),
        ("contacts/1/user_id", str(ALICE).upper(), "contacts[1].user_id"),
        ("contacts/1/user_id", DELETED, "contacts[1].user_id"),
        ("contacts/0/user_id", "alice", "contacts[0].user_id"),
        ("contacts/0/user_id", ALICE.hex, "contacts[0].user_id"),
        ("contacts/0/user_id", 7, "contacts[0].user_id"),
        ("contacts/0/username", "", "contacts[0]"),
        ("contacts/0/username", DELETED, "contacts[0].username"),
        ("contacts/0/username", "a" * 1025, "contacts[0]"),
        ("contacts/0/username", "\ud800", "contacts[0]"),
        ("contacts/0/username", ["alice"], "contacts[0].username"),
        ("contacts/0/identity_key", "A" * 4 * 1366, "contacts[0]"),
        ("contacts/0/edited_at_ms", -1, "contacts[0].edited_at_ms"),
        ("contacts/0/edited_at_ms", 2**53, "contacts[0].edited_at_ms"),
        ("contacts/0/edited_at_ms", "now", "contacts[0].edited_at_ms"),
        ("contacts/0/edited_at_ms", None, "contacts[0].edited_at_ms"),
        ("contacts/0/removed", "no", "contacts[0].removed"),
        ("contacts/0/removed", 0, "contacts[0].removed"),
        ("contacts/0/removed", True, "contacts[0]"),
        ("contacts/0/edited_at", 1, "contacts[0].edited_at"),
        ("contacts/0/unknown_fields", [], "contacts[0].unknown_fields"),
        ("contacts/0/unknown_fields", {"9": "AAAA"}, "contacts[0].unknown_fields.9"),
        ("contacts/0/unknown_fields", {"8": "SAc="}, "contacts[0].unknown_fields.8"),
        ("contacts/0/unknown_fields", {"09": "SAc="}, "contacts[0].unknown_fields.09"),
        ("contacts/0/unknown_fields", {"9": ""}, "contacts[0].unknown_fields.9"),
        ("contacts/0/unknown_fields", {"9": "SAdQBw=="}, "contacts[0].unknown_fields.9"),
        ("contacts/0/unknown_fields", {"4": "IAc="}, "contacts[0].unknown_fields.4"),
        ("profile", "avatar", "profile"),
        ("profile/attachment_id", None, "profile.attachment_id"),
        ("profile/decryption_key", "A" * 4 * 50, "profile"),
        ("profile/edited_at_ms", -1, "profile.edited_at_ms"),
        ("profile/x", 1, "profile.x"),
        ("writers", None, "writers"),
        ("writers/0", None, "writers[0]"),
        ("writers/0/device_id", "zz", "writers[0].device_id"),
        ("writers/0/device_id", "00 11", "writers[0].device_id"),
        ("writers/0/device_id", "00", "writers[0].device_id"),
        ("writers/0/seq", 0, "writers[0]"),
        ("writers", [{"device_id": "00" * 16, "seq": 1}] * 2, ""),
        ("key_epoch", -1, "key_epoch"),
        ("key_epoch", "1", "key_epoch"),
        ("sealed_at_ms", 2**53, "sealed_at_ms"),
        ("device_name", "x" * 257, ""),
        ("device_name", None, "device_name"),
        ("unknown_fields", {"1": "CAc="}, "unknown_fields.1"),
        ("contact", [], "contact"),
    ],
)
def test_an_invalid_member_is_named_by_its_location(path: str, value: object, location: str) -> None:
    with pytest.raises(ExportRefused) as refused:
        decode_payload(with_member(path, value))
    assert refused.value.location == location


@table(
    "encoded",
    [
        b"",
        b"null",
        b"[]",
        b"\xff\xfe\xff",
        b"OBK1",
        b"[" * 1_000_000,
        b'{"format":' * 100_000,
        b'{"format": ' + b"9" * 10_000 + b"}",
        encode_payload(CONTENT)[:-5],
        encode_payload(CONTENT) + b"{}",
        b'{"format": "obscura-backup-payload", "format": "obscura-backup-payload"}',
        encode_payload(CONTENT).replace(b'"key_epoch": 2', b'"key_epoch": NaN'),
        encode_payload(CONTENT).replace(b'"key_epoch": 2', b'"key_epoch": 1e999'),
        encode_payload(CONTENT).replace(b'"epoch": 1', b'"epoch": 1, "epoch": 2'),
    ],
    ids=range(14),
)
def test_an_invalid_document_is_refused(encoded: bytes) -> None:
    with pytest.raises(ExportRefused):
        decode_payload(encoded)


def test_a_syntax_error_is_named_by_its_line() -> None:
    with pytest.raises(ExportRefused) as refused:
        decode_payload(encode_payload(CONTENT).replace(b'"removed": false', b'"removed": False'))
    assert refused.value.location == "line 15"


def test_a_file_over_the_limit_is_not_parsed() -> None:
    with pytest.raises(ExportRefused, match="more than 67108864 bytes"):
        decode_payload(b" " * (MAX_EXPORT_BYTES + 1))


@table("value", ["hush-hush", "aHVzaC1odXNo*", 5, ["hush-hush"]])
def test_errors_do_not_quote_the_file(value: object) -> None:
    with pytest.raises(ExportRefused) as refused:
        decode_payload(with_member("identity/private_key", value))
    assert "hush" not in str(refused.value)
    assert "aHVz" not in str(refused.value)


def test_a_repr_does_not_show_the_private_key() -> None:
    exported = decode_payload(encode_payload(backup(identity=replace(IDENTITY, private_key=b"hush" * 8))))
    assert "hush" not in repr(exported)
