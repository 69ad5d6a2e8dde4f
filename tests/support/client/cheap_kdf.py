"""Argon2id with little memory, for tests of what is done with a password and not of how a key is derived."""

from __future__ import annotations

import hashlib

from obscura_backup_client.sealing.kdf import argon2id
from obscura_backup_client.sealing.kdf_parameters import KdfParameters

_CHEAPEST = KdfParameters(8, 1, 1)


def cheap_argon2id(password: bytes, salt: bytes, parameters: KdfParameters) -> bytes:
    """Derive a key with 8 KiB and one pass. As with the real cost, other parameters give another key."""
    return argon2id(password, hashlib.sha256(salt + repr(parameters).encode()).digest(), _CHEAPEST)
