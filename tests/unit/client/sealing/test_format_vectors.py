"""The published vectors, computed from the specification's text and compared with the implementation."""

from __future__ import annotations

import hashlib
import hmac
import unicodedata
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from obscura_backup_client.errors import ClientError
from obscura_backup_client.sealing.errors import RefusedParameters
from obscura_backup_client.sealing.kdf import argon2id, require_openable, require_sealable
from obscura_backup_client.sealing.kdf_parameters import PROFILES, KdfParameters
from obscura_backup_client.sealing.padding import padded_bytes, padme
from obscura_backup_client.sealing.passwords import normalize, require_settable
from obscura_backup_client.sealing.sealed import SealingKey, open_sealed, read_header, seal
from support.client.vectors import named, vectors
from support.table import table

SEALED = vectors("sealing")["sealed"]
BY_NAME = {vector["name"]: vector for vector in SEALED}
OPENING = vectors("opening")
BASE_BLOB = bytes.fromhex(OPENING["blob"])
USER = UUID(OPENING["user_id"])
PARAMETERS = vectors("parameters")["parameters"]
PASSWORDS = vectors("passwords")
PADDING = vectors("padding")


def parameters(vector: dict[str, Any]) -> KdfParameters:
    return KdfParameters(vector["memory_kib"], vector["passes"], vector["lanes"])


def payload(vector: dict[str, Any]) -> bytes:
    if "payload" in vector:
        return bytes.fromhex(vector["payload"])
    return bytes.fromhex(vector["payload_repeated_byte"]) * int(vector["payload_bytes"])


def error_of(blob: bytes, *, password: str = OPENING["password"], user_id: UUID = USER) -> str | None:
    try:
        open_sealed(blob, password, user_id)
    except ClientError as error:
        return error.code
    return None


@table("vector", named(SEALED))
def test_a_sealed_vector_follows_from_the_text_of_the_specification(vector: dict[str, Any]) -> None:
    """Uses only Argon2id of the implementation; HKDF and the header are computed here."""
    text = unicodedata.normalize("NFC", vector["password"].translate(dict.fromkeys([0xA0, 0x2009, 0x3000], " ")))
    assert vector["password"].encode().hex() == vector["password_utf8"]
    assert text.encode().hex() == vector["password_normalized"]
    salt, nonce = bytes.fromhex(vector["salt"]), bytes.fromhex(vector["nonce"])
    root = argon2id(text.encode(), salt, parameters(vector))
    assert root.hex() == vector["root"]
    costs = vector["memory_kib"].to_bytes(4, "big") + vector["passes"].to_bytes(4, "big") + bytes([vector["lanes"]])
    start = b"OBK1\x01" + costs + salt + nonce
    info = b"obscura-backup v1" + start
    assert info.hex() == vector["info"]
    key = hmac.digest(root, info + b"\x01", "sha256")
    commitment = hmac.digest(root, key + info + b"\x02", "sha256")
    assert (key.hex(), commitment.hex()) == (vector["key"], vector["commitment"])
    header = start + commitment
    assert header.hex() == vector["header"]
    aad = header + UUID(vector["user_id"]).bytes
    assert aad.hex() == vector["aad"]
    content = payload(vector)
    plaintext = (len(content).to_bytes(4, "big") + content).ljust(vector["plaintext_bytes"], b"\0")
    blob = header + AESGCM(key).encrypt(nonce, plaintext, aad)
    assert len(blob) == vector["blob_bytes"]
    assert hashlib.sha256(blob).hexdigest() == vector["blob_sha256"]
    assert blob.hex() == vector.get("blob", blob.hex())


@table("vector", named([vector for vector in SEALED if "blob" in vector]))
def test_a_printed_blob_opens_to_its_payload(vector: dict[str, Any]) -> None:
    opened = open_sealed(bytes.fromhex(vector["blob"]), vector["password"], UUID(vector["user_id"]))
    assert opened.payload == payload(vector)


def test_the_altered_blob_is_one_of_the_worked_vectors() -> None:
    assert OPENING["blob"] == BY_NAME["short"]["blob"]


def test_the_first_vector_is_the_published_one() -> None:
    first = SEALED[0]
    assert first["payload"] == "0a026869"
    assert first["key"] == "2ba8802bdb304f39712cd6d46bd939ddd3e8c1cb23900c381a6e321a6c10cbc3"
    assert first["commitment"] == "24fa11768be57111887a4016639ac2c5fec0f5fb9aa92e831084bca1bf535435"
    assert first["blob_sha256"] == "64c8b57e018f57dde7735b57c337239db3e63558011bc8fb69134037a184b933"


def test_composed_and_decomposed_passwords_are_the_same_bytes() -> None:
    composed, decomposed = BY_NAME["password composed (NFC)"], BY_NAME["password decomposed (NFD)"]
    assert composed["password_utf8"] != decomposed["password_utf8"]
    assert composed["password_normalized"] == decomposed["password_normalized"]


def test_no_two_vectors_share_a_key_and_nonce() -> None:
    assert len({(vector["key"], vector["nonce"]) for vector in SEALED}) == len(SEALED)


def test_every_bit_flip_gives_the_error_of_the_vector() -> None:
    for row in OPENING["flipped"]:
        for offset in range(row["first"], row["last"] + 1):
            altered = bytearray(BASE_BLOB)
            altered[offset] ^= row["xor"]
            assert error_of(bytes(altered)) == row["error"], (offset, row)


def test_bit_flips_cover_every_byte_twice_and_never_open() -> None:
    flipped = [offset for row in OPENING["flipped"] for offset in range(row["first"], row["last"] + 1)]
    assert sorted(flipped) == sorted([*range(len(BASE_BLOB))] * 2)
    assert all(row["error"] for row in OPENING["flipped"])


@table(
    ("offsets", "errors"),
    [
        (range(3), {"not-a-backup"}),
        (range(3, 4), {"not-a-backup", "newer-format"}),
        (range(4, 5), {"refused-parameters"}),
        (range(5, 14), {"refused-parameters", "wrong-password"}),
        (range(14, 74), {"wrong-password"}),
        (range(74, 96), {"damaged"}),
    ],
    ids=["magic", "digit", "kdf", "costs", "salt, nonce, commitment", "ciphertext"],
)
def test_the_error_of_a_flip_is_that_of_its_field(offsets: range, errors: set[str]) -> None:
    found = {
        row["error"] for row in OPENING["flipped"] if any(row["first"] <= offset <= row["last"] for offset in offsets)
    }
    assert found == errors


@table("cut", OPENING["cut"], ids=str)
def test_a_truncated_blob_gives_the_error_of_the_vector(cut: dict[str, Any]) -> None:
    assert error_of(BASE_BLOB[: cut["length"]]) == cut["error"] is not None


@table("extended", OPENING["extended"], ids=str)
def test_an_extended_blob_gives_the_error_of_the_vector(extended: dict[str, Any]) -> None:
    assert error_of(BASE_BLOB + bytes.fromhex(extended["suffix"])) == extended["error"] == "damaged"


@table("other", OPENING["wrong_user"], ids=str)
def test_another_user_gives_the_error_of_the_vector(other: dict[str, Any]) -> None:
    assert error_of(BASE_BLOB, user_id=UUID(other["user_id"])) == other["error"] == "damaged"


@table("other", OPENING["wrong_password"], ids=str)
def test_another_password_gives_the_error_of_the_vector(other: dict[str, Any]) -> None:
    assert error_of(BASE_BLOB, password=other["password"]) == other["error"] == "wrong-password"


@table("other", OPENING["magic"], ids=str)
def test_another_magic_gives_the_error_of_the_vector(other: dict[str, Any]) -> None:
    assert error_of(bytes.fromhex(other["magic"]) + BASE_BLOB[4:]) == other["error"] is not None


@table("row", named(OPENING["short"]))
def test_a_blob_shorter_than_any_backup_gives_the_error_of_the_vector(row: dict[str, Any]) -> None:
    assert error_of(bytes.fromhex(row["blob"])) == row["error"] is not None


@table("row", named(OPENING["asked"]))
def test_the_answer_about_memory_gives_the_error_of_the_vector(row: dict[str, Any]) -> None:
    try:
        password = "".join(map(chr, row["password_utf16"]))
        open_sealed(bytes.fromhex(row["blob"]), password, USER, confirm=lambda _: row["answer"])
        code = None
    except ClientError as error:
        code = error.code
    assert code == row["error"]


@table("vector", named(OPENING["damaged"]))
def test_an_authentic_plaintext_with_a_wrong_layout_is_damaged(vector: dict[str, Any]) -> None:
    blob = bytes.fromhex(vector["blob"])
    assert error_of(blob, password=vector["password"], user_id=UUID(vector["user_id"])) == vector["error"] == "damaged"


@table("row", named(OPENING["kept_roots"]))
def test_a_kept_root_opens_what_it_sealed_and_nothing_else(row: dict[str, Any]) -> None:
    key = SealingKey(parameters(row), bytes.fromhex(row["salt"]), bytes.fromhex(row["root"]))
    try:
        assert open_sealed(bytes.fromhex(row["blob"]), key, USER).payload == b"hi"
        code = None
    except ClientError as error:
        code = error.code
    assert code == row["error"]


@table("row", PARAMETERS, ids=str)
def test_parameters_are_opened_or_refused_as_in_the_vectors(row: dict[str, Any]) -> None:
    found = []
    for answer in (False, True):
        try:
            require_openable(parameters(row), confirm=lambda _, answer=answer: answer)  # type: ignore[misc]
            found.append(True)
        except RefusedParameters:
            found.append(False)
    assert found == {"opens": [True, True], "asks": [False, True], "refuses": [False, False]}[row["open"]]


@table("row", [row for row in PARAMETERS if row["open"] != "opens"], ids=str)
def test_refused_parameters_in_a_header_are_refused_by_the_reader(row: dict[str, Any]) -> None:
    costs = row["memory_kib"].to_bytes(4, "big") + row["passes"].to_bytes(4, "big") + bytes([row["lanes"]])
    blob = BASE_BLOB[:5] + costs + BASE_BLOB[14:]
    assert read_header(blob).parameters == parameters(row)
    assert error_of(blob) == "refused-parameters"


@table("row", PARAMETERS, ids=str)
def test_parameters_seal_or_not_as_in_the_vectors(row: dict[str, Any]) -> None:
    try:
        require_sealable(parameters(row))
        seals = True
    except RefusedParameters:
        seals = False
    assert seals == row["seal"]


@table("row", PASSWORDS["normalized"], ids=ascii)
def test_a_password_is_normalized_as_in_the_vectors(row: dict[str, str]) -> None:
    assert row["password"].encode().hex() == row["utf8"]
    assert normalize(row["password"]).hex() == row["normalized"]


@table("row", PASSWORDS["unwritable"], ids=str)
def test_a_password_with_half_a_character_is_refused(row: dict[str, Any]) -> None:
    with pytest.raises(ClientError) as refused:
        normalize("".join(map(chr, row["utf16"])))
    assert refused.value.code == row["error"]


@table("row", PASSWORDS["settable"], ids=ascii)
def test_passwords_are_settable_or_refused_as_in_the_vectors(row: dict[str, Any]) -> None:
    password = row["text"] * row["times"]
    try:
        assert require_settable(password) == normalize(password)
        code = None
    except ClientError as error:
        code = error.code
    assert code == row["error"]


@table("row", PADDING["padme"], ids=str)
def test_padme_is_as_in_the_vectors(row: dict[str, int]) -> None:
    assert padme(row["length"]) == row["padded"]


@table("row", PADDING["plaintexts"], ids=str)
def test_a_writers_plaintext_has_the_size_of_the_vector(row: dict[str, int]) -> None:
    assert padded_bytes(row["payload_bytes"]) == row["plaintext_bytes"]


@table("row", PADDING["fitting"], ids=str)
def test_a_payload_is_sealed_or_too_large_as_in_the_vectors(row: dict[str, Any]) -> None:
    key = SealingKey(PROFILES["default"], bytes(16), bytes(32))
    try:
        blob = seal(bytes(row["payload_bytes"]), key, USER, max_blob_bytes=row["max_blob_bytes"])
        assert len(blob) <= row["max_blob_bytes"]
        code = None
    except ClientError as error:
        code = error.code
    assert code == row["error"]


def test_padme_vectors_contain_the_difficult_steps() -> None:
    steps = {row["length"]: row["padded"] for row in PADDING["padme"]}
    assert (steps[1025], steps[16384], steps[16385]) == (1088, 16384, 17408)
