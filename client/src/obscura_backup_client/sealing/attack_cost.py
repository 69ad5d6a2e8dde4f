"""A model of what guessing a password costs."""

from __future__ import annotations

import math
from typing import Final

from obscura_backup_client.sealing.kdf_parameters import KdfParameters

_REFERENCE_USD: Final = 125.0


_REFERENCE_WORK: Final = KdfParameters(memory_kib=64 * 1024, passes=3, lanes=1)


_MEMORY_EXPONENT: Final = 1.963


def attack_cost(parameters: KdfParameters) -> float:
    """Estimate the cost in US dollars of 10^9 guesses at one backup on rented accelerators.

    This is a model, not a measurement. It uses the published memory bandwidth of H100-class cards and gives about 125
    dollars at 64 MiB, 490 at 128 MiB and 1,900 at 256 MiB, three passes each. For other values it follows the power law
    through these three, 125 x (memory / 64 MiB)^1.963 x (passes / 3). Twice the memory doubles the time of one guess
    and halves how many fit on a card; twice the passes only doubles the time. Lanes are not counted (sealing has one).
    Far below 64 MiB caches make guessing cheaper than the model says.
    """
    memory = parameters.memory_kib / _REFERENCE_WORK.memory_kib
    passes = parameters.passes / _REFERENCE_WORK.passes
    return float(_REFERENCE_USD * memory**_MEMORY_EXPONENT * passes)


def search_cost(parameters: KdfParameters, password_bits: float) -> float:
    """Estimate the cost in US dollars of finding a password chosen at random from 2^`password_bits`.

    On average half of them must be tried. `attack_cost` describes the model. A password that a person made up is not
    random, and its entropy is unknown.
    """
    return attack_cost(parameters) * math.pow(2, password_bits - 1) / 1e9


def attack_cost_is_modelled(parameters: KdfParameters) -> bool:
    """Whether the memory is at least 64 MiB, as `attack_cost` assumes; below that its estimate is too high."""
    return parameters.memory_kib >= _REFERENCE_WORK.memory_kib
