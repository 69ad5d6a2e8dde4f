"""The values of the commands' limits and counts. A change of one must be a decision, not an accident."""

from __future__ import annotations

from typing import Any

import pytest

from obscura_backup_client import cli
from obscura_backup_client.cli import context as run
from obscura_backup_client.cli import settings
from obscura_backup_client.cli.commands import calibrate, inspect


@pytest.mark.parametrize(
    ("module", "numbers"),
    [
        (cli, {"_OUTPUT_LOST": 12, "_INTERRUPTED": 130}),
        (calibrate, {"DEFAULT_TARGET_MS": 750}),
        (run, {"MAX_NAMED_CONTACTS": 3}),
        (settings, {"MAX_PASSWORD_LINE_BYTES": 8192, "MAX_TOKEN_BYTES": 65_536}),
    ],
    ids=lambda given: given.__name__.rpartition(".")[2] if hasattr(given, "__name__") else "",
)
def test_the_commands_have_the_decided_numbers(module: Any, numbers: dict[str, Any]) -> None:
    assert {name: getattr(module, name) for name in numbers} == numbers


def test_examples_of_passwords_have_the_bits_of_their_kind() -> None:
    bits = {name: round(strength, 2) for strength, name in inspect.EXAMPLES}
    assert list(bits.values()) == sorted(bits.values())
    assert bits["a password of 40 random bits"] == 40
    assert bits["four words drawn by dice from 7776"] == 51.7
