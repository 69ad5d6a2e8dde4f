from __future__ import annotations

import contextlib
import hashlib
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obscura_backup_client.content import codec, model
from obscura_backup_client.content.codec import content_sha256, decode, encode
from obscura_backup_client.content.entries import find_contacts, put_entries
from obscura_backup_client.content.errors import PayloadError, TooManyContacts
from obscura_backup_client.content.generated.obscura.backup.v1 import backup_pb2 as pb
from obscura_backup_client.content.merge import merge
from obscura_backup_client.content.model import Backup, Profile, Writer
from obscura_backup_client.content.rules import require_writable
from support.client.contents import ALICE, BOB, IDENTITY, LAPTOP, NOW_MS, PHONE, backup, backups, contact, tombstone
from support.table import table


def raw(**fields: Any) -> bytes:
    """A payload as another implementation may write it, valid or not."""
    identity = pb.IdentityKeyPair(public_key=b"P" * 32, private_key=b"S" * 32, epoch=1)
    return pb.Backup(**{"identity": identity, **fields}).SerializeToString()


@given(backups())
def test_every_content_is_decoded_as_it_was_encoded(content: Backup) -> None:
    assert decode(encode(content)) == content


@given(st.binary(max_size=200))
def test_any_other_bytes_are_a_payload_error(noise: bytes) -> None:
    with pytest.raises(PayloadError):
        decode(noise)


@given(backups(), st.data())
def test_a_truncated_payload_is_valid_or_a_payload_error(content: Backup, data: st.DataObject) -> None:
    encoded = encode(content)
    truncated = encoded[: data.draw(st.integers(0, len(encoded) - 1))]
    with contextlib.suppress(PayloadError):
        decode(truncated)


def test_the_encoding_has_the_expected_bytes() -> None:
    content = backup(
        tombstone(ALICE, stamp_ms=300), key_epoch=2, sealed_at_ms=1, device_name="d", writers=(Writer(PHONE, 1),)
    )
    assert encode(content).hex() == (
        "0a46" + "0a20" + "50" * 32 + "1220" + "53" * 32 + "1801"
        "1217" + "0a10" + ALICE.hex + "20ac02" + "2801"
        "2214" + "0a10" + PHONE.hex() + "1001"
        "2802" + "3001" + "3a0164"
    )


def test_the_protobuf_runtime_reads_the_encoding_as_the_same_content() -> None:
    message = pb.Backup.FromString(encode(backup(contact(username="Zoë"), device_name="Pixel")))
    assert (message.contacts[0].username, message.device_name) == ("Zoë", "Pixel")


@table("letters", [99, 100, 101, 102])
def test_a_length_takes_as_few_bytes_as_possible(letters: int) -> None:
    """The entries have 126 to 129 bytes; from 128 on, a length takes two."""
    encoded = encode(backup(contact(username="a" * letters, identity_key=b"")))
    assert pb.Backup.FromString(encoded).SerializeToString() == encoded


@table("at", range(5))
def test_an_entrys_unknown_field_is_found_at_any_position(at: int) -> None:
    """Before, between or after the known fields; a known field may be repeated."""
    pieces = [b"\x0a\x10" + ALICE.bytes, b"\x12\x01a", b"\x20\x01", b"\x12\x01a"]
    entry = b"".join([*pieces[:at], b"\x32\x02hi", *pieces[at:]])
    [found] = decode(raw() + b"\x12" + bytes([len(entry)]) + entry).contacts
    assert found == contact(ALICE, "a", 1, identity_key=b"", unknown=((6, b"\x32\x02hi"),))


def test_more_contacts_are_read_than_may_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    assert model.MAX_LIVE_CONTACTS == 20_000
    monkeypatch.setattr(model, "MAX_LIVE_CONTACTS", 3)
    many = backup(*(contact(UUID(int=number)) for number in range(4)))
    assert decode(encode(many)) == many
    with pytest.raises(TooManyContacts):
        require_writable(many)


def test_removed_contacts_do_not_count_among_those_that_may_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "MAX_LIVE_CONTACTS", 3)
    most = [contact(UUID(int=number)) for number in range(1, 4)]
    require_writable(backup(tombstone(UUID(int=0)), *most))


def test_reading_has_a_limit_that_counts_the_removed_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    assert model.MAX_ENTRIES == 200_000
    monkeypatch.setattr(model, "MAX_ENTRIES", 3)
    entries = [tombstone(UUID(int=number)) for number in range(4)]
    assert len(decode(encode(backup(*entries[:3]))).contacts) == 3
    with pytest.raises(PayloadError):
        encode(backup(*entries))


def test_content_that_cannot_be_decoded_is_not_encoded() -> None:
    with pytest.raises(PayloadError):
        encode(backup(contact(BOB), contact(ALICE)))


def test_a_text_that_utf8_cannot_hold_is_refused_before_sealing() -> None:
    with pytest.raises(PayloadError):
        encode(backup(contact(username="\ud800")))


def test_a_refusal_does_not_quote_the_content() -> None:
    payload = raw(identity=pb.IdentityKeyPair(public_key=b"P" * 32, private_key=b"hush-hush")) + b"\x3a\x02\xff\xfe"
    with pytest.raises(PayloadError) as refused:
        decode(payload)
    assert "hush" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_a_repr_shows_no_private_key() -> None:
    content = backup(
        identity=replace(IDENTITY, private_key=b"hush-hush"), profile=Profile("a", b"hush-hush", NOW_MS),
        writers=(Writer(LAPTOP, 1),),
    )  # fmt: skip
    assert "hush" not in repr(content)


@given(backups())
def test_both_readers_of_contacts_give_the_same_result(content: Backup) -> None:
    payload = encode(content)
    assert decode(payload) == codec._decode_any(payload)
    assert decode(payload).contact_count == len(content.live_contacts)
    assert decode(payload).contact_totals == content.contact_totals


@given(backups())
def test_the_digest_ignores_fields_that_each_sealing_changes(content: Backup) -> None:
    lasting = replace(content, writers=(), sealed_at_ms=0, device_name="")
    assert (
        content_sha256(content) == content_sha256(decode(encode(content))) == hashlib.sha256(encode(lasting)).digest()
    )
    assert content_sha256(replace(content, key_epoch=4)) != content_sha256(content)


def test_a_content_is_encoded_once_and_its_contacts_are_built_once() -> None:
    content = decode(encode(backup(contact(), tombstone(BOB))))
    assert content.contacts is content.contacts
    assert encode(content) is encode(content)
    assert content_sha256(content) is content_sha256(content)


@given(backups())
def test_a_copy_with_the_same_contacts_is_encoded_as_any_other(content: Backup) -> None:
    for original in (content, decode(encode(content)), Backup(content.identity, content.contacts)):
        copy = original.with_same_contacts(key_epoch=9, profile=None)
        assert copy == replace(original, key_epoch=9, profile=None)
        assert encode(copy) == encode(replace(original, key_epoch=9, profile=None))
        assert copy.contact_totals == original.contact_totals


@given(backups(), backups())
def test_merging_decoded_contents_equals_merging_built_ones(one: Backup, other: Backup) -> None:
    assert merge(decode(encode(one)), decode(encode(other))) == merge(one, other)


def test_a_changed_copy_is_encoded_and_checked_again() -> None:
    content = decode(encode(backup(contact())))
    assert decode(encode(replace(content, key_epoch=7))).key_epoch == 7
    renamed = replace(content, contacts=(replace(content.contacts[0], username="other"),))
    assert decode(encode(renamed)).contacts[0].username == "other"
    assert renamed.contact_count == 1
    with pytest.raises(PayloadError, match="username"):
        encode(replace(content, contacts=(replace(content.contacts[0], username=""),)))
    with pytest.raises(PayloadError, match="twice"):
        encode(replace(content, contacts=content.contacts * 2))


def test_only_contacts_are_built_on_demand() -> None:
    with pytest.raises(AttributeError, match="nothing"):
        _ = decode(encode(backup(contact()))).nothing  # type: ignore[attr-defined]  # as the test says


@given(backups(), backups())
def test_putting_entries_into_decoded_or_built_content_gives_the_same_result(one: Backup, other: Backup) -> None:
    if other.contacts:
        made, read = put_entries(one, other.contacts), put_entries(decode(encode(one)), other.contacts)
        assert read == made
        assert encode(read) == encode(made)
        assert read.contact_totals == made.contact_totals
        ids = [contact.user_id for contact in other.contacts]
        assert find_contacts(decode(encode(made)), ids) == find_contacts(made, ids)
