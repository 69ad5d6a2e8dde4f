"""The sealed backup, format OBK1: what the server stores and cannot read. `docs/format.md` specifies it."""

from __future__ import annotations

import hmac
import os
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from obscura_backup_client.sealing.errors import (
    Damaged,
    DifferentKey,
    NewerFormat,
    NotABackup,
    PayloadTooLarge,
    RefusedParameters,
    WrongPassword,
)
from obscura_backup_client.sealing.kdf import (
    ROOT_BYTES,
    SALT_BYTES,
    ConfirmMemory,
    argon2id,
    refuse_memory,
    require_openable,
    require_sealable,
)
from obscura_backup_client.sealing.kdf_parameters import KdfParameters
from obscura_backup_client.sealing.padding import LENGTH_BYTES, largest_payload_bytes, pad, padded_bytes, unpad
from obscura_backup_client.sealing.passwords import normalize, require_settable

if TYPE_CHECKING:
    from uuid import UUID

MAGIC: Final = b"OBK1"
KDF_ARGON2ID: Final = 1
NONCE_BYTES: Final = 12
COMMITMENT_BYTES: Final = 32
TAG_BYTES: Final = 16
CIPHER_KEY_BYTES: Final = 32

_PREFIX: Final = struct.Struct(f">4sBIIB{SALT_BYTES}s{NONCE_BYTES}s")
HEADER_BYTES: Final = _PREFIX.size + COMMITMENT_BYTES
SMALLEST_BLOB_BYTES: Final = HEADER_BYTES + LENGTH_BYTES + TAG_BYTES
_INFO: Final = b"obscura-backup v1"

DEFAULT_MAX_BLOB_BYTES: Final = 2 * 1024 * 1024
MAX_PAYLOAD_BYTES: Final = largest_payload_bytes(DEFAULT_MAX_BLOB_BYTES - HEADER_BYTES - TAG_BYTES)

RandomBytes = Callable[[int], bytes]
"""Returns a number of unpredictable bytes. Only tests and vectors pass anything but `os.urandom`."""


@dataclass(frozen=True)
class SealingKey:
    """A derived key: the root of all keys, with the parameters and the salt of its derivation.

    Keep one only from a backup that this device sealed or fully opened. Then the server chose neither its salt nor its
    parameters.

    Raises:
        ValueError: a salt that is not 16 bytes or a root that is not 32.
    """

    parameters: KdfParameters
    salt: bytes
    root: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.salt) != SALT_BYTES or len(self.root) != ROOT_BYTES:
            raise ValueError(f"a sealing key has {SALT_BYTES} bytes of salt and {ROOT_BYTES} of root")


@dataclass(frozen=True)
class Header:
    """The first 74 bytes of a sealed backup. They are not secret, and not trusted before opening."""

    parameters: KdfParameters
    salt: bytes
    nonce: bytes
    commitment: bytes

    @property
    def prefix(self) -> bytes:
        """The 42 bytes before the commitment, on which the keys depend."""
        costs = self.parameters
        return _PREFIX.pack(MAGIC, KDF_ARGON2ID, costs.memory_kib, costs.passes, costs.lanes, self.salt, self.nonce)

    @property
    def encoded(self) -> bytes:
        """The 74 bytes of the header."""
        return self.prefix + self.commitment


@dataclass(frozen=True)
class OpenedBackup:
    """An opened backup: its payload, and the key that opened it."""

    payload: bytes = field(repr=False)
    key: SealingKey


def derive_key(
    password: str, parameters: KdfParameters, *, salt: bytes | None = None, random: RandomBytes = os.urandom
) -> SealingKey:
    """Derive a key for sealing. Without a `salt` (16 bytes) a random one is used, as a password change requires.

    Raises:
        PasswordRefused: the password breaks a rule for new passwords.
        RefusedParameters: the parameters are outside the sealing limits.
        KeyDerivationFailed: this device cannot run them.
    """
    secret = require_settable(password)
    require_sealable(parameters)
    salt = _random_bytes(random, SALT_BYTES) if salt is None else salt
    return SealingKey(parameters, salt, argon2id(secret, salt, parameters))


def seal(
    payload: bytes,
    key: SealingKey,
    user_id: UUID,
    *,
    max_blob_bytes: int = DEFAULT_MAX_BLOB_BYTES,
    random: RandomBytes = os.urandom,
) -> bytes:
    """Seal a payload for one user, under a fresh nonce. The same payload never gives the same blob twice.

    Raises:
        RefusedParameters: the key's parameters are outside the sealing limits.
        PayloadTooLarge: the blob would have more than `max_blob_bytes` bytes.
    """
    require_sealable(key.parameters)
    if HEADER_BYTES + padded_bytes(len(payload)) + TAG_BYTES > max_blob_bytes:
        most = largest_payload_bytes(max_blob_bytes - HEADER_BYTES - TAG_BYTES)
        raise PayloadTooLarge(len(payload), max(most, 0))
    return seal_plaintext(pad(payload), key, user_id, nonce=_random_bytes(random, NONCE_BYTES))


def seal_plaintext(plaintext: bytes, key: SealingKey, user_id: UUID, *, nonce: bytes) -> bytes:
    """Seal a padded plaintext without checks. For vectors and tests; applications call `seal`."""
    # Imported here, as in `open_sealed`, so that commands without ciphertext do not load a native library.
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    prefix = Header(key.parameters, key.salt, nonce, b"").prefix
    cipher_key, commitment = expand(key.root, prefix)
    header = prefix + commitment
    return header + AESGCM(cipher_key).encrypt(nonce, plaintext, header + user_id.bytes)


def expand(root: bytes, prefix: bytes) -> tuple[bytes, bytes]:
    """Expand a root into the 32-byte AES key and the 32-byte key commitment of one header prefix (42 bytes).

    Source: HKDF-Expand with SHA-256 (RFC 5869, section 2.3). Its extract step is not needed because Argon2id's output
    is uniform. AES-GCM alone is not key-committing: without the commitment an attacker could make a blob that opens
    under many passwords, and each "wrong password" would rule out many guesses at once.
    """
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

    okm = HKDFExpand(SHA256(), CIPHER_KEY_BYTES + COMMITMENT_BYTES, _INFO + prefix).derive(root)
    return okm[:CIPHER_KEY_BYTES], okm[CIPHER_KEY_BYTES:]


def read_header(blob: bytes) -> Header:
    """Read the header of a sealed backup. Needs no password and checks no limit.

    Raises:
        NotABackup: the bytes do not begin with "OBK" and a digit.
        NewerFormat: the digit is not 1.
        Damaged: shorter than the smallest possible backup (94 bytes).
        RefusedParameters: the number of the KDF is not 1.
    """
    magic = blob[: len(MAGIC)]
    if magic != MAGIC:
        digit = magic[3:]
        if magic[:3] == MAGIC[:3] and digit.isdigit():
            raise NewerFormat(digit.decode("ascii"))
        raise NotABackup
    if len(blob) < SMALLEST_BLOB_BYTES:
        raise Damaged("it is truncated")
    _, kdf, memory_kib, passes, lanes, salt, nonce = _PREFIX.unpack_from(blob)
    if kdf != KDF_ARGON2ID:
        raise RefusedParameters(f"key derivation function {kdf} is unknown")
    return Header(KdfParameters(memory_kib, passes, lanes), salt, nonce, blob[_PREFIX.size : HEADER_BYTES])


def open_sealed(
    blob: bytes, secret: str | SealingKey, user_id: UUID, *, confirm: ConfirmMemory = refuse_memory
) -> OpenedBackup:
    """Open a sealed backup with its password, or with a kept key and without a derivation.

    Args:
        blob: the sealed backup; nothing in it is trusted before it is authenticated.
        secret: the password as typed, or a kept key.
        user_id: the user whose backup this should be.
        confirm: called before a derivation with more than 256 MiB; the default refuses.

    Raises:
        NotABackup, NewerFormat, RefusedParameters, DifferentKey, WrongPassword, Damaged: checked in this order, except
            that a backup truncated inside its first 94 bytes is `Damaged` before its parameters are checked.
        PasswordCharacterRefused: the password contains a lone surrogate.
        KeyDerivationFailed: this device cannot run the parameters.
    """
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    header = read_header(blob)
    key = _opening_key(header, secret, confirm)
    cipher_key, commitment = expand(key.root, header.prefix)
    # Before decryption, and in constant time; `expand` says why.
    if not hmac.compare_digest(commitment, header.commitment):
        raise WrongPassword
    try:
        plaintext = AESGCM(cipher_key).decrypt(header.nonce, blob[HEADER_BYTES:], header.encoded + user_id.bytes)
    except InvalidTag:
        raise Damaged("its content fails authentication") from None
    try:
        return OpenedBackup(unpad(plaintext), key)
    except ValueError as error:
        raise Damaged(str(error)) from None


def _opening_key(header: Header, secret: str | SealingKey, confirm: ConfirmMemory) -> SealingKey:
    if isinstance(secret, SealingKey):
        # A kept key needs no memory, so no confirmation is needed.
        require_openable(header.parameters, confirm=lambda _: True)
        if (secret.parameters, secret.salt) != (header.parameters, header.salt):
            raise DifferentKey
        return secret
    require_openable(header.parameters, confirm=confirm)
    return SealingKey(header.parameters, header.salt, argon2id(normalize(secret), header.salt, header.parameters))


def _random_bytes(random: RandomBytes, count: int) -> bytes:
    drawn = random(count)
    if len(drawn) != count:
        raise ValueError(f"the source of randomness gave {len(drawn)} bytes instead of {count}")
    return drawn
