"""Key derivation parameters and the cost of guessing, as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from obscura_backup_client.sealing.kdf_parameters import KdfParameters

ATTACK_MODEL_NOTE = "a model from published memory bandwidths of rented accelerators, not a measurement"


def parameters_text(parameters: KdfParameters) -> str:
    """The parameters in short: `128 MiB, 3 passes`, and the lanes if there are several."""
    memory = parameters.memory_kib
    shown = f"{memory // 1024} MiB" if memory % 1024 == 0 and memory else f"{memory} KiB"
    passes = "1 pass" if parameters.passes == 1 else f"{parameters.passes} passes"
    return f"{shown}, {passes}" + ("" if parameters.lanes == 1 else f", {parameters.lanes} lanes")


def parameters_facts(parameters: KdfParameters) -> dict[str, Any]:
    """The parameters as JSON members."""
    return {"memory_kib": parameters.memory_kib, "passes": parameters.passes, "lanes": parameters.lanes}


def dollars(amount: float) -> str:
    """An estimated amount in US dollars, rounded to two digits."""
    return f"${float(f'{amount:.1e}'):,.0f}"
