"""`opening.json`: what opening an altered blob, or one that is laid out wrong inside, must end with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

from format_vectors.examples import OTHER_USER, PASSWORD, USER, Case, code_of, error_of, sealed
from format_vectors.sealing import SHORT
from obscura_backup_client.sealing.kdf_parameters import KdfParameters
from obscura_backup_client.sealing.sealed import SealingKey, open_sealed, seal_plaintext

DAMAGED: Final = [
    Case("length beyond the end", b"\0\0\0\x03hi"),
    Case("largest length", b"\xff\xff\xff\xffhi"),
    Case("last byte of the padding not zero", b"\0\0\0\x02hi\0\x01"),
    Case("first byte of the padding not zero", b"\0\0\0\x02hi\x01\0"),
    Case("a byte in the middle of the padding not zero", b"\0\0\0\x02hi\0\x01\0"),
]


# What is too short for a header, by what it begins with.
SHORT_BLOBS: Final = {
    "nothing but a newer format's first four bytes": b"OBK2",
    "a newer format in 20 bytes": b"OBK2" + bytes(16),
    "nothing but this format's first four bytes": b"OBK1",
    "another format in 20 bytes": b"OBKx" + bytes(16),
    "three bytes": b"OBK",
}


@dataclass(frozen=True)
class Asked:
    """A blob, a password in UTF-16 code units, and what a person answers who is asked about the memory."""

    name: str
    blob: bytes
    answer: bool
    utf16: tuple[int, ...] = tuple(map(ord, PASSWORD))

    @property
    def error(self) -> str | None:
        """The code of the error that opening ends with, None when it opens."""
        password = "".join(map(chr, self.utf16))
        return code_of(lambda: open_sealed(self.blob, password, USER, confirm=lambda _: self.answer))


def asked() -> list[Asked]:
    """Work the blobs out. A password that has no bytes shows how far opening came, without a costly derivation."""
    _, blob = sealed(SHORT)
    no_utf8 = (0x61, 0xD800)
    many, too_many = (
        blob[:5] + memory.to_bytes(4, "big") + passes.to_bytes(4, "big") + blob[13:]
        for memory, passes in ((262145, 1), (524288, 9))
    )
    return [
        Asked("256 MiB and less: nobody is asked", blob, answer=False),
        Asked("no", many, answer=False),
        Asked("yes, for a password that has no bytes", many, answer=True, utf16=no_utf8),
        Asked("no, for a password that has no bytes", many, answer=False, utf16=no_utf8),
        Asked("yes, beyond the limits: nobody is asked", too_many, answer=True),
        Asked("a password that has no bytes", blob, answer=False, utf16=no_utf8),
        Asked("a password that has no bytes, for a newer format", b"OBK2" + blob[4:], answer=False, utf16=no_utf8),
    ]


@dataclass(frozen=True)
class Kept:
    """A blob, and the root that a device kept of an earlier one: no password, and no Argon2id."""

    name: str
    blob: bytes
    key: SealingKey

    @property
    def error(self) -> str | None:
        """The code of the error that opening ends with, None when it opens."""
        return code_of(lambda: open_sealed(self.blob, self.key, USER))


def kept() -> list[Kept]:
    """Work the blobs out. Roots need not come from a password, so that costs that would take minutes can be tried."""
    key, blob = sealed(SHORT)
    most, beyond = (replace(key, parameters=KdfParameters(512 * 1024, passes, 1)) for passes in (8, 9))
    return [
        Kept("the root of this very blob", blob, key),
        Kept("another salt", blob, replace(key, salt=bytes(16))),
        Kept("another memory", blob, replace(key, parameters=replace(key.parameters, memory_kib=65))),
        Kept("other passes", blob, replace(key, parameters=replace(key.parameters, passes=3))),
        Kept("other lanes", blob, replace(key, parameters=replace(key.parameters, lanes=2))),
        Kept("another root for the same salt and costs", blob, replace(key, root=bytes(32))),
        Kept("costs that one would be asked about: nobody is", laid_out(most), most),
        Kept("costs that one would be asked about, and another salt", laid_out(most), replace(most, salt=bytes(16))),
        Kept("costs beyond the limit", laid_out(beyond), beyond),
        Kept("costs beyond the limit, and another salt", laid_out(beyond), replace(beyond, salt=bytes(16))),
    ]


def laid_out(key: SealingKey) -> bytes:
    """Seal the short example by a root, without deriving it."""
    return seal_plaintext(SHORT.plaintext, key, USER, nonce=SHORT.digest(f"nonce for {key.parameters}")[:12])


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
        "short": [{"name": name, "blob": each.hex(), "error": error_of(each)} for name, each in SHORT_BLOBS.items()],
        "asked": [
            {
                "name": each.name,
                "blob": each.blob.hex(),
                "password_utf16": list(each.utf16),
                "answer": each.answer,
                "error": each.error,
            }
            for each in asked()
        ],
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
        "kept_roots": [
            {
                "name": case.name,
                "blob": case.blob.hex(),
                "root": case.key.root.hex(),
                "salt": case.key.salt.hex(),
                "memory_kib": case.key.parameters.memory_kib,
                "passes": case.key.parameters.passes,
                "lanes": case.key.parameters.lanes,
                "error": case.error,
            }
            for case in kept()
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
