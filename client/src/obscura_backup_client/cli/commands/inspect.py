"""`obscura-client inspect`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import click

from obscura_backup_client.cli.context import CommandContext
from obscura_backup_client.cli.settings import global_options, opened_file
from obscura_backup_client.cli.terminal.attack_cost import ATTACK_MODEL_NOTE, dollars, parameters_text
from obscura_backup_client.cli.terminal.completion_values import files

if TYPE_CHECKING:
    from obscura_backup_client.sealing.inspection import Inspection

# Random passwords by their entropy in bits. A list of 7,776 words can be chosen from with five dice.
EXAMPLES = (
    (40.0, "a password of 40 random bits"),
    (4 * math.log2(7776), "four words drawn by dice from 7776"),
    (5 * math.log2(7776), "five such words"),
)


@click.command()
@click.argument("file", metavar="FILE|-", shell_complete=files)
@global_options
@click.pass_context
def inspect(context: click.Context, file: str) -> None:
    """Show a sealed backup's parameters and size, and what guessing its password costs.

    Needs no password, no token and no identity. Cannot detect damage, except by the size.
    """
    from obscura_backup_client.sealing import inspection

    command = CommandContext.of(context)
    with opened_file(file) as stream:
        found = inspection.inspect(stream)
    command.result(_facts(found), _text(found))


def _text(found: Inspection) -> str:
    header, size = found.header, f"{found.size_bytes} bytes"
    lines = [
        f"Format      OBK{found.format}",
        f"Derivation  Argon2id, {parameters_text(header.parameters)}",
        f"Salt        {header.salt.hex()}",
        f"Nonce       {header.nonce.hex()}",
        f"Commitment  {header.commitment.hex()}",
        f"Size        {size if found.complete else f'at least {size} (reading stopped there)'}",
        f"Payload     {_payload_text(found)}",
        f"Opening     {_opening_text(found)}",
        f"Strength    {_strength_text(found)}",
    ]
    return "\n".join([*lines, *_guessing_lines(found)])


def _payload_text(found: Inspection) -> str:
    if found.padded_bytes is None:
        return "unknown"
    if found.payload_bytes is None:
        return f"padded to {found.padded_bytes} bytes, a size that no writer produces: truncated or modified?"
    smallest, largest = found.payload_bytes
    return f"{smallest} to {largest} bytes, padded to {found.padded_bytes}"


def _opening_text(found: Inspection) -> str:
    if found.verdict.value == "opens" and found.complete and found.payload_bytes is None:
        return "parameters are acceptable, but no writer produces this size: probably truncated or modified"
    return {
        "opens": "this client opens it with the password, for the right user",
        "asks": f"this client asks before opening: {found.refusal}",
        "refuses": f"this client refuses to open it: {found.refusal}",
    }[found.verdict.value]


def _strength_text(found: Inspection) -> str:
    return f"not allowed for new backups: {found.weakness}" if found.weakness else "allowed for new backups"


def _guessing_lines(found: Inspection) -> list[str]:
    from obscura_backup_client.sealing.attack_cost import attack_cost, attack_cost_is_modelled, search_cost

    costs = found.header.parameters
    if not attack_cost_is_modelled(costs):
        return ["Guessing    no estimate: the model needs at least 64 MiB of memory, and less is cheaper to guess"]
    if found.verdict.value == "refuses":
        return ["Guessing    no estimate: these parameters are never used"]
    lines = [f"Guessing    10^9 guesses cost about {dollars(attack_cost(costs))}: {ATTACK_MODEL_NOTE}"]
    for bits, name in EXAMPLES:
        lines.append(f"            finding {name} costs about {dollars(search_cost(costs, bits))} on average")
    return lines


def _facts(found: Inspection) -> dict[str, Any]:
    from obscura_backup_client.sealing.attack_cost import attack_cost, attack_cost_is_modelled

    header = found.header
    costs = header.parameters
    has_estimate = attack_cost_is_modelled(costs) and found.verdict.value != "refuses"
    return {
        "format": found.format,
        "kdf": "argon2id",
        "memory_kib": costs.memory_kib,
        "passes": costs.passes,
        "lanes": costs.lanes,
        "salt": header.salt.hex(),
        "nonce": header.nonce.hex(),
        "commitment": header.commitment.hex(),
        "size_bytes": found.size_bytes,
        "size_is_complete": found.complete,
        "padded_bytes": found.padded_bytes,
        "min_payload_bytes": found.payload_bytes and found.payload_bytes[0],
        "max_payload_bytes": found.payload_bytes and found.payload_bytes[1],
        "opening": found.verdict.value,
        "opening_reason": found.refusal or None,
        "sealable": not found.weakness,
        "sealable_reason": found.weakness or None,
        "estimated_usd_per_billion_guesses": round(attack_cost(costs), 2) if has_estimate else None,
    }
