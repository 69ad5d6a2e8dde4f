"""What the examples of the sealed format have in common: one user, one password, and how an example is sealed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from obscura_backup_client.errors import ClientError
from obscura_backup_client.sealing.kdf import argon2id
from obscura_backup_client.sealing.kdf_parameters import KdfParameters
from obscura_backup_client.sealing.passwords import normalize
from obscura_backup_client.sealing.sealed import SealingKey, open_sealed, seal_plaintext

if TYPE_CHECKING:
    from collections.abc import Callable

USER: Final = UUID("00112233-4455-6677-8899-aabbccddeeff")
OTHER_USER: Final = UUID("00112233-4455-6677-8899-aabbccddeefe")
PASSWORD: Final = "correct horse battery"  # noqa: S105 - published on purpose


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


def sealed(case: Case) -> tuple[SealingKey, bytes]:
    """Seal one example without any of the checks that applications are held to."""
    salt = case.salt or case.digest("salt")[:16]
    key = SealingKey(case.parameters, salt, argon2id(normalize(case.password), salt, case.parameters))
    return key, seal_plaintext(case.plaintext, key, USER, nonce=case.nonce or case.digest("nonce")[:12])


def error_of(blob: bytes, *, user_id: UUID = USER, password: str = PASSWORD) -> str | None:
    """Give the code of the error that opening ends with, None when it opens."""
    return code_of(lambda: open_sealed(blob, password, user_id))


def code_of(action: Callable[[], Any]) -> str | None:
    """Give the code of the error that an action ends with, None when it ends well."""
    try:
        action()
    except ClientError as error:
        return error.code
    return None
