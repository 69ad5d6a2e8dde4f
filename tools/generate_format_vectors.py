"""Generate `docs/format-vectors.json`, the worked examples of the sealed format, or check that it is in step."""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from obscura_backup_client.errors import ClientError
from obscura_backup_client.padding import pad, padme
from obscura_backup_client.parameters import KdfParameters, argon2id, require_openable, require_sealable
from obscura_backup_client.passwords import normalize, require_settable
from obscura_backup_client.sealed import HEADER_BYTES, Header, SealingKey, expand, open_sealed, seal_plaintext

TARGET: Final = Path(__file__).resolve().parent.parent / "docs" / "format-vectors.json"
USER: Final = UUID("00112233-4455-6677-8899-aabbccddeeff")
OTHER_USER: Final = UUID("00112233-4455-6677-8899-aabbccddeefe")
PASSWORD: Final = "correct horse battery"  # noqa: S105 - published on purpose
WHOLE_BLOB_BYTES: Final = 256
MIB: Final = 1024


@dataclass(frozen=True)
class Case:
    """What one example seals, and with what. Salt and nonce follow from the name, so that no two share a keystream."""

    name: str
    plaintext: bytes
    password: str = PASSWORD
    parameters: KdfParameters = KdfParameters(memory_kib=64, passes=1, lanes=1)  # noqa: RUF009 - it is frozen
    salt: bytes = b""
    nonce: bytes = b""

    def digest(self, of: str) -> bytes:
        """Give 32 bytes that follow from the example's name and what they are for."""
        return hashlib.sha256(f"{self.name}, {of}".encode()).digest()


def short(payload: bytes) -> bytes:
    """Lay a payload out without any padding, which readers must take: the whole blob is then short enough to print."""
    return len(payload).to_bytes(4, "big") + payload


SEALED: Final = [
    Case(
        "the sealing floor",
        pad(bytes.fromhex("0a026869")),
        parameters=KdfParameters(memory_kib=64 * MIB, passes=3, lanes=1),
        salt=bytes(range(16)),
        nonce=bytes(range(0x10, 0x1C)),
    ),
    Case("short", short(b"hi"), parameters=KdfParameters(memory_kib=64, passes=2, lanes=1)),
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

DAMAGED: Final = [
    Case("length beyond the end", b"\0\0\0\x03hi"),
    Case("largest length", b"\xff\xff\xff\xffhi"),
    Case("last byte of the padding not zero", b"\0\0\0\x02hi\0\x01"),
    Case("first byte of the padding not zero", b"\0\0\0\x02hi\x01\0"),
]

# Each limit and one beyond it.
PARAMETERS: Final = [
    *((memory_kib, 1, 1) for memory_kib in (7, 8)),
    *((memory_kib, 1, 4) for memory_kib in (31, 32)),
    *((64, passes, 1) for passes in (0, 1, 16, 17)),
    *((64, 1, lanes) for lanes in (0, 1, 4, 5)),
    *((memory_kib, 3, 1) for memory_kib in (65535, 65536, 262144, 262145, 524288, 524289)),
    *((65536, passes, 1) for passes in (2, 3, 16, 17)),
    *((65536, 3, lanes) for lanes in (1, 2)),
    (262144, 16, 1),
    (262145, 16, 1),
    (524288, 8, 1),
    (524288, 9, 1),
    (2**32 - 1, 2**32 - 1, 255),
]

# (code points, how often)
SETTABLE: Final = [
    ("a", 12),
    ("a", 13),
    ("e\u0301", 12),
    ("e\u0301", 13),
    ("\u00e9", 512),
    ("\u00e9", 513),
    ("\u00a0", 13),
    ("\U0001f467", 13),
    ("correct horse\n", 1),
    ("correct horse\u0085", 1),
    ("correct horse\ufdd0", 1),
]

PADDED_LENGTHS: Final = (0, 1, 8, 9, 1024, 1025, 1088, 16384, 16385, 17408, 1048576, 1048577, 2064384, 2064385)


def sealed(case: Case) -> tuple[SealingKey, bytes]:
    """Seal one example without any of the checks that applications are held to."""
    salt = case.salt or case.digest("salt")[:16]
    key = SealingKey(case.parameters, salt, argon2id(normalize(case.password), salt, case.parameters))
    return key, seal_plaintext(case.plaintext, key, USER, nonce=case.nonce or case.digest("nonce")[:12])


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


def error_of(blob: bytes, *, user_id: UUID = USER, password: str = PASSWORD) -> str | None:
    """Give the code of the error that opening ends with, None when it opens."""
    try:
        open_sealed(blob, password, user_id)
    except ClientError as error:
        return error.code
    return None


def flips(blob: bytes) -> list[dict[str, Any]]:
    """Flip the lowest and the highest bit of every byte in turn; neighbours with the same outcome share a row."""
    rows: list[dict[str, Any]] = []
    for xor in (0x01, 0x80):
        for offset in range(len(blob)):
            altered = blob[:offset] + bytes([blob[offset] ^ xor]) + blob[offset + 1 :]
            error = error_of(altered)
            if rows and (rows[-1]["xor"], rows[-1]["error"]) == (xor, error):
                rows[-1]["last"] = offset
            else:
                rows.append({"first": offset, "last": offset, "xor": xor, "error": error})
    return rows


def opening(parameters: KdfParameters) -> str:
    """Say what a reader does with these parameters: opens, asks or refuses."""
    for answer, verdict in ((False, "opens"), (True, "asks")):
        try:
            require_openable(parameters, confirm=lambda _, answer=answer: answer)  # type: ignore[misc]  # mypy cannot infer a lambda with a default
        except ClientError:
            continue
        return verdict
    return "refuses"


def refusal(check: Any, argument: object) -> str | None:
    """Give the code of the error that a check raises, None when it passes."""
    try:
        check(argument)
    except ClientError as error:
        return error.code
    return None


def build() -> dict[str, Any]:
    """Work out the whole file."""
    base_case = SEALED[1]
    _, base = sealed(base_case)
    cuts = (0, 3, 4, 41, 73, 74, 93, 94, len(base) - 1)
    return {
        "format": "OBK1",
        "padme": [{"length": length, "padded": padme(length)} for length in PADDED_LENGTHS],
        "sealed": [worked(case) for case in SEALED],
        "altered": {
            "sealed": base_case.name,
            "flipped": flips(base),
            "cut": [{"length": length, "error": error_of(base[:length])} for length in cuts],
            "extended": [{"suffix": "00", "error": error_of(base + b"\0")}],
            "wrong_user": [{"user_id": str(OTHER_USER), "error": error_of(base, user_id=OTHER_USER)}],
            "wrong_password": [
                {"password": password, "error": error_of(base, password=password)}
                for password in ("Correct horse battery", PASSWORD + " ", "")
            ],
            "magic": [
                {"magic": magic, "error": error_of(magic.encode() + base[4:])}
                for magic in ("OBK0", "OBK2", "OBK9", "OBKA", "OBK\n", "obk1")
            ],
        },
        "damaged": [
            {
                "name": case.name,
                "password": case.password,
                "user_id": str(USER),
                "plaintext": case.plaintext.hex(),
                "blob": blob.hex(),
                "error": error_of(blob),
            }
            for case in DAMAGED
            for _, blob in [sealed(case)]
        ],
        "parameters": [
            {
                "memory_kib": memory_kib,
                "passes": passes,
                "lanes": lanes,
                "open": opening(KdfParameters(memory_kib, passes, lanes)),
                "seal": refusal(require_sealable, KdfParameters(memory_kib, passes, lanes)) is None,
            }
            for memory_kib, passes, lanes in dict.fromkeys(PARAMETERS)
        ],
        "settable": [
            {"text": text, "times": times, "error": refusal(require_settable, text * times)} for text, times in SETTABLE
        ],
    }


def rendered(value: object, depth: int = 0) -> str:
    """Write JSON with one case a line: short enough to read, and a change shows as the case that changed."""
    indent = "\n" + " " * (depth + 1)
    if isinstance(value, list):
        return "[" + ",".join(indent + json.dumps(item) for item in value) + indent[:-1] + "]"
    if isinstance(value, dict):
        members = (f"{json.dumps(name)}: {rendered(member, depth + 1)}" for name, member in value.items())
        return "{" + ",".join(indent + member for member in members) + indent[:-1] + "}"
    return json.dumps(value)


def main() -> int:
    """Exit code 0 when the file is what the code gives (or has just been made so), 1 when it is not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when the committed file differs")
    check = parser.parse_args().check
    wanted = rendered(build()) + "\n"
    if check:
        in_step = TARGET.exists() and TARGET.read_text(encoding="utf-8") == wanted
        if not in_step:
            print("docs/format-vectors.json is not what tools/generate_format_vectors.py gives", file=sys.stderr)
        return 0 if in_step else 1
    TARGET.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
