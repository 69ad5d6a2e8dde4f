"""What one password guess costs: the parameters of Argon2id, and their limits."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from obscura_backup_client.errors import KeyDerivationFailed, RefusedParameters

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT_BYTES: Final = 32
SALT_BYTES: Final = 16

# Sealing: one lane because libsodium, and so most phones, has no other; the memory range is what phones can spare.
SEALING_LANES: Final = 1
SEALING_MIN_PASSES: Final = 3
SEALING_MIN_MEMORY_KIB: Final = 64 * 1024
SEALING_MAX_MEMORY_KIB: Final = 256 * 1024

# Opening: generous enough for every honest writer, tight enough that a hostile header can neither exhaust a phone's
# memory nor keep it busy for minutes.
OPENING_MAX_LANES: Final = 4
OPENING_MAX_PASSES: Final = 16
OPENING_MIN_MEMORY_KIB_PER_LANE: Final = 8
OPENING_MAX_MEMORY_KIB: Final = 512 * 1024
OPENING_MAX_MEMORY_KIB_PASSES: Final = 4 * 1024 * 1024
OPENING_UNASKED_MEMORY_KIB: Final = 256 * 1024


@dataclass(frozen=True)
class KdfParameters:
    """The three costs of Argon2id (RFC 9106): memory in KiB, passes over it, and lanes computed side by side."""

    memory_kib: int
    passes: int
    lanes: int

    def __str__(self) -> str:
        return f"Argon2id, memory {self.memory_kib} KiB, passes {self.passes}, lanes {self.lanes}"


PROFILES: Final[Mapping[str, KdfParameters]] = MappingProxyType(
    {
        "default": KdfParameters(memory_kib=128 * 1024, passes=3, lanes=1),
        "low-memory": KdfParameters(memory_kib=64 * 1024, passes=3, lanes=1),
        "desktop": KdfParameters(memory_kib=256 * 1024, passes=3, lanes=1),
    }
)
DEFAULT_PROFILE: Final = PROFILES["default"]

Confirm = Callable[[KdfParameters], bool]
"""Asks the person whether a derivation that needs unusually much memory may go on."""


def refuse(_parameters: KdfParameters) -> bool:
    """Answer no: the `Confirm` for callers that have nobody to ask."""
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
    """Whether `require_sealable` lets them pass."""
    try:
        require_sealable(parameters)
    except RefusedParameters:
        return False
    return True


def weakness(parameters: KdfParameters) -> str:
    """Why a backup that is sealed with these parameters is to be sealed anew, in words; empty where it may stay.

    It may stay anywhere at or above the sealing floor, also below the profile of this device: two devices with
    different profiles would otherwise replace each other's backup for ever. It may stay above the sealing ceiling, too,
    since sealing it anew would make it cheaper to guess. Lanes have to be 1, or most phones cannot open it.
    """
    if parameters.memory_kib < SEALING_MIN_MEMORY_KIB:
        return f"{SEALING_MIN_MEMORY_KIB // 1024} MiB of memory are the least"
    if parameters.passes < SEALING_MIN_PASSES:
        return f"{SEALING_MIN_PASSES} passes are the least"
    return "" if parameters.lanes == SEALING_LANES else "most phones can only compute 1 lane"


def require_openable(parameters: KdfParameters, *, confirm: Confirm = refuse) -> None:
    """Check, before anything is allocated, that a blob's parameters are ones this device is willing to run.

    Args:
        parameters: as read from the header; nothing about them is trusted.
        confirm: asked only above 256 MiB and only when every fixed limit holds; the default refuses.

    Raises:
        RefusedParameters: lanes outside 1 to 4, passes outside 1 to 16, memory under 8 KiB a lane or over 512 MiB,
            memory x passes over 4 GiB, or `confirm` said no.
    """
    if not 1 <= parameters.lanes <= OPENING_MAX_LANES:
        raise RefusedParameters(f"lanes must be 1 to {OPENING_MAX_LANES}", parameters)
    if not 1 <= parameters.passes <= OPENING_MAX_PASSES:
        raise RefusedParameters(f"passes must be 1 to {OPENING_MAX_PASSES}", parameters)
    if parameters.memory_kib < OPENING_MIN_MEMORY_KIB_PER_LANE * parameters.lanes:
        raise RefusedParameters("memory must be at least 8 KiB a lane", parameters)
    if parameters.memory_kib > OPENING_MAX_MEMORY_KIB:
        raise RefusedParameters("memory must be at most 512 MiB", parameters)
    if parameters.memory_kib * parameters.passes > OPENING_MAX_MEMORY_KIB_PASSES:
        raise RefusedParameters("memory times passes must be at most 4 GiB", parameters)
    if parameters.memory_kib > OPENING_UNASKED_MEMORY_KIB and not confirm(parameters):
        raise RefusedParameters("more than 256 MiB of memory was not agreed to", parameters)


def argon2id(password: bytes, salt: bytes, parameters: KdfParameters) -> bytes:
    """Derive 32 bytes by Argon2id version 0x13 (RFC 9106), without secret and associated data; no limit is checked.

    Raises:
        KeyDerivationFailed: mostly that the device cannot give this much memory.
    """
    # Imported here because the commands that derive nothing should not wait for a native library to load.
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


_REFERENCE_USD: Final = 125.0
_REFERENCE_WORK: Final = KdfParameters(memory_kib=64 * 1024, passes=3, lanes=1)
_MEMORY_EXPONENT: Final = 1.963


def attack_cost(parameters: KdfParameters) -> float:
    """Estimate in US dollars what 10^9 guesses at one backup cost somebody who rents accelerators.

    This is a model and nobody has run it: it rests on the published memory bandwidth of H100-class cards, for which
    it gives about 125 dollars at 64 MiB, 490 at 128 MiB and 1,900 at 256 MiB, three passes each. Between and beyond
    these it follows the power law through the three, 125 x (memory / 64 MiB)^1.963 x (passes / 3): twice the memory
    doubles the time of one guess and halves how many fit on a card, twice the passes only doubles the time. Lanes are
    not counted (sealing has one). Far below 64 MiB caches make guessing cheaper than the model says.
    """
    memory = parameters.memory_kib / _REFERENCE_WORK.memory_kib
    passes = parameters.passes / _REFERENCE_WORK.passes
    return float(_REFERENCE_USD * memory**_MEMORY_EXPONENT * passes)


def search_cost(parameters: KdfParameters, password_bits: float) -> float:
    """Estimate in US dollars what finding a password costs that was drawn at random out of 2^`password_bits`.

    On average half of them have to be tried. `attack_cost` says what the estimate rests on. A password that a person
    thought up was not drawn at random, and how many bits it has nobody knows.
    """
    return attack_cost(parameters) * math.pow(2, password_bits - 1) / 1e9


def attack_cost_is_modelled(parameters: KdfParameters) -> bool:
    """Whether the memory is where `attack_cost` is meant for, or beyond it; below 64 MiB it would flatter."""
    return parameters.memory_kib >= _REFERENCE_WORK.memory_kib
