from __future__ import annotations

import hashlib
import struct
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obscura_backup_client.errors import ClientError
from obscura_backup_client.sealing.errors import (
    Damaged,
    NewerFormat,
    PasswordTooShort,
    PayloadTooLarge,
    RefusedParameters,
    WrongPassword,
)
from obscura_backup_client.sealing.kdf import argon2id
from obscura_backup_client.sealing.kdf_parameters import KdfParameters
from obscura_backup_client.sealing.padding import pad
from obscura_backup_client.sealing.passwords import normalize
from obscura_backup_client.sealing.sealed import (
    HEADER_BYTES,
    SMALLEST_BLOB_BYTES,
    SealingKey,
    derive_key,
    open_sealed,
    read_header,
    seal,
    seal_plaintext,
)
from support.table import table

PASSWORD = "correct horse battery"
ALICE = UUID("00112233-4455-6677-8899-aabbccddeeff")
BOB = UUID("ffeeddcc-bbaa-9988-7766-554433221100")
FLOOR = KdfParameters(memory_kib=65536, passes=3, lanes=1)
TINY = KdfParameters(memory_kib=8, passes=1, lanes=1)
SALT = bytes(range(16))
NONCE = bytes(range(0x10, 0x1C))
# Sealing checks the parameters, not how the root came about: this one costs no derivation.
FREE_KEY = SealingKey(FLOOR, SALT, bytes(32))
TINY_KEY = SealingKey(TINY, SALT, argon2id(normalize(PASSWORD), SALT, TINY))
TINY_BLOB = seal_plaintext(pad(b"hi"), TINY_KEY, ALICE, nonce=NONCE)


def counting(count: int) -> bytes:
    """Replaces the random source: returns the nonce 10..1b of the vectors."""
    return bytes(range(0x10, 0x10 + count))


def with_header(blob: bytes, *, memory_kib: int = 8, passes: int = 1, lanes: int = 1) -> bytes:
    return blob[:5] + struct.pack(">IIB", memory_kib, passes, lanes) + blob[14:]


def test_published_vector_is_reproduced_by_the_public_functions() -> None:
    key = derive_key(PASSWORD, FLOOR, salt=SALT)
    blob = seal(bytes.fromhex("0a026869"), key, ALICE, random=counting)
    assert blob[42:74].hex() == "24fa11768be57111887a4016639ac2c5fec0f5fb9aa92e831084bca1bf535435"
    assert hashlib.sha256(blob).hexdigest() == "64c8b57e018f57dde7735b57c337239db3e63558011bc8fb69134037a184b933"
    assert open_sealed(blob, key, ALICE).payload == bytes.fromhex("0a026869")


@given(st.binary(max_size=40000), st.uuids(), st.binary(min_size=12, max_size=12))
def test_what_was_sealed_opens_to_the_same_payload(payload: bytes, user_id: UUID, nonce: bytes) -> None:
    blob = seal_plaintext(pad(payload), TINY_KEY, user_id, nonce=nonce)
    opened = open_sealed(blob, PASSWORD, user_id)
    assert (opened.payload, opened.key) == (payload, TINY_KEY)


def test_sealing_twice_never_gives_the_same_bytes() -> None:
    assert seal(b"hi", FREE_KEY, ALICE) != seal(b"hi", FREE_KEY, ALICE)


def test_short_output_of_the_random_source_is_refused() -> None:
    with pytest.raises(ValueError, match="randomness"):
        seal(b"hi", FREE_KEY, ALICE, random=lambda _: b"")


def test_a_fresh_salt_is_drawn_unless_one_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("obscura_backup_client.sealing.sealed.argon2id", lambda *_: bytes(32))
    assert derive_key(PASSWORD, FLOOR, random=lambda count: b"s" * count).salt == b"s" * 16
    assert derive_key(PASSWORD, FLOOR).salt != derive_key(PASSWORD, FLOOR).salt


def test_small_payloads_of_any_size_make_blobs_of_one_size() -> None:
    assert len(seal(b"", FREE_KEY, ALICE)) == len(seal(bytes(16380), FREE_KEY, ALICE)) == 74 + 16384 + 16


def test_the_caller_sets_the_largest_blob() -> None:
    assert len(seal(bytes(16380), FREE_KEY, ALICE, max_blob_bytes=16474)) == 16474
    with pytest.raises(PayloadTooLarge) as refused:
        seal(bytes(16381), FREE_KEY, ALICE, max_blob_bytes=16474)
    assert (refused.value.payload_bytes, refused.value.max_payload_bytes) == (16381, 16380)


def test_a_key_below_the_minimum_does_not_seal() -> None:
    with pytest.raises(RefusedParameters):
        seal(b"hi", TINY_KEY, ALICE)


def test_a_key_below_the_minimum_is_not_derived() -> None:
    with pytest.raises(RefusedParameters):
        derive_key(PASSWORD, TINY)


def test_a_short_password_derives_no_key() -> None:
    with pytest.raises(PasswordTooShort):
        derive_key("too short", FLOOR)


@table(("salt", "root"), [(bytes(15), bytes(32)), (bytes(16), bytes(31))])
def test_a_key_of_the_wrong_size_cannot_be_made(salt: bytes, root: bytes) -> None:
    with pytest.raises(ValueError, match="bytes of salt"):
        SealingKey(FLOOR, salt, root)


def test_secrets_are_not_shown() -> None:
    opened = open_sealed(TINY_BLOB, PASSWORD, ALICE)
    assert "root" not in repr(opened)
    assert "payload" not in repr(opened)


def test_the_header_is_read_without_a_password() -> None:
    header = read_header(TINY_BLOB)
    assert (header.parameters, header.salt, header.nonce) == (TINY, SALT, NONCE)
    assert header.encoded == TINY_BLOB[:HEADER_BYTES]


def test_a_kept_key_opens_without_a_derivation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("obscura_backup_client.sealing.sealed.argon2id", None)
    assert open_sealed(TINY_BLOB, TINY_KEY, ALICE).payload == b"hi"


@table("blob", [b"OBK2", b"OBK2" + bytes(200), b"OBK0" + bytes(200), b"OBK9"])
def test_another_digit_is_another_format(blob: bytes) -> None:
    with pytest.raises(NewerFormat) as newer:
        open_sealed(blob, PASSWORD, ALICE)
    assert newer.value.digit == chr(blob[3])


@table("length", [4, 5, 41, 73, 74, SMALLEST_BLOB_BYTES - 1])
def test_a_backup_truncated_within_its_first_94_bytes_is_damaged(length: int) -> None:
    with pytest.raises(Damaged, match="truncated"):
        open_sealed(TINY_BLOB[:length], PASSWORD, ALICE)


def test_the_smallest_blob_opens() -> None:
    blob = seal_plaintext(bytes(4), TINY_KEY, ALICE, nonce=NONCE)
    assert len(blob) == SMALLEST_BLOB_BYTES == 94
    assert open_sealed(blob, PASSWORD, ALICE).payload == b""


def test_a_plaintext_that_is_not_padded_right_is_damaged_with_the_reason() -> None:
    with pytest.raises(Damaged, match="zeros"):
        open_sealed(seal_plaintext(b"\0\0\0\x02hi\x01", TINY_KEY, ALICE, nonce=NONCE), PASSWORD, ALICE)


def test_an_unknown_key_derivation_function_is_refused() -> None:
    with pytest.raises(RefusedParameters) as refused:
        open_sealed(TINY_BLOB[:4] + b"\x02" + TINY_BLOB[5:], PASSWORD, ALICE)
    assert refused.value.parameters is None


def test_hostile_parameters_are_refused_before_anything_is_derived(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("obscura_backup_client.sealing.sealed.argon2id", None)
    with pytest.raises(RefusedParameters):
        open_sealed(with_header(TINY_BLOB, memory_kib=2**32 - 1), PASSWORD, ALICE)


def test_much_memory_needs_a_confirmation_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("obscura_backup_client.sealing.sealed.argon2id", lambda *_: bytes(32))
    blob = with_header(TINY_BLOB, memory_kib=262145)
    with pytest.raises(RefusedParameters):
        open_sealed(blob, PASSWORD, ALICE)
    with pytest.raises(WrongPassword):
        open_sealed(blob, PASSWORD, ALICE, confirm=lambda _: True)


@given(st.binary(max_size=200), st.sampled_from([b"", b"OBK1", TINY_BLOB[:14], TINY_BLOB[:74]]))
def test_any_bytes_give_a_typed_error(rest: bytes, start: bytes) -> None:
    with pytest.raises(ClientError):
        open_sealed(start + rest, TINY_KEY, ALICE)
