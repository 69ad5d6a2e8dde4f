"""Mutants that no test can kill, each with its reason."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from mutation.mutant import Mutant

FILE: Final = Path(__file__).with_name("equivalents.toml")


@dataclass(frozen=True)
class Equivalent:
    """A mutant that behaves like the original.

    Attributes:
        file: the source file, from the root of the repository.
        function: the qualified name of the function or class; empty at the level of the module.
        before: the changed lines, without outer white space, joined by line breaks.
        after: the lines of the mutant.
        reason: why no behaviour differs.
    """

    file: str
    function: str
    before: str
    after: str
    reason: str

    def explains(self, mutant: Mutant) -> bool:
        """Whether this is the mutant."""
        place = (mutant.site.path.as_posix(), mutant.site.function)
        return (self.file, self.function) == place and (self.before, self.after) == mutant.change


def equivalents(path: Path = FILE) -> list[Equivalent]:
    """All entries of the file.

    Raises:
        ValueError: an entry has no reason.
        TypeError: an entry has a key that is not known, or lacks one.
    """
    entries = [Equivalent(**entry) for entry in tomllib.loads(path.read_text(encoding="utf-8")).get("equivalent", [])]
    for entry in entries:
        if not entry.reason.strip():
            raise ValueError(f"{path.name}: no reason for {entry.file}: {entry.before}")
    return entries
