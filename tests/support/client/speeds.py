"""Devices of a constant speed, for tests that depend on the time of a derivation."""

from __future__ import annotations

from collections.abc import Callable

from obscura_backup_client.sealing.errors import KeyDerivationFailed
from obscura_backup_client.sealing.kdf_parameters import KdfParameters


def steady(seconds_per_gib_pass: float, *, memory_mib: int = 1024) -> Callable[[KdfParameters], float]:
    """The time of a derivation on a device of this speed and memory."""

    def measure(parameters: KdfParameters) -> float:
        if parameters.memory_kib > memory_mib * 1024:
            raise KeyDerivationFailed("Memory allocation error", parameters)
        return parameters.memory_kib * parameters.passes * seconds_per_gib_pass / 1024**2

    return measure
