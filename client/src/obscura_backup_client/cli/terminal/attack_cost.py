"""Parameters and what guessing costs, as people read them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from obscura_backup_client.sealing.kdf_parameters import KdfParameters

ATTACK_MODEL_NOTE = "a model of published memory bandwidths of rented accelerators, which nobody has run"


def parameters_text(parameters: KdfParameters) -> str:
    """The parameters in short: `128 MiB, 3 passes`, and the lanes where there is not just one."""
    memory = parameters.memory_kib
    shown = f"{memory // 1024} MiB" if memory % 1024 == 0 and memory else f"{memory} KiB"
    passes = "1 pass" if parameters.passes == 1 else f"{parameters.passes} passes"
    return f"{shown}, {passes}" + ("" if parameters.lanes == 1 else f", {parameters.lanes} lanes")


def parameters_facts(parameters: KdfParameters) -> dict[str, Any]:
    """The parameters for programs."""
    return {"memory_kib": parameters.memory_kib, "passes": parameters.passes, "lanes": parameters.lanes}


def dollars(amount: float) -> str:
    """An estimated amount, with the two digits that it deserves."""
    return f"${float(f'{amount:.1e}'):,.0f}"
