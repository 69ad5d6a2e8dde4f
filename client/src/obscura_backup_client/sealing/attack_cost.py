"""What guessing a password costs, as a model."""

from __future__ import annotations

import math
from typing import Final

from obscura_backup_client.sealing.kdf_parameters import KdfParameters

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
