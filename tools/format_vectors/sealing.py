"""`sealing.json`: whole examples of sealing, with every intermediate."""

from __future__ import annotations

import hashlib
from typing import Any, Final

from format_vectors.examples import USER, Case, sealed, short
from obscura_backup_client.sealing.kdf_parameters import KdfParameters
from obscura_backup_client.sealing.padding import pad
from obscura_backup_client.sealing.passwords import normalize
from obscura_backup_client.sealing.sealed import HEADER_BYTES, Header, expand, open_sealed

WHOLE_BLOB_BYTES: Final = 256
MIB: Final = 1024

SHORT: Final = Case("short", short(b"hi"), parameters=KdfParameters(memory_kib=64, passes=2, lanes=1))
SEALED: Final = [
    Case(
        "the sealing floor",
        pad(bytes.fromhex("0a026869")),
        parameters=KdfParameters(memory_kib=64 * MIB, passes=3, lanes=1),
        salt=bytes(range(16)),
        nonce=bytes(range(0x10, 0x1C)),
    ),
    SHORT,
    Case("empty payload, the smallest blob", short(b"")),
    Case("least memory for one lane", short(b"hi"), parameters=KdfParameters(memory_kib=8, passes=1, lanes=1)),
    Case("four lanes", short(b"hi"), parameters=KdfParameters(memory_kib=32, passes=2, lanes=4)),
    Case("most passes", short(b"hi"), parameters=KdfParameters(memory_kib=8, passes=16, lanes=1)),
    Case("password composed (NFC)", short(b"hi"), "caf\u00e9 au lait, twice"),
    Case("password decomposed (NFD)", short(b"hi"), "cafe\u0301 au lait, twice"),
    Case("password with no-break and wide spaces", short(b"hi"), "correct\u00a0horse\u3000battery\u2009"),
    Case("password of joined emoji", short(b"hi"), "\U0001f468\u200d\U0001f469\u200d\U0001f467 \u2764\ufe0f" * 2),
    Case("password that could not be set", short(b"hi"), "short"),
    Case("padded to the floor, exactly full", pad(b"\x5a" * 16380)),
    Case("padded to the first step above the floor", pad(b"\x5a" * 16381)),
    Case("padded by more than Padme asks", short(b"hi") + bytes(20)),
]


def build() -> dict[str, Any]:
    """Work the file out."""
    return {"format": "OBK1", "sealed": [worked(case) for case in SEALED]}


def worked(case: Case) -> dict[str, Any]:
    """Give one example with every intermediate; byte strings in hex, long ones by their SHA-256."""
    key, blob = sealed(case)
    header = blob[:HEADER_BYTES]
    nonce = header[30:42]
    prefix = Header(case.parameters, key.salt, nonce, b"").prefix
    cipher_key, commitment = expand(key.root, prefix)
    payload = open_sealed(blob, case.password, USER).payload
    whole = len(blob) <= WHOLE_BLOB_BYTES
    return {
        "name": case.name,
        "password": case.password,
        "password_utf8": case.password.encode().hex(),
        "password_normalized": normalize(case.password).hex(),
        "salt": key.salt.hex(),
        "nonce": nonce.hex(),
        "memory_kib": case.parameters.memory_kib,
        "passes": case.parameters.passes,
        "lanes": case.parameters.lanes,
        "user_id": str(USER),
        **({"payload": payload.hex()} if whole or len(payload) <= WHOLE_BLOB_BYTES else repeated(payload)),
        "root": key.root.hex(),
        "info": (b"obscura-backup v1" + prefix).hex(),
        "key": cipher_key.hex(),
        "commitment": commitment.hex(),
        "header": header.hex(),
        "aad": (header + USER.bytes).hex(),
        "plaintext_bytes": len(case.plaintext),
        "blob_bytes": len(blob),
        "blob_sha256": hashlib.sha256(blob).hexdigest(),
        **({"blob": blob.hex()} if whole else {}),
    }


def repeated(payload: bytes) -> dict[str, Any]:
    """Write a long payload down as one byte and how often it stands there."""
    assert payload == payload[:1] * len(payload)  # noqa: S101 - or the example could not be rebuilt from the file
    return {"payload_repeated_byte": payload[:1].hex(), "payload_bytes": len(payload)}
