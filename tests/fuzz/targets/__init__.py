"""What is fuzzed: a module each, with `seeds()` and `check(data)`, and perhaps `mutate(data, most_bytes, seed)`.

`check` raises on any input for which a promise does not hold; none of them needs the fuzzer, so that the tests can
replay seeds and findings wherever Python runs.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, cast

if TYPE_CHECKING:
    from collections.abc import Iterable

NAMES: Final = ("opener", "payload", "merge", "plaintext", "state", "exported", "contacts", "answers")
FOUND: Final = Path(__file__).parents[1] / "found"
"""Inputs that once broke a promise, in a folder for each target: replayed for ever."""


class Target(Protocol):
    """One of the modules."""

    MAX_BYTES: int

    def seeds(self) -> Iterable[bytes]:
        """Inputs to start from."""
        ...

    def check(self, data: bytes) -> None:
        """Raises where a promise is broken."""
        ...


def load(name: str) -> Target:
    """The target of that name."""
    return cast("Target", importlib.import_module(f"fuzz.targets.{name}"))


def corpus(name: str) -> list[bytes]:
    """The seeds of a target, and what was found with it."""
    folder = FOUND / name
    found = [path.read_bytes() for path in sorted(folder.iterdir())] if folder.is_dir() else []
    return [*load(name).seeds(), *found]
