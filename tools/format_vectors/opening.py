"""`opening.json`: what opening an altered blob, or one that is laid out wrong inside, must end with."""

from __future__ import annotations

from typing import Any, Final

from format_vectors.examples import OTHER_USER, PASSWORD, USER, Case, error_of, sealed
from format_vectors.sealing import SHORT

DAMAGED: Final = [
    Case("length beyond the end", b"\0\0\0\x03hi"),
    Case("largest length", b"\xff\xff\xff\xffhi"),
    Case("last byte of the padding not zero", b"\0\0\0\x02hi\0\x01"),
    Case("first byte of the padding not zero", b"\0\0\0\x02hi\x01\0"),
]


def build() -> dict[str, Any]:
    """Work the file out."""
    _, base = sealed(SHORT)
    cuts = (0, 3, 4, 41, 73, 74, 93, 94, len(base) - 1)
    magics = ("OBK0", "OBK2", "OBK9", "OBKA", "OBK\n", "OBK\u0661", "obk1")
    passwords = ("Correct horse battery", PASSWORD + " ", "")
    return {
        "blob": base.hex(),
        "password": PASSWORD,
        "user_id": str(USER),
        "flipped": flips(base),
        "cut": [{"length": length, "error": error_of(base[:length])} for length in cuts],
        "extended": [{"suffix": "00", "error": error_of(base + b"\0")}],
        "wrong_user": [{"user_id": str(OTHER_USER), "error": error_of(base, user_id=OTHER_USER)}],
        "wrong_password": [{"password": each, "error": error_of(base, password=each)} for each in passwords],
        "magic": [{"magic": each.encode().hex(), "error": error_of(each.encode() + base[4:])} for each in magics],
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
    }


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
