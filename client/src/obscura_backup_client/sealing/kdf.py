"""Key derivation by Argon2id, and the limits of its parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from obscura_backup_client.sealing.errors import KeyDerivationFailed, RefusedParameters
from obscura_backup_client.sealing.kdf_parameters import KdfParameters

ROOT_BYTES: Final = 32
SALT_BYTES: Final = 16

# Sealing: one lane, because libsodium and therefore most phones support no more; memory that phones can spare.
SEALING_LANES: Final = 1
SEALING_MIN_PASSES: Final = 3
SEALING_MIN_MEMORY_KIB: Final = 64 * 1024
SEALING_MAX_MEMORY_KIB: Final = 256 * 1024

# Opening: wide enough for every honest writer, narrow enough that a hostile header can neither exhaust a phone's memory
# nor keep it busy for minutes.
OPENING_MAX_LANES: Final = 4
OPENING_MAX_PASSES: Final = 16
OPENING_MIN_MEMORY_KIB_PER_LANE: Final = 8
OPENING_MAX_MEMORY_KIB: Final = 512 * 1024
OPENING_MAX_MEMORY_KIB_PASSES: Final = 4 * 1024 * 1024
OPENING_UNASKED_MEMORY_KIB: Final = 256 * 1024


ConfirmMemory = Callable[[KdfParameters], bool]
"""Asks the person whether a derivation that needs much memory may start."""


def refuse_memory(_parameters: KdfParameters) -> bool:
    """Answer no: the `ConfirmMemory` for callers without a person to ask."""
    return False


def require_sealable(parameters: KdfParameters) -> None:
    """Check that a new backup may be sealed with these parameters.

    Raises:
        RefusedParameters: outside 1 lane, 3 to 16 passes, 64 to 256 MiB.
    """
    if parameters.lanes != SEALING_LANES:
        raise RefusedParameters("sealing uses exactly 1 lane", parameters)
    if not SEALING_MIN_PASSES <= parameters.passes <= OPENING_MAX_PASSES:
        raise RefusedParameters(f"sealing takes {SEALING_MIN_PASSES} to {OPENING_MAX_PASSES} passes", parameters)
    if not SEALING_MIN_MEMORY_KIB <= parameters.memory_kib <= SEALING_MAX_MEMORY_KIB:
        raise RefusedParameters("sealing takes 64 to 256 MiB of memory", parameters)


def is_sealable(parameters: KdfParameters) -> bool:
    """Whether `require_sealable` accepts them."""
    try:
        require_sealable(parameters)
    except RefusedParameters:
        return False
    return True


def weakness(parameters: KdfParameters) -> str:
    """Why a backup with these parameters must be sealed again; empty if it may stay.

    It may stay at or above the sealing minimum, even below this device's profile. Otherwise two devices with different
    profiles would replace each other's backup for ever. It may also stay above the sealing maximum, because sealing it
    again would make it cheaper to guess. Lanes must be 1, or most phones cannot open it.
    """
    if parameters.memory_kib < SEALING_MIN_MEMORY_KIB:
        return f"{SEALING_MIN_MEMORY_KIB // 1024} MiB of memory is the minimum"
    if parameters.passes < SEALING_MIN_PASSES:
        return f"{SEALING_MIN_PASSES} passes are the minimum"
    return "" if parameters.lanes == SEALING_LANES else "most phones can only compute 1 lane"


def require_openable(parameters: KdfParameters, *, confirm: ConfirmMemory = refuse_memory) -> None:
    """Check the parameters of a blob before any memory is allocated.

    Args:
        parameters: from the header, untrusted.
        confirm: called above 256 MiB if every fixed limit holds; the default refuses.

    Raises:
        RefusedParameters: lanes outside 1 to 4, passes outside 1 to 16, memory under 8 KiB per lane or over 512 MiB,
            memory x passes over 4 GiB, or `confirm` returned False.
    """
    if not 1 <= parameters.lanes <= OPENING_MAX_LANES:
        raise RefusedParameters(f"lanes must be 1 to {OPENING_MAX_LANES}", parameters)
    if not 1 <= parameters.passes <= OPENING_MAX_PASSES:
        raise RefusedParameters(f"passes must be 1 to {OPENING_MAX_PASSES}", parameters)
    if parameters.memory_kib < OPENING_MIN_MEMORY_KIB_PER_LANE * parameters.lanes:
        raise RefusedParameters("memory must be at least 8 KiB per lane", parameters)
    if parameters.memory_kib > OPENING_MAX_MEMORY_KIB:
        raise RefusedParameters("memory must be at most 512 MiB", parameters)
    if parameters.memory_kib * parameters.passes > OPENING_MAX_MEMORY_KIB_PASSES:
        raise RefusedParameters("memory times passes must be at most 4 GiB", parameters)
    if parameters.memory_kib > OPENING_UNASKED_MEMORY_KIB and not confirm(parameters):
        raise RefusedParameters("more than 256 MiB of memory was not confirmed", parameters)


def argon2id(password: bytes, salt: bytes, parameters: KdfParameters) -> bytes:
    """Derive 32 bytes by Argon2id version 0x13 (RFC 9106), without secret and associated data; no limit is checked.

    Raises:
        KeyDerivationFailed: usually because the device cannot allocate the memory.
    """
    # Imported here so that commands without key derivation do not load a native library.
    from argon2.exceptions import HashingError
    from argon2.low_level import Type, hash_secret_raw

    try:
        return hash_secret_raw(
            secret=password,
            salt=salt,
            time_cost=parameters.passes,
            memory_cost=parameters.memory_kib,
            parallelism=parameters.lanes,
            hash_len=ROOT_BYTES,
            type=Type.ID,
            version=0x13,
        )
    except HashingError as error:
        raise KeyDerivationFailed(str(error), parameters) from error
